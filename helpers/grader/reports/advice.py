"""What a student is told about an exercise that is not right: the likely cause, what to do, and what failed.

A cause is what the judge has named (`helpers.checks.diagnosis`); the numbers of a hidden case are never told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from helpers.checks.error_causes import explain_error
from helpers.grader.course.lab import Exercise
from helpers.grader.judging.judgement import Row

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
    """A known mistake or a relation that explains wrong values, and the section to read again."""

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


def words(verdict: str, failed: list[Row]) -> str:
    """Return a verdict in words; `failed`: the rows that it is about, if any."""
    if verdict == "wrong" and all(_is_validation(row) for row in failed):
        return "bad input not rejected"
    return VERDICT_WORDS[verdict]


def _is_validation(row: Row) -> bool:
    return row.case.startswith("validation")


def likely_causes(exercise: Exercise, failed: list[Row]) -> tuple[LikelyCause, ...]:
    named = dict.fromkeys(row.misconception for row in failed)
    return tuple(LikelyCause(*exercise.causes[name]) for name in named if name in exercise.causes)


def advice(exercise: Exercise, failed: list[Row], explained: bool) -> str:
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


def group_failures(failed: Iterable[Row], cases: int) -> tuple[Failure, ...]:
    """Return the failures with those that look the same together; `cases`: how many the exercise has."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in failed:
        groups.setdefault((row.verdict, row.seen or row.note, row.line), []).append(row)
    return tuple(
        Failure(
            verdict=words(verdict, rows),
            seen=seen,
            line=line,
            cases=len(rows),
            kinds=tuple(dict.fromkeys(row.about for row in rows if row.about)) if len(rows) < cases else (),
            points_lost=sum((row.max_points or 0.0) - (row.points or 0.0) for row in rows),
        )
        for (verdict, seen, line), rows in groups.items()
    )
