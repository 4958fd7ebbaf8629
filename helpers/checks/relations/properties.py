"""Properties of right values that wrong ones lack: rows that sum to 1, no negative number, whole numbers.

They are the last resort: they say what is wrong of a value, where nothing says how it came about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from helpers.checks.compare import as_tensor
from helpers.checks.optional_torch import torch
from helpers.checks.relations.relation import Observed

Property = Callable[[torch.Tensor], bool]


def _sums_to_one(dim: int) -> Property:
    def holds(tensor: torch.Tensor) -> bool:
        if tensor.dim() < abs(dim) or tensor.shape[dim] < 2:
            return False
        sums = tensor.sum(dim)
        return bool((tensor >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-2)

    return holds


def _is_probability(tensor: torch.Tensor) -> bool:
    return bool(((tensor >= 0) & (tensor <= 1 + 1e-6)).all())


def _is_whole(tensor: torch.Tensor) -> bool:
    return bool((tensor == tensor.round()).all())


# The name, what to tell the student, what all right values have, and what a wrong one has; the first that fits counts.
PROPERTIES: tuple[tuple[str, str, Property, Property], ...] = (
    (
        "sums to 1 along another dimension",
        "Each row should sum to 1 over its last dimension, and yours sums to 1 over another one. Look at dim=.",
        _sums_to_one(-1),
        lambda tensor: not _sums_to_one(-1)(tensor) and any(_sums_to_one(dim)(tensor) for dim in (-2, -3)),
    ),
    (
        "rows do not sum to 1",
        "Each row should be probabilities that sum to 1 over the last dimension, and yours do not. Look at what each "
        "row is divided by, and along which dimension.",
        _sums_to_one(-1),
        lambda tensor: not _sums_to_one(-1)(tensor),
    ),
    (
        "negative values",
        "The right value is never negative, and yours is. Look for a sign, or for a difference the wrong way round.",
        lambda tensor: bool((tensor >= 0).all()),
        lambda tensor: bool((tensor < -1e-4).any()),
    ),
    (
        "no share",
        "The right value lies between 0 and 1, and yours does not. Look at what it is divided by.",
        _is_probability,
        lambda tensor: not _is_probability(tensor),
    ),
    (
        "no whole numbers",
        "The right value is a whole number, and yours is not. Look for a division, or for a count that became a share.",
        _is_whole,
        lambda tensor: not _is_whole(tensor),
    ),
)

# The name, what to tell the student, and whether a number of calls and the right number show it.
CALLS: tuple[tuple[str, str, Callable[[int, int], bool]], ...] = (
    (
        "too few calls",
        "Your function sends fewer requests than it should: it gives up, or returns, too early.",
        lambda given, due: given < due,
    ),
    (
        "too many calls",
        "Your function sends more requests than it should.",
        lambda given, due: given > due,
    ),
)


def off_in_calls(wrong: Iterable[Observed]) -> str:
    """Return what most of the wrong values have in common in how often they call something; "" if nothing."""
    pairs = [((item.seen or {}).get("calls"), item.expected.get("calls")) for item in wrong]
    counts = [(len(given), len(due)) for given, due in pairs if isinstance(given, list) and isinstance(due, list)]
    for name, _, shows in CALLS:
        if 2 * sum(shows(given, due) for given, due in counts) > max(len(pairs), 2):
            return name
    return ""


def lacking(wrong: Iterable[Observed], right: Iterable[Observed]) -> str:
    """Return the name of the property that all right values have and most of the wrong ones lack; "" if none."""
    wrong, label = list(wrong), ""
    seen, due = [], []
    for item in wrong:
        label = item.label
        given, expected = as_tensor((item.seen or {}).get(label)), as_tensor(item.expected.get(label))
        if given is None or expected is None or not given.numel():
            return ""
        seen.append(given)
        due.append(expected)
    due += [tensor for item in right if (tensor := as_tensor(item.expected.get(label))) is not None]
    for name, _, of_right, of_wrong in PROPERTIES:
        if len(seen) > 1 and all(map(of_right, due)) and 2 * sum(map(of_wrong, seen)) > len(seen):
            return name
    return ""
