"""NumPy's arrays, and the indexes, Series and DataFrames of pandas, as plain data.

pandas is not imported for values of other kinds: its classes are looked up where a notebook has imported them. Like
`helpers.checks.observers`, this file is sent to the kernel as text; see there.

Numbers and dates travel as raw bytes; text, categories and columns with missing values one by one. Intervals and
periods become text. What cannot be sent is None here, and `helpers.checks.encoding` names its type instead.
"""

from __future__ import annotations

import base64
import re
import sys
from typing import Any

import numpy as np

MAX_CELLS = 1_000_000  # an answer to a case is thousands at most
MAX_SINGLE_CELLS = 100_000  # of those that travel one by one
MAX_COLUMNS = 1_000
MAX_AXES = 16
MAX_LEVELS = 8  # of an index
MAX_CELL_CHARACTERS = 10_000
RAW_DTYPE = re.compile(
    r"bool|u?int(?:8|16|32|64)|float(?:16|32|64)|(?:datetime64|timedelta64)\[(?:ns|us|ms|s|m|h|D|W|M|Y)\]"
)
PANDAS_DTYPE = re.compile(r"str|string|boolean|U?Int(?:8|16|32|64)|Float(?:32|64)")
TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,40}")
INDEXES = (
    "Index",
    "RangeIndex",
    "MultiIndex",
    "CategoricalIndex",
    "DatetimeIndex",
    "TimedeltaIndex",
    "PeriodIndex",
    "IntervalIndex",
)
TABLE_FORMS = ("array", "index", "series", "frame")

# Saved before the student's first cell runs, so that replacing them later changes nothing here.
_exact_type = type
_ndarray, _as_array, _in_one_piece = np.ndarray, np.asarray, np.ascontiguousarray


class NotSent(ValueError):
    """Something in a table that is no plain data, such as an object in a cell."""


def table_form(value: Any) -> str:
    """Return "array", "index", "series" or "frame"; "" for other kinds and for subclasses.

    A date is an array without axes.
    """
    kind = _exact_type(value)
    if kind in (_ndarray, np.datetime64, np.timedelta64):
        return "array"
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return ""
    if kind is pandas.DataFrame:
        return "frame"
    if kind is pandas.Series:
        return "series"
    if kind is pandas.Timestamp:
        return "array"
    return "index" if any(kind is getattr(pandas, name, None) for name in INDEXES) else ""


def encode_table(value: Any) -> dict[str, Any] | None:
    """Return an array or a table as JSON data under its form, or None if it holds what is no plain data."""
    form = table_form(value)
    encoders = {"array": _encode_array, "index": _encode_index, "series": _encode_series, "frame": _encode_frame}
    try:
        return {form: encoders[form](value)}
    except NotSent:
        return None


def _encode_array(value: Any) -> dict[str, Any]:
    if _exact_type(value) not in (_ndarray, np.datetime64, np.timedelta64):  # a Timestamp
        if value.tz is not None:
            raise NotSent
        value = value.to_datetime64()
    return _encode_column(_as_array(value))


def _encode_frame(frame: Any) -> dict[str, Any]:
    rows, columns = frame.shape
    if rows * max(columns, 1) > MAX_CELLS or columns > MAX_COLUMNS:
        raise NotSent
    return {
        "columns": _encode_index(frame.columns),
        "index": _encode_index(frame.index),
        "values": [_encode_column(frame.iloc[:, place].array) for place in range(columns)],
    }


def _encode_series(series: Any) -> dict[str, Any]:
    return {
        "name": _name(series.name),
        "index": _encode_index(series.index),
        "values": _encode_column(series.array),
    }


def _encode_index(index: Any) -> dict[str, Any]:
    if len(index) > MAX_CELLS or index.nlevels > MAX_LEVELS:
        raise NotSent
    levels = [index.get_level_values(level).array for level in range(index.nlevels)]
    return {"names": [_name(name) for name in index.names], "levels": [_encode_column(level) for level in levels]}


def _name(name: Any) -> Any:
    """Return the name of a Series or an index, None unless it is text or a whole number."""
    return name if _exact_type(name) in (str, int) else None


