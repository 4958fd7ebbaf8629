"""Release the labs: solutions/NN_name/NN_name.py → labs/NN_name/NN_name.ipynb and the values for the visible checks.

nbgrader itself makes the student's notebook from the instructor's. The result has no outputs, no timestamps and no
random ids, so the same source gives the same bytes everywhere; a test compares them with the committed files. A lab in
which someone has worked since its release is never overwritten.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
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
from traitlets import Bool, Unicode
from traitlets.config import Config, Configurable

from helpers.atomic import write_text
from helpers.checks.error_causes import NOT_WRITTEN
from helpers.checks.lab_data import packed
from helpers.grader.course.check_values import checks_text, solutions_text
from helpers.grader.course.lab import Lab, find_labs
from helpers.grader.course.lint import slips
from helpers.grader.course.settings import course_config
from helpers.grader.course.source import BEGIN, FOLDED
from helpers.grader.errors import GraderError
from helpers.grader.reports.gradebook import one_transaction, require_same_cells

CARRIES = "what-the-checks-need"  # the id of the cell that carries what a lab's checks need
_TITLE = re.compile(r"^# # (?:Lab \d+[:.]? *)?(.+)$", re.MULTILINE)  # a lab's title in its source


class Release(Configurable):
    """What `nbgrader_config.py` says about the release."""

    show_solutions = Bool(True, help="Whether students get solution() and skip(), with our solutions.").tag(config=True)
    assets = Unicode(
        "",
        help="Folder, in a package that students have, for the values of the checks and our solutions. "
        "Empty: each notebook carries its own.",
    ).tag(config=True)


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


class EnterCells(SaveCells):
    """nbgrader's SaveCells, which enters a lab in the gradebook, in one transaction; it makes one for each cell."""

    def _create_notebook(self, nb: NotebookNode) -> None:
        with one_transaction(self.gradebook):
            super()._create_notebook(nb)


RELEASE_PREPROCESSORS = [ClearAnswers, LockCells, ComputeChecksums, EnterCells, ClearOutput, CheckCellMetadata, Stamp]


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
    nbformat.write(complete_notebook(lab), source / f"{lab.name}.ipynb")
    config = Config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.db_url = database
    config.CourseDirectory.course_id = "default_course"  # nbgrader's default; PostgreSQL requires that it exists
    config.CourseDirectory.assignment_id = lab.name
    config.GenerateAssignment.preprocessors = RELEASE_PREPROCESSORS
    config.NotebookExporter.optimistic_validation = True  # once at the end, and not after each preprocessor
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


def complete_notebook(lab: Lab) -> NotebookNode:
    """Return the instructor's notebook with all that goes to students: it may carry what its checks need."""
    settings, notebook = _settings_of(lab.folder.resolve().parents[1]), instructor_notebook(lab)
    if not settings.assets:
        source = packed(checks_text(lab), solutions_text(lab, settings.show_solutions))
        cell = nbformat.v4.new_code_cell(source, id=CARRIES, metadata=copy.deepcopy(FOLDED))
        first = next((place for place, other in enumerate(notebook.cells) if other.cell_type == "code"), 0)
        notebook.cells.insert(first, cell)
    return notebook


def _settings_of(course: Path) -> Release:
    return Release(config=course_config(course))


def map_of_labs(lab: Lab) -> str:
    """Return a line that names the course's labs in order, this one marked; empty if there is no other."""
    parts = []
    sources = (folder / f"{folder.name}.py" for folder in sorted(lab.folder.parent.iterdir()))
    for source in (source for source in sources if source.is_file()):
        name, title = source.stem, _TITLE.search(source.read_text(encoding="utf-8"))
        text = f"{name[:2]} {title[1]}" if title else name
        parts.append(f"**▶ {text}**" if name == lab.name else f"[{text}](../{name}/{name}.ipynb)")
    if len(parts) < 2:
        return ""
    if (lab.folder.resolve().parents[1] / "docs" / "glossary.md").is_file():  # `distillab lab` makes a notebook of it
        parts.append("[Glossary](../glossary.ipynb)")
    return "Where you are: " + " · ".join(parts)


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


# -------------------------------------------------------------------------------------------------------- the release


def release(course: Path, names: list[str] | None = None) -> dict[str, str]:
    """Write labs to `course`/labs, and the values for their visible checks into the notebooks or `Release.assets`.

    Returns what happened to each file: "unchanged", "written", or "kept" because someone has worked in it. Raises
    GraderError, with a line for each slip of an author, if there is one; then nothing is written.
    """
    course = Path(course)
    settings = _settings_of(course)
    labs = names or find_labs(course)
    if not labs:
        raise GraderError(f"{course / 'solutions'} holds no lab yet. Make one with: distillab new 01_name")
    if found := [line for name in labs for line in slips(course / "solutions" / name)]:
        raise GraderError("\n".join(found))
    outcomes: dict[str, str] = {}
    for name in labs:
        lab = Lab(course / "solutions" / name)
        with tempfile.TemporaryDirectory() as scratch:
            texts = {
                course / "labs" / name / f"{name}.ipynb": generate(
                    lab, Path(scratch), f"sqlite:///{course.resolve()}/gradebook.db"
                )
            }
        if settings.assets:
            assets = course / settings.assets
            texts[assets / "checks" / f"{name}.json"] = checks_text(lab)
            texts[assets / "solutions" / f"{name}.json"] = solutions_text(lab, settings.show_solutions)
        for path, text in texts.items():
            outcomes[str(path.relative_to(course))] = _write(path, text)
        nbformat.write(complete_notebook(lab), lab.folder / f"{name}.ipynb")
    return outcomes


def _write(path: Path, text: str) -> str:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return "unchanged"
    if path.suffix == ".ipynb" and not untouched(path):
        return "kept"
    write_text(path, text)
    return "written"
