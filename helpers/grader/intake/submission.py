"""A submission: one student's notebook for one lab, or the reason why there is none to judge."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from helpers.grader.errors import Refused
from helpers.grader.notes import Note

STUDENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")


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

    @classmethod
    def refused(cls, student: str, lab: str, problem: Refused | OSError) -> Submission:
        """Return a submission that is not judged, with the reason."""
        if isinstance(problem, OSError):
            problem = Refused(f"this cannot be read by the grader: {problem.strerror}")
        return cls(student, lab, refusal=str(problem), verdict=problem.verdict)

    def digest(self, key: str) -> str:
        """Return the digest of everything a judgement depends on.

        That is `key`, which stands for the judge, and either every file in the notebook's folder or the refusal.
        Raises OSError if a file cannot be read.
        """
        digest = hashlib.sha256(f"{key}\0{self.lab}\0{self.refusal}\0{self.notes}".encode())
        for path in self._files():
            digest.update(b"\0" + os.fsencode(path.name) + f"\0{path.stat().st_size}\0".encode())
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
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
