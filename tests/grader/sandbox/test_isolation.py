"""Who a kernel is in its sandbox, what it sees and what ends it."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.grader.judging import wire_kernel
from helpers.grader.judging.student_kernel import KernelDied, StudentKernel
from helpers.grader.sandbox.kernelspecs import GPU_KERNEL, SANDBOX_KERNEL
from helpers.grader.sandbox.launch_request import LaunchRequest
from helpers.grader.sandbox.root import MAX_FILES, NOBODY
from tests.conftest import ROOT
from tests.grader.sandbox.conftest import LIMITS, needs_sandbox

pytestmark = pytest.mark.sandbox


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
def test_what_a_graded_notebook_writes_is_gone_afterwards(run, tmp_path):
    path = f"/tmp/{tmp_path.parent.name}-{tmp_path.name}"
    assert run(f"print(open('written', 'w').write('x'), open({path!r}, 'w').write('x'))") == "1 1\n"
    assert os.listdir(tmp_path) == [] and not os.path.exists(path)


@needs_sandbox
def test_a_sandbox_within_the_sandbox_is_refused(run):
    """Asked for by a new process: one with threads, as the kernel is, could not get a namespace anywhere."""
    program = (
        "from helpers.grader.sandbox import syscalls\n"
        "try: syscalls.unshare(syscalls.NEW_USER)\nexcept OSError as error: print(error.errno)"
    )
    code = f"import subprocess, sys\nprint(subprocess.check_output([sys.executable, '-c', {program!r}], text=True))"
    assert run(code).strip() == str(errno.ENOSPC)


@needs_sandbox
def test_the_number_of_files_is_limited(run):
    code = "import os\ncount = 0\ntry:\n    while True: os.mknod(str(count)); count += 1\n"
    error, count = map(int, run(code + "except OSError as error: print(error.errno, count)").split())
    assert error == errno.ENOSPC and MAX_FILES // 2 < count < MAX_FILES


@needs_sandbox
def test_output_of_commands_arrives(run):
    assert run("!echo from the shell").strip() == "from the shell"


@needs_sandbox
def test_two_kernels_start_from_the_same_random_state(run):
    code = "import random, torch, numpy as np\nprint(random.random(), torch.rand(1), np.random.rand(), hash('a'))"
    assert run(code) == run(code)


@needs_sandbox
def test_memory_of_all_processes_counts_together(kernel_name, tmp_path):
    """Four processes, each of them well within the limit."""
    code = (
        "import os, signal\nfor _ in range(4):\n    if os.fork() == 0:\n"
        "        held = b'x' * (250 * 2**20)\n        signal.pause()\nsignal.pause()"
    )
    assert verdict_of(code, tmp_path) == "memory"


@needs_sandbox
def test_memory_that_forks_share_counts_once(run):
    """Four forks share 250 MiB with their parent, and the supervisor looks at them several times."""
    code = """
import os, signal
from helpers.grader.sandbox import isolation

def looks():  # the supervisor sleeps between two looks
    return int(open("/proc/1/status").read().split("\\nvoluntary_ctxt_switches:")[1].split()[0])

held, start = b"x" * (250 * 2**20), looks()
for _ in range(4):
    if os.fork() == 0:
        signal.pause()
while looks() < start + 5:
    pass
mine = [process for process in isolation.processes() if isolation._read(process, "smaps_rollup")]
isolation.processes = lambda: mine  # without the relay, which only the supervisor may look into
print(isolation.used_memory(), isolation.used_memory_exactly())
"""
    quick, exact = map(int, run(code).split())
    assert exact < LIMITS.memory < quick, "it lives, since the exact figure decides"


@needs_sandbox
def test_a_process_that_hides_its_memory_counts_in_full(kernel_name, tmp_path):
    code = (
        "import ctypes, os, signal\nfor _ in range(4):\n    if os.fork() == 0:\n"
        "        ctypes.CDLL(None).prctl(4, 0)  # not dumpable: /proc/PID/smaps_rollup is refused from here on\n"
        "        held = b'x' * (250 * 2**20)\n        signal.pause()\nsignal.pause()"
    )
    assert verdict_of(code, tmp_path) == "memory"


READ_SPARSELY = """
import mmap
view = mmap.mmap(-1, 2**30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
for place in range(0, 2**30, 2**21):
    view[place]
print(open("/proc/self/status").read().split("VmPTE:")[1].split()[0])
"""


def page_tables_of_a_sparse_reader() -> int:
    """Return the KiB of page tables that this Linux counts for a process which reads 512 places, 2 MiB apart."""
    return int(subprocess.check_output([sys.executable, "-c", READ_SPARSELY], text=True))


@needs_sandbox
def test_page_tables_count(kernel_name, tmp_path):
    """The empty page, read once in each 2 MiB: each place needs a page table, and no page of its own."""
    if (counted := page_tables_of_a_sparse_reader()) < 512 * 4:
        pytest.skip(
            f"this Linux ({os.uname().release}) counts {counted} KiB of page tables where 512 places need one each"
        )
    code = """
import mmap, signal
views = [mmap.mmap(-1, 2**38, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ) for _ in range(2)]
for view in views:
    for place in range(0, 2**38, 2**21):
        view[place]
signal.pause()
"""
    assert verdict_of(code, tmp_path) == "memory", "262144 page tables of 4 KiB are a GiB"


@needs_sandbox
def test_what_sockets_may_hold_counts(kernel_name, tmp_path):
    code = """
import os, signal, socket
for _ in range(19):
    if os.fork() == 0:
        pairs = [socket.socketpair() for _ in range(80)]
        signal.pause()
signal.pause()
"""
    assert verdict_of(code, tmp_path) == "memory", "3040 sockets of 208 KiB are over 600 MiB"


@needs_sandbox
def test_a_socket_cannot_hold_more_than_is_counted(run):
    code = """
import socket
sizes = []
for one in socket.socketpair():
    for name in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        one.setsockopt(socket.SOL_SOCKET, name, 2**22)
        sizes.append(one.getsockopt(socket.SOL_SOCKET, name))
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
print(*sizes, one.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))
"""
    *sizes, other_option = map(int, run(code).split())
    assert set(sizes) <= {int(Path(f"/proc/sys/net/core/{way}mem_default").read_text()) for way in "rw"}
    assert other_option == 1


@needs_sandbox
def test_processor_time_of_all_processes_counts_together(kernel_name, tmp_path, monkeypatch):
    """Four processes, each within the limit and ended soon, in a kernel that itself does nothing."""
    code = """
