"""The class report's list of submissions: everyone with points, lateness and what is open, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from helpers.grader.course.lab import Lab
from helpers.grader.judging.judgement import Judgement
from helpers.grader.notes import NoteCode
from helpers.grader.reports.class_list import Attendance
from helpers.grader.reports.marked_work import MarkedCell
from helpers.grader.reports.marks import AllMarks, ManualMarks
from helpers.grader.reports.pages import format_points
from helpers.grader.reports.totals import Total, total


class State(StrEnum):
    """What a lecturer should know about a submission; the values are words that the texts contain."""

    NOT_JUDGED = "not judged"
    NOT_MARKED = "not marked yet"
    MARK_AGAIN = "to mark again"
    LATE = "late"
    OVERRIDDEN = "overridden"
    MISSING = "missing"
    EXCUSED = "excused"


@dataclass(frozen=True)
class SubmissionLine:
    """One line of the list.

    Attributes:
        student: the student's id.
        lab: the lab's name; empty if it is unknown.
        total: the points as they count now; None if nothing was judged.
        seconds_late: after the due date.
        states: what a lecturer should know about it, as kind and text.
        has_page: whether there is a page of feedback.
        has_code: whether that page shows code.
    """

    student: str
    lab: str
    total: Total | None
    seconds_late: float = 0.0
    states: tuple[tuple[State, str], ...] = ()
    has_page: bool = False
    has_code: bool = False


def submission_list(
    graded: Iterable[tuple[str, Judgement]],
    labs: Mapping[str, Lab],
    marks: AllMarks,
    to_mark_again: Iterable[MarkedCell],
    attendance: Mapping[str, Attendance],
) -> list[SubmissionLine]:
    """Return the lines of all submissions and of everyone who handed in nothing, by student and lab."""
    again: dict[tuple[str, str], list[str]] = {}
    for cell in to_mark_again:
        again.setdefault((cell.student, cell.lab), []).append(f"{cell.name} to mark again, old mark {cell.text}")
    lines = [
        _line(student, judgement, labs, marks.get((student, judgement.lab)) or ManualMarks(), again)
        for student, judgement in graded
    ]
    handed_in = {(line.student, line.lab): place for place, line in enumerate(lines)}
    for lab, entry in attendance.items():
        for person, state in [(p, State.MISSING) for p in entry.missing] + [(p, State.EXCUSED) for p in entry.excused]:
            text = ", ".join(filter(None, [str(state), person.section]))
            place = handed_in.get((person.student, lab))
            if place is None:
                lines.append(SubmissionLine(person.student, lab, None, states=((state, text),)))
            else:
                lines[place] = replace(lines[place], states=(*lines[place].states, (state, text)))
    return sorted(lines, key=lambda line: (line.student, line.lab))


def _line(
    student: str,
    judgement: Judgement,
    labs: Mapping[str, Lab],
    marks: ManualMarks,
    again: Mapping[tuple[str, str], list[str]],
) -> SubmissionLine:
    refusal = next((row for row in judgement.rows if not row.exercise), None)
    counted = total(labs[judgement.lab], judgement, marks) if judgement.lab else None
    states = [(State.NOT_JUDGED, f"not judged: {refusal.verdict}")] if refusal else []
    if marks.seconds_late:
        off = format_points(marks.penalty)
        cost = f", {off} point{'' if off == '1' else 's'} taken off" if marks.penalty else ""
        states.append((State.LATE, f"late{cost}"))
    elif any(note.code == NoteCode.LATE_IN_CANVAS for note in judgement.notes):
        states.append((State.LATE, "late, according to Canvas"))
    if counted is not None and counted.answers_to_mark and not refusal:
        count = counted.answers_to_mark
        states.append((State.NOT_MARKED, f"{count} answer{'s' if count > 1 else ''} not marked yet"))
    states += [(State.MARK_AGAIN, text) for text in again.get((student, judgement.lab), [])]
    overridden = sorted(cell.removeprefix("check_") for cell in marks.scores if cell.startswith("check_"))
    if overridden:
        states.append((State.OVERRIDDEN, f"overridden: {', '.join(overridden)}"))
    return SubmissionLine(
        student,
        judgement.lab,
        counted,
        marks.seconds_late,
        tuple(states),
        has_page=bool(judgement.lab),
        has_code=bool(judgement.code),
    )
