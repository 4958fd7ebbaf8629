"""Name the misconception behind wrong values: the one that agrees with most of what an answer gave."""

from __future__ import annotations

from typing import Any

from helpers.checks import compare
from helpers.grader.course.lab import AnswerKey, Exercise


def diagnose(
    exercise: Exercise, key: AnswerKey, verdicts: dict[str, str], values: dict[str, dict[str, Any] | None]
) -> dict[str, str]:
    """Return the misconception that explains each wrong value, by case: the one that agrees with most of what was seen.

    A misconception that would have failed a case which the answer passes counts for less.
    """
    score = {item.name: 0 for item in exercise.misconceptions}
    matched: dict[str, list[str]] = {}
    for case in exercise.cases:
        seen, (_, known) = values.get(case.name), key[case.name]
        if seen is None:
            continue
        right = verdicts[case.name] == "correct"
        matched[case.name] = [
            name
            for name, wrong in known.items()
            if right or not compare.differs(wrong, seen, case.absolute, case.relative)
        ]
        for name in matched[case.name]:
            score[name] += -1 if right else 1
    return {
        case: max(names, key=score.__getitem__)
        for case, names in matched.items()
        if names and verdicts[case] != "correct"
    }
