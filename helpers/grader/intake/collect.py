"""Find what was handed in, and read it: folders, archives and notebooks are hostile until proven otherwise.

`collect` returns one `Submission` for each student and lab found, refused ones with the reason. Nothing here runs or
follows anything: links, pipes and devices are refused, archives are unpacked by our own rules.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from helpers.grader.errors import GraderError, Refused
from helpers.grader.intake.archive import unpack
from helpers.grader.intake.timestamp import FILE as TIMESTAMP
from helpers.grader.intake.unicode import named, printable
from helpers.grader.notes import Note, NoteCode

STUDENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
# How Moodle names what a participant handed in: a folder with this name, or a file whose name begins with it.
MOODLE = re.compile(r"[^_]+_(\d{1,20})_assignsubmission_file(?:_.*)?")
COPY = r"(?:-Copy\d+|-\d+| ?\(\d+\))+"  # what Jupyter, Canvas and browsers add to a name that there was before


@dataclass
class Submission:
    """One student's notebook for one lab, or the reason why there is none to judge."""

    student: str
    lab: str
    path: Path | None = None
    notes: list[Note] = field(default_factory=list)
    refusal: str = ""
    verdict: str = ""
    timestamp: Path | None = None  # the file that says when it was handed in, where the student did not write it

    def digest(self, key: str) -> str:
        """Return what a judgement of this depends on: every file in its folder, or the refusal, and `key`."""
        digest = hashlib.sha256(f"{key}\0{self.lab}\0{self.refusal}\0{self.notes}".encode())
        if self.path is not None:
            files = sorted(os.scandir(self.path.parent), key=lambda item: item.name)
            paths = [Path(entry.path) for entry in files if stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)]
            if self.timestamp is not None and self.timestamp not in paths:
                paths.append(self.timestamp)
            for path in paths:
                digest.update(b"\0" + os.fsencode(path.name) + f"\0{path.stat().st_size}\0".encode())
                with open(path, "rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def collect(
    folder: Path, labs: list[str], scratch: Path, known: Iterable[str] = ()
) -> tuple[list[Submission], list[str]]:
    """Return the submissions in `folder` (`<student>/<lab>/<lab>.ipynb`, or `<student>.zip`), and remarks on the rest.

    `known`: the course's labs, also those that are not graded now. Archives are unpacked under `scratch`. Raises
    GraderError where there is no folder or nothing in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise GraderError(f"There is no folder {folder}: --submissions must name the folder that holds the students'.")
    remarks: list[str] = []
    found: dict[str, list[Submission]] = {}
    entries = sorted(os.scandir(folder), key=lambda item: item.name)
    for number, entry in enumerate(entries):
        if entry.name.startswith("."):
            continue
        is_archive = entry.name.lower().endswith(".zip")
        student = entry.name[:-4] if is_archive else entry.name
        from_moodle = MOODLE.fullmatch(student)
        student = from_moodle[1] if from_moodle else student
        try:
            _check_kind(entry)
            if not is_archive and not entry.is_dir(follow_symlinks=False):
                if not entry.name.endswith(f".{TIMESTAMP}"):
                    remarks.append(f"{printable(entry.name)}: a file where students' folders are expected; ignored")
                continue
            _check_id(student, found)
            if from_moodle and not is_archive and student in found:
                raise Refused(f"there is another folder of {student}, besides {printable(entry.name)}", "denied")
            home = _Home(student, Path(entry.path), labs, set(known) - set(labs))
            if is_archive:
                home.folder = scratch / f"archive-{number}-{student}"
                unpack(Path(entry.path), home.folder)
            if is_archive or from_moodle:
                home.open_as_the_students_own(folder / f"{student}.{TIMESTAMP}")
            here, said = home.submissions()
            for submission in here if from_moodle else []:
                name = printable(entry.name)
                submission.notes.append(Note.of(NoteCode.MOODLE_PARTICIPANT, student=student, name=name))
            remarks += said
        except (Refused, OSError) as problem:
            name = student if STUDENT_ID.fullmatch(student) else ascii(entry.name)[1:-1][:128]
            here = [_refused(name, "", problem)]
        _merge(found, student, here, is_archive)
    submissions = [submission for entries in found.values() for submission in entries]
    if not submissions:
        raise GraderError(
            f"There are no submissions in {folder}: expected <student>/<lab>/<lab>.ipynb or <student>.zip, "
            f"for the labs {', '.join(labs)}." + "".join(f"\n  {remark}" for remark in remarks[:5])
        )
    return submissions, remarks


def _refused(student: str, lab: str, problem: Refused | OSError) -> Submission:
    if isinstance(problem, OSError):
        problem = Refused(f"this cannot be read by the grader: {problem.strerror}")
    return Submission(student, lab, refusal=str(problem), verdict=problem.verdict)


def _merge(found: dict[str, list[Submission]], student: str, here: list[Submission], zipped: bool) -> None:
    """Add a student's submissions; what lies loose wins over what is zipped."""
    loose = {submission.lab: submission for submission in found.get(student, [])}
    for submission in here:
        twin = loose.get(submission.lab) if zipped else None
        if twin is not None and twin.refusal and not submission.refusal:
            submission.notes.append(Note.of(NoteCode.TAKEN_FROM_ARCHIVE, refusal=twin.refusal))
            found[student][found[student].index(twin)] = submission
        elif twin is not None:
            twin.notes.append(Note.of(NoteCode.ARCHIVE_LEFT_ASIDE))
        else:
            found.setdefault(student, []).append(submission)


