"""Judge a submission apart: in a process of its own that this one starts, limits, listens to and ends.

This process hands over the submission's bytes without a look at them, starts the kernels that the other one asks for,
and gets a record back, which it checks. Whatever becomes of the other process, the submission has its judgement: what
was settled before counts, and every other case takes the verdict on the process. Only a failure of the grader's own is
raised.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError, Refused
from helpers.grader.frames import FrameReader, FrameTooLarge, WireClosed, send_frame
from helpers.grader.intake.extra_files import copy_extra_files
from helpers.grader.intake.notebook import read_bytes
from helpers.grader.judging.busy import Watch
from helpers.grader.judging.exercise import rows_without_a_call
from helpers.grader.judging.judge import in_order
from helpers.grader.judging.judgement import Judgement, refused
from helpers.grader.judging.protocol import DONE, OUT_OF_MEMORY, Job, Request
from helpers.grader.judging.record import MAX_RECORD_BYTES, BrokenRecord, read_record, write_record
from helpers.grader.judging.replay import Replayed, read_replayed
from helpers.grader.judging.server_client import ENDED, SERVER, ChildProcess, receive_answer, source_of
from helpers.grader.judging.wire_kernel import END_SECONDS, launch_request
from helpers.grader.limits import Limits
from helpers.grader.sandbox.kernel_process import KernelHandles
from helpers.grader.sandbox.zygote_client import ZYGOTE

GRACE_SECONDS = 90.0  # that judging may take besides the notebook's own time: a start of a kernel is in it
SEND_SECONDS = 60.0  # the other process may take that long to read its submission
MAX_GRADED_BYTES = 64 * 2**20  # of the notebook that formgrader shows
MAX_KIND = 20  # characters of a message's kind
NOTES = {
    "timeout": "judging this notebook took too long",
    "memory": "judging this notebook took too much memory",
    "crash": "judging this notebook ended before it was done",
}


def load_apart(lab: Lab) -> socket.socket:
    """Have the server load a lab too; return the connection on which `receive_answer` says when it has."""
    return SERVER.ask(Request(source_of(lab), starts=False))


def judge_apart(lab: Lab, path: Path, limits: Limits, kernel_name: str) -> Judgement:
    """Judge the notebook at `path`, beside which other files may lie, in a process of its own.

    Raises:
        GraderError: the grader itself failed, which says nothing about the notebook.
    """
    try:
        content = read_bytes(path, limits.file)
    except Refused as refusal:
        return refused(lab.name, str(refusal), refusal.verdict)
    with tempfile.TemporaryDirectory(prefix="distillab-", dir=ZYGOTE.scratch()) as scratch:
        left_out = copy_extra_files(path.parent, Path(scratch), limits)
        with SERVER.ask(Request(source_of(lab), starts=True)) as connection:
            child = ChildProcess(connection, *receive_answer(connection, 2))
            with Conversation(child, Job(scratch, kernel_name, limits), lab) as conversation:
                judgement = conversation.judgement(content)
    judgement.notes += left_out
    return judgement


def replay_apart(
    lab: Lab, path: Path, beside: Path, limits: Limits, kernel_name: str, wanted: Sequence[str]
) -> list[Replayed]:
    """Call the answers of the judged notebook at `path` on cases once more, in a process of its own.

    Raises GraderError if that process does not reach its end.
    """
    with tempfile.TemporaryDirectory(prefix="explain-", dir=ZYGOTE.scratch()) as scratch:
        if beside.is_dir():
            copy_extra_files(beside, Path(scratch), limits)
        job = Job(scratch, kernel_name, replace(limits, file=MAX_GRADED_BYTES), tuple(wanted))
        return read_replayed(_outcome(lab, job, "replayed", _judged(path)), len(wanted))


def weighed_apart(lab: Lab, path: Path, judgement: Judgement) -> bytes:
    """Return the judged notebook at `path` as it looks with a judgement whose points have changed.

    Raises GraderError if the process that makes it does not reach its end.
    """
    job = Job("", "", replace(Limits(), file=MAX_GRADED_BYTES), is_judged=True)
    return _outcome(lab, job, "graded", _judged(path), write_record(judgement))


def _judged(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_GRADED_BYTES)
    except Refused as refusal:
        raise GraderError(str(refusal)) from None


def _outcome(lab: Lab, job: Job, kind: str, *contents: bytes) -> bytes:
    """Return what a submission's process sends when it has done a job other than judging. Raises GraderError."""
    with SERVER.ask(Request(source_of(lab), starts=True)) as connection:
        child = ChildProcess(connection, *receive_answer(connection, 2))
        with Conversation(child, job, lab) as conversation:
            return conversation.outcome(kind, *contents)


