"""Name the known mistake behind wrong values: the one that explains most of what an answer gave.

The visible check and the judge both use this, so student and grader are told the same cause.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


def diagnose(fitting: Mapping[str, Collection[str]], correct: Collection[str]) -> dict[str, str]:
    """Return the mistake that best explains each wrong value, by case; cases that nothing explains are left out.

    A single True instead of False fits many mistakes; what the answer gave on the other cases tells them apart.

    Args:
        fitting: for each case, the mistakes that fit what was seen there: where the answer is wrong, those that give
            the same value; where it is right, those that would have failed. The latter count against a mistake.
        correct: the cases that the answer passes.
    """
    score: dict[str, int] = {}
    for case, mistakes in fitting.items():
        for mistake in mistakes:
            score[mistake] = score.get(mistake, 0) + (-1 if case in correct else 1)
    return {
        case: max(mistakes, key=score.__getitem__)
        for case, mistakes in fitting.items()
        if mistakes and case not in correct
    }
