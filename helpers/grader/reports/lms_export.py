"""Marks for a learning management system: files that Canvas and Moodle import, from nbgrader's gradebook.

Both files hold raw points: judged exercises, marks that a person gave and extra credit, less the late penalty. With a
roster they list the class, else the students who handed something in. The cell of a lab that a student did not hand in
is empty; in Canvas's file, `EX` excuses. The last column names the labs with an answer that a person still has to mark.

Canvas (Gradebook → Import): columns `Student, ID, SIS User ID, SIS Login ID, Section`, then one for each assignment,
and a row `Points Possible`. Any further column would become an assignment, unless its name contains that of a total of
Canvas's own export, such as `Current Points`: these are ignored. Source: Canvas's `lib/gradebook_importer.rb`,
`strip_non_assignment_columns`. Without a roster, the student id is written as SIS user id and as SIS login id; Canvas
uses the one that it knows.

Moodle (Grades → Import → CSV file): the columns of Moodle's own export, and after them what only people read: with a
roster `Section`, `Excused` and `Missing`, then `Not marked yet`. On import, map `ID number` (or `Username`) to the
field that holds your ids, and each lab to its grade item; source: docs.moodle.org, "Grade import".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nbgrader.api import Gradebook

from helpers.grader.intake.roster import Person, Roster
from helpers.grader.reports.gradebook import escape_csv_formula

NOT_MARKED_YET = "Not marked yet"
NOT_MARKED_YET_IN_CANVAS = f"{NOT_MARKED_YET} (not in Current Points)"  # Canvas ignores it for the words in brackets


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
    is_to_mark: bool = False  # has an answer that nobody has marked yet


def marks(gradebook: Gradebook, labs: Iterable[str]) -> list[Mark]:
    """Return the mark of every submission of these labs, sorted by student and lab."""
    entries = []
    for lab in labs:
        for submission in gradebook.assignment_submissions(lab):
            student = submission.student
            # The same rule as in nbgrader's own export.
            points = max(0.0, submission.score - (submission.late_submission_penalty or 0.0))
            names = (student.first_name or "", student.last_name or "", student.email or "")
            entries.append(Mark(student.id, lab, points, submission.max_score, *names, submission.needs_manual_grade))
    return sorted(entries, key=lambda mark: (mark.student, mark.lab))


@dataclass(frozen=True)
class MarkTable:
    """The marks of a class as both files show them: a row for each student, a column for each lab.

    Attributes:
        people: the students, in the order of the rows.
        max_points: each lab's points, in the order of the columns.
        points: by student and lab; what is not in it was not handed in.
        roster: the class list, if there is one.
        unmarked: the student and the lab of each submission with an answer that nobody has marked yet.
    """

    people: Sequence[Person]
    max_points: Mapping[str, float]
    points: Mapping[tuple[str, str], float]
    roster: Roster | None = None
    unmarked: frozenset[tuple[str, str]] = frozenset()

    def cells(self, person: Person, excused: str) -> list[str]:
        """Return a student's cells; an excused lab shows `excused`, whether or not it was handed in."""
        return [excused if person.is_excused(lab) else self.text(person.student, lab) for lab in self.max_points]

    def text(self, student: str, lab: str) -> str:
        """Return a student's points for a lab; "" if it was not handed in."""
        return _points(self.points[student, lab]) if (student, lab) in self.points else ""

    def unmarked_labs(self, person: Person) -> list[str]:
        """Return the labs of a student that have an answer nobody has marked yet."""
        labs = (lab for lab in self.max_points if not person.is_excused(lab))
        return [lab for lab in labs if (person.student, lab) in self.unmarked]

    def labs_without_marks(self, person: Person) -> list[str]:
        """Return the labs that a student neither handed in nor is excused from."""
        return [lab for lab in self.max_points if not person.is_excused(lab) and not self.text(person.student, lab)]


def mark_table(entries: Iterable[Mark], roster: Roster | None = None, also: Iterable[str] = ()) -> MarkTable:
    """Return the table of marks.

    Args:
        entries: the marks.
        roster: the class; marks of students who are not on it are left out.
        also: students who handed in something that has no mark in any lab.
    """
    entries = sorted(entries, key=lambda mark: (mark.student, mark.lab))
    max_points = {mark.lab: mark.max_points for mark in sorted(entries, key=lambda mark: mark.lab)}
    points = {(mark.student, mark.lab): mark.points for mark in entries}
    unmarked = frozenset((mark.student, mark.lab) for mark in entries if mark.is_to_mark)
    if roster is not None:
        return MarkTable(list(roster), max_points, points, roster, unmarked)
    people = {student: Person(student) for student in also}
    people |= {mark.student: _person(mark) for mark in entries}
    return MarkTable([people[student] for student in sorted(people)], max_points, points, None, unmarked)


def canvas_csv(table: MarkTable) -> str:
    """Return the text of the file for Canvas."""
    rows = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *table.max_points, NOT_MARKED_YET_IN_CANVAS],
        ["    Points Possible", "", "", "", "", *map(_points, table.max_points.values()), ""],
    ]
    for person in table.people:
        number = person.number if table.roster and table.roster.from_canvas else ""
        sis_id, login = person.sis_id or person.student, person.login or person.student
        if number:  # Canvas knows the student by it; anything else could only contradict
            sis_id, login = person.sis_id, person.login
        who = [person.sortable_name, number, sis_id, login, person.section]
        rows.append([*who, *table.cells(person, "EX"), _unmarked(table, person)])
    return _text(rows)


def moodle_csv(table: MarkTable) -> str:
    """Return the text of the file for Moodle."""
    for_people = ["Section", "Excused", "Missing"] if table.roster else []
    labs = [f"{lab} (Real)" for lab in table.max_points]
    rows = [["First name", "Last name", "Username", "ID number", "Email address", *labs, *for_people, NOT_MARKED_YET]]
    for person in table.people:
        first, last = person.first_name, person.last_name or ("" if person.first_name else person.name)
        email = person.email or (person.student if "@" in person.student else "")
        login, id_number = person.login or person.student, person.sis_id or person.student
        excused = [lab for lab in table.max_points if person.is_excused(lab)]
        texts = [person.section, ", ".join(excused), ", ".join(table.labs_without_marks(person))]
        who = [first, last, login, id_number, email]
        rows.append([*who, *table.cells(person, ""), *texts[: len(for_people)], _unmarked(table, person)])
    return _text(rows)


def _unmarked(table: MarkTable, person: Person) -> str:
    return ", ".join(table.unmarked_labs(person))


def _person(mark: Mark) -> Person:
    """Return a student about whom only the gradebook says something."""
    name = f"{mark.first_name} {mark.last_name}".strip()
    return Person(mark.student, name, mark.first_name, mark.last_name, email=mark.email)


def _points(points: float) -> str:
    return f"{round(points, 4):.10g}"


def _text(rows: list[list[str]]) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([escape_csv_formula(cell) for cell in row] for row in rows)
    return sink.getvalue()
