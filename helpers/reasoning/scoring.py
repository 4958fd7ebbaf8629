"""Score what a model wrote: how often its answer is right, how many tokens it takes, and whether a difference is real.

How to read the answer in a trace is not decided here: the function that does it is an argument.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerBase

from helpers.bootstrap import Estimate, estimate_ratio
from helpers.data.word_problems import Problem


class Outcome(NamedTuple):
    """One problem's result: its number of steps, whether the answer was right, and how many tokens were written."""

    steps: int
    right: bool
    tokens: int


def judge_answers(
    problems: Sequence[Problem],
    traces: Sequence[str],
    extract_answer: Callable[[str], int | None],
    tokenizer: PreTrainedTokenizerBase,
) -> list[Outcome]:
    """Return the outcome of each problem.

    Args:
        problems: The problems, each with its `answer`; where `steps` is missing, the outcome's steps are 0.
        traces: What was written for each of them.
        extract_answer: Reads the answer in a trace, None if there is none.
        tokenizer: Counts the tokens of a trace; the end-of-text token is counted too.
    """
    return [
        Outcome(
            problem.get("steps", 0),
            extract_answer(trace) == problem["answer"],
            len(tokenizer(trace, add_special_tokens=False)["input_ids"]) + 1,
        )
        for problem, trace in zip(problems, traces, strict=True)
    ]


def accuracy(runs: Sequence[Sequence[Outcome]], steps: int | None = None) -> Estimate:
    """Return the share of right answers, with a 95 % bootstrap interval over the problems.

    Args:
        runs: The outcomes of one or several students (one for each seed, say) on the same problems. A problem then
            counts by the share of the students that were right.
        steps: Count only problems with this many steps.

    Raises:
        ValueError: If no problem is left.
    """
    return _mean([[outcome.right for outcome in run if steps in (None, outcome.steps)] for run in runs])


def tokens_written(runs: Sequence[Sequence[Outcome]]) -> Estimate:
    """Return the mean number of tokens written for a problem, with a 95 % bootstrap interval over the problems."""
    return _mean([[outcome.tokens for outcome in run] for run in runs])


def compare(runs: Sequence[Sequence[Outcome]], others: Sequence[Sequence[Outcome]]) -> Estimate:
    """Return the accuracy of `runs` minus that of `others`, with a 95 % bootstrap interval over the problems.

    Both must hold the same problems, because the comparison is paired. A paired interval says more than two intervals
    side by side: a hard problem is hard for both.
    """
    differences = [
        [outcome.right - other.right for outcome, other in zip(run, other_run, strict=True)]
        for run, other_run in zip(runs, others, strict=True)
    ]
    return _mean(differences)


def describe_difference(name: str, other: str, difference: Estimate) -> str:
    """Say in a sentence what a difference in accuracy shows; an interval that includes 0 shows no effect."""
    value, low, high = (100 * number for number in (difference.value, difference.low, difference.high))
    if value < 0:  # the better one is named first, so that its lead is positive
        name, other, value, low, high = other, name, -value, -high, -low
    unit = "point" if round(value) == 1 else "points"
    points = f"{value:.0f} {unit} ({low:+.0f} to {high:+.0f})"
    if low <= 0 <= high:
        return f"No effect shown: “{name}” and “{other}” are {points} apart."
    return f"“{name}” is right more often than “{other}”, by {points}."


def _mean(rows: Sequence[Sequence[float]]) -> Estimate:
    """The mean over runs and problems; rows: one list for each run, one number for each problem."""
    values = torch.tensor(rows, dtype=torch.float64)
    if values.numel() == 0:
        raise ValueError("there is no problem to take a mean over")
    counts = torch.full((values.shape[1],), values.shape[0])
    return estimate_ratio(values.sum(dim=0), counts, resamples=1000, confidence=0.95, seed=0)
