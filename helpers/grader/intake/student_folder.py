"""Find each lab's notebook in what one student handed in. Links, pipes and devices are refused and never followed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from helpers.grader.errors import Refused
from helpers.grader.intake.submission import Submission
from helpers.grader.intake.timestamp import TIMESTAMP_FILE
from helpers.grader.intake.unicode import listed, printable
from helpers.grader.notes import Note, NoteCode

# What Jupyter, Canvas and browsers add to a name that is already taken.
COPY = re.compile(r"(?:-Copy\d++|-\d++| ?\(\d++\))++")
HIDDEN = (".", "__")  # how the names of hidden folders begin, such as macOS's __MACOSX


@dataclass(frozen=True)
class LabNames:
    """The course's labs."""

    graded: list[str]
    others: set[str]  # not graded now


@dataclass(frozen=True)
class StudentFolder:
    """What one student handed in: a folder with labs' folders in it, or with notebooks."""

    student: str
    path: Path
    labs: LabNames
    written_by_student: bool = False  # all of it, so that a timestamp in it proves nothing
    timestamp: Path | None = None  # where the instructor may have put the hand-in time, if the student wrote the rest

    def submissions(self) -> tuple[list[Submission], list[str]]:
        """Return a submission for each lab that was handed in, and remarks on the rest.

        Raises Refused if something was handed in, but nothing for any lab.
        """
        entries = sorted(os.scandir(self.path), key=lambda entry: entry.name)
        submissions: list[Submission] = []
        used: set[str] = set()
        for lab in self.labs.graded:
            candidates = _candidates(lab, entries)
            if candidates:
                used |= {entry.name for entry in candidates}
                try:
                    submissions.append(self._submission(lab, candidates))
                except (Refused, OSError) as problem:
                    submissions.append(Submission.refused(self.student, lab, problem))
        if not submissions:
            self._require_another_lab(entries)
        return submissions, self._remarks(entry for entry in entries if entry.name not in used)

    def _submission(self, lab: str, candidates: list[os.DirEntry[str]]) -> Submission:
        """Return the submission of a lab. Raises Refused unless there is exactly one notebook to judge."""
        path, notes = _notebook(lab, candidates)
        beside = path.parent / TIMESTAMP_FILE
        timestamp = self.timestamp
        if not self.written_by_student and candidates[0].name == lab:
            timestamp = beside  # nbgrader writes it when it collects
        if timestamp != beside and os.path.lexists(beside):
            notes.append(Note.of(NoteCode.TIMESTAMP_LEFT_ASIDE, name=TIMESTAMP_FILE))
        if timestamp is not None and (timestamp.is_symlink() or not timestamp.is_file()):
            timestamp = None
        return Submission(self.student, lab, path, notes, timestamp=timestamp)

    def _require_another_lab(self, entries: list[os.DirEntry[str]]) -> None:
        """Raise Refused if something was handed in that belongs neither to a graded lab nor to another one."""
        if {entry.name.removesuffix(".ipynb") for entry in entries} & self.labs.others:
            return
        if self.written_by_student or any(map(_is_notebook, entries)) or any(map(_holds_a_notebook, entries)):
            raise Refused(
                f"no lab's notebook was handed in: expected <lab>/<lab>.ipynb, or <lab>.ipynb, where <lab> is one of "
                f"{', '.join(self.labs.graded)}; found {listed([entry.name for entry in entries]) or 'nothing'}"
            )

    def _remarks(self, entries: Iterable[os.DirEntry[str]]) -> list[str]:
        """Return remarks on the notebooks and folders that belong to no graded lab.

        Another lab gets the same remark from each student, which `collect` gives once.
        """
        remarks = []
        for entry in entries:
            lab = entry.name.removesuffix(".ipynb")
            if lab in self.labs.others:
                remarks.append(f"{lab}: this lab is not being graded; what was handed in for it is ignored")
                continue
            if _is_notebook(entry):
                reason = "this notebook is not in its lab's folder"
            elif not entry.is_dir(follow_symlinks=False) or entry.name.startswith(HIDDEN):
                continue
            else:
                reason = "no released lab has this name"
            remarks.append(f"{self.student}/{printable(entry.name)}: {reason}; ignored")
        return remarks


