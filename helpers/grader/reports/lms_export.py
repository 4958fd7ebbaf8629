"""Marks for a learning management system: files that Canvas and Moodle import, from nbgrader's gradebook.

Both hold raw points, as they stand in the gradebook: judged exercises, marks that a person gave, extra credit, less the
late penalty. Only students with a submission are listed, and a lab that a student did not hand in stays empty.

Canvas (Gradebook → Import): columns `Student, ID, SIS User ID, SIS Login ID, Section`, then one an assignment, and a
row `Points Possible`; source: Canvas' own `lib/gradebook_importer.rb`. The student id stands as SIS user id and as SIS
login id; Canvas takes whichever it knows. Moodle (Grades → Import → CSV file): Moodle's own export has these columns;
on import, map `ID number` (or `Username`) to the field that your ids are, and each lab to its grade item; source:
docs.moodle.org, "Grade import".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

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
    """Return the marks of every submission of these labs, by student and lab."""
    found = []
    for lab in labs:
        for submission in gradebook.assignment_submissions(lab):
            student = submission.student
            # as nbgrader's own export counts it
            points = max(0.0, submission.score - (submission.late_submission_penalty or 0.0))
            names = (student.first_name or "", student.last_name or "", student.email or "")
            found.append(Mark(student.id, lab, points, submission.max_score, *names))
    return sorted(found, key=lambda mark: (mark.student, mark.lab))


def canvas_csv(found: Iterable[Mark]) -> str:
    """Return the text of a file for Canvas."""
    found = list(found)
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    labs = _labs(found)
    rows = [["    Points Possible", "", "", "", "", *(_points(most) for most in labs.values())]]
    for student, own in _by_student(found):
        mark = own[0]
        name = ", ".join(part for part in (mark.last_name, mark.first_name) if part) or student
        rows.append([name, "", student, student, "", *_row(own, labs)])
    return _text([header + list(labs), *rows])


def moodle_csv(found: Iterable[Mark]) -> str:
    """Return the text of a file for Moodle."""
    found = list(found)
    labs = _labs(found)
    rows = [["First name", "Last name", "Username", "ID number", "Email address", *(f"{lab} (Real)" for lab in labs)]]
    for student, own in _by_student(found):
        mark = own[0]
        email = mark.email or (student if "@" in student else "")
        rows.append([mark.first_name, mark.last_name, student, student, email, *_row(own, labs)])
    return _text(rows)


def _labs(found: list[Mark]) -> dict[str, float]:
    return {mark.lab: mark.max_points for mark in sorted(found, key=lambda mark: mark.lab)}


def _by_student(found: list[Mark]) -> list[tuple[str, list[Mark]]]:
    students = sorted({mark.student for mark in found})
    return [(student, [mark for mark in found if mark.student == student]) for student in students]


def _row(own: list[Mark], labs: Iterable[str]) -> list[str]:
    points = {mark.lab: mark.points for mark in own}
    return [_points(points[lab]) if lab in points else "" for lab in labs]


def _points(points: float) -> str:
    return f"{round(points, 4):.10g}"


def _text(rows: list[list[str]]) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([escape_csv_formula(cell) for cell in row] for row in rows)
    return sink.getvalue()
