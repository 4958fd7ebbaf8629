"""The life of one submission's process: it reads the notebook, speaks to its kernel, compares, redacts, and ends.

It is forked from its lab's process (see `server.py`), so that it holds the answer key of that lab and nothing else of
the course. Its one connection leads to the grader, which sends it the submission's bytes, starts kernels for it and
passes their wires on, and gets a record back. Everything here may go wrong at a hostile byte, and that costs this
submission alone.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError, Refused
from helpers.grader.frames import WireClosed, receive_frame, send_frame
from helpers.grader.intake.notebook import parse_notebook
from helpers.grader.judging import room
from helpers.grader.judging.judge import Surroundings, judge
from helpers.grader.judging.judgement import Judgement, refused
from helpers.grader.judging.protocol import CRASHED, DONE, MAX_JOB_BYTES, OUT_OF_MEMORY, Job
from helpers.grader.judging.record import write_record
from helpers.grader.judging.wire_kernel import WireKernel
from helpers.grader.sandbox.kernel_process import KernelHandles, KernelProcess

MAX_TOLD = 1_000  # characters of the grader's own failure
LENT_HANDLES = 3  # of a kernel: its wire, its status pipe, and the file with its processor time
_NEVER = 1e6  # seconds: the grader keeps the time

Finish = Callable[[Lab, Judgement], bytes]  # makes the notebook that formgrader shows


def live(connection: int, work: Callable[[Grader], None]) -> NoReturn:
    """Do one piece of work for the grader at the other end of a connection, and end."""
    status = CRASHED
    grader = Grader(socket.socket(fileno=room.keep_only(connection)))  # whose connection stays open to the very end
    try:
        work(grader)
        status = 0
    except MemoryError:
        status = OUT_OF_MEMORY
    finally:
        os._exit(status)


def judge_submission(grader: Grader, lab: Lab, finish: Finish) -> None:
    """Judge a submission to a lab, and send the record and the notebook that `finish` makes."""
    job = grader.job()
    room.lock_in(job.limits)
    try:
        notebook = parse_notebook(grader.content(job.limits.file))
        around = Surroundings(lambda name, folder, limits: WireKernel(LentKernel(grader)), grader.keep)
        judgement = judge(lab, notebook, Path(job.folder), job.limits, job.kernel_name, around)
    except Refused as refusal:
        judgement = refused(lab.name, str(refusal), refusal.verdict)
    except GraderError as problem:
        grader.send("failed", str(problem)[:MAX_TOLD].encode("utf-8", "replace"))
        return
    grader.send("record", write_record(judgement))
    grader.send("graded", finish(lab, judgement))


class Grader:
    """The grader as its child sees it, at the other end of the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def job(self) -> Job:
        """Return what has to be done."""
        return Job.from_bytes(receive_frame(self._connection, MAX_JOB_BYTES, time.monotonic() + _NEVER))

    def content(self, limit: int) -> bytes:
        """Return the notebook's bytes, at most `limit` of them."""
        return receive_frame(self._connection, limit, time.monotonic() + _NEVER)

    def send(self, kind: str, payload: bytes = b"") -> None:
        """Send a message: its kind and a space, then its content."""
        send_frame(self._connection, kind.encode() + b" " + payload, time.monotonic() + _NEVER)

    def keep(self, judgement: Judgement) -> None:
        """Hand over what is settled so far; it counts if this process does not reach its end."""
        self.send("settled", write_record(judgement))

    def ask(self, kind: str, handles: int = 0) -> list[int]:
        """Ask for something, wait until it is done, and return the file descriptors that came with the answer."""
        self.send(kind)
        return self.receive(handles)

    def receive(self, handles: int) -> list[int]:
        """Wait for the grader's word, and return the file descriptors that came with it."""
        self._connection.settimeout(None)
        answer, received, _, _ = socket.recv_fds(self._connection, len(DONE), handles)
        if answer != DONE or len(received) != handles:
            raise WireClosed("the grader has ended this process's work")
        return received


class LentKernel(KernelProcess):
    """A kernel that the grader has started, and which it interrupts and ends when asked to."""

    def __init__(self, grader: Grader) -> None:
        wire, status, usage = grader.ask("launch", LENT_HANDLES)
        super().__init__(KernelHandles(process=-1, status=status, channels=wire, folder=-1, usage=usage))
        self._process, self.folder, self._grader = None, None, grader

    def send_signal(self, number: int) -> None:
        """Have the kernel interrupted, or everything in its sandbox ended; nothing else is ever asked for."""
        self._grader.ask("interrupt" if number == signal.SIGINT else "end")


def plain_status(code: int) -> dict[str, Any]:
    """Return how a submission's process ended, from what `os.waitpid` says, as JSON can hold it."""
    return {"signal": os.WTERMSIG(code)} if os.WIFSIGNALED(code) else {"status": os.WEXITSTATUS(code)}
