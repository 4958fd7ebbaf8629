"""Collect a class's submissions: one for each student and lab, refused ones with the reason.

Everything in the folder is hostile until proven otherwise. Nothing is run, no link is followed, and archives are
unpacked under our own rules.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.grader.errors import GraderError, Refused
from helpers.grader.intake.archive import Archives
from helpers.grader.intake.matching import Matcher, Unmatched
from helpers.grader.intake.names import download_name, is_student_id, lab_named, same_id
from helpers.grader.intake.roster import Roster
from helpers.grader.intake.sources import ARCHIVE, ZIP, Scratch, Source, Sources
from helpers.grader.intake.student_folder import SAME_TIME, LabNames, StudentFolder, check_kind, inner_folder
from helpers.grader.intake.submission import Submission
from helpers.grader.intake.timestamp import TIMESTAMP_FILE
from helpers.grader.intake.unicode import printable
from helpers.grader.notes import Note, NoteCode


@dataclass
class Collected:
    """What was found: submissions, remarks on what was ignored, and what nobody on the roster could be found for."""

    submissions: list[Submission]
    remarks: list[str]
    unmatched: list[Unmatched] = field(default_factory=list)


def collect(
    place: Path,
    labs: list[str],
    scratch: Path,
    known: Iterable[str] = (),
    roster: Roster | None = None,
    answers: Mapping[str, str] | None = None,
    archives: Archives | None = None,
) -> Collected:
    """Return the submissions in a folder, or in the archive of a whole class.

    Args:
        place: a folder that holds `<student>/<lab>/<lab>.ipynb`, `<student>.zip`, or what Canvas or Moodle let one
            download, also in a folder for each lab; or the downloaded archive itself.
        labs: the labs to grade.
        scratch: archives are unpacked into folders under it.
        known: all labs of the course, including those that are not graded now.
        roster: the class. Without it, the names of folders and archives are the students' ids.
        answers: whose the submissions are that could not be matched earlier, by name.
        archives: who reads archives; None: this process.

    Raises:
        GraderError: the folder does not exist, or holds no submission.
    """
    place = Path(place)
    if not place.is_dir() and not (place.is_file() and place.suffix.lower() == ZIP):
        raise GraderError(
            f"There is no folder {place}. Use --submissions to name the one with the submissions, or a downloaded zip."
        )
    names, opened = LabNames(labs, set(known) - set(labs)), Scratch(Path(scratch), archives or Archives())
    desk = _Desk(place, names, opened, Matcher(roster, answers or {}))
    desk.collect()
    submissions = [submission for own in desk.collected.values() for submission in own]
    if not submissions and not desk.matcher.unmatched:
        raise GraderError(
            f"There are no submissions in {place}: expected <student>/<lab>/<lab>.ipynb, <student>.zip, or a download "
            f"from Canvas or Moodle, for the labs {', '.join(labs)}."
            + "".join(f"\n  {remark}" for remark in desk.remarks[:5])
        )
    return Collected(submissions, list(dict.fromkeys(desk.remarks)), desk.matcher.unmatched)


@dataclass
class _Desk:
    """One collection: where things are, and what has been found so far, by student."""

    place: Path
    labs: LabNames
    scratch: Scratch
    matcher: Matcher
    collected: dict[str, list[Submission]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)  # of an LMS's numbers that stand for ids: the name beside it

    def collect(self) -> None:
        """Go through all sources; whatever is wrong with one concerns that one only."""
        sources = Sources(self.labs, self.scratch, self.matcher)
        for source in sources.of(self.place):
            student = self.matcher.student(source.name, source.owner, source.download)
            if student is None:
                continue
            try:
                self._check_student(student, source)
                submissions = self._submissions(source, student)
            except (Refused, OSError) as problem:
                valid = is_student_id(student)
                name = student if valid else printable(student)[:128]
                submissions = [Submission.refused(name, self._lab_of(source), problem)]
            for submission in submissions:
                submission.handed_in = submission.handed_in or source.name
                self._add(self.collected.setdefault(student, []), submission, source)
        self.remarks = sources.remarks + self.remarks

    def _lab_of(self, source: Source) -> str:
        """Return the lab that a source names, for one that cannot be opened; "" if it names none that is graded."""
        named = source.lab or lab_named(source.download.rest if source.download else "", self.labs.all) or ""
        return named if named in self.labs.graded else ""

    def _check_student(self, student: str, source: Source) -> None:
        """Raise Refused unless the id is valid, and differs from others by more than upper and lower case."""
        if not is_student_id(student):
            raise Refused(
                "a student id has letters, digits and . _ - @ + ' , or spaces, first a letter or digit, at most 128: "
                "give the folder or archive the student's id or name (see “Collect” in docs/instructors.md)",
                "denied",
            )
        twin = next((one for one in self.collected if one != student and same_id(one) == same_id(student)), None)
        if twin:
            raise Refused(f"the student id differs from {twin} only in upper and lower case", "denied")
        if source.download and not self.matcher.roster:
            owner = self.owners.setdefault(student, source.download.owner)
            if owner != source.download.owner:
                raise Refused(f"there is another download of {student}, besides {source.name}", "denied")

    def _submissions(self, source: Source, student: str) -> list[Submission]:
        """Return the submissions that come from one source: from its folder, and from archives in it. Raises Refused.

        A refusal counts only if nothing else is there: one file of two may be an archive that is damaged.
        """
        path, names = source.open(self.scratch)
        folders = [] if _only_archives(path) else [(path, source.name)]
        refusals: list[tuple[str, Refused | OSError]] = []
        for entry in _archives(path):
            name = names.get(entry.name, f"{source.name}/{printable(entry.name)}")
            try:
                check_kind(entry)
                folders.append((self.scratch.unpacked(Path(entry.path)), name))
            except (Refused, OSError) as problem:
                refusals.append((name, problem))
        found: dict[str, Submission] = {}
        for folder, name in folders:
            try:
                submissions, remarks = self._student_folder(source, student, folder, folder != path).submissions()
            except (Refused, OSError) as problem:
                refusals.append((name, problem))
                continue
            self.remarks += remarks
            for submission in submissions:
                own = submission.path.name if submission.path and folder == path else ""
                submission.handed_in = names.get(own, name)
                submission.notes += _notes(source, student, submission.handed_in)
                _keep(found, submission)
        if refusals and not found:
            raise refusals[0][1]
        for name, refusal in refusals:
            note = Note.of(NoteCode.REFUSED_LEFT_ASIDE, name=name, refusal=str(refusal))
            next(iter(found.values())).notes.append(note)
        return list(found.values())

    def _student_folder(self, source: Source, student: str, path: Path, is_archive: bool) -> StudentFolder:
        labs = self.labs.only(source.lab) if source.lab else self.labs
        by_student = is_archive or source.written_by_student
        root = self.place if self.place.is_dir() else self.place.parent
        return StudentFolder(
            student,
            inner_folder(path, labs) if by_student else path,
            labs,
            lab=source.lab or (labs.graded[0] if source.download and len(self.labs.all) == 1 else ""),
            is_download=source.download is not None,
            written_by_student=by_student,
            timestamp=root / f"{student}.{TIMESTAMP_FILE}" if by_student else None,
        )

    def _add(self, earlier: list[Submission], submission: Submission, source: Source) -> None:
        """Add a submission to a student's earlier ones. A folder wins over an archive, else the latest counts."""
        twin = next((one for one in earlier if one.lab == submission.lab), None)
        if twin is None or not submission.lab:
            earlier.append(submission)
        elif source.kind == ARCHIVE and not source.is_unpacked and twin.handed_in == source.owner:
            if twin.refusal and not submission.refusal:
                submission.notes.append(Note.of(NoteCode.TAKEN_FROM_ARCHIVE, refusal=twin.refusal))
                earlier[earlier.index(twin)] = submission
            else:
                twin.notes.append(Note.of(NoteCode.ARCHIVE_LEFT_ASIDE))
        else:
            earlier[earlier.index(twin)] = _latest(twin, submission)


