"""What the tests of the sandbox share."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.limits import Limits
from helpers.grader.sandbox import doctor, host_probe, isolation, root
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from helpers.grader.sandbox.launch_request import LaunchRequest

needs_sandbox = pytest.mark.skipif(not doctor.isolates(), reason=f"no sandbox on this host:\n{doctor.report()}")
LIMITS = Limits(memory=600 * 2**20, processes=64, files=2**24)


@pytest.fixture
def run(kernel_name, tmp_path):
    """A function that runs a cell in a fresh sandbox, as the judge does, and returns what it printed."""

    def run(source: str, kernel: str = SANDBOX_KERNEL) -> str:
        with StudentKernel(kernel, tmp_path, LIMITS) as started:
            started.install_probe([])
            ran = started.run(source, 60)
            assert ran.error is None, ran.error
            return "".join(output.get("text", "") for output in ran.outputs)

    return run


def in_a_new_root(tmp_path: Path, look) -> str:
    """Build a root, enter it in a child process and look around there; return the error if there is one."""
    for name in ("root", "work", "sockets"):
        (tmp_path / name).mkdir()
    request = LaunchRequest(str(tmp_path / "work"), str(tmp_path / "sockets"), [], {}, files=2**20)

    def build() -> None:
        isolation.leave_namespaces()
        root.build_root(request, str(tmp_path / "root"))

        def enter() -> None:
            root.enter_root(str(tmp_path / "root"))
            look()

        if error := host_probe._try_in_child(enter):
            raise OSError(error)

    return host_probe._try_in_child(build)
