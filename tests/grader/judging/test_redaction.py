"""What feedback says of a hidden case names the kind of a difference, and quotes nothing that could carry a number."""

import pytest
import torch

from helpers.checks.compare import Mismatch, MismatchKind, describe, mismatch
from helpers.checks.encoding import Opaque
from helpers.grader.judging.redaction import in_kind, redacted

SECRET = 31.25
HALF = torch.tensor([0.5, 0.25])


def said(expected, seen, label="value"):
    difference = mismatch(expected, seen)
    assert difference is not None
    return in_kind(label, seen, difference)


@pytest.mark.parametrize(
    ("expected", "seen", "clause"),
    [
        (HALF, HALF + SECRET, "its values differ from the right ones"),
        ((1.0, HALF), (1.0, HALF + SECRET), "value 2: its values differ from the right ones"),
        ({"loss": 1.0}, {f"loss {SECRET}": 1.0}, "its keys are not the expected ones"),
        ({"a": {"b": 1.0}}, {"a": {SECRET: 1.0}}, "a: its keys are not the expected ones"),
        (1.0, Opaque(f"builtins.x{SECRET}"), "it is an object of another kind, not plain numbers"),
        ((1.0, 2.0), (1.0, Opaque(f"it is {SECRET}, not plain\nnumbers")), "value 2: it is an object of another kind, "
         "not plain numbers"),
        (1.0, Opaque("builtins.bytes"), "it is builtins.bytes, not plain numbers"),
        ("#### 7", str(SECRET), "it is a different string"),
        (True, False, "it is the opposite truth value"),
        (HALF, str(SECRET), "it is a string, and it should be a tensor of shape (2,)"),
        (HALF, HALF[None], "its shape is (1, 2), and it should be (2,)"),
        (HALF, HALF * float("nan"), "it is not finite everywhere: it holds NaN or an infinity"),
    ],
)  # fmt: skip
def test_a_difference_is_told_in_kind(expected, seen, clause):
    assert said(expected, seen) == clause
    assert said(expected, seen, label="gradient of x") == f"gradient of x: {clause}"


def test_every_kind_of_mismatch_has_words_and_no_number_that_a_hidden_case_holds():
    for kind in MismatchKind:
        full = Mismatch(kind, "seen", "expected", largest_error=SECRET)
        assert describe(full), kind
        assert "31" not in describe(redacted(full)), kind


def test_what_bad_input_raised_is_named_only_if_python_has_it():
    difference = Mismatch(MismatchKind.TEXT)
    assert in_kind("raised", "TypeError", difference) == "bad input must raise ValueError, and it raised TypeError"
    assert in_kind("raised", "nothing", difference).endswith("raised nothing")
    assert in_kind("raised", f"Error{SECRET}", difference).endswith("raised another error")
    assert in_kind("raised", Opaque("x"), difference).endswith("raised another error")


def test_changed_inputs_are_said_without_their_places():
    assert said([], [SECRET], label="changed inputs") == "it changes an argument that was passed to it"