class Conversation:
    """What this process and a submission's process have to say to each other."""

    def __init__(self, child: ChildProcess, job: Job, lab: Lab) -> None:
        self.child, self.job, self.lab = child, job, lab
        self.watch = Watch(child)
        self.deadline = time.monotonic() + job.limits.notebook + GRACE_SECONDS
        self.kernel: KernelHandles | None = None
        self.settled = b""  # the last record that came of what is settled
        self._reader = FrameReader(child.connection, MAX_GRADED_BYTES)

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *exception: object) -> None:
        self.child.close()
        self._end_kernel()

    def judgement(self, content: bytes) -> Judgement:
        """Hand over the notebook, serve its process and return what it hands back, or else the verdict on it."""
        starved = False
        try:
            return self._judgement(content)
        except TimeoutError:
            verdict, starved = "timeout", self.watch.starved()
        except (BrokenRecord, FrameTooLarge):
            verdict = "crash"
        except WireClosed:
            verdict = self._verdict_on_its_end()
        judgement = self._what_is_left(verdict)
        judgement.starved |= starved
        return judgement

    def outcome(self, wanted: str, *contents: bytes) -> bytes:
        """Hand over what it needs, serve its process and return its message of this kind. Raises GraderError."""
        try:
            self._hand_over(*contents)
            while True:
                kind, payload = self._receive()
                if kind == wanted:
                    return payload
                if kind == "failed":
                    raise GraderError(payload.decode("utf-8", "replace"))
                self._serve(kind)
        except TimeoutError:
            verdict = "timeout"
        except (BrokenRecord, FrameTooLarge):
            verdict = "crash"
        except WireClosed:
            verdict = self._verdict_on_its_end()
        raise GraderError(f"{NOTES[verdict]}.".capitalize())

    def _hand_over(self, *contents: bytes) -> None:
        for payload in (self.job.to_bytes(), *contents):
            send_frame(self.child.connection, payload, time.monotonic() + SEND_SECONDS)

    def _judgement(self, content: bytes) -> Judgement:
        self._hand_over(content)
        record: Judgement | None = None
        while True:
            kind, payload = self._receive()
            if kind == "record" and record is None:
                record = read_record(payload, self.lab)
            elif kind == "graded" and record is not None:
                record.graded = payload
                return record
            elif kind == "settled" and len(payload) <= MAX_RECORD_BYTES:
                self.settled = payload
            elif kind == "failed":
                raise GraderError(payload.decode("utf-8", "replace"))
            else:
                self._serve(kind)

    def _receive(self) -> tuple[str, bytes]:
        """Return the next message's kind and content."""
        frame = self._reader.receive(self.deadline)
        if time.monotonic() > self.deadline:  # whatever it still sends
            raise TimeoutError
        kind, _, payload = frame[:MAX_KIND].partition(b" ")
        return kind.decode("ascii", "replace"), frame[len(kind) + 1 :]

    def _serve(self, kind: str) -> None:
        """Do to its kernel what the process asks for."""
        if kind == "launch" and self.kernel is None:
            self._launch()
            return
        if kind == "interrupt" and self.kernel is not None:
            _signal(self.kernel.process, signal.SIGINT)
        elif kind == "end" and self.kernel is not None:
            self._end_kernel()
        else:
            raise BrokenRecord("it asked for what it cannot have")
        self._answer([])

    def _launch(self) -> None:
        limits, name = self.job.limits, self.job.kernel_name
        self.kernel = ZYGOTE.launch_handles(launch_request(name, Path(self.job.folder), limits))
        os.close(self.kernel.folder)  # what a graded notebook writes stays in its sandbox
        lent = [self.kernel.channels, self.kernel.status, self.kernel.usage]
        try:
            self._answer(lent)
        finally:
            for handle in lent:
                os.close(handle)

    def _answer(self, handles: list[int]) -> None:
        try:
            socket.send_fds(self.child.connection, [DONE], handles)
        except OSError as problem:
            raise WireClosed(str(problem)) from None

    def _end_kernel(self) -> None:
        """End everything in the kernel's sandbox and wait until it has ended."""
        if self.kernel is None:
            return
        process, self.kernel = self.kernel.process, None
        try:
            _signal(process, signal.SIGKILL)
            if not select.select([process], [], [], END_SECONDS)[0]:
                raise GraderError(f"A sandbox did not end within {END_SECONDS:g} s.")
        finally:
            os.close(process)

    def _verdict_on_its_end(self) -> str:
        """Return the verdict on a process that has closed its connection. Raises GraderError if the server ended."""
        report = self.child.how_it_ended()
        if not report:
            raise GraderError(ENDED)
        end = json.loads(report)
        if end.get("signal") == signal.SIGXCPU:
            return "timeout"
        return "memory" if end.get("status") == OUT_OF_MEMORY else "crash"

    def _what_is_left(self, verdict: str) -> Judgement:
        """Return the judgement of a submission whose process did not reach its end."""
        note = NOTES[verdict]
        judgement = Judgement(self.lab.name)
        if self.settled:
            try:
                judgement = read_record(self.settled, self.lab, complete=False)
            except BrokenRecord:
                judgement = Judgement(self.lab.name)
        rows = {
            name: judgement.of(name) or rows_without_a_call(exercise, verdict, note)
            for name, exercise in self.lab.exercises.items()
        }
        judgement.rows = [
            replace(row, note=note) if row.verdict == "manual" and row.exercise not in judgement.answers else row
            for row in in_order(self.lab, rows, judgement.answers)
        ]
        return judgement


def _signal(process: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        pass
