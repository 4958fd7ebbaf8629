"""Right answers in every form agree; wrong ones do not, and the difference is said."""

import math

import pytest
import torch

from helpers.checks.compare import Mismatch, MismatchKind, describe, mismatch
from helpers.checks.encoding import Opaque

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
        (HALF, HALF + 1e-3, "its values differ from the right ones by up to 0.001"),
        (HALF, HALF[None], "its shape is (1, 2), and it should be (2,)"),
        (torch.tensor(1.5), torch.tensor([1.5]), "its shape is (1,), and it should be ()"),
        (HALF, torch.tensor([0.5, math.nan]), "it is not finite everywhere: it holds NaN or an infinity"),
        (torch.tensor(1.0), math.inf, "it is not finite everywhere: it holds NaN or an infinity"),
        (HALF, None, "it is None, and it should be a tensor of shape (2,)"),
        (torch.tensor(1.0), True, "it is True or False, and it should be a tensor with one number"),
        (HALF, Opaque("tests.Liar"), "it is tests.Liar, not plain numbers"),
        ((HALF, 2), HALF, "it is a tensor of shape (2,), and it should be a sequence of 2 values"),
        ((HALF, 2), (HALF, 3), "value 2: its values differ from the right ones by up to 1"),
        ({"loss": 1.0}, {"los": 1.0}, "its keys are los, and they should be loss"),
        (
            {"loss": (1.0, 2.0)},
            {"loss": (1.0, 2.5)},
            "loss: value 2: its values differ from the right ones by up to 0.5",
        ),
        ({"loss": 1.0}, 1.0, "it is a number, and it should be a dictionary"),
        ([0], [], "it holds 0 values, and it should hold 1"),
        (1.0, 10**400, "it is not finite everywhere: it holds NaN or an infinity"),
        ("ValueError", "nothing", "it is a different string"),
        (False, [], "it is a list, and it should be True or False"),
        (None, 0, "it is a number, and it should be None"),
        ("#### 7", None, "it is None, and it should be a string"),
        (True, False, "it is the opposite truth value"),
    ],
)
def test_wrong_values_differ(expected, seen, says):
    assert describe(mismatch(expected, seen)) == says


def test_a_mismatch_holds_what_differs_as_data():
    assert mismatch({"loss": (1.0, HALF)}, {"loss": (1.0, HALF[None])}) == Mismatch(
        MismatchKind.SHAPE, (1, 2), (2,), path=("loss", "value 2")
    )
    assert mismatch(1.0, 1.5) == Mismatch(MismatchKind.VALUES, largest_error=0.5)


def test_wider_tolerance_only_where_it_is_asked_for():
    assert mismatch(HALF, HALF + 4e-3) and mismatch(HALF, HALF + 4e-3, 5e-3, 0) is None
