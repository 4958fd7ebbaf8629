"""Copies messages between the grader's wire and ipykernel's own channels: a process inside the sandbox.

The grader holds the other end of the wire, a pair of connected sockets, so nothing that the notebook puts on disk or
listens on leads to the grader. The relay has the notebook's rights and limits. What it receives from the kernel takes
up the sandbox's memory, never the grader's; when it ends, the wire is closed and the kernel counts as gone.

A frame (see `helpers/grader/frames.py`) is the JSON list [channel, header, parent header, metadata, content]. To the
kernel go requests on the channel "shell"; from it come messages of the channel "iopub". Nothing else passes, binary
buffers neither.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from helpers.grader.frames import FrameTooLarge, receive_frame, send_frame

FOLDER = "/run/kernel"  # in the sandbox: the kernel's connection file and sockets
CONNECTION_FILE = f"{FOLDER}/kernel.json"
SOCKET_PREFIX = f"{FOLDER}/socket"
PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}  # ends of socket names
# No key: it would prove nothing to anybody, since the student's code could read it.
CONNECTION = {"transport": "ipc", "ip": SOCKET_PREFIX, "key": "", "signature_scheme": "hmac-sha256", **PORTS}

DELIMITER = b"<IDS|MSG>"  # Jupyter's, between the addresses of a message and its signature
MAX_MESSAGE_BYTES = 2**24  # of one message with all its parts
MAX_WAITING_MESSAGES = 20  # for the grader to read them; more have to wait in the kernel
RECONNECT_MILLISECONDS = 2  # between two attempts to reach a kernel that is starting
SUBSCRIPTION_SECONDS = 1.0
_NEVER = 1e6  # seconds: the grader keeps the time


def run(wire: socket.socket) -> NoReturn:
    """Copy messages both ways until the wire is closed, the kernel sends too much, or the sandbox ends."""
    import zmq

    context = zmq.Context()
    options = ((zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES), (zmq.LINGER, 0), (zmq.RECONNECT_IVL, RECONNECT_MILLISECONDS))
    for option, value in options:
        context.setsockopt(option, value)  # for every socket made from here on

    def requests() -> None:
        shell = context.socket(zmq.DEALER)
        shell.setsockopt(zmq.RCVHWM, 1)  # replies are not read: what they tell stands on iopub too
        shell.connect(_address("shell_port"))
        subscribed.wait(SUBSCRIPTION_SECONDS)  # an answer that comes earlier gets lost
        while True:
            _, *parts = json.loads(receive_frame(wire, MAX_MESSAGE_BYTES, time.monotonic() + _NEVER))
            shell.send_multipart([DELIMITER, b"", *(json.dumps(part).encode() for part in parts)])

    def messages() -> None:
        iopub = context.socket(zmq.SUB)
        iopub.setsockopt(zmq.RCVHWM, MAX_WAITING_MESSAGES)
        iopub.setsockopt(zmq.SUBSCRIBE, b"")
        iopub.connect(_address("iopub_port"))
        while True:
            frame = _frame(iopub.recv_multipart())
            subscribed.set()  # ipykernel welcomes its subscribers
            if frame is not None:
                send_frame(answers, frame, time.monotonic() + _NEVER)

    answers, subscribed = wire.dup(), threading.Event()
    threading.Thread(target=_until_closed, args=(requests,), daemon=True).start()
    _until_closed(messages)


def _address(port: str) -> str:
    return f"ipc://{SOCKET_PREFIX}-{PORTS[port]}"


def _frame(parts: list[bytes]) -> bytes | None:
    """Return a message as a frame, without looking into its parts; None for what is no message.

    Raises:
        FrameTooLarge: All its parts together are over the limit.
    """
    if sum(map(len, parts)) > MAX_MESSAGE_BYTES:
        raise FrameTooLarge("a message over the limit")
    try:
        first = parts.index(DELIMITER) + 2  # after the signature
    except ValueError:
        return None
    return b'["iopub",' + b",".join(parts[first : first + 4]) + b"]"


def _until_closed(work: Callable[[], None]) -> NoReturn:
    """Do one direction's work; whatever ends it ends the relay."""
    try:
        work()
    finally:
        os._exit(0)
