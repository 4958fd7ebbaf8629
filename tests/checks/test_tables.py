"""Arrays and tables cross the boundary as what they are, hostile ones make nothing large, and differences are said."""

import base64
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.checks import tables
from helpers.checks.compare import describe, mismatch
from helpers.checks.encoding import Opaque, decode, encode
from helpers.checks.observers import observe
from helpers.checks.result import show
from helpers.checks.visible_check import call_text
from helpers.grader.course.check_values import _rounded, is_short
from helpers.grader.judging.redaction import in_kind

FRAME = pd.DataFrame(
    {
        "kind": ["a", "b", "a", None],
        "mass": [1.5, np.nan, 3.0, 4.0],
        "count": [1, 2, 3, 4],
        "ripe": [True, False, True, True],
        "day": pd.date_range("2024-01-01", periods=4),
        "hour": pd.date_range("2024-01-01", periods=4, tz="Europe/Berlin"),
        "size": pd.Categorical(["s", "l", "s", "s"], categories=["s", "l"], ordered=True),
        "left": pd.array([1, None, 3, 4], dtype="Int64"),
        "mixed": pd.Series([1, "a", None, 2.5], dtype=object),
    }
)
ARRAYS = [
    np.array([1.5, -0.0]),
    np.array([1, 2], dtype=np.uint8),
    np.arange(6.0).reshape(2, 3).T,
    np.arange(12.0).reshape(3, 4)[:, ::2],
    np.array([True, False]),
    np.array(2.5),
    np.empty((0, 3)),
    np.array(["a", "long"]),
    np.array([1, "a", None], dtype=object),
    np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"),
    np.array([1.5, np.nan, np.inf]),
    np.array([1, 2], dtype=">i4"),
]
TABLES = [
    FRAME,
    FRAME["mass"],
    FRAME["left"],
    FRAME.groupby("kind")["mass"].mean(),
    FRAME.groupby(["kind", "ripe"]).agg({"mass": ["mean", "std"]}),
    FRAME.set_index("day"),
    FRAME["kind"].value_counts(),
    FRAME.index,
    FRAME.columns,
    pd.DataFrame(),
    pd.DataFrame(index=[3, 5]),
    pd.Series([], dtype=float),
]


def crossed(value, hostile=False):
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)), hostile)


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_an_array_crosses_unchanged(array):
    seen = crossed(array)
    assert type(seen) is np.ndarray and seen.dtype == array.dtype.newbyteorder("=") and seen.shape == array.shape
    assert seen.flags.c_contiguous == array.flags.c_contiguous and seen.flags.writeable
    np.testing.assert_array_equal(seen, array)
    assert mismatch(array, crossed(array, hostile=True)) is None


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{type(table).__name__}{table.shape}")
def test_a_table_crosses_unchanged(table):
    seen = crossed(table)
    assert type(seen) is type(table) and encode(seen) == encode(table)
    check = {"DataFrame": pd.testing.assert_frame_equal, "Series": pd.testing.assert_series_equal}
    check.get(type(table).__name__, pd.testing.assert_index_equal)(seen, table)
    assert mismatch(table, crossed(table, hostile=True)) is None


def test_dates_and_numbers_of_numpy_cross_too():
    assert crossed(pd.Timestamp("2024-02-01")) == np.datetime64("2024-02-01")
    assert crossed(np.float32(1.5)) == 1.5 and crossed(np.int64(3)) == 3 and crossed(np.bool_(True)) is True


class LyingFrame(pd.DataFrame):
    @property
    def shape(self):
        raise AssertionError("nothing of a subclass may be called")

    columns = index = iloc = shape


