"""What the right cases of an exercise are worth.

`grades.csv` holds each case's points rounded to six decimals, and so do the rows of a judgement. Added up, eleven
rounded shares of 3 points are 2.999997. Totals therefore come from here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from helpers.grader.course.lab import Exercise, Lab
from helpers.grader.judging.judgement import Judgement, Row

ROUNDING = 0.5e-6  # points by which rounding can change one row


def earned_points(exercise: Exercise, rows: Iterable[Row]) -> float:
    """Return the points for the right cases of an exercise; exactly the exercise's points if all cases are right."""
    points = [row.points or 0.0 for row in rows]
    total = math.fsum(points)
    return exercise.points if abs(total - exercise.points) <= ROUNDING * len(points) else round(total, 6)


def judged_points(lab: Lab, judgement: Judgement) -> float:
    """Return the points for all exercises of a submission; written answers are not included."""
    return math.fsum(earned_points(exercise, judgement.of(name)) for name, exercise in lab.exercises.items())


def max_judged_points(lab: Lab) -> float:
    """Return the largest value that `judged_points` can have."""
    return math.fsum(exercise.points for exercise in lab.exercises.values())
