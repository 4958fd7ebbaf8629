"""Name the known mistake behind wrong values: the one that explains most of what an answer gave.

The visible check and the judge both use this, so student and grader are told the same cause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping


def diagnose(fitting: Mapping[str, Collection[str]], correct: Collection[str]) -> dict[str, str]:
    """Return the mistake behind each wrong value, by case; cases that it does not explain are left out.

    A mistake is named only if it explains more than half of the cases that failed: one match of fourteen is chance.
    A single True instead of False fits many mistakes; what the answer gave on the other cases tells them apart.

    Args:
        fitting: for each case that compares values, the mistakes that fit what was seen there: where the answer is
            wrong, those that give the same value, and none after an error; where it is right, those that would have
            failed. The latter count against a mistake.
        correct: the cases that the answer passes.
    """
    failed = [case for case in fitting if case not in correct]
    explained = Counter(mistake for case in failed for mistake in fitting[case])
    contradicted = Counter(mistake for case in correct for mistake in fitting.get(case, ()))
    score = {mistake: count - contradicted[mistake] for mistake, count in explained.items() if 2 * count > len(failed)}
    named = {case: [mistake for mistake in fitting[case] if mistake in score] for case in failed}
    return {case: max(mistakes, key=score.__getitem__) for case, mistakes in named.items() if mistakes}
