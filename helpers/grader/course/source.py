"""Read a lab's source, `solutions/NN_name/NN_name.py`, as an instructor's notebook.

The source is in jupytext's percent format, with a short vocabulary in the cell headers: `exercise="name"`,
`check="name" points=4`, `answer="name" points=2` and `setup=true`. Here these become nbgrader's cell metadata, and
every cell gets an id that follows from its position, so that the same source gives the same bytes on every machine.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from helpers.grader.errors import GraderError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
VOCABULARY = {"exercise", "check", "answer", "setup", "points"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

_HEADING = re.compile(r"#{1,2} +(.+)")
_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")


def read_source(path: Path) -> NotebookNode:
    """Return the instructor's notebook of a lab, with nbgrader metadata and solution regions marked.

    Raises GraderError, with the cell's number, if a header or a cell breaks the rules.
    """
    notebook = jupytext.read(path, fmt="py:percent")
    cells, headings, seen = [], _Ordinals(), set()
    for number, cell in enumerate(notebook.cells, 1):
        header = {key: item for key, item in cell.metadata.items() if key in VOCABULARY}
        unknown = set(cell.metadata) - VOCABULARY - {"lines_to_next_cell"}  # jupytext's note on blank lines
        if unknown:
            raise GraderError(f"{path.name}, cell {number}: unknown word in the header: {', '.join(sorted(unknown))}")
        if cell.cell_type == "markdown":
            headings.enter(cell.source)
        try:
            made = _make_cell(cell.cell_type, cell.source, header)
        except ValueError as problem:
            raise GraderError(f"{path.name}, cell {number}: {problem}") from None
        grade_id = made.metadata.get("nbgrader", {}).get("grade_id")
        made["id"] = cell_id(grade_id) if grade_id else headings.next_id()
        if made["id"] in seen:
            raise GraderError(f"{path.name}, cell {number}: the id {made['id']} occurs twice")
        seen.add(made["id"])
        made.metadata["distillab"] = {"heading": headings.title, "setup": bool(header.get("setup"))}
        cells.append(made)
    _pair_checks(path, cells)
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    )


class _Ordinals:
    """Gives cells without a name an id from their section and their number in it."""

    def __init__(self) -> None:
        self.title, self.slug, self.count, self.used = "", "top", 0, {"top"}

    def enter(self, markdown: str) -> None:
        match = _HEADING.match(markdown)
        if match:
            self.title = match.group(1).strip().replace("`", "")
            slug = _NOT_IN_SLUG.sub("-", self.title.lower()).strip("-")[:40] or "section"
            while slug in self.used:
                slug += "-again"
            self.used.add(slug)
            self.slug, self.count = slug, 0

    def next_id(self) -> str:
        self.count += 1
        return f"{self.slug}-{self.count}"


def cell_id(grade_id: str) -> str:
    """Return the cell id, as nbformat allows it, of a cell whose nbgrader id is `grade_id`."""
    return _NOT_IN_ID.sub("-", grade_id)[:64]


def _make_cell(kind: str, source: str, header: dict[str, Any]) -> NotebookNode:
    roles = [word for word in ("exercise", "check", "answer", "setup") if word in header]
    if len(roles) > 1:
        raise ValueError(f"a cell has one role, and this one has {', '.join(roles)}")
    role = roles[0] if roles else None
    if role in ("check", "answer") and not header.get("points", 0) > 0:
        raise ValueError(f"a cell with {role}= needs points above 0")
    if (role == "answer") != (kind == "markdown") and role is not None:
        raise ValueError(f"{role}= cannot be on a {kind} cell")
    new = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
    if role == "exercise":
        cell = new(mark_solution(source, header["exercise"]))
        _add_nbgrader_metadata(cell, header["exercise"], solution=True)
    elif role == "check":
        if source.strip() != f"check({header['check']})":
            raise ValueError(f"the check cell must hold check({header['check']}) and nothing else")
        cell = new(source)
        _add_nbgrader_metadata(cell, f"check_{header['check']}", points=header["points"], locked=True)
    elif role == "answer":
        cell = new(source)
        _add_nbgrader_metadata(cell, f"answer_{header['answer']}", points=header["points"], solution=True)
    else:
        cell = new(source)
    return cell


def _add_nbgrader_metadata(
    cell: NotebookNode, grade_id: str, *, points: float | None = None, solution: bool = False, locked: bool = False
) -> None:
    """Tell nbgrader what a cell is for: a cell with points is graded, and students write in one with a solution."""
    cell.metadata["nbgrader"] = {
        "grade": points is not None,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    } | ({} if points is None else {"points": points})


def mark_solution(source: str, name: str) -> str:
    """Return an exercise's source with nbgrader's solution markers around the body of each function in it.

    The cell must hold one function or class called `name`, with a docstring; docstrings and signatures stay outside.
    """
    body = ast.parse(source).body
    if len(body) != 1 or not isinstance(body[0], (ast.FunctionDef, ast.ClassDef)) or body[0].name != name:
        raise ValueError(f"the exercise cell must hold one function or class called {name} and nothing else")
    if not ast.get_docstring(body[0]):
        raise ValueError(f"{name} needs a docstring: students see nothing else of it")
    functions = [body[0]] if isinstance(body[0], ast.FunctionDef) else body[0].body
    lines = source.split("\n")
    for function in reversed([node for node in functions if isinstance(node, ast.FunctionDef)]):
        documented = ast.get_docstring(function) is not None
        first = function.body[0]
        start = (first.end_lineno or first.lineno) if documented else first.lineno - 1
        indent = " " * (function.col_offset + 4)
        lines.insert(function.end_lineno or len(lines), indent + END)
        lines.insert(start, indent + BEGIN)
    return "\n".join(lines)


def _pair_checks(path: Path, cells: list[NotebookNode]) -> None:
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id", "") for cell in cells]
    checks = {grade_id.removeprefix("check_") for grade_id in ids if grade_id.startswith("check_")}
    exercises = {grade_id for grade_id in ids if grade_id and not grade_id.startswith(("check_", "answer_"))}
    if checks != exercises:
        odd = ", ".join(sorted(checks ^ exercises))
        raise GraderError(f"{path.name}: every exercise needs one check and every check an exercise; look at {odd}")
