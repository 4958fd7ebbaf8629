"""The limits on one notebook. All can be set in `nbgrader_config.py`, as traits of `Judge`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Seconds of wall time, bytes and numbers that one notebook may take; memory, processes and files in a sandbox."""

    cell: float = 30.0  # seconds for one cell
    exercise: float = 10.0  # seconds for all cases of one exercise
    notebook: float = 300.0  # seconds for the whole notebook, with every restart of its kernel
    memory: int = 4 * 2**30  # bytes of all processes of its kernel together
    processes: int = 256  # processes and threads of its kernel
    files: int = 512 * 2**20  # bytes that it may write
    output: int = 10 * 2**20  # bytes of output that are kept
    file: int = 20 * 2**20  # bytes of the notebook's own file
