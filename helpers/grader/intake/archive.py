"""Unpack a student's archive safely: plain files only, none outside its folder, none larger than it states."""

from __future__ import annotations

import os
import shutil
import stat
import time
import zipfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from helpers.grader.errors import Refused
from helpers.grader.intake.unicode import printable

MAX_UNPACKED_BYTES = 100 * 2**20
MAX_FILES = 1000
MAX_DEPTH = 20  # nested folders: Python cannot remove a tree a thousand folders deep
CHUNK_BYTES = 2**16


def member_names(archive: Path) -> list[str]:
    """Return the names of the files in an archive, and none if it cannot be read."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return [member.filename for member in opened.infolist() if not member.is_dir()]
    except Exception:  # as in `unpack`, which says what is wrong
        return []


def unpack(archive: Path, target: Path, only: Collection[str] | None = None) -> None:
    """Unpack an archive into the new folder `target`. Raises Refused, whatever is wrong with the archive.

    Args:
        archive: the archive.
        target: must not exist.
        only: names of files in it; the others are left out.
    """
    try:
        target.mkdir(parents=True)
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            if only is not None:
                members = [member for member in members if member.filename in only]
            if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
                raise Refused("the archive is too large when unpacked", "denied")
            for member in members:
                _unpack_member(opened, member, target)
    except Exception as problem:  # damaged bytes cause errors of any kind: from zlib, lzma, decoding, memory
        shutil.rmtree(target, ignore_errors=True)
        if isinstance(problem, Refused):
            raise
        reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        raise Refused(
            f"the archive cannot be read ({printable(reason)[:200]}): pack the notebook into a new zip file, without a "
            "password, and hand that in"
        ) from None


def _unpack_member(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    parts = member.filename.replace("\\", "/").split("/")
    if any(part in ("", "..", ".") or "\0" in part or ":" in part for part in parts):
        raise Refused(f"the archive holds a path that climbs: {ascii(member.filename)[:80]}", "denied")
    if len(parts) > MAX_DEPTH:
        raise Refused(f"the archive holds folders inside each other, more than {MAX_DEPTH} deep", "denied")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind and not stat.S_ISREG(kind):
        raise Refused("the archive holds a link or a device", "denied")
    path = target.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, open(path, "xb") as sink:
        remaining = member.file_size
        while chunk := source.read(min(CHUNK_BYTES, remaining + 1)):
            remaining -= len(chunk)
            if remaining < 0:
                raise Refused("the archive swells past the size that it states", "denied")
            sink.write(chunk)
    with suppress(ValueError, OverflowError, OSError):  # a student may have written any date
        modified = time.mktime((*member.date_time, 0, 0, -1))
        os.utime(path, (modified, modified))
