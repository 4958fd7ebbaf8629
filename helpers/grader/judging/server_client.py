"""The grader's side of the judging server: starts it, has labs loaded and submissions' processes started, ends it."""

from __future__ import annotations

import atexit
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from helpers.grader.course import digest
from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError
from helpers.grader.frames import FrameTooLarge, WireClosed, receive_frame
from helpers.grader.judging.protocol import READY, LabSource, Request
from helpers.grader.sandbox.environment import clean_environment
from helpers.grader.sandbox.kernel_process import ProcessorTime

PROGRAM = "helpers.grader.run.judging_server"
STARTUP_SECONDS = 300.0  # the server may take that long to import everything and to compute a lab's right answers
STOP_SECONDS = 10.0
END_SECONDS = 1.0
MAX_FAILURE_BYTES = 2**16
ENDED = "The process that judges submissions ended. This says nothing about the submission."


@dataclass
class ChildProcess:
    """A submission's process, as the grader sees it."""

    connection: socket.socket
    process: int  # pidfd
    report: int  # pipe that says how it ended

    def kill(self) -> None:
        """End it at once."""
        try:
            signal.pidfd_send_signal(self.process, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def processor_time(self) -> ProcessorTime | None:
        """Return how long it has computed, and waited for a processor, for it has a single thread."""
        try:
            details = Path(f"/proc/self/fdinfo/{self.process}").read_text(encoding="ascii")
            number = details.split("Pid:")[1].split()[0]
            used, waited, _ = Path(f"/proc/{number}/schedstat").read_text(encoding="ascii").split()
        except (OSError, IndexError, ValueError):  # it has just ended, or this Linux does not tell
            return None
        return ProcessorTime(int(used) / 1e9, int(waited) / 1e9)

    def how_it_ended(self) -> bytes:
        """Return what its lab's process reports of its end, b"" if that one ended too.

        A process that has closed its connection is given a moment to end by itself.
        """
        select.select([self.process], [], [], END_SECONDS)
        self.kill()
        return os.read(self.report, 1000)

    def close(self) -> None:
        """Kill it if it still lives, and forget it."""
        self.kill()
        self.connection.close()
        os.close(self.process)
        os.close(self.report)


class JudgingServer:
    """The judging server of this process: started when it is first needed, started again if it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._archives: socket.socket | None = None  # to the process that starts one for each archive
        self._folder = ""

    def start(self) -> None:
        """Start it if it does not run, without waiting until it is ready."""
        with self._lock:
            if self._process is not None and self._process.poll() is None and not self._has_hung_up():
                return
            self._stop()
            self._folder = tempfile.mkdtemp(prefix="distillab-judging-")
            self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._archives, of_archives = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs, of_archives:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", PROGRAM, self._folder, str(of_archives.fileno())],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    pass_fds=[of_archives.fileno()],
                    cwd=self._folder,
                    env=clean_environment(self._folder),
                    start_new_session=True,  # Ctrl-C is for the grader, which then closes the connection
                )

    def _has_hung_up(self) -> bool:
        """Return whether one of the other ends is closed; they never send anything."""
        connections = [one for one in (self._connection, self._archives) if one is not None]
        return len(connections) < 2 or bool(select.select(connections, [], [], 0)[0])

    def stop(self) -> None:
        """End it with every process below it."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._process is None:
            return
        for connection in (self._connection, self._archives):
            if connection is not None:
                connection.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._process = self._connection = self._archives = None

    def ask(self, request: Request) -> socket.socket:
        """Send a request and return the connection on which it will be answered."""
        self.start()
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                connection = self._connection if request.lab else self._archives
                if connection is None:
                    raise GraderError(ENDED)
                socket.send_fds(connection, [request.to_bytes()], [theirs.fileno()])
            except OSError:
                ours.close()
                raise GraderError(ENDED) from None
        return ours


def source_of(lab: Lab) -> LabSource:
    """Return what the server needs to load the same lab."""
    return LabSource(str(lab.folder), lab.seed, lab.digest, digest.CODE_AT_START)


def receive_answer(connection: socket.socket, handles: int = 0) -> list[int]:
    """Wait until a request is answered; return the file descriptors that come with the answer.

    Raises:
        GraderError: the lab cannot be loaded, or the server ended.
    """
    connection.settimeout(STARTUP_SECONDS)
    try:
        answer, received, _, _ = socket.recv_fds(connection, len(READY), handles)
        if answer == READY and len(received) == handles:
            return received
        reason = receive_frame(connection, MAX_FAILURE_BYTES, time.monotonic() + STOP_SECONDS).decode(errors="replace")
    except (OSError, WireClosed, FrameTooLarge):
        reason = ENDED
    raise GraderError(reason)


SERVER = JudgingServer()
atexit.register(SERVER.stop)
