"""Read a notebook that was handed in: the text of its cells and little else, or the reason why it cannot be read.

Tags, outputs and most metadata are left behind here, so that nothing further on has to think of them. Of attachments,
images that were pasted into a text are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.grader.errors import Refused
from helpers.grader.intake.unicode import load_json

CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as nbformat has it
IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # as Jupyter names what is pasted
IMAGES = ("image/png", "image/jpeg", "image/gif")
BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
MOST_CODE = 200_000  # characters, several times what a solved lab has


def read_notebook(path: Path, limit: int, keep: tuple[str, ...] = ()) -> NotebookNode:
    """Return the notebook at `path` in format 4, with nothing in its cells but type, id, text and nbgrader's metadata.

    `limit` is the largest size in bytes; `keep` names notebook metadata to take over. Raises Refused with a reason that
    a student understands.
    """
    size = path.stat().st_size
    if size > limit:
        raise Refused(f"the notebook has {size / 2**20:.0f} MiB, and {limit / 2**20:.0f} MiB is the limit")
    try:
        content = load_json(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused("the notebook is not UTF-8 text") from None
    except (ValueError, RecursionError) as problem:
        raise Refused(f"the notebook is cut short or damaged: {str(problem)[:200]}") from None
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise Refused("this is JSON, but not a notebook")
    try:
        notebook = nbformat.convert(nbformat.from_dict(content), 4) if content["nbformat"] < 4 else None
        cells = (notebook or content)["cells"]
        kept = {key: item for key, item in dict(content.get("metadata") or {}).items() if key in keep}
        return nbformat.v4.new_notebook(cells=_of_a_size(map(_read_cell, cells)), metadata=kept)
    except Refused:
        raise
    except Exception as problem:  # nbformat's upgrades of foreign content can end in any error
        said = " ".join(ascii(str(problem))[1:-1].split("\\n")[0].split())[:200]
        raise Refused(f"the notebook's cells cannot be read: {type(problem).__name__}: {said}") from None


def _of_a_size(cells: Iterable[NotebookNode]) -> list[NotebookNode]:
    """The cells; Refused where they hold so much code that reading it, here and without a limit, would take long."""
    cells = list(cells)
    code = sum(len(cell.source) for cell in cells if cell.cell_type == "code")
    if code > MOST_CODE:
        raise Refused(
            f"the code cells hold {code:,} characters, and {MOST_CODE:,} is the limit: "
            "put data into a file beside the notebook"
        )
    return cells


def _read_cell(cell: dict) -> NotebookNode:
    source = cell["source"]
    source = "".join(source) if isinstance(source, list) else source
    if not isinstance(source, str):
        raise Refused("a cell's text is not text")
    makers = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    read = makers.get(cell["cell_type"], nbformat.v4.new_raw_cell)(source)
    if read.cell_type == "markdown" and (images := _images(cell.get("attachments"))):
        read["attachments"] = images
    if isinstance(cell.get("id"), str) and CELL_ID.fullmatch(cell["id"]):  # another gets a new one
        read["id"] = cell["id"]
    metadata = cell.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("nbgrader"), dict):
        grade_id = metadata["nbgrader"].get("grade_id")
        read.metadata["nbgrader"] = {"grade_id": grade_id if isinstance(grade_id, str) else ""}
    return read


def _images(attachments: object) -> NotebookNode:
    """Return the pasted images by name, each as `{kind: base64}`; anything else that is attached is left behind."""
    kept = NotebookNode()
    for name, kinds in attachments.items() if isinstance(attachments, dict) else ():
        found = kinds if isinstance(kinds, dict) and IMAGE_NAME.fullmatch(name) else {}
        images = {kind: found[kind] for kind in IMAGES if isinstance(found.get(kind), str)}
        images = {kind: data for kind, data in images.items() if BASE64.fullmatch(data)}
        if images:
            kept[name] = NotebookNode(images)
    return kept
