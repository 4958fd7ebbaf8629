"""A submission: one student's notebook for one lab, or the reason why there is none to judge."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

from helpers.grader.errors import Refused
from helpers.grader.intake.timestamp import read_timestamp
from helpers.grader.notes import Note

MAX_DIGESTED_BYTES = 256 * 2**20  # of all files together; the judge uses no file of such a size


@dataclass
class Submission:
    """One student's notebook for one lab, or the reason why there is none to judge."""

    student: str
    lab: str  # "" if the submission was refused before its lab was known
    path: Path | None = None  # of the notebook; None for a refused submission
    notes: list[Note] = field(default_factory=list)
    refusal: str = ""
    verdict: str = ""  # of a refused submission
    timestamp: Path | None = None  # file with the hand-in time, if someone other than the student wrote it
    handed_in: str = ""  # the name under which it lies in the submissions folder, or in an LMS's download

    @classmethod
    def refused(cls, student: str, lab: str, problem: Refused | OSError) -> Submission:
        """Return a submission that is not judged, with the reason."""
        if isinstance(problem, OSError):
            problem = Refused(f"this cannot be read by the grader: {problem.strerror}")
        return cls(student, lab, refusal=str(problem), verdict=problem.verdict)

    @property
    def time(self) -> float:
        """When it was handed in, as far as files tell, in seconds since 1970; 0 for a refused one."""
        if self.path is None:
            return 0.0
        time = read_timestamp(self.timestamp)[0] if self.timestamp is not None else None
        return time.replace(tzinfo=UTC).timestamp() if time else self.path.stat().st_mtime

    def digest(self, key: str) -> str:
        """Return the digest of everything a judgement depends on.

        That is `key`, which stands for the judge, and either every file in the notebook's folder or the refusal. Of
        files that are larger than the judge would ever use, only the name and the size count.
        Raises OSError if a file cannot be read.
        """
        digest = hashlib.sha256(f"{key}\0{self.lab}\0{self.refusal}\0{self.notes}".encode())
        available = MAX_DIGESTED_BYTES
        for path in self._files():
            size = path.stat().st_size
            digest.update(b"\0" + os.fsencode(path.name) + f"\0{size}\0".encode())
            if size <= available:
                digest.update(_digest_of(path, size))
                available -= size
        return digest.hexdigest()

    def _files(self) -> list[Path]:
        """Return the plain files in the notebook's folder, and the file with the hand-in time."""
        if self.path is None:
            return []
        entries = sorted(os.scandir(self.path.parent), key=lambda entry: entry.name)
        paths = [Path(entry.path) for entry in entries if stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)]
        if self.timestamp is not None and self.timestamp not in paths:
            paths.append(self.timestamp)
        return paths


def _digest_of(path: Path, size: int) -> bytes:
    """Return the digest of a file's first `size` bytes: a file that grows meanwhile is not read to its end."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0 and (chunk := file.read(min(size, 2**20))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.digest()
