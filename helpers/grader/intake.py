"""Find what was handed in, and read it: folders, archives and notebooks are hostile until proven otherwise.

`collect` returns one `Submission` for each student and lab found, refused ones with the reason. Nothing here runs or
follows anything: links, pipes and devices are refused, archives are unpacked by our own rules.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.grader.errors import GraderError

CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as nbformat has it
STUDENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
LARGEST_ARCHIVE = 100 * 2**20  # bytes when unpacked
MOST_FILES = 1000
LARGEST_EXTRA_FILE = 20 * 2**20


class Refused(Exception):
    """A submission that is not judged; the text is the reason, `verdict` is "error" or "denied"."""

    def __init__(self, reason: str, verdict: str = "error") -> None:
        super().__init__(reason)
        self.verdict = verdict


@dataclass
class Submission:
    """One student's notebook for one lab, or the reason why there is none to judge."""

    student: str
    lab: str
    path: Path | None = None
    notes: list[str] = field(default_factory=list)
    refusal: str = ""
    verdict: str = ""

    def digest(self, key: str) -> str:
        """Return what a judgement of this depends on: every file in its folder, or the refusal, and `key`."""
        digest = hashlib.sha256(f"{key}\0{self.lab}\0{self.refusal}\0{self.notes}".encode())
        if self.path is not None:
            for entry in sorted(os.scandir(self.path.parent), key=lambda item: item.name):
                if stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                    digest.update(f"\0{entry.name}\0{entry.stat().st_size}\0".encode("utf-8", "surrogateescape"))
                    with open(entry.path, "rb") as file:
                        digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def collect(folder: Path, labs: list[str], scratch: Path) -> tuple[list[Submission], list[str]]:
    """Return the submissions in `folder` (`<student>/<lab>/<lab>.ipynb`, or `<student>.zip`), and remarks on the rest.

    Archives are unpacked under `scratch`. Raises GraderError where there is no folder or nothing in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise GraderError(f"There is no folder {folder}: --submissions must name the folder that holds the students'.")
    remarks: list[str] = []
    found: dict[str, list[Submission]] = {}
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        is_archive = entry.name.lower().endswith(".zip")
        student = entry.name[:-4] if is_archive else entry.name
        if entry.name.startswith("."):
            continue
        try:
            _check_kind(entry)
            if not is_archive and not entry.is_dir(follow_symlinks=False):
                remarks.append(f"{entry.name}: a file where students' folders are expected; ignored")
                continue
            _check_id(student, found)
            home = Path(entry.path)
            if is_archive:
                home = _unpack(home, student, scratch / f"archive-{len(found)}-{student}")
            here, said = _in_home(student, home, labs)
            remarks += said
        except Refused as refusal:
            name = student if STUDENT_ID.fullmatch(student) else ascii(entry.name)[1:-1][:128]
            here = [Submission(name, "", refusal=str(refusal), verdict=refusal.verdict)]
        _merge(found, student, here, is_archive)
    submissions = [submission for entries in found.values() for submission in entries]
    if not submissions:
        raise GraderError(
            f"There are no submissions in {folder}: expected <student>/<lab>/<lab>.ipynb or <student>.zip, "
            f"for the labs {', '.join(labs)}." + "".join(f"\n  {remark}" for remark in remarks[:5])
        )
    return submissions, remarks


def _merge(found: dict[str, list[Submission]], student: str, here: list[Submission], zipped: bool) -> None:
    """Add a student's submissions; what lies loose wins over what is zipped."""
    loose = {submission.lab: submission for submission in found.get(student, [])}
    for submission in here:
        twin = loose.get(submission.lab) if zipped else None
        if twin is not None and twin.refusal and not submission.refusal:
            submission.notes.append(f"taken from the archive: the loose one is refused ({twin.refusal})")
            found[student][found[student].index(twin)] = submission
        elif twin is not None:
            twin.notes.append("also handed in as an archive, which was left aside")
        else:
            found.setdefault(student, []).append(submission)


def _check_kind(entry: os.DirEntry) -> None:
    details = entry.stat(follow_symlinks=False)
    if stat.S_ISLNK(details.st_mode):
        raise Refused(f"{entry.name} is a symbolic link, and links are not followed", "denied")
    if not stat.S_ISDIR(details.st_mode) and not stat.S_ISREG(details.st_mode):
        raise Refused(f"{entry.name} is neither a file nor a folder", "denied")
    if stat.S_ISREG(details.st_mode) and details.st_nlink > 1:
        raise Refused(f"{entry.name} is a hard link to a file that also stands elsewhere", "denied")


def _check_id(student: str, found: dict[str, list[Submission]]) -> None:
    if not STUDENT_ID.fullmatch(student):
        raise Refused("a student id is letters, digits and . _ - @ +, first a letter or digit, at most 128", "denied")
    twin = next((other for other in found if other != student and other.lower() == student.lower()), None)
    if twin:
        raise Refused(f"the student id differs from {twin} only in upper and lower case", "denied")


