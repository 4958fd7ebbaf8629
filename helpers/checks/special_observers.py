"""Observers of answers whose value is not compared as it is: keys, letters, many answers, and adapted layers.

Like `helpers.checks.observers`, this file is sent to the kernel as text; see there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from helpers.checks.optional_torch import torch

# Saved before the student's first cell runs, so that replacing them later changes nothing here.
_TensorType, _Parameter = torch.Tensor, torch.nn.Parameter
_Linear, _equal_numbers, _pattern, _back = torch.nn.Linear, torch.equal, torch.linspace, torch.autograd.backward


def grouping(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Call the answer on each item of the one argument; observe which results are equal, and whether all are text.

    A result's number is the place of the first result that is equal to it. Python's own hash() may not be used: it
    gives other numbers in every session.
    """

    def refused(*_: Any) -> None:
        raise ValueError("hash() of a text is another number in every session")

    space = getattr(answer, "__globals__", {})
    space.setdefault("hash", refused)
    try:
        results = [answer(item) for item in arguments[0]]
    finally:
        if space.get("hash") is refused:
            del space["hash"]
    texts = [result if type(result) is str else repr(type(result)) for result in results]
    return {"which are equal": [texts.index(text) + 1 for text in texts],
            "all are text": all(type(result) is str for result in results)}  # fmt: skip


def each(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Call the answer on each item of the one argument; observe the list of its values."""
    return {"value": [answer(item) for item in arguments[0]]}


def whole_numbers(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Call the answer; observe whether the numbers that come back, one or several, are whole ones by their type."""
    result = answer(*arguments)
    results = result if type(result) in (list, tuple) else [result]
    return {"whole numbers by type": [_is_whole(item) for item in results]}


def _is_whole(value: Any) -> bool:
    if type(value) in (_TensorType, _Parameter):
        return not value.is_floating_point() and not value.is_complex() and value.dtype != torch.bool
    return type(value) is int or isinstance(value, np.integer)


def adapter(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Build an adapted layer on the linear layer in `construct`; observe it at first, trained, and merged.

    "Trained" means that its trainable weights, told apart by their shapes, hold fixed numbers. `watch` lists the parts
    to observe: "start", "trained" and "merged".
    """
    linear, (x,) = options["construct"][0], arguments
    before = [weight.detach().clone() for weight in linear.parameters()]
    layer, seen = answer(*options["construct"]), {}
    first = layer(x)
    trainable = sorted((w for w in layer.parameters() if w.requires_grad), key=lambda weight: tuple(weight.shape))
    if "start" in options["watch"]:
        seen["value"] = first
        seen["shapes of what is trained"] = [list(weight.shape) for weight in trainable]
        seen["of these, zero at first"] = [list(weight.shape) for weight in trainable if not weight.detach().any()]
    with torch.no_grad():
        for place, weight in enumerate(trainable, 1):
            weight.copy_(_pattern(-1, place, weight.numel(), dtype=weight.dtype).reshape(weight.shape))
    trained = layer(x)
    if "trained" in options["watch"]:
        seen["value after training"] = trained
        if trained.requires_grad:
            _back([trained], [_pattern(0.5, 1.5, trained.numel(), dtype=trained.dtype).reshape(trained.shape)])
        for weight in trainable:
            grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            seen[f"gradient of the weights of shape {list(weight.shape)}"] = grad
    if "merged" in options["watch"]:
        merged = layer.merge()
        seen["merge() gives"] = "an nn.Linear" if type(merged) is _Linear else "something else"
        seen["value after merging"] = merged(x)
        seen["value of the layer itself, after that"] = layer(x)
        seen["the merged weight is a copy"] = not any(
            weight.data_ptr() == merged.weight.data_ptr() for weight in linear.parameters()
        )
    seen["original weights changed"] = not all(
        _equal_numbers(weight.detach(), old) for weight, old in zip(linear.parameters(), before, strict=True)
    )
    return seen


def letter(answer: Any, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Look at the answer to a quiz, one letter in a variable; an empty one counts as not written."""
    if type(answer) is not str:
        raise TypeError("the answer to a quiz is one letter in quotes")
    if not answer.strip():
        raise NotImplementedError(f"{options['exercise']} is not written yet")
    return {"value": answer.strip().upper()}


SPECIAL_OBSERVERS = {
    "letter": letter,
    "grouping": grouping,
    "each": each,
    "adapter": adapter,
    "whole_numbers": whole_numbers,
}
