"""One relation between wrong values and right ones, and what it is tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.checks.compare import as_tensor, mismatch
from helpers.checks.optional_torch import torch

CLEAR = 20  # times the tolerance that a predicted value must differ by from the right one, so that chance is no match
RELATIVE = 1e-3


@dataclass(frozen=True)
class Observed:
    """What an answer gave on one case, beside the right values.

    Attributes:
        arguments: of the call.
        expected: the right values, by label.
        seen: the values that came back, by label; None after an error.
        absolute: the case's tolerance.
    """

    arguments: Sequence[Any]
    expected: Mapping[str, Any]
    seen: Mapping[str, Any] | None
    absolute: float = 1e-5

    @property
    def label(self) -> str:
        """The first label under which the values differ; the first of all if they agree."""
        seen = self.seen or {}
        wrong = (name for name, right in self.expected.items() if mismatch(right, seen.get(name), self.absolute))
        return next(wrong, next(iter(self.expected), ""))


@dataclass(frozen=True)
class Relation:
    """One relation.

    Attributes:
        name: stands in `grades.csv` as the misconception.
        diagnosis: what to tell the student.
        family: relations of one family that fit equally well are one finding, the first of them.
        predict: from the right value, the wrong one and the arguments to what the wrong one is by this relation.
        is_undone: whether `predict` returns the right value instead, by a step that the answer left out.
    """

    name: str
    diagnosis: str
    family: str
    predict: Callable[[Any, Any, Sequence[Any]], Any]
    is_undone: bool = False

    def holds(self, item: Observed) -> bool:
        """Return whether a wrong value is what the relation says, and clearly another than the right one."""
        label = item.label
        right, seen = item.expected.get(label), (item.seen or {}).get(label)
        predicted = self._predicted(right, seen, item.arguments)
        if predicted is None or (seen is None and not self.is_undone):
            return False
        if self.is_undone:
            return mismatch(right, predicted, item.absolute, RELATIVE) is None
        told_apart = mismatch(right, predicted, CLEAR * item.absolute, CLEAR * RELATIVE) is not None
        return told_apart and mismatch(predicted, seen, item.absolute, RELATIVE) is None

    def would_show(self, item: Observed) -> bool:
        """Return whether the relation would have made the right value of a case wrong."""
        if self.is_undone:
            return False  # which values another step would have turned into this one cannot be known
        right = item.expected.get(item.label)
        predicted = self._predicted(right, right, item.arguments)
        return predicted is not None and mismatch(right, predicted, CLEAR * item.absolute, CLEAR * RELATIVE) is not None

    def _predicted(self, right: Any, seen: Any, arguments: Sequence[Any]) -> Any:
        try:
            predicted = self.predict(right, seen, arguments)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RuntimeError,
            TypeError,
            ValueError,
        ):  # not for values like these
            return None
        tensor = as_tensor(predicted)
        return predicted if tensor is None or bool(torch.isfinite(tensor).all()) else None
