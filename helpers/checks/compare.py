"""Compare the value that an answer gave with the expected one, and say how they differ.

The visible check and the judge both use this. Values are those that `helpers.checks.encoding.decode` returns: numbers,
strings, tensors, containers of these, or `Opaque` for anything that is not plain data. A `Mismatch` is data; `describe`
puts it into words, and `helpers.grader.judging.redaction` takes out first what would give a hidden case away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

import torch

from helpers.checks.encoding import Opaque

ABSOLUTE, RELATIVE = 1e-5, 1e-4  # a right float32 answer, written another way, stays within these


class MismatchKind(Enum):
    """In what respect a value differs from the expected one."""

    NOT_PLAIN_DATA = auto()
    TYPE = auto()
    NOT_A_SEQUENCE = auto()
    LENGTH = auto()
    KEYS = auto()
    TEXT = auto()
    TRUTH_VALUE = auto()
    SHAPE = auto()
    NOT_FINITE = auto()
    VALUES = auto()


_CLAUSES = {
    MismatchKind.NOT_PLAIN_DATA: "it is {seen}, not plain numbers",
    MismatchKind.TYPE: "it is {seen}, and it should be {expected}",
    MismatchKind.NOT_A_SEQUENCE: "it is {seen}, and it should be a sequence of {expected} values",
    MismatchKind.LENGTH: "it holds {seen} values, and it should hold {expected}",
    MismatchKind.KEYS: "its keys are {seen}, and they should be {expected}",
    MismatchKind.TEXT: "it is a different string",
    MismatchKind.TRUTH_VALUE: "it is the opposite truth value",
    MismatchKind.SHAPE: "its shape is {seen}, and it should be {expected}",
    MismatchKind.NOT_FINITE: "it is not finite everywhere: it holds NaN or an infinity",
    MismatchKind.VALUES: "its values differ from the right ones by up to {largest_error:.3g}",
}
_CLAUSES_UNTOLD = {  # where what came back may not be told
    MismatchKind.KEYS: "its keys are not the expected ones",
    MismatchKind.VALUES: "its values differ from the right ones",
}


@dataclass(frozen=True)
class Mismatch:
    """How a value differs from the expected one.

    Attributes:
        kind: in what respect. It decides what `seen` and `expected` hold: the type in words for TYPE, its name for
            NOT_PLAIN_DATA, the number of values for LENGTH, the shape for SHAPE, the keys for KEYS.
        seen: what came back; None where the kind alone says it, or where it may not be told.
        expected: what should have come back; None likewise.
        largest_error: the largest absolute difference, for VALUES; None where it may not be told.
        path: where in nested containers this is, outermost first: ("value 2", "loss").
    """

    kind: MismatchKind
    seen: str | int | tuple[int, ...] | None = None
    expected: str | int | tuple[int, ...] | None = None
    largest_error: float | None = None
    path: tuple[str, ...] = ()


def describe(mismatch: Mismatch) -> str:
    """Return one clause that says how a value differs: "its shape is (2, 1), and it should be (2,)"."""
    untold = mismatch.seen is None and mismatch.largest_error is None
    clause = _CLAUSES_UNTOLD.get(mismatch.kind) if untold else None
    if clause is None:
        details = {"seen": mismatch.seen, "expected": mismatch.expected, "largest_error": mismatch.largest_error}
        clause = _CLAUSES[mismatch.kind].format(**details)
    return "".join(f"{where}: " for where in mismatch.path) + clause


def mismatch(expected: Any, seen: Any, absolute: float = ABSOLUTE, relative: float = RELATIVE) -> Mismatch | None:
    """Return how `seen` differs from `expected`, or None if the two agree.

    A number, a 0-d tensor and a 0-d array of the right value are the same answer; so are a list and a tuple. The dtype
    of a tensor is not judged. Objects that are not plain data never agree, nor does NaN with a finite value.

    Args:
        expected: the right value.
        seen: the value that the answer gave.
        absolute: how far a number may be off in any case.
        relative: how far it may be off besides, as a share of the expected number.
    """
    if isinstance(seen, Opaque):
        return Mismatch(MismatchKind.NOT_PLAIN_DATA, seen.description)
    if isinstance(expected, (bool, str)) or expected is None:
        return None if type(seen) is type(expected) and seen == expected else _other_word(expected, seen)
    if isinstance(expected, (list, tuple)):
        if not isinstance(seen, (list, tuple)):
            return Mismatch(MismatchKind.NOT_A_SEQUENCE, kind_of(seen), len(expected))
        if len(seen) != len(expected):
            return Mismatch(MismatchKind.LENGTH, len(seen), len(expected))
        items = {f"value {number}": pair for number, pair in enumerate(zip(expected, seen, strict=True), 1)}
        return _first_inside(items, absolute, relative)
    if isinstance(expected, dict):
        if not isinstance(seen, dict):
            return Mismatch(MismatchKind.TYPE, kind_of(seen), kind_of(expected))
        if set(seen) != set(expected):
            return Mismatch(MismatchKind.KEYS, _sorted_keys(seen), _sorted_keys(expected))
        return _first_inside({str(key): (expected[key], seen[key]) for key in expected}, absolute, relative)
    return _numeric_mismatch(expected, seen, absolute, relative)


def _first_inside(items: dict[str, tuple[Any, Any]], absolute: float, relative: float) -> Mismatch | None:
    """Return the first mismatch among the items of a container: pairs of expected and seen, by where they stand."""
    for where, (expected, seen) in items.items():
        inner = mismatch(expected, seen, absolute, relative)
        if inner is not None:
            return replace(inner, path=(where, *inner.path))
    return None


def _sorted_keys(mapping: dict[Any, Any]) -> str:
    return ", ".join(sorted(map(str, mapping))) or "none"


def _other_word(expected: bool | str | None, seen: Any) -> Mismatch:
    if type(seen) is not type(expected):
        return Mismatch(MismatchKind.TYPE, kind_of(seen), kind_of(expected))
    return Mismatch(MismatchKind.TRUTH_VALUE if isinstance(expected, bool) else MismatchKind.TEXT)


def _numeric_mismatch(expected: Any, seen: Any, absolute: float, relative: float) -> Mismatch | None:
    right, given = as_tensor(expected), as_tensor(seen)
    if right is None or given is None or isinstance(seen, bool):
        return Mismatch(MismatchKind.TYPE, kind_of(seen), kind_of(expected))
    if right.shape != given.shape:
        return Mismatch(MismatchKind.SHAPE, tuple(given.shape), tuple(right.shape))
    if torch.isfinite(right).all() and not torch.isfinite(given).all():
        return Mismatch(MismatchKind.NOT_FINITE)
    # A right value is always finite; a known mistake's may hold NaN, and then NaN in the same places is that mistake.
    if torch.allclose(given, right, rtol=relative, atol=absolute, equal_nan=True):
        return None
    return Mismatch(MismatchKind.VALUES, largest_error=(given - right).abs().max().item())


def differs(expected: dict[str, Any], seen: dict[str, Any], absolute: float, relative: float) -> bool:
    """Return whether any observation in `expected` differs from its counterpart in `seen`, or has none."""
    return any(mismatch(item, seen.get(label), absolute, relative) for label, item in expected.items())


def as_tensor(value: Any) -> torch.Tensor | None:
    """Return a number or tensor as a float64 tensor, anything else as None."""
    if isinstance(value, torch.Tensor):
        return value.detach().to(torch.float64)
    if isinstance(value, (int, float)):
        try:
            return torch.tensor(float(value), dtype=torch.float64)
        except OverflowError:
            return torch.tensor(float("inf"), dtype=torch.float64)
    return None


def kind_of(value: Any) -> str:
    """Return in words what sort of value this is."""
    if isinstance(value, torch.Tensor):
        return "a tensor with one number" if value.dim() == 0 else f"a tensor of shape {tuple(value.shape)}"
    if value is None:
        return "None"
    names = {bool: "True or False", int: "a number", float: "a number", str: "a string", dict: "a dictionary"}
    return names.get(type(value), f"a {type(value).__name__}")


def ratio(expected: Any, seen: Any) -> float | None:
    """Return c if `seen` is c times `expected` everywhere and c is not 1, else None.

    A single number is some multiple of every other, so it tells nothing.
    """
    right, given = as_tensor(expected), as_tensor(seen)
    if right is None or given is None or right.shape != given.shape or right.numel() < 2:
        return None
    right, given = right.reshape(-1), given.reshape(-1)
    largest = right.abs().argmax()
    if not torch.isfinite(given).all() or right[largest] == 0 or given[largest] == 0:
        return None
    factor = (given[largest] / right[largest]).item()
    same = torch.allclose(given, factor * right, rtol=1e-3, atol=1e-5 * max(1.0, abs(factor)))
    return factor if same and abs(factor - 1) > 1e-3 else None
