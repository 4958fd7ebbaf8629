"""Compare the value that an answer gave with the expected one, and say how they differ.

The visible check and the judge both use this. Values are those that `helpers.checks.encoding.decode` returns: numbers,
strings, tensors, arrays, tables, containers of these, or `Opaque` for anything that is not plain data.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from helpers.checks.compare_tables import numbers_of, table_mismatch
from helpers.checks.encoding import Opaque
from helpers.checks.kinds import is_array, is_table
from helpers.checks.kinds import kind_of as kind_of
from helpers.checks.mismatch import Mismatch as Mismatch
from helpers.checks.mismatch import MismatchKind as MismatchKind
from helpers.checks.mismatch import describe as describe
from helpers.checks.optional_torch import HAS_TORCH, torch

ABSOLUTE, RELATIVE = 1e-5, 1e-4  # a right float32 answer, written another way, stays within these


def mismatch(expected: Any, seen: Any, absolute: float = ABSOLUTE, relative: float = RELATIVE) -> Mismatch | None:
    """Return how `seen` differs from `expected`, or None if the two agree.

    A number, a 0-d tensor and a 0-d array of the right value are the same answer; so are a list and a tuple, and a
    tensor and an array of numbers. The dtype of a tensor is not judged; see `compare_tables` for arrays and tables.
    Objects that are not plain data never agree, nor does NaN with a finite value.

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
    if is_table(expected) or is_array(expected) and not isinstance(seen, torch.Tensor):
        return table_mismatch(expected, seen, absolute, relative)
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
    right, given = as_array(expected), as_array(seen)
    if right is None or given is None or isinstance(seen, bool):
        return Mismatch(MismatchKind.TYPE, kind_of(seen), kind_of(expected))
    if right.shape != given.shape:
        return Mismatch(MismatchKind.SHAPE, tuple(given.shape), tuple(right.shape))
    if np.isfinite(right).all() and not np.isfinite(given).all():
        return Mismatch(MismatchKind.NOT_FINITE)
    # A right value is always finite; a known mistake's may hold NaN, and then NaN in the same places is that mistake.
    if np.isclose(given, right, rtol=relative, atol=absolute, equal_nan=True).all():
        return None
    with np.errstate(invalid="ignore"):
        return Mismatch(MismatchKind.VALUES, largest_error=float(np.abs(given - right).max()))


def differs(expected: dict[str, Any], seen: dict[str, Any], absolute: float, relative: float) -> bool:
    """Return whether any observation in `expected` differs from its counterpart in `seen`, or has none."""
    return any(mismatch(item, seen.get(label), absolute, relative) for label, item in expected.items())


def as_array(value: Any) -> np.ndarray | None:
    """Return a number, a tensor or an array of numbers as a float64 array, anything else as None."""
    if isinstance(value, torch.Tensor):
        return value.detach().to(torch.float64).numpy()
    if isinstance(value, (int, float)):
        try:
            return np.array(float(value))
        except OverflowError:
            return np.array(np.inf)
    return numbers_of(value)


def as_tensor(value: Any) -> torch.Tensor | None:
    """Return a number, a tensor or an array of numbers as a float64 tensor, anything else as None."""
    array = as_array(value) if HAS_TORCH else None
    return None if array is None else torch.from_numpy(np.ascontiguousarray(array)).reshape(array.shape)
