"""Marks for a learning management system: files that Canvas and Moodle import, from nbgrader's gradebook.

Both files hold raw points: judged exercises, marks that a person gave and extra credit, less the late penalty. They
list only students with a submission, and leave the cell of a lab that a student did not hand in empty.

Canvas (Gradebook → Import): columns `Student, ID, SIS User ID, SIS Login ID, Section`, then one for each assignment,
and a row `Points Possible`; source: Canvas's `lib/gradebook_importer.rb`. The student id is written as SIS user id and
as SIS login id; Canvas uses the one that it knows. Moodle (Grades → Import → CSV file): the columns of Moodle's own
export. On import, map `ID number` (or `Username`) to the field that holds your ids, and each lab to its grade item;
source: docs.moodle.org, "Grade import".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from nbgrader.api import Gradebook

from helpers.grader.reports.gradebook import escape_csv_formula


@dataclass(frozen=True)
class Mark:
    """One student's mark for one lab, in points."""

    student: str
    lab: str
    points: float
    max_points: float
    first_name: str = ""
    last_name: str = ""
    email: str = ""


def marks(gradebook: Gradebook, labs: Iterable[str]) -> list[Mark]:
    """Return the mark of every submission of these labs, sorted by student and lab."""
    entries = []
    for lab in labs:
        for submission in gradebook.assignment_submissions(lab):
            student = submission.student
            # The same rule as in nbgrader's own export.
            points = max(0.0, submission.score - (submission.late_submission_penalty or 0.0))
            names = (student.first_name or "", student.last_name or "", student.email or "")
            entries.append(Mark(student.id, lab, points, submission.max_score, *names))
    return sorted(entries, key=lambda mark: (mark.student, mark.lab))


def canvas_csv(entries: Iterable[Mark]) -> str:
    """Return the text of the file for Canvas."""
    entries = list(entries)
    max_points = _max_points(entries)
    rows = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *max_points],
        ["    Points Possible", "", "", "", "", *map(_points, max_points.values())],
    ]
    for student, by_lab in _by_student(entries):
        first = next(iter(by_lab.values()))
        name = ", ".join(part for part in (first.last_name, first.first_name) if part) or student
        rows.append([name, "", student, student, "", *_points_by_lab(by_lab, max_points)])
    return _text(rows)


def moodle_csv(entries: Iterable[Mark]) -> str:
    """Return the text of the file for Moodle."""
    entries = list(entries)
    labs = _max_points(entries)
    rows = [["First name", "Last name", "Username", "ID number", "Email address", *(f"{lab} (Real)" for lab in labs)]]
    for student, by_lab in _by_student(entries):
        first = next(iter(by_lab.values()))
        email = first.email or (student if "@" in student else "")
        rows.append([first.first_name, first.last_name, student, student, email, *_points_by_lab(by_lab, labs)])
    return _text(rows)


def _max_points(entries: list[Mark]) -> dict[str, float]:
    """Return each lab's points, in the order of the labs."""
    return {mark.lab: mark.max_points for mark in sorted(entries, key=lambda mark: mark.lab)}


def _by_student(entries: list[Mark]) -> Iterator[tuple[str, dict[str, Mark]]]:
    """Yield each student with their marks by lab."""
    for student, own in groupby(sorted(entries, key=lambda mark: mark.student), key=lambda mark: mark.student):
        yield student, {mark.lab: mark for mark in own}


def _points_by_lab(by_lab: dict[str, Mark], labs: Iterable[str]) -> list[str]:
    return [_points(by_lab[lab].points) if lab in by_lab else "" for lab in labs]


def _points(points: float) -> str:
    return f"{round(points, 4):.10g}"


def _text(rows: list[list[str]]) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([escape_csv_formula(cell) for cell in row] for row in rows)
    return sink.getvalue()
