"""Read a lab's rubrics, `solutions/NN_name/rubrics.toml`: what its written answers should say, and for how many points.

Each item is a table, named after the answer that it belongs to:

    [[why_t_squared]]
    points = 0.5
    text = "Without T², the soft term's gradient is T² times smaller, so the hard term dominates."
    example = "the student mostly follows the labels"

`points` below 0 takes points off. `text` is what a student reads who lost the points; `example` is a phrase that earns
the points, for the person who marks. The file may be missing, and answers may be without a rubric. The model answer is
not in it: that is the text of the answer's cell in the lab's source. Since the file is not code, a change to it leaves
all judgements valid.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError

FILE = "rubrics.toml"


@dataclass(frozen=True)
class RubricItem:
    """One thing that a written answer should say, or, with points below 0, should not."""

    text: str
    points: float
    example: str = ""


Rubric = tuple[RubricItem, ...]


def read_rubrics(folder: Path, max_points: Mapping[str, float]) -> dict[str, Rubric]:
    """Return the rubrics of the lab in `folder`, by the name of the answer. `max_points`: of each written answer.

    Raises GraderError, with the file's name and the item, if the file breaks a rule: the points above 0 of an answer
    must add up to at least what the answer is worth, so that full marks can be reached.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    where = f"{folder.name}/{FILE}"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:  # also text that is not UTF-8
        raise GraderError(f"{where}: {problem}") from None
    if unknown := sorted(content.keys() - max_points.keys()):
        raise GraderError(
            f"{where}: the lab has no written answer called {', '.join(unknown)}. "
            f"Its answers are: {', '.join(max_points) or 'none'}."
        )
    return {name: _read_rubric(f"{where}, {name}", items, max_points[name]) for name, items in content.items()}


def rubrics_of(lab: Lab) -> dict[str, Rubric]:
    """Return a lab's rubrics, by the name of the answer; see `read_rubrics`."""
    return read_rubrics(lab.folder, {name: cell.metadata.nbgrader.points for name, cell in lab.answers.items()})


def _read_rubric(where: str, items: object, max_points: float) -> Rubric:
    if not isinstance(items, list):
        raise GraderError(f"{where}: write each item under its own [[…]] header, with two brackets.")
    rubric = tuple(_read_item(f"{where}, item {number}", item) for number, item in enumerate(items, 1))
    if len({item.text for item in rubric}) < len(rubric):
        raise GraderError(f"{where}: two items have the same text.")
    reachable = math.fsum(item.points for item in rubric if item.points > 0)
    if reachable < max_points - 1e-9:
        raise GraderError(f"{where}: the items add up to {reachable:g} points, but the answer is worth {max_points:g}.")
    return rubric


def _read_item(where: str, item: Any) -> RubricItem:
    known: dict[str, type | tuple[type, ...]] = {"text": str, "points": (int, float), "example": str}
    if unknown := sorted(item.keys() - known.keys()):
        raise GraderError(f"{where}: unknown word {', '.join(unknown)}. An item has text, points and example.")
    if wrong := [key for key, kind in known.items() if key in item and not isinstance(item[key], kind)]:
        raise GraderError(f"{where}: {wrong[0]} must be {'a number' if wrong[0] == 'points' else 'text'}.")
    text, points = str(item.get("text", "")).strip(), float(item.get("points", 0))
    if not text or not points or not math.isfinite(points):
        raise GraderError(f"{where}: an item needs text, and points other than 0.")
    return RubricItem(text, points, str(item.get("example", "")).strip())
