"""The total of a submission as it counts now, in the one form in which terminal and feedback show it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from helpers.grader.course.lab import Lab
from helpers.grader.judging.judgement import Judgement
from helpers.grader.reports.marks import ManualMarks
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
        exercises_to_mark: how many exercises a person has to mark again, because the mark was given for earlier work.
    """

    points: float
    max_points: float
    answers_to_mark: int = 0
    points_to_mark: float = 0.0
    exercises_to_mark: int = 0

    def __str__(self) -> str:
        text = f"{format_points(self.points)} of {format_points(self.max_points)}"
        if self.answers_to_mark:
            text += f" judged, {format_points(self.points_to_mark)} to mark"
        again = self.exercises_to_mark
        return f"{text}, {again} exercise{'s' if again > 1 else ''} to mark again" if again else text


def total(lab: Lab, judgement: Judgement, marks: ManualMarks) -> Total:
    """Return the total of a submission."""
    answers = {row.exercise: row.max_points or 0.0 for row in judgement.rows if row.verdict == "manual"}
    waiting = [name for name in judgement.answers if name in answers and name not in marks.scores]
    judged = {f"check_{name}": earned_points(exercise, judgement.of(name)) for name, exercise in lab.exercises.items()}
    points = math.fsum((judged | marks.scores).values()) + math.fsum(marks.extra.values()) - marks.penalty
    to_mark = math.fsum(answers[name] for name in waiting)
    max_points = max_judged_points(lab) + math.fsum(answers.values()) - to_mark
    return Total(max(0.0, points), max_points, len(waiting), to_mark, len(marks.to_mark))


def to_mark_line(totals: Totals) -> str:
    """Return how much is left to mark, by lab; "" if there is nothing."""
    answers: Counter[str] = Counter()
    exercises: Counter[str] = Counter()
    for (_, lab), entry in totals.items():
        answers[lab] += entry.answers_to_mark
        exercises[lab] += entry.exercises_to_mark
    counted = ((answers, "written answer{} to mark"), (exercises, "exercise{} to mark again, with new work"))
    return "; ".join(
        f"{counts.total()} {noun.format('' if counts.total() == 1 else 's')} "
        f"({', '.join(f'{lab}: {counts[lab]}' for lab in sorted(counts) if counts[lab])})"
        for counts, noun in counted
        if counts.total()
    )