import os, signal, time
for _ in range(4):
    if os.fork() == 0:
        start = time.process_time()
        while time.process_time() < start + 1:
            pass
        os._exit(0)
signal.pause()
"""
    monkeypatch.setattr(wire_kernel, "LaunchRequest", lambda **given: LaunchRequest(**given | {"processor_seconds": 4}))
    assert verdict_of(code, tmp_path) == "timeout"


@needs_sandbox
def test_the_grader_knows_how_much_processor_time_a_kernel_used(kernel_name, tmp_path):
    with StudentKernel(SANDBOX_KERNEL, tmp_path, LIMITS) as kernel:
        before = kernel.processor_time().used
        kernel.run("import time\nstart = time.process_time()\nwhile time.process_time() < start + 1: pass", 60)
        kernel.run("time.sleep(0.5)", 60)
        assert 0.8 <= kernel.processor_time().used - before < 2


@needs_sandbox
def test_the_grader_knows_how_long_a_kernel_waited_for_a_processor(kernel_name, tmp_path):
    """Its process and another one share a processor until each has used some of it."""
    code = """
import os, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
def spin():
    start = time.process_time()
    while time.process_time() < start + 0.5: pass
child = os.fork()
spin()
if child == 0: os._exit(0)
os.waitpid(child, 0)
"""
    with StudentKernel(SANDBOX_KERNEL, tmp_path, LIMITS) as kernel:
        before = kernel.processor_time().waited
        kernel.run(code + "time.sleep(0.3)", 60)
        assert kernel.processor_time().waited - before > 0.3


CALLS = {"userfaultfd": (323, 1), "modify_ldt": (154, 0, 0, 0), "io_uring_setup": (425, 1, 0), "bpf": (321, 0, 0, 0)}


@needs_sandbox
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
@pytest.mark.parametrize("name", CALLS)
def test_calls_that_attacks_on_the_kernel_need_are_refused(run, name):
    code = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    assert run(code + f"print(libc.syscall(*{CALLS[name]}), ctypes.get_errno())") == f"-1 {errno.EPERM}\n"


def verdict_of(code: str, folder: Path, **limits: float) -> str:
    """How a kernel ends that runs a cell which goes on for ever."""
    with StudentKernel(SANDBOX_KERNEL, folder, replace(LIMITS, **limits)) as kernel:
        try:
            ran = kernel.run(code, 60)
        except KernelDied as death:
            return death.verdict
    return f"it lived: {ran.error or 'after 60 s it had reached no limit'}"


def readable_by_all(path: Path) -> bool:
    """Whether every user can read a file or folder and go into all folders above it."""
    parts = [path, *path.parents]
    return path.exists() and all(part.stat().st_mode & 0o005 == 0o005 for part in parts)


AS_A_PLAIN_USER = f"""
import os
from pathlib import Path
from jupyter_client.manager import start_new_kernel
from helpers.grader.sandbox.doctor import isolates
from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.limits import Limits

assert os.getuid() != 0 and isolates()
with StudentKernel({SANDBOX_KERNEL!r}, Path.cwd(), Limits()) as kernel:
    kernel.install_probe([])
    cell = "import os, socket, torch; print(os.path.exists({str(ROOT / "tests")!r}), socket.if_nameindex())"
    print("".join(output.get("text", str(output)) for output in kernel.run(cell, 60).outputs).strip())
manager, client = start_new_kernel(kernel_name={SANDBOX_KERNEL!r}, cwd=".", startup_timeout=60)
client.execute_interactive("import os; open('mine', 'w').write('x'); os.mkdir('shut'); os.chmod('shut', 0)", timeout=60)
client.stop_channels()
manager.shutdown_kernel(now=True)
print([name for name in os.listdir() if name[0] != "."], os.stat("mine").st_uid == os.getuid())
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
    assert done.stdout == "False [(1, 'lo')]\n['mine'] True\n"
