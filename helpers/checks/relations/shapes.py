"""How wrong values differ as wholes: a dimension too many, one place too few, the same parts wrong on every input.

Like the properties, these are a last resort: they say where to look, and nothing of how the value came about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from helpers.checks.compare import as_array, mismatch
from helpers.checks.relations.relation import Observed

Shape = tuple[int, ...]


def _off_by(due: Shape, seen: Shape) -> list[int]:
    """Return by how much each size is off that is not right; nothing if the dimensions are not as many."""
    return [given - right for right, given in zip(due, seen, strict=False) if given != right] * (len(due) == len(seen))


# The name, what to tell the student, and whether the right shape and the wrong one show it; the first that fits counts.
SHAPES: tuple[tuple[str, str, Callable[[Shape, Shape], bool]], ...] = (
    (
        "several numbers for one",
        "One number is asked for, and several come back: look for a sum or a mean that is missing somewhere.",
        lambda due, seen: due == () and prod(seen) > 1,
    ),
    (
        "one number for several",
        "Several numbers are asked for, and one comes back: look for a sum or a mean over too many dimensions.",
        lambda due, seen: seen == () and prod(due) > 1,
    ),
    (
        "a dimension too many",
        "What comes back has a dimension too many. Look for keepdim=, for [None], or for a sum that is missing.",
        lambda due, seen: len(seen) > len(due),
    ),
    (
        "a dimension too few",
        "What comes back has a dimension too few. Look for an index where a slice is meant, or for one sum too many.",
        lambda due, seen: len(seen) < len(due),
    ),
    (
        "one place too many",
        "What comes back has one place too many along a dimension. Look at both ends of your slices and ranges.",
        lambda due, seen: _off_by(due, seen) == [1],
    ),
    (
        "one place too few",
        "What comes back has one place too few along a dimension. Look at both ends of your slices and ranges.",
        lambda due, seen: _off_by(due, seen) == [-1],
    ),
    (
        "another size along a dimension",
        "One dimension of what comes back has the wrong size. Look at dim= and at which dimension you index.",
        lambda due, seen: len(_off_by(due, seen)) == 1,
    ),
)
PARTS = (
    "the same parts wrong",
    "Of the several values that come back, the same ones are wrong on every input, and the others are right. Compare "
    "how you compute them.",
)
GRADIENT = (
    "only the gradient wrong",
    "The value is right, and its gradient is not. Look for a detach() or a no_grad() too many, or for one that is "
    "missing, on part of the way.",
)


def odd_whole(wrong: Sequence[Observed]) -> str:
    """Return the name of what most of the wrong values have in common as wholes; "" if there is nothing."""
    if len(wrong) < 2:
        return ""
    shapes = [shape for item in wrong if (shape := _shapes(item)) is not None]
    for name, _, shows in SHAPES:
        if 2 * sum(shows(due, seen) for due, seen in shapes) > max(len(wrong), 2):
            return name
    if all(item.label.startswith("gradient of ") for item in wrong):
        return GRADIENT[0]
    places = [_wrong_parts(item) for item in wrong]
    return PARTS[0] if places[0] and all(place == places[0] for place in places) else ""


def _pairs(item: Observed) -> list[tuple[Any, Any]]:
    """Return the right and the wrong value of a case; those of each part, if there are several and as many."""
    due, seen = item.expected.get(item.label), (item.seen or {}).get(item.label)
    if not isinstance(due, (list, tuple)):
        return [(due, seen)]
    return list(zip(due, seen, strict=True)) if isinstance(seen, (list, tuple)) and len(seen) == len(due) else []


def _shapes(item: Observed) -> tuple[Shape, Shape] | None:
    """Return the right and the wrong shape of the first part that has a wrong one."""
    for due, seen in _pairs(item):
        right, given = as_array(due), None if isinstance(seen, bool) else as_array(seen)
        if right is not None and given is not None and right.shape != given.shape:
            return right.shape, given.shape
    return None


def _wrong_parts(item: Observed) -> tuple[int, ...]:
    """Return which of several parts are wrong, if they are not all."""
    pairs = _pairs(item)
    found = tuple(place for place, (due, seen) in enumerate(pairs) if mismatch(due, seen, item.absolute))
    return found if 0 < len(found) < len(pairs) else ()