def _check_kind(entry: os.DirEntry) -> None:
    details, name = entry.stat(follow_symlinks=False), printable(entry.name)
    if stat.S_ISLNK(details.st_mode):
        raise Refused(f"{name} is a symbolic link, and links are not followed", "denied")
    if not stat.S_ISDIR(details.st_mode) and not stat.S_ISREG(details.st_mode):
        raise Refused(f"{name} is neither a file nor a folder", "denied")
    if stat.S_ISREG(details.st_mode) and details.st_nlink > 1:
        raise Refused(f"{name} is a hard link to a file that also stands elsewhere", "denied")
    if not os.access(entry.path, os.R_OK):
        raise Refused(f"{name} may not be read by the grader: give its user the right to, and grade again")


def _check_id(student: str, found: dict[str, list[Submission]]) -> None:
    if not STUDENT_ID.fullmatch(student):
        raise Refused(
            "a student id is letters, digits and . _ - @ +, first a letter or digit, at most 128: give the folder or "
            "archive the student's id as its name (see “Collect” in docs/instructors.md)",
            "denied",
        )
    twin = next((other for other in found if other != student and other.lower() == student.lower()), None)
    if twin:
        raise Refused(f"the student id differs from {twin} only in upper and lower case", "denied")


@dataclass
class _Home:
    """What one student handed in: a folder with the labs' folders in it, or with notebooks."""

    student: str
    folder: Path
    labs: list[str]
    others: set[str]  # the course's labs that are not graded now
    own: bool = False  # the student alone wrote all of it
    time: Path | None = None  # where a person may have put the time of handing in, if the student wrote all else

    def open_as_the_students_own(self, time: Path) -> None:
        """Take nothing in the folder for nbgrader's, and step into a lone folder that is no lab's."""
        self.own, self.time = True, time
        inner = [entry for entry in os.scandir(self.folder) if not entry.name.startswith((".", "__"))]
        if len(inner) == 1 and inner[0].is_dir(follow_symlinks=False):
            if inner[0].name not in {*self.labs, *self.others}:
                self.folder = Path(inner[0].path)

    def submissions(self) -> tuple[list[Submission], list[str]]:
        """Return the labs that were handed in, and remarks on the rest. Raises Refused where none of it is any lab."""
        entries = sorted(os.scandir(self.folder), key=lambda item: item.name)
        loose = [entry for entry in entries if entry.name.endswith(".ipynb") and not entry.name.startswith(".")]
        found, taken, remarks = [], set(), []
        for lab in self.labs:
            folders = [entry for entry in entries if entry.name == lab]
            beside = [entry for entry in loose if entry.name == f"{lab}.ipynb"]
            copies = [entry for entry in loose if re.fullmatch(f"{re.escape(lab)}{COPY}.ipynb", entry.name)]
            if folders or beside or copies:
                candidates = folders or beside or copies
                taken |= {entry.name for entry in candidates}
                try:
                    found.append(self._submission(lab, candidates))
                except (Refused, OSError) as problem:
                    found.append(_refused(self.student, lab, problem))
        for entry in (entry for entry in entries if entry.name not in taken):
            if entry in loose:
                said = "a notebook must lie in its lab's folder"
            elif entry.is_dir(follow_symlinks=False) and not entry.name.startswith((".", "__")):
                said = "not a lab that is graded now" if entry.name in self.others else "no released lab has this name"
            else:
                continue
            remarks.append(f"{self.student}/{printable(entry.name)}: {said}; ignored")
        others = {entry.name.removesuffix(".ipynb") for entry in entries} & self.others
        if not found and not others and (self.own or loose or any(map(_holds_a_notebook, entries))):
            raise Refused(
                f"no lab's notebook was handed in: expected <lab>/<lab>.ipynb, or <lab>.ipynb, where <lab> is one of "
                f"{', '.join(self.labs)}; found {named([entry.name for entry in entries]) or 'nothing'}"
            )
        return found, remarks

    def _submission(self, lab: str, candidates: list[os.DirEntry]) -> Submission:
        """Return the submission of a lab, from its folder or from the lab's notebooks that lie outside it."""
        for entry in candidates:
            _check_kind(entry)
        timestamp, entry = self.time, candidates[0]
        if entry.name == lab:
            path, notes = _notebook_in(Path(entry.path), lab)
            timestamp = timestamp or path.parent / TIMESTAMP  # what nbgrader writes when it collects
        elif len(candidates) > 1:
            raise Refused(f"no {lab}/{lab}.ipynb, and {len(candidates)} others: {named([e.name for e in candidates])}")
        elif not entry.is_file(follow_symlinks=False):
            raise Refused(f"{entry.name} is a folder where a notebook is expected")
        else:
            path = Path(entry.path)
            notes = [Note.of(NoteCode.OUTSIDE_LAB_FOLDER, name=printable(entry.name))]
        written = path.parent / TIMESTAMP
        if timestamp != written and os.path.lexists(written):
            notes.append(Note.of(NoteCode.TIMESTAMP_LEFT_ASIDE, name=TIMESTAMP))
        is_there = timestamp is not None and timestamp.is_file() and not timestamp.is_symlink()
        return Submission(self.student, lab, path, notes, timestamp=timestamp if is_there else None)


