"""Every relation that can be claimed, by the names of a function's arguments.

Its words name no number but constants, so a relation says nothing of a hidden input.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import combinations
from typing import Any

from helpers.checks.compare import as_tensor
from helpers.checks.optional_torch import torch
from helpers.checks.relations.facts import (
    A_GRADIENT,
    A_TEXT,
    AN_OBJECT,
    FACTS,
    NO_GRADIENT,
    NO_TRUTH_VALUE,
    NOT_FINITE,
)
from helpers.checks.relations.inputs import changes_of
from helpers.checks.relations.properties import CALLS, PROPERTIES
from helpers.checks.relations.relation import Relation
from helpers.checks.relations.shapes import GRADIENT, PARTS, SHAPES
from helpers.checks.relations.together import MOST_FACTORS, STEPS
from helpers.checks.relations.values import BESIDE, LEFT, MADE

WHICH = re.compile(r"\b(?:first|second|last)\b")  # of a matrix, the second dimension is also the last
Measure = Callable[[torch.Tensor], float | None]


def _never(_right: Any, _seen: Any, _arguments: Sequence[Any]) -> None:
    return None


CONSTANT = Relation(
    "one value on every input",
    "What comes back is the same on every input. Look for a value that does not depend on the arguments.",
    "one value on every input",
    _never,
)
A_FACT = {name: Relation(name, text, name, _never) for name, text in FACTS.items()} | {
    "not finite": Relation("not finite", NOT_FINITE, "not finite", _never),
    "object": Relation("object", AN_OBJECT, "object", _never),
    "text": Relation("text", A_TEXT, "text", _never),
    "no truth value": Relation("no truth value", NO_TRUTH_VALUE, "no truth value", _never),
    "no gradient": Relation("no gradient", NO_GRADIENT, "no gradient", _never),
    "a gradient": Relation("a gradient", A_GRADIENT, "a gradient", _never),
}


WHOLES: tuple[tuple[Any, ...], ...] = (*PROPERTIES, *CALLS, *SHAPES, PARTS, GRADIENT)
A_PROPERTY = {name: Relation(name, words, name, _never) for name, words, *_ in WHOLES}
TOGETHER = {name: Relation(name, words, name, _never) for name, words in STEPS.items()}


@lru_cache(maxsize=64)
def terms_of(names: tuple[str, ...]) -> dict[str, Relation]:
    """Return what can be said of a term of a formula, by name: which arguments it holds."""
    found = {}
    for count in range(1, MOST_FACTORS + 1):
        for chosen in combinations(names, count):
            name = f"a term with {' and '.join(chosen)}"
            held = " and ".join(f"`{each}`" for each in chosen)
            words = f"What comes back is off by a term that grows with {held}: compare its factors and its exponents."
            found[name] = Relation(name, words, "term", _never)
    return found


@lru_cache(maxsize=64)
def relations_of(names: tuple[str, ...]) -> tuple[Relation, ...]:
    """Return every relation that values of an answer with arguments of these names can show."""
    by_name: dict[str, Relation] = {}
    for relation in [*_plain(), *_constants(), *_arguments(names)]:
        by_name.setdefault(relation.name, relation)
    return tuple(by_name.values())


def claimable(names: Sequence[str]) -> dict[str, str]:
    """Return the diagnosis of everything that can be claimed of an answer with arguments of these names, by name."""
    plain = (*relations_of(tuple(names)), *terms_of(tuple(names)).values(), CONSTANT, *TOGETHER.values())
    relations = (*plain, *A_FACT.values(), *A_PROPERTY.values())
    changes = {change.name: change.diagnosis for change in changes_of(tuple(names))}
    return {relation.name: relation.diagnosis for relation in relations} | changes


CONSTANTS = {
    "-1": (-1.0, "the sign is wrong everywhere. Look for a minus that is missing or one too many."),
    "2": (2.0, "a factor of 2 too much."),
    "1/2": (0.5, "a factor of 2 is missing, or halved once too often."),
    "ln 2": (math.log(2), "nats and bits are mixed up: a factor of ln 2 too much."),
    "1/ln 2": (1 / math.log(2), "nats and bits are mixed up: log2() in place of log(), or a division by ln 2."),
    "ln 10": (math.log(10), "two bases of the logarithm are mixed up."),
    "1/ln 10": (1 / math.log(10), "two bases of the logarithm are mixed up: log10() in place of log()."),
    "100": (100.0, "a percentage in place of a share."),
    "1/100": (0.01, "a share in place of a percentage."),
    "1000": (1000.0, "a unit is a thousand times too small."),
    "1/1000": (0.001, "a unit is a thousand times too large."),
    "1000000": (1e6, "a division by a million is missing."),
    "1/1000000": (1e-6, "divided by a million once too often."),
}


def _times(factor: float | None, right: Any) -> Any:
    """Return `factor` times a right value; None where there is no such value, or no number."""
    if isinstance(right, (list, tuple)) and right:
        parts = [_times(factor, item) for item in right]
        return None if any(part is None for part in parts) else parts
    if factor is None or isinstance(right, bool) or as_tensor(right) is None:
        return None
    return right * factor


def _constants() -> list[Relation]:
    return [
        Relation(
            f"right value times {name}",
            f"What comes back is {name} times the right value: {words}",
            "constant",
            partial(_scaled, factor),
        )
        for name, (factor, words) in CONSTANTS.items()
    ]


def _scaled(factor: float, right: Any, _seen: Any, _arguments: Sequence[Any]) -> Any:
    return _times(factor, right)


def _plain() -> list[Relation]:
    made = [Relation(name, words, _family(name), partial(_made, step)) for name, words, step in MADE]
    left = [Relation(name, words, _family(name), partial(_left, step), is_undone=True) for name, words, step in LEFT]
    both = [Relation(name, words, name, partial(_beside, step), is_undone=True) for name, words, step in BESIDE]
    return [*made, *left, *both]


def _family(name: str) -> str:
    """Return the family of a relation: of a matrix, the second dimension is also the last."""
    return "constant" if name.startswith("all ") else WHICH.sub("one", name)


def _made(step: Callable[[Any], Any], right: Any, _seen: Any, _arguments: Sequence[Any]) -> Any:
    return step(right)


def _left(step: Callable[[Any], Any], _right: Any, seen: Any, _arguments: Sequence[Any]) -> Any:
    return step(seen)


def _beside(step: Callable[[Any, Any], Any], right: Any, seen: Any, _arguments: Sequence[Any]) -> Any:
    return step(seen, right)


def _arguments(names: Sequence[str]) -> list[Relation]:
    """Return the relations that involve an argument: returned as it came, a factor of it, of its size, of its count."""
    found = []
    for place, name in enumerate(names):
        found.append(
            Relation(
                f"{name} as it came",
                f"What comes back is `{name}` itself, unchanged.",
                f"{name} as it came",
                partial(_argument, place),
            )
        )
        code = f"`{name}`"
        for power, words in POWERS.items():
            found.append(
                Relation(
                    f"right value times {power.format(name)}",
                    f"What comes back is {power.format(code)} times the right value: {words.format(code)}",
                    f"power of {name}",
                    partial(_powered, place, power),
                )
            )
        for size, (words, measure) in SIZES.items():
            found += _by_size(place, size.format(name), words.format(code), measure)
    return found


def _argument(place: int, _right: Any, _seen: Any, arguments: Sequence[Any]) -> Any:
    return arguments[place]


def _powered(place: int, power: str, right: Any, _seen: Any, arguments: Sequence[Any]) -> Any:
    return _times(_raised(arguments[place], power), right)


def _by_size(place: int, size: str, words: str, measure: Measure) -> list[Relation]:
    return [
        Relation(
            f"right value times {size}",
            f"What comes back is too large by a factor equal to {words}: a sum where a mean is asked for, or a "
            "division that is missing.",
            "size",
            partial(_sized, place, measure, 1),
        ),
        Relation(
            f"right value divided by {size}",
            f"What comes back is too small by a factor equal to {words}: a mean where a sum is asked for, or divided "
            "once too often.",
            "size",
            partial(_sized, place, measure, -1),
        ),
    ]


def _sized(place: int, measure: Measure, power: int, right: Any, _seen: Any, arguments: Sequence[Any]) -> Any:
    given = arguments[place]
    size = measure(given) if isinstance(given, torch.Tensor) else None
    return _times(size**power, right) if size else None


POWERS = {
    "{0}": "a factor of {0} too much.",
    "1/{0}": "a factor of {0} is missing, or divided by it once too often.",
    "{0}²": "a factor of {0}² too much.",
    "1/{0}²": "a factor of {0}² is missing.",
    "(1 − {0})": "weighted with 1 − {0} once too often.",
}
_RAISED: dict[str, Callable[[float], float]] = {
    "{0}": lambda value: value,
    "1/{0}": lambda value: 1 / value,
    "{0}²": lambda value: value**2,
    "1/{0}²": lambda value: value**-2,
    "(1 − {0})": lambda value: 1 - value,
}


def _raised(value: Any, power: str) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return _RAISED[power](float(value))


def _dimension(which: int) -> Measure:
    return lambda tensor: float(tensor.shape[which]) if -tensor.dim() <= which < tensor.dim() else None


def _pairs(tensor: torch.Tensor) -> float | None:
    return float(tensor.shape[0] * tensor.shape[1]) if tensor.dim() > 1 else None


def _counted(tensor: torch.Tensor) -> float | None:
    """Return how many entries a mask or labels count: those that are True, or not -100."""
    if tensor.dtype == torch.bool:
        return float(tensor.sum())
    return float((tensor != -100).sum()) if tensor.dtype == torch.long and bool((tensor == -100).any()) else None


def _share_counted(tensor: torch.Tensor) -> float | None:
    counted = _counted(tensor)
    return tensor.numel() / counted if counted else None


SIZES: dict[str, tuple[str, Measure]] = {
    "the counted entries of {0}": ("the number of entries that {0} counts", _counted),
    "all entries of {0} over the counted ones": ("all entries of {0} over those that it counts", _share_counted),
    "{0}.shape[0]": ("the first dimension of {0}", _dimension(0)),
    "{0}.shape[1]": ("the second dimension of {0}", _dimension(1)),
    "{0}.shape[-1]": ("the last dimension of {0}", _dimension(-1)),
    "{0}.shape[0] · {0}.shape[1]": ("the product of the first two dimensions of {0}", _pairs),
    "{0}.numel()": ("the number of entries of {0}", lambda tensor: float(tensor.numel())),
}
