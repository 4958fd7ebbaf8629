"""A kernel that runs one student's cells and answers the judge's questions about them.

Every wait has a deadline and every output a limit in bytes, so that no notebook can hold up the grader or fill its
memory. The kernel is a separate process, started by its kernel name: a sandboxed one (see `wire_kernel.py`), or a plain
one by the name "python3", which only gets a clean environment (see `jupyter_kernel.py`).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nbformat import NotebookNode

from helpers.grader.errors import GraderError
from helpers.grader.frames import WireClosed
from helpers.grader.judging.jupyter_kernel import JupyterKernel
from helpers.grader.judging.kernel_data import NO_REPLY, error_of, output_of, reply_of, size_of
from helpers.grader.judging.wire_kernel import Message, WireKernel, launch_kernel
from helpers.grader.limits import Limits
from helpers.grader.sandbox.kernel_process import ProcessorTime
from helpers.grader.sandbox.kernelspecs import GPU_KERNEL, SANDBOX_KERNEL
from helpers.paths import PACKAGE

LATE_MESSAGES_SECONDS = 0.5  # after a deadline, for messages that came before it and are not read yet
INTERRUPT_SECONDS = 2.0  # that a cell gets to react to an interrupt before its kernel is killed
STARTUP_SECONDS = 60.0
POLL_SECONDS = 0.5  # between two looks at whether the kernel is alive
READY_SECONDS = 1.0  # between two requests to a kernel that is starting
OUTPUT_CUT = "[The notebook's output passed the limit; the rest of it is left out.]\n"
# The probe's files run in one namespace in the kernel, so they must not import each other there; and a
# __future__ import may not stand in the middle of a text.
PROBE_PARTS = (
    "optional_torch",
    "coroutines",
    "sampling",
    "model_observers",
    "special_observers",
    "fixtures",
    "tables",
    "encoding",
    "observers",
)  # of helpers/checks, in this order
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


class Kernel(Protocol):
    """What both kinds of kernel offer."""

    def send(self, kind: str, content: dict[str, Any]) -> str: ...
    def receive(self, seconds: float) -> Message | None: ...
    def has_message(self) -> bool: ...
    def interrupt(self) -> None: ...
    def why_it_ended(self) -> str: ...
    def processor_time(self) -> ProcessorTime | None: ...
    def close(self) -> None: ...


def start_kernel(name: str, folder: Path, limits: Limits) -> Kernel:
    """Start a kernel by its name: a sandboxed one with a wire, any other with Jupyter's channels and without limits."""
    if name in (SANDBOX_KERNEL, GPU_KERNEL):
        return WireKernel(launch_kernel(name, folder, limits))
    return JupyterKernel(name, folder)


class StudentKernel:
    """One kernel process, from start to end; use it as a context manager.

    Args:
        name: the kernel's name.
        folder: where the notebook runs.
        limits: what it may use.
        start: starts the kernel.
    """

    def __init__(
        self, name: str, folder: Path, limits: Limits, start: Callable[[str, Path, Limits], Kernel] = start_kernel
    ) -> None:
        self.name, self.folder, self.limits, self.output_left = name, folder, limits, limits.output
        self._start = start
        self.comm, self.target = secrets.token_hex(8), f"distillab-{secrets.token_hex(8)}"

    def __enter__(self) -> StudentKernel:
        self.kernel = self._start(self.name, self.folder, self.limits)
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.kernel.close()

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
            raise GraderError(f"the probe could not start in the kernel: {ran.error}")
        opening = {"comm_id": self.comm, "target_name": self.target, "data": {}}
        self._request("comm_open", opening, STARTUP_SECONDS)

    def run(self, source: str, seconds: float, silent: bool = False) -> Ran:
        """Run a cell. Raises KernelDied if that ends the kernel, also if it has to be killed at the time limit."""
        ran = Ran()
        request = {
            "code": source,
            "silent": silent,
            "store_history": not silent,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        try:
            self._request("execute_request", request, seconds, lambda message: self._collect(ran, message))
        except TimeUp:
            ran.timed_out = True
        return ran

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send the probe a request and return its reply. Raises TimeUp or KernelDied."""
        replies: list[Any] = []

        def take(message: Message) -> None:
            if message.kind == "comm_msg" and message.content.get("comm_id") == self.comm:
                replies.append(reply_of(message.content))

        self._request("comm_msg", {"comm_id": self.comm, "data": request}, seconds, take)
        return replies[0] if replies else NO_REPLY

    def processor_time(self) -> ProcessorTime | None:
        """Return the processor time that everything in the kernel's sandbox has used; None without a sandbox."""
        return self.kernel.processor_time()

    # ------------------------------------------------------------------------------------------------------- messages

    def _wait_until_ready(self) -> None:
        """Wait until the kernel's answers arrive; those to the first requests get lost while it starts."""
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline:
            try:
                request = self.kernel.send("kernel_info_request", {})
                while True:
                    message = self.kernel.receive(READY_SECONDS)
                    if message is not None and _says_idle(message, request):
                        return
            except TimeoutError:
                continue
            except WireClosed:
                raise KernelDied(self._why_it_ended(interrupted=False)) from None
        raise KernelDied("timeout")

    def _request(
        self, kind: str, content: dict[str, Any], seconds: float, take: Callable[[Message], None] | None = None
    ) -> None:
        """Send a request and hand every message that answers it to `take` until the kernel is idle again.

        Raises TimeUp if the kernel had to be interrupted, and KernelDied if it is gone or ignores the interrupt.
        """
        wait = _Wait(self.kernel, seconds)
        try:
            request = self.kernel.send(kind, content)
            while True:
                message = wait.next_message()
                if _says_idle(message, request):
                    break
                if message.parent == request and take is not None:
                    take(message)
        except WireClosed:
            raise KernelDied(self._why_it_ended(wait.interrupted)) from None
        if wait.interrupted:
            raise TimeUp

    def _why_it_ended(self, interrupted: bool) -> str:
        reason = self.kernel.why_it_ended()
        if reason == "grader":
            raise GraderError("the process that kernels are forked from ended; this says nothing about the notebook")
        if reason in ("memory", "timeout"):
            return reason
        return "timeout" if interrupted else "crash"

    def _collect(self, ran: Ran, message: Message) -> None:
        kind = message.kind
        if kind == "error":
            ran.error = error_of(message.content)
        output = output_of(kind, message.content)
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


class _Wait:
    """Waiting for a request to be answered: the kernel is interrupted at the deadline, and given up some time later."""

    def __init__(self, kernel: Kernel, seconds: float) -> None:
        self.kernel, self.deadline, self.interrupted = kernel, _Deadline(seconds), False

    def next_message(self) -> Message:
        """Return the kernel's next message. Raises WireClosed, and KernelDied if it ignores the interrupt."""
        while True:
            if self.deadline.has_passed(self.kernel.has_message):
                if self.interrupted:
                    raise KernelDied("timeout")  # it swallows interrupts: __exit__ kills it
                self.kernel.interrupt()
                self.deadline, self.interrupted = _Deadline(INTERRUPT_SECONDS), True
            try:
                message = self.kernel.receive(min(self.deadline.left(), POLL_SECONDS))
            except TimeoutError:
                continue
            if message is not None:
                return message


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


def _says_idle(message: Message, request: str) -> bool:
    """Return whether the kernel has done all that `request` asked for."""
    return message.parent == request and message.kind == "status" and message.content.get("execution_state") == "idle"
