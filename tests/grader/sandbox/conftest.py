"""What the tests of the sandbox share."""

from __future__ import annotations

import pytest

from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.limits import Limits
from helpers.grader.sandbox import doctor
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL

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
