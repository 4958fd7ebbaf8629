"""Match a student's notebook to the lab's source: which cell is which, and where each exercise is judged.

Checks, points and metadata come from the source whatever the student did to theirs; the student's own cells keep
their order. Cells are recognised by nbgrader's id, then by the cell's id, then by what they define, so that a notebook
which lost its metadata in another editor is still judged.
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

_DEFINITION = re.compile(r"^(?:async\s++def|def|class)\s++(\w++)", re.MULTILINE)
_CHECK = re.compile(r"""check\(["']?(\w++)["']?\)""")


@dataclass
class Aligned:
    """A notebook that is ready to run, with the source's checks in it.

    Attributes:
        notebook: the cells.
        checks: the exercise that each check cell judges, by the cell's index.
        solutions: the indices of the cells that define each exercise.
        notes: what a person should know about it.
    """

    notebook: NotebookNode
    checks: dict[int, str] = field(default_factory=dict)
    solutions: dict[str, list[int]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


@dataclass
class _StudentCells:
    """A student's cells without the checks, and where each cell of the source was found among them.

    `indices` has the index of each cell by its nbgrader id; for a check, the index of the cell that it stood before.
    """

    cells: list[NotebookNode] = field(default_factory=list)
    indices: dict[str, int] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class _Placed:
    """Where an exercise is among the student's cells: its answer, if there is one, and the cell its check precedes."""

    exercise: str
    solution: int | None
    check: int


def align(lab: Lab, submitted: NotebookNode) -> Aligned:
    """Return the student's cells with the source's checks in their places."""
    found = _match_cells(lab, submitted)
    placed = [_place(exercise, found) for exercise in lab.exercises]
    return _assemble(lab, found, placed)


def _sources(lab: Lab) -> dict[str, NotebookNode]:
    """Return the source's cells that nbgrader knows, by their ids."""
    return {cell.metadata.nbgrader.grade_id: cell for cell in lab.notebook.cells if "nbgrader" in cell.metadata}


def _match_cells(lab: Lab, submitted: NotebookNode) -> _StudentCells:
    """Recognise the source's cells by their ids. A cell that comes twice is taken the first time."""
    sources, answers = _sources(lab), _answers_by_question(lab, submitted)
    found = _StudentCells()
    for number, cell in enumerate(submitted.cells):
        name = _identify(cell, sources, lab)
        if name is None and number in answers:
            name = answers[number]
            found.notes.append(Note.of(NoteCode.CELL_FOUND_BY_QUESTION, answer=name))
        is_check = name is not None and name.startswith("check_")
        if name is not None and name in found.indices:
            found.notes.append(Note.of(NoteCode.CELL_REPEATED, cell=name))
            name = None
        if name is not None:
            found.indices[name] = len(found.cells)
        if not is_check:
            found.cells.append(_own_cell(cell, sources[name] if name else None))
    return found


def _place(exercise: str, found: _StudentCells) -> _Placed:
    """Decide which cell answers an exercise, and before which cell its check goes: after the answer in any case."""
    check, solution = found.indices.get(f"check_{exercise}"), found.indices.get(exercise)
    if solution is None:
        solution = _defining_cell(found.cells, exercise, check)
        if solution is not None:
            found.notes.append(Note.of(NoteCode.CELL_FOUND_BY_DEFINITION, exercise=exercise))
    if check is None:
        found.notes.append(Note.of(NoteCode.CHECK_PUT_BACK, exercise=exercise))
        check = len(found.cells) if solution is None else 0
    return _Placed(exercise, solution, max(check, 0 if solution is None else solution + 1))


def _defining_cell(cells: list[NotebookNode], exercise: str, check: int | None) -> int | None:
    """Return the index of the cell that answers an exercise, judged only by what it defines; None if there is none.

    What a later cell binds to the name (`entropy = entropy(p)`, in a last try-out) came after the check, which stood
    before the cell with index `check`, and was not checked. A cell that writes the function or class is preferred to
    one that assigns the name.
    """
    binding = [index for index, cell in enumerate(cells) if exercise in names_bound(cell)]
    before = [index for index in binding if check is not None and index < check] or binding
    defining = [index for index in before if exercise in _DEFINITION.findall(cells[index].source)]
    return max(defining or before, default=None)


def _assemble(lab: Lab, found: _StudentCells, placed: list[_Placed]) -> Aligned:
    """Insert the checks among the student's cells."""
    sources = _sources(lab)
    result = Aligned(nbformat.v4.new_notebook(metadata=copy.deepcopy(lab.notebook.metadata)), notes=found.notes)
    cells = result.notebook.cells
    moved: dict[int, int] = {}  # index among the student's cells → index in the notebook
    for index in range(len(found.cells) + 1):
        for exercise in (entry.exercise for entry in placed if entry.check == index):
            result.checks[len(cells)] = exercise
            cells.append(_clean_copy(sources[f"check_{exercise}"]))
        if index < len(found.cells):
            moved[index] = len(cells)
            cells.append(found.cells[index])
    for entry in placed:
        result.solutions[entry.exercise] = [] if entry.solution is None else [moved[entry.solution]]
    _give_ids(cells)
    return result


def _give_ids(cells: list[NotebookNode]) -> None:
    """Give each cell an id that no other cell has."""
    used: set[str] = set()
    for number, cell in enumerate(cells):
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell["id"] = cell_id(grade_id) if grade_id else f"cell-{number}"
        while cell["id"] in used:
            cell["id"] += "-"
        used.add(cell["id"])


def _identify(cell: NotebookNode, sources: dict[str, NotebookNode], lab: Lab) -> str | None:
    """Return the nbgrader id of the source's cell that this one is, or None."""
    metadata = cell.get("metadata", {}).get("nbgrader")
    grade_id = metadata.get("grade_id") if isinstance(metadata, dict) else None
    if isinstance(grade_id, str) and grade_id in sources:
        return grade_id
    by_id = {cell_id(name): name for name in sources}
    if cell.get("id") in by_id:
        return by_id[cell["id"]]
    match = _CHECK.fullmatch(cell.source.strip())
    return f"check_{match[1]}" if match and match[1] in lab.exercises else None


def _answers_by_question(lab: Lab, submitted: NotebookNode) -> dict[int, str]:
    """Return the indices of written answers that follow their question word for word, with the answers' ids.

    This is for notebooks that lost their ids. An answer is the text cell right after its question, unless the source
    has a cell of exactly that text elsewhere.
    """
    texts = {cell.source.strip() for cell in lab.notebook.cells}
    indices: dict[int, str] = {}
    for question, answer in zip(lab.notebook.cells, lab.notebook.cells[1:], strict=False):
        grade_id = answer.metadata.get("nbgrader", {}).get("grade_id", "")
        if not grade_id.startswith("answer_"):
            continue
        asked = [n for n, cell in enumerate(submitted.cells) if cell.source.strip() == question.source.strip()]
        following = asked[0] + 1 if asked else len(submitted.cells)
        if following < len(submitted.cells):
            cell = submitted.cells[following]
            if cell.cell_type == "markdown" and cell.source.strip() not in texts:
                indices[following] = grade_id
    return indices


def _own_cell(cell: NotebookNode, source: NotebookNode | None) -> NotebookNode:
    """Return a student's cell without outputs, tags and foreign metadata, with the source's type and metadata."""
    kind = source.cell_type if source is not None else cell.cell_type
    kind = kind if kind in ("code", "markdown") else "raw"
    # Not nbformat's new_code_cell: it validates each cell against the schema, which takes half of the time of aligning.
    own = NotebookNode(id="", cell_type=kind, source=cell.source, metadata=NotebookNode())
    if kind == "markdown" and "attachments" in cell:  # images that were pasted into an answer
        own["attachments"] = cell.attachments
    if kind == "code":
        own.update(outputs=[], execution_count=None)
    if source is not None:
        own.metadata["nbgrader"] = copy.deepcopy(source.metadata.nbgrader)
    return own


def _clean_copy(cell: NotebookNode) -> NotebookNode:
    copied = copy.deepcopy(cell)
    copied.metadata.pop("distillab", None)
    copied.outputs, copied.execution_count = [], None
    return copied


def names_bound(cell: NotebookNode) -> set[str]:
    """Return the names that a code cell binds at its top level; functions and classes only, if it does not parse."""
    if cell.cell_type != "code":
        return set()
    try:
        body = ast.parse(cell.source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(_DEFINITION.findall(cell.source))
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
