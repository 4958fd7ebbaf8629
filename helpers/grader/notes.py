"""Remarks about a submission that are no verdict: how its notebook was found, what was left out, which cell was taken.

A note has a code, by which reports choose, and a text for people. Both come from here, so that no report has to read
the text of another module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class NoteCode(StrEnum):
    """What a note says. The values are stored with judgements."""

    MOODLE_PARTICIPANT = "moodle_participant"
    TAKEN_FROM_ARCHIVE = "taken_from_archive"
    ARCHIVE_LEFT_ASIDE = "archive_left_aside"
    EARLIER_LEFT_ASIDE = "earlier_left_aside"
    REFUSED_LEFT_ASIDE = "refused_left_aside"
    LATE_IN_CANVAS = "late_in_canvas"
    CANVAS_USER = "canvas_user"
    OTHER_FILE_NAME = "other_file_name"
    OUTSIDE_LAB_FOLDER = "outside_lab_folder"
    TIMESTAMP_LEFT_ASIDE = "timestamp_left_aside"
    TIMESTAMP_UNREADABLE = "timestamp_unreadable"
    FILES_LEFT_OUT = "files_left_out"
    CELL_FOUND_BY_DEFINITION = "cell_found_by_definition"
    CELL_FOUND_BY_QUESTION = "cell_found_by_question"
    CELL_REPEATED = "cell_repeated"
    CELL_STOPPED = "cell_stopped"
    CELL_SLOW = "cell_slow"
    CHECK_PUT_BACK = "check_put_back"
    COMPUTER_BUSY = "computer_busy"


_TEXTS = {
    NoteCode.MOODLE_PARTICIPANT: "Moodle's participant {student}: {name}",
    NoteCode.TAKEN_FROM_ARCHIVE: "taken from the archive: the loose one is refused ({refusal})",
    NoteCode.ARCHIVE_LEFT_ASIDE: "also handed in as an archive, which was left aside",
    NoteCode.EARLIER_LEFT_ASIDE: "handed in more than once: the latest counts, and {names} was left aside",
    NoteCode.REFUSED_LEFT_ASIDE: "also handed in: {name}, which cannot be used ({refusal})",
    NoteCode.LATE_IN_CANVAS: "handed in late, according to Canvas",
    NoteCode.CANVAS_USER: "Canvas's user {student}: {name}",
    NoteCode.OTHER_FILE_NAME: "taken from {name}",
    NoteCode.OUTSIDE_LAB_FOLDER: "taken from {name}, which lay outside the lab's folder",
    NoteCode.TIMESTAMP_LEFT_ASIDE: "the student's own {name} was left aside",
    NoteCode.TIMESTAMP_UNREADABLE: "{name} holds no time; taken as handed in on time",
    NoteCode.FILES_LEFT_OUT: (
        "left out, since the files beside a notebook may have {each:g} MiB each and {together:g} MiB together: {names}"
    ),
    NoteCode.CELL_FOUND_BY_DEFINITION: "the cell of {exercise} had lost its id and was recognised by what it defines",
    NoteCode.CELL_FOUND_BY_QUESTION: "the cell of {answer} had lost its id and was recognised by its question",
    NoteCode.CELL_REPEATED: "there is more than one cell {cell}; the first one was graded",
    NoteCode.CELL_STOPPED: "the cell “{line}” was left out after the verdict {verdict}",
    NoteCode.CELL_SLOW: "the cell “{line}” took more than {seconds:g} s",
    NoteCode.CHECK_PUT_BACK: "the check of {exercise} was missing and was put back",
    NoteCode.COMPUTER_BUSY: (
        "a time limit passed while other programs were using the computer, in two attempts; grade it again on an "
        "idle one"
    ),
}


# What a cell takes may depend on a hidden input that was sent before it, so students are not told.
FOR_INSTRUCTORS = frozenset({NoteCode.CELL_STOPPED, NoteCode.CELL_SLOW, NoteCode.COMPUTER_BUSY})


@dataclass(frozen=True)
class Note:
    """One remark about a submission."""

    code: NoteCode
    text: str

    @classmethod
    def of(cls, code: NoteCode, **values: Any) -> Note:
        """Return the note of this code, with `values` filled into its text. Raises KeyError where one is missing."""
        return cls(code, _TEXTS[code].format(**values))

    @classmethod
    def from_plain(cls, content: dict[str, str]) -> Note:
        """Return the note of which `to_plain` made this. Raises TypeError, KeyError or ValueError for anything else."""
        return cls(NoteCode(content["code"]), str(content["text"]))

    def to_plain(self) -> dict[str, str]:
        """Return the note as data that JSON holds."""
        return {"code": str(self.code), "text": self.text}
