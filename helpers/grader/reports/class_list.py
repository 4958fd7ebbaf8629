"""The class against what was handed in: who handed in nothing, who is excused, and what is nobody's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from helpers.grader.intake.matching import FILE_CSV, Unmatched
from helpers.grader.intake.roster import Person, Roster
from helpers.grader.reports.pages import render

MAX_NAMED = 10  # students in a remark


@dataclass(frozen=True)
class Attendance:
    """For one lab: who handed in nothing, and who is excused from it, whether or not they handed something in."""

    lab: str
    missing: Sequence[Person]
    excused: Sequence[Person]

    @property
    def remark(self) -> str:
        """One line for the terminal; "" if there is nothing to say."""
        parts = []
        if self.missing:
            more = f" and {len(self.missing) - MAX_NAMED} more" if len(self.missing) > MAX_NAMED else ""
            names = ", ".join(person.name or person.student for person in self.missing[:MAX_NAMED])
            parts.append(f"{_students(len(self.missing))} handed in nothing ({names}{more})")
        if self.excused:
            parts.append(f"{_students(len(self.excused))} {'is' if len(self.excused) == 1 else 'are'} excused")
        return f"{self.lab}: {'; '.join(parts)}" if parts else ""


def attendance(
    roster: Roster | None, labs: Iterable[str], handed_in: Collection[tuple[str, str]]
) -> dict[str, Attendance]:
    """Return who is missing and who is excused, by lab; nothing without a roster.

    Args:
        roster: the class.
        labs: the labs that have been graded.
        handed_in: (student, lab) of everything that was handed in, refused or not.
    """
    if roster is None:
        return {}
    return {
        lab: Attendance(
            lab,
            [person for person in roster if (person.student, lab) not in handed_in and not person.is_excused(lab)],
            [person for person in roster if person.is_excused(lab)],
        )
        for lab in labs
    }


def unmatched_page(unmatched: Sequence[Unmatched]) -> str:
    """Return the HTML page on what no student of the roster could be found for."""
    return render("unmatched.html", unmatched=unmatched, file=FILE_CSV)


def _students(count: int) -> str:
    return f"{count} student{'' if count == 1 else 's'}"
