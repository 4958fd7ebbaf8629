"""A measured value and how sure it is: intervals from drawing the rows of a text again, with replacement.

Whatever is measured on rows of tokens is a sum over rows divided by a count over rows: losses by tokens, distances by
tokens, right answers by problems. The interval says how far the choice of rows matters; it says nothing of training
seeds. For two students on the same rows, give the differences of their sums: that says more than two intervals.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Estimate(NamedTuple):
    """A measured value, the ends of its interval, and how many tokens and rows it was measured on."""

    value: float
    low: float
    high: float
    tokens: int
    rows: int


def estimate_ratio(
    sums: Tensor,
    tokens: Tensor,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    scale: Callable[[float], float] = float,
) -> Estimate:
    """scale(sum of sums / sum of tokens), with a bootstrap interval from `resamples` draws of the rows.

    sums, tokens: `(rows,)`, what is divided, and by what. confidence: the share of the draws that lies inside, 0.95
    leaves out 2.5 % on either side. With resamples=0 the interval is the value. scale: must not turn the order round;
    `math.exp` makes a perplexity of a mean loss.
    Raises ValueError if the two differ in length or if there is not one token.
    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (percentile interval).
    """
    sums, tokens = torch.as_tensor(sums, dtype=torch.float64), torch.as_tensor(tokens)
    if sums.shape != tokens.shape or sums.dim() != 1 or tokens.sum() == 0:
        raise ValueError(
            f"sums has shape {tuple(sums.shape)} and tokens {tuple(tokens.shape)}, {int(tokens.sum())} tokens in all; "
            "they must be of one length, with at least one token"
        )
    value = scale(float(sums.sum() / tokens.sum()))
    if resamples == 0:
        return Estimate(value, value, value, int(tokens.sum()), len(sums))
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(sums), (resamples, len(sums)), generator=generator)
    means = sums[drawn].sum(dim=1) / tokens[drawn].sum(dim=1).clamp(min=1)
    tail = (1 - confidence) / 2
    low, high = torch.quantile(means, torch.tensor([tail, 1 - tail], dtype=means.dtype)).tolist()
    return Estimate(value, scale(low), scale(high), int(tokens.sum()), len(sums))
