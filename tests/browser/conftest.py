"""A real Chromium, a real JupyterLab and a real Voilà for the tests of this folder; `make browser` runs them.

DISTILLAB_CHROMIUM names a browser in another place; DISTILLAB_PICTURES=docs takes the README's pictures anew.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from helpers.grader.build import instructor_notebook
from helpers.grader.lab import Lab

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def pytest_collection_modifyitems(items):
    """Everything here drives a browser."""
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser():
    path = os.environ.get("DISTILLAB_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail(
            "There is no Chromium here. On Debian: apt-get install chromium. Elsewhere: set DISTILLAB_CHROMIUM."
        )
    # Chromium refuses its sandbox to root; everybody else keeps it.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as tool:
        running = tool.chromium.launch(executable_path=path, args=options)
        yield running
        running.close()


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


@contextmanager
def served(command: list[str], port: int, folder: Path, ready: str, **settings: str):
    """A server in a process of its own, with its settings in `folder`, until the block ends."""
    places = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
        "IPYTHONDIR",
    )
    environment = {
        **os.environ,
        **{name: str(folder / name.lower()) for name in places},
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    with open(folder / "server.log", "w", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(f"http://127.0.0.1:{port}{ready}", server, folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=60)


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=30):
                return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.2)
    pytest.fail(f"The server does not answer:\n{log.read_text(encoding='utf-8')[-3000:]}")


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory):
    """JupyterLab's address; its folder holds every lab with the reference solutions, as `solved_<lab>.ipynb`."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    for source in sorted((ROOT / "solutions").iterdir()):
        if (source / f"{source.name}.py").exists():
            nbformat.write(instructor_notebook(Lab(source)), folder / f"solved_{source.name}.ipynb")
            shutil.copy(ROOT / "labs" / source.name / f"{source.name}.ipynb", folder)
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
    python = Path(os.environ.get("DISTILLAB_OLD_PYTHON") or "missing")
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
