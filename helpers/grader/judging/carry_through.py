"""Marks carry through: what is wrong only because an earlier exercise is wrong gets its own points.

An answer may call an earlier exercise of the same notebook. If that one holds a known mistake, the reference is run
with the mistake in its place, here in the judge's process. Where the student's value agrees with what comes of that,
the answer itself is right. Neither the reference nor a right value enters the student's process for this, and that
process decides nothing but its own value. Validation does not carry through: every exercise owes its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from helpers.checks.compare import differs
from helpers.grader.course.lab import Exercise, Lab
from helpers.grader.judging.judgement import Row
from helpers.grader.judging.settle import CaseOutcome


def named_mistakes(lab: Lab, rows: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """Return the known mistake of each exercise that holds one, among those that have been judged so far."""
    if not lab.carries_through:
        return {}
    known = {name: {item.name for item in lab.exercises[name].misconceptions} for name in rows if name in lab.exercises}
    counts = {
        name: Counter(row.misconception for row in rows[name] if row.misconception in mistakes)
        for name, mistakes in known.items()
    }
    return {name: count.most_common(1)[0][0] for name, count in counts.items() if count}


def carried_through(
    lab: Lab, exercise: Exercise, outcomes: Mapping[str, CaseOutcome], mistakes: Mapping[str, str]
) -> dict[str, CaseOutcome]:
    """Return the outcomes, with those right that are wrong only because of the mistakes in earlier exercises.

    Args:
        lab: the lab.
        exercise: the exercise that was judged.
        outcomes: what came of its cases, by name.
        mistakes: the known mistakes of other exercises of the notebook, by exercise.
    """
    settled = dict(outcomes)
    for case in exercise.cases:
        outcome = outcomes[case.name]
        if case.is_validation or outcome.verdict != "wrong" or outcome.values is None:
            continue
        right, given = lab.with_mistakes(case, mistakes), lab.key(exercise.name)[case.name].expected
        if right is not None and not differs(right, outcome.values, case.absolute, case.relative):
            called = [
                name
                for name, mistake in mistakes.items()
                if (alone := lab.with_mistakes(case, {name: mistake})) is None
                or differs(given, alone, case.absolute, case.relative)
            ]
            if called:
                calls = ", ".join(called)
                note = f"right but for {calls}, which it calls and which {'is' if len(called) == 1 else 'are'} wrong"
                settled[case.name] = replace(outcome, verdict="correct", seen="", note=note, calls=calls)
    return settled
