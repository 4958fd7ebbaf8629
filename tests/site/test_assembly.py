"""What the site is assembled from: stored outputs that fit the labs as they are and give no answer away."""

import json
import re
import tomllib

import nbformat
import pytest

from scripts.site.explorers import source_of
from scripts.site.labs import buttons, lab_page, live, runs_in_binder, stored_outputs
from scripts.site.outputs import FOLDER, digest, labs, released, stored
from scripts.site.pages import _SOURCE, glossary
from tests.conftest import ROOT

GRADED = {"nbgrader": {"grade": True, "solution": False}}
WRITTEN = {"nbgrader": {"grade": False, "solution": True}}


def cell(name, source, metadata=None, outputs=()):
    made = nbformat.v4.new_code_cell(source, id=name, metadata=metadata or {})
    made.outputs = [nbformat.from_dict(output) for output in outputs]
    return made


def said(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def executed(*cells, widgets=None):
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    if widgets:
        notebook.metadata["widgets"] = {"application/x": {"state": widgets}}
    return notebook, {
        "cells": [{"id": one.id, "source": [one.source], "cell_type": "code", "metadata": {}} for one in cells]
    }


def test_a_quizs_check_and_what_students_write_are_not_stored():
    notebook, lab = executed(
        cell("plain", "print(1)", outputs=[said("1\n"), said("2\n"), said("a warning", "stderr")]),
        cell("check_letter", 'check("letter")', GRADED, [said("B is right, because …")]),
        cell("check_loss", "check(loss)", GRADED, [said("all right")]),
        cell("loss", "def loss(): return 1", WRITTEN, [said("the answer")]),
    )
    kept = stored(notebook, lab)["cells"]
    assert set(kept) == {"plain", "check_loss"}
    assert kept["plain"]["outputs"] == [{"text": "1\n2\n"}]


def test_a_widget_of_ours_is_stored_as_its_state_and_another_packages_is_left_out():
    ours = {"_anywidget_id": "helpers.widgets.loss.LossExplorer", "_esm": "…", "alpha": 0.5, "layout": "IPY_MODEL_1"}
    view = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "as text"}}
    views = [
        {**view, "data": {**view["data"], "application/vnd.jupyter.widget-view+json": {"model_id": name}}}
        for name in ("ours", "theirs")
    ]
    states = {"ours": {"state": ours}, "theirs": {"state": {"_model_name": "FloatProgressModel", "value": 3}}}
    notebook, lab = executed(cell("explorer", "explorer", outputs=views), widgets=states)
    outputs = stored(notebook, lab)["cells"]["explorer"]["outputs"]
    assert outputs == [{"widget": ours["_anywidget_id"], "state": {"alpha": 0.5}, "text": "as text"}]
    assert "export default" in source_of(ours["_anywidget_id"])


def page_of(source, kept):
    lab = {
        "cells": [
            {"id": name, "cell_type": "markdown", "metadata": {}, "source": "# Lab\n\nText"} for name in ("title",)
        ]
    }
    lab["cells"].append(
        {"id": "one", "cell_type": "code", "metadata": {"jupyter": {"source_hidden": True}}, "source": source}
    )
    return lab_page("01_x", lab, {"tier": "tiny", "cells": {"one": kept}}, "")["cells"][-1]


def test_outputs_of_a_cell_that_has_changed_are_not_shown():
    kept = {"source": digest("print(1)"), "outputs": [{"text": "1\n"}]}
    assert page_of("print(1)", kept)["outputs"][0]["text"] == "1\n"
    assert page_of("print(2)", kept)["outputs"] == []


def test_an_answer_is_folded_away():
    kept = {
        "source": digest("reveal()"),
        "outputs": [{"html": "<p>You made no guess. 8</p>", "text": "8", "answer": True}],
    }
    page = page_of("reveal()", kept)
    assert page["outputs"][0]["data"]["text/html"].startswith("<details><summary>Show the answer</summary>")
    assert "no guess" not in page["outputs"][0]["data"]["text/html"]


def test_the_state_of_a_widget_cannot_leave_its_attribute():
    html = live("helpers.x.Y", {"prompt": '"><script>alert(1)</script>'}, "<b>")
    assert "<script>" not in html and "&lt;b&gt;" in html


def test_the_buttons_open_the_repository_where_it_is_known():
    known = buttons("02_loss", "owner/name")
    assert "https://colab.research.google.com/github/owner/name/blob/main/labs/02_loss/02_loss.ipynb" in known
    assert "https:" not in buttons("02_loss", "") and 'href="../open.html"' in buttons("02_loss", "")


def test_the_button_for_binder_needs_a_container(tmp_path):
    assert not runs_in_binder(tmp_path)
    (tmp_path / ".binder").mkdir()
    (tmp_path / ".binder" / "Dockerfile").touch()
    assert runs_in_binder(tmp_path)
    assert ("mybinder.org/v2/gh/owner/name/main?labpath=labs/" in buttons("02_loss", "owner/name")) == runs_in_binder()


def test_every_word_of_the_glossary_becomes_a_term():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert glossary().count("\n: ") == len(re.findall(r"^\*\*", text, re.MULTILINE))


def test_a_source_is_read_with_what_the_lab_says_about_it():
    match = _SOURCE.fullmatch(
        "Kim and Rush 2016, [Sequence-Level](https://arxiv.org/abs/1606.07947): hard distillation."
    )
    assert (match["who"], match["note"]) == ("Kim and Rush 2016", "hard distillation.")


@pytest.mark.parametrize("lab", labs())
def test_stored_outputs_are_plain_data_that_gives_no_quiz_away(lab):
    if not (FOLDER / f"{lab}.json").exists():
        pytest.skip("nothing is stored for this lab yet: make outputs")
    kept, cells = stored_outputs(lab)["cells"], {one["id"]: one for one in released(lab)["cells"]}
    quizzes = {name for name, one in cells.items() if "".join(one["source"]).startswith('check("')}
    assert kept and not quizzes & set(kept)
    assert not {name for name in kept if cells.get(name, {}).get("metadata", {}).get("nbgrader", {}).get("solution")}
    text = json.dumps(kept)
    assert "<script" not in text.lower() and not re.search(r"http://(?!www\.w3\.org/|127\.0\.0\.1)", text)


def test_the_site_is_an_extra_that_neither_demo_nor_tests_install():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "site" in extras and not any("site" in entry for entry in extras["all"])
