"""Write judgements into nbgrader's gradebook and into `grades.csv`.

One process writes, in one commit per submission. Marks become nbgrader's `auto_score`; a mark that a person gave in
formgrader stays as long as the work is the same (`marked_work.py`). The verdict of each exercise becomes the automatic
comment on the student's cell.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from nbgrader.api import Base, Gradebook, MissingEntry
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import create_engine, inspect

from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.reports.marked_work import MarkedWork
from helpers.grader.reports.marks import AllMarks, ManualMarks, exercise_verdict
from helpers.grader.reports.points import counting, earned_points

COLUMNS = (
    "student",
    "lab",
    "exercise",
    "case",
    "points",
    "max_points",
    "verdict",
    "misconception",
    "seconds",
    "note",
)


def summary(rows: list[Row]) -> str:
    """Return the outcome of an exercise in one line, for the gradebook's automatic comment."""
    rows = counting(rows)
    right = sum(row.verdict == "correct" for row in rows)
    misconception = next((f" ({row.misconception})" for row in rows if row.misconception), "")
    return f"{exercise_verdict(rows)}{misconception}: {right} of {len(rows)} cases right"


def open_gradebook(database: str) -> Gradebook:
    """Return nbgrader's gradebook at a URL; a database without tables gets them first.

    nbgrader would create them too, but starts the program `alembic` to learn its own version, which takes a second or
    more and fails where the environment's programs are not on the PATH.
    """
    engine = create_engine(database)
    with engine.begin() as connection:
        if not inspect(connection).get_table_names():
            Base.metadata.create_all(connection)
            MigrationContext.configure(connection).stamp(ScriptDirectory(ALEMBIC_DIR), "head")
    engine.dispose()
    return Gradebook(database)


@contextmanager
def one_transaction(gradebook: Gradebook) -> Iterator[None]:
    """Run several of nbgrader's calls, each of which would commit by itself, in one transaction."""
    session = gradebook.db
    commit = session.commit
    session.commit = session.flush
    try:
        yield
    except BaseException:
        session.rollback()
        raise
    finally:
        session.commit = commit
    commit()


def require_same_cells(lab: Lab, database: str) -> None:
    """Raise GraderError if a lab's graded cells differ from those of the submissions in the gradebook.

    nbgrader cannot add cells to a lab that has submissions or remove any, and would end in a traceback.
    """
    with open_gradebook(database) as gradebook:
        try:
            entered = gradebook.find_notebook(lab.name, lab.name)
        except MissingEntry:
            return
        if not entered.submissions:
            return
        before = {cell.name for cell in [*entered.grade_cells, *entered.solution_cells]}
    now = {cell.metadata.nbgrader.grade_id for cell in lab.notebook.cells if "nbgrader" in cell.metadata}
    if before != now:
        changes = [f"new: {', '.join(sorted(now - before))}"] if now - before else []
        changes += [f"removed: {', '.join(sorted(before - now))}"] if before - now else []
        raise GraderError(
            f"The graded cells of the lab {lab.name} differ from those of the submissions in the gradebook {database} "
            f"({'; '.join(changes)}), and nbgrader cannot add cells to a lab that has submissions or remove any. "
            "Grade into a new folder (--output); for a release, move the course's gradebook.db away first. Existing "
            "marks are not changed."
        )


def record(
    gradebook: Gradebook,
    lab: Lab,
    student: str,
    judgement: Judgement,
    timestamp: datetime | None = None,
    marked: MarkedWork | None = None,
) -> None:
    """Write one submission's marks in one transaction.

    Args:
        gradebook: nbgrader's gradebook, opened.
        lab: the lab that was handed in.
        student: the student's id.
        judgement: the outcome of judging the submission.
        timestamp: when it was handed in, in UTC without a zone; None leaves what is in the gradebook.
        marked: what each of a person's marks was given for; without it, all marks are kept and have to be confirmed.
    """
    with one_transaction(gradebook):
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission(lab.name, student, **({"timestamp": timestamp} if timestamp else {}))
        _enter(gradebook, lab, student, judgement)
        if marked is not None:
            marked.apply(gradebook.find_submission_notebook(lab.name, lab.name, student), lab, student, judgement)