def _encode_column(values: Any) -> dict[str, Any]:
    """Return an array of any shape, or the values of a Series or an index."""
    if values.size > MAX_CELLS:
        raise NotSent
    dtype = str(values.dtype)
    if hasattr(values, "codes"):
        categories = values.categories
        return {
            "categories": _encode_column(categories.array),
            "codes": _raw(_as_array(values.codes)),
            "ordered": bool(values.ordered),
        }
    zone = getattr(values.dtype, "tz", None)
    if zone is not None:
        if not TIME_ZONE.fullmatch(str(zone)):
            raise NotSent
        return {"zone": str(zone), "unit": values.dtype.unit, "moments": _raw(np.array(values.asi8))}
    if not getattr(values.dtype, "isnative", True):
        values = values.astype(values.dtype.newbyteorder("="))
        dtype = str(values.dtype)
    if RAW_DTYPE.fullmatch(dtype):
        return _raw(values if _exact_type(values) is _ndarray else _as_array(values))
    if dtype.startswith(("interval", "period")):
        return _one_by_one([str(item) for item in values], "object", [len(values)])
    if PANDAS_DTYPE.fullmatch(dtype):
        return _one_by_one(values.astype(object).tolist(), dtype, [len(values)])
    if values.dtype.kind in "OU":
        array = _as_array(values, dtype=object)
        return _one_by_one(array.ravel().tolist(), "object" if values.dtype.kind == "O" else "text", list(array.shape))
    raise NotSent


def _raw(array: np.ndarray) -> dict[str, Any]:
    flat = _in_one_piece(array)
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "contiguous": bool(array.flags.c_contiguous),
        "data": base64.b64encode(flat.tobytes()).decode("ascii"),
    }


def _one_by_one(items: list[Any], dtype: str, shape: list[int]) -> dict[str, Any]:
    if len(items) > MAX_SINGLE_CELLS:
        raise NotSent
    return {"dtype": dtype, "shape": shape, "items": [_cell(item) for item in items]}


def _cell(item: Any) -> Any:
    """Return one cell; every missing value is None."""
    kind = _exact_type(item)
    if kind.__module__ == "numpy" and isinstance(item, (np.bool_, np.integer, np.floating, np.str_)):
        item = item.item()
        kind = _exact_type(item)
    if kind is float:
        return item if item - item == 0 else None if item != item else {"float": str(item)}
    if item is None or kind in (bool, int):
        return item
    if kind is str and len(item) <= MAX_CELL_CHARACTERS:
        return item
    if kind.__name__ in ("NAType", "NaTType") and kind.__module__.startswith("pandas."):
        return None
    raise NotSent


# ------------------------------------------------------------------------------------------------------------- decoding


def decode_table(form: str, content: Any, hostile: bool) -> Any:
    """Return the array or table that `encode_table` turned into data.

    hostile: whether the data comes from a student's process. Nothing larger than the data is then made of it. Raises
    ValueError if it has another form.
    """
    try:
        if form == "array":
            array = _decode_column(content, hostile)
            if _exact_type(array) is _ndarray:
                return array
            raise ValueError("an array has a dtype of pandas")
        return _decode_index(content, hostile) if form == "index" else _decode_labelled(form, content, hostile)
    except (AttributeError, LookupError, OverflowError, TypeError) as problem:
        raise ValueError(f"an array or a table has another form: {problem}") from None


def _decode_labelled(form: str, content: Any, hostile: bool) -> Any:
    """Return a Series or a DataFrame."""
    import pandas

    index = _decode_index(content["index"], hostile)
    if form == "series":
        values = _flat_column(content["values"], hostile, len(index))
        return pandas.Series(values, index=index, name=_name(content["name"]))
    columns = _decode_index(content["columns"], hostile)
    if len(columns) > MAX_COLUMNS or len(columns) != len(content["values"]) or len(columns) * len(index) > MAX_CELLS:
        raise ValueError("a frame's columns do not fit its size")
    values = [_flat_column(column, hostile, len(index)) for column in content["values"]]
    frame = pandas.DataFrame(dict(enumerate(values)), index=index)
    frame.columns = columns
    return frame


