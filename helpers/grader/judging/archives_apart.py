"""Have archives read apart: a process of its own reads each, and this one checks and writes the files that it sends."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.grader.errors import GraderError, Refused
from helpers.grader.frames import FrameReader, FrameTooLarge, WireClosed, send_frame
from helpers.grader.intake.archive import CHUNK_BYTES, Archives, Member
from helpers.grader.judging.protocol import DONE, MAX_LISTING_BYTES, Request
from helpers.grader.judging.server_client import SERVER, ChildProcess, receive_answer

SECONDS = 60.0  # that reading an archive may take
MAX_REASON = 500  # characters
ENDED = "The process that unpacks archives ended. This says nothing about the submissions. Run the same command again."
TOO_MUCH = "reading the archive takes too much time or memory: pack the notebook alone into a new zip file"

Message = tuple[str, bytes]  # its kind, and what it holds


class ArchivesApart(Archives):
    """Has each archive read by a process of its own. Raises GraderError where the grader itself failed."""

    def names(self, archive: Path) -> list[str]:
        """Return the names of the files in an archive, and none if it cannot be read."""
        with _reading(archive, {"names": True}, MAX_LISTING_BYTES) as messages:
            try:
                kind, content = next(messages)
            except Refused:
                return []
        names = _list_in(content) if kind == "names" else []
        return names if all(isinstance(name, str) for name in names) else []

    def members(self, archive: Path, only: Collection[str] | None) -> Generator[Member]:
        """Yield the files in an archive. Raises Refused."""
        asked = {"names": False, "only": None if only is None else sorted(only)}
        with _reading(archive, asked, 2 * CHUNK_BYTES) as messages:
            yield from files_in(messages)


@contextmanager
def _reading(archive: Path, asked: dict[str, Any], limit: int) -> Iterator[Iterator[Message]]:
    """Start a process that reads an archive, and yield what it sends, in messages of at most `limit` bytes."""
    with open(archive, "rb") as opened, SERVER.ask(Request(None, starts=True)) as connection:
        child = ChildProcess(connection, *receive_answer(connection, 2))
        deadline = time.monotonic() + SECONDS
        try:
            _hand_over(connection, opened.fileno(), asked, deadline)
            yield _messages(child, FrameReader(connection, limit), deadline)
        finally:
            child.close()


def _hand_over(connection: socket.socket, archive: int, asked: dict[str, Any], deadline: float) -> None:
    try:
        socket.send_fds(connection, [DONE], [archive])
        send_frame(connection, json.dumps(asked).encode(), deadline)
    except (OSError, WireClosed):
        raise GraderError(ENDED) from None


def _messages(child: ChildProcess, reader: FrameReader, deadline: float) -> Iterator[Message]:
    """Yield each message. Raises Refused, or GraderError if the server ended."""
    try:
        while True:
            kind, _, content = reader.receive(deadline).partition(b" ")
            if time.monotonic() > deadline:  # whatever it still sends
                raise TimeoutError
            yield kind.decode("ascii", "replace"), content
    except WireClosed:
        if not child.how_it_ended():
            raise GraderError(ENDED) from None
        raise Refused(TOO_MUCH, "denied") from None
    except (TimeoutError, FrameTooLarge):
        raise Refused(TOO_MUCH, "denied") from None


def files_in(messages: Iterator[Message]) -> Iterator[Member]:
    """Yield the files that such a process sends. Raises Refused."""
    kind, content = next(messages)
    while kind == "file":
        following: list[Message] = []
        yield _member(content, _content(messages, following))
        kind, content = following[0]
    if kind == "refused":
        raise _refusal(content)
    if kind != "done":
        raise Refused(TOO_MUCH, "denied")


def _content(messages: Iterator[Message], following: list[Message]) -> Iterator[bytes]:
    """Yield the content of a file, and put the message that comes after it into `following`."""
    for kind, content in messages:
        if kind != "data":
            following.append((kind, content))
            return
        yield content


def _member(content: bytes, chunks: Iterable[bytes]) -> Member:
    plain = _list_in(content)
    parts, modified = plain[:1], plain[1:]
    if not parts or not isinstance(parts[0], list) or not all(isinstance(part, str) for part in parts[0]):
        raise Refused(TOO_MUCH, "denied")
    return Member(parts[0], modified, chunks)


def _refusal(content: bytes) -> Refused:
    plain = _list_in(content)
    if len(plain) != 2 or not isinstance(plain[0], str) or plain[1] not in ("error", "denied"):
        return Refused(TOO_MUCH, "denied")
    reason, verdict = plain
    return Refused(reason.encode("utf-8", "replace").decode()[:MAX_REASON], verdict)


def _list_in(content: bytes) -> list[Any]:
    """Return the list that a message holds, empty if it holds none."""
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError):
        return []
    return plain if isinstance(plain, list) else []
