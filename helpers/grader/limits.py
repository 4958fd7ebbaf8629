"""The limits on one notebook. All of them can be set in `nbgrader_config.py`, as traits of `Judge`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one notebook may use. Memory, processes and files are limited only in a sandbox."""

    cell: float = 30.0  # seconds of wall time for one cell
    exercise: float = 10.0  # seconds for all cases of one exercise
    notebook: float = 300.0  # seconds for the whole notebook, including restarts of its kernel
    memory: int = 4 * 2**30  # bytes of all processes of its kernel together
    processes: int = 256  # processes and threads of its kernel
    files: int = 512 * 2**20  # bytes that the notebook may write
    output: int = 10 * 2**20  # bytes of output that are kept
    file: int = 20 * 2**20  # bytes of the notebook's file
