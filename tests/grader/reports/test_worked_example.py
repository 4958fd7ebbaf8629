"""The example on a feedback page, for every mistake that the labs know."""

from __future__ import annotations

import pytest

from helpers.grader.judging.judgement import Row
from helpers.grader.reports.worked_example import worked_example
from tests.labs.common import EXERCISES, lab_of


@pytest.mark.slow
@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_every_known_mistake_has_an_example_in_which_it_differs(name, exercise):
    lab = lab_of(name)
    for known in lab.exercises[exercise].misconceptions:
        row = Row(exercise, "hidden", 0.0, 1.0, "wrong", misconception=known.name)
        example = worked_example(lab, lab.exercises[exercise], [row])
        assert example is not None and example.expected, known.name
        assert not example.mistaken or example.mistaken != example.expected, known.name
