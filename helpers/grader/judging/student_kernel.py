"""A kernel that runs one student's cells and answers the judge's questions about them.

Every wait has a deadline and every output a limit in bytes, so that no notebook can hold up the grader or fill its
memory. The kernel is a separate process, started by its kernel name: a sandboxed one (see `provisioner.py`), or a plain
one by the name "python3", which only gets a clean environment.
"""

from __future__ import annotations

import os
import queue
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.manager import KernelManager
from jupyter_client.session import DELIM
from nbformat import NotebookNode

from helpers.grader.intake.unicode import load_json
from helpers.grader.judging.kernel_data import NO_REPLY, error_of, output_of, reply_of, size_of
from helpers.grader.limits import Limits
from helpers.grader.sandbox.environment import clean_environment
from helpers.grader.sandbox.kernel_process import KernelProcess
from helpers.grader.sandbox.zygote_client import ZYGOTE
from helpers.paths import PACKAGE

LATE_MESSAGES_SECONDS = 0.5  # after a deadline, for messages that came before it and are not read yet
INTERRUPT_SECONDS = 2.0  # that a cell gets to react to an interrupt before its kernel is killed
STARTUP_SECONDS = 60.0
POLL_SECONDS = 0.5  # between two looks at whether the kernel is alive
MAX_MESSAGE_BYTES = 2**24  # the connection to a kernel that sends more is cut
MAX_WAITING_MESSAGES = 20  # that wait for the judge at a time; more have to wait in the kernel
EXTRA_LIFE_SECONDS = 30.0  # that a kernel may outlive its notebook's budget before its sandbox ends it
OUTPUT_CUT = "[The notebook's output passed the limit; the rest of it is left out.]\n"
# The probe's files run in one namespace in the kernel, so they must not import each other there; and a
# __future__ import may not stand in the middle of a text.
PROBE_PARTS = ("fixtures", "encoding", "observers")  # of helpers/checks, in this order
PROBE_FILES = (*(PACKAGE / "checks" / f"{part}.py" for part in PROBE_PARTS), Path(__file__).parent / "probe.py")
PROBE_IMPORTS = re.compile(rf"^from (__future__|helpers\.checks\.(?:{'|'.join(PROBE_PARTS)})) import .*$", re.MULTILINE)


class KernelDied(Exception):
    """The kernel is gone; `verdict` says whether it was killed for its time or memory, or ended by itself."""

    def __init__(self, verdict: str) -> None:
        super().__init__(verdict)
        self.verdict = verdict


class TimeUp(Exception):
    """The time limit passed; the kernel reacted to the interrupt and is still alive."""


@dataclass
class Ran:
    """What running one cell gave: its outputs, and the name and message of the error if it raised one."""

    outputs: list[NotebookNode] = field(default_factory=list)
    error: tuple[str, str] | None = None
    timed_out: bool = False


