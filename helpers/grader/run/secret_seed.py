"""The secret seed from which hidden inputs are drawn: one for each output folder, the same for each regrade into it.

Anyone who knows it can compute every hidden input, so only the owner can read its file, and it is never logged.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from helpers.grader.errors import GraderError

FILE = "secret_seed"
BITS = 63


@dataclass(frozen=True)
class SecretSeed:
    """A seed on its way to another process: logs and messages that show a call's arguments do not show it."""

    value: int = field(repr=False)


def secret_seed(folder: Path) -> int:
    """Return the seed that is kept in an existing folder; the first call draws it.

    Raises GraderError if the file does not hold a seed.
    """
    path = Path(folder) / FILE
    if not path.exists():
        _draw(path)
    try:
        seed = int(path.read_text(encoding="utf-8"))
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**BITS:
        raise GraderError(
            f"{path} is damaged. Delete it and grade again: all submissions are then judged with newly drawn inputs."
        )
    return seed


def _draw(path: Path) -> None:
    """Write a new seed to a file of mode 0600, unless another process is quicker: then that one's seed stays."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{FILE}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{secrets.randbits(BITS)}\n")
        with suppress(FileExistsError):
            _link(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _link(temporary: str, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.replace(temporary, path)
