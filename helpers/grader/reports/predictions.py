"""Which predictions a class got wrong: what to take up again, in the order of how many were surprised.

The truth of a prediction is what most of the class saw (the median of numbers), so no single notebook decides it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from helpers.checks.guesses import KIND_CHOICE, KIND_NUMBER, is_close
from helpers.grader.judging.judgement import Judgement


@dataclass(frozen=True)
class RankedPrediction:
    """One prediction: how many guessed, how many of them were wrong, the truth, and the commonest wrong guess."""

    name: str
    question: str
    guessed: int
    wrong: int
    truth: str
    commonest: str  # among wrong guesses; empty for curves, and where nobody was wrong

    @property
    def share(self) -> float:
        return self.wrong / self.guessed


def ranked_predictions(judgements: Iterable[Judgement]) -> list[RankedPrediction]:
    """Return the predictions whose truth is known, those first that the largest share got wrong."""
    records: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for judgement in judgements:
        for name, record in judgement.guesses.items():
            records[name, record["kind"]].append(record)
    ranked = [found for (name, _), group in records.items() if (found := _rank(name, group)) is not None]
    return sorted(ranked, key=lambda item: (-item.share, -item.guessed, item.name))


def _rank(name: str, records: list[Mapping[str, Any]]) -> RankedPrediction | None:
    truths = [record["truth"] for record in records if record.get("truth") is not None]
    if not truths:
        return None
    kind = records[0]["kind"]
    truth = _typical(kind, truths)
    wrong = [record["guess"] for record in records if not is_close(record, truth)]
    commonest = ""
    if wrong and kind == KIND_CHOICE:
        commonest = Counter(wrong).most_common(1)[0][0]
    elif wrong and kind == KIND_NUMBER:
        commonest = f"{median(wrong):.3g} (median)"
    shown = truth if kind == KIND_CHOICE else f"{truth:.3g}" if kind == KIND_NUMBER else "a curve"
    question = Counter(record["question"] for record in records).most_common(1)[0][0]
    return RankedPrediction(name, question, len(records), len(wrong), shown, commonest)


def _typical(kind: str, truths: list[Any]) -> Any:
    if kind == KIND_CHOICE:
        return Counter(truths).most_common(1)[0][0]
    if kind == KIND_NUMBER:
        return median(truths)
    return [median(heights) for heights in zip(*truths, strict=True)]
