"""A lab's text as one HTML page without scripts or network, for the class report's links to its sections."""

from __future__ import annotations

from pathlib import Path

import nbformat

from helpers.grader.reports.pages import render


def lab_page(released: Path) -> str:
    """Return the page of a released lab, whose headings have the ids that Jupyter gives them."""
    notebook = nbformat.read(released, as_version=4)
    return render("lab.html", title=released.stem, cells=notebook.cells)
