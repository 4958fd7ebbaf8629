"""The labs of this course, read once for each test process."""

from __future__ import annotations

import importlib.util
from functools import cache
from types import ModuleType

import nbformat
import pytest

from helpers.grader.course.lab import Lab, find_labs
from tests.conftest import ROOT

LABS = find_labs(ROOT)
SEEDS = (1_204_881_719_320_663_281, 7)  # of two runs


@cache
def lab_of(name: str) -> Lab:
    return Lab(ROOT / "solutions" / name)


@cache
def drawn(name: str, seed: int) -> Lab:
    """A lab as a run with this seed judges with it."""
    return lab_of(name).drawn(seed)


@cache
def released(name: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "labs" / name / f"{name}.ipynb", as_version=4)


def checks_of(name: str) -> str:
    """The numbers for a lab's checks as released; `test_a_release_changes_nothing` shows that they are up to date."""
    return (ROOT / "helpers" / "assets" / "checks" / f"{name}.json").read_text()


EXERCISES = [(name, item.name) for name in LABS for item in lab_of(name).exercises.values() if not item.quiz]
QUIZZES = [(name, item.name) for name in LABS for item in lab_of(name).exercises.values() if item.quiz]
MISCONCEPTIONS = [
    pytest.param(name, exercise, known, id=f"{name}-{exercise}-{known.name}")
    for name, exercise in EXERCISES
    for known in lab_of(name).exercises[exercise].misconceptions
]


@cache
def variants(name: str) -> ModuleType:
    """The right answers to a lab's exercises that are written in other ways than its solution."""
    path = ROOT / "tests" / "labs" / "variants" / f"{name}.py"
    if not path.is_file():  # a new lab: `test_every_exercise_has_eight_right_variants` says what is missing
        return ModuleType(f"variants_{name}")
    spec = importlib.util.spec_from_file_location(f"variants_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RIGHT = [
    pytest.param(name, exercise, source, id=f"{name}-{exercise}-{number}")
    for name, exercise in EXERCISES
    for number, source in enumerate(getattr(variants(name), "VARIANTS", {}).get(exercise, []))
]


def defined(lab: Lab, exercise: str, source: str):
    """Return what a student's cell defines, with the lab's setup and the other exercises around it."""
    space = {key: item for key, item in lab.reference.items() if key != exercise}
    exec(compile(source, "<variant>", "exec"), space)
    return space[exercise]
