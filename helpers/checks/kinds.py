"""What sort of value this is, in words: a tensor, an array, a table, a number."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from helpers.checks.optional_torch import torch


def is_array(value: Any) -> bool:
    """Return whether this is an array of NumPy."""
    return isinstance(value, np.ndarray)


def is_table(value: Any) -> bool:
    """Return whether this is a Series, an index or a DataFrame of pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, (pandas.Series, pandas.Index, pandas.DataFrame))


def kind_of(value: Any) -> str:
    """Return in words what sort of value this is."""
    if isinstance(value, torch.Tensor):
        return "a tensor with one number" if value.dim() == 0 else f"a tensor of shape {tuple(value.shape)}"
    if is_table(value) or is_array(value):
        return _kind_of_table(value)
    if value is None:
        return "None"
    names = {bool: "True or False", int: "a number", float: "a number", str: "a string", dict: "a dictionary"}
    return names.get(type(value), f"a {type(value).__name__}")


def _kind_of_table(value: Any) -> str:
    """Return in words what sort of array or table this is."""
    if is_array(value):
        return f"an array of shape {value.shape}" if value.ndim else "an array with one value"
    name, size = type(value).__name__, _counted(len(value), "row")
    article = "an" if name[0] in "AEIOU" else "a"
    return f"{article} {name} with {size}" + (f" and {_counted(value.shape[1], 'column')}" if value.ndim == 2 else "")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