def _in_home(student: str, home: Path, labs: list[str]) -> tuple[list[Submission], list[str]]:
    submissions, remarks = [], []
    for entry in sorted(os.scandir(home), key=lambda item: item.name):
        if entry.name in labs:
            try:
                _check_kind(entry)
                path, notes = _notebook_in(Path(entry.path), entry.name)
                submissions.append(Submission(student, entry.name, path, notes))
            except Refused as refusal:
                submissions.append(Submission(student, entry.name, refusal=str(refusal), verdict=refusal.verdict))
        elif entry.name.endswith(".ipynb"):
            remarks.append(f"{student}/{entry.name}: a notebook must lie in its lab's folder; ignored")
        elif entry.is_dir(follow_symlinks=False) and not entry.name.startswith((".", "__")):
            remarks.append(f"{student}/{entry.name}: no released lab has this name; ignored")
    return submissions, remarks


def _notebook_in(folder: Path, lab: str) -> tuple[Path, list[str]]:
    """Return the path of the lab's notebook in its folder, and a note where it has another name."""
    if not folder.is_dir():
        raise Refused(f"{lab} is a file where the lab's folder is expected")
    entries = {entry.name: entry for entry in os.scandir(folder)}
    for entry in entries.values():
        _check_kind(entry)
    if f"{lab}.ipynb" in entries:
        return folder / f"{lab}.ipynb", []
    others = sorted(name for name in entries if name.endswith(".ipynb"))
    if len(others) == 1:
        return folder / others[0], [f"taken from {others[0]}"]
    raise Refused(f"no {lab}.ipynb in the folder" + (f", and {len(others)} others" if others else ""))


def _unpack(archive: Path, student: str, target: Path) -> Path:
    """Unpack an archive by our own rules, and return the folder that holds the labs' folders."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            if len(members) > MOST_FILES or sum(member.file_size for member in members) > LARGEST_ARCHIVE:
                raise Refused("the archive is too large when unpacked", "denied")
            for member in members:
                _unpack_one(opened, member, target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as problem:
        raise Refused(f"the archive cannot be read: {problem}") from None
    target.mkdir(parents=True, exist_ok=True)
    inner = [entry for entry in os.scandir(target) if not entry.name.startswith((".", "__"))]
    return Path(inner[0].path) if len(inner) == 1 and inner[0].name == student and inner[0].is_dir() else target


def _unpack_one(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    parts = member.filename.replace("\\", "/").split("/")
    if any(part in ("", "..", ".") or "\0" in part or ":" in part for part in parts):
        raise Refused(f"the archive holds a path that climbs: {ascii(member.filename)[:80]}", "denied")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind and not stat.S_ISREG(kind):
        raise Refused("the archive holds a link or a device", "denied")
    path = target.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, open(path, "xb") as sink:
        left = member.file_size
        while chunk := source.read(min(2**16, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise Refused("the archive swells past the size that it states", "denied")
            sink.write(chunk)


# -------------------------------------------------------------------------------------------------- reading a notebook


def read_notebook(path: Path, limit: int, keep: tuple[str, ...] = ()) -> NotebookNode:
    """Return the notebook at `path` in format 4, with nothing in its cells but type, id, text and nbgrader's metadata.

    `limit` is the largest size in bytes; `keep` names notebook metadata to take over. Raises Refused with a reason that
    a student understands.
    """
    size = path.stat().st_size
    if size > limit:
        raise Refused(f"the notebook has {size / 2**20:.0f} MiB, and {limit / 2**20:.0f} MiB is the limit")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        content = json.loads(text)
    except UnicodeDecodeError:
        raise Refused("the notebook is not UTF-8 text") from None
    except (ValueError, RecursionError) as problem:
        raise Refused(f"the notebook is cut short or damaged: {str(problem)[:200]}") from None
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise Refused("this is JSON, but not a notebook")
    try:
        notebook = nbformat.convert(nbformat.from_dict(content), 4) if content["nbformat"] < 4 else None
        cells = (notebook or content)["cells"]
        kept = {key: item for key, item in dict(content.get("metadata") or {}).items() if key in keep}
        return nbformat.v4.new_notebook(cells=[_read_cell(cell) for cell in cells], metadata=kept)
    except Refused:
        raise
    except Exception as problem:  # nbformat's upgrades of foreign content can end in any error
        said = " ".join(ascii(str(problem))[1:-1].split("\\n")[0].split())[:200]
        raise Refused(f"the notebook's cells cannot be read: {type(problem).__name__}: {said}") from None


def _read_cell(cell: dict) -> NotebookNode:
    source = cell["source"]
    source = "".join(source) if isinstance(source, list) else source
    if not isinstance(source, str):
        raise Refused("a cell's text is not text")
    makers = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    read = makers.get(cell["cell_type"], nbformat.v4.new_raw_cell)(source)
    if isinstance(cell.get("id"), str) and CELL_ID.fullmatch(cell["id"]):  # another gets a new one
        read["id"] = cell["id"]
    metadata = cell.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("nbgrader"), dict):
        grade_id = metadata["nbgrader"].get("grade_id")
        read.metadata["nbgrader"] = {"grade_id": grade_id if isinstance(grade_id, str) else ""}
    return read


def copy_files_beside(folder: Path, target: Path) -> None:
    """Copy the plain files of a submission's folder, but for notebooks, into `target`, without following anything."""
    for entry in list(os.scandir(folder))[:MOST_FILES]:
        details = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(details.st_mode) and details.st_nlink == 1 and details.st_size <= LARGEST_EXTRA_FILE:
            if not entry.name.endswith(".ipynb"):
                shutil.copyfile(entry.path, target / entry.name, follow_symlinks=False)
