"""The labs in a real JupyterLab and the lecture in a real Voilà: all cells run, and screen and Python agree."""

from __future__ import annotations

import json
import re

import pytest
import torch
from playwright.sync_api import Page, expect

from benchmarks.browser import ROOT
from helpers.data.teacher_logits import load_teacher_logits
from helpers.grader.course.lab import find_labs
from tests.browser.test_page import cells, drag, explorer, read, settle, shown_temperature

CUP = "She drank a cup of hot"
NOTEBOOK = "jupyterapp.shell.currentWidget"


def open_notebook(open_page, address: str, name: str, **options) -> Page:
    """Open a notebook in JupyterLab, without the other panels, and wait for its kernel."""
    page = open_page(f"{address}/doc/tree/{name}.ipynb?reset", **options)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    page.wait_for_function(f"{NOTEBOOK}.sessionContext.session?.kernel?.status === 'idle'", timeout=120_000)
    return page


def run_all(page: Page) -> list[str]:
    """Run all cells from the menu, wait for the last, and return the errors."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()
    page.wait_for_function(
        f"""() => [...{NOTEBOOK}.content.model.cells].filter((cell) => cell.type === 'code' && cell.sharedModel.source)
            .every((cell) => cell.executionState === 'idle' && cell.executionCount)""",
        timeout=180_000,
    )
    outputs = page.evaluate(
        f"[...{NOTEBOOK}.content.model.cells].flatMap((cell) => cell.type === 'code' ? cell.outputs.toJSON() : [])"
    )
    return [f"{out['ename']}: {out['evalue']}" for out in outputs if out["output_type"] == "error"]


def show_explorer(page: Page, identity: str, title: str):
    """Scroll to a cell until its explorer stays in view: JupyterLab draws what is near, and guesses heights first.

    Returns the explorer of the active cell, which this one becomes: a lab may show the same explorer twice.
    """
    part = page.locator(".jp-Notebook .jp-Cell.jp-mod-active").get_by_role("region", name=title, exact=True)
    for _ in range(20):
        page.evaluate(
            f"""async (identity) => {{
                const {{ content }} = {NOTEBOOK};
                const place = [...content.model.cells].findIndex((cell) => cell.id === identity);
                content.activeCellIndex = place;
                await content.scrollToItem(place, 'start');
            }}""",
            identity,
        )
        settle(page)
        box = part.bounding_box() if part.count() else None
        if box and 0 <= box["y"] < page.viewport_size["height"] / 2:
            return part
    raise AssertionError(f"{title} does not stay in view")


def python(page: Page, code: str) -> str:
    """Run code in the notebook's kernel, and return what it printed."""
    return page.evaluate(
        f"""async (code) => {{
            let text = '';
            const future = {NOTEBOOK}.sessionContext.session.kernel.requestExecute({{ code, store_history: false }});
            future.onIOPub = ({{ content, header }}) => {{
                if (header.msg_type === 'stream') text += content.text;
                if (header.msg_type === 'error') text += content.evalue;
            }};
            await future.done;
            return text;
        }}""",
        code,
    )


def cell_with(name: str, text: str) -> str:
    """Return the id of a lab's first cell that holds a text."""
    notebook = json.loads((ROOT / "labs" / name / f"{name}.ipynb").read_text(encoding="utf-8"))
    return next(cell["id"] for cell in notebook["cells"] if text in "".join(cell["source"]))


