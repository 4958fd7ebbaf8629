"""Release the labs: solutions/NN_name/NN_name.py → labs/NN_name/NN_name.ipynb and the values for the visible checks.

nbgrader itself makes the student's notebook from the instructor's. The result has no outputs, no timestamps and no
random ids, so the same source gives the same bytes everywhere; a test compares them with the committed files. A lab in
which someone has worked since its release is never overwritten.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import torch
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
    NbGraderPreprocessor,
    SaveCells,
)
from traitlets import Bool
from traitlets.config import Config, Configurable

from helpers.atomic import write_text
from helpers.checks.encoding import encode
from helpers.checks.error_causes import NOT_WRITTEN
from helpers.checks.fixtures import ModelSpec
from helpers.checks.kinds import is_array, is_table
from helpers.checks.quiz import sealed_quiz
from helpers.grader.course.cases import Case
from helpers.grader.course.lab import Exercise, Lab, find_labs
from helpers.grader.course.lab_files import require_wrong
from helpers.grader.course.rubric import rubrics_of
from helpers.grader.course.settings import course_config
from helpers.grader.course.source import BEGIN, END
from helpers.grader.errors import GraderError
from helpers.grader.reports.gradebook import require_same_cells

DECIMALS = 7  # of the values for the visible checks, whose tolerance is 1e-5
MAX_INPUT_DECIMALS = 3  # of the inputs of an example, so that a person can read them
_TITLE = re.compile(r"^# # (?:Lab \d+[:.]? *)?(.+)$", re.MULTILINE)  # a lab's title in its source


class Release(Configurable):
    """What `nbgrader_config.py` says about the release."""

    show_solutions = Bool(True, help="Whether students get solution() and skip(), with our solutions.").tag(config=True)


class ClearAnswers(ClearSolutions):
    """nbgrader's ClearSolutions, with a stub that names the exercise that has not been written yet."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        stub = f'# YOUR CODE HERE\nraise NotImplementedError("{name} {NOT_WRITTEN}")'
        if cell.source.startswith(f"{BEGIN}\n{name} = "):
            stub = f'{name} = ""  # type the letter of your answer between the quotes'
        self.code_stub = {resources["language"]: stub}
        return super().preprocess_cell(cell, resources, index)


class Stamp(NbGraderPreprocessor):
    """Writes the lab's name and the digest of the released notebook into its metadata."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Stamp the notebook; this must be the last preprocessor."""
        nb.metadata["distillab"] = {"lab": resources["nbgrader"]["assignment"]}
        nb.metadata["distillab"]["release"] = digest(json.loads(nbformat.writes(nb)))
        return nb, resources


RELEASE_PREPROCESSORS = [ClearAnswers, LockCells, ComputeChecksums, SaveCells, ClearOutput, CheckCellMetadata, Stamp]


def put_environment_first() -> None:
    """Put this environment's bin folder first in PATH, where nbgrader looks for `alembic`."""
    folder = str(Path(sys.executable).parent)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != folder:
        os.environ["PATH"] = os.pathsep.join([folder, os.environ.get("PATH", "")])


def generate(lab: Lab, folder: Path, database: str) -> str:
    """Have nbgrader make a lab's student notebook in `folder` and enter the lab in the gradebook. Return its text."""
    put_environment_first()
    require_same_cells(lab, database)
    source = folder / "source" / lab.name
    source.mkdir(parents=True, exist_ok=True)
    nbformat.write(instructor_notebook(lab), source / f"{lab.name}.ipynb")
    config = Config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.db_url = database
    config.CourseDirectory.course_id = "default_course"  # nbgrader's default; PostgreSQL requires that it exists
    config.CourseDirectory.assignment_id = lab.name
    config.GenerateAssignment.preprocessors = RELEASE_PREPROCESSORS
    converter = GenerateAssignment(coursedir=CourseDirectory(config=config), config=config)
    converter.force = True
    converter.log.setLevel(logging.ERROR)
    converter.start()
    return (folder / "release" / lab.name / f"{lab.name}.ipynb").read_text(encoding="utf-8")


def instructor_notebook(lab: Lab) -> NotebookNode:
    """Return the lab's notebook with the solutions and the map of the labs, without our own cell metadata."""
    notebook = nbformat.from_dict(lab.notebook)
    for cell in notebook.cells:
        cell.metadata.pop("distillab", None)
    if line := map_of_labs(lab):
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(line, id="map-of-labs"))
    return notebook


