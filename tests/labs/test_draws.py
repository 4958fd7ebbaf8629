"""No case depends on the order of random draws, except where a lab's text promises an order."""

from __future__ import annotations

import pytest

from helpers.checks import compare
from helpers.checks.encoding import decode, encode
from helpers.checks.fixtures import ModelSpec
from helpers.checks.observers import observe
from helpers.grader.course.lab import seed_of
from tests.labs.common import EXERCISES, SEEDS, drawn, lab_of

pytestmark = pytest.mark.slow

# The docstring gives the order of the draws, and every answer gets the same generator.
ORDER_PROMISED = {("08_speculative", "speculate")}


def with_other_draws(argument):
    """The same argument; a generator starts elsewhere."""
    if isinstance(argument, ModelSpec) and argument.name == "generator":
        return ModelSpec("generator", seed=argument.settings["seed"] + 1)
    return argument


@pytest.mark.parametrize(("name", "exercise"), [item for item in EXERCISES if item not in ORDER_PROMISED])
def test_other_random_numbers_give_the_same_verdict(name, exercise):
    """What a right answer gives with other random numbers is right: so is one that draws in another order."""
    lab = drawn(name, SEEDS[0])
    answer, examples = lab.reference[exercise], lab_of(name).exercises[exercise].examples
    refused = []
    for case in (case.as_called() for case in (*lab.exercises[exercise].cases, *examples)):
        arguments = [decode(encode(with_other_draws(argument))) for argument in case.arguments]
        seen = observe(case.observe, answer, arguments, decode(encode(case.options)), seed_of(case) + 1)
        own = [decode(encode(argument)) for argument in case.arguments]
        due = observe(case.observe, answer, own, decode(encode(case.options)), seed_of(case))
        values, right = ({label: decode(item) for label, item in reply["values"].items()} for reply in (seen, due))
        if compare.differs(right, values, case.absolute, case.relative):
            refused.append(case.name)
    assert not refused


@pytest.mark.parametrize(("name", "exercise"), sorted(ORDER_PROMISED))
def test_where_an_order_of_draws_is_judged_the_text_promises_it(name, exercise):
    assert "in the order that the\n    text says" in (lab_of(name).reference[exercise].__doc__ or "")
