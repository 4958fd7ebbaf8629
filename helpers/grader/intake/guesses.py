"""Read the guesses that a student made before the answers: plain, bounded data in the outputs of a notebook's cells.

They never cost points; the class report says which predictions a class got wrong. What does not fit the schema of
`helpers.checks.guesses` is dropped without a word: a notebook can hold anything there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from helpers.checks.guesses import MIME, valid_record

MAX_GUESSES = 100  # of one notebook
MAX_OUTPUTS = 10_000  # that are looked at


def read_guesses(cells: list[Any]) -> dict[str, dict[str, Any]]:
    """Return the valid records in a notebook's cells by their names; the last of a name counts."""
    guesses: dict[str, dict[str, Any]] = {}
    for number, record in enumerate(_records(cells)):
        if number >= MAX_OUTPUTS or len(guesses) >= MAX_GUESSES:
            break
        if valid_record(record) and record.get("guess") is not None:
            guesses[record["name"]] = dict(record)
    return guesses


def _records(cells: list[Any]) -> Iterator[Any]:
    for cell in cells:
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        for output in outputs if isinstance(outputs, list) else ():
            data = output.get("data") if isinstance(output, dict) else None
            yield data.get(MIME) if isinstance(data, dict) else None
