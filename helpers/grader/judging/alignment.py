"""Lay a student's notebook beside the lab's source: which cell is which, and where each exercise is judged.

Checks, points and metadata come from the source whatever the student did to theirs; the student's own cells keep
their order. Cells are known by nbgrader's id, then by the cell's id, then by what they define, so that a notebook which
lost its metadata in another editor is still judged.
"""

from __future__ import annotations

import ast
import copy
import re
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode

from helpers.grader.course.lab import Lab
from helpers.grader.course.source import cell_id
from helpers.grader.notes import Note, NoteCode


@dataclass
class Aligned:
    """A notebook ready to run, the exercise that each check cell judges, and what a person should know."""

    notebook: NotebookNode
    checks: dict[int, str] = field(default_factory=dict)  # place of the cell → exercise
    solutions: dict[str, list[int]] = field(default_factory=dict)  # exercise → places of the cells that define it
    notes: list[Note] = field(default_factory=list)


def align(lab: Lab, submitted: NotebookNode) -> Aligned:
    """Return the student's cells with the source's checks in their places."""
    known = {cell.metadata.nbgrader.grade_id: cell for cell in lab.notebook.cells if "nbgrader" in cell.metadata}
    notes: list[Note] = []
    cells: list[NotebookNode] = []
    found: dict[str, int] = {}  # id → place among `cells`; for a check, the place before which it stood
    answers = _answers_by_question(lab, submitted)
    for number, cell in enumerate(submitted.cells):
        name = _identify(cell, known, lab)
        if name is None and number in answers:
            name = answers[number]
            notes.append(Note.of(NoteCode.CELL_FOUND_BY_QUESTION, answer=name))
        if name and name in found:
            notes.append(Note.of(NoteCode.CELL_REPEATED, cell=name))
            if name.startswith("check_"):
                continue
            name = None
        if name:
            found[name] = len(cells)
        if name is None or not name.startswith("check_"):
            cells.append(_own_cell(cell, known.get(name) if name else None))

    places: list[tuple[int, int, str]] = []
    solutions: dict[str, list[int]] = {}
    for order, exercise in enumerate(lab.exercises):
        stood, place = found.get(f"check_{exercise}"), found.get(exercise)
        if place is None:
            place = _defining(cells, exercise, stood)
            if place is not None:
                notes.append(Note.of(NoteCode.CELL_FOUND_BY_DEFINITION, exercise=exercise))
        solutions[exercise] = [] if place is None else [place]
        after_solution = 0 if place is None else place + 1
        if stood is None:
            notes.append(Note.of(NoteCode.CHECK_PUT_BACK, exercise=exercise))
            stood = len(cells) if place is None else 0
        places.append((max(stood, after_solution), order, exercise))

    return _assemble(lab, cells, sorted(places), solutions, notes)


def _defining(cells: list[NotebookNode], exercise: str, stood: int | None) -> int | None:
    """Return the place of the cell that answers an exercise, where only what it defines tells; None without one.

    What a later cell binds to the name (`entropy = entropy(p)`, in a last try-out) came after the check that `stood`
    before it, and was not checked. A cell that writes the function or class comes before one that assigns the name.
    """
    bound = [place for place, cell in enumerate(cells) if exercise in names_bound(cell)]
    before = [place for place in bound if stood is not None and place < stood] or bound
    writes = re.compile(rf"^(?:async\s+def|def|class)\s+{exercise}\b", re.MULTILINE)
    written = [place for place in before if writes.search(cells[place].source)]
    return max(written or before, default=None)


