"""Whose marks a regrade changes, from what to what, and why; `changes.csv` in the output folder keeps the record."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from helpers.grader.course.lab import Lab
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.reports.gradebook import escape_csv_formula
from helpers.grader.reports.marked_work import MarkedCell
from helpers.grader.reports.pages import format_points
from helpers.grader.reports.points import ROUNDING, earned_points

FILE = "changes.csv"
COLUMNS = ("when", "student", "lab", "exercise", "before", "after", "max_points", "why")
NEW_HAND_IN, JUDGED_ANEW = "new hand-in", "judged anew"
NOT_MARKED = "not marked yet"


@dataclass(frozen=True)
class Change:
    """A mark that changes.

    Attributes:
        student: the student's id.
        lab: the lab's name.
        exercise: the exercise, or the id of a written answer.
        before: the points so far.
        after: the points from now on; None if a person has to mark again.
        max_points: what the exercise is worth now.
        why: the reason, in words.
    """

    student: str
    lab: str
    exercise: str
    before: float
    after: float | None
    max_points: float
    why: str

    def __str__(self) -> str:
        after = NOT_MARKED if self.after is None else format_points(self.after)
        return (
            f"{self.exercise} {format_points(self.before)} → {after} of {format_points(self.max_points)} ({self.why})"
        )


def changes(
    lab: Lab, student: str, before: Judgement, now: Judgement, lifted: Iterable[MarkedCell], marked: Iterable[str]
) -> list[Change]:
    """Return the marks of a submission that a new judgement changes.

    Args:
        lab: the lab, as it is now.
        student: the student's id.
        before: the last judgement.
        now: the new one.
        lifted: a person's marks that do not count for the new work.
        marked: the exercises and answers for which a person's mark counts, whatever the judge says.
    """
    by_name, kept = {cell.name: cell for cell in lifted}, set(marked)
    found = []
    for name, exercise in lab.exercises.items():
        earlier, later = earned_points(exercise, before.of(name)), earned_points(exercise, now.of(name))
        mark = by_name[name].mark.score if name in by_name else None
        if mark is not None:
            why = f"{_why(name, before, now)}; a person's mark was for earlier work"
            found.append(Change(student, lab.name, name, mark, later, exercise.points, why))
        elif name not in kept and abs(earlier - later) > ROUNDING * (len(now.of(name)) + 1):
            found.append(Change(student, lab.name, name, earlier, later, exercise.points, _why(name, before, now)))
    for name, cell in by_name.items():
        if name not in lab.exercises:
            why = f"{NEW_HAND_IN}; the mark was for earlier work"
            found.append(Change(student, lab.name, name, cell.mark.score or 0.0, None, cell.max_points or 0.0, why))
    return found


def _why(name: str, before: Judgement, now: Judgement) -> str:
    """Return why an exercise gets other points."""
    if _written(before) != _written(now):
        return NEW_HAND_IN
    earlier, later = _by_case(before.of(name)), _by_case(now.of(name))
    added, removed = later.keys() - earlier.keys(), earlier.keys() - later.keys()
    weights = sorted(
        case for case in earlier.keys() & later.keys() if not math.isclose(_worth(earlier[case]), _worth(later[case]))
    )
    verdicts = sorted(case for case in earlier.keys() & later.keys() if earlier[case].verdict != later[case].verdict)
    reasons = []
    if added:
        reasons.append(f"new case: {', '.join(sorted(added))}")
    if removed:
        reasons.append(f"case removed: {', '.join(sorted(removed))}")
    if not added and not removed and weights:
        dropped = [case for case in weights if not _worth(later[case])]
        reasons.append(f"dropped: {', '.join(dropped)}" if dropped else f"new weight: {', '.join(weights)}")
    if verdicts:
        turned = (f"{case} was {earlier[case].verdict} and is {later[case].verdict}" for case in verdicts[:3])
        reasons.append(f"{JUDGED_ANEW}: {', '.join(turned)}")
    return "; ".join(reasons) or JUDGED_ANEW


def _written(judgement: Judgement) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Return what tells one hand-in from another: code, answers, and why it could not be judged."""
    return judgement.code, judgement.answers, [row.note for row in judgement.rows if not row.exercise]


def _by_case(rows: Sequence[Row]) -> dict[str, Row]:
    return {row.case: row for row in rows}


def _worth(row: Row) -> float:
    return row.max_points or 0.0


def lines(found: Sequence[Change]) -> list[str]:
    """Return one line for each submission whose marks change."""
    by_submission: dict[tuple[str, str], list[Change]] = {}
    for change in found:
        by_submission.setdefault((change.student, change.lab), []).append(change)
    return [
        f"changed: {student}, {lab}: {'; '.join(str(change) for change in own)}"
        for (student, lab), own in by_submission.items()
    ]


def summary(found: Sequence[Change]) -> str:
    """Return in one line how many marks change, by reason; "" if none does."""
    if not found:
        return ""
    reasons = Counter(change.why.split(":")[0].split(";")[0] for change in found)
    listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    students = len({change.student for change in found})
    return (
        f"{len(found)} mark{'s' if len(found) > 1 else ''} of {students} student{'s' if students > 1 else ''} "
        f"changed ({listed})"
    )


def keep(output: Path, found: Sequence[Change]) -> None:
    """Add changes to the record in the output folder."""
    if not found:
        return
    path = Path(output) / FILE
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    if not path.exists():
        writer.writerow(COLUMNS)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    for change in found:
        texts = [escape_csv_formula(text) for text in (change.student, change.lab, change.exercise)]
        after = NOT_MARKED if change.after is None else f"{change.after:.10g}"
        numbers = [f"{change.before:.10g}", after, f"{change.max_points:.10g}"]
        writer.writerow([when, *texts, *numbers, escape_csv_formula(change.why)])
    with path.open("a", encoding="utf-8") as file:
        file.write(sink.getvalue())
