"""What an answer may have made of the right value without any argument: exp of it, its negation, an axis exchanged.

Each entry of `MADE` is a name, what to tell the student, and the step from the right value to the wrong one; each of
`LEFT` has the step that the answer left out, from the wrong value to the right one. A step returns None where it does
not apply, and may raise what Python or torch raise on a value of another kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from helpers.checks.compare import as_tensor
from helpers.checks.optional_torch import HAS_TORCH, torch

Step = Callable[[Any], Any]
Entry = tuple[str, str, Step]
SAID = "What comes back is "


def _numbers(step: Callable[[torch.Tensor], torch.Tensor], least: int = 0) -> Step:
    """Return a step on numbers and tensors with at least that many dimensions; lists of numbers count as tensors."""

    def on_numbers(value: Any) -> Any:
        if isinstance(value, bool) or value is None:
            return None
        is_list = isinstance(value, (list, tuple)) and all(type(item) in (int, float) for item in value)
        tensor = torch.tensor(value, dtype=torch.float64) if is_list else as_tensor(value)
        if tensor is None or tensor.dim() < least:
            return None
        made = step(tensor)
        return made.tolist() if is_list and made is not None and made.dim() == 1 else made

    return on_numbers


def _of_many(step: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], Any]:
    return lambda tensor: step(tensor) if tensor.numel() > 1 else None


def _lists(step: Callable[[list], Any]) -> Step:
    return lambda value: step(list(value)) if isinstance(value, (list, tuple)) else None


def _texts(step: Callable[[str], Any]) -> Step:
    return lambda value: step(value) if isinstance(value, str) else None


def _truths(step: Callable[[bool], bool]) -> Step:
    """Return a step on truth values and lists of them."""

    def on_truths(value: Any) -> Any:
        if isinstance(value, (list, tuple)) and value and all(isinstance(item, bool) for item in value):
            return [step(item) for item in value]
        return step(value) if isinstance(value, bool) else None

    return on_truths


def _keep(dim: int, part: slice) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda tensor: tensor[(slice(None),) * dim + (part,)]


def _made() -> Iterator[Entry]:
    yield "all ones", SAID + "1 everywhere.", _numbers(torch.ones_like)
    yield "all zeros", SAID + "0 everywhere.", _numbers(torch.zeros_like)
    yield (
        "exp of the right value",
        SAID + "exp of the right value: a log() is missing, or an exp() one too many.",
        (_numbers(torch.exp)),
    )
    yield (
        "log of the right value",
        SAID + "the logarithm of the right value: an exp() is missing, or a log() one too many.",
        _numbers(torch.log),
    )
    yield (
        "square of the right value",
        SAID + "the square of the right value: a square root is missing, or a square one too many.",
        _numbers(torch.square),
    )
    yield "root of the right value", SAID + "the square root of the right value.", _numbers(torch.sqrt)
    yield (
        "1 / right value",
        SAID + "1 divided by the right value: numerator and denominator are exchanged.",
        (_numbers(torch.reciprocal)),
    )
    yield "1 − right value", SAID + "1 minus the right value: the other part of the whole.", _numbers(lambda x: 1 - x)
    yield "absolute value", SAID + "the absolute value of the right one: the sign is lost.", _numbers(torch.abs)
    yield "negative values cut off", SAID + "0 wherever the right value is negative.", _numbers(torch.relu)
    yield "rounded", SAID + "the right value, rounded to whole numbers.", _numbers(torch.round)
    yield (
        "cut to a whole number",
        SAID + "the right value without its decimals: look for int() or //.",
        (_numbers(torch.trunc)),
    )
    yield "one too many", SAID + "one more than the right value.", _numbers(lambda x: x + 1)
    yield "one too few", SAID + "one less than the right value.", _numbers(lambda x: x - 1)
    yield from _made_of_rows()
    yield from _moved()
    yield from _made_of_others()


def _made_of_rows() -> Iterator[Entry]:
    last = partial(torch.softmax, dim=-1), partial(torch.log_softmax, dim=-1)
    yield (
        "softmax of the right value",
        SAID + "the softmax of the right value: one softmax too many.",
        (_numbers(last[0], least=1)),
    )
    yield (
        "log-softmax of the right value",
        SAID + "the log-softmax of the right value: one too many.",
        (_numbers(last[1], least=1)),
    )
    yield (
        "rows divided by their sum",
        SAID + "the right value with each row divided by its sum.",
        (_numbers(lambda x: x / x.sum(-1, keepdim=True), least=1)),
    )
    yield (
        "uniform rows",
        SAID + "the same number in every place of a row, 1 divided by their count: a uniform distribution.",
        _numbers(lambda x: torch.full_like(x, 1 / x.shape[-1]), least=1),
    )
    yield "running sum", SAID + "the running sum of the right values.", _numbers(lambda x: x.cumsum(-1), least=1)
    for name, words, step in (
        ("sum of the right values", "the sum of the right values: they are asked for one by one.", torch.sum),
        ("mean of the right values", "the mean of the right values: they are asked for one by one.", torch.mean),
        ("largest of the right values", "only the largest of the right values.", torch.max),
    ):
        yield name, SAID + words, _numbers(step, least=1)
    for dim, where in ((0, "the first"), (1, "the second"), (-1, "the last")):
        least = 2 if dim == 1 else 1
        yield (
            f"summed over {where} dimension",
            SAID + f"the right value, summed over {where} dimension.",
            (_numbers(partial(torch.sum, dim=dim), least=max(least, 2))),
        )
        yield (
            f"averaged over {where} dimension",
            SAID + f"the right value, averaged over {where} dimension.",
            (_numbers(partial(torch.mean, dim=dim), least=max(least, 2))),
        )


def _moved() -> Iterator[Entry]:
    yield (
        "first two dimensions exchanged",
        SAID + "the right value with its first two dimensions exchanged.",
        (_numbers(lambda x: x.transpose(0, 1), least=2)),
    )
    yield (
        "last two dimensions exchanged",
        SAID + "the right value with its last two dimensions exchanged.",
        (_numbers(lambda x: x.transpose(-1, -2), least=2)),
    )
    for dim, where in ((0, ""), (1, " along the second dimension")):
        least = dim + 1
        yield (
            f"reversed{where}",
            SAID + f"the right value in reverse order{where}.",
            (_numbers(partial(torch.flip, dims=(dim,)), least)),
        )
        yield (
            f"shifted back by one{where}",
            SAID + f"the right values shifted by one{where}: each stands one place too early.",
            _numbers(partial(torch.roll, shifts=-1, dims=dim), least),
        )
        yield (
            f"shifted on by one{where}",
            SAID + f"the right values shifted by one{where}: each stands one place too late.",
            _numbers(partial(torch.roll, shifts=1, dims=dim), least),
        )
        yield (
            f"without the first{where}",
            SAID + f"the right value without its first entry{where}.",
            (_numbers(_keep(dim, slice(1, None)), least)),
        )
        yield (
            f"without the last{where}",
            SAID + f"the right value without its last entry{where}.",
            (_numbers(_keep(dim, slice(None, -1)), least)),
        )
    yield "sorted", SAID + "the right values in ascending order.", _numbers(lambda x: x.sort(-1).values, least=1)
    yield (
        "sorted downwards",
        SAID + "the right values in descending order.",
        (_numbers(lambda x: x.sort(-1, descending=True).values, least=1)),
    )


def _made_of_others() -> Iterator[Entry]:
    yield (
        "opposite truth value",
        SAID + "True where False is right, and False where True is right.",
        _truths(lambda value: not value),
    )
    yield "always True", SAID + "True on every input.", _truths(lambda _value: True)
    yield "always False", SAID + "False on every input.", _truths(lambda _value: False)
    yield "empty text", SAID + "an empty text.", _texts(lambda _text: "")
    yield "white space taken off", SAID + "the right text without the white space around it.", _texts(str.strip)
    yield "in small letters", SAID + "the right text in small letters.", _texts(str.lower)
    yield "in capitals", SAID + "the right text in capitals.", _texts(str.upper)
    yield "without its last character", SAID + "the right text without its last character.", _texts(lambda x: x[:-1])
    yield "items reversed", SAID + "the right items in reverse order.", _lists(lambda items: items[::-1])
    yield "items sorted", SAID + "the right items, sorted.", _lists(sorted)
    yield "first item missing", SAID + "the right items without the first.", _lists(lambda items: items[1:])
    yield "last item missing", SAID + "the right items without the last.", _lists(lambda items: items[:-1])
    yield "no items", SAID + "empty.", _lists(lambda _items: [])
    yield "first item alone", SAID + "the first of the right items alone.", _lists(lambda items: items[0])
    yield "last item alone", SAID + "the last of the right items alone.", _lists(lambda items: items[-1])


def _left() -> Iterator[Entry]:
    more = "What comes back still has to be "
    yield "not averaged", more + "averaged: its mean is the right value.", _numbers(_of_many(torch.mean), least=1)
    yield "not summed", more + "added up: its sum is the right value.", _numbers(_of_many(torch.sum), least=1)
    for dim, where in ((-1, "last"), (0, "first"), (1, "second")):
        yield (
            f"not averaged over the {where} dimension",
            more + f"averaged over its {where} dimension.",
            (_numbers(partial(torch.mean, dim=dim), least=2)),
        )
        yield (
            f"not summed over the {where} dimension",
            more + f"summed over its {where} dimension.",
            (_numbers(partial(torch.sum, dim=dim), least=2)),
        )
    yield (
        "wrapped",
        SAID + "the right value inside a list or tuple.",
        (_lists(lambda items: items[0] if len(items) == 1 else None)),
    )
    yield (
        "more than asked for",
        SAID + "more than the right value: that is the first of its parts.",
        (_lists(lambda items: items[0] if len(items) > 1 else None)),
    )
    yield (
        "more than asked for, first",
        SAID + "more than the right value: that is the last of its parts.",
        (_lists(lambda items: items[-1] if len(items) > 1 else None)),
    )
    yield "in a list", SAID + "the right numbers in a list, and a tensor is asked for.", _lists(torch.tensor)


def _nothing(wrong: Any, right: Any) -> Any:
    """Return the right value if the wrong one is None, else None."""
    return right if wrong is None else None


def _other_shape(wrong: Any, right: Any) -> Any:
    """Return the numbers of a wrong value in the shape of the right one; None unless shapes alone differ."""
    given, due = as_tensor(wrong), as_tensor(right)
    if given is None or due is None or given.shape == due.shape or given.numel() != due.numel():
        return None
    return given.reshape(due.shape)


def _other_order(wrong: Any, right: Any) -> Any:
    """Return the right value if the wrong one has the same items in another order, else None."""
    if not isinstance(wrong, (list, tuple)) or not isinstance(right, (list, tuple)) or len(wrong) != len(right):
        return None
    return right if sorted(map(repr, wrong)) == sorted(map(repr, right)) else None


def _too_many(wrong: Any, right: Any) -> Any:
    """Return the right value if the wrong one has all its items and others, else None."""
    if not isinstance(wrong, (list, tuple)) or not isinstance(right, (list, tuple)) or len(wrong) <= len(right):
        return None
    rest = iter(map(repr, wrong))
    return right if all(item in rest for item in map(repr, right)) else None  # in order


def _too_few(wrong: Any, right: Any) -> Any:
    """Return the right value if the wrong one lacks some of its items, else None."""
    if not isinstance(wrong, (list, tuple)) or not isinstance(right, (list, tuple)) or len(wrong) >= len(right):
        return None
    rest = iter(map(repr, right))
    return right if all(item in rest for item in map(repr, wrong)) else None


MADE: tuple[Entry, ...] = tuple(_made()) if HAS_TORCH else ()
LEFT: tuple[Entry, ...] = tuple(_left()) if HAS_TORCH else ()
# These look at both values: what they return has to agree with the right one.
BESIDE: tuple[tuple[str, str, Callable[[Any, Any], Any]], ...] = (
    (
        "nothing returned",
        "Your function returns None. Look for a missing return, or for one that only some branches reach.",
        _nothing,
    ),
    ("another shape", SAID + "the right numbers in another shape.", _other_shape),
    ("another order", SAID + "the right items in another order.", _other_order),
    ("items too many", SAID + "all of the right items, and some that do not belong there.", _too_many),
    ("items missing", SAID + "part of the right items: some are missing.", _too_few),
)
