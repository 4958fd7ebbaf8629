"""Points are shared by weight, and validation weighs a quarter whatever its number."""

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


def test_validation_alone_is_no_exercise():
    with pytest.raises(ValueError, match="a case that judges a value"):
        shares([bad("a")])


def test_a_misconception_keeps_its_name_and_stays_callable():
    @misconception("f", "You add.", read="Sums")
    def added(x):
        return x + 1

    assert added(1) == 2 and (added.misconception.name, added.misconception.exercise) == ("added", "f")
