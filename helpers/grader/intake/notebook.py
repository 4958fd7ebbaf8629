"""Read a notebook that was handed in: the text of its cells and little else, or the reason why it cannot be read.

Tags, outputs and most metadata are dropped here, so that no later step has to consider them. Of attachments, images
that were pasted into a text cell are kept; of outputs, the guesses that a student made.
"""

from __future__ import annotations

import re
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4.nbbase import random_cell_id

from helpers.grader.errors import Refused
from helpers.grader.intake.guesses import read_guesses
from helpers.grader.intake.unicode import load_json

CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as nbformat defines it
IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # as Jupyter names pasted images
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif")
BASE64 = re.compile(r"[A-Za-z0-9+/\s]++={0,2}+\s*+")
MAX_IMAGE = 6_000_000  # characters of one pasted image in base64
MAX_CODE = 200_000  # characters in all code cells, several times what a solved lab has
MAX_CELLS = 2_000
MAX_TEXT = 100_000  # characters of one text cell, and so of a written answer
TEXT_CUT = "\n\n[This text passed the limit; the rest of it is left out.]"


def read_notebook(path: Path, limit: int) -> NotebookNode:
    """Return the notebook in the file `path`, of at most `limit` bytes; see `parse_notebook`. Raises Refused."""
    return parse_notebook(read_bytes(path, limit))


def read_bytes(path: Path, limit: int) -> bytes:
    """Return what a notebook's file holds, without a look at it. Raises Refused if it is more than `limit` bytes."""
    size = path.stat().st_size
    if size > limit:
        raise Refused(f"the notebook has {size / 2**20:.0f} MiB, and {limit / 2**20:.0f} MiB is the limit")
    with open(path, "rb") as file:
        return file.read(limit)


def parse_notebook(data: bytes) -> NotebookNode:
    """Return a notebook in format 4, its cells reduced to type, id, text and nbgrader's metadata.

    Raises:
        Refused: the notebook cannot be read; the text explains the reason to a student.
    """
    content = _load(data)
    try:
        notebook = nbformat.convert(nbformat.from_dict(content), 4) if content["nbformat"] < 4 else None
        cells = (notebook or content)["cells"]
        if len(cells) > MAX_CELLS:
            raise Refused(f"the notebook has {len(cells):,} cells, and {MAX_CELLS:,} is the limit")
        guesses = read_guesses(cells)
        cells = [_read_cell(cell) for cell in cells]
        _check_code_size(cells)
        _tell_apart(cells)
        metadata = NotebookNode({"guesses": guesses} if guesses else {})
        return NotebookNode(nbformat.v4.new_notebook(), cells=cells, metadata=metadata)
    except Refused:
        raise
    except Exception as problem:  # nbformat's upgrades can raise anything on content it does not expect
        reason = " ".join(ascii(str(problem))[1:-1].split("\\n")[0].split())[:200]
        raise Refused(f"the notebook's cells cannot be read: {type(problem).__name__}: {reason}") from None


def _load(data: bytes) -> dict[str, Any]:
    """Return the JSON content of a notebook file. Raises Refused."""
    try:
        content = load_json(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused("the notebook is not UTF-8 text") from None
    except (ValueError, RecursionError) as problem:
        line = f", at line {problem.lineno} of its file" if isinstance(problem, JSONDecodeError) else ""
        raise Refused(f"the notebook is cut short or damaged{line}") from None
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise Refused("this is JSON, but not a notebook")
    return content


def _check_code_size(cells: list[NotebookNode]) -> None:
    """Raise Refused for so much code that parsing it, which happens outside the sandbox, would take long."""
    size = sum(len(cell.source) for cell in cells if cell.cell_type == "code")
    if size > MAX_CODE:
        raise Refused(
            f"the code cells hold {size:,} characters, and {MAX_CODE:,} is the limit: "
            "put data into a file beside the notebook"
        )


def _read_cell(cell: dict[str, Any]) -> NotebookNode:
    source = cell["source"]
    source = "".join(source) if isinstance(source, list) else source
    if not isinstance(source, str):
        raise Refused("a cell's text is not text")
    if cell["cell_type"] != "code" and len(source) > MAX_TEXT:
        source = source[:MAX_TEXT] + TEXT_CUT
    read = _new_cell(cell["cell_type"], source)
    if read.cell_type == "markdown" and (images := _images(cell.get("attachments"))):
        read["attachments"] = images
    if isinstance(cell.get("id"), str) and CELL_ID.fullmatch(cell["id"]):  # otherwise nbformat's new id stays
        read["id"] = cell["id"]
    metadata = cell.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("nbgrader"), dict):
        grade_id = metadata["nbgrader"].get("grade_id")
        read.metadata["nbgrader"] = {"grade_id": grade_id if isinstance(grade_id, str) else ""}
    return read


def _new_cell(kind: object, source: str) -> NotebookNode:
    """Return a cell with nothing but text. nbformat's constructors validate it, which takes most of reading's time."""
    kind = kind if kind in ("code", "markdown") else "raw"
    cell = NotebookNode(id=random_cell_id(), cell_type=kind, metadata=NotebookNode(), source=source)
    return NotebookNode(cell, execution_count=None, outputs=[]) if kind == "code" else cell


def _tell_apart(cells: list[NotebookNode]) -> None:
    """Give cells whose id stands before them new ones, as nbformat does."""
    seen: set[str] = set()
    for cell in cells:
        if cell.id in seen:
            cell.id = random_cell_id()
        seen.add(cell.id)


def _images(attachments: object) -> NotebookNode:
    """Return the pasted images by name, each as `{type: base64}`; larger ones and other attachments are dropped."""
    images = NotebookNode()
    for name, contents in attachments.items() if isinstance(attachments, dict) else ():
        if not isinstance(contents, dict) or not IMAGE_NAME.fullmatch(name):
            continue
        texts = {kind: contents[kind] for kind in IMAGE_TYPES if isinstance(contents.get(kind), str)}
        valid = {kind: text for kind, text in texts.items() if len(text) <= MAX_IMAGE and BASE64.fullmatch(text)}
        if valid:
            images[name] = NotebookNode(valid)
    return images