def _decode_index(content: Any, hostile: bool) -> Any:
    import pandas

    names, levels = [_name(name) for name in content["names"]], content["levels"]
    if not 1 <= len(levels) <= MAX_LEVELS or len(names) != len(levels):
        raise ValueError("an index needs levels and their names")
    arrays = [_flat_column(level, hostile) for level in levels]
    if len({len(array) for array in arrays}) > 1 or sum(map(len, arrays)) > MAX_CELLS:
        raise ValueError("the levels of an index differ in length, or are too long")
    if len(arrays) > 1:
        return pandas.MultiIndex.from_arrays(arrays, names=names)
    index = pandas.Index(arrays[0], name=names[0])
    whole = index.dtype.kind == "i" and len(index) > 0 and index[0] == 0
    return pandas.RangeIndex(len(index), name=names[0]) if whole and _counts(index.to_numpy()) else index


def _counts(numbers: np.ndarray) -> bool:
    return bool((numbers == np.arange(len(numbers))).all())


def _flat_column(content: Any, hostile: bool, length: int | None = None) -> Any:
    """Return the values of a column, of one dimension and, if it is given, of a length."""
    values = _decode_column(content, hostile)
    if values.ndim != 1 or (length is not None and len(values) != length):
        raise ValueError("a column does not fit the length of its table")
    return values


def _decode_column(content: Any, hostile: bool) -> Any:
    if "codes" in content:
        import pandas

        categories = _flat_column(content["categories"], hostile)
        if len(categories) > MAX_SINGLE_CELLS:
            raise ValueError("a column has too many categories")
        dtype = pandas.CategoricalDtype(pandas.Index(categories), ordered=content["ordered"] is True)
        return pandas.Categorical.from_codes(_flat_column(content["codes"], hostile), dtype=dtype)
    if "zone" in content:
        import pandas

        if not TIME_ZONE.fullmatch(content["zone"]) or content["unit"] not in ("ns", "us", "ms", "s"):
            raise ValueError("no time zone")
        moments = _flat_column(content["moments"], hostile).view(f"datetime64[{content['unit']}]")
        return pandas.DatetimeIndex(moments).tz_localize("UTC").tz_convert(content["zone"]).array
    shape, dtype = checked_shape(content["shape"], MAX_CELLS), content["dtype"]
    if "items" in content:
        items = _decode_items(content["items"], dtype, shape)
        return items.astype(str) if dtype == "text" and not hostile else items  # one long text widens all
    if not RAW_DTYPE.fullmatch(dtype):
        raise ValueError("an array's dtype is not one that is sent")
    data = bytearray(base64.b64decode(content["data"], validate=True))
    array = np.frombuffer(data, dtype=np.dtype("uint8" if dtype == "bool" else dtype)).reshape(shape)
    array = array != 0 if dtype == "bool" else array
    if not content.get("contiguous", True) and not hostile:
        # The same values as a slice of something larger, so that neither side can rely on their layout.
        larger = np.zeros([*(size + 1 for size in shape), 2], dtype=array.dtype)
        corner: Any = (*(slice(size) for size in shape), 0)
        larger[corner] = array
        array = larger[corner]
    return array


def _decode_items(items: Any, dtype: str, shape: list[int]) -> Any:
    if _exact_type(items) is not list or len(items) > MAX_SINGLE_CELLS:
        raise ValueError("an array's items are no list")
    cells = [float(item["float"]) if _exact_type(item) is dict else item for item in items]
    if not all(item is None or _exact_type(item) in (bool, int, float, str) for item in cells):
        raise ValueError("an array's items are no plain data")
    if PANDAS_DTYPE.fullmatch(dtype):
        import pandas

        return pandas.array(cells, dtype=dtype)
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array.reshape(shape)


def checked_shape(shape: Any, most: int) -> list[int]:
    """Return a shape that someone has sent. Raises ValueError if it is none, or one of more than `most` elements."""
    sizes = list(shape)
    # Before anything is multiplied: a product of long numbers takes long.
    if len(sizes) > MAX_AXES or not all(_exact_type(size) is int and 0 <= size <= most for size in sizes):
        raise ValueError("a shape is no list of sizes")
    count = 1
    for size in sizes:
        count *= size
    if count > most:
        raise ValueError("an array has too many elements")
    return sizes
