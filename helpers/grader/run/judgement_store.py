"""The judgements of a run on disk: one JSON file for each submission in the output folder's `judgements/`.

Each judgement is written atomically as soon as it has been made, so a run that was killed resumes where it stopped. The
stored digest says what the judgement was made from: a new hand-in, a changed answer key or other limits give another
digest. So does the secret seed of its hidden inputs, for whose sake only the owner can read the files. They are plain
data, and nothing in them is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from helpers.atomic import write_text
from helpers.grader.errors import GraderError
from helpers.grader.intake.names import is_student_id
from helpers.grader.judging.judgement import Judgement
from helpers.grader.judging.record import from_plain, to_plain

FOLDER = "judgements"
UNKNOWN_LAB = "_unknown"  # folder for submissions that were refused before their lab was known


class JudgementStore:
    """The judgements in one output folder, by student and lab.

    Args:
        output: the folder.
        seed: the secret seed with which submissions are judged now; None only reads what is there.
    """

    def __init__(self, output: Path, seed: int | None = None) -> None:
        self.folder, self.seed = Path(output) / FOLDER, seed

    def save(self, student: str, judgement: Judgement, digest: str) -> None:
        """Write a judgement without its notebook; it replaces an older one for the same student and lab."""
        content = {"student": student, "digest": digest, "seed": self.seed} | to_plain(judgement)
        text = json.dumps(content, ensure_ascii=True, indent=1)
        write_text(self._path(student, judgement.lab), text, private=True)

    def load(self, student: str, lab: str, digest: str) -> Judgement | None:
        """Return the stored judgement, or None if there is none or it was made from something else."""
        content = _read(self._path(student, lab))
        if content is None or content["digest"] != digest or content.get("seed") != self.seed:
            return None
        return from_plain(content)

    def latest(self, student: str, lab: str) -> Judgement | None:
        """Return the stored judgement, whatever it was made from; None if there is none in today's form."""
        content = _read(self._path(student, lab))
        try:
            return None if content is None else from_plain(content)
        except (KeyError, TypeError, ValueError):
            return None

    def forget(self, student: str, lab: str) -> None:
        """Delete the judgement of a student and lab, if there is one."""
        self._path(student, lab).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[tuple[str, Judgement]]:
        """Yield (student, judgement) pairs, sorted by student and lab."""
        return self.all_but(())

    def all_but(self, judged_again: Container[tuple[str, str]]) -> Iterator[tuple[str, Judgement]]:
        """Yield (student, judgement) pairs, sorted, without those whose student and lab are in `judged_again`."""
        contents = ((path, _read(path)) for path in self.folder.glob("*/*.json"))
        entries = [
            (path, content)
            for path, content in contents
            if content is not None and (content["student"], content["lab"]) not in judged_again
        ]
        entries.sort(key=lambda entry: (entry[1]["student"], entry[1]["lab"]))
        return ((content["student"], _from_file(path, content)) for path, content in entries)

    def _path(self, student: str, lab: str) -> Path:
        # The id of a refused student may contain anything, but not every text is a safe file name.
        name = student if is_student_id(student) else "=" + hashlib.sha256(student.encode()).hexdigest()[:24]
        return self.folder / (lab or UNKNOWN_LAB) / f"{name}.json"


def _from_file(path: Path, content: dict[str, Any]) -> Judgement:
    try:
        return from_plain(content)
    except (KeyError, TypeError, ValueError):
        raise GraderError(
            f"{path} was written by another version of distillab. Grade its lab again, or delete the file."
        ) from None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as problem:
        raise GraderError(
            f"{path} is damaged ({problem}). Delete it and grade again: its submission is then judged anew."
        ) from None
