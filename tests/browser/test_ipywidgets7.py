"""ipywidgets 7.7.1, as in Colab: the explorers' state in Python, and lab 01's explorer in the classic notebook."""

from __future__ import annotations

import os
import subprocess

import pytest
import torch
from playwright.sync_api import TimeoutError

from benchmarks.browser import ROOT
from helpers.data.teacher_logits import load_teacher_logits
from tests.browser.test_page import cells, drag, explorer, read, settle, shown_temperature

CUP = "She drank a cup of hot"


def test_the_state_is_the_same_with_ipywidgets_7(old_python):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    version = [str(old_python), "-c", "import ipywidgets; print(ipywidgets.__version__)"]
    assert subprocess.run(version, env=environment, capture_output=True, text=True).stdout.strip() == "7.7.1"
    command = [str(old_python), "-m", "pytest", "tests/widgets/test_state.py", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


def test_lab_01s_explorer_in_the_classic_notebook(open_page, classic):
    page = open_page(f"{classic}/nbclassic/notebooks/explorer.ipynb", height=1000)
    page.wait_for_function(
        """() => window.Jupyter?.notebook?.kernel?.is_connected?.() &&
            Jupyter.notebook.kernel.comm_manager.targets['jupyter.widget']""",
        timeout=120_000,
    )
    # ipywidgets 7 now and then attaches a widget before its output is there ("Host is not attached"), whatever the
    # widget. A person runs the cell again; so does this test.
    part = explorer(page, "Temperature explorer")
    for _ in range(4):
        page.evaluate("Jupyter.notebook.execute_all_cells()")
        try:
            page.wait_for_function("document.querySelector('.distillab canvas')", timeout=30_000)
            break
        except TimeoutError:
            continue
    drag(page, part.get_by_label("Temperature T"), 0.7)
    settle(page)
    temperature = shown_temperature(part)
    assert temperature > 2
    slider = part.get_by_label("Temperature T")
    p = (load_teacher_logits()[CUP].logits.double() / float(f"{10 ** float(slider.input_value()):.3g}")).softmax(-1)
    tokens = cells(part, "Most likely tokens")
    assert [read(row[0]) for row in tokens.values()] == pytest.approx(p[:10].tolist(), abs=6e-5)

    # Python hears of it, and is heard; the classic notebook does not take the keys.
    run = """(code) => new Promise((done) => Jupyter.notebook.kernel.execute(code, { iopub: { output: (message) =>
        done(message.content.text || message.content.evalue) } }, { silent: false, store_history: false }))"""
    assert float(page.evaluate(run, "print(explorer.temperature)")) == pytest.approx(temperature, rel=5e-3)
    page.evaluate(run, "explorer.logits = torch.tensor([5.0, 2.0, 0.5]); explorer.temperature = 4.0; print('set')")
    settle(page)
    due = (torch.tensor([5.0, 2.0, 0.5]) / 4).softmax(-1)
    assert [row[0] for row in cells(part, "Most likely tokens").values()] == [f"{p:.4f}" for p in due]
    before = page.evaluate("Jupyter.notebook.get_cells().length")
    slider.focus()
    for key in ("ArrowRight", "d", "d", "x", "a"):
        page.keyboard.press(key)
    settle(page)
    assert page.evaluate("Jupyter.notebook.get_cells().length") == before
    assert float(page.evaluate(run, "print(explorer.temperature)")) > 4.0
