"""A real model behind the same protocol: `transformers serve` with the laptop tier's teacher, for lab 06.

    teacher = start_served_teacher()      None outside the laptop tier, or where something is missing; it says what

The server is a process of its own, on a free port of this machine's own address 127.0.0.1. It ends with the notebook's
kernel, however that ends: it watches a pipe that only the kernel holds open.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import IO
from urllib.error import URLError

from helpers.api.service import HOST, Teacher, is_installed
from helpers.fetch import is_fetched, laptop_folder
from helpers.models import choose_tier, model_source

START_SECONDS, REPLY_SECONDS = 180.0, 120.0
SERVE = """
import os, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
from transformers.cli.transformers import app
app()
"""


class ServerError(RuntimeError):
    """The server did not start; the message says what it said last."""


def start_served_teacher() -> Teacher | None:
    """Serve the laptop tier's teacher and return it, or say in one line why not, and return None."""
    if (reason := _why_not()) is not None:
        print(reason)
        return None
    if not (is_installed("api") and is_installed("laptop")):
        return None
    print("Starting `transformers serve` …")
    teacher = serve_folder(model_source("laptop", "teacher"))
    print(f"{Path(teacher.model).name} answers at {teacher.address} until this notebook's kernel ends.")
    return teacher


def _why_not() -> str | None:
    """What keeps the laptop tier's teacher from being served, and what to do about it."""
    if "NBGRADER_EXECUTION" in os.environ:
        return "While a notebook is graded, no model is served."
    if choose_tier() != "laptop":
        return "This part needs the laptop tier: run `distillab fetch laptop`, set DISTILLAB_TIER=laptop, start again."
    if model_source("laptop", "teacher") == str(laptop_folder()) and not is_fetched():
        return f"The laptop tier's teacher is not in {laptop_folder()} yet; run: distillab fetch laptop"
    if importlib.util.find_spec("transformers.cli") is None:
        return "This version of transformers cannot serve models: pip install -U transformers"
    return None


def serve_folder(folder: str | Path) -> Teacher:
    """Serve the model of a folder with `transformers serve`. Raises ServerError if the server does not start."""
    import openai

    from helpers.api.openai_client import make_send

    model, port = str(folder), _free_port()
    arguments = ["serve", model, "--host", HOST, "--port", str(port), "--device", "cpu", "--log-level", "error"]
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "TRANSFORMERS_VERBOSITY": "error"}
    log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, *arguments], stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
        env=os.environ | quiet, start_new_session=True,  # so that interrupting a cell does not stop the server
    )  # fmt: skip

    def stop() -> None:
        process.kill()
        process.communicate()
        log.close()
        atexit.unregister(stop)

    atexit.register(stop)
    try:
        _wait_until_ready(process, f"http://{HOST}:{port}/health", log)
    except BaseException:
        stop()
        raise
    address = f"http://{HOST}:{port}/v1"
    client = openai.AsyncOpenAI(base_url=address, api_key="the server asks for none", timeout=REPLY_SECONDS)
    return Teacher(make_send(client, model), address, None, stop, model)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], health: str, log: IO[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            said = [line.strip() for line in log if line.strip()]
            raise ServerError(
                f"`transformers serve` ended before it answered: {said[-1] if said else 'no reason given'}"
            )
        try:
            with urllib.request.urlopen(health, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise ServerError(f"`transformers serve` did not answer within {START_SECONDS:.0f} s")
