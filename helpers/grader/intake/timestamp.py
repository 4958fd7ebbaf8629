"""When a notebook was handed in, as `timestamp.txt` beside it says."""

from __future__ import annotations

import stat
from datetime import datetime
from pathlib import Path

from nbgrader.utils import parse_utc

from helpers.grader.notes import Note, NoteCode

FILE = "timestamp.txt"  # nbgrader's, beside the notebook
LONGEST = 100  # bytes of it that are read


def read_timestamp(path: Path) -> tuple[datetime | None, Note | None]:
    """Return the time of handing in that a file holds, in UTC, and a note where it cannot be read."""
    path = Path(path)
    try:
        details = path.stat(follow_symlinks=False)
    except OSError:
        return None, None
    if not stat.S_ISREG(details.st_mode) or details.st_nlink > 1:
        return None, None  # the intake says what is wrong with it
    with open(path, "rb") as file:
        text = file.read(LONGEST).decode("utf-8", "replace").strip()
    try:
        return (parse_utc(text), None) if text else (None, None)
    except (ValueError, OverflowError):
        return None, Note.of(NoteCode.TIMESTAMP_UNREADABLE, name=path.name)
