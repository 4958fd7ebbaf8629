"""Read a lab's source, `solutions/NN_name/NN_name.py`, as an instructor's notebook.

The source is in jupytext's percent format, with a short vocabulary in the cell headers: `exercise="name"`,
`check="name" points=4`, `quiz="name" points=1`, `answer="name" points=2`, `setup=true`, and `fold=true` for a code cell
whose source is folded away, as that of a prediction always is. Here these become nbgrader's cell metadata, and every
cell gets an id that follows from its position, so that the same source gives the same bytes on every machine.

Images of the course, `![alt](../../docs/figures/name.svg)`, are put into the text itself, so that they travel with the
notebook: as PNG from the file beside the SVG, since Colab shows no SVG in a text cell.

A quiz is one line, `name = "B"`: the right letter. It is released as `name = ""` with its check cell below; what each
letter means stands in `misconceptions.py`.
"""

from __future__ import annotations

import ast
import base64
import copy
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from helpers.grader.course.lab_files import line_of, slip

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
ROLES = ("exercise", "check", "quiz", "answer", "setup")
VOCABULARY = {*ROLES, "points", "fold"}
FOLDED_TITLE = "# @title Run this cell"  # what is seen of a folded cell, in JupyterLab and in Colab
PREDICTION_TITLE = "# @title Predict first: run this cell, and make a guess"
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # for JupyterLab, and for Colab
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

_HEADING = re.compile(r"#{1,2} +(.+)")
_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_IMAGE = re.compile(r"!\[(?P<alt>[^\[\]]*)\]\((?P<path>[\w./-]+\.(?:svg|png))\)")
_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_PREDICTION = re.compile(r"^predict\(", re.MULTILINE)
_QUIZ = re.compile(r'(?P<name>\w+) = "(?P<letter>[A-Z])"')


def read_source(path: Path) -> NotebookNode:
    """Return the instructor's notebook of a lab, with nbgrader metadata and solution regions marked.

    Raises GraderError, with file and line, if a header or a cell breaks the rules.
    """
    notebook = jupytext.read(path, fmt="py:percent")
    cells, headings, seen = [], _Ordinals(), set()
    for start, cell in zip(_first_lines(path), notebook.cells, strict=False):
        header = {key: item for key, item in cell.metadata.items() if key in VOCABULARY}
        unknown = set(cell.metadata) - VOCABULARY - {"lines_to_next_cell"}  # jupytext's note on blank lines
        if unknown:
            known = ", ".join(sorted(VOCABULARY))
            said = f"unknown word in the header: {', '.join(sorted(unknown))}. The words are: {known}."
            raise slip(path, start, said)
        if cell.cell_type == "markdown":
            headings.enter(cell.source)
        try:
            source = with_images(cell.source, path.parent) if cell.cell_type == "markdown" else cell.source
            made_of_it = _make_cells(cell.cell_type, source, header)
        except SyntaxError as problem:
            said = f"{problem.msg}: {(problem.text or '').strip()}"
            raise slip(path, start + (problem.lineno or 0), said) from None
        except ValueError as problem:
            raise slip(path, start, str(problem)) from None
        for made in made_of_it:
            grade_id = made.metadata.get("nbgrader", {}).get("grade_id")
            made["id"] = cell_id(grade_id) if grade_id else headings.next_id()
            if made["id"] in seen:
                raise slip(path, start, f"the id {made['id']} occurs twice. Give one of the two cells another name.")
            seen.add(made["id"])
            made.metadata["distillab"] = {
                "heading": headings.title,
                "setup": bool(header.get("setup")),
                "quiz": header.get("quiz", ""),
            }
            cells.append(made)
    _pair_checks(path, cells)
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    )


