"""The life of one submission's process: it reads the notebook, speaks to its kernel, compares, redacts, and ends.

It is forked from its lab's process (see `server.py`), so that it holds the answer key of that lab and nothing else of
the course. Its one connection leads to the grader, which sends it the submission's bytes, starts kernels for it and
passes their wires on, and gets a record back. Everything here may go wrong at a hostile byte, and that costs this
submission alone.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import nbformat

from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError, Refused
from helpers.grader.intake.notebook import parse_notebook
from helpers.grader.judging import room
from helpers.grader.judging.judge import Surroundings, judge
from helpers.grader.judging.judgement import Judgement, refused
from helpers.grader.judging.protocol import MAX_JOB_BYTES, Job
from helpers.grader.judging.record import MAX_RECORD_BYTES, read_record, write_record
from helpers.grader.judging.replay import replay, write_replayed
from helpers.grader.judging.task import Grader
from helpers.grader.judging.wire_kernel import WireKernel
from helpers.grader.sandbox.kernel_process import KernelHandles, KernelProcess

MAX_TOLD = 1_000  # characters of the grader's own failure
LENT_HANDLES = 3  # of a kernel: its wire, its status pipe, and the file with its processor time

Finish = Callable[[Lab, Judgement], bytes]  # makes the notebook that formgrader shows


def judge_submission(grader: Grader, lab: Lab, finish: Finish) -> None:
    """Judge a submission to a lab, and send the record and the notebook that `finish` makes.

    If the grader asks for cases that were judged before, call these again and send what came back. If it has the record
    of a judged notebook, send that notebook as it looks with this record.
    """
    job = Job.from_bytes(grader.content(MAX_JOB_BYTES))
    room.lock_in(job.limits)
    if job.is_judged:
        notebook = nbformat.reads(grader.content(job.limits.file).decode(), as_version=4)
        known = read_record(grader.content(MAX_RECORD_BYTES), lab, complete=False)
        grader.send("graded", finish(lab, replace(known, notebook=notebook)))
        return
    try:
        notebook = parse_notebook(grader.content(job.limits.file))
        around = Surroundings(lambda name, folder, limits: WireKernel(LentKernel(grader)), partial(keep, grader))
        if job.replayed:
            cases = replay(
                lab, notebook, Path(job.folder), job.limits, job.kernel_name, job.replayed, around.start_kernel
            )
            grader.send("replayed", write_replayed(cases))
            return
        judgement = judge(lab, notebook, Path(job.folder), job.limits, job.kernel_name, around)
    except Refused as refusal:
        judgement = refused(lab.name, str(refusal), refusal.verdict)
    except GraderError as problem:
        grader.send("failed", str(problem)[:MAX_TOLD].encode("utf-8", "replace"))
        return
    grader.send("record", write_record(judgement))
    grader.send("graded", finish(lab, judgement))


def keep(grader: Grader, judgement: Judgement) -> None:
    """Hand over what is settled so far; it counts if this process does not reach its end."""
    grader.send("settled", write_record(judgement))


class LentKernel(KernelProcess):
    """A kernel that the grader has started, and which it interrupts and ends when asked to."""

    def __init__(self, grader: Grader) -> None:
        wire, status, usage = grader.ask("launch", LENT_HANDLES)
        super().__init__(KernelHandles(process=-1, status=status, channels=wire, folder=-1, usage=usage))
        self._process, self.folder, self._grader = None, None, grader

    def send_signal(self, number: int) -> None:
        """Have the kernel interrupted, or everything in its sandbox ended; nothing else is ever asked for."""
        self._grader.ask("interrupt" if number == signal.SIGINT else "end")
