"""Unpack a student's archive by our own rules: plain files only, none outside its folder, none larger than stated."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path

from helpers.grader.errors import Refused
from helpers.grader.intake.unicode import printable

LARGEST = 100 * 2**20  # bytes when unpacked
MOST_FILES = 1000
DEEPEST = 20  # folders inside each other: Python cannot remove a thousand of them again


def unpack(archive: Path, target: Path) -> None:
    """Unpack an archive into the folder `target`. Raises Refused, whatever is wrong with the archive."""
    try:
        target.mkdir(parents=True)
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            if len(members) > MOST_FILES or sum(member.file_size for member in members) > LARGEST:
                raise Refused("the archive is too large when unpacked", "denied")
            for member in members:
                _unpack_one(opened, member, target)
    except Exception as problem:  # damaged bytes end in errors of any kind: zlib's, lzma's, of text, of memory
        shutil.rmtree(target, ignore_errors=True)
        if isinstance(problem, Refused):
            raise
        said = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        raise Refused(
            f"the archive cannot be read ({printable(said)[:200]}): pack the notebook into a new zip file, without a "
            "password, and hand that in"
        ) from None


def _unpack_one(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    parts = member.filename.replace("\\", "/").split("/")
    if any(part in ("", "..", ".") or "\0" in part or ":" in part for part in parts):
        raise Refused(f"the archive holds a path that climbs: {ascii(member.filename)[:80]}", "denied")
    if len(parts) > DEEPEST:
        raise Refused(f"the archive holds folders inside each other, more than {DEEPEST} deep", "denied")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind and not stat.S_ISREG(kind):
        raise Refused("the archive holds a link or a device", "denied")
    path = target.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, open(path, "xb") as sink:
        left = member.file_size
        while chunk := source.read(min(2**16, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise Refused("the archive swells past the size that it states", "denied")
            sink.write(chunk)
