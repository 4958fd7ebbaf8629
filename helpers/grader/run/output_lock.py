"""Allow only one grading run at a time in an output folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.grader.errors import GraderError


class OutputInUse(GraderError):
    """Another run is using the output folder."""


@contextmanager
def one_run_at_a_time(output: Path, wait: float = 0) -> Iterator[None]:
    """Lock an existing output folder for the duration of the block.

    Raises OutputInUse if another run still holds it after `wait` seconds.
    """
    lock = FileLock(Path(output) / ".lock", timeout=wait)
    try:
        lock.acquire()
    except Timeout:
        raise OutputInUse(
            f"Another grading run is using {output}. Wait for it to finish, or choose another folder with --output."
        ) from None
    except NotImplementedError:  # a file system without locks: grading there must still be possible
        yield
        return
    try:
        yield
    finally:
        lock.release()
