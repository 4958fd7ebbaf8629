"""A kernel in its sandbox, as the grader sees it: through file descriptors, since its process ids mean nothing here."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any

from helpers.grader.errors import GraderError


@dataclass(frozen=True)
class KernelHandles:
    """The file descriptors that the zygote answers a launch request with, in the order in which it sends them."""

    process: int  # pidfd of the supervisor: when it is gone, so is every process of the sandbox
    status: int  # reading end of the status pipe
    channels: int  # the wire to the relay (see `relay.py`), or the folder of the kernel's sockets
    folder: int  # the kernel's working folder
    usage: int  # file with the seconds of processor time that the sandbox has used, and those that it waited for it


@dataclass(frozen=True)
class ProcessorTime:
    """Seconds of processor time that a sandbox has used, and seconds that it waited because others were using it."""

    used: float
    waited: float


class KernelProcess:
    """A running kernel, with the parts of `subprocess.Popen` that jupyter_client uses."""

    stdin = stdout = stderr = None
    pid = 0

    def __init__(self, handles: KernelHandles) -> None:
        self._process: int | None = handles.process
        self._status: int | None = handles.status
        self._status_text = b""
        self._lock = threading.Lock()  # a signal must not reach a descriptor that was closed and used again
        self.channels: int | None = handles.channels
        self.folder: int | None = handles.folder
        self._usage: int | None = handles.usage

    def reports(self, timeout: float = 0.0) -> list[dict[str, Any]]:
        """Return what the supervisor has reported so far: {"started": true}, {"sealed": true}, {"ended": reason}
        or {"failed": text}.

        Args:
            timeout: Seconds to wait for a new report.
        """
        while self._status is not None and select.select([self._status], [], [], timeout)[0]:
            received = os.read(self._status, 65536)
            if not received:
                self._close_status()
            self._status_text += received
            timeout = 0.0
        return [json.loads(line) for line in self._status_text.splitlines()]

    def wait_until_sealed(self, seconds: float) -> None:
        """Wait until the folder of the kernel's sockets is read-only with all sockets in it, or the kernel has ended.

        Raises:
            GraderError: The sandbox could not be set up, or not in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            reports = self.reports(max(0.0, deadline - time.monotonic()))
            for report in reports:
                if "failed" in report:
                    raise GraderError(f"The sandbox could not be set up; see: distillab doctor. {report['failed']}")
            if self._status is None or any("sealed" in report or "ended" in report for report in reports):
                return
        raise GraderError(f"The kernel did not start within {seconds:g} s.")

    def processor_time(self) -> ProcessorTime:
        """Return the processor time of the sandbox as it was a tenth of a second ago."""
        text = os.pread(self._usage, 100, 0) if self._usage is not None else b""
        used, waited = map(float, text.split() or (0, 0))
        return ProcessorTime(used, waited)

    def poll(self) -> int | None:
        """Return None while it runs, 0 afterwards."""
        if self._process is None or select.select([self._process], [], [], 0)[0]:
            return 0
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until every process of the sandbox has ended, then close the process handle and the status pipe.

        Raises:
            subprocess.TimeoutExpired: It still runs after `timeout` seconds.
        """
        with self._lock:
            if self._process is not None:
                if not select.select([self._process], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
                os.close(self._process)
                self._process = None
        self.reports()
        self._close_status()
        if self._usage is not None:
            os.close(self._usage)
            self._usage = None
        return 0

    def close_channels(self) -> None:
        """Close the wire, or the handle on the folder of the sockets once nothing connects any more."""
        if self.channels is not None:
            os.close(self.channels)
            self.channels = None

    @property
    def ended(self) -> str:
        """Why the kernel ended, as its supervisor reported: "memory", "timeout", "exit", "grader"; "" if it did not."""
        return next((str(report["ended"]) for report in self.reports() if "ended" in report), "")

    def close_folder(self) -> None:
        """Close the handle on the working folder, whose files take up memory until then."""
        if self.folder is not None:
            os.close(self.folder)
            self.folder = None

    def send_signal(self, number: int) -> None:
        """Send a signal. SIGINT and SIGTERM reach the kernel alone, SIGKILL ends everything in its sandbox."""
        with self._lock:
            if self._process is not None and self.poll() is None:
                signal.pidfd_send_signal(self._process, number)

    def kill(self) -> None:
        """End everything in the sandbox at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Do the same as `kill`: nothing in a sandbox needs an orderly end."""
        self.kill()

    def _close_status(self) -> None:
        if self._status is not None:
            os.close(self._status)
            self._status = None
