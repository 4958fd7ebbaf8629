"""Feedback that a student can act on: one self-contained HTML page for each submission.

For each exercise that is not right, the page gives the likely cause, the section to read again, and the kinds of input
that failed with what came back, but never the numbers of a hidden case. All text is escaped by jinja2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import nbformat
from nbformat import NotebookNode

from helpers.checks.error_causes import explain_error
from helpers.grader.course.lab import Exercise, Lab
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.notes import FOR_INSTRUCTORS
from helpers.grader.reports.gradebook import ManualMarks, exercise_verdict
from helpers.grader.reports.pages import render
from helpers.grader.reports.points import earned_points
from helpers.grader.reports.sanitize import sanitize_notebook
from helpers.grader.reports.totals import total

MAX_CHARACTERS = 20_000  # of a student's code or written answer

_HEADING_LINE = re.compile(r"^#+ .*\n?", re.MULTILINE)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_BOLD = re.compile(r"\*\*(.+?)\*\*\s*")

VERDICT_WORDS = {
    "correct": "right",
    "wrong": "wrong values",
    "error": "ends in an error",
    "missing": "not written",
    "timeout": "took too long",
    "memory": "used too much memory",
    "crash": "crashed the kernel",
    "denied": "blocked by the sandbox",
}
ADVICE = {
    "missing": "Write the function in its own cell, run the check below it, then hand the notebook in again.",
    "timeout": "Look for a loop that never ends, or for work that grows with vocabulary size times sequence length.",
    "memory": "Look for a tensor that grows in a loop, or for one of shape (vocabulary, vocabulary).",
    "crash": "Something in this answer ends the whole Python process. Look for exit() or os._exit().",
    "denied": "The answer tried to use a file or the network. It needs neither: compute from the arguments alone.",
}


@dataclass(frozen=True)
class LikelyCause:
    """A known mistake that explains wrong values, and the section to read again."""

    diagnosis: str
    read: str


@dataclass(frozen=True)
class Failure:
    """Cases of one exercise that failed in the same way."""

    verdict: str
    seen: str  # what came back
    line: str  # the student's line that raised, if any
    cases: int
    kinds: tuple[str, ...]  # what the cases vary; empty if every case of the exercise failed like this
    points_lost: float


@dataclass(frozen=True)
class Score:
    """The points for one cell, as they count after a person has marked."""

    points: float
    max_points: float
    extra: float = 0.0  # extra credit, included in `points`
    by_person: bool = False


@dataclass(frozen=True)
class ExerciseFeedback:
    """What a student is told about one exercise."""

    name: str
    heading: str
    call: str
    verdict: str
    outcome: str  # "right", "partly" or "wrong"
    cases_right: int
    cases: int
    causes: tuple[LikelyCause, ...]
    advice: str
    failures: tuple[Failure, ...]
    code: str
    score: Score
    comment: str = ""

    @property
    def symbol(self) -> str:
        return {"right": "✓", "partly": "◐", "wrong": "✗"}[self.outcome]

    @property
    def needs_one_line(self) -> bool:
        """Whether all is said with the verdict and the points."""
        return self.outcome == "right" and not (self.comment or self.score.by_person or self.score.extra)


@dataclass(frozen=True)
class AnswerFeedback:
    """What a student is told about one written answer."""

    name: str
    title: str
    question: str  # markdown of the course
    text: str
    score: Score
    comment: str

    @property
    def is_waiting(self) -> bool:
        return bool(self.text) and not self.score.by_person


def feedback_page(lab: Lab, student: str, judgement: Judgement, marks: ManualMarks | None = None) -> str:
    """Return the HTML page for one submission.

    Args:
        lab: the lab that was handed in.
        student: the student's id.
        judgement: the outcome of judging the submission.
        marks: what a person and the calendar added to the marks.
    """
    marks = marks or ManualMarks()
    refusal = next((row.note for row in judgement.rows if not row.exercise), "")
    exercises = [] if refusal else [exercise_feedback(lab, item, judgement, marks) for item in lab.exercises.values()]
    answers = [_answer_feedback(lab, row, judgement, marks) for row in judgement.rows if row.verdict == "manual"]
    return render(
        "feedback.html",
        lab=judgement.lab or lab.name,
        student=student,
        refusal=refusal,
        exercises=exercises,
        answers=answers,
        total=total(lab, judgement, marks),
        penalty=marks.penalty,
        seconds_late=marks.seconds_late,
        notes=[note.text for note in judgement.notes if note.code not in FOR_INSTRUCTORS],
    )


def exercise_feedback(lab: Lab, exercise: Exercise, judgement: Judgement, marks: ManualMarks) -> ExerciseFeedback:
    """Return what a student is told about one exercise."""
    rows = judgement.of(exercise.name)
    failed = [row for row in rows if row.verdict != "correct"]
    words = _words(exercise_verdict(rows), failed)
    outcome = "right" if not failed else "partly" if len(failed) < len(rows) else "wrong"
    causes = _likely_causes(exercise, failed)
    return ExerciseFeedback(
        name=exercise.name,
        heading=exercise.heading,
        call=exercise.name if exercise.quiz else f"{exercise.name}({', '.join(exercise.cases[0].options['names'])})",
        verdict=f"partly right: {words}" if outcome == "partly" else words,
        outcome=outcome,
        cases_right=len(rows) - len(failed),
        cases=len(rows),
        causes=causes,
        advice=_advice(exercise, failed, explained=bool(causes)),
        failures=_group_failures(failed, len(rows)),
        code=judgement.code.get(exercise.name, "")[:MAX_CHARACTERS],
        score=_score(f"check_{exercise.name}", earned_points(exercise, rows), exercise.points, marks),
        comment=marks.comments.get(exercise.name, ""),
    )


def _words(verdict: str, failed: list[Row]) -> str:
    """Return a verdict in words; `failed`: the rows that it is about, if any."""
    if verdict == "wrong" and all(_is_validation(row) for row in failed):
        return "bad input not rejected"
    return VERDICT_WORDS[verdict]


def _is_validation(row: Row) -> bool:
    return row.case.startswith("validation")


def _likely_causes(exercise: Exercise, failed: list[Row]) -> tuple[LikelyCause, ...]:
    known = {item.name: LikelyCause(item.diagnosis, item.read) for item in exercise.misconceptions}
    named = dict.fromkeys(row.misconception for row in failed)
    return tuple(known[name] for name in named if name in known)


def _advice(exercise: Exercise, failed: list[Row], explained: bool) -> str:
    """Return what to do about the failures that no likely cause explains; `explained`: whether a cause is named."""
    unexplained = [row for row in failed if not row.misconception]
    values = [row for row in unexplained if not _is_validation(row)]
    if not unexplained:
        return ""
    if not values:
        return _validation_advice(unexplained[0], only=len(unexplained) == len(failed))
    first = values[0]
    if first.verdict == "error":
        kind, _, message = first.seen.partition(": ")
        return " ".join(explain_error({"type": kind, "message": message, "line": first.line}))
    if first.verdict in ADVICE:
        return ADVICE[first.verdict]
    if explained:
        return "Correct this first and run the check again: the other wrong values may have the same cause."
    return (
        f"Read the section “{exercise.heading}” again and run its check. If the check passes, call your function with "
        "inputs of the kinds listed below and compare the results with a calculation by hand."
    )


def _validation_advice(first: Row, only: bool) -> str:
    if first.verdict in ADVICE:
        return ADVICE[first.verdict]
    when = "Your values are right. Also" if only else "Once the values are right, also"
    return f"{when} reject bad input: raise a ValueError before anything is computed."


def _group_failures(failed: Iterable[Row], cases: int) -> tuple[Failure, ...]:
    """Return the failures with those that look the same together; `cases`: how many the exercise has."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in failed:
        groups.setdefault((row.verdict, row.seen or row.note, row.line), []).append(row)
    return tuple(
        Failure(
            verdict=_words(verdict, rows),
            seen=seen,
            line=line,
            cases=len(rows),
            kinds=tuple(dict.fromkeys(row.about for row in rows if row.about)) if len(rows) < cases else (),
            points_lost=sum((row.max_points or 0.0) - (row.points or 0.0) for row in rows),
        )
        for (verdict, seen, line), rows in groups.items()
    )