@pytest.mark.parametrize(
    "value",
    [
        LyingFrame.__new__(LyingFrame),
        np.zeros(2).view(np.matrix),
        np.ma.masked_array([1.0, 2.0]),
        np.zeros(2, dtype=complex),
        np.array([object()]),
        np.zeros(2_000_000),
        np.broadcast_to(0.0, (3_000_000,)),
        pd.DataFrame([[0] * 2_000]),
        pd.DataFrame({"a": [[1, 2]]}),
        pd.Series(["x" * 20_000]),
        pd.RangeIndex(10**12),
    ],
    ids=range(11),
)
def test_anything_else_is_named_and_not_called(value):
    assert isinstance(crossed(value), Opaque)


def raw(dtype, shape, data=b"", **more):
    return {"dtype": dtype, "shape": shape, "data": base64.b64encode(data).decode(), **more}


FLAT = {"names": [None], "levels": [raw("int64", [2], bytes(16))]}
HOSTILE = {
    "an enormous shape": {"array": raw("float64", [10**9, 10**9])},
    "an enormous empty shape": {"array": raw("float64", [0, 10**15])},
    "many axes": {"array": raw("float64", [1] * 40, bytes(8))},
    "too few bytes": {"array": raw("float64", [3], bytes(8))},
    "objects as bytes": {"array": raw("object", [1], bytes(8))},
    "an invented dtype": {"array": raw("V8", [1], bytes(8))},
    "no dictionary": {"array": 3},
    "no shape": {"array": {"dtype": "int64"}},
    "a nested cell": {"array": {"dtype": "object", "shape": [1], "items": [[1]]}},
    "a cell with another form": {"array": {"dtype": "object", "shape": [1], "items": [{"float": [1]}]}},
    "an array of pandas": {"array": {"dtype": "Int64", "shape": [1], "items": [1]}},
    "text among numbers": {"series": {"name": None, "index": FLAT, "values": {
        "dtype": "Int64", "shape": [2], "items": ["a", 1]}}},
    "a number that fits nothing": {"series": {"name": None, "index": FLAT, "values": {
        "dtype": "Int8", "shape": [2], "items": [10**30, 1]}}},
    "another length": {"series": {"name": None, "index": FLAT, "values": raw("int64", [3], bytes(24))}},
    "two axes": {"series": {"name": None, "index": FLAT, "values": raw("int64", [2, 1], bytes(16))}},
    "no levels": {"index": {"names": [], "levels": []}},
    "many levels": {"index": {"names": [None] * 50, "levels": FLAT["levels"] * 50}},
    "levels of different lengths": {"index": {"names": [None] * 2, "levels": [*FLAT["levels"], raw("int64", [0])]}},
    "columns without values": {"frame": {"columns": FLAT, "index": FLAT, "values": []}},
    "codes outside the categories": {"series": {"name": None, "index": FLAT, "values": {
        "categories": raw("int64", [1], bytes(8)), "codes": raw("int8", [2], b"\1\2"), "ordered": False}}},
    "a file as time zone": {"series": {"name": None, "index": FLAT, "values": {
        "zone": "../../etc/passwd", "unit": "ns", "moments": raw("int64", [2], bytes(16))}}},
    "an unknown time zone": {"series": {"name": None, "index": FLAT, "values": {
        "zone": "Mars/Base", "unit": "ns", "moments": raw("int64", [2], bytes(16))}}},
}  # fmt: skip


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
def test_what_a_students_process_sends_makes_nothing_large(sent):
    with pytest.raises(ValueError):
        decode(sent, hostile=True)


def test_one_long_text_does_not_widen_all():
    sent = {"array": {"dtype": "text", "shape": [1000], "items": ["x" * 9_000, *["y"] * 999]}}
    assert decode(sent, hostile=True).dtype == object


def test_truth_values_are_true_or_false_whatever_bytes_came():
    assert decode({"array": raw("bool", [2], b"\0\7")}, hostile=True).tolist() == [False, True]


MASSES = pd.Series([2.0, 3.0], index=["a", "b"], name="mass")
MEANS = pd.DataFrame({"mean": [1.0, 2.0], "n": [3, 4]}, index=pd.Index(["a", "b"], name="kind"))


