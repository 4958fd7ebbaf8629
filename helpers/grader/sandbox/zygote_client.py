"""The grader's side of the zygote: starts it, has kernels launched, and ends it with every kernel that it launched."""

from __future__ import annotations

import atexit
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, fields

from helpers.grader.errors import GraderError
from helpers.grader.sandbox.environment import clean_environment
from helpers.grader.sandbox.kernel_process import KernelHandles, KernelProcess
from helpers.grader.sandbox.launch_request import ZYGOTE_SOCKET, LaunchRequest

STARTUP_SECONDS = 120.0  # the zygote may take that long to import everything
RETRY_SECONDS = 0.05  # between two attempts to connect
STOP_SECONDS = 10.0  # the zygote may take that long to end its kernels
MAX_TEMPORARY_PATH = 50  # characters: a socket's path, some folders deeper, ends at 107 bytes


class Zygote:
    """The zygote of this process: started for the first kernel, started again if it died, never more than one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = ""

    def start(self) -> None:
        """Start it if it does not run, without waiting until it is ready."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            self.stop()
            self.folder = tempfile.mkdtemp(prefix="distillab-", dir=_short_temporary_folder())
            self._process = subprocess.Popen(
                [sys.executable, "-m", "helpers.grader.sandbox.zygote", self.folder],
                stdin=subprocess.PIPE,
                cwd=self.folder,
                env=clean_environment(self.folder),
                start_new_session=True,  # Ctrl-C is for the grader, which then closes the pipe
            )

    def scratch(self) -> str | None:
        """Return the folder for short-lived folders, which is removed with the zygote.

        Without a zygote it is None, which the tempfile module takes as the system's temporary folder.
        """
        if self._process is None:
            return None
        self.start()  # the folder of a zygote that died is about to be removed
        return self.folder

    def stop(self) -> None:
        """End it with every kernel that it launched, and remove its folder."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._process = None

    def launch(self, request: LaunchRequest) -> KernelProcess:
        """Have a kernel launched, starting the zygote if necessary. Raises GraderError as `launch_handles`."""
        return KernelProcess(self.launch_handles(request))

    def launch_handles(self, request: LaunchRequest) -> KernelHandles:
        """Have a kernel launched and return its bare file descriptors, of which some may go to another process.

        Raises:
            GraderError: The zygote does not start, or the sandbox could not be set up.
        """
        self.start()
        with self._connect() as connection:
            connection.sendall((json.dumps(asdict(request)) + "\n").encode())
            answer, handles, _, _ = socket.recv_fds(connection, 65536, len(fields(KernelHandles)))
        if len(handles) != len(fields(KernelHandles)):
            raise GraderError(
                f"The sandbox could not be set up; see: distillab doctor. {answer.decode(errors='replace')}"
            )
        return KernelHandles(*handles)

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + STARTUP_SECONDS
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(f"{self.folder}/{ZYGOTE_SOCKET}")
                return connection
            except OSError:
                connection.close()
                if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                    raise GraderError("The process that kernels are forked from did not start.") from None
                time.sleep(RETRY_SECONDS)


def _short_temporary_folder() -> str:
    folder = tempfile.gettempdir()
    return folder if len(folder) < MAX_TEMPORARY_PATH else "/tmp"


ZYGOTE = Zygote()
atexit.register(ZYGOTE.stop)