def _score(cell: str, judged: float, max_points: float, marks: ManualMarks) -> Score:
    """Return a cell's score: a person's mark replaces the judged one, and extra credit is added."""
    extra = marks.extra.get(cell, 0.0)
    return Score(marks.scores.get(cell, judged) + extra, max_points, extra, by_person=cell in marks.scores)


def _answer_feedback(lab: Lab, row: Row, judgement: Judgement, marks: ManualMarks) -> AnswerFeedback:
    title, question = question_before(lab, row.exercise)
    return AnswerFeedback(
        name=row.exercise,
        title=title,
        question=question,
        text=judgement.answers.get(row.exercise, "")[:MAX_CHARACTERS],
        score=_score(row.exercise, 0.0, row.max_points or 0.0, marks),
        comment=marks.comments.get(row.exercise, ""),
    )


def question_before(lab: Lab, grade_id: str) -> tuple[str, str]:
    """Return the title and the text, both markdown, of the question that a written answer belongs to.

    The question is the cell before the answer. Its title is the bold text that it starts with, or else its heading.
    """
    cells = lab.notebook.cells
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in cells]
    index = ids.index(grade_id) if grade_id in ids else 0
    if index == 0 or cells[index - 1].cell_type != "markdown":
        return grade_id.removeprefix("answer_").replace("_", " ").capitalize(), ""
    source = cells[index - 1].source
    text = _HEADING_LINE.sub("", source).strip()
    bold = _BOLD.match(text)
    if bold:
        return bold[1].rstrip("."), text[bold.end() :]
    headings = _HEADING.findall(source)
    return (headings[-1] if headings else cells[index].metadata.distillab.heading), text


def graded_notebook(lab: Lab, judgement: Judgement) -> NotebookNode:
    """Return the student's notebook as formgrader shows it: sanitised, with the outcome in each check cell."""
    if judgement.notebook is None:
        text = "This notebook could not be graded: " + "; ".join(row.note for row in judgement.rows)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(escape(text))])
        notebook.cells[0]["id"] = "refusal"
        return sanitize_notebook(notebook)
    for cell in judgement.notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix("check_")
        if name in lab.exercises and cell.metadata.nbgrader.get("grade"):
            item = exercise_feedback(lab, lab.exercises[name], judgement, ManualMarks())
            text = render("check_output.txt", item=item)
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
    return sanitize_notebook(judgement.notebook)


def graded_text(lab: Lab, judgement: Judgement) -> bytes:
    """Return the notebook of `graded_notebook` as its file holds it."""
    return (nbformat.writes(graded_notebook(lab, judgement)) + "\n").encode()
