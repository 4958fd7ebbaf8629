"""How a run writes: each file whole or not at all, and one run at a time into an output folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.grader.errors import GraderError


@contextmanager
def one_run_at_a_time(output: Path) -> Iterator[None]:
    """Keep every other run out of an output folder that is there. Raises GraderError where one is at work in it."""
    lock = FileLock(Path(output) / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise GraderError(
            f"Another grading run is at work in {output}. Wait until it has ended, or name another folder "
            "with --output."
        ) from None
    except NotImplementedError:  # a file system without locks: one that grades alone need not suffer from it
        yield
        return
    try:
        yield
    finally:
        lock.release()


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all, whatever happens on the way; make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
