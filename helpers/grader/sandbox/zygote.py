"""The process that sandboxed kernels are forked from: it has imported once what every lab imports.

    python -m helpers.grader.sandbox.zygote FOLDER

It listens on the socket FOLDER/zygote and answers an order (see `launch_request.py`, one line of JSON) with the
kernel's pidfd, a pipe that tells how the kernel fared, and the folder of its sockets, which only the sandbox has. It
lives as long as its standard input stays open: when the grader ends, however it ends, the zygote ends every kernel and
removes FOLDER. Each kernel has three processes in a row:

    zygote → the one that enters the namespaces → the first in them, which watches → the student's kernel

Nothing here may start a thread, run a torch operation or open a ZeroMQ context before the fork.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

from helpers.grader.sandbox import isolation, syscalls
from helpers.grader.sandbox.launch_request import SOCKET, LaunchRequest

ROOT = "root"
BEAT = 0.1  # seconds between two looks at a kernel's memory and time
# What labs import, and no module that a lab asks its students to write: a module that is there could be found.
PRELOADED = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "IPython.core.completer",
    "torch.utils.data",
    "torch.nn.functional",
    "torch.testing",
    "numpy",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "matplotlib_inline.backend_inline",
    "ipywidgets",
    "tqdm.auto",
    "transformers",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.auto.modeling_auto",
    "transformers.tokenization_utils_fast",
    "helpers.checks.visible_check",
    "helpers.plots",
)


def preload() -> None:
    """Import what labs need; what this environment lacks is left to the labs."""
    import importlib

    for name in PRELOADED:
        if importlib.util.find_spec(name.split(".")[0]) is not None:
            importlib.import_module(name)


def main(folder: str) -> None:
    """Serve orders until standard input closes."""
    import importlib.util  # noqa: F401   preload() looks modules up with it

    os.makedirs(f"{folder}/{ROOT}", exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"{folder}/{SOCKET}")
    preload()
    gc.collect()
    gc.freeze()  # so that collecting garbage in a kernel does not copy what it shares with the others
    syscalls.become_subreaper()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lifeline, alive = os.pipe()  # each kernel's watcher holds the one end, only this process the other
    listener.listen(64)
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:  # nothing is ever written there: it closed
            break
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            os.close(alive)
            _serve(connection, f"{folder}/{ROOT}", lifeline)  # does not return
        connection.close()
    shutil.rmtree(folder, ignore_errors=True)


def _serve(connection: socket.socket, root: str, lifeline: int) -> None:
    """Read one order and start its kernel, in a process of its own that ends here."""
    status = reading = None
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection.settimeout(10)
        order = LaunchRequest(**json.loads(connection.makefile().readline()))
        reading, status = os.pipe()
        isolation.leave_namespaces()
        isolation.build_root(order, root)
        sockets = os.open(root + order.sockets, os.O_PATH | os.O_DIRECTORY)
        first = os.fork()
        if first == 0:
            connection.close()
            os.close(reading)
            _first_process(order, root, lifeline, status)  # does not return
        handle = os.pidfd_open(first)
        socket.send_fds(connection, [b"ok"], [handle, reading, sockets])
    except BaseException:
        connection.send(json.dumps({"failed": traceback.format_exc(limit=-3)}).encode())
        os._exit(1)
    os._exit(0)


def _first_process(order: LaunchRequest, root: str, lifeline: int, status: int) -> None:
    """Be the first process of the new namespaces: when it ends, so does everything in them."""
    try:
        os.setsid()
        isolation.enter_root(root)
        os.chdir(order.folder)
        isolation.give_up_rights()
        syscalls.set_dumpable(False)  # the student's processes have the same user: they may not look in here
        kernel = os.fork()
        if kernel == 0:
            _kernel(order, status)  # does not return
        _tell(status, {"started": True})
        reason = watch(order, kernel, lifeline)
    except BaseException:
        reason = {"failed": traceback.format_exc(limit=-3)}
    _tell(status, reason)
    os._exit(0)


def _tell(status: int, what: dict) -> None:
    os.write(status, (json.dumps(what) + "\n").encode())


def watch(order: LaunchRequest, kernel: int, lifeline: int) -> dict:
    """Wait for the kernel's end, or bring it about; return why it ended.

    An interrupt that reaches this process is passed on to the kernel.
    """
    signal.signal(signal.SIGINT, lambda *_: os.kill(kernel, signal.SIGINT))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(kernel, signal.SIGTERM))
    handle, deadline = os.pidfd_open(kernel), time.monotonic() + order.seconds
    while True:
        ready, _, _ = select.select([handle, lifeline], [], [], BEAT)
        while True:  # also the orphans that end up here
            try:
                process, code = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return {"ended": "exit"}
            if process == kernel:
                return {"ended": "exit", "code": os.waitstatus_to_exitcode(code)}
            if process == 0:
                break
        if lifeline in ready:
            return {"ended": "grader"}
        if time.monotonic() > deadline:
            return {"ended": "timeout"}
        if isolation.used_memory() > order.memory and isolation.used_memory_exactly() > order.memory:
            return {"ended": "memory"}


def _kernel(order: LaunchRequest, status: int) -> None:
    """Be the student's kernel: limits and locks first, then ipykernel as if it had just been started."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        syscalls.set_dumpable(True)
        nothing = os.open("/dev/null", os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.environ.clear()
        os.environ.update(order.environment)
        isolation.limit_resources(order)
        isolation.lock_files(order)
        syscalls.refuse_uncounted_memory()
    except BaseException:
        _tell(status, {"failed": traceback.format_exc(limit=-3)})
        os._exit(1)
    os.closerange(3, 4096)
    if order.cold:
        os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *order.argv])
    try:
        sys.argv[1:] = order.argv
        from ipykernel.kernelapp import IPKernelApp

        application = IPKernelApp.instance()
        application.initialize(order.argv)
        application.start()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
