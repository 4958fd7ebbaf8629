"""Find each lab's notebook in what one student handed in. Links, pipes and devices are refused and never followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from helpers.grader.errors import Refused
from helpers.grader.intake.names import (
    COPY,
    HIDDEN,
    is_lab_folder,
    is_notebook_name,
    lab_named,
    stem_of,
)
from helpers.grader.intake.submission import Submission
from helpers.grader.intake.timestamp import TIMESTAMP_FILE
from helpers.grader.intake.unicode import listed, printable
from helpers.grader.notes import Note, NoteCode

SAME_TIME = 2.0  # seconds: the resolution of times in an archive


@dataclass(frozen=True)
class LabNames:
    """The course's labs."""

    graded: list[str]
    others: set[str]  # not graded now

    @property
    def all(self) -> list[str]:
        """Every lab of the course."""
        return [*self.graded, *sorted(self.others)]

    def only(self, lab: str) -> LabNames:
        """Return the labs where it is known which one something is for."""
        return LabNames([lab], set()) if lab in self.graded else LabNames([], {lab})


@dataclass(frozen=True)
class StudentFolder:
    """What one student handed in: a folder with labs' folders in it, or with notebooks."""

    student: str
    path: Path
    labs: LabNames
    lab: str = ""  # the lab that it is for, if that is known
    is_download: bool = False  # an LMS has arranged it, so that a notebook without a folder is no surprise
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
            candidates = self._candidates(lab, entries)
            if candidates:
                used |= {entry.name for entry in candidates}
                try:
                    submissions.append(self._submission(lab, candidates))
                except (Refused, OSError) as problem:
                    submissions.append(Submission.refused(self.student, lab, problem))
        if not submissions:
            self._require_another_lab(entries)
        remarks = self._remarks(entry for entry in entries if entry.name not in used)
        is_empty = all(entry.name.startswith(HIDDEN) for entry in entries)
        return submissions, [f"{self.student}: the folder is empty"] if is_empty else remarks

    def _submission(self, lab: str, candidates: list[os.DirEntry[str]]) -> Submission:
        """Return the submission of a lab. Raises Refused unless there is exactly one notebook to judge."""
        path, notes = _notebook(lab, candidates)
        if self.is_download and path.name == f"{lab}.ipynb":
            notes = [note for note in notes if note.code != NoteCode.OUTSIDE_LAB_FOLDER]
        beside = path.parent / TIMESTAMP_FILE
        timestamp = self.timestamp
        if not self.written_by_student and candidates[0].name == lab:
            timestamp = beside  # nbgrader writes it when it collects
        if timestamp != beside and os.path.lexists(beside):
            notes.append(Note.of(NoteCode.TIMESTAMP_LEFT_ASIDE, name=TIMESTAMP_FILE))
        if timestamp is not None and (timestamp.is_symlink() or not timestamp.is_file()):
            timestamp = None
        return Submission(self.student, lab, path, notes, timestamp=timestamp)

    def _candidates(self, lab: str, entries: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
        """Return what was handed in for a lab: its folder, else its notebook and copies of it, else the nearest names.

        If it is known that everything is for this lab, a single notebook may have any name.
        """
        folders = [entry for entry in entries if entry.name == lab]
        notebooks = [entry for entry in entries if _is_notebook(entry) and _is_named(entry, lab)]
        named = [entry for entry in entries if _is_for(entry, lab, self.labs)]
        any_name = [entry for entry in entries if _is_notebook(entry) and self.lab == lab]
        return folders or notebooks or named or (any_name if len(any_name) == 1 else [])

    def _require_another_lab(self, entries: list[os.DirEntry[str]]) -> None:
        """Raise Refused if something was handed in that belongs neither to a graded lab nor to another one."""
        if {lab_named(entry.name, self.labs.all) for entry in entries} & self.labs.others:
            return
        if self.written_by_student or any(map(_is_notebook, entries)) or any(map(_holds_a_notebook, entries)):
            raise Refused(
                f"no lab's notebook was handed in: expected <lab>/<lab>.ipynb, or <lab>.ipynb, where <lab> is "
                f"{'' if self.lab else 'one of '}{', '.join(self.labs.graded)}; "
                f"found {listed([entry.name for entry in entries]) or 'nothing'}"
            )

    def _remarks(self, entries: Iterable[os.DirEntry[str]]) -> list[str]:
        """Return remarks on the notebooks and folders that belong to no graded lab.

        Another lab gets the same remark from each student, which `collect` gives once.
        """
        remarks = []
        for entry in entries:
            lab = lab_named(entry.name, self.labs.all) or ""
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


def _is_named(entry: os.DirEntry[str], lab: str) -> bool:
    """Return whether a notebook has its lab's name, or that of a copy of it."""
    stem = stem_of(entry.name)
    return stem.startswith(lab) and (stem == lab or COPY.fullmatch(stem.removeprefix(lab)) is not None)


def _is_for(entry: os.DirEntry[str], lab: str, labs: LabNames) -> bool:
    """Return whether a notebook or folder is named after a lab: `Lab 2`, `02_Loss.ipynb`, `ann_02_loss.ipynb`."""
    if _is_notebook(entry):
        return lab_named(entry.name, labs.all) == lab
    return entry.is_dir(follow_symlinks=False) and is_lab_folder(entry.name, labs.all) == lab


def _notebook(lab: str, candidates: list[os.DirEntry[str]]) -> tuple[Path, list[Note]]:
    """Return the path of a lab's notebook, and notes on where it was found and what was left aside. Raises Refused."""
    for entry in candidates:
        check_kind(entry)
    entry, notes = _latest(candidates, lab)
    if entry.is_dir(follow_symlinks=False) and not _is_notebook(entry) or entry.name == lab:
        path, more = _notebook_in_folder(Path(entry.path), lab, entry.name)
        if entry.name != lab:
            more = [Note.of(NoteCode.OTHER_FILE_NAME, name=printable(f"{entry.name}/{path.name}"))]
        return path, notes + more
    if not entry.is_file(follow_symlinks=False):
        raise Refused(f"{entry.name} is a folder where a notebook is expected")
    return Path(entry.path), [Note.of(NoteCode.OUTSIDE_LAB_FOLDER, name=printable(entry.name)), *notes]


def _latest(candidates: list[os.DirEntry[str]], lab: str) -> tuple[os.DirEntry[str], list[Note]]:
    """Return the file that was changed last, and a note that names the others; at the same time, the lab's own name."""
    newest = max(entry.stat(follow_symlinks=False).st_mtime for entry in candidates)
    recent = [entry for entry in candidates if newest - entry.stat(follow_symlinks=False).st_mtime <= SAME_TIME]
    latest = next((entry for entry in recent if entry.name in (lab, f"{lab}.ipynb")), recent[-1])
    others = [entry.name for entry in candidates if entry is not latest]
    return latest, [Note.of(NoteCode.EARLIER_LEFT_ASIDE, names=listed(others))] if others else []


def _notebook_in_folder(folder: Path, lab: str, name: str) -> tuple[Path, list[Note]]:
    """Return the path of the notebook in a lab's folder, and a note if it has another name. Raises Refused."""
    if not folder.is_dir():
        raise Refused(f"{name} is a file where the lab's folder is expected")
    entries = {entry.name: entry for entry in os.scandir(folder)}
    for entry in entries.values():
        check_kind(entry)
    files = {name for name, entry in entries.items() if entry.is_file(follow_symlinks=False)}
    if f"{lab}.ipynb" in entries and f"{lab}.ipynb" not in files:
        raise Refused(f"{lab}.ipynb is a folder where a notebook is expected")
    notebooks = sorted(name for name in files if _is_notebook(entries[name]))
    named = [entries[name] for name in notebooks if _is_named(entries[name], lab)]
    if named:
        latest, notes = _latest(named, lab)
        other = (
            [] if latest.name == f"{lab}.ipynb" else [Note.of(NoteCode.OTHER_FILE_NAME, name=printable(latest.name))]
        )
        return folder / latest.name, other + notes
    if len(notebooks) == 1:
        return folder / notebooks[0], [Note.of(NoteCode.OTHER_FILE_NAME, name=printable(notebooks[0]))]
    raise Refused(f"no {lab}.ipynb in the folder" + (f", and {len(notebooks)} others" if notebooks else ""))


def _is_notebook(entry: os.DirEntry[str]) -> bool:
    """Return whether the name is a notebook's; the entry may still be a folder."""
    return is_notebook_name(entry.name)


def _holds_a_notebook(entry: os.DirEntry[str]) -> bool:
    is_folder = entry.is_dir(follow_symlinks=False)
    return is_folder and any(is_notebook_name(inner.name) for inner in os.scandir(entry.path))
