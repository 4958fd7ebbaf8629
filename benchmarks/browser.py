"""A real Chromium and the servers it talks to, for the tests in tests/browser and the benchmark of the explorers.

DISTILLAB_CHROMIUM names a browser in another place.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome")
SETTINGS = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "IPYTHONDIR",
)


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """A Chromium until the block ends, with its own options. Raises FileNotFoundError where there is none."""
    path = os.environ.get("DISTILLAB_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise FileNotFoundError(
            "There is no Chromium here. On Debian: apt-get install chromium; or set DISTILLAB_CHROMIUM."
        )
    # Chromium refuses its sandbox to root; everybody else keeps it.
    needed = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as tool:
        running = tool.chromium.launch(executable_path=path, args=[*needed, *options])
        try:
            yield running
        finally:
            running.close()


@contextmanager
def served(command: list[str], port: int, folder: Path, ready: str, **settings: str) -> Iterator[str]:
    """A server in a process of its own, with its settings in `folder`, until the block ends. Gives its address.

    ready: a path that it answers once it is up. Raises RuntimeError with the end of its log, where it does not.
    """
    own = {name: str(folder / name.lower()) for name in SETTINGS}
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT), **settings}
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
    raise RuntimeError(f"The server does not answer:\n{log.read_text(encoding='utf-8')[-3000:]}")


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
