"""The archive that Gradescope takes as a lab's autograder (`distillab gradescope LAB`).

It holds `setup.sh`, which installs the pinned requirements with pip, `run_autograder`, this package as a wheel, and of
the course the one lab. Its hidden cases are in it, so keep it from students. Source: Gradescope's documentation,
“Autograder Specifications”.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from helpers.atomic import replace_file
from helpers.grader.course.lab import load_lab
from helpers.grader.errors import GraderError
from helpers.paths import PACKAGE

NAME = "distillab"
OWN_REQUIREMENTS = "requirements.txt"  # of a course
DATE = (2000, 1, 1, 0, 0, 0)  # of every file, so that the same lab makes the same archive
WHEEL = "Wheel-Version: 1.0\nGenerator: distillab\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, when it builds the image of the autograder.
set -euo pipefail
root="${DISTILLAB_AUTOGRADER:-/autograder}"
apt-get update
apt-get install --yes --no-install-recommends python3 python3-venv
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "This autograder needs Python 3.11. Choose Ubuntu 24.04 or newer as the base image." >&2
  exit 1
fi
python3 -m venv "$root/venv"
"$root/venv/bin/python" -m pip install --no-cache-dir --requirement "$root/source/requirements.txt"
"$root/venv/bin/python" -m pip install --no-cache-dir --no-deps "$root"/source/*.whl
"$root/venv/bin/distillab" doctor
"""
RUN = """#!/usr/bin/env bash
# Gradescope runs this for each submission.
root="${{DISTILLAB_AUTOGRADER:-/autograder}}"
python="$root/venv/bin/python"
exec "${{DISTILLAB_PYTHON:-$python}}" -m helpers.grader.gradescope.autograder "$root" {lab}
"""


def write_autograder(course: Path, name: str, target: Path) -> None:
    """Write the autograder of a lab. Raises GraderError if the lab does not exist or was never released."""
    course = Path(course).resolve()
    load_lab(course, name)
    released = course / "labs" / name / f"{name}.ipynb"
    if not released.is_file():
        raise GraderError(f"The lab {name!r} was never released. Release it with: distillab release --lab {name}")
    wheel_name, wheel = make_wheel()
    with replace_file(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "setup.sh", SETUP.encode(), mode=0o755)
        _add(archive, "run_autograder", RUN.format(lab=name).encode(), mode=0o755)
        pinned = pinned_requirements(more=own_requirements(course))
        _add(archive, "requirements.txt", "".join(f"{line}\n" for line in pinned).encode())
        _add(archive, wheel_name, wheel)
        for folder in (course / "solutions" / name, released.parent):
            for path in _files(folder):
                _add(archive, f"course/{path.relative_to(course).as_posix()}", path.read_bytes())
        if (course / "nbgrader_config.py").is_file():
            _add(archive, "course/nbgrader_config.py", (course / "nbgrader_config.py").read_bytes())


def own_requirements(course: Path) -> list[str]:
    """Return the packages that a course's labs need: the names in its `requirements.txt`, if it has one.

    Raises GraderError for a package that is not installed here, since no version of it was tried, and for other lines.
    """
    path, names = course / OWN_REQUIREMENTS, []
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        try:
            names += [distribution(Requirement(text).name).metadata["Name"]] if text else []
        except InvalidRequirement:
            raise GraderError(f"{path}, line {number}: {text!r} names no package. Write for example numpy>=2") from None
        except PackageNotFoundError:
            raise GraderError(f"{path}, line {number}: {text} is not installed here. Install it first.") from None
    return names


def pinned_requirements(extra: str = "grader", more: Sequence[str] = ()) -> list[str]:
    """Return what this package and an extra of it require, directly or not, in the versions installed here.

    more: packages that are required besides.
    """
    versions: dict[str, str] = {}
    waiting = [(NAME, extra), *((name, "") for name in more)]
    seen = set(waiting)
    while waiting:
        name, wanted = waiting.pop()
        try:
            found = distribution(name)
        except PackageNotFoundError:  # for another system, or an optional part
            continue
        if name != NAME:
            versions[found.metadata["Name"].lower().replace("_", "-")] = Version(found.version).public
        for text in found.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                new = {(requirement.name, one) for one in requirement.extras or {""}} - seen
                seen |= new
                waiting += new
    return [f"{name}=={versions[name]}" for name in sorted(versions)]


def make_wheel() -> tuple[str, bytes]:
    """Return this package as a wheel, with its name: from the files that run here, installed or in a checkout."""
    found = distribution(NAME)
    info = f"{NAME}-{found.version}.dist-info"
    files = {f"{PACKAGE.name}/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes() for path in _files(PACKAGE)}
    metadata = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""  # the latter in a checkout
    files[f"{info}/METADATA"] = metadata.encode()
    files[f"{info}/entry_points.txt"] = (found.read_text("entry_points.txt") or "").encode()
    files[f"{info}/WHEEL"] = WHEEL.encode()
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            _add(archive, name, content)
    return f"{NAME}-{found.version}-py3-none-any.whl", sink.getvalue()


def _record(files: dict[str, bytes], own: str) -> bytes:
    """Return a wheel's list of files with their digests, as the specification of wheels asks."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        writer.writerow([name, f"sha256={digest}", len(content)])
    writer.writerow([own, "", ""])
    return sink.getvalue().encode()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts):
            yield path


def _add(archive: zipfile.ZipFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = zipfile.ZipInfo(name, DATE)
    member.external_attr = (0o100000 | mode) << 16
    archive.writestr(member, content, zipfile.ZIP_DEFLATED)