def test_lab_01_in_jupyterlab(open_page, jupyterlab, accessible, picture):
    page = open_notebook(open_page, jupyterlab, "solved_01_temperature", height=1000)
    assert run_all(page) == []
    part = show_explorer(page, cell_with("01_temperature", "TemperatureExplorer("), "Temperature explorer")
    drag(page, part.get_by_label("Temperature T"), 0.7)
    settle(page)
    temperature = float(python(page, "print(explorer.temperature)"))
    assert temperature == pytest.approx(shown_temperature(part), rel=5e-3) and temperature > 2
    p = (load_teacher_logits()[CUP].logits.double() / temperature).softmax(-1)
    tokens = cells(part, "Most likely tokens")
    assert [read(row[0]) for row in tokens.values()] == pytest.approx(p[:10].tolist(), abs=6e-5)
    assert python(page, "print(explorer.probabilities[0])").strip()[:8] == f"{p[0]:.10f}"[:8]

    # The keys move the dial, and JupyterLab does not take them: the active cell stays, and no cell is deleted.
    before = page.evaluate(f"[{NOTEBOOK}.content.activeCellIndex, {NOTEBOOK}.content.model.cells.length]")
    part.get_by_label("Temperature T").focus()
    for key in ("Home", "ArrowUp", "ArrowUp", "ArrowRight", "d", "d", "x"):
        page.keyboard.press(key)
    settle(page)
    assert page.evaluate(f"[{NOTEBOOK}.content.activeCellIndex, {NOTEBOOK}.content.model.cells.length]") == before
    assert float(python(page, "print(explorer.temperature)")) == pytest.approx(10**-0.97, abs=1e-3)

    # Python moves the screen, and a plain ipywidget that is linked to it too.
    python(page, "explorer.temperature = 2.0; explorer.pin(); explorer.logits = torch.tensor([5.0, 2.0, 0.5])")
    expect(part.locator("output").first).to_have_text("2.00")
    settle(page)
    due = (torch.tensor([5.0, 2.0, 0.5]) / 2).softmax(-1)
    assert [row[0] for row in cells(part, "Most likely tokens").values()] == [f"{p:.4f}" for p in due]

    python(page, f"explorer.prompt = {CUP!r}; explorer.temperature = 1.0; explorer.pin(); explorer.temperature = 2.0")
    page.evaluate("document.activeElement.blur()")
    settle(page)
    accessible(page, ".distillab")
    picture("lab-explorer", page)
    page.evaluate("jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
    expect(part).to_have_attribute("data-theme", "dark", timeout=20_000)
    accessible(page, ".distillab")
    page.evaluate("jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Light' })")
    expect(part).to_have_attribute("data-theme", "light", timeout=20_000)


def test_a_wrong_answers_card_begins_with_the_likely_cause(open_page, jupyterlab, accessible, picture):
    page = open_notebook(open_page, jupyterlab, "01_temperature/01_temperature", height=1000)
    python(page, "import torch\nfrom helpers.checks import check")
    source = 'def non_top_mass(probs):\n    """Probability outside the top token."""\n    return 1 - probs[..., 0]'
    page.evaluate(
        f"""async (source) => {{
            const {{ content }} = {NOTEBOOK};
            const find = (id) => [...content.model.cells].findIndex((cell) => cell.id === id);
            const run = jupyterapp.commands;
            for (const id of ['non_top_mass', 'check_non_top_mass']) {{
                content.activeCellIndex = find(id);
                await content.scrollToItem(find(id), 'center');
                if (id === 'non_top_mass') content.activeCell.model.sharedModel.setSource(source);
                await run.execute('notebook:run-cell');
            }}
            await content.scrollToItem(find('non_top_mass') - 1, 'start');
        }}""",
        source,
    )
    card = page.get_by_role("region", name="Check of non_top_mass")
    expect(card).to_contain_text("You leave out the first entry. The largest entry can be anywhere.")
    accessible(page, ".jp-OutputArea")
    settle(page)
    picture("lab", page)


def test_lab_02_in_jupyterlab(open_page, jupyterlab):
    page = open_notebook(open_page, jupyterlab, "solved_02_loss", height=1400)
    assert run_all(page) == []
    first = show_explorer(page, cell_with("02_loss", "LossExplorer("), "Loss explorer")
    assert list(cells(first, "The loss")) == ["soft term, weighted by α", "hard term, weighted by 1 − α", "total"]
    expect(first.get_by_label("Student, happy: logit")).to_be_visible()
    expect(first.get_by_label("Teacher, happy: logit")).to_be_hidden()
    part = show_explorer(page, cell_with("02_loss", "explorer = LossExplorer("), "Loss explorer")
    drag(page, part.get_by_label("α, weight of the soft term"), 0.8)
    part.get_by_label("Student, happy: logit").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    settle(page)
    assert python(page, "print(explorer.student_logits[0])").strip() == "3.0"
    # The lab's own loss, which a student writes, on what the screen shows.
    code = (
        "rows = [torch.tensor(x).view(1, 1, -1) for x in (explorer.student_logits, explorer.teacher_logits)]\n"
        "print(distillation_loss(*rows, torch.tensor([[1]]), explorer.temperature, explorer.alpha).item())"
    )
    assert read(cells(part, "The loss")["total"][0]) == pytest.approx(float(python(page, code)), abs=1e-4)

    bumps = show_explorer(page, cell_with("02_loss", "DivergenceExplorer("), "Divergence explorer")
    assert read(cells(bumps, "Cost of each student")["now"][1]) == pytest.approx(1.5933, abs=1e-3)


@pytest.mark.parametrize("name", find_labs(ROOT))
def test_an_unsolved_lab_opens(open_page, jupyterlab, name):
    page = open_notebook(open_page, jupyterlab, f"{name}/{name}")
    assert page.locator(".jp-Cell h1").first.inner_text().startswith(f"Lab {name[:2]}")
    sources = page.evaluate(f"[...{NOTEBOOK}.content.model.cells].map((cell) => cell.sharedModel.source)")
    assert any("is not written yet" in source for source in sources)


def test_the_lecture_in_voila(open_page, voila, accessible):
    page = open_page(voila, width=1920, height=1080)
    part = explorer(page, "Temperature explorer")
    part.locator("canvas").wait_for(timeout=120_000)
    scene = page.locator(".dl-count")
    expect(scene).to_contain_text("1 of 21")
    for _ in range(3):
        page.keyboard.press("PageDown")
    expect(scene).to_contain_text("4 of 21")
    drag(page, part.get_by_label("Temperature T"), 0.8)
    settle(page)
    slider = part.get_by_label("Temperature T")
    temperature = float(f"{10 ** float(slider.input_value()):.3g}")
    p = (load_teacher_logits()[CUP].logits.double() / temperature).softmax(-1)
    accessible(page, ".distillab")
    page.keyboard.press("0")  # all explorers, with the tables that a scene leaves out
    tokens = cells(part, "Most likely tokens")
    assert [read(row[0]) for row in tokens.values()] == pytest.approx(p[: len(tokens)].tolist(), abs=6e-5)
    assert len(tokens) >= 5
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.distillab')).fontSize)") > 20
    page.keyboard.press("PageUp")
    expect(scene).to_contain_text("3 of 21")
    expect(part.locator("output").first).to_have_text("1.00")


def test_the_launcher_opens_with_the_labs_and_leads_to_one(open_page, jupyterlab, accessible):
    page = open_page(f"{jupyterlab}/lab/tree/start.ipynb?reset")
    table = page.locator(".jp-OutputArea table")
    table.wait_for(timeout=120_000)
    expect(table).to_contain_text(re.compile("0 of \\d+ exercises right; next: "))
    accessible(page, ".jp-OutputArea")
    expect(page.locator(".jp-OutputArea p").filter(has_text=re.compile("Next: "))).to_contain_text(
        "Lab 01: Temperature"
    )
    table.get_by_role("link", name="Lab 01: Temperature").click()
    page.locator(".jp-Notebook h1", has_text="Lab 01: Temperature").wait_for(timeout=60_000)


def test_predictions_are_taken_by_mouse_and_keyboard_and_shown_beside_the_answer(open_page, jupyterlab, accessible):
    page = open_notebook(open_page, jupyterlab, "guess", height=1400)
    assert run_all(page) == []
    parts = page.locator("[data-explorer='Predict first']")
    expect(parts).to_have_count(3)
    parts.nth(0).get_by_label("two").check()
    parts.nth(1).get_by_label("Your guess").fill("2.5")
    parts.nth(1).get_by_label("Your guess").press("Tab")
    third = parts.nth(2).get_by_role("slider").nth(3)
    third.focus()
    for key in ("End", "PageDown", "ArrowDown", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    expect(third).to_have_attribute("aria-valuetext", "3.52 nats at T 3")
    expect(parts.nth(2).get_by_role("slider").nth(4)).to_have_attribute("aria-valuetext", "2.08 nats at T 4")
    expect(page.locator(".jp-OutputArea", has_text="Your guess: “two”").first).to_be_visible()
    accessible(page, ".jp-Notebook .distillab")
    code = "reveal('order', 'one'); reveal('loss', 2.4); reveal('curve', ([0, 10], [2, 2]))"
    python(page, code)
    kept = json.loads(
        python(
            page, "from helpers.checks.progress import *; print((progress_folder() / 'predictions.json').read_text())"
        )
    )
    assert kept["order"]["guess"] == "two" and kept["order"]["truth"] == "one"
    assert kept["loss"]["guess"] == 2.5 and kept["curve"]["guess"][3] == pytest.approx(3.52)
