"""Find the relation behind wrong values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from helpers.checks.compare import as_tensor, mismatch
from helpers.checks.optional_torch import HAS_TORCH, torch
from helpers.checks.relations.facts import FACTS
from helpers.checks.relations.inputs import InputChange, changes_of
from helpers.checks.relations.kinds import A_FACT, A_PROPERTY, CONSTANT, TOGETHER, relations_of, terms_of
from helpers.checks.relations.properties import lacking, off_in_calls
from helpers.checks.relations.relation import CLEAR, Observed, Relation
from helpers.checks.relations.shapes import odd_whole
from helpers.checks.relations.together import common_step, common_term, holds_object, lacks_truth


def related(observed: Mapping[str, Observed], correct: Collection[str], names: Sequence[str]) -> dict[str, Relation]:
    """Return the relation behind each wrong value, by case; cases that none explains are left out.

    Args:
        observed: the cases that compare values.
        correct: the cases that the answer passes.
        names: the names of the answer's arguments.
    """
    if not HAS_TORCH:
        return {}
    failed = {case: item for case, item in observed.items() if case not in correct}
    facts = {case: fact for case, item in failed.items() if item.seen is not None and (fact := _fact(item))}
    wrong = {case: item for case, item in failed.items() if case not in facts and item.seen is not None}
    right = [item for case, item in observed.items() if case in correct]
    labels = {item.label for item in wrong.values()}
    alike = [item for item in right if item.label in labels]  # only these would show what makes a value wrong
    rest = len(failed) - len(facts)
    held: dict[Relation, list[str]] = {}
    for relation in relations_of(tuple(names)) if len(wrong) > 1 else ():
        cases = [case for case, item in wrong.items() if relation.holds(item)]
        if len(cases) > 1 and 2 * len(cases) > rest and sum(map(relation.would_show, alike)) < len(cases):
            held[relation] = cases
    most = max(map(len, held.values()), default=0)
    best = [relation for relation, cases in held.items() if len(cases) == most]
    chosen = _told_apart(best)
    if chosen is not None:
        return facts | dict.fromkeys(held[chosen], chosen)
    if best or rest < 2 or 2 * len(wrong) <= rest:
        return facts
    if len(wrong) == rest and _is_constant(wrong, right):
        return facts | dict.fromkeys(wrong, CONSTANT)
    if step := common_step(list(wrong.values()), right):
        return facts | dict.fromkeys(wrong, TOGETHER[step])
    if factors := common_term(list(wrong.values()), names):
        return facts | dict.fromkeys(wrong, terms_of(tuple(names))[f"a term with {' and '.join(factors)}"])
    return facts


def lacking_properties(observed: Mapping[str, Observed], correct: Collection[str]) -> dict[str, Relation]:
    """Return the property that right values have and most of the wrong ones lack, by case of the latter."""
    wrong = {case: item for case, item in observed.items() if case not in correct and item.seen is not None}
    right = [item for case, item in observed.items() if case in correct]
    name = off_in_calls(wrong.values()) or lacking(wrong.values(), right) or odd_whole(list(wrong.values()))
    return dict.fromkeys(wrong, A_PROPERTY[name]) if name else {}


def changed_inputs(
    fitting: Mapping[str, Collection[str]], correct: Collection[str], names: Sequence[str]
) -> dict[str, InputChange]:
    """Return the change of inputs behind each wrong value, by case; cases that none explains are left out.

    Args:
        fitting: the changes that fit what was seen on each case, by name, as `diagnose` takes mistakes.
        correct: the cases that the answer passes.
        names: the names of the answer's arguments.
    """
    failed = [case for case in fitting if case not in correct]
    explained = Counter(name for case in failed for name in fitting[case])
    against = Counter(name for case in correct for name in fitting.get(case, ()))
    score = {
        name: count - against[name]
        for name, count in explained.items()
        if count > 1 and 2 * count > len(failed) and count > against[name]
    }
    known = {change.name: change for change in changes_of(tuple(names))}
    best = [change for name, change in known.items() if name in score and score[name] == max(score.values())]
    if len({change.family for change in best}) != 1:
        return {}
    return {case: best[0] for case in failed if best[0].name in fitting[case]}


def _told_apart(best: Sequence[Relation]) -> Relation | None:
    """Return the relation to claim of those that explain the same: one of a single family, else a true constant."""
    if len({relation.family for relation in best}) == 1:
        return best[0]
    return next((relation for relation in best if relation.family == "constant"), None)


def _is_constant(wrong: Mapping[str, Observed], right: Sequence[Observed]) -> bool:
    """Return whether the answer gives one value on all inputs, where different ones are right."""
    items = [*wrong.values(), *right]
    labels = {item.label for item in wrong.values()}
    if len(labels) != 1:
        return False
    (label,) = labels
    seen = [item.expected.get(label) if item.seen is None else item.seen.get(label) for item in items]
    due = [item.expected.get(label) for item in items]
    return not any(mismatch(seen[0], one) for one in seen) and any(mismatch(due[0], one) for one in due)


def _fact(item: Observed) -> Relation | None:
    """Return what is observed beside the value, if that is what is wrong."""
    label = item.label
    if label in FACTS:
        return A_FACT[label]
    wrong, due = (item.seen or {}).get(label), item.expected.get(label)
    if holds_object(wrong):
        return A_FACT["object"]
    if lacks_truth(wrong, due):
        return A_FACT["no truth value"]
    if isinstance(wrong, str) and due is not None and not isinstance(due, str):
        return A_FACT["text"]
    given = as_tensor(wrong)
    if given is not None and as_tensor(due) is not None and not bool(torch.isfinite(given).all()):
        return A_FACT["not finite"]
    if not label.startswith("gradient of "):
        return None
    right, seen = as_tensor(item.expected[label]), as_tensor((item.seen or {}).get(label))
    if right is None or seen is None or right.shape != seen.shape:
        return None
    if not seen.any() and right.abs().max() > CLEAR * item.absolute:
        return A_FACT["no gradient"]
    return A_FACT["a gradient"] if not right.any() else None
