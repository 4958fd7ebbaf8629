"""What counts for a submission besides its judged cases, and the verdict on an exercise, for every report.

This module leaves nbgrader out, so that the processes that judge need not import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from helpers.grader.judging.judgement import Row
from helpers.grader.reports.points import counting


def exercise_verdict(rows: list[Row]) -> str:
    """Return one verdict for an exercise: `correct` if every case is, else that of the first case that is not.

    Validation cases come last: their verdict counts only if every value is right. Cases that were dropped do not count.
    """
    rows = counting(rows)
    computed = [row.verdict for row in rows if not row.case.startswith("validation")]
    checked = [row.verdict for row in rows if row.case.startswith("validation")]
    return next((verdict for verdict in computed + checked if verdict != "correct"), "correct")


@dataclass
class ManualMarks:
    """What a person and the late penalty add to a submission's marks, from the gradebook."""

    scores: dict[str, float] = field(default_factory=dict)  # cell id → a person's mark
    extra: dict[str, float] = field(default_factory=dict)  # cell id → extra credit
    comments: dict[str, str] = field(default_factory=dict)  # cell id → a person's comment
    penalty: float = 0.0  # points taken off because the submission is late
    seconds_late: float = 0.0  # after the due date, with the student's extension
    to_mark: frozenset[str] = frozenset()  # ids of exercises' cells whose mark was given for earlier work


AllMarks = Mapping[tuple[str, str], ManualMarks]  # by student and lab
