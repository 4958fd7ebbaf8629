"""The text table that `distillab grade` prints at the end: one line for each student and lab."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from helpers.grader.course.lab import Lab
from helpers.grader.judging.judgement import Judgement
from helpers.grader.reports.marks import exercise_verdict
from helpers.grader.reports.totals import Totals

MAX_NOTE = 70  # characters of a refusal's reason


def class_table(judgements: Iterable[tuple[str, Judgement]], labs: Iterable[Lab], totals: Totals) -> str:
    """Return the class as a text table with points, verdicts and misconceptions.

    Args:
        judgements: (student, judgement) pairs, in the order in which they are shown.
        labs: every lab that occurs in the judgements.
        totals: the points of every submission that was run.
    """
    by_name = {lab.name: lab for lab in labs}
    lines = [_line("student", "lab", "points", "verdicts")]
    for student, judgement in judgements:
        refusal = next((row for row in judgement.rows if not row.exercise), None)
        if refusal is None:
            points = str(totals[student, judgement.lab])
            lines += _graded_lines(student, judgement, by_name[judgement.lab], points)
        else:
            lines.append(_line(student, judgement.lab, "-", f"{refusal.verdict}: {refusal.note[:MAX_NOTE]}"))
    return "\n".join(lines)


def _line(student: str, lab: str, points: str, verdicts: str) -> str:
    return f"{student:<22}{lab:<16}{points:>27}  {verdicts}"


def _graded_lines(student: str, judgement: Judgement, lab: Lab, points: str) -> list[str]:
    """Return the line of a submission that was run, and one for each exercise with a known misconception."""
    verdicts = {name: exercise_verdict(judgement.of(name)) for name in lab.exercises}
    counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts.values()).items())
    lines = [_line(student, judgement.lab, points, counts)]
    for name, verdict in verdicts.items():
        misconceptions = dict.fromkeys(row.misconception for row in judgement.of(name) if row.misconception)
        if misconceptions:
            lines.append(_line("", "", "", f"{name}: {verdict}, {', '.join(misconceptions)}"))
    return lines
