"""nbgrader's own tests of autograding, run on sandboxed kernels under the name that its notebooks ask for.

The test below runs the one that needs files to come out of the sandbox. All 40 take some minutes:

    .venv/bin/python -m tests.grader.sandbox.test_nbgrader_suite
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from tests.grader.sandbox.conftest import needs_sandbox

SUITE = "nbgrader.tests.apps.test_nbgrader_autograde"


def run_suite(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the suite with a kernelspec `python3` that starts our sandboxed kernels; return its output.

    Args:
        folder: An empty folder, for the kernelspec and as the working folder.
        options: Further options for pytest.
    """
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "metadata": {"kernel_provisioner": {"provisioner_name": SANDBOX_KERNEL}},
    }
    path = folder / "kernels" / "python3" / "kernel.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(spec))
    environment = {
        **os.environ,
        "JUPYTER_PATH": str(folder),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # nbgrader calls alembic
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", SUITE, *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.sandbox
@needs_sandbox
def test_side_effects_of_a_notebook_reach_its_autograded_folder(tmp_path):
    done = run_suite(tmp_path, "-k", "test_side_effects")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        done = run_suite(Path(folder))
    print(done.stdout[-2000:])
    sys.exit(done.returncode)
