"""A digest of all that decides a judgement: while it is the same, stored judgements hold and cluster workers may judge.

Files are read anew each time. The code that this process runs is the one it has imported, which may be older than the
code on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from helpers.grader.course.settings import carries_through
from helpers.grader.limits import Limits
from helpers.paths import PACKAGE


def digest_of(paths: Iterable[Path]) -> str:
    """Return the digest of files' names and contents."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def code_files() -> list[Path]:
    """Return the files of this package's code."""
    return sorted(PACKAGE.rglob("*.py"))


def code_on_disk() -> str:
    """Return the digest of this package's code as it is on disk now."""
    return digest_of(code_files())


CODE_AT_START = code_on_disk()  # as imported by this process, unless the code changes while the process still imports


def judge_digest(course: Path, limits: Limits, kernel_name: str) -> str:
    """Return the digest of the labs' sources, this package's code, the limits and the kernel."""
    labs = digest_of((Path(course) / "solutions").glob("*/*.py"))
    settings = f"{limits}\0{kernel_name}\0{carries_through(course)}"
    return hashlib.sha256(f"{settings}\0{labs}\0{code_on_disk()}".encode()).hexdigest()
