"""Does what was seen agree with what was expected, and if not, how does it differ?

Used by the visible check and by the judge. Values are those that `helpers.checks.observers.decode` returns: numbers,
texts, tensors, containers of these, or `Opaque` for anything that is not plain data.
"""

from __future__ import annotations

from typing import Any

import torch

from helpers.checks.observers import Opaque

ABSOLUTE, RELATIVE = 1e-5, 1e-4  # a right float32 answer, written another way, stays within these


def mismatch(expected: Any, seen: Any, absolute: float = ABSOLUTE, relative: float = RELATIVE) -> str | None:
    """Return None where the two agree, else one clause that says how `seen` differs from `expected`.

    A number, a 0-d tensor and a 0-d array of the right value are the same answer; so are a list and a tuple. The dtype
    of a tensor is not judged. Objects that are not plain data never agree, nor does NaN with a finite value.
    """
    if isinstance(seen, Opaque):
        return f"it is {seen.description}, not plain numbers"
    if isinstance(expected, (bool, str)) or expected is None:
        return None if type(seen) is type(expected) and seen == expected else _other_word(expected, seen)
    if isinstance(expected, (list, tuple)):
        if not isinstance(seen, (list, tuple)):
            return f"it is {kind_of(seen)}, and {len(expected)} values in a row are due"
        if len(seen) != len(expected):
            return f"it holds {len(seen)} values, and {len(expected)} are due"
        parts = (mismatch(one, other, absolute, relative) for one, other in zip(expected, seen, strict=True))
        return next((f"value {place}: {part}" for place, part in enumerate(parts, 1) if part), None)
    if isinstance(expected, dict):
        if not isinstance(seen, dict) or set(seen) != set(expected):
            return f"its keys are {sorted(map(str, seen)) if isinstance(seen, dict) else kind_of(seen)}"
        parts = ((key, mismatch(expected[key], seen[key], absolute, relative)) for key in expected)
        return next((f"{key}: {part}" for key, part in parts if part), None)
    return _numeric_difference(expected, seen, absolute, relative)


def _other_word(expected: bool | str | None, seen: Any) -> str:
    if type(seen) is type(expected):
        return "it is the other truth value" if isinstance(expected, bool) else "it is another text"
    return f"it is {kind_of(seen)}, and {kind_of(expected)} is due"


def _numeric_difference(expected: Any, seen: Any, absolute: float, relative: float) -> str | None:
    one, other = as_tensor(expected), as_tensor(seen)
    if other is None or isinstance(seen, bool):
        return f"it is {kind_of(seen)}, and {kind_of(expected)} is due"
    if one.shape != other.shape:
        return f"its shape is {tuple(other.shape)}, and {tuple(one.shape)} is due"
    if torch.isfinite(one).all() and not torch.isfinite(other).all():
        return "it is not finite everywhere: it holds NaN or an infinity"
    # A right value is always finite; a known mistake's may hold NaN, and then NaN in the same places is that mistake.
    if torch.allclose(other, one, rtol=relative, atol=absolute, equal_nan=True):
        return None
    return f"its values are off by up to {(other - one).abs().max().item():.3g}"


def differs(expected: dict[str, Any], seen: dict[str, Any], absolute: float, relative: float) -> bool:
    """Does any observation in `expected` differ from, or lack, its counterpart in `seen`?"""
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
    names = {bool: "True or False", int: "a number", float: "a number", str: "a text", dict: "a mapping"}
    return names.get(type(value), f"a {type(value).__name__}")


def ratio(expected: Any, seen: Any) -> float | None:
    """Return c where `seen` is c times `expected` everywhere (and c is not 1), else None."""
    one, other = as_tensor(expected), as_tensor(seen)
    if one is None or other is None or one.shape != other.shape or not one.numel():
        return None
    one, other = one.reshape(-1), other.reshape(-1)
    place = one.abs().argmax()
    if not torch.isfinite(other).all() or one[place] == 0 or other[place] == 0:
        return None
    factor = (other[place] / one[place]).item()
    same = torch.allclose(other, factor * one, rtol=1e-3, atol=1e-5 * max(1.0, abs(factor)))
    return factor if same and abs(factor - 1) > 1e-3 else None
