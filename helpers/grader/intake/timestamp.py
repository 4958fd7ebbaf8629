"""When a notebook was handed in, according to the `timestamp.txt` next to it."""

from __future__ import annotations

import stat
from datetime import datetime
from pathlib import Path

from nbgrader.utils import parse_utc

from helpers.grader.notes import Note, NoteCode

TIMESTAMP_FILE = "timestamp.txt"  # nbgrader writes it next to the notebook
MAX_BYTES = 100  # of the file, that are read


def read_timestamp(path: Path) -> tuple[datetime | None, Note | None]:
    """Return the hand-in time that a file holds, in UTC, and a note if the file does not hold a time."""
    path = Path(path)
    try:
        details = path.stat(follow_symlinks=False)
    except OSError:
        return None, None
    if not stat.S_ISREG(details.st_mode) or details.st_nlink > 1:
        return None, None  # collecting the submission already reports this
    with open(path, "rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8", "replace").strip()
    try:
        return (parse_utc(text), None) if text else (None, None)
    except (ValueError, OverflowError):
        return None, Note.of(NoteCode.TIMESTAMP_UNREADABLE, name=path.name)
