"""How a value differs from the expected one: as data, and in words.

`helpers.checks.compare` finds the differences. `helpers.grader.judging.redaction` takes out of a `Mismatch` what would
give a hidden case away, before `describe` puts it into words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


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
    DTYPE = auto()
    CELLS = auto()
    MISSING_VALUES = auto()
    COLUMNS = auto()
    ROWS = auto()
    ROW_ORDER = auto()


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
    MismatchKind.DTYPE: "it holds {seen}, and it should hold {expected}",
    MismatchKind.CELLS: "{seen} of its {expected} values differ from the right ones",
    MismatchKind.MISSING_VALUES: "NaN stands in other places than it should",
    MismatchKind.COLUMNS: "its columns are {seen}, and they should be {expected}",
    MismatchKind.ROWS: "the labels of its rows (the index) are {seen}, and they should be {expected}",
    MismatchKind.ROW_ORDER: "its rows are the right ones in another order",
}
_CLAUSES_UNTOLD = {  # where what came back may not be told
    MismatchKind.KEYS: "its keys are not the expected ones",
    MismatchKind.VALUES: "its values differ from the right ones",
    MismatchKind.CELLS: "some of its values differ from the right ones",
    MismatchKind.COLUMNS: "its columns are not the expected ones",
    MismatchKind.ROWS: "the labels of its rows (the index) are not the expected ones",
}


@dataclass(frozen=True)
class Mismatch:
    """How a value differs from the expected one.

    Attributes:
        kind: in what respect. It decides what `seen` and `expected` hold: the type in words for TYPE, its name for
            NOT_PLAIN_DATA, the number of values for LENGTH, the shape for SHAPE, the keys for KEYS, labels for COLUMNS
            and ROWS, what its values are for DTYPE, how many differ of how many for CELLS.
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
