"""Judge one exercise: call the student's answer on every case in the kernel, and make a row of each outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from helpers.checks.encoding import encode
from helpers.grader.course.cases import Case
from helpers.grader.course.lab import Exercise, Lab, seed_of
from helpers.grader.judging.carry_through import carried_through
from helpers.grader.judging.causes import causes
from helpers.grader.judging.cell_outcomes import CellOutcomes
from helpers.grader.judging.judgement import Row
from helpers.grader.judging.settle import CaseOutcome, settle
from helpers.grader.judging.student_kernel import KernelDied, StudentKernel, TimeUp


@dataclass(frozen=True)
class JudgedExercise:
    """The rows of one exercise, and whether its kernel ended on the way."""

    rows: list[Row]
    kernel_ended: bool


@dataclass(frozen=True)
class TimeBudget:
    """How long the cases of one exercise may take: `seconds`, and no longer than until `deadline` (monotonic)."""

    seconds: float
    deadline: float


def judge_exercise(
    kernel: StudentKernel,
    lab: Lab,
    exercise: Exercise,
    cells: CellOutcomes,
    budget: TimeBudget,
    mistakes: Mapping[str, str] = MappingProxyType({}),
) -> JudgedExercise:
    """Call the answer on every case. If the kernel ends on the way, the cases that are left take its verdict.

    Args:
        kernel: runs the student's notebook, up to this exercise's check.
        lab: the lab.
        exercise: what is judged.
        cells: what became of the notebook's cells.
        budget: how long all cases may take.
        mistakes: the known mistakes of exercises that were judged before, which carry through.
    """
    start = time.monotonic()
    key = lab.key(exercise.name)
    outcomes: dict[str, CaseOutcome] = {}
    last: CaseOutcome | None = None  # the outcome after which no other case is called
    kernel_ended = False
    for case in exercise.cases:
        left = min(budget.seconds - (time.monotonic() - start), budget.deadline - time.monotonic())
        if last is None and left <= 0:
            last = CaseOutcome("timeout", note=f"the exercise's {budget.seconds:g} s were used up")
        if last is None:
            try:
                outcomes[case.name] = settle(case, key[case.name].expected, kernel.ask(request_of(case), left), cells)
                continue
            except TimeUp:
                outcomes[case.name] = CaseOutcome("timeout", note="stopped while this case ran")
                continue
            except KernelDied as death:
                kernel_ended = True
                last = CaseOutcome(death.verdict, note="the kernel ended while this exercise was called")
        outcomes[case.name] = last
    seconds = round(time.monotonic() - start, 3)
    outcomes = carried_through(lab, exercise, outcomes, mistakes)
    return JudgedExercise(_rows(lab, exercise, outcomes, seconds), kernel_ended)


def request_of(case: Case) -> dict[str, Any]:
    case = case.as_called()
    return {
        "name": case.exercise,
        "observe": case.observe,
        "arguments": [encode(argument) for argument in case.arguments],
        "options": encode(case.options),
        "seed": seed_of(case),
    }


def _rows(lab: Lab, exercise: Exercise, outcomes: dict[str, CaseOutcome], seconds: float) -> list[Row]:
    correct = {name for name, outcome in outcomes.items() if outcome.verdict == "correct"}
    values = {name: outcome.values for name, outcome in outcomes.items()}
    named = causes(lab, exercise, values, correct)
    rows = []
    for case in exercise.cases:
        outcome, max_points = outcomes[case.name], round(exercise.case_points[case.name], 6)
        rows.append(
            Row(
                exercise=exercise.name,
                case=case.name,
                points=max_points if outcome.verdict == "correct" else 0.0,
                max_points=max_points,
                verdict=outcome.verdict,
                misconception=named.get(case.name, ""),
                seconds=seconds,
                note=outcome.note,
                about=case.about,
                seen=outcome.seen,
                line=outcome.line,
                calls=outcome.calls,
            )
        )
    return rows


def rows_without_a_call(exercise: Exercise, verdict: str, note: str) -> list[Row]:
    """Return the rows of an exercise that was never called: the same verdict for every case."""
    points = exercise.case_points
    return [
        Row(exercise.name, case.name, 0.0, round(points[case.name], 6), verdict, note=note, about=case.about)
        for case in exercise.cases
    ]
