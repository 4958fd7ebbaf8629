"""A student's own progress: what each exercise's last check showed, kept in one small file on the student's machine.

The file is `progress.json` in DISTILLAB_PROGRESS, else in the folder `.distillab` in the home folder. Nothing is sent
anywhere, and grading neither reads nor writes it.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from helpers.atomic import write_text


def progress_file() -> Path:
    """Return the path of the file that progress is kept in."""
    return Path(os.environ.get("DISTILLAB_PROGRESS") or Path.home() / ".distillab") / "progress.json"


def read_progress() -> dict[str, dict[str, Any]]:
    """Return lab, passed, agreed, examples and when for each exercise; empty if the file cannot be read."""
    try:
        content = json.loads(progress_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # no check has run yet, or the file was cut off: the next check writes it again
    return content if isinstance(content, dict) else {}


def record(exercise: str, lab: str, agreed: int, examples: int) -> str:
    """Save what a check showed. Return "", or a sentence for the student if that failed.

    Nothing is saved while a class is graded: nbgrader then sets NBGRADER_EXECUTION.
    """
    if os.environ.get("NBGRADER_EXECUTION"):
        return ""
    file = progress_file()
    when = datetime.now().isoformat(timespec="minutes")
    entry = {"lab": lab, "passed": agreed == examples, "agreed": agreed, "examples": examples, "when": when}
    try:
        write_text(file, json.dumps({**read_progress(), exercise: entry}, indent=1), shared=True)
    except OSError as problem:
        return (
            f"Your progress could not be saved in {file} ({problem.strerror}). This does not affect the check itself."
        )
    return ""
