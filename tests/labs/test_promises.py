"""Every promise that an exercise's text makes is held by a case: an answer that breaks it fails there."""

from __future__ import annotations

import pytest

from tests.labs.common import EXERCISES, SEEDS, drawn
from tests.labs.promises import PROMISES, failed_cases, words_of

pytestmark = pytest.mark.slow

OF_EACH = {(name, exercise): [item for item in PROMISES if (item.lab, item.exercise) == (name, exercise)]
           for name, exercise in EXERCISES}  # fmt: skip


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_a_mutant_that_breaks_a_promise_fails_the_cases_that_hold_it(name, exercise):
    lab = drawn(name, SEEDS[0])
    known = {case.name for case in lab.exercises[exercise].cases}
    assert OF_EACH[name, exercise], f"solutions/{name}/promises.toml says nothing of {exercise}"
    for promise in OF_EACH[name, exercise]:
        assert promise.text in words_of(name), f"the lab does not say: {promise.text}"
        assert promise.cases and set(promise.cases) <= known, promise
        passed = set(promise.cases) - failed_cases(lab, exercise, promise.mutant(lab))
        assert not passed, f"“{promise.text}”: {promise.change[1]!r} passes {passed}"


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_every_validating_case_holds_a_promise_of_the_text(name, exercise):
    """What must be refused is said. One mutant for each would be long: cases of one promise differ in their input."""
    lab = drawn(name, SEEDS[0])
    held = {case for promise in OF_EACH[name, exercise] for case in promise.cases}
    validating = {case.name for case in lab.exercises[exercise].cases if case.is_validation}
    assert validating <= held


def test_every_promise_belongs_to_an_exercise():
    assert {(item.lab, item.exercise) for item in PROMISES} <= set(EXERCISES)
