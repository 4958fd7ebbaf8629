"""What the right cases of an exercise are worth.

`grades.csv` holds each case's points rounded to six decimals, and so do the rows of a judgement. Added up, eleven
rounded shares of 3 points are 2.999997. Totals therefore come from here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from helpers.grader.course.lab import Exercise, Lab
from helpers.grader.judging.judgement import Judgement, Row

ROUNDING = 0.5e-6  # points by which rounding can change one row


def counting(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that count: not those of cases with weight 0, which have been dropped for everyone."""
    return [row for row in rows if row.max_points != 0]


def earned_points(exercise: Exercise, rows: Iterable[Row]) -> float:
    """Return the points for the right cases of an exercise; exactly the exercise's points if all cases are right."""
    points = [row.points or 0.0 for row in rows]
    total = math.fsum(points)
    return exercise.points if abs(total - exercise.points) <= ROUNDING * len(points) else round(total, 6)


def weighed(exercises: Mapping[str, Exercise], judgement: Judgement) -> Judgement:
    """Return a judgement with what its cases are worth now; the same object if nothing has changed."""
    rows = []
    for row in judgement.rows:
        exercise = exercises.get(row.exercise)
        worth = round(exercise.case_points.get(row.case, math.nan), 6) if exercise else math.nan
        if math.isnan(worth) or worth == row.max_points:
            rows.append(row)
        else:
            rows.append(replace(row, points=worth if row.verdict == "correct" else 0.0, max_points=worth))
    return judgement if rows == judgement.rows else replace(judgement, rows=rows)


def judged_points(lab: Lab, judgement: Judgement) -> float:
    """Return the points for all exercises of a submission; written answers are not included."""
    return math.fsum(earned_points(exercise, judgement.of(name)) for name, exercise in lab.exercises.items())


def max_judged_points(lab: Lab) -> float:
    """Return the largest value that `judged_points` can have."""
    return math.fsum(exercise.points for exercise in lab.exercises.values())
