"""What to teach again: the mistakes that most of a class made, over all labs, each with an example.

A mistake is a known misconception, a relation between wrong and right values, or a way to fail an exercise that neither
explains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from helpers.grader.course.lab import Lab
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.reports.points import counting
from helpers.grader.reports.worked_example import WorkedExample, worked_example

SHOWN = 5
UNEXPLAINED = {
    "wrong": "Wrong values that no known mistake explains",
    "error": "The answer ends in an error",
    "validation": "Bad input is not rejected, though the values are right",
}

Graded = tuple[str, Judgement]  # student, judgement


@dataclass(frozen=True)
class TeachAgain:
    """One mistake that many students made.

    Attributes:
        lab: the lab's name.
        exercise: the exercise's name.
        heading: the exercise's heading.
        share: of the submissions to the lab that were judged.
        count: how many students made it.
        text: what it is.
        read: the section of the lab to read again; empty if none is named.
        students: who made it, first one who shows it in this exercise.
        example: a call with numbers.
    """

    lab: str
    exercise: str
    heading: str
    share: float
    count: int
    text: str
    read: str
    students: tuple[str, ...]
    example: WorkedExample | None


def teach_again(labs: Mapping[str, Lab], judged: Mapping[str, Sequence[Graded]]) -> list[TeachAgain]:
    """Return the mistakes to teach again, the most frequent first.

    Args:
        labs: the labs by name.
        judged: for each lab, the submissions that were run.
    """
    found = []
    for name, graded in judged.items():
        seen: dict[tuple[str, str], dict[str, list[Row]]] = {}  # (exercise, mistake) → the rows of each student
        for student, judgement in graded:
            for exercise in labs[name].exercises:
                for mistake, rows in _mistakes(judgement.of(exercise)).items():
                    seen.setdefault((exercise, mistake), {})[student] = rows
        for (exercise, mistake), by_student in _validation_together(seen).items():
            found.append((-len(by_student) / len(graded), name, exercise, mistake, by_student))
    found.sort(key=lambda item: item[:4])
    return [
        _described(labs[lab], lab, exercise, -share, mistake, by_student)
        for share, lab, exercise, mistake, by_student in found[:SHOWN]
    ]


def _validation_together(
    seen: dict[tuple[str, str], dict[str, list[Row]]],
) -> dict[tuple[str, str], dict[str, list[Row]]]:
    """Return mistakes with missing validation as one of the whole lab, under the exercise that most students have."""
    keys = [key for key in seen if key[1] == "validation"]
    if len(keys) < 2:
        return seen
    most = max(keys, key=lambda key: len(seen[key]))
    together = {student: rows for key in [*keys, most] for student, rows in seen[key].items()}
    return {key: by_student for key, by_student in seen.items() if key not in keys} | {most: together}


def _mistakes(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of an exercise by the mistake that they show: a misconception's name, or a key of UNEXPLAINED."""
    failed = [row for row in counting(rows) if row.verdict != "correct"]
    values = [row for row in failed if not row.case.startswith("validation")]
    found: dict[str, list[Row]] = {}
    for row in values:
        if row.misconception:
            found.setdefault(row.misconception, []).append(row)
    if values and not found and values[0].verdict in UNEXPLAINED:
        found[values[0].verdict] = [row for row in values if row.verdict == values[0].verdict]
    if failed and not values and failed[0].verdict == "wrong":
        found["validation"] = failed
    return found


def _described(
    lab: Lab, lab_name: str, exercise: str, share: float, mistake: str, by_student: Mapping[str, Sequence[Row]]
) -> TeachAgain:
    students, entry = sorted(by_student), lab.exercises[exercise]
    rows = [row for student in students for row in by_student[student]]
    known = entry.causes.get(mistake)
    if known is None:
        seen = Counter(row.about for row in rows if row.about).most_common(1)
        text = f"{UNEXPLAINED.get(mistake, mistake)}{f', for example with {seen[0][0]}' if seen else ''}."
    else:
        text = known.diagnosis
    first = next(student for student in students if any(row.exercise == exercise for row in by_student[student]))
    return TeachAgain(
        lab_name,
        exercise,
        entry.heading,
        share,
        len(students),
        text,
        known.read if known else entry.heading,
        (first, *(student for student in students if student != first)),
        worked_example(lab, entry, [row for row in by_student[first] if row.exercise == exercise]),
    )
