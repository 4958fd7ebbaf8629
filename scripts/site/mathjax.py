"""MathJax from its npm package, so that formulas need no network when a page is read."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

PACKAGE, MEMBERS = "mathjax@3.2.2", {"package/es5/tex-svg.js": "tex-svg.js", "package/LICENSE": "LICENSE"}
DIGEST = "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09"


def vendor(cache: Path, target: Path) -> None:
    """Put MathJax into `target`; the package is fetched once into `cache` and checked.

    Raises RuntimeError where npm is missing, or where the package is not the one that this module knows.
    """
    archive = cache / "mathjax-3.2.2.tgz"
    if not archive.exists():
        if shutil.which("npm") is None:
            raise RuntimeError("MathJax comes from npm, which is not installed. On Debian: apt-get install npm")
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=cache, check=True, capture_output=True)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != DIGEST:
        archive.unlink()
        raise RuntimeError(f"{PACKAGE} has the SHA-256 {found}; {DIGEST} was expected. Run the command again.")
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as package:
        for member, name in MEMBERS.items():
            content = package.extractfile(member)
            assert content is not None, member
            (target / name).write_bytes(content.read())
