"""The files that a student handed in beside the notebook: which of them go with it, and how they get there."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from helpers.grader.intake.unicode import named
from helpers.grader.limits import Limits
from helpers.grader.notes import Note, NoteCode

LARGEST = 20 * 2**20  # bytes of one file
MOST = 1000
PAGE = 4096  # bytes: what a file takes in memory is a multiple of it


def files_beside(folder: Path, limits: Limits) -> tuple[list[Path], list[Note]]:
    """Return the plain files of a submission's folder, but for notebooks, and a note where some are too large.

    Together they take at most half of what a notebook may write: they are copied to where it writes. The smallest come
    first, since what an answer imports is small.
    """
    sizes = {}
    for entry in os.scandir(folder):
        details = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(details.st_mode) and details.st_nlink == 1 and not entry.name.endswith(".ipynb"):
            sizes[entry.name] = -(-details.st_size // PAGE) * PAGE
    room, fitting, left_out = limits.files // 2, [], []
    for name in sorted(sizes, key=lambda name: (sizes[name], name)):
        if sizes[name] > min(room, LARGEST) or len(fitting) == MOST:
            left_out.append(name)
        else:
            fitting.append(Path(folder) / name)
            room -= sizes[name]
    if not left_out:
        return fitting, []
    sizes_allowed = {"each": LARGEST / 2**20, "together": limits.files / 2**21}
    return fitting, [Note.of(NoteCode.FILES_LEFT_OUT, **sizes_allowed, names=named(left_out))]


def copy_files_beside(folder: Path, target: Path, limits: Limits) -> list[Note]:
    """Copy the files beside a notebook into `target`, without following anything; return notes on what was left out."""
    fitting, notes = files_beside(folder, limits)
    for path in fitting:
        shutil.copyfile(path, target / path.name, follow_symlinks=False)
    return notes
