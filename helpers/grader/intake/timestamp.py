"""When a notebook was handed in, according to the `timestamp.txt` next to it."""

from __future__ import annotations

import re
import stat
from datetime import UTC, datetime
from pathlib import Path

from helpers.grader.notes import Note, NoteCode

TIMESTAMP_FILE = "timestamp.txt"  # nbgrader writes it next to the notebook
MAX_BYTES = 100  # of the file, that are read

# The space before a zone, which ISO 8601 does not have and nbgrader writes; and names of UTC.
_SPACE_BEFORE_ZONE = re.compile(r"(?<=\d)\s+(?=[+-]\d|[A-Za-z])")
_UTC_NAME = re.compile(r"(?:UTC|GMT)$", re.IGNORECASE)


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
        return (parse_time(text), None) if text else (None, None)
    except (ValueError, OverflowError):
        return None, Note.of(NoteCode.TIMESTAMP_UNREADABLE, name=path.name)


def parse_time(text: str) -> datetime:
    """Return an ISO 8601 time in UTC, without a zone, as nbgrader keeps it. A time that names no zone is in UTC.

    Not nbgrader's `parse_utc`, which takes `+0100` for 100 seconds and `+01:00` for no zone at all.

    Raises:
        ValueError: the text is no ISO 8601 time, or its zone is neither an offset nor UTC.
        OverflowError: in UTC, the time is before the year 1 or after the year 9999.
    """
    zoned = _UTC_NAME.sub("Z", _SPACE_BEFORE_ZONE.sub("", text.strip()))
    time = datetime.fromisoformat(zoned)
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
