"""A student's own progress: what each exercise's last check showed, kept in one small file beside the labs.

The file is `progress.json` in the folder `.distillab` of this copy of the labs, so that another copy starts anew. A
notebook that lies alone, as in Colab, keeps it in the home folder; DISTILLAB_PROGRESS names another folder. Nothing is
sent anywhere, and grading neither reads nor writes it.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path
from types import CodeType
from typing import Any

from helpers.atomic import write_text

FOLDER = ".distillab"
LABS = "[0-9][0-9]_*/[0-9][0-9]_*.ipynb"  # in the folder that holds a copy of the labs
MAX_ATTEMPTS = 20  # of which the code's digest is kept, for each exercise


def progress_folder(here: Path | None = None) -> Path:
    """Return the folder that keeps what a copy of the labs knows of the student.

    here: the folder of the labs or of one of them; by default the working folder.
    """
    if chosen := os.environ.get("DISTILLAB_PROGRESS"):
        return Path(chosen)
    try:
        here = (here or Path.cwd()).resolve()  # of a notebook, the folder of its lab
        labs = next((folder for folder in (here, here.parent) if any(folder.glob(LABS))), None)
    except OSError:  # the folder is gone, or may not be read
        labs = None
    return (labs or Path.home()) / FOLDER


def progress_file(here: Path | None = None) -> Path:
    """Return the path of the file that progress is kept in; `here` as in `progress_folder`."""
    return progress_folder(here) / "progress.json"


def being_graded() -> bool:
    """Return whether a class is being graded: nbgrader then sets NBGRADER_EXECUTION."""
    return bool(os.environ.get("NBGRADER_EXECUTION"))


def read_progress(here: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return lab, passed, agreed, examples and when for each exercise; empty if the file cannot be read.

    An exercise that was skipped has `skipped` instead of what a check showed. `here` as in `progress_folder`.
    """
    return {name: entry for name, entry in read_kept(progress_file(here)).items() if isinstance(entry, dict)}


def attempts(exercise: str) -> int:
    """Return how many different answers to an exercise have failed its check."""
    return len(_failed(read_progress().get(exercise, {})))


def has_passed(exercise: str) -> bool:
    """Return whether an answer to the exercise has ever passed its check."""
    return bool(read_progress().get(exercise, {}).get("passed_once"))


def record(exercise: str, lab: str, agreed: int, examples: int, code: str = "") -> str:
    """Save what a check showed. Return "", or a sentence for the student if that failed.

    code: a digest of the answer's code, by which failed attempts are counted.
    """
    before, passed = read_progress().get(exercise, {}), agreed == examples
    failed = _failed(before)
    if not passed and code and code not in failed:
        failed = [*failed, code][-MAX_ATTEMPTS:]
    once = passed or bool(before.get("passed_once"))
    entry = {"lab": lab, "passed": passed, "agreed": agreed, "examples": examples, "when": _now()}
    return _save(exercise, {**entry, "passed_once": once, "failed": failed})


def record_skip(exercise: str, lab: str) -> str:
    """Save that an exercise was skipped: it is not done, and its attempts stay."""
    before = read_progress().get(exercise, {})
    kept = {"passed_once": bool(before.get("passed_once")), "failed": _failed(before)}
    return _save(exercise, {"lab": lab, "passed": False, "skipped": True, "when": _now(), **kept})


def code_digest(answer: Any) -> str:
    """Return a digest of what an answer does, which comments, spaces and the names of variables do not change."""
    parts = vars(answer).values() if isinstance(answer, type) else [answer]
    codes = [part.__code__ for part in parts if isinstance(getattr(part, "__code__", None), CodeType)]
    text = repr([_steps(code) for code in codes]) if codes else repr(answer)[:80]
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _steps(code: CodeType) -> list[Any]:
    constants = [_steps(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts]
    return [code.co_code.hex(), code.co_names, constants]


def read_kept(file: Path) -> dict[str, Any]:
    """Return what a file of this folder holds by name; empty if it cannot be read."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # nothing was kept yet, or the file was cut off: the next entry writes it again
    return content if isinstance(content, dict) else {}


def keep(file: Path, name: str, entry: Any) -> str:
    """Save an entry by its name in a file of this folder. Return "", or a sentence for the student if that failed.

    Nothing is saved while a class is graded.
    """
    if being_graded():
        return ""
    try:
        write_text(file, json.dumps({**read_kept(file), name: entry}, indent=1), shared=True)
    except OSError as problem:
        return f"This could not be saved in {file} ({problem.strerror}). Nothing else depends on it."
    return ""


def _failed(entry: dict[str, Any]) -> list[str]:
    failed = entry.get("failed")
    return [code for code in failed if isinstance(code, str)] if isinstance(failed, list) else []


def _now() -> str:
    return datetime.now().isoformat(timespec="minutes")


def _save(exercise: str, entry: dict[str, Any]) -> str:
    problem = keep(progress_file(), exercise, entry)
    return problem.replace("This", "Your progress", 1) if problem else ""
