"""Who handed in what: the name on a folder, an archive or a download, matched to one student of the roster.

A match is either certain or none. An id has to be the same, a name has to be one student's only. Everything else is
listed with a suggestion, and the instructor decides: in `unmatched.csv`, whose last column a later run reads.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.grader.intake.names import DownloadName, download_name, letters, same_id
from helpers.grader.intake.roster import Person, Roster

COLUMNS = ("handed_in", "reason", "suggestion", "suggested_name", "student")
SIMILAR = 0.6  # difflib's ratio from which a student is suggested
MAX_SUGGESTIONS = 3


@dataclass(frozen=True)
class Unmatched:
    """Something that was handed in by nobody on the roster, as far as its name tells.

    Attributes:
        handed_in: its name in the submissions folder.
        reason: why it has no student.
        suggestions: students who may be meant, the most likely first.
    """

    handed_in: str
    reason: str
    suggestions: tuple[Person, ...] = ()


@dataclass
class Matcher:
    """Finds the student whom a name means. Without a roster, ids are taken as they stand.

    Attributes:
        roster: the class, or None.
        answers: what an instructor has decided: from `handed_in` to the student's id.
        unmatched: what nobody on the roster could be found for, so far.
    """

    roster: Roster | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    unmatched: list[Unmatched] = field(default_factory=list)

    def student(self, handed_in: str, owner: str, download: DownloadName | None = None) -> str | None:
        """Return the student's id; None if there is none, which is then listed in `unmatched`.

        Args:
            handed_in: the name of the entry in the submissions folder.
            owner: the part of it that names the student.
            download: what the entry's name says if an LMS gave it.
        """
        if self.roster is None:
            return download.number if download else owner
        answer = self.answers.get(handed_in, "")
        if answer:
            people = self._by(lambda person: same_id(answer) in person.ids)
            reason = f"no student has the id {answer}, which {FILE_CSV} names"
        else:
            people = self._downloaded(download) if download else self._named(owner)
            reason = f"{len(people)} students match this name" if people else "no student on the roster matches"
        if len(people) == 1:
            return people[0].student
        who = download.owner if download else owner
        item = Unmatched(handed_in, reason, tuple(people) or self._similar(who))
        if item not in self.unmatched:  # the same folder's name, for another lab
            self.unmatched.append(item)
        return None

    def knows(self, owner: str) -> bool:
        """Return whether a name means one student of the roster."""
        return self.roster is not None and len(self._named(owner)) == 1

    def _downloaded(self, download: DownloadName) -> list[Person]:
        """Return the students whom a download can belong to, by the LMS's own number if the roster has it."""
        roster = self.roster or Roster()
        if download.lms == "canvas" and roster.from_canvas:  # another number is somebody else, even of the same name
            return self._by(lambda person: person.number == download.number)
        if download.lms == "moodle":
            if people := self._by(lambda person: person.participant == download.number):
                people = [person for person in people if _has_name(person, download.owner)]
                if people:
                    return people
        people = self._by_name(download.owner)
        return [person for person in people if download.number in (person.number, person.participant)] or people

    def _named(self, owner: str) -> list[Person]:
        """Return the students whose id or name this is."""
        return self._by(lambda person: same_id(owner) in person.ids) or self._by_name(owner)

    def _by_name(self, owner: str) -> list[Person]:
        # Moodle puts a group before the name: `Group A-Ann Lee`.
        parts = [owner] + [owner[place + 1 :] for place, one in enumerate(owner) if one == "-"]
        for part in parts:
            for accents in (True, False):
                people = [person for person in self.roster or () if _has_name(person, part, accents)]
                if people:
                    return people
        return []

    def _by(self, fits: Callable[[Person], bool]) -> list[Person]:
        return [person for person in self.roster or () if fits(person)]

    def _similar(self, owner: str) -> tuple[Person, ...]:
        """Return the students whose name, e-mail address or id resembles this one, the most similar first."""
        wanted = letters(owner.split("@")[0], accents=False)
        scores: dict[Person, float] = {}
        for person in self.roster or ():
            spellings = _spellings(person, accents=False) | {letters(one.split("@")[0], False) for one in person.ids}
            spellings |= {letters(part, False) for part in (person.first_name, person.last_name) if len(part) > 2}
            score = max(difflib.SequenceMatcher(None, wanted, one).ratio() for one in spellings)
            if score >= SIMILAR:
                scores[person] = score
        return tuple(sorted(scores, key=lambda person: -scores[person])[:MAX_SUGGESTIONS])


FILE_CSV, FILE_HTML = "unmatched.csv", "unmatched.html"


def _has_name(person: Person, text: str, accents: bool = False) -> bool:
    return letters(text, accents) in _spellings(person, accents)


def _spellings(person: Person, accents: bool) -> set[str]:
    """Return a student's name in the orders in which an LMS writes it, letters only."""
    first, last = person.first_name, person.last_name
    words = person.name.replace(",", " ").split() or [""]
    names = [person.name, last + first, first + last, words[-1] + "".join(words[:-1])]
    return {letters(name, accents) for name in names} - {""}


def unmatched_csv(unmatched: Iterable[Unmatched], answers: Mapping[str, str]) -> str:
    """Return the table that the instructor completes: what was handed in by whom. Answered lines are kept."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(COLUMNS)
    open_questions = {item.handed_in: item for item in unmatched}
    for handed_in in sorted(open_questions.keys() | answers.keys()):
        item = open_questions.get(handed_in, Unmatched(handed_in, ""))
        best = item.suggestions[0] if len(item.suggestions) == 1 else None
        names = "; ".join(f"{person.name} ({person.student})" for person in item.suggestions)
        row = [handed_in, item.reason, best.student if best else "", names, answers.get(handed_in, "")]
        writer.writerow([_plain(cell) for cell in row])
    return sink.getvalue()


def read_answers(output: Path) -> dict[str, str]:
    """Return what an instructor wrote into the last column of `unmatched.csv`: from what was handed in to the id."""
    path = Path(output) / FILE_CSV
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8-sig", newline="", errors="replace") as file:
        text = file.read()
    separator = max(",;\t", key=text.partition("\n")[0].count)
    rows = csv.DictReader(io.StringIO(text), delimiter=separator)
    answers = {row.get("handed_in") or "": (row.get("student") or "").strip() for row in rows}
    return {_original(handed_in): student for handed_in, student in answers.items() if handed_in and student}


def _plain(text: str) -> str:
    """Return text that no spreadsheet interprets as a formula; `_original` takes it back."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "'") else text


def _original(text: str) -> str:
    return text[1:] if text.startswith("'") else text


def owner_of(name: str) -> tuple[str, DownloadName | None]:
    """Return the part of a folder's or archive's name that names the student, and what an LMS's name says."""
    download = download_name(name)
    return (download.owner if download else name), download
