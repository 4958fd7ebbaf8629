"""The process that sandboxed kernels are forked from: it has already imported what every lab imports.

    python -m helpers.grader.sandbox.zygote FOLDER

It listens on the socket FOLDER/zygote. A launch request (see `launch_request.py`) is one line of JSON; the answer is a
set of file descriptors (see `KernelHandles`), or one line of JSON that says why the launch failed. The zygote lives as
long as its standard input stays open: when the grader ends, in whatever way, the zygote ends every kernel and removes
FOLDER. Each kernel is the last of a line of processes, each forked from the one before:

    zygote → launcher, which enters the namespaces → supervisor, the first process in them → the student's kernel
                                                                                           → its relay, for a wire

Nothing here may start a thread, run a torch operation or open a ZeroMQ context before the fork.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import shutil
import signal
import socket
import stat
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from helpers.grader.sandbox import isolation, relay, syscalls
from helpers.grader.sandbox.control_group import ControlGroup, ControlGroups
from helpers.grader.sandbox.launch_request import ZYGOTE_SOCKET, LaunchRequest
from helpers.grader.sandbox.root import build_root, enter_root

ROOT_FOLDER = "root"  # in the zygote's folder: the mount point of every sandbox's root, each in its own namespace
REQUEST_SECONDS = 10.0  # a launch request must arrive within that time
SUPERVISION_SECONDS = 0.1  # between two looks at a kernel's memory and time
MAX_PENDING_REQUESTS = 64
KERNEL_SOCKETS = 5  # shell, iopub, stdin, control, heartbeat
SEAL_SECONDS = 0.002  # between two looks at whether they are there
STDIN = 0
MAX_HANDLES = 4096  # file descriptors that the zygote may have open
# What labs import, but no module that a lab asks its students to write: what is loaded can be found by their code.
PRELOADED_MODULES = (
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
    """Import what labs need; a module that this environment lacks is left out."""
    import importlib

    for name in PRELOADED_MODULES:
        if importlib.util.find_spec(name.split(".")[0]) is not None:
            importlib.import_module(name)


def main(folder: str) -> None:
    """Serve launch requests until standard input closes."""
    import importlib.util  # noqa: F401   preload() looks modules up with it

    root = f"{folder}/{ROOT_FOLDER}"
    os.makedirs(root, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"{folder}/{ZYGOTE_SOCKET}")
    groups = ControlGroups.if_possible(grader=os.getppid())
    preload()
    gc.collect()
    gc.freeze()  # so that garbage collection in a kernel does not copy the pages that it shares with the others
    syscalls.become_subreaper()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lifeline, zygote_end = os.pipe()  # supervisors hold the one end, only the zygote the other: they see it end
    listener.listen(MAX_PENDING_REQUESTS)
    while True:
        ready, _, _ = select.select([listener.fileno(), STDIN], [], [])
        if STDIN in ready:  # nothing is ever written there: it was closed
            break
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            os.close(zygote_end)
            launch(connection, root, lifeline, groups)
        connection.close()
    shutil.rmtree(folder, ignore_errors=True)
    os.close(zygote_end)  # ends every sandbox
    if groups is not None:
        groups.close()


def launch(connection: socket.socket, root: str, lifeline: int, groups: ControlGroups | None) -> NoReturn:
    """Read one launch request and start its kernel: the life of a launcher process.

    Where the kernel has a control group, it removes that at the end.
    """
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection.settimeout(REQUEST_SECONDS)
        request = LaunchRequest(**json.loads(connection.makefile().readline()))
        status_reader, status_writer = os.pipe()
        usage = os.memfd_create("usage")
        wire, sandbox_end = socket.socketpair()
        # Files in memory count there too, which have a quota of their own.
        group = groups.create(request.memory + request.files, request.processes) if groups is not None else None
        isolation.leave_namespaces()
        build_root(request, root)
        sockets = os.open(root + request.sockets, os.O_RDONLY | os.O_DIRECTORY)
        folder = os.open(root + request.folder, os.O_RDONLY | os.O_DIRECTORY)
        supervisor = os.fork()
        if supervisor == 0:
            connection.close()
            wire.close()
            for handle in (status_reader, sockets, folder):
                os.close(handle)
            run_supervisor(request, root, lifeline, Reports(status_writer, usage, group), sandbox_end)
        sandbox_end.close()
        process = os.pidfd_open(supervisor)
        channels = wire.fileno() if request.wire else sockets
        socket.send_fds(connection, [b"ok"], [process, status_reader, channels, folder, usage])
        connection.close()
        if not request.wire:
            seal_sockets(sockets, process)
            Reports(status_writer, usage, group).report({"sealed": True})
        if group is not None:
            os.dup2(process, STDIN)
            os.closerange(1, MAX_HANDLES)  # holds on to nothing of the sandbox
            group.remove_after(STDIN)
    except BaseException:
        with contextlib.suppress(OSError):
            connection.send(json.dumps({"failed": traceback.format_exc(limit=-3)}).encode())
        os._exit(1)
    os._exit(0)


def seal_sockets(folder: int, supervisor: int) -> None:
    """Wait until the kernel has bound its sockets, then make their folder read-only, or until the sandbox has ended.

    From then on nothing in it can be replaced, so that a client which follows the path of a socket arrives there.
    """
    bound = 0
    while bound < KERNEL_SOCKETS and not select.select([supervisor], [], [], SEAL_SECONDS)[0]:
        modes = [os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode for name in os.listdir(folder)]
        bound = sum(map(stat.S_ISSOCK, modes))
    if bound >= KERNEL_SOCKETS:
        syscalls.make_open_mount_read_only(folder)


def run_supervisor(request: LaunchRequest, root: str, lifeline: int, reports: Reports, wire: socket.socket) -> NoReturn:
    """Fork the kernel and its relay and supervise them: the life of the first process of the new namespaces.

    When it ends, so does every other process in them.
    """
    try:
        os.setsid()
        enter_root(root)
        os.chdir(request.folder)
        isolation.give_up_rights()
        syscalls.set_dumpable(False)  # students' processes have the same user and must not look into this one
        if request.wire and os.fork() == 0:
            run_relay(request, reports, wire)
        wire.close()
        kernel = os.fork()
        if kernel == 0:
            run_kernel(request, reports)
        reports.report({"started": True})
        outcome = supervise(request, kernel, lifeline, reports)
    except BaseException:
        outcome = {"failed": traceback.format_exc(limit=-3)}
    reports.report(outcome)
    os._exit(0)


@dataclass(frozen=True)
class Reports:
    """What a sandbox tells the grader besides messages; `KernelProcess` reads it."""

    status: int  # writing end of the status pipe
    usage: int  # file with the processor time used, and the time waited for it
    group: ControlGroup | None  # of the kernel and its relay

    def report(self, message: dict[str, Any]) -> None:
        """Write one line of JSON to the status pipe."""
        os.write(self.status, (json.dumps(message) + "\n").encode())

    def used(self, processor_seconds: float, waited_seconds: float) -> None:
        """Write how much processor time the sandbox has used, and how long it has waited for a processor."""
        os.pwrite(self.usage, f"{processor_seconds:12.2f} {waited_seconds:12.2f}".encode(), 0)


def supervise(request: LaunchRequest, kernel: int, lifeline: int, reports: Reports) -> dict[str, Any]:
    """Wait until the kernel has to end or has ended, and return the reason. Interrupts are passed on to the kernel."""
    signal.signal(signal.SIGINT, lambda *_: os.kill(kernel, signal.SIGINT))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(kernel, signal.SIGTERM))
    handle, deadline = os.pidfd_open(kernel), time.monotonic() + request.seconds
    processor_seconds, waiting = 0.0, isolation.WaitingTime()
    while True:
        ready, _, _ = select.select([handle, lifeline], [], [], SUPERVISION_SECONDS)
        if (ended := _reap(kernel)) is not None:
            return {"ended": "memory"} if reports.group and reports.group.ran_out_of_memory() else ended
        if lifeline in ready:
            return {"ended": "grader"}
        processor_seconds = max(processor_seconds, isolation.used_processor_seconds())
        reports.used(processor_seconds, waiting.seconds())
        if time.monotonic() > deadline or processor_seconds > request.processor_seconds:
            return {"ended": "timeout"}
        if isolation.used_memory() > request.memory and isolation.used_memory_exactly() > request.memory:
            return {"ended": "memory"}


def _reap(kernel: int) -> dict[str, Any] | None:
    """Collect every process that has ended, orphans included; return how the kernel ended, or None while it runs."""
    while True:
        try:
            process, code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return {"ended": "exit"}
        if process == kernel:
            return {"ended": "exit", "code": os.waitstatus_to_exitcode(code)}
        if process == 0:
            return None


def run_relay(request: LaunchRequest, reports: Reports, wire: socket.socket) -> NoReturn:
    """Copy messages between the kernel and the grader, with the kernel's rights and limits."""
    _become_students(request, reports)
    os.dup2(wire.fileno(), STDIN)
    os.closerange(3, MAX_HANDLES)
    relay.run(socket.socket(fileno=STDIN))


def _become_students(request: LaunchRequest, reports: Reports) -> None:
    """Take on the rights and limits of everything that a student's code may reach."""
    try:
        if reports.group is not None:
            reports.group.enter()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        syscalls.set_dumpable(True)
        null = os.open("/dev/null", os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.environ.clear()
        os.environ.update(request.environment)
        isolation.limit_resources(request)
        isolation.restrict_files(request)
        syscalls.refuse_dangerous_calls()
    except BaseException:
        reports.report({"failed": traceback.format_exc(limit=-3)})
        os._exit(1)


def run_kernel(request: LaunchRequest, reports: Reports) -> NoReturn:
    """Set the limits, then run ipykernel as if it had just been started: the life of the student's kernel."""
    _become_students(request, reports)
    os.closerange(3, MAX_HANDLES)
    if request.cold:
        os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *request.argv])
    try:
        sys.argv[1:] = request.argv
        from ipykernel.kernelapp import IPKernelApp

        application = IPKernelApp.instance()
        application.initialize(request.argv)
        application.start()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
