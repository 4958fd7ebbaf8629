"""Guesses in a hostile notebook: plain, bounded, checked against the schema, and never in the way of reading it."""

import json

import nbformat
import pytest

from helpers.checks.guesses import MIME
from helpers.grader.intake.guesses import MAX_GUESSES, read_guesses
from helpers.grader.intake.notebook import read_notebook

RECORD = {"name": "order", "question": "Which?", "kind": "choice", "choices": ["a", "b"], "guess": "a", "truth": "b"}


def cell(*records):
    outputs = [
        {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "", MIME: item}} for item in records
    ]
    return {"cell_type": "code", "source": "", "outputs": outputs}


def test_the_last_guess_counts_and_reaches_the_judge(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    notebook.cells[0].outputs = [
        nbformat.from_dict(output) for output in cell(RECORD, {**RECORD, "guess": "b"})["outputs"]
    ]
    nbformat.write(notebook, tmp_path / "lab.ipynb")
    read = read_notebook(tmp_path / "lab.ipynb", 2**20)
    assert read.metadata.guesses["order"]["guess"] == "b" and read.cells[0].outputs == []


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "../up"},
        {"name": "x" * 65},
        {"name": None},
        {"question": "x" * 601},
        {"kind": "essay"},
        {"choices": ["a", {"b": 1}]},
        {"choices": [str(number) for number in range(9)]},
        {"guess": "c"},
        {"guess": ["a"]},
        {"guess": None},
        {"truth": 3},
        {"tolerance": -1},
        {"more": "x"},
        {"kind": "number", "unit": "nats", "guess": 1e300, "truth": 1.0},
        {"kind": "number", "unit": "nats", "guess": True, "truth": 1.0},
        {"kind": "number", "unit": "nats", "guess": float("nan"), "truth": 1.0},
        {"kind": "curve", "axes": {"x": ["", 0, 1], "y": ["y", 0, 1]}, "guess": [0.0] * 11, "truth": None},
        {"kind": "curve", "axes": {"x": ["x", 0, 1], "y": ["y", 0, 1]}, "guess": [0.0] * 10, "truth": None},
        {"kind": "curve", "axes": {"x": ["x", 0, 1, "lin"], "y": ["y", 0, 1]}, "guess": [0.0] * 11, "truth": None},
        {"kind": "curve", "axes": [], "guess": [0.0] * 11, "truth": None},
    ],
    ids=str,
)
def test_what_does_not_fit_is_dropped(changed):
    assert read_guesses([cell({**RECORD, **changed})]) == {}
    assert set(read_guesses([cell({**RECORD, **changed}, RECORD)])) == {"order"}


@pytest.mark.parametrize(
    "outputs", [3, None, [3], [{"data": 3}], [{"data": {MIME: 3}}], [{"data": {MIME: [RECORD]}}], {}]
)
def test_odd_outputs_are_passed_over(outputs):
    assert read_guesses([{"cell_type": "code", "source": "", "outputs": outputs}, 7, cell(RECORD)]) == {"order": RECORD}


def test_there_is_a_limit():
    many = [{**RECORD, "name": f"order{number}"} for number in range(2 * MAX_GUESSES)]
    assert len(read_guesses([cell(*many)])) == MAX_GUESSES
    assert json.dumps(read_guesses([cell(*many)]))