def _holds_a_notebook(entry: os.DirEntry) -> bool:
    is_folder = entry.is_dir(follow_symlinks=False)
    return is_folder and any(inner.name.endswith(".ipynb") for inner in os.scandir(entry.path))


def _notebook_in(folder: Path, lab: str) -> tuple[Path, list[Note]]:
    """Return the path of the lab's notebook in its folder, and a note where it has another name."""
    if not folder.is_dir():
        raise Refused(f"{lab} is a file where the lab's folder is expected")
    entries = {entry.name: entry for entry in os.scandir(folder)}
    for entry in entries.values():
        _check_kind(entry)
    files = {name for name, entry in entries.items() if entry.is_file(follow_symlinks=False)}
    if f"{lab}.ipynb" in files:
        return folder / f"{lab}.ipynb", []
    if f"{lab}.ipynb" in entries:
        raise Refused(f"{lab}.ipynb is a folder where a notebook is expected")
    others = sorted(name for name in files if name.endswith(".ipynb") and not name.startswith("."))
    if len(others) == 1:
        return folder / others[0], [Note.of(NoteCode.OTHER_FILE_NAME, name=printable(others[0]))]
    raise Refused(f"no {lab}.ipynb in the folder" + (f", and {len(others)} others" if others else ""))


# -------------------------------------------------------------------------------------------------- reading a notebook
