"""What lies in the submissions folder: students' folders, archives and files, as people or an LMS have arranged them.

Three arrangements are flattened here, so that what follows sees one source for each student: a folder for each lab, the
download of a whole class (one archive, by Canvas or Moodle), and Canvas's loose files, several of which can belong to
one student.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from helpers.grader.errors import Refused
from helpers.grader.intake.archive import MAX_UNPACKED_BYTES, Archives
from helpers.grader.intake.matching import Matcher, owner_of
from helpers.grader.intake.names import (
    HIDDEN,
    DownloadName,
    download_name,
    is_lab_folder,
    is_notebook_name,
    lab_named,
    stem_of,
)
from helpers.grader.intake.student_folder import LabNames, check_kind
from helpers.grader.intake.timestamp import TIMESTAMP_FILE
from helpers.grader.intake.unicode import printable

ZIP = ".zip"
FOLDER, ARCHIVE, FILES = "folder", "archive", "files"
CANVAS_ARCHIVE = re.compile(r"(?:.*_)?submissions(?:-\d+| ?\(\d+\))*", re.IGNORECASE)
MOODLE_ARCHIVE = re.compile(r"[^-]+-.+-\d{1,20}(?: ?\(\d{1,9}\)){0,9}")  # course, assignment and a number
SECONDS_BETWEEN_ATTACHMENTS = 3  # more than the resolution of an archive's times


@dataclass(frozen=True)
class Source:
    """Where one student's work lies.

    Attributes:
        entries: a folder, an archive, or files.
        kind: which of these.
        owner: the part of its name that names the student.
        download: what the name says if an LMS gave it.
        lab: the lab that everything in it is for; "" if its own names have to say.
        is_unpacked: whether it comes out of an archive, so that nothing in it was arranged by the instructor.
        refusal: why it cannot be opened.
    """

    entries: list[os.DirEntry[str]]
    kind: str
    owner: str
    download: DownloadName | None = None
    lab: str = ""
    is_unpacked: bool = False
    name: str = ""
    refusal: Refused | None = None

    @property
    def written_by_student(self) -> bool:
        """Whether the student wrote everything in it, including a timestamp."""
        return self.kind != FOLDER or self.download is not None or self.is_unpacked

    def open(self, scratch: Scratch) -> tuple[Path, dict[str, str]]:
        """Return the folder that holds the student's work, and the names that its files had before. Raises Refused."""
        if self.refusal:
            raise self.refusal
        for entry in self.entries:
            check_kind(entry)
        if self.kind == FOLDER:
            return Path(self.entries[0].path), {}
        if self.kind == ARCHIVE:
            return scratch.unpacked(Path(self.entries[0].path)), {}
        target = scratch.new()
        return target, _gather(self.entries, target)


@dataclass
class Scratch:
    """The folder for what is unpacked, and who reads archives; every call of `new` names another place in it."""

    folder: Path
    archives: Archives = field(default_factory=Archives)
    numbers: Iterator[int] = field(default_factory=count)

    def new(self) -> Path:
        """Return the path of a folder that does not exist yet."""
        return self.folder / str(next(self.numbers))

    def unpacked(self, archive: Path, only: Collection[str] | None = None) -> Path:
        """Unpack an archive, or only some files of it, and return the folder. Raises Refused."""
        target = self.new()
        self.archives.unpack(archive, target, only)
        return target