def _only_archives(path: Path) -> bool:
    names = [entry.name for entry in os.scandir(path) if not entry.name.startswith(".")]
    return bool(names) and all(name.lower().endswith(ZIP) for name in names)


def _archives(path: Path) -> list[os.DirEntry[str]]:
    entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    return [entry for entry in entries if entry.name.lower().endswith(ZIP) and not entry.is_dir(follow_symlinks=False)]


def _notes(source: Source, student: str, name: str) -> list[Note]:
    """Return notes on the download that a submission comes from."""
    download = source.download
    if download is None:
        return []
    late = download_name(name)
    notes = [Note.of(NoteCode.LATE_IN_CANVAS)] if late and late.is_late else []
    if download.number == student:  # for want of a roster
        code = NoteCode.MOODLE_PARTICIPANT if download.lms == "moodle" else NoteCode.CANVAS_USER
        notes.append(Note.of(code, student=student, name=name))
    return notes


def _keep(found: dict[str, Submission], submission: Submission) -> None:
    """Add a submission to those of one source; of two for one lab, the latest counts."""
    twin = found.get(submission.lab)
    found[submission.lab] = _latest(twin, submission) if twin else submission


def _latest(earlier: Submission, later: Submission) -> Submission:
    """Return the submission that was handed in last, with a note on the other; one that can be read comes first."""
    if earlier.refusal or later.refusal:
        used, other = (later, earlier) if earlier.refusal else (earlier, later)
        if other.refusal and not used.refusal:
            name = other.handed_in
            used.notes.append(Note.of(NoteCode.REFUSED_LEFT_ASIDE, name=name, refusal=other.refusal))
        return used
    used, other = (later, earlier) if later.time > earlier.time + SAME_TIME else (earlier, later)
    used.notes.append(Note.of(NoteCode.EARLIER_LEFT_ASIDE, names=other.handed_in))
    return used
