"""Feedback that a student can act on: one self-contained HTML page for each submission.

An exercise that is right takes one line. For each of the others, the page gives the likely cause, one call of a visible
example with numbers, and a list of the kinds of input that failed, but never the numbers of a hidden case. All text is
escaped by jinja2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import nbformat
from nbformat import NotebookNode

from helpers.grader.course.lab import Exercise, Lab
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.notes import FOR_INSTRUCTORS
from helpers.grader.reports.advice import Failure, LikelyCause, advice, group_failures, likely_causes, words
from helpers.grader.reports.marks import ManualMarks, exercise_verdict
from helpers.grader.reports.pages import render
from helpers.grader.reports.points import counting, earned_points
from helpers.grader.reports.sanitize import sanitize_notebook
from helpers.grader.reports.totals import total
from helpers.grader.reports.worked_example import WorkedExample, worked_example

MAX_CHARACTERS = 20_000  # of a student's code or written answer

_HEADING_LINE = re.compile(r"^#+ .*\n?", re.MULTILINE)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_BOLD = re.compile(r"\*\*(.+?)\*\*\s*")


@dataclass(frozen=True)
class Score:
    """The points for one cell, as they count after a person has marked."""

    points: float
    max_points: float
    extra: float = 0.0  # extra credit, included in `points`
    by_person: bool = False
    is_waiting: bool = False  # a person has marked earlier work, and has to look at this


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
    example: WorkedExample | None
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
        score = self.score
        return self.outcome == "right" and not (self.comment or score.by_person or score.extra or score.is_waiting)


@dataclass(frozen=True)
class AnswerFeedback:
    """What a student is told about one written answer."""

    name: str
    title: str
    question: str  # markdown of the course
    text: str
    formulas: Mapping[str, str]  # in `text`, drawn
    score: Score
    comment: str

    @property
    def is_waiting(self) -> bool:
        return bool(self.text) and not self.score.by_person


def feedback_page(
    lab: Lab, student: str, judgement: Judgement, marks: ManualMarks | None = None, name: str = ""
) -> str:
    """Return the HTML page for one submission.

    Args:
        lab: the lab that was handed in.
        student: the student's id.
        judgement: the outcome of judging the submission.
        marks: what a person and the calendar added to the marks.
        name: the student's name, if a roster has it.
    """
    marks = marks or ManualMarks()
    refusal = next((row.note for row in judgement.rows if not row.exercise), "")
    exercises = [] if refusal else [exercise_feedback(lab, item, judgement, marks) for item in lab.exercises.values()]
    answers = [_answer_feedback(lab, row, judgement, marks) for row in judgement.rows if row.verdict == "manual"]
    return render(
        "feedback.html",
        lab=judgement.lab or lab.name,
        student=name or student,
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
    rows = counting(judgement.of(exercise.name))
    failed = [row for row in rows if row.verdict != "correct"]
    verdict = words(exercise_verdict(rows), failed)
    calls = ", ".join(dict.fromkeys(name for row in rows for name in row.calls.split(", ") if name))
    outcome = "right" if not failed else "partly" if len(failed) < len(rows) else "wrong"
    causes = likely_causes(exercise, failed)
    return ExerciseFeedback(
        name=exercise.name,
        heading=exercise.heading,
        call=exercise.name if exercise.quiz else f"{exercise.name}({', '.join(exercise.cases[0].options['names'])})",
        verdict=(f"partly right: {verdict}" if outcome == "partly" else verdict) + _but_for(calls),
        outcome=outcome,
        cases_right=len(rows) - len(failed),
        cases=len(rows),
        causes=causes,
        advice=advice(exercise, failed, explained=bool(causes)),
        example=worked_example(lab, exercise, failed),
        failures=group_failures(failed, len(rows)),
        code=judgement.code.get(exercise.name, "")[:MAX_CHARACTERS],
        score=_score(f"check_{exercise.name}", earned_points(exercise, rows), exercise.points, marks),
        comment=marks.comments.get(exercise.name, ""),
    )


def _but_for(calls: str) -> str:
    """Return what is added to a verdict where an answer calls exercises that are wrong, and marks carry through."""
    return f"; it calls {calls}, whose mistake costs nothing here" if calls else ""


def _score(cell: str, judged: float, max_points: float, marks: ManualMarks) -> Score:
    """Return a cell's score: a person's mark replaces the judged one, and extra credit is added."""
    extra = marks.extra.get(cell, 0.0)
    points = marks.scores.get(cell, judged) + extra
    return Score(points, max_points, extra, by_person=cell in marks.scores, is_waiting=cell in marks.to_mark)


def _answer_feedback(lab: Lab, row: Row, judgement: Judgement, marks: ManualMarks) -> AnswerFeedback:
    title, question = question_before(lab, row.exercise)
    return AnswerFeedback(
        name=row.exercise,
        title=title,
        question=question,
        text=judgement.answers.get(row.exercise, "")[:MAX_CHARACTERS],
        formulas=judgement.formulas,
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
