"""Draws of hidden inputs from a run's secret seed: everyone with the seed gets the same, nobody can guess the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

MAX_REDRAWS = 20_000  # a property that so many draws in a row lack cannot be drawn; some hold in one of 500


class Draw:
    """Draws from a secret seed: each label gives a draw of its own, the same in every process.

    `draw("logits")` is a seed for a random number generator. It does not reveal the secret seed, nor other draws.
    """

    def __init__(self, seed: int, prefix: str = "") -> None:
        self._seed, self._prefix = seed, prefix

    def __call__(self, label: str | int) -> int:
        """Return a number from 0 to 2³¹ - 1, which serves as a seed."""
        return self._bits(label) % 2**31

    def within(self, label: str | int) -> Draw:
        """Return draws whose labels are apart from those of others, for an exercise or a case."""
        return Draw(self._seed, f"{self._prefix}{label}/")

    def integer(self, label: str | int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + self._bits(label) % (high - low + 1)

    def choice(self, label: str | int, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self._bits(label) % len(items)]

    def sample(self, label: str | int, items: Iterable[T], count: int) -> list[T]:
        """Return `count` different items in random order."""
        left = list(items)
        return [left.pop(self.integer(f"{label}/{number}", 0, len(left) - 1)) for number in range(count)]

    def shuffled(self, label: str | int, *items: T) -> list[T]:
        """Return the items in random order."""
        return self.sample(label, items, len(items))

    def until(self, label: str | int, make: Callable[[Draw], T], holds: Callable[[T], bool]) -> T:
        """Return the first of `make`'s draws for which `holds` is true.

        Raises ValueError if there is none: the property is too rare to be drawn.
        """
        for attempt in range(MAX_REDRAWS):
            made = make(self.within(f"{label}/{attempt}"))
            if holds(made):
                return made
        raise ValueError(f"none of {MAX_REDRAWS} draws of {self._prefix}{label} has the property that it must have")

    def _bits(self, label: str | int) -> int:
        digest = hashlib.sha256(f"{self._seed}/{self._prefix}{label}".encode()).digest()
        return int.from_bytes(digest[:8], "big")
