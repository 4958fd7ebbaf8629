"""helpers.engine.precision: which models use bfloat16, and on which devices."""

import pytest
import torch

from helpers.engine import precision
from helpers.models import load_student


def large():
    with torch.device("meta"):
        model = torch.nn.Linear(4000, 4000)
    return model


@pytest.mark.parametrize("pays", [True, False])
def test_large_models_follow_the_device_and_small_ones_keep_float32(monkeypatch, pays):
    monkeypatch.setattr(precision, "bfloat16_is_faster", lambda device: pays)
    assert precision.choose_precision(large()) == (torch.bfloat16 if pays else torch.float32)
    assert precision.choose_precision(load_student("tiny")) == torch.float32


@pytest.mark.parametrize(("slow", "expected"), [(torch.float32, True), (torch.bfloat16, False), (None, False)])
def test_bfloat16_must_be_clearly_faster(monkeypatch, slow, expected):
    """A clock that only products move: 3 ticks in the slow dtype, 1 in the other."""
    now = [0.0]

    class Matrix:
        def __init__(self, dtype):
            self.ticks = 3 if dtype == slow else 1

        def __matmul__(self, other):
            now[0] += self.ticks
            return self

        def __getitem__(self, place):
            return torch.zeros(())

    monkeypatch.setattr(precision.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(precision.torch, "ones", lambda *shape, dtype, device: Matrix(dtype))
    assert precision.bfloat16_is_faster.__wrapped__("cpu") is expected


def test_products_run_in_the_dtype_of_autocast():
    weight = torch.ones(2, 2)
    assert precision.product_dtype(weight) == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert precision.product_dtype(weight) == torch.bfloat16 == (weight @ weight).dtype
    with torch.autocast("cpu", torch.bfloat16, enabled=False):
        assert precision.product_dtype(weight) == torch.float32
