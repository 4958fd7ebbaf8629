"""A judgement as plain data, and a strict reader of it.

What a child process hands back has read a student's bytes, so the grader takes nothing from it on trust: not its shape,
which a schema describes, nor its names and points, which must be those of the lab.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any, NoReturn

import fastjsonschema
import nbformat

from helpers.checks.guesses import valid_record
from helpers.grader.course.lab import Lab
from helpers.grader.formulas import MAX_DRAWN, MAX_FORMULAS, is_drawn
from helpers.grader.intake.guesses import MAX_GUESSES
from helpers.grader.judging.judgement import VERDICTS, Judgement, Row
from helpers.grader.notes import Note, NoteCode

MAX_RECORD_BYTES = 4 * 2**20
MAX_NAME = 200  # characters
MAX_SENTENCE = 2_000
MAX_WORK = 250_000  # of one exercise's code or one written answer
MAX_ROWS = 2_000
MAX_NOTES = 5_000
MAX_SECONDS = 1e6
POINTS_DIGITS = 6  # to which the points of a case are rounded


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": most}


def _object(required: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": required, "required": list(required), "additionalProperties": False} | more


_NUMBER = {"type": "number", "minimum": 0, "maximum": MAX_SECONDS}
_TEXTS_BY_NAME = {"type": "object", "additionalProperties": _text(MAX_WORK), "maxProperties": MAX_NAME}
_ROW = _object(
    {
        "exercise": _text(MAX_NAME),
        "case": _text(MAX_NAME),
        "points": {"anyOf": [_NUMBER, {"type": "null"}]},
        "max_points": {"anyOf": [_NUMBER, {"type": "null"}]},
        "verdict": {"enum": list(VERDICTS)},
        "misconception": _text(MAX_NAME),
        "seconds": _NUMBER,
        "note": _text(MAX_SENTENCE),
        "about": _text(MAX_SENTENCE),
        "seen": _text(MAX_SENTENCE),
        "line": _text(MAX_SENTENCE),
        "calls": _text(MAX_SENTENCE),
    }
)
_NOTE = _object({"code": {"enum": [str(code) for code in NoteCode]}, "text": _text(MAX_SENTENCE)})
SCHEMA = _object(
    {
        "lab": _text(MAX_NAME),
        "rows": {"type": "array", "items": _ROW, "maxItems": MAX_ROWS},
        "notes": {"type": "array", "items": _NOTE, "maxItems": MAX_NOTES},
        "answers": _TEXTS_BY_NAME,
        "code": _TEXTS_BY_NAME,
        "tokens": _TEXTS_BY_NAME,
        "formulas": {"type": "object", "additionalProperties": _text(MAX_DRAWN), "maxProperties": MAX_FORMULAS},
        "guesses": {"type": "object", "maxProperties": MAX_GUESSES},  # each of which `valid_record` looks at
        "seconds": _NUMBER,
        "starved": {"type": "boolean"},
    }
)
_check_shape = fastjsonschema.compile(SCHEMA)


class BrokenRecord(Exception):
    """What a child process handed back is no judgement of its submission."""


def to_plain(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as data that JSON can hold, without its notebook."""
    left_out = ("notebook", "graded", "rows", "notes")
    content = {name: value for name, value in vars(judgement).items() if name not in left_out}
    notes = [note.to_plain() for note in judgement.notes]
    return content | {"rows": [asdict(row) for row in judgement.rows], "notes": notes}


def from_plain(content: dict[str, Any]) -> Judgement:
    """Return the judgement that `to_plain` converted; `content` may hold its notebook as text."""
    values = {field.name: content[field.name] for field in fields(Judgement) if field.name in content}
    values["rows"] = [Row(**row) for row in content["rows"]]
    values["notes"] = [Note.from_plain(note) for note in content.get("notes", [])]
    if values.get("notebook") is not None:
        values["notebook"] = nbformat.reads(values["notebook"], as_version=4)
    return Judgement(**values)


def write_record(judgement: Judgement) -> bytes:
    """Return a judgement as a record."""
    return json.dumps(to_plain(judgement), ensure_ascii=False).encode()


