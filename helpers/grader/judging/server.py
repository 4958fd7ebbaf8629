"""The warm process that submissions' processes are forked from, with a process for each lab in between.

    server, which has imported everything → one process a lab, with its answer key → one process a submission

The grader asks over a connection whose messages are whole requests, each with one end of a new connection. The lab's
process answers on that one: `READY`, or `FAILED` and the reason as a frame. If a submission is to be judged, `READY`
comes with a pidfd of its process and a pipe that says at last how it ended; the rest is between the grader and that
process (`child.py`). When the grader ends, in whatever way, so does everything here.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import nbformat

from helpers.grader.course import digest
from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError
from helpers.grader.frames import WireClosed, send_frame
from helpers.grader.intake.notebook import parse_notebook
from helpers.grader.judging import child, room
from helpers.grader.judging.alignment import align
from helpers.grader.judging.error_verdicts import SHARED_FOLDERS, names_on_host
from helpers.grader.judging.exercise import rows_without_a_call
from helpers.grader.judging.judge import in_order
from helpers.grader.judging.judgement import Judgement
from helpers.grader.judging.protocol import FAILED, MAX_REQUEST_BYTES, READY, LabSource, Request
from helpers.grader.judging.record import read_record, write_record
from helpers.grader.judging.skippable_cells import skippable_cells

MAX_LABS = 16  # whose processes are kept; the one that was started first ends first
TELL_SECONDS = 10.0  # the grader may take that long to read why a lab could not be loaded
STDIN = 0


def serve(connection: socket.socket, folder: str, finish: child.Finish) -> NoReturn:
    """Pass requests on to the labs' processes, each started when it is first asked for, until the grader has gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # so that garbage collection in a child does not copy the pages that it shares with the others
    labs: dict[LabSource, socket.socket] = {}
    while True:
        data, handles, _, _ = socket.recv_fds(connection, MAX_REQUEST_BYTES, 1)
        if not data:
            os._exit(0)
        lab = Request.from_bytes(data).lab
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
            LabProcess(source, folder, finish).run()
        finally:
            os._exit(1)
    theirs.close()
    return ours


@dataclass(frozen=True)
class Running:
    """A submission's process, and where its end is reported."""

    process: int
    report: int


class LabProcess:
    """The process of one lab: it loads it, leaves the file system, and forks a process for each submission."""

    def __init__(self, source: LabSource, folder: str, finish: child.Finish) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.finish, self.failure = finish, ""
        self.running: dict[int, Running] = {}  # by pidfd
        self.requests = socket.socket(fileno=STDIN)
        try:
            self.lab = load(source)
            rehearse(self.lab, finish)
            room.enter(folder)
        except GraderError as problem:
            self.failure = str(problem)
        except Exception as problem:
            self.failure = f"{type(problem).__name__}: {problem}\n{traceback.format_exc(limit=-3)}"
        gc.collect()
        gc.freeze()

    def run(self) -> None:
        """Answer requests until no more can come and every submission's process has ended."""
        poll = select.poll()
        poll.register(STDIN, select.POLLIN)
        asked = True
        while asked or self.running:
            for handle, _ in poll.poll():
                if handle != STDIN:
                    poll.unregister(handle)
                    self._report_end(handle)
                    continue
                data, handles, _, _ = socket.recv_fds(self.requests, MAX_REQUEST_BYTES, 1)
                if not data:
                    poll.unregister(STDIN)
                    asked = False
                elif handles:
                    process = self._answer(Request.from_bytes(data), handles[0])
                    if process is not None:
                        poll.register(process, select.POLLIN)

    def _answer(self, request: Request, handle: int) -> int | None:
        """Answer one request; return the pidfd of the process that was started, if one was."""
        with socket.socket(fileno=handle) as connection, suppress(OSError, WireClosed):
            if self.failure:
                connection.sendall(FAILED)
                send_frame(connection, self.failure.encode("utf-8", "replace"), time.monotonic() + TELL_SECONDS)
            elif not request.judges:
                connection.sendall(READY)
            else:
                return self._start(connection)
        return None

    def _start(self, connection: socket.socket) -> int:
        reader, report = os.pipe()
        process = os.fork()
        if process == 0:
            child.live(connection.fileno(), partial(child.judge_submission, lab=self.lab, finish=self.finish))
        pidfd = os.pidfd_open(process)
        self.running[pidfd] = Running(process, report)
        with suppress(OSError):  # the grader has gone; so will the process
            socket.send_fds(connection, [READY], [pidfd, reader])
        os.close(reader)
        return pidfd

    def _report_end(self, pidfd: int) -> None:
        running = self.running.pop(pidfd)
        _, code = os.waitpid(running.process, 0)
        with suppress(OSError):
            os.write(running.report, json.dumps(child.plain_status(code)).encode())
        os.close(running.report)
        os.close(pidfd)


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
