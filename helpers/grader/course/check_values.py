"""What a release gives to the visible checks: the examples' values, and our solutions, as the texts of JSON files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from helpers.checks.encoding import encode
from helpers.checks.fixtures import ModelSpec
from helpers.checks.kinds import is_array, is_table
from helpers.checks.optional_torch import torch
from helpers.checks.quiz import sealed_quiz
from helpers.grader.course.cases import Case
from helpers.grader.course.changed_inputs import on_changed_inputs
from helpers.grader.course.lab import Exercise, Lab
from helpers.grader.course.source import BEGIN, END

DECIMALS = 7  # of the values for the visible checks, whose tolerance is 1e-5
MAX_INPUT_DECIMALS = 3  # of the inputs of an example, so that a person can read them


def checks_text(lab: Lab) -> str:
    """Return the values that the visible checks of a lab compare with, as the text of a JSON file."""
    exercises = {
        name: {"heading": exercise.heading, **_visible(lab, exercise)} for name, exercise in lab.exercises.items()
    }
    return json.dumps({"lab": lab.name, "forbidden": lab.forbidden, "exercises": exercises}, indent=1) + "\n"


def _visible(lab: Lab, exercise: Exercise) -> dict[str, Any]:
    """Return what the visible check of an exercise compares with."""
    if exercise.quiz:
        return {"quiz": sealed_quiz(exercise.name, lab.reference[exercise.name], exercise.quiz)}
    return {"examples": [_example(lab, case) for case in exercise.examples]}


def _example(lab: Lab, case: Case) -> dict[str, Any]:
    # Computed in float64 and then rounded, because the last bits differ between processors.
    wide = replace(case, arguments=_wide(case.arguments))
    expected = lab.expected(wide)
    known = {item.name: item for item in lab.exercises[case.exercise].misconceptions}
    return {
        "name": case.name,
        "about": case.about,
        "observe": case.observe,
        "options": encode(case.options),
        "arguments": [encode(argument) for argument in case.arguments],
        "expected": _rounded_all(expected),
        "absolute": case.absolute,
        "relative": case.relative,
        "misconceptions": [
            {"diagnosis": known[name].diagnosis, "read": known[name].read, "values": _rounded_all(values)}
            for name, values in lab.known_wrong(wide).items()
        ],
        "on_changed_inputs": {name: _rounded_all(values) for name, values in on_changed_inputs(lab, wide).items()},
    }


def is_short(value: Any) -> bool:
    """Return whether every number has so few decimals that a person can read it."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        value = value.nan_to_num()
        return torch.equal(torch.round(value.double(), decimals=MAX_INPUT_DECIMALS).to(value.dtype), value)
    if is_array(value) or is_table(value):
        return encode(_rounded_table(value, MAX_INPUT_DECIMALS)) == encode(value)
    return all(is_short(item) for item in value) if isinstance(value, (tuple, list)) else True


def _wide(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
        return value.double()
    if is_array(value) and value.dtype == np.float32:
        return value.astype(np.float64)
    if isinstance(value, ModelSpec) and value.name in ("bigram", "gpt2", "linear"):
        return ModelSpec(value.name, **{"dtype": "float64", **value.settings})
    return type(value)(_wide(item) for item in value) if type(value) in (tuple, list) else value


def _rounded_all(values: dict[str, Any]) -> dict[str, Any]:
    return {label: encode(_rounded(item)) for label, item in values.items()}


def _rounded(value: Any) -> Any:
    """Return a value with its numbers rounded; adding 0.0 turns -0.0 into 0.0."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return torch.round(value.double(), decimals=DECIMALS) + 0.0
    if is_array(value) or is_table(value):
        return _rounded_table(value, DECIMALS)
    if isinstance(value, float):
        return round(value, DECIMALS) + 0.0
    return type(value)(_rounded(item) for item in value) if isinstance(value, (tuple, list)) else value


def _rounded_table(value: Any, decimals: int) -> Any:
    """Return an array, a Series or a frame with its floating-point numbers rounded; other columns stay as they are."""
    if is_array(value):
        return np.round(value, decimals) + 0.0 if value.dtype.kind == "f" else value
    if value.ndim == 2:
        return value.apply(_rounded_table, args=(decimals,)) if value.size else value
    return value.round(decimals) + 0.0 if value.dtype.kind == "f" else value


def solutions_text(lab: Lab, shown: bool) -> str:
    """Return what `solution` and `skip` show of a lab, as the text of a JSON file; without texts unless `shown`.

    Quizzes have none: each letter has its own explanation.
    """
    names = [name for name, exercise in lab.exercises.items() if not exercise.quiz]
    by_id = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell.source for cell in lab.notebook.cells}
    setup = "\n".join(cell.source for cell in lab.notebook.cells if cell.metadata.distillab.setup)
    content = {
        "lab": lab.name,
        "exercises": names,
        "setup": setup if shown else "",
        "solutions": {name: _without_markers(by_id[name]) for name in names} if shown else {},
    }
    return json.dumps(content, indent=1) + "\n"


def _without_markers(source: str) -> str:
    return "\n".join(line for line in source.split("\n") if line.strip() not in (BEGIN, END))
