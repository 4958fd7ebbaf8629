"""The warm process that submissions' processes are forked from, with a process for each lab in between.

    server, which has imported everything → one process a lab, with its answer key → one process a submission

Requests are passed on to the lab's process, which answers them (see `task.py`). When the grader ends, in whatever way,
so does everything here.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import traceback
from functools import partial
from pathlib import Path
from typing import NoReturn

import nbformat

from helpers.grader.course import digest
from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError
from helpers.grader.intake.notebook import parse_notebook
from helpers.grader.judging import child, room
from helpers.grader.judging.alignment import align
from helpers.grader.judging.error_verdicts import SHARED_FOLDERS, names_on_host
from helpers.grader.judging.exercise import rows_without_a_call
from helpers.grader.judging.judge import in_order
from helpers.grader.judging.judgement import Judgement
from helpers.grader.judging.protocol import MAX_REQUEST_BYTES, LabSource, Request
from helpers.grader.judging.record import read_record, write_record
from helpers.grader.judging.skippable_cells import skippable_cells
from helpers.grader.judging.task import STDIN, Foreman, Grader

MAX_LABS = 16  # whose processes are kept; the one that was started first ends first


def serve(connection: socket.socket, folder: str, finish: child.Finish) -> NoReturn:
    """Pass requests on to the labs' processes, each started when it is first asked for, until the grader has gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # as in `Foreman`
    labs: dict[LabSource, socket.socket] = {}
    while True:
        data, handles, _, _ = socket.recv_fds(connection, MAX_REQUEST_BYTES, 1)
        if not data:
            os._exit(0)
        lab = Request.from_bytes(data).lab
        assert lab is not None, "requests without a lab go to another process"
        for attempt in (1, 2):
            if lab not in labs:
                labs[lab] = _start_lab(lab, folder, finish)
            try:
                socket.send_fds(labs[lab], [data], handles)
                break
            except OSError:  # its process has ended
                labs.pop(lab).close()
                if attempt == 2:
                    break
        for handle in handles:
            os.close(handle)
        while len(labs) > MAX_LABS:
            labs.pop(next(iter(labs))).close()


def _start_lab(source: LabSource, folder: str, finish: child.Finish) -> socket.socket:
    """Fork a lab's process and return the connection over which it is asked."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        try:
            os.dup2(theirs.fileno(), STDIN)
            os.closerange(3, room.MAX_HANDLES)
            _run_lab(source, folder, finish)
        finally:
            os._exit(1)
    theirs.close()
    return ours


def _run_lab(source: LabSource, folder: str, finish: child.Finish) -> None:
    """Load a lab, leave the file system, and start a process for each submission."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        lab = load(source)
        rehearse(lab, finish)
        room.enter(folder)
        foreman = Foreman(partial(child.judge_submission, lab=lab, finish=finish))
    except GraderError as problem:
        foreman = Foreman(_nothing, str(problem))
    except Exception as problem:
        reason = f"{type(problem).__name__}: {problem}\n{traceback.format_exc(limit=-3)}"
        foreman = Foreman(_nothing, reason)
    foreman.run()


def _nothing(grader: Grader) -> None:
    """Do no work; there is a failure to tell instead."""


def load(source: LabSource) -> Lab:
    """Return a lab with all that judging needs of it computed. Raises GraderError."""
    if source.code != digest.CODE_AT_START:
        raise GraderError("distillab has changed on disk while it ran. Run the same command again.")
    lab = Lab(Path(source.folder), source.seed)
    if lab.digest != source.digest:
        raise GraderError(f"The lab {lab.name} has changed on disk while it was graded. Run the same command again.")
    for exercise in lab.exercises:
        lab.key(exercise)
        lab.example_key(exercise)
    lab.forbidden_closure, lab.uses_model_specs  # noqa: B018
    for shared in SHARED_FOLDERS:
        names_on_host(shared)
    return lab


def rehearse(lab: Lab, finish: child.Finish) -> None:
    """Import and compile what the first submission would otherwise have to, on the lab's own notebook."""
    aligned = align(lab, parse_notebook(nbformat.writes(lab.notebook).encode()))
    skippable_cells(lab, aligned)
    rows = {name: rows_without_a_call(exercise, "missing", "") for name, exercise in lab.exercises.items()}
    judgement = Judgement(lab.name, in_order(lab, rows, {}), notebook=aligned.notebook)
    read_record(write_record(judgement), lab)
    finish(lab, judgement)