def _enter(gradebook: Gradebook, lab: Lab, student: str, judgement: Judgement) -> None:
    notebook = gradebook.find_submission_notebook(lab.name, lab.name, student)
    grades = {grade.name: grade for grade in notebook.grades}
    comments = {comment.name: comment for comment in notebook.comments}
    for name in lab.exercises:
        rows, grade = judgement.of(name), grades[f"check_{name}"]
        grade.auto_score = earned_points(lab.exercises[name], rows)
        grade.needs_manual_grade = grade.manual_score is not None
        comments[name].auto_comment = summary(rows) if rows else "; ".join(row.note for row in judgement.rows)
    for grade_id in (f"answer_{name}" for name in lab.answers):
        grade, answered = grades[grade_id], grade_id in judgement.answers
        grade.auto_score = None if answered else 0.0
        grade.needs_manual_grade = grade.manual_score is not None or answered
        comments[grade_id].auto_comment = None if answered else "No response."


def read_manual_marks(gradebook: Gradebook, lab: str, student: str) -> ManualMarks:
    """Return what a person and the late penalty add to a submission's marks. Raises nbgrader's MissingEntry."""
    notebook = gradebook.find_submission_notebook(lab, lab, student)
    return ManualMarks(
        {grade.name: grade.manual_score for grade in notebook.grades if grade.manual_score is not None},
        {grade.name: grade.extra_credit for grade in notebook.grades if grade.extra_credit},
        {comment.name: comment.manual_comment for comment in notebook.comments if comment.manual_comment},
        notebook.late_submission_penalty or 0.0,
        notebook.assignment.total_seconds_late,
        frozenset(
            grade.name
            for grade in notebook.grades
            if grade.name.startswith("check_") and grade.needs_manual_grade and grade.manual_score is None
        ),
    )


def with_marks(rows: list[Row], marks: ManualMarks) -> list[Row]:
    """Return a submission's rows with a person's marks and the late penalty, so that they add up to what counts."""
    answers = {row.exercise for row in rows if row.verdict == "manual"}
    counted = [
        replace(row, points=marks.scores.get(row.exercise, 0.0) + marks.extra.get(row.exercise, 0.0))
        if row.exercise in answers & (marks.scores.keys() | marks.extra.keys())
        else row
        for row in rows
    ]
    for cell in sorted((marks.scores.keys() | marks.extra.keys()) - answers):
        name = cell.removeprefix("check_")
        judged = math.fsum(row.points or 0.0 for row in rows if row.exercise == name)
        added = marks.scores.get(cell, judged) + marks.extra.get(cell, 0.0) - judged
        counted.append(Row(name, "override", round(added, 6), None, "manual", note="given by a person"))
    if marks.penalty:
        points = math.fsum(row.points or 0.0 for row in counted)
        taken_off = min(marks.penalty, max(0.0, points))
        counted.append(Row("", "late penalty", -round(taken_off, 6), None, "", note="handed in late"))
    return counted


def escape_csv_formula(text: str) -> str:
    """Return text that no spreadsheet interprets as a formula."""
    text = text.replace("\r", " ").replace("\n", " ")
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


EXCUSED = "excused: the LMS files give no points"


def csv_text(
    graded: Iterable[tuple[str, Judgement]],
    marks: AllMarks = MappingProxyType({}),
    excused: Container[tuple[str, str]] = (),
) -> str:
    """Return `grades.csv`: one row for each case, sorted by student and lab, in the order of the lab's cells.

    A written answer's row has points once a person has marked it. What else a person or the late penalty adds or takes
    away has rows of its own, so that the points of a submission add up to what its LMS file says. `excused` holds
    (student, lab) of submissions that need not have been handed in.
    """
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(COLUMNS)
    for student, judgement in sorted(graded, key=lambda entry: (entry[0], entry[1].lab)):
        notes = [note.text for note in judgement.notes]  # in the submission's first row
        if (student, judgement.lab) in excused:
            notes.insert(0, EXCUSED)
        for row in with_marks(judgement.rows, marks.get((student, judgement.lab), ManualMarks())):
            texts = [escape_csv_formula(text) for text in (student, judgement.lab, row.exercise, row.case)]
            numbers = ["" if points is None else f"{points:.10g}" for points in (row.points, row.max_points)]
            note = escape_csv_formula("; ".join([*notes, row.note]).strip("; "))
            writer.writerow([*texts, *numbers, row.verdict, row.misconception, f"{row.seconds:.3f}", note])
            notes = []
    return sink.getvalue()
