"""Guesses as plain data: what a valid one looks like, and when it is close. The notebook and the grader both use this.

A record holds name, question, kind, and choices, unit or axes; `guess` and `truth` come later. What a notebook brings
is checked here before anything reads it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MIME = "application/vnd.distillab.prediction+json"
KIND_CHOICE, KIND_NUMBER, KIND_CURVE = "choice", "number", "curve"
POINTS = 11  # of a drawn curve, at equal distances along x
CLOSE_NUMBER = 0.25  # share of the true number that a guess may be off
CLOSE_CURVE = 0.15  # share of the drawing's height that a curve may be off on average

MAX_QUESTION, MAX_CHOICE, MAX_LABEL = 600, 200, 80  # characters
_NAME = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)
_KEYS = {"name", "question", "kind", "choices", "unit", "axes", "tolerance", "guess", "truth"}


def valid_record(record: Any) -> bool:
    """Return whether something is a prediction's record, whoever wrote it."""
    if not isinstance(record, dict) or not set(record) <= _KEYS:
        return False
    if not _is_text(record.get("name"), 64) or not _NAME.fullmatch(record["name"]):
        return False
    if not _is_text(record.get("question"), MAX_QUESTION) or not _asks_properly(record):
        return False
    if not (record.get("tolerance") is None or _is_number(record["tolerance"]) and record["tolerance"] > 0):
        return False
    return all(record.get(key) is None or _fits(record, record[key]) for key in ("guess", "truth"))


def is_close(record: Mapping[str, Any], truth: Any) -> bool:
    """Return whether the guess of a valid record is the truth, or close to it."""
    guess, tolerance = record["guess"], record.get("tolerance")
    if record["kind"] == KIND_CHOICE:
        return guess == truth
    if record["kind"] == KIND_NUMBER:
        return abs(guess - truth) <= (CLOSE_NUMBER * abs(truth) if tolerance is None else tolerance)
    _, low, high, *_ = record["axes"]["y"]
    off = sum(abs(one - other) for one, other in zip(guess, truth, strict=True)) / POINTS
    return off <= (CLOSE_CURVE * (high - low) if tolerance is None else tolerance)


def grid(axis: Sequence[Any]) -> list[float]:
    """Return the places along x where a curve is drawn: equal steps, of the logarithm if the axis says "log"."""
    _, low, high, *scale = axis
    if scale:
        return [float(x) for x in np.geomspace(low, high, POINTS)]
    return [float(x) for x in np.linspace(low, high, POINTS)]


def on_grid(curve: Any, axis: Sequence[Any]) -> list[float]:
    """Return a curve's heights on the grid: as they are if there is one for each place, else from (xs, ys)."""
    if isinstance(curve, (list, tuple)) and len(curve) == 2 and not _is_number(curve[0]):
        xs, ys = (np.asarray(part, dtype=float) for part in curve)
        return [float(y) for y in np.interp(grid(axis), xs, ys)]
    return [float(y) for y in curve]


def _asks_properly(record: dict[str, Any]) -> bool:
    kind = record.get("kind")
    if kind == KIND_CHOICE:
        choices = record.get("choices")
        if not isinstance(choices, list) or not all(_is_text(choice, MAX_CHOICE) for choice in choices):
            return False
        return 2 <= len(choices) <= 8 and len(set(choices)) == len(choices)
    if kind == KIND_NUMBER:
        return record.get("unit") == "" or _is_text(record.get("unit"), MAX_LABEL)
    axes = record.get("axes")
    if kind != KIND_CURVE or not isinstance(axes, dict) or set(axes) != {"x", "y"}:
        return False
    return _is_axis(axes["x"], may_be_log=True) and _is_axis(axes["y"], may_be_log=False)


def _is_axis(axis: Any, may_be_log: bool) -> bool:
    if not isinstance(axis, list) or not 3 <= len(axis) <= 3 + may_be_log or axis[3:] not in ([], ["log"]):
        return False
    label, low, high, *scale = axis
    return _is_text(label, MAX_LABEL) and _is_number(low) and _is_number(high) and low < high and (low > 0 or not scale)


def _fits(record: dict[str, Any], value: Any) -> bool:
    if record["kind"] == KIND_CHOICE:
        return isinstance(value, str) and value in record["choices"]
    if record["kind"] == KIND_NUMBER:
        return _is_number(value)
    return isinstance(value, list) and len(value) == POINTS and all(map(_is_number, value))


def _is_text(value: Any, most: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e12 and math.isfinite(value)