def inner_folder(folder: Path, labs: LabNames) -> Path:
    """Return the only folder in a student's folder, unless it is a lab's: archives often wrap everything in one."""
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(HIDDEN)]
    if len(entries) == 1 and entries[0].is_dir(follow_symlinks=False):
        if entries[0].name not in {*labs.graded, *labs.others}:
            return Path(entries[0].path)
    return folder


def check_kind(entry: os.DirEntry[str]) -> None:
    """Raise Refused unless the entry is a readable plain file or folder."""
    details, name = entry.stat(follow_symlinks=False), printable(entry.name)
    if stat.S_ISLNK(details.st_mode):
        raise Refused(f"{name} is a symbolic link, and links are not followed", "denied")
    if not stat.S_ISDIR(details.st_mode) and not stat.S_ISREG(details.st_mode):
        raise Refused(f"{name} is neither a file nor a folder", "denied")
    if stat.S_ISREG(details.st_mode) and details.st_nlink > 1:
        raise Refused(f"{name} is a hard link to a file that also stands elsewhere", "denied")
    if not os.access(entry.path, os.R_OK):
        raise Refused(f"{name} may not be read by the grader: give its user the right to, and grade again")


def _candidates(lab: str, entries: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """Return what was handed in for a lab: its folder, or else its notebook, or else copies of its notebook."""
    return (
        [entry for entry in entries if entry.name == lab]
        or [entry for entry in entries if entry.name == f"{lab}.ipynb"]
        or [entry for entry in entries if _is_copy(entry, lab)]
    )


def _is_copy(entry: os.DirEntry[str], lab: str) -> bool:
    suffix = entry.name.removeprefix(lab).removesuffix(".ipynb")
    return _is_notebook(entry) and entry.name.startswith(lab) and COPY.fullmatch(suffix) is not None


def _notebook(lab: str, candidates: list[os.DirEntry[str]]) -> tuple[Path, list[Note]]:
    """Return the path of a lab's notebook, and a note if it is not at its proper path. Raises Refused."""
    for entry in candidates:
        check_kind(entry)
    entry = candidates[0]
    if entry.name == lab:
        return _notebook_in_folder(Path(entry.path), lab)
    if len(candidates) > 1:
        raise Refused(f"no {lab}/{lab}.ipynb, and {len(candidates)} others: {listed([e.name for e in candidates])}")
    if not entry.is_file(follow_symlinks=False):
        raise Refused(f"{entry.name} is a folder where a notebook is expected")
    return Path(entry.path), [Note.of(NoteCode.OUTSIDE_LAB_FOLDER, name=printable(entry.name))]


def _notebook_in_folder(folder: Path, lab: str) -> tuple[Path, list[Note]]:
    """Return the path of the notebook in a lab's folder, and a note if it has another name. Raises Refused."""
    if not folder.is_dir():
        raise Refused(f"{lab} is a file where the lab's folder is expected")
    entries = {entry.name: entry for entry in os.scandir(folder)}
    for entry in entries.values():
        check_kind(entry)
    files = {name for name, entry in entries.items() if entry.is_file(follow_symlinks=False)}
    if f"{lab}.ipynb" in files:
        return folder / f"{lab}.ipynb", []
    if f"{lab}.ipynb" in entries:
        raise Refused(f"{lab}.ipynb is a folder where a notebook is expected")
    others = sorted(name for name in files if _is_notebook(entries[name]))
    if len(others) == 1:
        return folder / others[0], [Note.of(NoteCode.OTHER_FILE_NAME, name=printable(others[0]))]
    raise Refused(f"no {lab}.ipynb in the folder" + (f", and {len(others)} others" if others else ""))


def _is_notebook(entry: os.DirEntry[str]) -> bool:
    """Return whether the name is a notebook's; the entry may still be a folder."""
    return entry.name.endswith(".ipynb") and not entry.name.startswith(".")


def _holds_a_notebook(entry: os.DirEntry[str]) -> bool:
    is_folder = entry.is_dir(follow_symlinks=False)
    return is_folder and any(inner.name.endswith(".ipynb") for inner in os.scandir(entry.path))
