"""Collect a class's submissions from a folder: one for each student and lab, refused ones with the reason.

Everything in the folder is hostile until proven otherwise. Nothing is run, no link is followed, and archives are
unpacked under our own rules.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from helpers.grader.errors import GraderError, Refused
from helpers.grader.intake.sources import FolderSource, source_of
from helpers.grader.intake.student_folder import LabNames, StudentFolder, check_kind, inner_folder
from helpers.grader.intake.submission import STUDENT_ID, Submission
from helpers.grader.intake.timestamp import TIMESTAMP_FILE
from helpers.grader.intake.unicode import printable
from helpers.grader.notes import Note, NoteCode


def collect(
    folder: Path, labs: list[str], scratch: Path, known: Iterable[str] = ()
) -> tuple[list[Submission], list[str]]:
    """Return the submissions in a folder, and remarks on what was ignored.

    Args:
        folder: holds `<student>/<lab>/<lab>.ipynb`, `<student>.zip`, or what Moodle's download contains.
        labs: the labs to grade.
        scratch: archives are unpacked into folders under it.
        known: all labs of the course, including those that are not graded now.

    Raises:
        GraderError: the folder does not exist, or holds no submission.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise GraderError(f"There is no folder {folder}. Use --submissions to name the one with the submissions.")
    names = LabNames(labs, set(known) - set(labs))
    remarks: list[str] = []
    collected: dict[str, list[Submission]] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        source = source_of(entry)
        try:
            check_kind(entry)
            if not source.is_archive and not entry.is_dir(follow_symlinks=False):
                if not entry.name.endswith(f".{TIMESTAMP_FILE}"):
                    remarks.append(f"{printable(entry.name)}: a file where students' folders are expected; ignored")
                continue
            _check_student(source.student, collected)
            source.require_first(collected)
            submissions, ignored = _submissions(source, names, scratch)
            remarks += ignored
        except (Refused, OSError) as problem:
            valid = STUDENT_ID.fullmatch(source.student)
            student = source.student if valid else ascii(entry.name)[1:-1][:128]
            submissions = [Submission.refused(student, "", problem)]
        if submissions:
            _add(collected.setdefault(source.student, []), submissions, source.is_archive)
    everything = [submission for submissions in collected.values() for submission in submissions]
    if not everything:
        raise GraderError(
            f"There are no submissions in {folder}: expected <student>/<lab>/<lab>.ipynb or <student>.zip, "
            f"for the labs {', '.join(labs)}." + "".join(f"\n  {remark}" for remark in remarks[:5])
        )
    return everything, list(dict.fromkeys(remarks))


def _submissions(source: FolderSource, labs: LabNames, scratch: Path) -> tuple[list[Submission], list[str]]:
    """Return the submissions that come from one source, and remarks on what was ignored. Raises Refused."""
    folder = StudentFolder(source.student, source.open(scratch), labs)
    if source.written_by_student:
        path = inner_folder(folder.path, labs)
        folder = replace(folder, path=path, written_by_student=True, timestamp=source.timestamp())
    submissions, remarks = folder.submissions()
    for submission in submissions:
        submission.notes += source.notes()
    return submissions, remarks


def _check_student(student: str, others: Iterable[str]) -> None:
    """Raise Refused unless the student's id is valid and differs from others by more than upper and lower case."""
    if not STUDENT_ID.fullmatch(student):
        raise Refused(
            "a student id is letters, digits and . _ - @ +, first a letter or digit, at most 128: give the folder or "
            "archive the student's id as its name (see “Collect” in docs/instructors.md)",
            "denied",
        )
    twin = next((other for other in others if other != student and other.lower() == student.lower()), None)
    if twin:
        raise Refused(f"the student id differs from {twin} only in upper and lower case", "denied")


def _add(earlier: list[Submission], submissions: list[Submission], from_archive: bool) -> None:
    """Add submissions to a student's earlier ones. A folder wins over an archive, unless the folder was refused."""
    by_lab = {submission.lab: submission for submission in earlier}
    for submission in submissions:
        twin = by_lab.get(submission.lab) if from_archive else None
        if twin is None:
            earlier.append(submission)
        elif twin.refusal and not submission.refusal:
            submission.notes.append(Note.of(NoteCode.TAKEN_FROM_ARCHIVE, refusal=twin.refusal))
            earlier[earlier.index(twin)] = submission
        else:
            twin.notes.append(Note.of(NoteCode.ARCHIVE_LEFT_ASIDE))
