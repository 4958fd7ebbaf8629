"""A process that does one piece of work for the grader and ends, and the process that it is forked from.

The grader asks over a connection whose messages are whole requests, each with one end of a new connection. The answer
comes on that one: `READY`, or `FAILED` and the reason as a frame. If a process is to be started, `READY` comes with its
pidfd and a pipe that says at last how it ended; the rest is between the grader and that process.

This module imports nothing large: the process that reads archives is forked before anything else is loaded.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from helpers.grader.frames import WireClosed, receive_frame, send_frame
from helpers.grader.judging import room
from helpers.grader.judging.protocol import (
    CRASHED,
    DONE,
    FAILED,
    MAX_REQUEST_BYTES,
    OUT_OF_MEMORY,
    READY,
    Request,
)

TELL_SECONDS = 10.0  # the grader may take that long to read why nothing can be started
STDIN = 0
_NEVER = 1e6  # seconds: the grader keeps the time


class Grader:
    """The grader as a process that works for it sees it, at the other end of the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def content(self, limit: int) -> bytes:
        """Return the next frame, of at most `limit` bytes."""
        return receive_frame(self._connection, limit, time.monotonic() + _NEVER)

    def send(self, kind: str, payload: bytes = b"") -> None:
        """Send a message: its kind and a space, then its content."""
        send_frame(self._connection, kind.encode() + b" " + payload, time.monotonic() + _NEVER)

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


Work = Callable[[Grader], None]


def live(connection: int, work: Work) -> NoReturn:
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


@dataclass(frozen=True)
class Running:
    """A process that works, and where its end is reported."""

    process: int
    report: int


class Foreman:
    """Forks a process for each piece of work, until no more can come and all of them have ended.

    Args:
        work: what each does.
        failure: why nothing can be started; "" if something can.
    """

    def __init__(self, work: Work, failure: str = "") -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.work, self.failure = work, failure
        self.running: dict[int, Running] = {}  # by pidfd
        self.requests = socket.socket(fileno=STDIN)
        gc.collect()
        gc.freeze()  # so that garbage collection in a child does not copy the pages that it shares with the others

    def run(self) -> None:
        """Answer requests until no more can come and every process has ended."""
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
            elif not request.starts:
                connection.sendall(READY)
            else:
                return self._start(connection)
        return None

    def _start(self, connection: socket.socket) -> int:
        reader, report = os.pipe()
        process = os.fork()
        if process == 0:
            live(connection.fileno(), self.work)
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
            os.write(running.report, json.dumps(plain_status(code)).encode())
        os.close(running.report)
        os.close(pidfd)


def plain_status(code: int) -> dict[str, Any]:
    """Return how a process ended, from what `os.waitpid` says, as JSON can hold it."""
    return {"signal": os.WTERMSIG(code)} if os.WIFSIGNALED(code) else {"status": os.WEXITSTATUS(code)}
