"""Values cross the boundary as plain data, and nothing of the student's is called on the way."""

import json
import math

import numpy as np
import pytest
import torch

from helpers.checks.encoding import Opaque, decode, encode


def crossed(value):
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([[1.5, -0.0], [3.25, 1e-30]]),
        torch.tensor(2.5, dtype=torch.float64),
        torch.tensor([1.5, 2.5]).bfloat16(),
        torch.tensor([True, False]),
        torch.tensor([[1, 2], [3, 2**40]]),
        torch.empty(0, 3),
        torch.arange(12.0).reshape(3, 4).t(),
        torch.arange(7.0).reshape(1, 1, 7).topk(2, dim=-1).values[..., 1],
        torch.arange(12.0).reshape(3, 4)[:, ::2],
    ],
)
def test_a_tensor_crosses_unchanged(tensor):
    seen = crossed(tensor)
    assert (seen.dtype, seen.shape, seen.is_contiguous()) == (tensor.dtype, tensor.shape, tensor.is_contiguous())
    assert torch.equal(seen, tensor)


@pytest.mark.parametrize("value", [None, True, -3, 2.5, "text", [1, (2.0, None)], {"mask": [1], 2: "b"}])
def test_plain_values_cross_unchanged(value):
    assert crossed(value) == value


def test_infinities_cross_though_json_has_none():
    assert crossed(math.inf) == math.inf and math.isnan(crossed(math.nan))


class Liar(torch.Tensor):
    """A tensor that claims to be what it is compared with."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise AssertionError("nothing of a subclass may be called")


class EqualToAll(float):
    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(2).as_subclass(Liar),
        EqualToAll(1.0),
        np.zeros(2).view(np.recarray),
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2, 2).to_sparse(),
        torch.zeros(2, device="meta"),
        torch.zeros(1).expand(5_000_000),
        lambda: 0,
    ],
)
def test_anything_else_is_named_and_not_called(value):
    assert isinstance(crossed(value), Opaque)


@pytest.mark.parametrize(
    "data",
    [
        {"tensor": {"dtype": "float32", "shape": [3], "data": "AAAA"}},
        {"tensor": {"dtype": "float32", "shape": [-1], "data": ""}},
        {"tensor": {"dtype": "float32", "shape": [10**9, 10**9], "data": ""}},
        {"pickle": "gASVAA=="},
        {"a": 1, "b": 2},
        [1, 2],
    ],
)
def test_malformed_data_is_refused(data):
    with pytest.raises(ValueError):
        decode(data)


@pytest.mark.parametrize(
    "sent",
    [
        {"model_spec": {"name": "sgd", "settings": {"mapping": []}}},
        {"list": [{"model_spec": {"name": "tokenizer", "settings": {"mapping": []}}}]},
        {"tensor": {"dtype": "float32", "shape": [0, 10**15], "data": ""}},
        {"tensor": {"dtype": "float32", "shape": [0, 2 * 10**9], "contiguous": False, "data": ""}},
        {"tensor": {"dtype": "float32", "shape": [1] * 200, "data": "AAAAAA=="}},
    ],
)
def test_what_a_students_process_sends_makes_nothing_large(sent):
    with pytest.raises(ValueError):
        decode(sent, hostile=True)


def test_a_students_tensor_is_laid_out_in_one_piece():
    sent = encode(torch.arange(12.0).reshape(3, 4).t())
    assert decode(sent, hostile=True).is_contiguous() and torch.equal(decode(sent, hostile=True), decode(sent))
