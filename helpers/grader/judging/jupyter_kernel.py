"""A kernel without a sandbox, spoken to over Jupyter's channels: for `--unsafe` and for systems other than Linux."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.manager import KernelManager
from jupyter_client.session import DELIM

from helpers.grader.frames import WireClosed
from helpers.grader.intake.unicode import load_json
from helpers.grader.judging.wire_kernel import Message, parse_message
from helpers.grader.sandbox.environment import clean_environment
from helpers.grader.sandbox.kernel_process import ProcessorTime
from helpers.grader.sandbox.relay import MAX_MESSAGE_BYTES, MAX_WAITING_MESSAGES
from helpers.grader.sandbox.zygote_client import ZYGOTE


class JupyterKernel:
    """A plain process with the grader's rights, in a clean environment."""

    def __init__(self, name: str, folder: Path) -> None:
        self._sockets = tempfile.mkdtemp(prefix="kernel-", dir=ZYGOTE.scratch())
        self.manager = KernelManager(kernel_name=name, connection_file=f"{self._sockets}/kernel.json")
        if os.name == "posix":
            self.manager.transport, self.manager.ip = "ipc", f"{self._sockets}/{secrets.token_hex(4)}"
        self._context = zmq.Context()
        for option, value in ((zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES), (zmq.RCVHWM, MAX_WAITING_MESSAGES), (zmq.LINGER, 0)):
            self._context.setsockopt(option, value)  # for every socket made from here on
        self.manager.start_kernel(
            extra_arguments=["--HistoryManager.enabled=False"],
            cwd=str(folder),
            env=clean_environment(folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._client = self.manager.client(context=self._context)
        self._client.start_channels(stdin=False, hb=False, control=False)

    def send(self, kind: str, content: dict[str, Any]) -> str:
        """Send a request and return its id."""
        message = self._client.session.msg(kind, content)
        self._client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def receive(self, seconds: float) -> Message | None:
        """Return the next message, None for what is not one. Raises TimeoutError, or WireClosed if the kernel is gone.

        A judged exercise costs hundreds of messages, so there is no event loop here. Signatures are not checked: they
        prove nothing, since the student's code runs where the key is.
        """
        socket = self._client.iopub_channel.socket
        if not socket.poll(max(0, round(1000 * seconds))):
            if not self.manager.is_alive():
                raise WireClosed("the kernel is gone")
            raise TimeoutError
        frames = socket.recv_multipart()
        try:
            first = frames.index(DELIM) + 2  # after the signature
            return parse_message([load_json(frame.decode("utf-8", "replace")) for frame in frames[first : first + 4]])
        except (ValueError, TypeError, RecursionError):
            return None

    def has_message(self) -> bool:
        """Return whether a message has arrived that is not read yet."""
        return bool(self._client.iopub_channel.socket.poll(0))

    def interrupt(self) -> None:
        """Interrupt what the kernel runs."""
        self.manager.interrupt_kernel()

    def why_it_ended(self) -> str:
        """Return "exit": nothing but the kernel itself ends it."""
        return "exit"

    def processor_time(self) -> ProcessorTime | None:
        """Return None: without a sandbox nobody counts."""
        return None

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self._context.destroy(linger=0)
        shutil.rmtree(self._sockets, ignore_errors=True)
