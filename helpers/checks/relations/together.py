"""What several wrong values say together: one factor or one difference on every input, or a term of a formula.

No single value shows these; two or three that differ do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from helpers.checks.compare import as_array
from helpers.checks.encoding import Opaque
from helpers.checks.relations.relation import CLEAR, Observed

RELATIVE = 1e-3
LARGEST = 1e100  # its square is a float
EXACT = 1e-6  # of a formula of whole numbers or float64
MOST_FACTORS, MOST_POWER = 3, 4
LEAST_OF_TERM = 4  # wrong values that one term has to explain, all of them
STEPS = {
    "times one constant": "What comes back is the right value times one and the same number on every input. Look for a "
    "factor that is missing, one too many, or multiplied where it should divide.",
    "one constant more": "What comes back differs from the right value by one and the same number on every input. Look "
    "for a constant that is added or subtracted.",
}


def holds_object(value: Any) -> bool:
    """Return whether a value, or an item of a list, is no plain data."""
    return isinstance(value, Opaque) or isinstance(value, (list, tuple)) and any(map(holds_object, value))


def lacks_truth(wrong: Any, right: Any) -> bool:
    """Return whether something else stands where a truth value should; a plain None is another finding."""
    if isinstance(right, bool):
        return wrong is not None and not isinstance(wrong, bool)
    if not isinstance(right, list) or not isinstance(wrong, (list, tuple)) or len(right) != len(wrong):
        return False
    return any(isinstance(due, bool) and not isinstance(given, bool) for due, given in zip(right, wrong, strict=True))


def common_step(wrong: Sequence[Observed], right: Sequence[Observed]) -> str:
    """Return the name of the step that leads from every right value to the wrong one; "" if there is none."""
    pairs = [_numbers(item) for item in wrong]
    if len(pairs) < 2 or len({item.label for item in wrong}) != 1 or any(pair is None for pair in pairs):
        return ""
    due = np.concatenate([pair[0] for pair in pairs if pair])
    seen = np.concatenate([pair[1] for pair in pairs if pair])
    bound = np.abs(wrong[0].absolute + RELATIVE * np.abs(due))
    if not len(due) or np.ptp(due) <= CLEAR * bound.max() or len({tuple(pair[0]) for pair in pairs if pair}) < 2:
        return ""  # one right value: every step fits
    shift = float(np.median(seen - due))
    factor = float((due * seen).sum() / (due * due).sum())
    label = wrong[0].label
    rights = [as_array(item.expected.get(label)) for item in right]
    is_contradicted = sum(item is not None and bool(np.abs(item).max(initial=0) > 1e-3) for item in rights) >= len(
        wrong
    )
    if not is_contradicted and abs(factor) > 1e-12 and np.all(np.abs(seen - factor * due) <= abs(factor) * bound):
        return "times one constant"
    if len(right) < len(wrong) and np.all(np.abs(seen - due - shift) <= bound):
        return "one constant more"
    return ""


def _numbers(item: Observed) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the right and the wrong value of a case as vectors; None unless both are numbers of one shape."""
    due, seen = _array(item.expected.get(item.label)), _array((item.seen or {}).get(item.label))
    if due is None or seen is None or due.shape != seen.shape or not np.isfinite(seen).all():
        return None
    return (due.reshape(-1), seen.reshape(-1)) if np.abs(seen).max(initial=0) < LARGEST else None


def _array(value: Any) -> np.ndarray | None:
    if isinstance(value, (list, tuple)) and all(type(item) in (int, float) for item in value):
        return np.array([np.inf if abs(item) > LARGEST else float(item) for item in value]) if value else None
    return None if isinstance(value, bool) else as_array(value)


def common_term(wrong: Sequence[Observed], names: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments in the one term of a formula by which all wrong values are off; none if there is none.

    The term is a constant times powers of numbers among the arguments, or such a product with another exponent less
    the one with the right exponent. Terms of different arguments that fit alike prove nothing.
    """
    pairs = [_numbers(item) for item in wrong]
    if len(pairs) < LEAST_OF_TERM or any(pair is None or len(pair[0]) != 1 for pair in pairs):
        return ()
    off = np.array([float(pair[1][0] - pair[0][0]) for pair in pairs if pair])
    places = [place for place in range(len(names)) if all(_is_number(item.arguments, place) for item in wrong)]
    values = np.array([[float(item.arguments[place]) for place in places] for item in wrong])
    if not places or len(places) > MOST_POWER or not values.all():
        return ()
    found = {factors for factors, term in _terms(values) if _is_multiple(off, term)}
    least = [factors for factors in found if not any(set(other) < set(factors) for other in found)]
    return tuple(names[places[factor]] for factor in least[0]) if len(least) == 1 else ()


def _is_number(arguments: Sequence[Any], place: int) -> bool:
    return place < len(arguments) and type(arguments[place]) in (int, float)


def _terms(values: np.ndarray) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Return every term as (which arguments it holds, its value on each case)."""
    for powers in product(range(MOST_POWER), repeat=values.shape[1]):
        held = tuple(place for place, power in enumerate(powers) if power)
        if not held or len(held) > MOST_FACTORS or sum(powers) > MOST_POWER:
            continue
        term = np.prod(values ** np.array(powers), axis=1)
        yield held, term
        for place in held:
            for more in range(1, 3):
                yield held, term * values[:, place] ** more - term


def _is_multiple(off: np.ndarray, term: np.ndarray) -> bool:
    """Return whether all numbers are one multiple of a term that differs between them."""
    if np.ptp(term) <= EXACT * np.abs(term).max() or not term.any():
        return False
    factor = (off * term).sum() / (term * term).sum()
    return bool(np.all(np.abs(off - factor * term) <= EXACT * (np.abs(off) + np.abs(factor * term))))
