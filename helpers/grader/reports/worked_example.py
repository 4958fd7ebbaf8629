"""One actual call with numbers for an exercise that failed: a visible example, which gives nothing away.

What came back from a student's own answer is not shown: by then its process has seen hidden inputs and could put them
into any value. If the cause is known, what that mistake gives on the example is computed here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from helpers.checks.compare import mismatch
from helpers.checks.encoding import decode, encode
from helpers.checks.result import show
from helpers.checks.visible_check import call_text
from helpers.grader.course.cases import Case
from helpers.grader.course.lab import Exercise, Lab
from helpers.grader.judging.judgement import Row


@dataclass(frozen=True)
class WorkedExample:
    """A call of an exercise, as text.

    Attributes:
        about: what the example shows.
        call: the call and its arguments.
        expected: what a right answer gives.
        mistaken: what the known mistake gives; empty if no cause is named.
    """

    about: str
    call: str
    expected: str
    mistaken: str = ""


def worked_example(lab: Lab, exercise: Exercise, failed: Collection[Row]) -> WorkedExample | None:
    """Return the example that shows best what the failed rows have in common; None if there is no call to show."""
    if exercise.quiz or not failed or all(row.verdict == "missing" for row in failed):
        return None
    key = lab.example_key(exercise.name)
    named = next((row.misconception for row in failed if row.misconception), "")
    telling = []
    for case in exercise.examples:
        expected, wrong = key[case.name].expected, key[case.name].known_wrong.get(named, {})
        if label := _label_that_differs(case, expected, wrong):
            shown = show(label, expected[label]), show(label, wrong.get(label))
            if shown[0] != shown[1]:  # a tight case may fail by less than the digits that are shown
                telling.append(WorkedExample(case.about, _call(case), *shown))
    if telling:
        return min(telling, key=lambda example: len(example.call))
    case = _like(exercise.examples, failed)
    return WorkedExample(case.about, _call(case), _expected(case, key[case.name].expected))


def _label_that_differs(case: Case, expected: dict[str, Any], wrong: dict[str, Any]) -> str:
    """Return what of an observation a known mistake gets wrong, as the case judges it; "" if nothing."""
    if not wrong:
        return ""
    tolerance = case.absolute, case.relative
    return next((name for name, right in expected.items() if mismatch(right, wrong.get(name), *tolerance)), "")


def _like(examples: list[Case], failed: Collection[Row]) -> Case:
    """Return the example of the kind that failed, or else the first that judges the same: values, or validation."""
    abouts = {row.about for row in failed}
    only_validation = all(row.case.startswith("validation") for row in failed)
    judged = [case for case in examples if case.is_validation == only_validation] or examples
    return next((case for case in judged if case.about in abouts), judged[0])


def _expected(case: Case, expected: dict[str, Any]) -> str:
    if case.is_validation:
        return "a ValueError"
    return "\n".join(show(label, value) for label, value in expected.items() if label != "changed inputs")


def _call(case: Case) -> str:
    arguments = [decode(encode(argument)) for argument in case.arguments]
    return call_text(case.exercise, arguments, case.options)
