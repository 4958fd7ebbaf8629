"""The cause of each wrong value: a known mistake, a relation, or what the reference gives on changed inputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from helpers.checks.compare import differs
from helpers.checks.diagnosis import diagnose
from helpers.checks.relations.find import changed_inputs, lacking_properties, related
from helpers.checks.relations.relation import Observed
from helpers.grader.course.cases import Case
from helpers.grader.course.changed_inputs import OnChangedInputs, on_changed_inputs
from helpers.grader.course.exercise import Exercise
from helpers.grader.course.lab import Lab


def causes(
    lab: Lab, exercise: Exercise, values: Mapping[str, dict[str, Any] | None], correct: Collection[str]
) -> dict[str, str]:
    """Return the name of the cause of each wrong value, by case; cases that nothing explains are left out.

    Args:
        lab: the lab.
        exercise: the exercise.
        values: what was observed on each case, by label; None where no values came back.
        correct: the cases that the answer passes.
    """
    named = diagnose(lab.fitting(exercise, values, correct), correct)
    cases = [case for case in exercise.cases if not case.is_validation and case.name not in named]
    if exercise.quiz or all(case.name in correct for case in cases):
        return named
    key, names = lab.key(exercise.name), exercise.argument_names
    observed = {
        case.name: Observed(case.arguments, key[case.name].expected, values.get(case.name), case.absolute)
        for case in cases
    }
    named |= {case: relation.name for case, relation in related(observed, correct, names).items()}
    cases = [case for case in cases if case.name not in named]
    if sum(case.name not in correct for case in cases) > 1:
        fitting = {case.name: _fitting(case, on_changed_inputs(lab, case), values, correct) for case in cases}
        named |= {case: change.name for case, change in changed_inputs(fitting, correct, names).items()}
    left = {case: item for case, item in observed.items() if case not in named}
    return named | {case: relation.name for case, relation in lacking_properties(left, correct).items()}


def _fitting(
    case: Case, changed: OnChangedInputs, values: Mapping[str, dict[str, Any] | None], correct: Collection[str]
) -> list[str]:
    """Return the changes that give what was seen on a case; if that is right, of all that make a difference."""
    seen = values.get(case.name)
    return [
        name
        for name, wrong in changed.items()
        if case.name in correct or (seen is not None and not differs(wrong, seen, case.absolute, case.relative))
    ]
