"""The questions that a person marks, from the lab's source, and how many points and which comment a mark gives."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from helpers.grader.course.lab import Lab
from helpers.grader.course.rubric import Rubric, RubricItem, rubrics_of
from helpers.grader.errors import GraderError
from helpers.grader.reports.feedback import question_before
from helpers.grader.reports.pages import format_points, markdown


@dataclass(frozen=True)
class Question:
    """One question of a lab.

    Attributes:
        lab: the lab's name.
        cell: the id of the answer's cell.
        title: a short name, as plain text.
        text: the question, as HTML from the course's own markdown.
        model_answer: the answer in the lab's source, as HTML.
        max_points: what the answer is worth.
        rubric: what it should say; empty if the lab has no rubric for it.
    """

    lab: str
    cell: str
    title: str
    text: str
    model_answer: str
    max_points: float
    rubric: Rubric

    @property
    def key(self) -> str:
        """The question's name in addresses."""
        return f"{self.lab}/{self.cell}"

    def items(self, texts: Collection[str]) -> list[RubricItem]:
        """Return the rubric items with these texts. Raises GraderError if there is no such item."""
        if unknown := set(texts) - {item.text for item in self.rubric}:
            raise GraderError(f"The rubric of {self.key} has no item “{min(unknown)}”. Load the page again.")
        return [item for item in self.rubric if item.text in texts]

    def score(self, ticked: Collection[RubricItem], points: float | None) -> float:
        """Return the points for an answer: `points` if given, else the sum of the ticked items, at most the maximum.

        Raises GraderError if `points` is not possible, or if neither is given.
        """
        if points is not None:
            if not 0 <= points <= self.max_points:
                raise GraderError(f"The points must be between 0 and {format_points(self.max_points)}.")
            return points
        if not ticked:
            raise GraderError("Choose rubric items or enter points first.")
        return min(max(0.0, round(math.fsum(item.points for item in ticked), 6)), self.max_points)

    def comment(self, ticked: Collection[RubricItem], score: float, note: str) -> str | None:
        """Return what the student reads: which items cost points, then the marker's own words; None if nothing.

        If the marker has entered points without ticking items, the items say nothing about the answer, unless it got
        no points at all.
        """
        is_by_rubric = bool(ticked) or score == 0
        lost = [item for item in self.rubric if item.points > 0 and item not in ticked]
        parts = []
        if is_by_rubric and score < self.max_points:
            parts.append(_listed("Not in your answer:", lost))
        parts.append(_listed("Points taken off:", [item for item in ticked if item.points < 0]))
        return "\n\n".join(part for part in (*parts, note) if part) or None


def _listed(title: str, items: Iterable[RubricItem]) -> str:
    lines = [f"• {item.text} ({_count(abs(item.points))})" for item in items]
    return "\n".join([title, *lines]) if lines else ""


def _count(points: float) -> str:
    return f"{format_points(points)} point{'' if points == 1 else 's'}"


def questions_of(lab: Lab) -> list[Question]:
    """Return the questions of a lab that ask for a written answer, in the order of its cells."""
    questions, rubrics = [], rubrics_of(lab)
    for name, cell in lab.answers.items():
        grade_id = cell.metadata.nbgrader.grade_id
        title, text = question_before(lab, grade_id)
        points, rubric = float(cell.metadata.nbgrader.points), rubrics.get(name, ())
        questions.append(Question(lab.name, grade_id, title, markdown(text), markdown(cell.source), points, rubric))
    return questions
