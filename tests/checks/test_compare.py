"""Right answers in every form agree; wrong ones do not, and the difference is said."""

import math

import pytest
import torch

from helpers.checks.compare import mismatch, ratio
from helpers.checks.observers import Opaque

HALF = torch.tensor([0.5, 0.25])


@pytest.mark.parametrize(
    ("expected", "seen"),
    [
        (HALF, HALF.double()),
        (HALF, HALF + 2e-5),
        (torch.tensor(1.5), 1.5),
        (1.5, torch.tensor(1.5)),
        (3, 3.0),
        ((HALF, 2), [HALF, 2]),
        ({"loss": 1.0}, {"loss": torch.tensor(1.0)}),
        ([], []),
        ("ValueError", "ValueError"),
        (True, True),
    ],
)
def test_right_values_agree(expected, seen):
    assert mismatch(expected, seen) is None


@pytest.mark.parametrize(
    ("expected", "seen", "says"),
    [
        (HALF, HALF + 1e-3, "off by up to 0.001"),
        (HALF, HALF[None], "shape is (1, 2)"),
        (torch.tensor(1.5), torch.tensor([1.5]), "shape is (1,)"),
        (HALF, torch.tensor([0.5, math.nan]), "not finite"),
        (torch.tensor(1.0), math.inf, "not finite"),
        (HALF, None, "None"),
        (torch.tensor(1.0), True, "True or False"),
        (HALF, Opaque("tests.Liar"), "tests.Liar"),
        ((HALF, 2), HALF, "2 values"),
        ((HALF, 2), (HALF, 3), "value 2"),
        ({"loss": 1.0}, {"los": 1.0}, "keys"),
        ([0], [], "0 values"),
        (1.0, 10**400, "not finite"),
        ("ValueError", "nothing", "another text"),
        (False, [], "a list, and True or False is due"),
        (None, 0, "a number, and None is due"),
        ("#### 7", None, "None, and a text is due"),
        (True, False, "the other truth value"),
    ],
)
def test_wrong_values_differ(expected, seen, says):
    assert says in mismatch(expected, seen)


def test_wider_tolerance_only_where_it_is_asked_for():
    assert mismatch(HALF, HALF + 4e-3) and mismatch(HALF, HALF + 4e-3, 5e-3, 0) is None


def test_a_constant_factor_is_found():
    assert ratio(HALF, 9 * HALF) == pytest.approx(9)
    assert ratio(HALF, -HALF) == pytest.approx(-1)
    assert ratio(HALF, HALF + 1) is None and ratio(HALF, HALF) is None and ratio(HALF * 0, HALF) is None
