"""What a solved lab shows, stored in docs/outputs/, so that the site can show it without running anything.

    python -m scripts.site.outputs [LAB …]          (make outputs)

Each lab is executed once with our solutions, at the tiny tier, in a kernel and a folder of its own. Kept are, for each
cell that a student does not write, its outputs and a digest of its source. Left out is what would give an answer away:
what a quiz's check says, and the output of cells that a student writes.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from PIL import Image

from helpers.atomic import write_text

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "outputs"
PREDICTION = "application/vnd.distillab.prediction+json"
VIEW = "application/vnd.jupyter.widget-view+json"
COLOURS = 64  # of a stored figure: enough for plots, at a fifth of the size
SECONDS = 900  # that a cell may take

_PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
_OWN = re.compile(r"helpers\.[\w.]+")  # a widget's class in this package


def digest(source: str) -> str:
    """Return a short digest of a cell's source, by which stored outputs are matched with the lab of today."""
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def execute(lab: str) -> NotebookNode:
    """Run a lab with our solutions in a kernel and a folder of its own. Any error in it ends the run."""
    from nbclient import NotebookClient

    from helpers.grader.course.lab import Lab
    from helpers.grader.release import instructor_notebook, put_environment_first

    put_environment_first()
    os.environ.pop("NBGRADER_EXECUTION", None)  # with it, labs take the small setting of the grader
    os.environ["DISTILLAB_TIER"] = "tiny"
    notebook = instructor_notebook(Lab(ROOT / "solutions" / lab))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DISTILLAB_PROGRESS"] = f"{folder}/progress"  # of a student who has made no guess yet
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(
            notebook, kernel_name="python3", timeout=SECONDS, store_widget_state=True, resources=resources
        )
        client.execute()
    return notebook


def stored(notebook: NotebookNode, released: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of an executed lab: for each cell with outputs, its digest and the outputs.

    Args:
        notebook: the solved lab, executed.
        released: the notebook that students get, as JSON; cells are matched by id.
    """
    widgets = {}
    for kind in notebook.metadata.get("widgets", {}).values():
        widgets |= {name: model["state"] for name, model in kind.get("state", {}).items()}
    sources = {cell["id"]: "".join(cell["source"]) for cell in released["cells"]}
    cells = {}
    for cell in notebook.cells:
        if not cell.get("outputs") or is_written_by_students(cell) or cell.id not in sources:
            continue
        shown = [kept for output in cell.outputs if (kept := _kept(output, widgets))]
        if is_check(cell) and '"' in cell.source:
            shown = []  # a quiz: what its check says is the answer
        if shown:
            cells[cell.id] = {"source": digest(sources[cell.id]), "outputs": _joined(shown)}
    return {"tier": "tiny", "cells": cells}


def is_written_by_students(cell: NotebookNode) -> bool:
    """Return whether students write this cell."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def is_check(cell: NotebookNode) -> bool:
    """Return whether the cell is the check of an exercise."""
    return bool(cell.metadata.get("nbgrader", {}).get("grade")) and not is_written_by_students(cell)


def _kept(output: NotebookNode, widgets: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return what is kept of one output: text, HTML with smaller pictures, or a widget of ours with its state."""
    if output.output_type == "stream":
        return {"text": output.text} if output.name == "stdout" else None
    data = output.get("data", {})
    text = data.get("text/plain", "")
    if VIEW in data:
        state = widgets.get(data[VIEW]["model_id"], {})
        if not _OWN.match(state.get("_anywidget_id", "")):
            return None  # a progress bar of another package: what it said is over
        values = {name: state[name] for name in sorted(state) if name not in _LAYOUT and not name.startswith("_")}
        return {"widget": state["_anywidget_id"], "state": values, "text": text}
    if "text/html" in data:
        kept = {"html": _PNG.sub(_smaller, data["text/html"]), "text": text}
        return kept | ({"answer": True} if "truth" in data.get(PREDICTION, {}) else {})
    if "image/png" in data:
        return {"html": _PNG.sub(_smaller, f'<img src="data:image/png;base64,{data["image/png"]}" alt="{text}">')}
    return {"text": text} if text else None


_LAYOUT = {"layout", "tabbable", "tooltip"}


def _joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the outputs with neighbouring texts as one."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        if joined and set(output) == set(joined[-1]) == {"text"}:
            joined[-1]["text"] += output["text"]
        else:
            joined.append(dict(output))
    return joined


def _smaller(match: re.Match[str]) -> str:
    picture = Image.open(io.BytesIO(base64.b64decode(match[1])))
    buffer = io.BytesIO()
    picture.convert("RGB").quantize(COLOURS).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def released(lab: str) -> dict[str, Any]:
    """Return the notebook that students get, as JSON."""
    return json.loads((ROOT / "labs" / lab / f"{lab}.ipynb").read_text(encoding="utf-8"))


def stored_outputs_are_current(lab: str) -> bool:
    """Return whether something is stored for the lab, all of it from its cells as they are."""
    file = FOLDER / f"{lab}.json"
    kept = json.loads(file.read_text(encoding="utf-8"))["cells"] if file.exists() else {}
    sources = {cell["id"]: "".join(cell["source"]) for cell in released(lab)["cells"]}
    return bool(kept) and all(entry["source"] == digest(sources.get(name, "")) for name, entry in kept.items())


def labs() -> list[str]:
    """Return the names of all released labs, in order."""
    return sorted(path.parent.name for path in ROOT.glob("labs/[0-9][0-9]_*/[0-9][0-9]_*.ipynb"))


def main() -> None:
    """Execute labs and store what they show."""
    parser = argparse.ArgumentParser(description="Execute the solved labs and store their outputs for the site.")
    parser.add_argument("lab", nargs="*", help="these labs only (default: all)")
    for lab in parser.parse_args().lab or labs():
        print(f"{lab} …", flush=True)
        content = stored(execute(lab), released(lab))
        write_text(FOLDER / f"{lab}.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        print(f"  docs/outputs/{lab}.json: {len(content['cells'])} cells with outputs")


if __name__ == "__main__":
    main()
