"""Build the wheel and the source distribution into dist/, so that the same commit gives the same bytes.

    python -m scripts.package          (make package, which also runs `twine check`)

The wheel is built from the source distribution, as `pip install` of that one would. Dates come from SOURCE_DATE_EPOCH,
by default the last commit's.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build(source: Path, target: Path, kind: str, epoch: int) -> Path:
    """Build one distribution of a source folder into `target`; return its file. kind: "sdist" or "wheel"."""
    command = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(target), str(source)]
    subprocess.run(command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}, stdout=subprocess.DEVNULL)
    return next(target.glob("*.tar.gz" if kind == "sdist" else "*.whl"))


def normalised(archive: bytes, epoch: int) -> bytes:
    """Return a .tar.gz with its files in order, of one date and of nobody."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=buffer, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            content = old.extractfile(member) if member.isfile() else None
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, content)
    return gzip.compress(buffer.getvalue(), mtime=epoch)


def package(target: Path, epoch: int) -> list[Path]:
    """Build both distributions into `target`; return their files."""
    with tempfile.TemporaryDirectory() as scratch:
        made = build(ROOT, Path(scratch) / "sdist", "sdist", epoch)
        sdist = target / made.name
        target.mkdir(exist_ok=True)
        sdist.write_bytes(normalised(made.read_bytes(), epoch))
        with tarfile.open(sdist) as archive:
            archive.extractall(scratch, filter="data")
        wheel = build(Path(scratch) / sdist.name.removesuffix(".tar.gz"), Path(scratch) / "wheel", "wheel", epoch)
        (target / wheel.name).write_bytes(wheel.read_bytes())
        return [sdist, target / wheel.name]


def main() -> None:
    """Build into dist/ and print what a release page names: size and SHA-256."""
    shown = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or shown.stdout.strip() or 315532800)
    for file in package(ROOT / "dist", epoch):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        print(f"dist/{file.name}  {file.stat().st_size / 1e6:.1f} MB  sha256 {digest}")


if __name__ == "__main__":
    main()
