"""One session at the marking desk: start the server, open the page, wait for Ctrl-C, update what people read."""

from __future__ import annotations

import asyncio
import html
import secrets
import signal
import webbrowser
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from helpers.atomic import write_text
from helpers.grader.errors import GraderError
from helpers.grader.marking.desk import MarkingDesk
from helpers.grader.marking.server import MAX_BODY, application

ADDRESS = "127.0.0.1"


def serve(desk: MarkingDesk, port: int, opened: Callable[[str], None]) -> None:
    """Serve the marking page until Ctrl-C or SIGTERM. `opened` is told the address as soon as it answers.

    Args:
        desk: what is there to mark.
        port: on which to listen; 0 takes a free one.
        opened: called once with the page's address, which contains the token.

    Raises GraderError if the port is in use.
    """
    asyncio.run(_serve(desk, port, opened))


async def _serve(desk: MarkingDesk, port: int, opened: Callable[[str], None]) -> None:
    token, stopped, loop = secrets.token_urlsafe(32), asyncio.Event(), asyncio.get_running_loop()
    try:
        sockets = bind_sockets(port, ADDRESS)
    except OSError as problem:
        raise GraderError(f"Port {port} is not free ({problem.strerror}). Choose another with --port.") from None
    server = HTTPServer(application(desk, token), max_body_size=MAX_BODY)
    server.add_sockets(sockets)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        opened(f"http://{ADDRESS}:{sockets[0].getsockname()[1]}/{token}/")
        await stopped.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        server.stop()
        await server.close_all_connections()


def open_in_browser(address: str, folder: Path) -> Thread:
    """Open an address without naming it on the browser's command line, which other users can read; return the thread.

    Args:
        address: what to open.
        folder: a folder of this user alone, for a page that leads to the address; it must last until that is open.
    """
    target = html.escape(address)
    page = f'<!doctype html><meta http-equiv="refresh" content="0; url={target}"><a href="{target}">Marking</a>\n'
    write_text(folder / "marking.html", page, private=True)
    # In a thread, since a browser in text mode would hold up the server.
    thread = Thread(target=webbrowser.open, args=[(folder / "marking.html").as_uri()], daemon=True)
    thread.start()
    return thread
