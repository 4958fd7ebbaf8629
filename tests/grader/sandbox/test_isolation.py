"""The sandbox on this host: who a kernel is, what ends it, and that nothing is left behind, whoever starts it."""

from __future__ import annotations

import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from helpers.grader.errors import GraderError
from helpers.grader.judging.student_kernel import KernelDied, StudentKernel
from helpers.grader.limits import Limits
from helpers.grader.run.grade import GradingOptions, grade
from helpers.grader.sandbox import doctor
from helpers.grader.sandbox.kernelspecs import GPU_KERNEL, SANDBOX_KERNEL
from helpers.grader.sandbox.root import NOBODY
from helpers.grader.sandbox.zygote_client import ZYGOTE
from tests.conftest import ROOT

needs_sandbox = pytest.mark.skipif(not doctor.isolates(), reason=f"no sandbox on this host:\n{doctor.report()}")
LIMITS = Limits(memory=600 * 2**20, processes=64, files=2**24)


@pytest.fixture
def run(kernel_name, tmp_path):
    """A function that runs a cell in a fresh sandbox and returns what it printed."""

    def run(source: str, kernel: str = SANDBOX_KERNEL) -> str:
        with StudentKernel(kernel, tmp_path, LIMITS) as started:
            started.install_probe([])
            ran = started.run(source, 60)
            assert ran.error is None, ran.error
            return "".join(output.get("text", "") for output in ran.outputs)

    return run


@needs_sandbox
@pytest.mark.parametrize("kernel", [SANDBOX_KERNEL, GPU_KERNEL])
def test_a_kernel_is_a_plain_user_without_capabilities_in_its_own_folder(run, tmp_path, kernel):
    (tmp_path / "beside.txt").write_text("hello")
    said = run(
        "import os\nfacts = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(os.getuid(), int(facts['CapEff'], 16), int(facts['CapBnd'], 16), facts['NoNewPrivs'].strip())\n"
        "print(os.getcwd(), sorted(name for name in os.listdir() if name[0] != '.'), open('beside.txt').read())\n"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['HF_HUB_OFFLINE'])",
        kernel,
    )
    first, second, third = said.splitlines()
    expected = NOBODY if os.geteuid() == 0 else os.geteuid()
    bounding = first.split()[2]
    assert first == f"{expected} 0 {bounding} 1" and (bounding == "0" or os.geteuid() != 0)
    assert second == f"{tmp_path} ['beside.txt'] hello" and third == "1 1"


@needs_sandbox
def test_what_a_kernel_writes_is_gone_afterwards(run, tmp_path):
    run("open('written', 'w').write('x'); open('/tmp/also', 'w').write('x')")
    assert not (tmp_path / "written").exists() and not Path("/tmp/also").exists()


@needs_sandbox
def test_a_sandbox_within_the_sandbox_is_refused(run):
    assert "OSError" in run(
        "from helpers.grader.sandbox import syscalls\n"
        "try: syscalls.unshare(syscalls.NEW_USER)\nexcept OSError as error: print(type(error).__name__)"
    )


@needs_sandbox
def test_output_of_commands_arrives(run):
    assert run("!echo from the shell").strip() == "from the shell"


@needs_sandbox
def test_two_kernels_start_from_the_same_random_state(run):
    code = "import random, torch, numpy as np\nprint(random.random(), torch.rand(1), np.random.rand(), hash('a'))"
    assert run(code) == run(code)


@needs_sandbox
def test_memory_of_all_processes_counts_together(kernel_name, tmp_path):
    child = "if os.fork() == 0:\n        kept = b'x' * (250 * 2**20); time.sleep(60)"
    code = f"import os, time\nfor _ in range(4):\n    {child}\ntime.sleep(60)"
    with StudentKernel(SANDBOX_KERNEL, tmp_path, LIMITS) as kernel, pytest.raises(KernelDied) as death:
        kernel.run(code, 60)
    assert death.value.verdict == "memory"


