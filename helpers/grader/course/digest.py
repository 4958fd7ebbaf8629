"""What judges, as a digest: a judgement holds while it stays the same, and a cluster's workers must have the same.

Files are read anew each time; the code of this package is not what stands on disk but what this process has imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from helpers.grader.limits import Limits
from helpers.paths import PACKAGE


def digest_of(paths: Iterable[Path]) -> str:
    """Return the digest of files' names and contents."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def code_on_disk() -> str:
    """Return the digest of this package's code as it stands on disk now."""
    return digest_of(PACKAGE.rglob("*.py"))


CODE_AT_START = code_on_disk()  # of a process: what it imports afterwards is the same, or the two differ


def judge_digest(course: Path, limits: Limits, kernel_name: str) -> str:
    """Return the digest of what judges: the labs' sources, this package's code, the limits and the kernel."""
    labs = digest_of((Path(course) / "solutions").glob("*/*.py"))
    return hashlib.sha256(f"{limits}\0{kernel_name}\0{labs}\0{code_on_disk()}".encode()).hexdigest()