def _assemble(
    lab: Lab,
    cells: list[NotebookNode],
    places: list[tuple[int, int, str]],
    solutions: dict[str, list[int]],
    notes: list[Note],
) -> Aligned:
    sources = {cell.metadata.nbgrader.grade_id: cell for cell in lab.notebook.cells if "nbgrader" in cell.metadata}
    result = Aligned(nbformat.v4.new_notebook(metadata=copy.deepcopy(lab.notebook.metadata)), notes=notes)
    moved: dict[int, int] = {}
    for place in range(len(cells) + 1):
        for _, _, exercise in (entry for entry in places if entry[0] == place):
            result.checks[len(result.notebook.cells)] = exercise
            result.notebook.cells.append(_clean_copy(sources[f"check_{exercise}"]))
        if place < len(cells):
            moved[place] = len(result.notebook.cells)
            result.notebook.cells.append(cells[place])
    result.solutions = {name: [moved[place] for place in found] for name, found in solutions.items()}
    used: set[str] = set()
    for number, cell in enumerate(result.notebook.cells):
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell["id"] = cell_id(grade_id) if grade_id else f"cell-{number}"
        while cell["id"] in used:
            cell["id"] += "-"
        used.add(cell["id"])
    return result


def _identify(cell: NotebookNode, known: dict[str, NotebookNode], lab: Lab) -> str | None:
    """Return the nbgrader id of the source's cell that this one is, if it is one."""
    metadata = cell.get("metadata", {}).get("nbgrader")
    grade_id = metadata.get("grade_id") if isinstance(metadata, dict) else None
    if isinstance(grade_id, str) and grade_id in known:
        return grade_id
    by_id = {cell_id(name): name for name in known}
    if cell.get("id") in by_id:
        return by_id[cell["id"]]
    match = re.fullmatch(r"check\((\w+)\)", cell.source.strip())
    return f"check_{match[1]}" if match and match[1] in lab.exercises else None


def _answers_by_question(lab: Lab, submitted: NotebookNode) -> dict[int, str]:
    """Return the places of written answers that follow their question word for word, for notebooks that lost their ids.

    An answer is the text cell right after its question, unless the source has a cell of that very text elsewhere.
    """
    texts = {cell.source.strip() for cell in lab.notebook.cells}
    places: dict[int, str] = {}
    for question, answer in zip(lab.notebook.cells, lab.notebook.cells[1:], strict=False):
        grade_id = answer.metadata.get("nbgrader", {}).get("grade_id", "")
        if not grade_id.startswith("answer_"):
            continue
        asked = [n for n, cell in enumerate(submitted.cells) if cell.source.strip() == question.source.strip()]
        following = asked[0] + 1 if asked else len(submitted.cells)
        if following < len(submitted.cells):
            cell = submitted.cells[following]
            if cell.cell_type == "markdown" and cell.source.strip() not in texts:
                places[following] = grade_id
    return places


def _own_cell(cell: NotebookNode, source: NotebookNode | None) -> NotebookNode:
    """Return a student's cell without outputs, tags and foreign metadata, with the source's type and metadata."""
    kind = source.cell_type if source is not None else cell.cell_type
    kind = kind if kind in ("code", "markdown") else "raw"
    # Not nbformat's new_code_cell, which validates each cell against the schema: half of the time of aligning.
    own = NotebookNode(id="", cell_type=kind, source=cell.source, metadata=NotebookNode())
    if kind == "markdown" and "attachments" in cell:  # images that were pasted into an answer
        own["attachments"] = cell.attachments
    if kind == "code":
        own.update(outputs=[], execution_count=None)
    if source is not None:
        own.metadata["nbgrader"] = copy.deepcopy(source.metadata.nbgrader)
    return own


def _clean_copy(cell: NotebookNode) -> NotebookNode:
    own = copy.deepcopy(cell)
    own.metadata.pop("distillab", None)
    own.outputs, own.execution_count = [], None
    return own


def names_bound(cell: NotebookNode) -> set[str]:
    """Return the names that a code cell defines at its top level, also where its text does not parse."""
    if cell.cell_type != "code":
        return set()
    try:
        body = ast.parse(cell.source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"^(?:def|class)\s+(\w+)", cell.source, re.MULTILINE))
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(statement.name)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
        else:
            names |= {
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
    return names
