"""The built site: every page in Chromium, every link, explorers by keyboard, nothing that gives an answer away."""

from __future__ import annotations

import ast
import re
from functools import cache
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jupytext
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup

from scripts.site.outputs import labs, released, stored_outputs_are_current
from tests.conftest import ROOT
from tests.site.conftest import BUILT

pytestmark = pytest.mark.site
PAGES = sorted(path.relative_to(BUILT).as_posix() for path in BUILT.rglob("*.html"))
LONG = 28  # letters of a line that is nobody's by chance


@cache
def parsed(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def open_page(browser, address: str, **options):
    """A page, and what went wrong on it: errors, warnings, what was not found, what asked for another machine."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    view, problems = context.new_page(), []
    own = ("data:", address[: address.index("/", len("http://"))])
    view.on("pageerror", lambda error: problems.append(str(error)))
    view.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
    view.on("requestfailed", lambda request: problems.append(f"not loaded: {request.url}"))
    view.on("request", lambda request: request.url.startswith(own) or problems.append(request.url))
    view.goto(address)
    return view, problems


def settled(view) -> None:
    """Wait until formulas are set and explorers are drawn."""
    view.evaluate("() => (window.MathJax?.startup?.promise || Promise.resolve()).then(() => true)")
    view.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def serious(view) -> list[str]:
    found = Axe().run(view, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for rule in found
        for node in rule["nodes"]
        if rule["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_an_error_fits_a_phone_and_is_accessible(address, browser, name):
    view, problems = open_page(browser, f"{address}/{name}")
    settled(view)
    assert serious(view) == []
    view.set_viewport_size({"width": 390, "height": 844})
    settled(view)
    assert view.evaluate("document.documentElement.scrollWidth") <= 390
    assert problems == []
    view.context.close()


@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith("api/")])
def test_a_page_is_accessible_in_the_dark(address, browser, name):
    view, _ = open_page(browser, f"{address}/{name}", color_scheme="dark")
    settled(view)
    assert serious(view) == []
    view.context.close()


def test_no_link_is_dead(site):
    dead = []
    for name in PAGES:
        page = site / name
        for element in parsed(page).find_all(["a", "img", "link", "script"]):
            target = urlsplit(element.get("href") or element.get("src") or "")
            if target.scheme or target.netloc:
                continue
            file = (page.parent / unquote(target.path)).resolve() if target.path else page
            file = file / "index.html" if file.is_dir() else file
            if not file.exists():
                dead.append(f"{name}: {target.path}")
            elif target.fragment and file.suffix == ".html" and not has_anchor(file, unquote(target.fragment)):
                dead.append(f"{name}: {target.path}#{target.fragment}")
    assert dead == []


def has_anchor(file: Path, anchor: str) -> bool:
    return parsed(file).find(id=anchor) is not None


@pytest.mark.parametrize("name", [name for name in PAGES if "data-widget=" in (BUILT / name).read_text("utf-8")])
def test_every_explorer_and_question_answers_to_the_keyboard(address, browser, name):
    view, problems = open_page(browser, f"{address}/{name}")
    settled(view)
    places = view.locator(".live")
    for place in (places.nth(index) for index in range(places.count())):
        sliders, numbers = place.locator("input[type=range]"), place.locator("input[type=number]")
        if sliders.count():
            before = sliders.first.input_value()
            sliders.first.focus()
            view.keyboard.press("ArrowRight")
            view.keyboard.press("ArrowRight")
            assert sliders.first.input_value() != before
        elif place.locator("input[type=radio]").count():
            place.locator("input[type=radio]").first.focus()
            view.keyboard.press("Space")
            assert place.locator("input[type=radio]").first.is_checked()
        elif numbers.count():
            numbers.first.focus()
            view.keyboard.type("3")
            view.keyboard.press("Tab")
            assert numbers.first.input_value() == "3"
        else:
            handle = place.locator("circle[role=slider]").first
            before = handle.get_attribute("aria-valuenow")
            handle.focus()
            view.keyboard.press("ArrowUp")
            assert handle.get_attribute("aria-valuenow") != before
    assert problems == []
    view.context.close()


def test_explorers_and_figures_follow_the_pages_own_switch(address, browser):
    view, _ = open_page(browser, f"{address}/labs/01_temperature.html")
    settled(view)
    shown = view.locator(".distillab[data-explorer]").first
    assert shown.get_attribute("data-theme") == "light"
    for _ in range(3):  # auto, then the two of its own
        view.locator(".theme-toggle:visible").first.click()
        if view.evaluate("document.body.dataset.theme") == "dark":
            break
    settled(view)
    assert shown.get_attribute("data-theme") == "dark"
    assert "invert" in view.locator("img.distillab-figure").first.evaluate("(node) => getComputedStyle(node).filter")
    view.context.close()


def test_the_search_finds_a_word_of_a_lab(address, browser):
    view, problems = open_page(browser, f"{address}/search.html?q=perplexity")
    view.locator("#search-results li").first.wait_for()
    assert problems == []
    assert "Measuring honestly" in view.locator("#search-results").inner_text()
    view.context.close()


def test_every_lab_has_a_page_with_its_hints_a_download_and_current_outputs(site):
    for lab in labs():
        page = (site / "labs" / f"{lab}.html").read_text(encoding="utf-8")
        source = "\n".join("".join(cell["source"]) for cell in released(lab)["cells"])
        assert page.count("<summary>Hint ") == source.count("<summary>Hint "), lab
        assert (site / "downloads" / f"{lab}.ipynb").read_bytes() == (ROOT / f"labs/{lab}/{lab}.ipynb").read_bytes()
        assert stored_outputs_are_current(lab), (
            f"{lab} has changed since its outputs were stored: make outputs LAB={lab}"
        )


# ------------------------------------------------------------------------------- nothing gives an answer away


def public_text() -> str:
    """What students get with the labs, and the docstrings that the reference shows, in one line."""
    parts = ["".join(cell["source"]) for lab in labs() for cell in released(lab)["cells"]]
    parts += [page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")]
    for path in (ROOT / "helpers").rglob("*.py"):
        kinds = (ast.Module, ast.FunctionDef, ast.ClassDef)
        nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds)]
        parts += [ast.get_docstring(node) or "" for node in nodes]
    return in_one_line("\n".join(parts))


def in_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def secrets() -> set[str]:
    """Lines of our solutions, cases and known mistakes, and the sentences that explain mistakes and quizzes."""
    found: set[str] = set()
    for source in (ROOT / "solutions").glob("*/[0-9][0-9]_*.py"):
        cells = [cell for cell in jupytext.read(source).cells if {"exercise", "answer", "quiz"} & set(cell.metadata)]
        found |= {line.strip() for cell in cells for line in cell.source.split("\n")}
    for source in [*(ROOT / "solutions").glob("*/cases.py"), *(ROOT / "solutions").glob("*/misconceptions.py")]:
        text = source.read_text(encoding="utf-8")
        found |= {line.strip() for line in text.split("\n")}
        if source.name == "misconceptions.py":
            nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
            found |= {node.value for node in nodes if isinstance(node.value, str) and "\n" not in node.value}
    shown = public_text()
    kept = {in_one_line(line) for line in found if len(line) >= LONG}
    return {line for line in kept if line not in shown and not line.startswith(("import ", "from ", "#", '"""'))}


def readable(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".html":
        text = re.sub(r"<[^>]+>", "", text)
    return in_one_line(unescape(text).replace("\\n", " ").replace('\\"', '"'))


def test_nothing_of_solutions_cases_or_known_mistakes_stands_in_the_built_files(site):
    hidden = secrets()
    assert len(hidden) > 500
    texts = {path: readable(path) for path in site.rglob("*") if path.suffix in TEXTS}
    assert [(line, path.name) for path, text in texts.items() for line in hidden if line in text] == []
    assert {path.suffix for path in site.rglob("*") if path.is_file()} <= TEXTS | {".png", ".svg", ".woff2", ""}


TEXTS = {".html", ".js", ".css", ".txt", ".ipynb", ".json", ".inv", ".map"}
