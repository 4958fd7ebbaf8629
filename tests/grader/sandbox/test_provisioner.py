"""That whatever starts Jupyter kernels can use the sandbox by name, unmodified."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import zmq
from jupyter_client.manager import start_new_kernel
from nbgrader.api import Gradebook

from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from tests.grader.sandbox.conftest import needs_sandbox


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


REPLACES_SOCKETS = """
import os
folder = {folder!r}
try:
    for name in os.listdir(folder):
        os.rename(folder + "/" + name, folder + "/" + name + ".old")
        os.symlink("/tmp/mine", folder + "/" + name)
    print("replaced")
except OSError as error:
    print(error.errno)
"""


@needs_sandbox
def test_a_notebook_cannot_replace_its_sockets(kernel_name, tmp_path):
    manager, client = start_new_kernel(kernel_name=SANDBOX_KERNEL, cwd=str(tmp_path), startup_timeout=60)
    printed: list[str] = []
    try:
        folder = os.path.dirname(manager.connection_file)
        client.execute_interactive(
            REPLACES_SOCKETS.format(folder=folder),
            timeout=60,
            output_hook=lambda message: printed.append(message["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "".join(printed) == f"{errno.EROFS}\n"


@needs_sandbox
def test_no_client_connects_again(kernel_name, tmp_path):
    manager, client = start_new_kernel(kernel_name=SANDBOX_KERNEL, cwd=str(tmp_path), startup_timeout=60)
    try:
        channels = (client.shell_channel, client.iopub_channel, client.stdin_channel, client.control_channel)
        assert [channel.socket.getsockopt(zmq.RECONNECT_IVL) for channel in channels] == [-1] * 4
        assert client.context.getsockopt(zmq.RECONNECT_IVL) == -1, "the heartbeat's socket is made from it"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
