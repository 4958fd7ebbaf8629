"""A lab as a page: the student's notebook with the stored outputs of the solved one, and buttons to open it.

No list of labs is kept: every notebook in labs/ becomes a page. A cell whose source has changed since its outputs were
stored is shown without them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scripts.site.outputs import FOLDER, ROOT, digest, labs, released

NOTE = """:::{{note}}
You read a lab here; you work on it in Jupyter. Exercises show what you start from, and each has its hints. Every output
below comes from a complete run of the lab {tier}. Explorers and questions work on this page, but your guesses are not
kept.
:::"""
ALONE = """:::{note}
You read a lab here; you work on it in Jupyter. Exercises show what you start from, and each has its hints.
:::"""

_DATA = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
_OTHER_LAB = re.compile(r"\.\./(\d\d_\w+)/\1\.ipynb")


def lab_pages(source: Path, downloads: Path, repository: str) -> list[str]:
    """Write a page for each lab into `source`/labs and its notebook into `downloads`; return the labs' names.

    Args:
        source: Sphinx's source folder.
        downloads: folder of what the site offers for download.
        repository: "owner/name" on GitHub; without it the buttons lead to the page that says how.
    """
    names = labs()
    (source / "labs").mkdir(parents=True, exist_ok=True)
    downloads.mkdir(parents=True, exist_ok=True)
    for name in names:
        notebook = released(name)
        page = lab_page(name, notebook, stored_outputs(name), repository)
        (source / "labs" / f"{name}.ipynb").write_text(json.dumps(page), encoding="utf-8")
        (downloads / f"{name}.ipynb").write_bytes((ROOT / "labs" / name / f"{name}.ipynb").read_bytes())
    return names


def stored_outputs(name: str) -> dict[str, Any]:
    """Return what docs/outputs/ holds of a lab; without cells if nothing was stored yet."""
    file = FOLDER / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"tier": "", "cells": {}}


def lab_page(name: str, notebook: Mapping[str, Any], stored: Mapping[str, Any], repository: str) -> dict[str, Any]:
    """Return the notebook that Sphinx turns into a page."""
    cells = [_cell(cell, stored["cells"]) for cell in notebook["cells"] if cell["id"] != "map-of-labs"]
    note = NOTE.format(tier=f"at the tier `{stored['tier']}`") if stored["cells"] else ALONE
    head = f"{buttons(name, repository)}\n\n{note}"
    cells.insert(1, {"cell_type": "markdown", "id": "buttons", "metadata": {}, "source": head})
    first = "".join(cells[0]["source"]).partition("\n\n")
    cells[0]["source"], cells[1]["source"] = first[0], f"{head}\n\n{first[2]}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def buttons(name: str, repository: str) -> str:
    """Return the links that open a lab elsewhere, as HTML for a Markdown page in labs/."""
    path = f"labs/{name}/{name}.ipynb"
    colab = "../open.html"
    if repository:
        colab = f"https://colab.research.google.com/github/{repository}/blob/main/{path}"
    links = [
        ("Open in Colab", colab, ""),
        *([("Open in Binder", _binder(path, repository), "")] if runs_in_binder() else []),
        ("Download the notebook", f"../downloads/{name}.ipynb", " download"),
    ]
    items = "".join(
        f'<a class="open-button" href="{escape(link)}"{extra}>{escape(text)}</a>' for text, link, extra in links
    )
    return f'<p class="open-buttons">{items}</p>'


def runs_in_binder(root: Path = ROOT) -> bool:
    """Whether the repository has a container of its own: what Binder would build by itself holds gigabytes of CUDA."""
    return any((root / place).exists() for place in ("Dockerfile", "binder/Dockerfile", ".binder/Dockerfile"))


def _binder(path: str, repository: str) -> str:
    return f"https://mybinder.org/v2/gh/{repository}/main?labpath={quote(path)}" if repository else "../open.html"


def _cell(cell: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    source = "".join(cell["source"])
    page = {"cell_type": cell["cell_type"], "id": cell["id"], "metadata": {}, "source": _on_this_site(source)}
    if cell["cell_type"] != "code":
        return page
    kept = stored.get(cell["id"], {})
    outputs = kept.get("outputs", []) if kept.get("source") == digest(source) else []
    hidden = cell["metadata"].get("jupyter", {}).get("source_hidden")
    # A cell that shows an answer stands folded in the lab; here its output is folded, and its one line says nothing.
    answers = bool(outputs) and all(output.get("answer") for output in outputs)
    tags = {"tags": ["remove-input" if answers else "hide-input"]} if hidden else {}
    return page | {"metadata": tags, "execution_count": None, "outputs": [_output(output) for output in outputs]}


def _on_this_site(source: str) -> str:
    """Return a cell's text with its pictures as files and its links between labs as they are on the site."""
    source = _OTHER_LAB.sub(r"\1.ipynb", source.replace("../glossary.ipynb", "../glossary.md"))
    return _DATA.sub(_figure, source)


def _figure(match: re.Match[str]) -> str:
    data = base64.b64decode(match[1])
    same = (file for file in (ROOT / "docs" / "figures").glob("*.png") if file.read_bytes() == data)
    file = next(same, None)
    return f"../figures/{file.stem}.svg" if file else match[0]


def _output(kept: Mapping[str, Any]) -> dict[str, Any]:
    if set(kept) == {"text"}:
        return {"output_type": "stream", "name": "stdout", "text": kept["text"]}
    if "widget" in kept:
        html = live(kept["widget"], kept["state"], kept["text"])
    elif kept.get("answer"):
        inner = kept["html"].replace("You made no guess.", "The answer")
        html = f"<details><summary>Show the answer</summary>{inner}</details>"
    else:
        html = kept["html"]
    data = {"text/html": html, "text/plain": kept.get("text", "")}
    return {"output_type": "display_data", "metadata": {}, "data": data}


def live(widget: str, state: Mapping[str, Any], text: str = "") -> str:
    """Return the place of a widget on a page, which `explorers.js` fills; until then it shows the text."""
    held = escape(json.dumps(state, ensure_ascii=False))
    return f'<div class="live" data-widget="{escape(widget)}" data-state="{held}"><pre>{escape(text)}</pre></div>'
