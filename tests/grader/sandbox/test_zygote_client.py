"""That a zygote and its kernels leave nothing behind, however the grader ends, and that it is started again."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pytest

from helpers.grader.sandbox.zygote_client import ZYGOTE
from tests.conftest import ROOT
from tests.grader.sandbox.conftest import needs_sandbox

pytestmark = pytest.mark.sandbox

ENDLESS = "import signal\nwhile True: signal.pause()"


@pytest.fixture
def grader_at_work(course, notebook, tmp_path):
    """A grader in a separate process, its temporary folder, and handles on its processes, while a cell never ends."""
    temporary = Path(tempfile.mkdtemp(dir="/tmp"))  # in a folder with a longer name the zygote would not work
    path = tmp_path / "submitted" / "ann" / "00_mini" / "00_mini.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook(before=f"held = open('here', 'w')\n{ENDLESS}"), path)
    command = ["-m", "helpers.cli", "grade", "--course", str(course), "--submissions", str(tmp_path / "submitted")]
    process = subprocess.Popen(
        [sys.executable, *command, "--output", str(tmp_path / "graded")],
        env={**os.environ, "TMPDIR": str(temporary)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    yield process, temporary, _handles_on_descendants(process)
    if process.poll() is None:
        process.kill()
    process.wait()
    shutil.rmtree(temporary)


def _handles_on_descendants(process: subprocess.Popen) -> list[int]:
    """Handles on the zygote, the supervisor and the kernel, once a kernel runs the cell that never ends."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        descendants = _descendants(process.pid)
        if len(descendants) >= 3 and any("/here" in str(path) for pid in descendants for path in _open_files(pid)):
            return [os.pidfd_open(pid) for pid in descendants]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            raise AssertionError(f"the grader ended: {process.stderr.read().decode()}")
    raise AssertionError("no kernel ran within two minutes")


def _descendants(pid: int) -> list[int]:
    try:
        threads = [Path(f"/proc/{pid}/task/{thread}/children") for thread in os.listdir(f"/proc/{pid}/task")]
        children = {int(child) for path in threads if path.exists() for child in path.read_text().split()}
    except OSError:  # it has just ended
        return []
    return [descendant for child in children for descendant in (child, *_descendants(child))]


def _open_files(pid: int) -> list[Path]:
    try:
        return [path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


@needs_sandbox
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_the_grader_is_stopped(grader_at_work, number):
    process, temporary, handles = grader_at_work
    assert list(temporary.iterdir()), "the zygote's folder is there while it runs"
    os.kill(process.pid, number)
    process.wait(60)
    for handle in handles:
        assert select.select([handle], [], [], 60)[0], "a process outlives its grader"
        os.close(handle)
    assert list(temporary.iterdir()) == [], "the zygote removes its folder before it ends"


@needs_sandbox
def test_a_zygote_that_dies_is_started_again(run):
    assert run("print(1)") == "1\n"
    first = ZYGOTE._process
    first.kill()
    first.wait()
    assert run("print(2)") == "2\n"
    assert ZYGOTE._process is not first and not Path(first.args[-1]).exists()