class StudentKernel:
    """One kernel process, from start to end; use it as a context manager."""

    def __init__(self, name: str, folder: Path, limits: Limits) -> None:
        self.folder, self.limits, self.output_left = folder, limits, limits.output
        self.sockets = tempfile.mkdtemp(prefix="kernel-", dir=ZYGOTE.scratch())
        self.manager = KernelManager(kernel_name=name, connection_file=f"{self.sockets}/kernel.json")
        if os.name == "posix":
            self.manager.transport, self.manager.ip = "ipc", f"{self.sockets}/{secrets.token_hex(4)}"
        self.context = zmq.Context()
        for option, value in ((zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES), (zmq.RCVHWM, MAX_WAITING_MESSAGES), (zmq.LINGER, 0)):
            self.context.setsockopt(option, value)  # for every socket made from here on
        self.comm, self.target = secrets.token_hex(8), f"distillab-{secrets.token_hex(8)}"

    def __enter__(self) -> StudentKernel:
        self.manager.start_kernel(
            extra_arguments=["--HistoryManager.enabled=False"],
            cwd=str(self.folder),
            env=clean_environment(self.folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._sandbox_options(),
        )
        self.client = self.manager.client(context=self.context)
        self.client.start_channels(stdin=False, hb=False, control=False)
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _sandbox_options(self) -> dict[str, Any]:
        """Return what a sandboxed kernel is started with; a plain one takes no limits."""
        spec = self.manager.kernel_spec
        if spec is None or "kernel_provisioner" not in spec.metadata:
            return {}
        limits = self.limits
        quotas = {"memory": limits.memory, "processes": limits.processes, "files": limits.files}
        seconds = limits.notebook + EXTRA_LIFE_SECONDS
        self.context.setsockopt(zmq.RECONNECT_IVL, -1)  # see NeverReconnects
        return {"limits": quotas | {"seconds": seconds, "processor_seconds": seconds}, "copy_back": False}

    def __exit__(self, *exception: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self.context.destroy(linger=0)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def install_probe(self, forbidden: list[str], model_specs: bool = False) -> None:
        """Put the probe into the kernel. Must come before any of the student's cells.

        Args:
            forbidden: the modules that the notebook may not import.
            model_specs: whether models are among the cases' arguments. If so, the kernel imports what builds them,
                which takes some seconds.
        """
        text = "\n".join(file.read_text(encoding="utf-8") for file in PROBE_FILES)
        text += f"\ninstall({forbidden!r}, {self.target!r}, {str(self.folder)!r}, {model_specs!r})\n"
        text = PROBE_IMPORTS.sub("", text)
        names = "'__name__': '_probe', '__file__': '<probe>', '__builtins__': dict(vars(builtins))"
        # The probe's own imports come first: a torch.py beside the notebook must not be found by them either.
        code = f"import builtins, sys; sys.path[:] = [p for p in sys.path if p not in ('', {str(self.folder)!r})]\n"
        # It gets a copy of the built-ins, so that what the notebook does to them later does not reach it.
        code += f"exec(compile({text!r}, '<probe>', 'exec'), {{{names}}})\ndel builtins, sys"
        ran = self.run(code, STARTUP_SECONDS, silent=True)
        if ran.error:
            raise RuntimeError(f"the probe could not start in the kernel: {ran.error}")
        opening = self._send("comm_open", {"comm_id": self.comm, "target_name": self.target, "data": {}})
        self._wait(opening, STARTUP_SECONDS)

    def run(self, source: str, seconds: float, silent: bool = False) -> Ran:
        """Run a cell. Raises KernelDied if that ends the kernel, also if it has to be killed at the time limit."""
        ran = Ran()
        request = self.client.execute(source, silent=silent, store_history=not silent, allow_stdin=False)
        try:
            self._wait(request, seconds, lambda message: self._collect(ran, message))
        except TimeUp:
            ran.timed_out = True
        return ran

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send the probe a request and return its reply. Raises TimeUp or KernelDied."""
        replies: list[Any] = []

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "comm_msg" and content.get("comm_id") == self.comm:
                replies.append(reply_of(content))

        self._wait(self._send("comm_msg", {"comm_id": self.comm, "data": request}), seconds, take)
        return replies[0] if replies else NO_REPLY

    def processor_seconds(self) -> float | None:
        """Return the processor time that everything in the kernel's sandbox has used; None without a sandbox."""
        process = getattr(self.manager.provisioner, "process", None)
        return process.processor_seconds() if isinstance(process, KernelProcess) else None

    # ------------------------------------------------------------------------------------------------------- messages

    def _wait_until_ready(self) -> None:
        """Wait until the kernel's answers arrive. jupyter_client's own wait is longer by a fixed 0.2 s."""
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline:
            request = self.client.kernel_info()
            try:
                while True:
                    message = self._receive(0.1)
                    if message["parent_header"].get("msg_id") == request and message["msg_type"] == "status":
                        if message["content"]["execution_state"] == "idle":
                            return
            except queue.Empty:
                if not self.manager.is_alive():
                    raise KernelDied(self._why_it_ended(interrupted=False)) from None
        raise KernelDied("timeout")

    def _send(self, kind: str, content: dict[str, Any]) -> str:
        message = self.client.session.msg(kind, content)
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def _receive(self, seconds: float) -> dict[str, Any]:
        """Return the kernel's next message. Raises queue.Empty, and whatever parsing raises if it is no message.

        A judged exercise costs hundreds of messages, so there is no event loop here. Signatures are not checked: they
        prove nothing, since the student's code runs where the key is.
        """
        socket = self.client.iopub_channel.socket
        if not socket.poll(max(0, round(1000 * seconds))):
            raise queue.Empty
        frames = socket.recv_multipart()
        first = frames.index(DELIM) + 2  # after the signature
        texts = (frame.decode("utf-8", "replace") for frame in frames[first : first + 4])
        header, parent, metadata, content = map(load_json, texts)
        parts = {"header": header, "parent_header": parent, "metadata": metadata, "content": content}
        return parts | {"msg_type": header["msg_type"]}

    def _wait(self, request: str, seconds: float, take: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Hand every message that answers `request` to `take` until the kernel is idle again.

        Raises TimeUp if the kernel had to be interrupted, and KernelDied if it is gone or ignores the interrupt.
        """
        deadline, interrupted = _Deadline(seconds), False
        while True:
            if deadline.has_passed(self._has_message):
                if interrupted:
                    raise KernelDied("timeout")  # it swallows interrupts: __exit__ kills it
                self.manager.interrupt_kernel()
                deadline, interrupted = _Deadline(INTERRUPT_SECONDS), True
            try:
                message = self._receive(min(deadline.left(), POLL_SECONDS))
            except queue.Empty:
                if not self.manager.is_alive():
                    raise KernelDied(self._why_it_ended(interrupted)) from None
                continue
            except Exception:  # not JSON, not a message: a notebook can send anything at all
                continue
            if _says_idle(message, request):
                if interrupted:
                    raise TimeUp
                return
            if take is not None and _answers(message, request):
                take(message)

    def _has_message(self) -> bool:
        return bool(self.client.iopub_channel.socket.poll(0))

    def _why_it_ended(self, interrupted: bool) -> str:
        reason = getattr(self.manager.provisioner, "ended", "")
        if reason == "grader":
            raise RuntimeError("the process that kernels are forked from ended; this says nothing about the notebook")
        if reason in ("memory", "timeout"):
            return reason
        return "timeout" if interrupted else "crash"

    def _collect(self, ran: Ran, message: dict[str, Any]) -> None:
        kind = message["msg_type"]
        if kind == "error":
            ran.error = error_of(message["content"])
        output = output_of(kind, message["content"])
        if output is None:
            return
        size = size_of(output)
        if size > self.output_left:
            if self.output_left > 0:
                ran.outputs.append(NotebookNode(output_type="stream", name="stderr", text=OUTPUT_CUT))
            self.output_left = 0
            return
        self.output_left -= size
        last = ran.outputs[-1] if ran.outputs else None
        if last is not None and kind == "stream" and last.output_type == "stream" and last.name == output.name:
            last.text += output.text
        else:
            ran.outputs.append(output)


class _Deadline:
    """When a wait is over. For a moment after that, messages that already wait are still read."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self.last_look: float | None = None  # set when the deadline is first seen to have passed

    def left(self) -> float:
        """Return how many seconds are left, at least 0."""
        return max(0.0, self.at - time.monotonic())

    def has_passed(self, has_message: Callable[[], bool]) -> bool:
        """Return whether the time is up and no message that came before is left to read."""
        if self.left() > 0:
            return False
        self.last_look = self.last_look or time.monotonic() + LATE_MESSAGES_SECONDS
        return time.monotonic() > self.last_look or not has_message()


def _answers(message: dict[str, Any], request: str) -> bool:
    """Return whether this is a message, and an answer to `request`: a forged one may lack what every message has."""
    return (
        isinstance(message.get("parent_header"), dict)
        and isinstance(message.get("content"), dict)
        and isinstance(message.get("msg_type"), str)
        and message["parent_header"].get("msg_id") == request
    )


def _says_idle(message: dict[str, Any], request: str) -> bool:
    """Return whether the kernel has done all that `request` asked for."""
    state = message["content"].get("execution_state") if _answers(message, request) else None
    return state == "idle" and message["msg_type"] == "status"
