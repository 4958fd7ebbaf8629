"""Frames over a socket: whole, bounded and in time, whatever the other end does."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from helpers.grader.frames import HEADER, FrameReader, FrameTooLarge, WireClosed, receive_frame, send_frame

PAST = 0.0  # a deadline that has passed, so that nothing waits


@pytest.fixture
def ends():
    first, second = socket.socketpair()
    with first, second:
        yield first, second


def soon() -> float:
    return time.monotonic() + 60


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(256)) * 8192])
def test_what_is_sent_arrives(ends, payload):
    first, second = ends
    sender = threading.Thread(target=send_frame, args=(first, payload, soon()))
    sender.start()
    assert receive_frame(second, len(payload), soon()) == payload
    sender.join()


def test_one_frame_is_read_and_not_a_byte_of_the_next(ends):
    first, second = ends
    send_frame(first, b"one", soon())
    send_frame(first, b"two", soon())
    assert receive_frame(second, 3, soon()) == b"one" and second.recv(100) == HEADER.pack(3) + b"two"


def test_a_frame_over_the_limit_is_refused_before_its_payload_arrives(ends):
    first, second = ends
    first.sendall(HEADER.pack(2**32 - 1))
    with pytest.raises(FrameTooLarge, match="4294967295 bytes, where 100"):
        receive_frame(second, 100, soon())


def test_a_reader_goes_on_where_a_deadline_stopped_it(ends):
    first, second = ends
    reader, frame = FrameReader(second, 100), HEADER.pack(4) + b"late"
    for part in (frame[:2], frame[2:5], b""):
        first.sendall(part)
        with pytest.raises(TimeoutError):
            reader.receive(PAST)
    first.sendall(frame[5:])
    assert reader.receive(PAST) == b"late"


def test_a_sender_that_dribbles_past_the_deadline_is_stopped(ends):
    """Each byte arrives while something is there to read, so that only the deadline can end it."""
    first, second = ends
    first.sendall(HEADER.pack(100) + b"x" * 50)
    with pytest.raises(TimeoutError):
        FrameReader(second, 100).receive(PAST)


@pytest.mark.parametrize("sent", [b"", b"\0\0", HEADER.pack(5) + b"cut"])
def test_a_closed_connection_is_named(ends, sent):
    first, second = ends
    first.sendall(sent)
    first.close()
    with pytest.raises(WireClosed):
        receive_frame(second, 100, soon())
    with pytest.raises(WireClosed):
        send_frame(second, b"x", soon())


def test_a_receiver_that_does_not_read_holds_nobody_up(ends):
    first, _ = ends
    with pytest.raises(TimeoutError):
        send_frame(first, bytes(2**24), PAST)
