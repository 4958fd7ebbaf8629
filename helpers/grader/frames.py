"""Messages over a socket as frames: four bytes that hold the length, big-endian, then as many bytes.

Both ends may be hostile to each other, so every frame has a limit and every wait a deadline (of time.monotonic).
"""

from __future__ import annotations

import socket
import struct
import time

HEADER = struct.Struct(">I")
CHUNK_BYTES = 2**18  # read at a time, so that memory is taken for what has arrived and not for what was announced


class WireClosed(Exception):
    """The other end has closed the connection."""


class FrameTooLarge(Exception):
    """The other end announced a frame over the limit; the connection is of no use any more."""


def send_frame(connection: socket.socket, payload: bytes, deadline: float) -> None:
    """Send one frame.

    Raises:
        TimeoutError: The deadline passed; a part of the frame may have been sent, so the connection is of no use.
        WireClosed: The other end has closed the connection.
    """
    connection.settimeout(max(0.001, deadline - time.monotonic()))
    try:
        connection.sendall(HEADER.pack(len(payload)) + payload)
    except TimeoutError:
        raise
    except OSError as error:
        raise WireClosed(str(error)) from None


def receive_frame(connection: socket.socket, limit: int, deadline: float) -> bytes:
    """Return the payload of the next frame.

    Raises:
        TimeoutError: The deadline passed; a part of the frame may be lost, so the connection is of no use.
        WireClosed: The other end has closed the connection.
        FrameTooLarge: The payload would be more than `limit` bytes.
    """
    return FrameReader(connection, limit).receive(deadline)


class FrameReader:
    """Reads the frames of one connection, and keeps what has arrived of a frame when a deadline passes."""

    def __init__(self, connection: socket.socket, limit: int) -> None:
        self.connection, self.limit = connection, limit
        self._received = bytearray()
        self._length: int | None = None  # of the payload that is arriving; None before its header is complete

    def receive(self, deadline: float) -> bytes:
        """Return the payload of the next frame; never reads beyond it.

        Raises:
            TimeoutError: The deadline passed. The next call goes on with the same frame.
            WireClosed, FrameTooLarge: As `receive_frame`.
        """
        if self._length is None:
            (length,) = HEADER.unpack(self._read(HEADER.size, deadline))
            if length > self.limit:
                raise FrameTooLarge(f"{length} bytes, where {self.limit} are allowed")
            self._length = length
        payload = self._read(self._length, deadline)
        self._length = None
        return payload

    def _read(self, size: int, deadline: float) -> bytes:
        while (missing := size - len(self._received)) > 0:
            self.connection.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                chunk = self.connection.recv(min(missing, CHUNK_BYTES))
            except TimeoutError:
                raise
            except OSError as error:
                raise WireClosed(str(error)) from None
            if not chunk:
                raise WireClosed("the connection was closed")
            self._received += chunk
            if time.monotonic() > deadline and len(self._received) < size:
                raise TimeoutError("the frame did not arrive in time")
        content = bytes(self._received)
        self._received.clear()
        return content
