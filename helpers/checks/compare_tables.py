"""Compare arrays, Series, indexes and DataFrames with the expected ones; see `helpers.checks.compare`.

What counts: the kind of table, its shape, the labels and the order of its rows, its columns by label, what its values
are (numbers, truth values, dates, text), where values are missing, and the values. What does not: the width of numbers,
the order of columns, the names of an index and of a Series, and whether text is stored as categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from helpers.checks.kinds import is_array, is_table, kind_of
from helpers.checks.mismatch import Mismatch, MismatchKind

MAX_LABELS_SHOWN = 6
MAX_ROWS_SORTED = 10_000  # of longer tables nobody is told that only the order differs
_MEANINGS = {"b": "True and False", "M": "dates", "m": "durations"}


def numbers_of(value: Any) -> np.ndarray | None:
    """Return an array of numbers or truth values in float64, anything else as None."""
    return value.astype(np.float64) if is_array(value) and value.dtype.kind in "biuf" else None


def table_mismatch(expected: Any, seen: Any, absolute: float, relative: float) -> Mismatch | None:
    """Return how a value differs from an array or a table, or None if the two agree."""
    tolerance = (absolute, relative)
    if is_array(expected):
        seen = np.asarray(seen) if expected.ndim == 0 and type(seen) in (bool, int, float) else seen
        if not is_array(seen):
            return _other_type(expected, seen)
        if seen.shape != expected.shape:
            return Mismatch(MismatchKind.SHAPE, seen.shape, expected.shape)
        return _values_mismatch(expected, seen, tolerance)
    if not is_table(seen) or seen.ndim != expected.ndim or _has_rows(seen) != _has_rows(expected):
        return _other_type(expected, seen)
    if not _has_rows(expected):  # an index itself
        return _rows_mismatch(expected, seen, tolerance)
    if expected.ndim == 2 and _labels(expected.columns, True) != _labels(seen.columns, True):
        return Mismatch(MismatchKind.COLUMNS, _shown(seen.columns), _shown(expected.columns))
    if len(seen) != len(expected):
        return Mismatch(MismatchKind.SHAPE, seen.shape, expected.shape)
    differs = _rows_mismatch(expected.index, seen.index, tolerance)
    if differs is not None or expected.ndim == 1:
        return differs or _values_mismatch(expected.array, seen.array, tolerance)
    return _columns_mismatch(expected, seen, tolerance)


def _has_rows(table: Any) -> bool:
    return hasattr(table, "index")


def _other_type(expected: Any, seen: Any) -> Mismatch:
    return Mismatch(MismatchKind.TYPE, kind_of(seen), kind_of(expected))


def _columns_mismatch(expected: Any, seen: Any, tolerance: tuple[float, float]) -> Mismatch | None:
    """Return how the values of two frames with the same columns and rows differ, in the first column that does."""
    places = {label: place for place, label in reversed(list(enumerate(_labels(seen.columns))))}
    unique = len(places) == seen.shape[1]
    for place, label in enumerate(_labels(expected.columns)):
        found = seen.iloc[:, places[label] if unique else place]
        differs = _values_mismatch(expected.iloc[:, place].array, found.array, tolerance)
        if differs is not None:
            return replace(differs, path=(f"column {expected.columns[place]}",))
    return None


def _rows_mismatch(expected: Any, seen: Any, tolerance: tuple[float, float]) -> Mismatch | None:
    """Return how the labels of rows differ."""
    if len(seen) != len(expected):
        return Mismatch(MismatchKind.SHAPE, (len(seen),), (len(expected),))
    same = seen.nlevels == expected.nlevels and all(
        _values_mismatch(expected.get_level_values(level).array, seen.get_level_values(level).array, tolerance) is None
        for level in range(expected.nlevels)
    )
    if same:
        return None
    if len(expected) <= MAX_ROWS_SORTED and _labels(expected, True) == _labels(seen, True):
        return Mismatch(MismatchKind.ROW_ORDER)
    return Mismatch(MismatchKind.ROWS, _shown(seen), _shown(expected))


def _labels(index: Any, ordered: bool = False) -> list[str]:
    """Return the labels of an index as text, in their order or in one that depends on nothing else."""
    labels = [f"{label}" for label in index.tolist()]
    return sorted(labels) if ordered else labels


def _shown(index: Any) -> str:
    labels = [f"{label}"[:40] for label in index[:MAX_LABELS_SHOWN].tolist()]
    return ", ".join(labels) + (", …" if len(index) > MAX_LABELS_SHOWN else "") or "none"


def _values_mismatch(expected: Any, seen: Any, tolerance: tuple[float, float]) -> Mismatch | None:
    """Return how values of the same shape differ."""
    right, given = _plain(expected), _plain(seen)
    meant, meaning = _meaning(right), _meaning(given)
    if right.size == 0:
        return None
    if meant != meaning:
        return Mismatch(MismatchKind.DTYPE, meaning, meant)
    if meant == "numbers":
        return _numbers_mismatch(_as_numbers(right), _as_numbers(given), tolerance)
    if right.dtype.kind in "Mmb" and given.dtype.kind in "Mmb":
        wrong = (right != given) & ~(_missing(right) & _missing(given))
        count = int(wrong.sum())
    else:
        pairs = zip(right.ravel().tolist(), given.ravel().tolist(), strict=True)
        count = sum(not _same_cell(one, other, tolerance) for one, other in pairs)
    return Mismatch(MismatchKind.CELLS, count, right.size) if count else None


def _plain(values: Any) -> np.ndarray:
    """Return the values of a column as an array of NumPy: dates in UTC, missing ones as NaN, NaT or None."""
    if getattr(values.dtype, "tz", None) is not None:
        return np.asarray(values, dtype="datetime64[ns]")
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind == "U" else array


def _missing(array: np.ndarray) -> np.ndarray:
    return np.isnat(array) if array.dtype.kind in "Mm" else np.zeros(array.shape, dtype=bool)


def _meaning(array: np.ndarray) -> str:
    """Return what values are: by their dtype, and by the values themselves where that says nothing."""
    if array.dtype.kind != "O":
        return _MEANINGS.get(array.dtype.kind, "numbers")
    kinds = {type(cell) for cell in array.ravel().tolist() if not _is_missing(cell)}
    if kinds == {bool}:
        return "True and False"
    if kinds <= {int, float}:
        return "numbers"
    return "text" if kinds == {str} else "values of several kinds"


def _is_missing(cell: Any) -> bool:
    return cell is None or type(cell).__name__ == "NAType" or (isinstance(cell, float) and cell != cell)


def _as_numbers(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "O":
        return array.astype(np.float64)
    cells = [np.nan if _is_missing(cell) else _as_float(cell) for cell in array.ravel().tolist()]
    return np.array(cells, dtype=np.float64).reshape(array.shape)


def _as_float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf")


def _numbers_mismatch(right: np.ndarray, given: np.ndarray, tolerance: tuple[float, float]) -> Mismatch | None:
    absolute, relative = tolerance
    if np.isfinite(right).all() and not np.isfinite(given).all():
        return Mismatch(MismatchKind.NOT_FINITE)
    if (np.isnan(right) != np.isnan(given)).any():
        return Mismatch(MismatchKind.MISSING_VALUES)
    with np.errstate(all="ignore"):
        if np.isclose(given, right, rtol=relative, atol=absolute, equal_nan=True).all():
            return None
        return Mismatch(MismatchKind.VALUES, largest_error=float(np.nanmax(np.abs(given - right))))


def _same_cell(right: Any, given: Any, tolerance: Sequence[float]) -> bool:
    if _is_missing(right) or _is_missing(given):
        return _is_missing(right) and _is_missing(given)
    if {type(right), type(given)} <= {int, float}:
        return abs(_as_float(given) - _as_float(right)) <= tolerance[0] + tolerance[1] * abs(_as_float(right))
    return type(right) is type(given) and bool(right == given)