@pytest.mark.parametrize(
    ("expected", "seen"),
    [
        (np.array([1.0, 2.0]), np.array([1, 2])),
        (np.array([1.0, 2.0]), torch.tensor([1.0, 2.0])),
        (torch.tensor([1.0, 2.0]), np.array([1.0, 2.0])),
        (np.array(1.5), 1.5),
        (1.5, np.array(1.5)),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan])),
        (np.array(["a", "b"]), np.array(["a", "b"], dtype=object)),
        (np.array(["2024-01-01"], dtype="datetime64[D]"), np.array(["2024-01-01"], dtype="datetime64[ns]")),
        (MASSES, MASSES.rename("other").astype("Float64")),
        (MEANS, MEANS[["n", "mean"]].rename_axis("other")),
        (FRAME, FRAME.assign(size=FRAME["size"].astype(str), left=[1.0, np.nan, 3, 4])),
        ({"table": MEANS}, {"table": MEANS + 1e-6}),
    ],
)
def test_right_values_agree(expected, seen):
    assert mismatch(expected, seen) is None


@pytest.mark.parametrize(
    ("expected", "seen", "says"),
    [
        (np.ones(2), [1.0, 1.0], "it is a list, and it should be an array of shape (2,)"),
        (np.ones(2), pd.Series([1.0, 1.0]), "it is a Series with 2 rows, and it should be an array of shape (2,)"),
        (np.ones(2), np.ones((2, 1)), "its shape is (2, 1), and it should be (2,)"),
        (np.ones(2), np.array([1, np.inf]), "it is not finite everywhere: it holds NaN or an infinity"),
        (np.array([1, np.nan]), np.array([np.nan, 1]), "NaN stands in other places than it should"),
        (np.array([1, np.nan]), np.array([3, np.nan]), "its values differ from the right ones by up to 2"),
        (np.array([True]), np.array([1]), "it holds numbers, and it should hold True and False"),
        (np.array(["a", "b"]), np.array(["a", "c"]), "1 of its 2 values differ from the right ones"),
        (np.ones(2), None, "it is None, and it should be an array of shape (2,)"),
        (1.5, MASSES, "it is a Series with 2 rows, and it should be a number"),
        (MASSES, MASSES.to_numpy(), "it is an array of shape (2,), and it should be a Series with 2 rows"),
        (MASSES, MASSES[::-1], "its rows are the right ones in another order"),
        (MASSES, MASSES.iloc[:1], "its shape is (1,), and it should be (2,)"),
        (
            MASSES,
            MASSES.reset_index(drop=True),
            "the labels of its rows (the index) are 0, 1, and they should be a, b",
        ),
        (MEANS, MASSES, "it is a Series with 2 rows, and it should be a DataFrame with 2 rows and 2 columns"),
        (MEANS, MEANS[["n"]].iloc[:1], "its columns are n, and they should be mean, n"),
        (1.0, MEANS[["n"]].iloc[:1], "it is a DataFrame with 1 row and 1 column, and it should be a number"),
        (MEANS, MEANS.reset_index(), "its columns are kind, mean, n, and they should be mean, n"),
        (MEANS, MEANS.assign(n=[3, 5]), "column n: its values differ from the right ones by up to 1"),
        (MEANS, MEANS.astype(str), "column mean: it holds text, and it should hold numbers"),
        (MEANS.index, MEANS.columns, "the labels of its rows (the index) are mean, n, and they should be a, b"),
        (MEANS.index, MASSES, "it is a Series with 2 rows, and it should be an Index with 2 rows"),
    ],
)
def test_wrong_values_differ(expected, seen, says):
    assert describe(mismatch(expected, seen)) == says


