"""The total of a submission as it counts now, in the one form in which terminal and feedback show it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from helpers.grader.course.lab import Lab
from helpers.grader.judging.judgement import Judgement
from helpers.grader.reports.gradebook import ManualMarks
from helpers.grader.reports.pages import format_points
from helpers.grader.reports.points import earned_points, max_judged_points

Totals = Mapping[tuple[str, str], "Total"]  # by student and lab


@dataclass(frozen=True)
class Total:
    """The points of a submission, with a person's marks and the late penalty.

    Attributes:
        points: what counts now.
        max_points: what the exercises and answers that have been judged or marked are worth.
        answers_to_mark: how many written answers nobody has marked yet.
        points_to_mark: what these are worth.
    """

    points: float
    max_points: float
    answers_to_mark: int = 0
    points_to_mark: float = 0.0

    def __str__(self) -> str:
        judged = f"{format_points(self.points)} of {format_points(self.max_points)}"
        return f"{judged} judged, {format_points(self.points_to_mark)} to mark" if self.answers_to_mark else judged


def total(lab: Lab, judgement: Judgement, marks: ManualMarks) -> Total:
    """Return the total of a submission."""
    answers = {row.exercise: row.max_points or 0.0 for row in judgement.rows if row.verdict == "manual"}
    waiting = [name for name in judgement.answers if name in answers and name not in marks.scores]
    judged = {f"check_{name}": earned_points(exercise, judgement.of(name)) for name, exercise in lab.exercises.items()}
    points = math.fsum((judged | marks.scores).values()) + math.fsum(marks.extra.values()) - marks.penalty
    to_mark = math.fsum(answers[name] for name in waiting)
    max_points = max_judged_points(lab) + math.fsum(answers.values()) - to_mark
    return Total(max(0.0, points), max_points, len(waiting), to_mark)


def to_mark_line(totals: Totals) -> str:
    """Return how many written answers are left to mark, by lab; "" if there are none."""
    by_lab: Counter[str] = Counter()
    for (_, lab), entry in totals.items():
        by_lab[lab] += entry.answers_to_mark
    count = by_lab.total()
    labs = ", ".join(f"{lab}: {by_lab[lab]}" for lab in sorted(by_lab) if by_lab[lab])
    return f"{count} written answer{'' if count == 1 else 's'} to mark ({labs})" if count else ""