def map_of_labs(lab: Lab) -> str:
    """Return a line that names the course's labs in order, this one marked; empty if there is no other."""
    parts = []
    sources = (folder / f"{folder.name}.py" for folder in sorted(lab.folder.parent.iterdir()))
    for source in (source for source in sources if source.is_file()):
        name, title = source.stem, _TITLE.search(source.read_text(encoding="utf-8"))
        text = f"{name[:2]} {title[1]}" if title else name
        parts.append(f"**▶ {text}**" if name == lab.name else f"[{text}](../{name}/{name}.ipynb)")
    return "Where you are: " + " · ".join([*parts, "[Glossary](../glossary.ipynb)"]) if len(parts) > 1 else ""


def digest(content: dict[str, Any]) -> str:
    """Return the digest of a notebook file's JSON content, leaving out the field that stores the digest itself."""
    copied = json.loads(json.dumps(content))
    copied["metadata"].get("distillab", {}).pop("release", None)
    return hashlib.sha256(json.dumps(copied, sort_keys=True).encode()).hexdigest()[:16]


def untouched(path: Path) -> bool:
    """Return whether the file at `path` is exactly as a release wrote it, or does not exist."""
    if not path.exists():
        return True
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        return notebook["metadata"]["distillab"]["release"] == digest(notebook)
    except (ValueError, KeyError, TypeError):
        return False


# -------------------------------------------------------------------------------------- values for the visible checks


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
    if not _is_short(case.arguments):
        raise GraderError(
            f"{lab.name}: the example {case.exercise}/{case.name} needs inputs with at most three decimals."
        )
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
    }


def _is_short(value: Any) -> bool:
    """Return whether every number has so few decimals that a person can read it."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return torch.equal(torch.round(value.double(), decimals=MAX_INPUT_DECIMALS).to(value.dtype), value)
    if is_array(value) or is_table(value):
        return encode(_rounded_table(value, MAX_INPUT_DECIMALS)) == encode(value)
    return all(_is_short(item) for item in value) if isinstance(value, (tuple, list)) else True


def _wide(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
        return value.double()
    if is_array(value) and value.dtype == np.float32:
        return value.astype(np.float64)
    if isinstance(value, ModelSpec) and value.name == "gpt2":
        return ModelSpec("gpt2", **{"dtype": "float64", **value.settings})
    return tuple(_wide(item) for item in value) if isinstance(value, tuple) else value


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


# -------------------------------------------------------------------------------------------------------- the release


def release(course: Path, names: list[str] | None = None) -> dict[str, str]:
    """Write labs to `course`/labs and the values for their visible checks to the helpers.

    Returns what happened to each file: "unchanged", "written", or "kept" because someone has worked in it.
    """
    course = Path(course)
    settings = Release(config=course_config(course))
    outcomes: dict[str, str] = {}
    for name in names or find_labs(course):
        lab = Lab(course / "solutions" / name)
        rubrics_of(lab)  # a slip in them is said now, and not when people mark
        _require_wrong_misconceptions(lab)
        with tempfile.TemporaryDirectory() as scratch:
            text = generate(lab, Path(scratch), f"sqlite:///{course.resolve()}/gradebook.db")
        texts = {
            course / "labs" / name / f"{name}.ipynb": text,
            course / "helpers" / "assets" / "checks" / f"{name}.json": checks_text(lab),
            course / "helpers" / "assets" / "solutions" / f"{name}.json": solutions_text(lab, settings.show_solutions),
        }
        for path, text in texts.items():
            outcomes[str(path.relative_to(course))] = _write(path, text)
        nbformat.write(instructor_notebook(lab), lab.folder / f"{name}.ipynb")
    return outcomes


def _require_wrong_misconceptions(lab: Lab) -> None:
    for exercise in lab.exercises.values():
        for known in exercise.misconceptions:
            require_wrong(lab.folder / "misconceptions.py", known, lab.is_right)


def _write(path: Path, text: str) -> str:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return "unchanged"
    if path.suffix == ".ipynb" and not untouched(path):
        return "kept"
    write_text(path, text)
    return "written"
