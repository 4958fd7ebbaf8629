"""Write judgements into nbgrader's own gradebook and into `grades.csv`.

One writer, one commit a submission. Marks are written as nbgrader's `auto_score`; a mark that a person gave in
formgrader is never touched. The verdict of each exercise stands as the automatic comment on the student's cell.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nbgrader.api import Gradebook, MissingEntry

from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError
from helpers.grader.judging.judgement import Judgement, Row

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


def exercise_verdict(rows: list[Row]) -> str:
    """Return one verdict for an exercise: correct where every case is, else that of the first case that is not.

    Bad input comes last: an answer that is right but for its validation is `wrong`, whatever a call raised.
    """
    computed = [row.verdict for row in rows if not row.case.startswith("validation")]
    checked = [row.verdict for row in rows if row.case.startswith("validation")]
    return next((verdict for verdict in computed + checked if verdict != "correct"), "correct")


def summary(rows: list[Row]) -> str:
    """Return what happened to an exercise in one line, as the gradebook's automatic comment."""
    right = sum(row.verdict == "correct" for row in rows)
    known = next((f" ({row.misconception})" for row in rows if row.misconception), "")
    return f"{exercise_verdict(rows)}{known}: {right} of {len(rows)} cases right"


@contextmanager
def one_transaction(gradebook: Gradebook) -> Iterator[None]:
    """Make one transaction of several of nbgrader's calls, each of which would commit on its own."""
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
    """Raise GraderError where a lab has other exercises or answers than the submissions that are in the gradebook.

    nbgrader would end in a traceback: it cannot add cells to a lab that has submissions, nor take any away.
    """
    with Gradebook(database) as gradebook:
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
        changes += [f"gone: {', '.join(sorted(before - now))}"] if before - now else []
        raise GraderError(
            f"The lab {lab.name} has other cells than the submissions in the gradebook {database} "
            f"({'; '.join(changes)}), and nbgrader cannot add cells to a lab that has submissions, nor take any away. "
            "Grade into a new folder (--output); for a release, move the course's gradebook.db away. The marks that "
            "are there stay there."
        )


def record(gradebook: Gradebook, lab: Lab, student: str, judgement: Judgement, **times: Any) -> None:
    """Write one submission's marks in one transaction. `times`: nbgrader's `timestamp`, if known."""
    with one_transaction(gradebook):
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission(lab.name, student, **times)
        _enter(gradebook, lab, student, judgement)


def _enter(gradebook: Gradebook, lab: Lab, student: str, judgement: Judgement) -> None:
    notebook = gradebook.find_submission_notebook(lab.name, lab.name, student)
    grades = {grade.name: grade for grade in notebook.grades}
    comments = {comment.name: comment for comment in notebook.comments}
    for name in lab.exercises:
        rows, grade = judgement.of(name), grades[f"check_{name}"]
        grade.auto_score = round(sum(row.points for row in rows), 6)
        grade.needs_manual_grade = grade.manual_score is not None
        comments[name].auto_comment = summary(rows) if rows else "; ".join(row.note for row in judgement.rows)
    for grade_id in (f"answer_{name}" for name in lab.answers):
        grade, answered = grades[grade_id], grade_id in judgement.answers
        grade.auto_score = None if answered else 0.0
        grade.needs_manual_grade = grade.manual_score is not None or answered
        comments[grade_id].auto_comment = None if answered else "No response."


@dataclass
class ManualMarks:
    """What a person and the calendar added to a submission's marks, as the gradebook holds it."""

    scores: dict[str, float] = field(default_factory=dict)  # cell's id → mark that a person gave
    extra: dict[str, float] = field(default_factory=dict)  # cell's id → extra credit
    comments: dict[str, str] = field(default_factory=dict)  # cell's id → what a person wrote
    penalty: float = 0.0  # points off for lateness


def given(gradebook: Gradebook, lab: str, student: str) -> ManualMarks:
    """Return what a person and the calendar added to a submission. Raises nbgrader's MissingEntry."""
    notebook = gradebook.find_submission_notebook(lab, lab, student)
    return ManualMarks(
        {grade.name: grade.manual_score for grade in notebook.grades if grade.manual_score is not None},
        {grade.name: grade.extra_credit for grade in notebook.grades if grade.extra_credit},
        {comment.name: comment.manual_comment for comment in notebook.comments if comment.manual_comment},
        notebook.late_submission_penalty or 0.0,
    )


def escape_csv_formula(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    text = text.replace("\r", " ").replace("\n", " ")
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def csv_text(graded: Iterable[tuple[str, Judgement]]) -> str:
    """Return `grades.csv`: a row a case, in the order of students, labs and the labs' cells."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(COLUMNS)
    for student, judgement in sorted(graded, key=lambda entry: (entry[0], entry[1].lab)):
        for place, row in enumerate(judgement.rows):
            texts_before = [item.text for item in judgement.notes] if place == 0 else []
            note = "; ".join([*texts_before, row.note])
            texts = [escape_csv_formula(text) for text in (student, judgement.lab, row.exercise, row.case)]
            numbers = ["" if points is None else f"{points:.10g}" for points in (row.points, row.max_points)]
            writer.writerow(
                texts
                + numbers
                + [row.verdict, row.misconception, f"{row.seconds:.3f}", escape_csv_formula(note.strip("; "))]
            )
    return sink.getvalue()
