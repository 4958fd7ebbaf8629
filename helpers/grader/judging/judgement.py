"""What judging a submission gives: a row for each case, notes for people, and what the student wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode

from helpers.grader.notes import Note

VERDICTS = ("correct", "wrong", "error", "missing", "timeout", "memory", "crash", "denied", "manual")


@dataclass
class Row:
    """The outcome of one case (or of a written answer, or of a submission that could not be judged at all)."""

    exercise: str
    case: str
    points: float | None
    max_points: float | None
    verdict: str
    misconception: str = ""
    seconds: float = 0.0
    note: str = ""
    about: str = ""  # what this case varies
    seen: str = ""  # how the value that came back differs, without a hidden case's numbers
    line: str = ""  # the line of the answer that raised
    calls: str = ""  # other exercises that a right answer calls and that are wrong; what follows costs nothing here


@dataclass
class Judgement:
    """Everything that is known about one student's submission for one lab after judging it.

    Attributes:
        lab: its name.
        rows: the outcomes.
        notes: remarks for people.
        notebook: the notebook with its outputs.
        graded: the notebook as formgrader shows it, ready to be written, where another process has made it.
        answers: written answers by their cell's id; stubs are left out.
        code: what the student wrote for each exercise.
        tokens: the same in its normal form, in which answers are compared.
        formulas: the formulas in written answers as they stand there, and each as MathML.
        guesses: valid records of predictions, by name.
        seconds: wall time of the whole submission.
        starved: whether a time limit passed while others were using the processors, so that it is judged again alone.
    """

    lab: str
    rows: list[Row] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    notebook: NotebookNode | None = None
    graded: bytes | None = None
    answers: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    formulas: dict[str, str] = field(default_factory=dict)
    guesses: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0
    starved: bool = False

    def of(self, exercise: str) -> list[Row]:
        """Return the rows of one exercise."""
        return [row for row in self.rows if row.exercise == exercise]


def refused(lab: str, reason: str, verdict: str) -> Judgement:
    """Return the judgement of a submission that was not run: one row that says why, and no points of no lab."""
    return Judgement(lab, [Row("", "", 0.0 if lab else None, None, verdict, note=reason)])
