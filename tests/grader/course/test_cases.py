"""Points are shared by weight, and validation weighs a quarter whatever its number."""

import collections
from dataclasses import replace

import pytest

from helpers.grader.course.cases import Case, misconception, shares, validation


def case(name, weight=1.0):
    return Case("f", name, (1,), weight=weight)


def bad(name):
    return validation("f", name, (0,), good=(1,))


def test_shares_follow_weights_and_add_up():
    assert shares([case("a"), case("b", 3.0)]) == {"a": 0.25, "b": 0.75}


@pytest.mark.parametrize("number", [1, 3])
def test_validation_weighs_a_quarter(number):
    found = shares([case("a"), case("b"), *(bad(str(place)) for place in range(number))])
    assert sum(share for name, share in found.items() if name.startswith("validation_")) == pytest.approx(0.25)
    assert sum(found.values()) == pytest.approx(1)


def test_nothing_but_the_seed_says_which_call_of_a_hidden_validation_case_is_bad():
    case = validation("f", "a", (0,), good=(1,), construct=(2,), good_construct=(3,))
    assert case.as_called() is case  # a visible one keeps its order
    orders = collections.Counter()
    for seed in range(600):
        called = replace(case, seed=seed).as_called()
        assert called.arguments == () and set(called.options) == {"calls", "names"}
        assert set(called.options["calls"]) == {((2,), (0,)), ((3,), (1,))}
        orders[tuple(call for _, call in called.options["calls"])] += 1
    assert len(orders) == 6 and max(orders.values()) < 150


def test_validation_alone_is_no_exercise():
    with pytest.raises(ValueError, match="a case that judges a value"):
        shares([bad("a")])


def test_a_misconception_keeps_its_name_and_stays_callable():
    @misconception("f", "You add.", read="Sums")
    def added(x):
        return x + 1

    assert added(1) == 2 and (added.misconception.name, added.misconception.exercise) == ("added", "f")
