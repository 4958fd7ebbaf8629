"""The files that a student handed in next to the notebook: which of them are used, and how they are copied."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from helpers.grader.intake.unicode import listed
from helpers.grader.limits import Limits
from helpers.grader.notes import Note, NoteCode

KEPT_IN = "extra_files"  # a run's folder with what lay beside each judged notebook; never shown to anyone
MAX_FILE_BYTES = 20 * 2**20
MAX_FILES = 1000
PAGE_BYTES = 4096  # a file occupies whole pages of memory


def extra_files(folder: Path, limits: Limits) -> tuple[list[Path], list[Note]]:
    """Return the plain files in a submission's folder other than notebooks, and a note if some are too large.

    They are copied to where the notebook writes, and together they may take half of its quota. The smallest come first,
    because what an answer imports is small.
    """
    sizes = {}
    for entry in os.scandir(folder):
        details = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(details.st_mode) and details.st_nlink == 1 and not entry.name.endswith(".ipynb"):
            sizes[entry.name] = -(-details.st_size // PAGE_BYTES) * PAGE_BYTES
    available = limits.files // 2
    fitting: list[Path] = []
    left_out: list[str] = []
    for name in sorted(sizes, key=lambda name: (sizes[name], name)):
        if sizes[name] > min(available, MAX_FILE_BYTES) or len(fitting) == MAX_FILES:
            left_out.append(name)
        else:
            fitting.append(Path(folder) / name)
            available -= sizes[name]
    if not left_out:
        return fitting, []
    each, together = MAX_FILE_BYTES / 2**20, limits.files / 2**21
    return fitting, [Note.of(NoteCode.FILES_LEFT_OUT, each=each, together=together, names=listed(left_out))]


def copy_extra_files(folder: Path, target: Path, limits: Limits) -> list[Note]:
    """Copy a submission's extra files into `target` without following links; return notes on what was left out."""
    fitting, notes = extra_files(folder, limits)
    for path in fitting:
        shutil.copyfile(path, target / path.name, follow_symlinks=False)
    return notes


def keep_extra_files(folder: Path, target: Path, limits: Limits) -> None:
    """Copy a submission's extra files into `target`, in place of what is there; without any there is no such folder."""
    shutil.rmtree(target, ignore_errors=True)
    if extra_files(folder, limits)[0]:
        target.mkdir(parents=True, mode=0o700)
        copy_extra_files(folder, target, limits)