def _first_lines(path: Path) -> list[int]:
    """Return the line of each cell's header."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if line.startswith("# %%")]


def with_images(markdown: str, folder: Path) -> str:
    """Return a text with its image files in it as data. Raises ValueError if one is missing or has no alt text."""

    def as_data(match: re.Match[str]) -> str:
        image = (folder / match["path"]).with_suffix(".png")
        if not match["alt"].strip() or not image.is_file():
            raise ValueError(f"the image {match['path']} needs alt text, and a file {image.name} beside it")
        data = base64.b64encode(image.read_bytes()).decode("ascii")
        return f"![{match['alt']}](data:image/png;base64,{data})"

    return _IMAGE.sub(as_data, markdown)


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


def _make_cells(kind: str, source: str, header: dict[str, Any]) -> list[NotebookNode]:
    """Return what a cell of the source becomes: one cell, or for a quiz the answer and its check."""
    role = _role(kind, header)
    cell = (nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell)(source)
    asks = kind == "code" and role is None and bool(_PREDICTION.search(source))
    if header.get("fold") or asks:  # the question stands in what a prediction displays: its code would say it twice
        cell.metadata.update(copy.deepcopy(FOLDED))
        if not source.startswith("#"):  # its first line stays in view, and must not give an answer away
            cell.source = f"{PREDICTION_TITLE if asks else FOLDED_TITLE}\n{source}"
    if role == "exercise":
        cell.source = mark_solution(source, header["exercise"])
        _add_nbgrader_metadata(cell, header["exercise"], solution=True)
    elif role == "check":
        if source.strip() != f"check({header['check']})":
            raise ValueError(f"the check cell must hold check({header['check']}) and nothing else")
        _add_nbgrader_metadata(cell, f"check_{header['check']}", points=header["points"], locked=True)
    elif role == "quiz":
        name = header["quiz"]
        match = _QUIZ.fullmatch(source.strip())
        if not match or match["name"] != name:
            raise ValueError(f'the quiz cell must hold {name} = "B", with the right letter, and nothing else')
        cell.source = f"{BEGIN}\n{source.strip()}\n{END}"
        _add_nbgrader_metadata(cell, name, solution=True)
        check = nbformat.v4.new_code_cell(f'check("{name}")')
        _add_nbgrader_metadata(check, f"check_{name}", points=header["points"], locked=True)
        return [cell, check]
    elif role == "answer":
        _add_nbgrader_metadata(cell, f"answer_{header['answer']}", points=header["points"], solution=True)
    return [cell]


def _role(kind: str, header: dict[str, Any]) -> str | None:
    """Return the role that a cell's header gives it. Raises ValueError if the header breaks the rules."""
    roles = [word for word in ROLES if word in header]
    if len(roles) > 1:
        raise ValueError(f"a cell has one role, and this one has {', '.join(roles)}")
    role = roles[0] if roles else None
    if role in ("check", "quiz", "answer") and not header.get("points", 0) > 0:
        raise ValueError(f"a cell with {role}= needs points above 0")
    if (role == "answer") != (kind == "markdown") and role is not None:
        raise ValueError(f"{role}= cannot be on a {kind} cell")
    if header.get("fold") and (kind != "code" or role not in (None, "setup")):
        raise ValueError("fold= folds a code cell that nobody has to write in")
    return role


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


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def mark_solution(source: str, name: str) -> str:
    """Return an exercise's source with nbgrader's solution markers around the body of each function in it.

    The cell must hold one function or class called `name`, with a docstring; docstrings and signatures stay outside.
    """
    body = ast.parse(source).body
    if len(body) != 1 or not isinstance(body[0], (*FUNCTIONS, ast.ClassDef)) or body[0].name != name:
        raise ValueError(f"the exercise cell must hold one function or class called {name} and nothing else")
    if not ast.get_docstring(body[0]):
        raise ValueError(f"{name} needs a docstring: students see nothing else of it")
    functions = [body[0]] if isinstance(body[0], FUNCTIONS) else body[0].body
    lines = source.split("\n")
    for function in reversed([node for node in functions if isinstance(node, FUNCTIONS)]):
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
        odd = sorted(checks ^ exercises)
        said = f"every exercise needs one check and every check an exercise; look at {', '.join(odd)}"
        raise slip(path, line_of(path, odd[0]), said)
