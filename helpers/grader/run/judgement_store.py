"""What a run has judged so far, on disk: one JSON file a submission in the output folder's `judgements/`.

A judgement is written at once and whole (beside, then renamed), before its marks go into the gradebook, so that a run
which was killed goes on where it stood. The digest says what it was judged from: a submission that was handed in anew,
a lab whose key changed or other limits make another digest. Plain data: nothing here is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import nbformat

from helpers.atomic import write_text
from helpers.grader.errors import GraderError
from helpers.grader.intake.collect import STUDENT_ID
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.notes import Note

FOLDER = "judgements"
UNREADABLE = "_unknown"  # stands for the lab of a submission that could not even be told apart


class Store:
    """The judgements of one output folder, by student and lab."""

    def __init__(self, output: Path) -> None:
        self.folder = Path(output) / FOLDER

    def save(self, student: str, judgement: Judgement, digest: str) -> None:
        """Write a judgement without its notebook, in place of an older one of the same student and lab."""
        content = {"student": student, "digest": digest} | to_plain(judgement)
        write_text(self._path(student, judgement.lab), json.dumps(content, ensure_ascii=True, indent=1))

    def load(self, student: str, lab: str, digest: str) -> Judgement | None:
        """Return the stored judgement, or None where there is none or it was judged from something else."""
        content = _read(self._path(student, lab))
        return from_plain(content) if content is not None and content["digest"] == digest else None

    def forget(self, student: str, lab: str) -> None:
        """Drop what is stored for a student and lab, if anything."""
        self._path(student, lab).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[tuple[str, Judgement]]:
        """Yield every student and judgement, in the order of students and labs."""
        found = ((path, _read(path)) for path in self.folder.glob("*/*.json"))
        entries = [(path, content) for path, content in found if content is not None]
        entries.sort(key=lambda entry: (entry[1]["student"], entry[1]["lab"]))
        return ((content["student"], _from_file(path, content)) for path, content in entries)

    def _path(self, student: str, lab: str) -> Path:
        # A refused student id may hold anything; a file's name may not.
        name = student if STUDENT_ID.fullmatch(student) else "=" + hashlib.sha256(student.encode()).hexdigest()[:24]
        return self.folder / (lab or UNREADABLE) / f"{name}.json"


def to_plain(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as data that JSON holds, without its notebook."""
    content = {name: item for name, item in vars(judgement).items() if name not in ("notebook", "rows", "notes")}
    notes = [note.to_plain() for note in judgement.notes]
    return content | {"rows": [asdict(row) for row in judgement.rows], "notes": notes}


def from_plain(content: dict[str, Any]) -> Judgement:
    """Return the judgement of which `to_plain` made this; a notebook may stand in it as text."""
    kept = {entry.name: content[entry.name] for entry in fields(Judgement) if entry.name in content}
    kept["rows"] = [Row(**row) for row in content["rows"]]
    kept["notes"] = [Note.from_plain(note) for note in content.get("notes", [])]
    if kept.get("notebook") is not None:
        kept["notebook"] = nbformat.reads(kept["notebook"], as_version=4)
    return Judgement(**kept)


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
        raise GraderError(f"{path} is damaged ({problem}). Delete it: its submission is then judged again.") from None
