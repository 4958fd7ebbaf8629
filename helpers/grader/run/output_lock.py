"""Allow only one grading run at a time in an output folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.grader.errors import GraderError


@contextmanager
def one_run_at_a_time(output: Path) -> Iterator[None]:
    """Lock an existing output folder for the duration of the block. Raises GraderError if another run holds it."""
    lock = FileLock(Path(output) / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise GraderError(
            f"Another grading run is using {output}. Wait for it to finish, or choose another folder with --output."
        ) from None
    except NotImplementedError:  # a file system without locks: grading there must still be possible
        yield
        return
    try:
        yield
    finally:
        lock.release()
