"""The judge's end of the wire to a sandboxed kernel.

The wire is one of two connected sockets; a relay in the sandbox holds the other (`sandbox/relay.py`). The judge never
connects or reconnects to anything and looks nothing up by a path. All that arrives is hostile.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.grader.errors import GraderError
from helpers.grader.frames import FrameReader, FrameTooLarge, WireClosed, send_frame
from helpers.grader.intake.unicode import load_json
from helpers.grader.limits import Limits
from helpers.grader.sandbox import relay
from helpers.grader.sandbox.environment import clean_environment
from helpers.grader.sandbox.kernel_process import KernelProcess, ProcessorTime
from helpers.grader.sandbox.kernelspecs import GPU_KERNEL
from helpers.grader.sandbox.launch_request import LaunchRequest
from helpers.grader.sandbox.zygote_client import ZYGOTE

EXTRA_LIFE_SECONDS = 30.0  # that a kernel may outlive its notebook's budget before its sandbox ends it
END_SECONDS = 30.0  # the processes of a sandbox may take that long to end once they are killed
REPORT_SECONDS = 1.0  # the reason may arrive that long after the wire was closed
SEND_SECONDS = 10.0  # a request may take that long to leave
MAX_FRAME_BYTES = relay.MAX_MESSAGE_BYTES + 100
PROTOCOL_VERSION = "5.4"  # of Jupyter's messages


def launch_request(name: str, folder: Path, limits: Limits) -> LaunchRequest:
    """Return the request for a kernel in a sandbox, with a wire.

    Args:
        name: `SANDBOX_KERNEL`, or `GPU_KERNEL` for a fresh Python that may use the GPU.
        folder: The working folder, of which the kernel gets a copy.
        limits: What the notebook may use.
    """
    cold, path = name == GPU_KERNEL, os.path.realpath(folder)
    seconds = limits.notebook + EXTRA_LIFE_SECONDS
    return LaunchRequest(
        folder=path,
        sockets=relay.FOLDER,
        argv=["-f", relay.CONNECTION_FILE, "--HistoryManager.enabled=False"],
        environment=clean_environment(path),
        memory=limits.memory,
        processes=limits.processes,
        files=limits.files,
        seconds=seconds,
        processor_seconds=seconds,
        cold=cold,
        wire=True,
        devices=[str(device) for device in Path("/dev").glob("nvidia*") if not device.is_dir()] if cold else [],
    )


def launch_kernel(name: str, folder: Path, limits: Limits) -> KernelProcess:
    """Have the zygote start a kernel; see `launch_request`. Raises GraderError if the sandbox could not be set up."""
    process = ZYGOTE.launch(launch_request(name, folder, limits))
    process.close_folder()  # what a graded notebook writes stays in its sandbox
    return process


@dataclass(frozen=True)
class Message:
    """What the judge reads of one of the kernel's messages."""

    kind: str
    parent: str  # id of the request that it answers
    content: dict[str, Any]


def parse_message(parts: Any) -> Message | None:
    """Return a message from its header, parent header, metadata and content, or None: a notebook can send anything."""
    if not isinstance(parts, list) or len(parts) != 4:
        return None
    header, parent, _, content = parts
    if not isinstance(header, dict) or not isinstance(parent, dict) or not isinstance(content, dict):
        return None
    kind, answered = header.get("msg_type"), parent.get("msg_id")
    return Message(kind, answered, content) if isinstance(kind, str) and isinstance(answered, str) else None


class WireKernel:
    """A sandboxed kernel, spoken to in frames."""

    def __init__(self, process: KernelProcess) -> None:
        if process.channels is None:
            raise ValueError("the kernel's wire is closed already")
        self.process = process
        self._wire = socket.socket(fileno=os.dup(process.channels))
        process.close_channels()
        self._reader = FrameReader(self._wire, MAX_FRAME_BYTES)
        self._session = secrets.token_hex(8)

    def send(self, kind: str, content: dict[str, Any]) -> str:
        """Send a request and return its id. Raises WireClosed, also if the kernel's end does not take it."""
        identifier = secrets.token_hex(16)
        header = {
            "msg_id": identifier,
            "msg_type": kind,
            "username": "",
            "session": self._session,
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "version": PROTOCOL_VERSION,
        }
        frame = json.dumps(["shell", header, {}, {}, content]).encode()
        try:
            send_frame(self._wire, frame, time.monotonic() + SEND_SECONDS)
        except TimeoutError:
            raise WireClosed("the kernel's end takes no requests") from None
        return identifier

    def receive(self, seconds: float) -> Message | None:
        """Return the next message, None for what is not one. Raises TimeoutError or WireClosed."""
        try:
            frame = self._reader.receive(time.monotonic() + seconds)
        except FrameTooLarge as error:
            raise WireClosed(str(error)) from None
        try:
            channel, *parts = load_json(frame.decode("utf-8", "replace"))
        except (ValueError, TypeError, RecursionError):
            return None
        return parse_message(parts) if channel == "iopub" else None

    def has_message(self) -> bool:
        """Return whether something of a message has arrived and not been read yet."""
        return bool(select.select([self._wire], [], [], 0)[0])

    def interrupt(self) -> None:
        """Interrupt what the kernel runs."""
        self.process.send_signal(signal.SIGINT)

    def why_it_ended(self) -> str:
        """Return "memory", "timeout", "grader", or "exit", which also stands for a wire that was closed.

        Raises:
            GraderError: The sandbox could not be set up.
        """
        for report in self.process.reports(REPORT_SECONDS):
            if "failed" in report:
                raise GraderError(f"The sandbox could not be set up; see: distillab doctor. {report['failed']}")
        return self.process.ended or "exit"

    def processor_time(self) -> ProcessorTime | None:
        """Return the processor time that everything in the sandbox has used."""
        return self.process.processor_time()

    def close(self) -> None:
        """End everything in the sandbox and wait until it has ended."""
        self._wire.close()
        self.process.kill()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise GraderError(f"A sandbox did not end within {END_SECONDS:g} s.") from None