@dataclass
class Sources:
    """Every source in a submissions folder or in one archive. `remarks` says what was ignored."""

    labs: LabNames
    scratch: Scratch
    matcher: Matcher
    remarks: list[str] = field(default_factory=list)

    def of(self, place: Path) -> Iterator[Source]:
        """Yield the sources in a folder, or in the archive of a whole class."""
        if place.is_dir():
            yield from self._in_folder(place)
        else:
            yield from self._in_download(place, self.scratch.archives.names(place), "")

    def _in_folder(self, folder: Path, lab: str = "", unpacked_from: str = "") -> Iterator[Source]:
        entries = [entry for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)]
        loose: dict[tuple[str, str], list[os.DirEntry[str]]] = defaultdict(list)
        for entry in entries:
            if entry.name.startswith(HIDDEN) or entry.name.endswith(f".{TIMESTAMP_FILE}"):
                continue
            download = download_name(entry.name)
            if entry.is_dir(follow_symlinks=False) or entry.is_symlink():
                lab_inside = "" if lab or unpacked_from else is_lab_folder(entry.name, self.labs.all)
                if lab_inside and not entry.is_symlink():
                    yield from self._in_folder(Path(entry.path), lab_inside)
                else:
                    yield self._source([entry], FOLDER, lab, unpacked_from)
            elif download:
                loose[download.owner, download.number].append(entry)
            elif entry.name.lower().endswith(ZIP):
                names = [] if unpacked_from else self._members_of_class(entry, lab)
                if names:
                    yield from self._in_download(Path(entry.path), names, lab)
                else:
                    yield self._source([entry], ARCHIVE, lab, unpacked_from)
            elif source := self._loose_notebook(entry, lab, unpacked_from):
                yield source
            else:
                name = printable(entry.name)
                self.remarks.append(f"{name}: a file where students' folders are expected; ignored")
        for files in loose.values():
            yield self._source(files, FILES, lab, unpacked_from)

    def _source(self, entries: list[os.DirEntry[str]], kind: str, lab: str, unpacked_from: str = "") -> Source:
        name = entries[0].name
        owner, download = owner_of(name[: -len(ZIP)] if name.lower().endswith(ZIP) and kind != FILES else name)
        return Source(entries, kind, owner, download, lab, bool(unpacked_from), printable(name))

    def _loose_notebook(self, entry: os.DirEntry[str], lab: str, unpacked_from: str) -> Source | None:
        """Return the source of a notebook outside any folder that is named after its student; None for other files."""
        named = lab or lab_named(entry.name, self.labs.all)
        owner = _without_lab(stem_of(entry.name), named or "")
        if not (is_notebook_name(entry.name) and named and owner):
            return None
        return replace(self._source([entry], FILES, named, unpacked_from), owner=owner)

    def _members_of_class(self, entry: os.DirEntry[str], lab: str) -> list[str]:
        """Return the files in an archive of a whole class; none if the archive is one student's.

        A student could name files in an archive like a download of other students. So an archive counts as a class's
        only under a name that an LMS gives it, or, if the roster says that its name is nobody's, in a lab's folder.
        """
        owner, download = owner_of(entry.name[: -len(ZIP)])
        if download or entry.is_symlink() or self.matcher.knows(owner):
            return []
        is_likely = self.matcher.roster is not None and (lab or MOODLE_ARCHIVE.fullmatch(owner))
        if not (is_likely or CANVAS_ARCHIVE.fullmatch(owner)):
            return []
        names = self.scratch.archives.names(Path(entry.path))
        return names if any(_part_of_download(name) for name in names) else []

    def _in_download(self, archive: Path, names: list[str], lab: str) -> Iterator[Source]:
        """Yield the sources in the archive of a class, each unpacked by itself: a damaged one concerns one student."""
        is_download = any(_part_of_download(name) for name in names)
        groups: dict[str, list[str]] = defaultdict(list)
        for name in names:
            parts = name.replace("\\", "/").split("/")
            part = _part_of_download(name) if is_download else parts[0]
            if part and not part.startswith(HIDDEN):
                groups[_student_of(part)].append(name)
            elif not any(one.startswith(HIDDEN) for one in parts):
                self.remarks.append(f"{printable(archive.name)}/{printable(name)}: belongs to no student; ignored")
        for student, members in sorted(groups.items()):
            try:
                target = self.scratch.unpacked(archive, set(members))
            except (Refused, OSError) as problem:
                part = _part_of_download(members[0]) or members[0].split("/")[0]
                refusal = problem if isinstance(problem, Refused) else Refused(f"it cannot be read: {problem.strerror}")
                owner, download = owner_of(part)
                yield Source([], FILES, owner, download, lab, True, printable(part), refusal)
            else:
                yield from self._in_folder(_holding(target, student), lab, unpacked_from=archive.name)


def _part_of_download(name: str) -> str:
    """Return the part of a path, the first or second, to which an LMS has given its name; "" if there is none."""
    parts = name.replace("\\", "/").split("/")
    return next((part for part in parts[:2] if download_name(part)), "")


def _student_of(part: str) -> str:
    """Return what everything of one student has in common: Canvas has a file for each attachment."""
    download = download_name(part)
    return f"{download.owner}_{download.number}" if download else part


def _holding(target: Path, student: str) -> Path:
    """Return the folder in `target` that holds a student's folder or files, which is `target` or the only one in it."""
    entries = list(os.scandir(target))
    if any(_student_of(entry.name) == student for entry in entries):
        return target
    return next(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def _gather(entries: list[os.DirEntry[str]], target: Path) -> dict[str, str]:
    """Copy a student's loose files into a new folder, under the student's own names; return the names from before.

    Canvas numbers attachments in the order of uploading, and its archive holds no other time: the order becomes the
    order of the files' times.
    """
    target.mkdir(parents=True)
    named = [(entry, download_name(entry.name)) for entry in entries]
    named.sort(key=lambda pair: pair[1].attachment if pair[1] else 0)
    first, names = min(entry.stat(follow_symlinks=False).st_mtime for entry in entries), {}
    for place, (entry, download) in enumerate(named):
        if entry.stat(follow_symlinks=False).st_size > MAX_UNPACKED_BYTES:
            raise Refused(f"{printable(entry.name)} is too large", "denied")
        own = (download.rest if download else "") or entry.name
        if own in names or own in (".", ".."):
            own = f"{place}_{own}"
        names[own] = printable(entry.name)
        shutil.copyfile(entry.path, target / own, follow_symlinks=False)
        time = first + SECONDS_BETWEEN_ATTACHMENTS * place
        os.utime(target / own, (time, time))
    return names


def _without_lab(stem: str, lab: str) -> str:
    """Return what is left of a loose notebook's name without the lab's, which should be the student's."""
    lowered = stem.lower()
    place = lowered.find(lab.lower()) if lab else -1
    if place < 0:
        return stem.strip(" _-")
    return (stem[:place].rstrip(" _-") + " " + stem[place + len(lab) :].lstrip(" _-")).strip(" _-")
