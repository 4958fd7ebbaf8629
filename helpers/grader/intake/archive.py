"""Unpack a student's archive safely: plain files only, none outside its folder, none larger than it states.

Reading an archive and writing its files are two halves that meet in names, times and bytes alone, so that a process
with nothing to lose can do the reading (`judging/archives_apart.py`).
"""

from __future__ import annotations

import os
import shutil
import stat
import time
import zipfile
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from helpers.grader.errors import GraderError, Refused
from helpers.grader.intake.unicode import printable

MAX_UNPACKED_BYTES = 100 * 2**20
MAX_FILES = 1000
MAX_DEPTH = 20  # nested folders: Python cannot remove a tree a thousand folders deep
CHUNK_BYTES = 2**16
TOO_LARGE = "the archive is too large when unpacked"


@dataclass(frozen=True)
class Member:
    """One file in an archive.

    Attributes:
        parts: of its path.
        modified: year, month, day, hour, minute and second, in nobody's time zone; a student may have written any.
        content: its bytes, piece by piece.
    """

    parts: list[str]
    modified: Sequence[int]
    content: Iterable[bytes]


class Archives:
    """Reads archives, in this process."""

    def names(self, archive: Path) -> list[str]:
        """Return the names of the files in an archive, and none if it cannot be read."""
        try:
            with open(archive, "rb") as opened:
                return read_names(opened)
        except Exception:  # as in `unpack`, which says what is wrong
            return []

    def unpack(self, archive: Path, target: Path, only: Collection[str] | None = None) -> None:
        """Unpack an archive into the new folder `target`. Raises Refused, whatever is wrong with the archive.

        Args:
            archive: the archive.
            target: must not exist.
            only: names of files in it; the others are left out.
        """
        try:
            target.mkdir(parents=True)
            with closing(self.members(archive, only)) as members:
                _write(members, target)
        except Exception as problem:
            shutil.rmtree(target, ignore_errors=True)
            if isinstance(problem, GraderError):
                raise
            raise refusal_of(problem) from None

    def members(self, archive: Path, only: Collection[str] | None) -> Generator[Member]:
        """Yield the files in an archive. Raises Refused, or anything at all for damaged bytes."""
        with open(archive, "rb") as opened:
            yield from read_members(opened, only)


def refusal_of(problem: Exception) -> Refused:
    """Return the refusal of an archive: damaged bytes cause errors of any kind, from zlib, lzma, decoding, memory."""
    if isinstance(problem, Refused):
        return problem
    reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
    return Refused(
        f"the archive cannot be read ({printable(reason)[:200]}): pack the notebook into a new zip file, without a "
        "password, and hand that in"
    )


def read_names(archive: BinaryIO) -> list[str]:
    """Return the names of the files in an archive. Raises anything at all for damaged bytes."""
    with zipfile.ZipFile(archive) as opened:
        return [member.filename for member in opened.infolist() if not member.is_dir()]


def read_members(archive: BinaryIO, only: Collection[str] | None) -> Iterator[Member]:
    """Yield the files in an archive. Raises Refused, or anything at all for damaged bytes."""
    with zipfile.ZipFile(archive) as opened:
        members = [member for member in opened.infolist() if not member.is_dir()]
        if only is not None:
            members = [member for member in members if member.filename in only]
        if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
            raise Refused(TOO_LARGE, "denied")
        for member in members:
            parts = member.filename.replace("\\", "/").split("/")
            _check_path(parts)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind and not stat.S_ISREG(kind):
                raise Refused("the archive holds a link or a device", "denied")
            yield Member(parts, member.date_time, _content(opened, member))


def _content(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    with opened.open(member) as source:
        remaining = member.file_size
        while chunk := source.read(min(CHUNK_BYTES, remaining + 1)):
            remaining -= len(chunk)
            if remaining < 0:
                raise Refused("the archive swells past the size that it states", "denied")
            yield chunk


def _write(members: Iterable[Member], target: Path) -> None:
    """Write files below a folder, whoever has read them. Raises Refused or OSError."""
    remaining = MAX_UNPACKED_BYTES
    for number, member in enumerate(members, start=1):
        if number > MAX_FILES:
            raise Refused(TOO_LARGE, "denied")
        _check_path(member.parts)
        path = target.joinpath(*member.parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as sink:
            for chunk in member.content:
                remaining -= len(chunk)
                if remaining < 0:
                    raise Refused(TOO_LARGE, "denied")
                sink.write(chunk)
        with suppress(TypeError, ValueError, OverflowError, OSError):  # a student may have written any date
            year, month, day, hour, minute, second = member.modified
            modified = time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
            os.utime(path, (modified, modified))


def _check_path(parts: list[str]) -> None:
    """Raise Refused unless a path leads to somewhere below the archive's folder."""
    if not parts or any(part in ("", "..", ".") or set(part) & set("\0:/\\") for part in parts):
        raise Refused(f"the archive holds a path that climbs: {ascii('/'.join(parts))[:80]}", "denied")
    if len(parts) > MAX_DEPTH:
        raise Refused(f"the archive holds folders inside each other, more than {MAX_DEPTH} deep", "denied")
