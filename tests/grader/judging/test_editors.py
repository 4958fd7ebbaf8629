"""Notebooks as Colab and VS Code save them: in their own form, without nbgrader's metadata, and judged all the same."""

import json

import pytest

from helpers.grader.intake.notebook import read_notebook
from helpers.grader.judging.judge import judge
from helpers.grader.limits import Limits
from tests.conftest import AVERAGE, DOUBLE

pytestmark = pytest.mark.sandbox


def as_colab(notebook):
    """The form of Colab's “Download .ipynb”: format 4.0, no cell ids, an id in the metadata, Colab's own entries."""
    cells = []
    for number, cell in enumerate(notebook.cells):
        own = {"cell_type": cell.cell_type, "source": cell.source.splitlines(keepends=True)}
        own["metadata"] = {"id": f"xK3fQ9{number:06d}"}
        if cell.cell_type == "code":
            own["metadata"] |= {"colab": {"base_uri": "https://localhost:8080/"}, "outputId": "d0c6a2f4-7d1e"}
            own |= {
                "execution_count": number,
                "outputs": [{"output_type": "stream", "name": "stdout", "text": ["x\n"]}],
            }
        cells.append(own)
    kernel = {"display_name": "Python 3", "name": "python3"}
    metadata = {"colab": {"provenance": [], "gpuType": "T4"}, "kernelspec": kernel, "language_info": {"name": "python"}}
    return {"nbformat": 4, "nbformat_minor": 0, "metadata": metadata | {"accelerator": "GPU"}, "cells": cells}


def as_vscode(notebook):
    """The form in which VS Code saves: format 4.2 without cell ids, language ids, the kernel by its path's name."""
    cells = []
    for number, cell in enumerate(notebook.cells):
        own = {"cell_type": cell.cell_type, "source": cell.source.splitlines(keepends=True), "metadata": {}}
        if cell.cell_type == "code":
            own |= {"metadata": {"vscode": {"languageId": "python"}}, "execution_count": number, "outputs": []}
        cells.append(own)
    kernel = {"display_name": ".venv (3.12.3)", "language": "python", "name": "python3"}
    language = {"codemirror_mode": {"name": "ipython", "version": 3}, "file_extension": ".py", "name": "python"}
    return {
        "nbformat": 4,
        "nbformat_minor": 2,
        "metadata": {"kernelspec": kernel, "language_info": language},
        "cells": cells,
    }


@pytest.mark.parametrize("form", [as_colab, as_vscode])
def test_a_notebook_from_another_editor_gets_its_marks_and_a_flag(mini, notebook, tmp_path, kernel_name, form):
    path = tmp_path / "saved.ipynb"
    path.write_text(json.dumps(form(notebook(DOUBLE, AVERAGE, answer="Because of this."))))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    judgement = judge(mini, read_notebook(path, 2**20), scratch, Limits(), kernel_name)
    assert sum(row.points or 0 for row in judgement.rows) == 7
    assert judgement.answers == {"answer_why": "Because of this."}
    said = " ".join(note.text for note in judgement.notes)
    assert "double had lost its id" in said and "answer_why had lost its id" in said


@pytest.mark.parametrize("form", [as_colab, as_vscode])
def test_what_nobody_wrote_stays_unwritten(mini, notebook, tmp_path, kernel_name, form):
    path = tmp_path / "saved.ipynb"
    path.write_text(json.dumps(form(notebook())))
    judgement = judge(mini, read_notebook(path, 2**20), tmp_path, Limits(), kernel_name)
    assert {row.verdict for row in judgement.rows} == {"missing", "manual"} and judgement.answers == {}