@pytest.mark.parametrize("seen", [MEANS.rename(columns={"n": "777"}), MEANS.rename(index={"a": "777"})])
def test_labels_of_a_hidden_case_are_not_told(seen):
    assert "777" not in in_kind("value", seen, mismatch(MEANS, seen))


def test_a_changed_table_is_noticed():
    def sort(frame):
        frame.sort_values("mass", inplace=True)
        return frame["mass"].iloc[0]

    seen = observe("value", sort, [FRAME.copy()], {})["values"]
    assert decode(seen["changed inputs"]) == [0]


def test_tables_are_shown_cut_to_what_a_person_reads():
    assert show("value", np.array([0.123456, 2.0])) == "[0.1235, 2.0]  (array of shape (2,))"
    assert show("value", np.zeros((50, 50))) == "…  (array of shape (50, 50))"
    text = show("value", MEANS)
    assert "mean" in text and text.endswith("(DataFrame of shape (2, 2))")
    assert call_text("f", [MEANS, 1.0], {}).splitlines()[1:3] == ["argument 1 =", "      mean  n"]
    wide = pd.DataFrame({f"column{place}": ["x" * 500] * 1000 for place in range(300)})
    assert len(show("value", wide)) < 5_000


def test_examples_have_short_numbers_and_their_values_are_rounded():
    assert is_short((np.array([0.125]), MEANS, np.array(["a"]))) and not is_short((MEANS / 3,))
    assert not is_short((np.array([1 / 3]),))
    rounded = _rounded(pd.DataFrame({"a": [1 / 3, -1e-9], "b": ["x", "y"]}))
    assert rounded["a"].tolist() == [0.3333333, 0.0] and rounded["b"].tolist() == ["x", "y"]


def test_the_checks_import_pandas_only_for_tables():
    code = (
        "import sys, numpy\n"
        "from helpers.checks import check\n"
        "from helpers.checks.encoding import decode, encode\n"
        "from helpers.checks.compare import mismatch\n"
        "assert mismatch(1.0, decode(encode(numpy.ones(2)))) is not None\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_forms_are_looked_up_by_exact_type():
    assert [tables.table_form(value) for value in (np.zeros(1), MASSES, MEANS, MEANS.index, 1.0, None, [1])] == [
        "array", "series", "frame", "index", "", "", ""]  # fmt: skip


ODD = [
    pd.Series([1, "a", None, 2.5], dtype=object),
    pd.Series(pd.date_range("2024", periods=4, tz="UTC")),
    pd.Series(pd.timedelta_range("1h", periods=4)),
    pd.Series(pd.Categorical([1.5, 2.5, None, 1.5])),
    pd.Series([10**400, 1, 2, 3], dtype=object),
    pd.Series([np.nan] * 4),
    pd.Series([None] * 4, dtype="boolean"),
    pd.Series([1.0] * 4, index=[np.nan, np.nan, 1, 1]),
    pd.DataFrame([[1, 2]] * 4, columns=["a", "a"]),
    pd.DataFrame([[1, 2]] * 4, columns=pd.MultiIndex.from_product([["a"], [1, 2]])),
    pd.DataFrame([[1, "b"]] * 4, columns=[0, 1.5]),
    pd.DataFrame(index=range(4)),
    pd.MultiIndex.from_product([["a", None], [1.5, np.nan]]),
    pd.Index(["a", 1, None, 2.5], dtype=object),
    pd.CategoricalIndex(["a", "b", "a", "b"]),
]
PLAIN = [1.0, True, "a", None, [1.0], {"a": 1}, torch.ones(4), Opaque("x.Y"), 10**400, float("nan")]


def test_whatever_comes_back_is_compared_with_whatever_is_expected():
    values = [crossed(value, hostile=True) for value in [*ARRAYS, *TABLES, *ODD]] + PLAIN
    for expected in values:
        for seen in values:
            found = mismatch(expected, seen)
            if found is not None:
                assert describe(found) and in_kind("value", seen, found)
            show("value", seen)
