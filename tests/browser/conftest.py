"""A real Chromium, a real JupyterLab and a real Voilà for the tests of this folder; `make browser` runs them.

DISTILLAB_CHROMIUM names a browser in another place; DISTILLAB_PICTURES=docs takes the README's pictures anew.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from benchmarks.browser import ROOT, chromium, free_port, served
from helpers.grader.course.lab import Lab
from helpers.grader.release import instructor_notebook
from helpers.setup.launcher import write

# The cells of a notebook with a prediction of each kind, and of their answers.
PREDICTIONS = (
    'from helpers.checks import predict, reveal\npredict("order", "Which is larger?", choices=["one", "two"])',
    'predict("loss", "How large is the loss?", unit="nats")',
    'predict("curve", "Draw it.", curve={"x": ("T", 0, 10), "y": ("nats", 0, 4)})',
)


def pytest_collection_modifyitems(items):
    """Everything here drives a browser."""
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def open_page(browser):
    """A function that opens an address in a page of its own: width, colours → Page, which fails on a script's error."""
    contexts, errors = [], []

    def make(address: str, width: int = 1280, height: int = 900, colours: str = "light", **others) -> Page:
        viewport = {"width": width, "height": height}
        contexts.append(browser.new_context(viewport=viewport, color_scheme=colours, **others))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        return page

    yield make
    for context in contexts:
        context.close()
    # Others' own: a browser's remark on layout, and a race in ipywidgets 7 between a cell's output and its widget.
    known = ("ResizeObserver loop", "Host is not attached")
    ours = [error for error in errors if not error.startswith(known)]
    assert ours == []


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory):
    """JupyterLab's address; its folder holds every lab with the reference solutions, as `solved_<lab>.ipynb`."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    for source in sorted((ROOT / "solutions").iterdir()):
        if (source / f"{source.name}.py").exists():
            nbformat.write(instructor_notebook(Lab(source)), folder / f"solved_{source.name}.ipynb")
            shutil.copytree(ROOT / "labs" / source.name, folder / source.name)
    write(folder, ROOT)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = list(map(nbformat.v4.new_code_cell, PREDICTIONS))
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "guess.ipynb")
    quiet = (
        folder / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    )
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ServerApp.ip=127.0.0.1"]
    command += ["--IdentityProvider.token=", "--expose-app-in-browser", f"--ServerApp.root_dir={folder}"]
    with served(command + (["--allow-root"] if os.geteuid() == 0 else []), port, folder, "/api/status") as address:
        yield address


@pytest.fixture(scope="session")
def voila(tmp_path_factory):
    """The address of the lecture, as `make lecture` serves it."""
    folder, port = tmp_path_factory.mktemp("voila"), free_port()
    command = [sys.executable, "-m", "voila", str(ROOT / "helpers" / "widgets" / "lecture.ipynb"), "--no-browser"]
    command += [f"--port={port}", "--Voila.ip=127.0.0.1"]
    with served(command, port, folder, "/voila/static/require.min.js") as address:
        yield address


@pytest.fixture(scope="session")
def old_python() -> Path:
    """The Python of the small environment with ipywidgets 7.7.1, which Colab has; `make browser` makes it."""
    # Absolute, for the server runs elsewhere; not resolved, for the link is what makes it an environment's Python.
    python = Path(os.environ.get("DISTILLAB_OLD_PYTHON") or "missing").absolute()
    if not python.exists():
        pytest.fail("The environment with ipywidgets 7.7.1 is not here: run `make browser`.")
    return python


@pytest.fixture(scope="session")
def classic(tmp_path_factory, old_python):
    """The address of the classic notebook with ipywidgets 7.7.1; it holds lab 01's explorer, `explorer.ipynb`."""
    folder, port = tmp_path_factory.mktemp("classic"), free_port()
    notebook = instructor_notebook(Lab(ROOT / "solutions" / "01_temperature"))
    wanted = ("import torch\n", "TemperatureExplorer(")
    notebook.cells = [cell for cell in notebook.cells if any(text in cell.source for text in wanted)]
    nbformat.write(notebook, folder / "explorer.ipynb")
    command = [str(old_python), "-m", "nbclassic", "--no-browser", f"--port={port}", "--ServerApp.ip=127.0.0.1"]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    command += ["--allow-root"] if os.geteuid() == 0 else []
    # anywidget's part for the classic notebook stands in this environment, ipywidgets 7's in the old one.
    paths = {"JUPYTER_PATH": f"{sys.prefix}/share/jupyter", "JUPYTER_CONFIG_PATH": f"{sys.prefix}/etc/jupyter"}
    with served(command, port, folder, "/api/status", **paths) as address:
        yield address


@pytest.fixture
def picture(tmp_path):
    """A function that keeps a picture of an element, in docs/ where DISTILLAB_PICTURES says so."""
    folder = Path(os.environ.get("DISTILLAB_PICTURES") or tmp_path)

    def take(name: str, element) -> None:
        element.screenshot(path=folder / f"{name}.png")
        assert (folder / f"{name}.png").stat().st_size > 5000, "an empty picture"

    return take


@pytest.fixture
def accessible():
    """A function that fails where axe finds something serious or critical in a part of a page."""

    def look(page: Page, part: str = "body") -> None:
        found = Axe().run(page, context=part, options={"resultTypes": ["violations"]}).response["violations"]
        serious = [
            f"{rule['id']} ({rule['impact']}): {node['html'][:200]} {node['failureSummary']}"
            for rule in found
            for node in rule["nodes"]
            if rule["impact"] in ("serious", "critical")
        ]
        assert serious == []

    return look
