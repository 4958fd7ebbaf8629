"""Values are shown in Python's own words, short enough to read."""

import pytest
import torch

from helpers.checks.fixtures import ModelSpec, build
from helpers.checks.result import show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.tensor([True, False]), "[True, False]  (shape (2,))"),
        (torch.tensor([1.5, -torch.inf, torch.nan]), "[1.5, -inf, nan]  (shape (3,))"),
        (torch.tensor([[1, 2], [3, 4]]), "[[1, 2],\n [3, 4]]  (shape (2, 2))"),
        (torch.tensor([0.123456]), "[0.1235]  (shape (1,))"),
        (torch.zeros(61), "…  (shape (61,))"),
        (torch.tensor(True), "True"),
        (torch.tensor(-torch.inf), "-inf"),
        (float("-inf"), "-inf"),
        (1 / 3, "0.333333"),
        ({"a": 1.0, "b": None}, "a: 1\nb: None"),
        (ModelSpec("sgd", of=0, learning_rate=0.5), "ModelSpec('sgd', of=0, learning_rate=0.5)"),
        (build("sgd", {"of": 0, "learning_rate": 0.5}), "torch.optim.SGD(…, lr=0.5)"),
    ],
)
def test_a_value_is_shown_as_python_would_write_it(value, text):
    assert show("value", value) == text
    assert show("gradient of x", value) == f"gradient of x: {text}"


def test_a_model_is_shown_by_its_size_and_mode():
    shown = show("value", build("gpt2", {"seed": 1, "training": True}))
    assert shown == "a GPT2LMHeadModel with 1072 weights, in train mode"
