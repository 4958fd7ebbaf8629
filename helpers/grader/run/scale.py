"""Refuse marks on two scales: submissions that were judged before the points of their lab changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from helpers.grader.course.lab import Lab, find_labs, load_lab
from helpers.grader.errors import GraderError
from helpers.grader.judging.judgement import Judgement
from helpers.grader.reports.points import ROUNDING


def require_one_scale(course: Path, judgements: Iterable[tuple[str, Judgement]]) -> None:
    """Raise GraderError unless every exercise and answer was worth what it is worth now when it was judged.

    Args:
        course: the course's folder.
        judgements: (student, judgement) pairs that will be reported as they are.
    """
    known = set(find_labs(course))
    judged = [(student, judgement) for student, judgement in judgements if judgement.lab in known]
    changes = {
        (student, judgement.lab): change
        for student, judgement in judged
        if (change := changed_points(load_lab(course, judgement.lab), judgement))
    }
    if changes:
        (student, lab), change = next(iter(changes.items()))
        others = len(changes) - 1
        more = f" and {others} other submission{'s' if others > 1 else ''}" if others else ""
        raise GraderError(
            f"The points of {lab} have changed ({change}) since {student}'s submission{more} were graded, and marks on "
            f"two scales cannot be compared. Grade all submissions of {lab} again in one run, or grade into a new "
            "folder (--output)."
        )


def changed_points(lab: Lab, judgement: Judgement) -> str:
    """Return which points differ between a lab and a judgement of it; "" if none do."""
    now = {name: float(exercise.points) for name, exercise in lab.exercises.items()}
    now |= {f"answer_{name}": float(cell.metadata.nbgrader.points) for name, cell in lab.answers.items()}
    changes = []
    for name, points in now.items():
        rows = judgement.of(name)
        then = sum(row.max_points or 0.0 for row in rows)
        if rows and abs(then - points) > 2 * ROUNDING * len(rows):
            changes.append(f"{name} was worth {round(then, 4):g} and is worth {points:g}")
    return ", ".join(changes)