def read_record(data: bytes, lab: Lab, complete: bool = True) -> Judgement:
    """Return the judgement in a record of at most `MAX_RECORD_BYTES`.

    Args:
        data: the record.
        lab: the lab that was judged.
        complete: whether it has to be about all of the lab, or a refusal; otherwise about some of the exercises.

    Raises:
        BrokenRecord: it does not fit the schema, or not this lab.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise BrokenRecord(f"{len(data)} bytes, where {MAX_RECORD_BYTES} are allowed")
    try:
        content = json.loads(data.decode(), parse_constant=_refuse_constant)
        _check_shape(content)
        json.dumps(content, ensure_ascii=False).encode()  # fails for half of a surrogate pair
        judgement = from_plain(content)
    except (ValueError, RecursionError, MemoryError) as problem:  # a JsonSchemaException is a ValueError
        raise BrokenRecord(f"{type(problem).__name__}: {problem}"[:MAX_SENTENCE]) from None
    _require_of_lab(judgement, lab, complete)
    return judgement


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _require_of_lab(judgement: Judgement, lab: Lab, complete: bool) -> None:
    """Raise BrokenRecord unless every name and every number of points is the lab's."""
    _require_known_texts(judgement, lab)
    if complete and _is_refusal(judgement.rows):
        return
    expected = _expected_rows(lab)
    seen = {(row.exercise, row.case): row for row in judgement.rows}
    if len(seen) != len(judgement.rows) or not seen.keys() <= expected.keys():
        raise BrokenRecord("it has rows that the lab does not have")
    judged = {exercise for exercise, _ in seen}
    if seen.keys() != {key for key in expected if complete or key[0] in judged}:
        raise BrokenRecord("it leaves out cases of the lab")
    for key, row in seen.items():
        max_points, about, misconceptions = expected[key]
        manual = about is None
        points = None if manual else max_points if row.verdict == "correct" else 0.0
        if (row.points, row.max_points, row.verdict == "manual") != (points, max_points, manual):
            raise BrokenRecord("it gives points that the lab does not give")
        calls = {name for name in row.calls.split(", ") if name}
        if row.about != (about or "") or row.misconception not in misconceptions or not calls <= lab.exercises.keys():
            raise BrokenRecord("it describes a case as the lab does not")


def _require_known_texts(judgement: Judgement, lab: Lab) -> None:
    """Raise BrokenRecord unless what the student wrote belongs to this lab, and predictions and formulas are such."""
    if judgement.lab != lab.name:
        raise BrokenRecord("it is about another lab")
    if not all(valid_record(record) and record["name"] == name for name, record in judgement.guesses.items()):
        raise BrokenRecord("it holds guesses that are none")
    if not all(map(is_drawn, judgement.formulas.values())):
        raise BrokenRecord("it holds formulas that are none")
    code = judgement.code.keys() | judgement.tokens.keys()
    if not code <= lab.exercises.keys() or not judgement.answers.keys() <= _answer_ids(lab):
        raise BrokenRecord("it holds code or answers that the lab does not ask for")


def _is_refusal(rows: list[Row]) -> bool:
    if len(rows) != 1:
        return False
    row = rows[0]
    return row == Row("", "", 0.0, None, row.verdict, note=row.note) and row.verdict in ("error", "denied")


def _answer_ids(lab: Lab) -> set[str]:
    return {f"answer_{name}" for name in lab.answers}


def _expected_rows(lab: Lab) -> dict[tuple[str, str], tuple[float, str | None, set[str]]]:
    """Return each row's points, what its case varies (None for a written answer) and the misconceptions it may name."""
    expected: dict[tuple[str, str], tuple[float, str | None, set[str]]] = {
        (f"answer_{name}", ""): (cell.metadata.nbgrader.points, None, {""}) for name, cell in lab.answers.items()
    }
    for exercise in lab.exercises.values():
        known = {"", *exercise.causes}
        for case in exercise.cases:
            points = round(exercise.case_points[case.name], POINTS_DIGITS)
            expected[exercise.name, case.name] = points, case.about, known
    return expected