@needs_sandbox
def test_a_fork_of_a_large_process_counts_once(kernel_name, tmp_path):
    code = "import os, time\nkept = b'x' * (250 * 2**20)\nfor _ in range(4):\n    if os.fork() == 0: time.sleep(60)\n"
    with StudentKernel(SANDBOX_KERNEL, tmp_path, LIMITS) as kernel:
        assert kernel.run(code + "time.sleep(1)", 60).error is None


@needs_sandbox
def test_unmodified_nbclient_can_use_it_by_name(kernel_name, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os; print(os.path.exists('/home'))")])
    path = tmp_path / "any.ipynb"
    nbformat.write(notebook, path)
    command = ["-m", "nbconvert", "--to", "notebook", "--execute", "--output", "out.ipynb"]
    subprocess.run(
        [sys.executable, *command, f"--ExecutePreprocessor.kernel_name={SANDBOX_KERNEL}", str(path)], check=True
    )
    assert nbformat.read(tmp_path / "out.ipynb", 4).cells[0].outputs[0].text == "False\n"


@needs_sandbox
def test_unmodified_nbgrader_autograde_can_use_it_by_name(kernel_name, tmp_path):
    """A course of stock nbgrader, with its own test cell: a right answer that reads the course is refused."""
    (tmp_path / "source" / "ps").mkdir(parents=True)
    solution = {"grade": False, "solution": True, "locked": False, "grade_id": "answer", "schema_version": 3}
    test = {"grade": True, "solution": False, "locked": True, "grade_id": "test", "points": 3, "schema_version": 3}
    cells = [nbformat.v4.new_code_cell("x = 1", metadata={"nbgrader": solution})]
    cells += [nbformat.v4.new_code_cell("import os\nassert x == 2", metadata={"nbgrader": test})]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(made, tmp_path / "source" / "ps" / "p.ipynb")
    for student, answer in {
        "ann": "x = 2",
        "bob": f"x = 2 + len(open({str(tmp_path)!r} + '/gradebook.db', 'rb').read(1))",
    }.items():
        (tmp_path / "submitted" / student / "ps").mkdir(parents=True)
        made.cells[0].source = answer
        nbformat.write(made, tmp_path / "submitted" / student / "ps" / "p.ipynb")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for arguments in (
        ["generate_assignment", "ps"],
        ["autograde", "ps", f"--ExecutePreprocessor.kernel_name={SANDBOX_KERNEL}"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
        assert gradebook.find_submission("ps", "ann").score == 3
        assert gradebook.find_submission("ps", "bob").score == 0


# -------------------------------------------------------------------------------------------------- nothing left behind

SLOW = "import time\nwhile True: time.sleep(0.1)"


@pytest.fixture
def grader_at_work(course, notebook, tmp_path):
    """A grader in a process of its own that waits for a kernel, its temporary folder, and handles on its kernels."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    path = tmp_path / "submitted" / "ann" / "00_mini" / "00_mini.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook(before=f"kept = open('here', 'w')\n{SLOW}"), path)
    command = ["-m", "helpers.cli", "grade", "--course", str(course), "--submissions", str(tmp_path / "submitted")]
    process = subprocess.Popen(
        [sys.executable, *command, "--output", str(tmp_path / "graded")],
        env={**os.environ, "TMPDIR": str(temporary)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    yield process, temporary, _kernels_of(process)
    if process.poll() is None:
        process.kill()
    process.wait()


def _descendants(pid: int) -> list[int]:
    try:
        threads = [Path(f"/proc/{pid}/task/{thread}/children") for thread in os.listdir(f"/proc/{pid}/task")]
        children = {int(child) for path in threads if path.exists() for child in path.read_text().split()}
    except OSError:  # it has just ended
        return []
    return [found for child in children for found in (child, *_descendants(child))]


def _kernels_of(process: subprocess.Popen) -> list[int]:
    """Handles on the zygote, the watcher and the kernel, once a kernel runs the cell that never ends."""
    pause = threading.Event()
    for _ in range(1200):
        assert process.poll() is None, process.stderr.read().decode()
        found = _descendants(process.pid)
        if len(found) >= 3 and any("/here" in str(path) for pid in found for path in _open_files(pid)):
            return [os.pidfd_open(pid) for pid in found]
        pause.wait(0.1)
    raise AssertionError("no kernel ran within two minutes")


def _open_files(pid: int) -> list[Path]:
    try:
        return [path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


@needs_sandbox
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_the_grader_is_stopped(grader_at_work, blow):
    process, temporary, handles = grader_at_work
    os.kill(process.pid, blow)
    process.wait(60)
    for handle in handles:
        assert select.select([handle], [], [], 60)[0], "a process goes on after its grader"
        os.close(handle)
    pause = threading.Event()
    for _ in range(100):  # the zygote removes its folder after its last kernel
        if not list(temporary.iterdir()):
            break
        pause.wait(0.1)
    assert list(temporary.iterdir()) == []


@needs_sandbox
def test_a_zygote_that_dies_is_started_again(run):
    assert run("print(1)") == "1\n"
    ZYGOTE._process.kill()
    ZYGOTE._process.wait()
    assert run("print(2)") == "2\n"


def readable_by_all(place: Path) -> bool:
    """Whether every user can read a file or folder and go into all folders above it."""
    wanted = [place, *place.parents]
    return place.exists() and all(each.stat().st_mode & 0o005 == 0o005 for each in wanted)


AS_A_PLAIN_USER = f"""
import os, sys
from pathlib import Path
from helpers.grader.sandbox.doctor import isolates
from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.limits import Limits

assert os.getuid() != 0 and isolates()
with StudentKernel({SANDBOX_KERNEL!r}, Path.cwd(), Limits()) as kernel:
    kernel.install_probe([])
    cell = "import os, socket, torch; print(os.path.exists({str(ROOT / "tests")!r}), socket.if_nameindex())"
    print("".join(output.get("text", str(output)) for output in kernel.run(cell, 60).outputs))
"""


@needs_sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_plain_user_gets_the_same_sandbox():
    """In an environment of the system's Python that this user can read, with links to the files of ours."""
    system = Path("/usr/bin/python{}.{}".format(*sys.version_info))
    if not readable_by_all(system) or not readable_by_all(ROOT / "helpers"):
        pytest.skip(f"the user nobody cannot start {system}, or not read {ROOT}")
    nobody, near = pwd.getpwnam("nobody"), Path(sys.prefix).parent  # files can be linked within one file system
    with tempfile.TemporaryDirectory(prefix=".plain-user-", dir=near) as folder:
        os.chmod(folder, 0o755)
        home, environment = Path(folder) / "home", Path(folder) / "environment"
        home.mkdir()
        shutil.chown(home, nobody.pw_uid)
        subprocess.run([system, "-m", "venv", "--without-pip", environment], check=True)
        packages = Path(sysconfig.get_path("purelib"))
        for source in (packages, Path(sys.prefix) / "share" / "jupyter"):
            target = environment / source.relative_to(sys.prefix)
            shutil.copytree(source, target, copy_function=os.link, dirs_exist_ok=True)
        done = subprocess.run(
            [environment / "bin" / "python", "-c", AS_A_PLAIN_USER], user="nobody", group=nobody.pw_gid,
            extra_groups=[], cwd=home, capture_output=True, text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "False [(1, 'lo')]"


# ------------------------------------------------------------------------------------------------------------- refusal


def test_grading_refuses_where_the_host_cannot_isolate(course, tmp_path, monkeypatch):
    lacking = tuple(
        doctor.Protection(name, name != "network namespaces", name in doctor.REQUIRED, text, "not here")
        for name, text in doctor.CONSEQUENCES.items()
    )
    monkeypatch.setattr(doctor, "protections", lambda: lacking)
    (tmp_path / "submitted").mkdir()
    with pytest.raises(GraderError, match="network namespaces.*--unsafe"):
        grade(course, tmp_path / "submitted", tmp_path / "graded", GradingOptions(kernel_name=SANDBOX_KERNEL))
    assert "NO   network namespaces" in doctor.report() and "send data out" in doctor.report()


def test_other_systems_than_linux_offer_nothing(monkeypatch):
    monkeypatch.setattr(doctor.sys, "platform", "darwin")
    assert not any(item.works for item in doctor.protections.__wrapped__())
