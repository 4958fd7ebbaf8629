"""The record of a judgement: the grader takes it only in its own shape, with names and points of the lab."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from helpers.grader.judging.exercise import rows_without_a_call
from helpers.grader.judging.judge import in_order
from helpers.grader.judging.judgement import Judgement, refused
from helpers.grader.judging.record import MAX_RECORD_BYTES, BrokenRecord, read_record, to_plain, write_record
from helpers.grader.notes import Note, NoteCode


@pytest.fixture
def judgement(mini):
    """A judgement of the course's lab: all of `double` right, `Average` wrong by a known mistake."""
    rows = {name: rows_without_a_call(exercise, "wrong", "") for name, exercise in mini.exercises.items()}
    rows["double"] = [replace(row, points=row.max_points, verdict="correct") for row in rows["double"]]
    rows["Average"] = [replace(row, misconception="summed", seen="3 of 4 \u2248") for row in rows["Average"]]
    notes, answers = [Note.of(NoteCode.CHECK_PUT_BACK, exercise="double")], {"answer_why": "So."}
    written = {"answers": answers, "code": {"double": "x"}, "tokens": {"double": "v"}, "guesses": {"kl": GUESS}}
    written["formulas"] = {"$x$": "<math><mi>x</mi></math>"}
    return Judgement("00_mini", in_order(mini, rows, answers), notes, seconds=1.5, **written)


def test_a_judgement_comes_back_as_it_was(mini, judgement):
    assert read_record(write_record(judgement), mini) == judgement


@pytest.mark.parametrize("verdict", ["error", "denied"])
def test_a_refusal_comes_back_as_it_was(mini, verdict):
    assert read_record(write_record(refused("00_mini", "no", verdict)), mini) == refused("00_mini", "no", verdict)


def test_what_is_settled_so_far_is_some_exercises_and_each_complete(mini, judgement):
    judgement.rows = judgement.of("double")
    data = write_record(judgement)
    assert read_record(data, mini, complete=False) == judgement
    with pytest.raises(BrokenRecord, match="leaves out"):
        read_record(data, mini)
    judgement.rows.pop()
    with pytest.raises(BrokenRecord, match="leaves out"):
        read_record(write_record(judgement), mini, complete=False)


GUESS = {"name": "kl", "question": "How far?", "kind": "number", "unit": "", "guess": 2.0, "truth": 1.5}


def changed(**values):
    return lambda record: record | values


def row_changed(**values):
    """A function that changes the first row, of a case that is right and worth a point."""
    return lambda record: record | {"rows": [record["rows"][0] | values, *record["rows"][1:]]}


FORGERIES = {
    "another lab": changed(lab="02_loss"),
    "something more": changed(grade=100),
    "no list of rows": changed(rows={}),
    "no rows": changed(rows=[]),
    "half of the rows": lambda record: record | {"rows": record["rows"][:2]},
    "a row twice": lambda record: record | {"rows": [*record["rows"], record["rows"][0]]},
    "two refusals": changed(rows=[to_plain(refused("00_mini", "no", "error"))["rows"][0]] * 2),
    "a refusal that is right": changed(rows=to_plain(refused("00_mini", "no", "correct"))["rows"]),
    "tokens of another exercise": changed(tokens={"other": "v"}),
    "a formula that is a script": changed(formulas={"$x$": "<script>alert(1)</script>"}),
    "a formula that is none": changed(formulas={"$x$": 1}),
    "more points": row_changed(points=2.0),
    "more points at best": row_changed(points=2.0, max_points=2.0),
    "points for a wrong answer": row_changed(verdict="wrong"),
    "no points for a right answer": row_changed(points=0.0),
    "points that are text": row_changed(points="1"),
    "points that are true": row_changed(points=True),
    "points without end": row_changed(points=1e999),
    "another case": row_changed(case="other"),
    "no such verdict": row_changed(verdict="superb"),
    "a written answer's verdict": row_changed(verdict="manual", points=None),
    "another description": row_changed(about="x"),
    "no such misconception": row_changed(misconception="summed"),
    "a long note": row_changed(note="x" * 5_000),
    "a note of a list": row_changed(note=[]),
    "seconds that are no number": changed(seconds=float("nan")),
    "seconds before the start": changed(seconds=-1),
    "an answer to nothing": changed(answers={"answer_how": "So."}),
    "code of nothing": changed(code={"triple": "x"}),
    "code that is no text": changed(code={"double": 1}),
    "long code": changed(code={"double": "x" * 300_000}),
    "a guess that is none": changed(guesses={"kl": {"name": "kl", "guess": 1}}),
    "a guess of another name": changed(guesses={"other": GUESS}),
    "half of a pair": changed(code={"double": chr(0xD800)}),
    "no such note": changed(notes=[{"code": "x", "text": "x"}]),
    "a note without text": changed(notes=[{"code": "cell_slow"}]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_not_taken(mini, judgement, name):
    forged = FORGERIES[name](to_plain(judgement))
    with pytest.raises(BrokenRecord):
        read_record(json.dumps(forged).encode(), mini)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b"null", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000])
def test_what_is_no_record_is_not_taken(mini, data):
    with pytest.raises(BrokenRecord):
        read_record(data, mini)


def test_a_record_over_the_limit_is_not_read(mini, judgement):
    with pytest.raises(BrokenRecord, match="are allowed"):
        read_record(write_record(judgement) + b" " * MAX_RECORD_BYTES, mini)
