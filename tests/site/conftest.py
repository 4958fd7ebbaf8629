"""The built site and a Chromium, for the tests with the marker `site`; `make site-test` runs them."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from benchmarks.browser import chromium
from tests.conftest import ROOT

BUILT = ROOT / "build" / "site"


@pytest.fixture(scope="session")
def site() -> Path:
    if not (BUILT / "index.html").exists():
        pytest.fail("The site is not built: run `make site-test`, which builds it.")
    return BUILT


@pytest.fixture(scope="session")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def address(site):
    """The site's address, served on this machine alone."""
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that does not log."""

    def log_message(self, *_arguments):
        pass
