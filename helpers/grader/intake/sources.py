"""What lies in the submissions folder: one adapter for each way in which a student's work can arrive.

An adapter says whose work an entry is and makes a folder of it. Downloads from Canvas need none of their own: `nbgrader
zip_collect` sorts them into students' folders, and the suffixes that Canvas adds to file names are understood there
(`student_folder.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from helpers.grader.errors import Refused
from helpers.grader.intake.archive import unpack
from helpers.grader.intake.timestamp import TIMESTAMP_FILE
from helpers.grader.intake.unicode import printable
from helpers.grader.notes import Note, NoteCode

ZIP = ".zip"
# Moodle names a participant's folder like this, and begins the names of single files with it.
MOODLE = re.compile(r"[^_]+_(\d{1,20})_assignsubmission_file(?:_.*)?")


@dataclass(frozen=True)
class FolderSource:
    """`<student>/`, arranged by the instructor or by nbgrader's exchange, whose timestamps can be trusted."""

    entry: os.DirEntry[str]
    student: str

    is_archive: ClassVar[bool] = False
    written_by_student: ClassVar[bool] = False  # everything in it, including a timestamp

    def open(self, scratch: Path) -> Path:
        """Return the folder that holds the student's work. Raises Refused if there is none."""
        return Path(self.entry.path)

    def timestamp(self) -> Path:
        """Return where the instructor may have put the hand-in time of work that the student alone wrote."""
        return Path(self.entry.path).with_name(f"{self.student}.{TIMESTAMP_FILE}")

    def notes(self) -> list[Note]:
        """Return notes on the source, for each submission that comes from it."""
        return []

    def require_first(self, students: Collection[str]) -> None:
        """Raise Refused if this source cannot be used after others have brought work by `students`."""


@dataclass(frozen=True)
class ArchiveSource(FolderSource):
    """`<student>.zip`, packed by the student."""

    is_archive: ClassVar[bool] = True
    written_by_student: ClassVar[bool] = True

    def open(self, scratch: Path) -> Path:
        """Unpack the archive into a folder under `scratch` and return that folder. Raises Refused if it cannot be."""
        target = scratch / self.entry.name
        unpack(Path(self.entry.path), target)
        return target


@dataclass(frozen=True)
class MoodleFolderSource(FolderSource):
    """`<name>_<participant>_assignsubmission_file_/`, in which Moodle puts what the student uploaded."""

    written_by_student: ClassVar[bool] = True

    def notes(self) -> list[Note]:
        """Name the participant, whose number stands in for the student's id."""
        return [_moodle_note(self)]

    def require_first(self, students: Collection[str]) -> None:
        """Raise Refused if another source has already brought this participant's work."""
        if self.student in students:
            raise Refused(f"there is another folder of {self.student}, besides {printable(self.entry.name)}", "denied")


@dataclass(frozen=True)
class MoodleArchiveSource(ArchiveSource):
    """`<name>_<participant>_assignsubmission_file_….zip`, an archive that the student uploaded to Moodle."""

    def notes(self) -> list[Note]:
        """Name the participant, whose number stands in for the student's id."""
        return [_moodle_note(self)]


def source_of(entry: os.DirEntry[str]) -> FolderSource:
    """Return the adapter for an entry of the submissions folder, by its name."""
    is_archive = entry.name.lower().endswith(ZIP)
    name = entry.name[: -len(ZIP)] if is_archive else entry.name
    participant = MOODLE.fullmatch(name)
    if participant:
        return (MoodleArchiveSource if is_archive else MoodleFolderSource)(entry, participant[1])
    return (ArchiveSource if is_archive else FolderSource)(entry, name)


def _moodle_note(source: FolderSource) -> Note:
    return Note.of(NoteCode.MOODLE_PARTICIPANT, student=source.student, name=printable(source.entry.name))
