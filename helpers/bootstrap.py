"""A measured value and its uncertainty: bootstrap intervals from resampling the rows of a text.

What is measured on rows of tokens is a sum over rows divided by a count over rows: losses by tokens, distances by
tokens, right answers by problems. The interval shows how much the choice of rows matters; it says nothing about
training seeds. To compare two students on the same rows, pass the differences of their sums: a paired interval says
more than two separate ones.

`scipy.stats.bootstrap` gives the same intervals, but it samples other rows, so that those in results/ could not be
reproduced, and it refuses a single row.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Estimate(NamedTuple):
    """A measured value, the ends of its interval, and the numbers of tokens and rows it was measured on."""

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
    """Return scale(sum of sums / sum of tokens) with a bootstrap interval.

    Args:
        sums: `(rows,)`, the numerator of each row.
        tokens: `(rows,)`, the denominator of each row.
        resamples: How often the rows are resampled, with replacement. 0 makes the interval as narrow as the value.
        confidence: The share of the resampled values inside the interval; 0.95 leaves out 2.5 % at each end.
        seed: Seed of the resampling.
        scale: An increasing function; `math.exp` turns a mean loss into a perplexity.

    Raises:
        ValueError: If the two differ in length, or if there is no token.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (percentile interval).
    """
    sums, tokens = torch.as_tensor(sums, dtype=torch.float64), torch.as_tensor(tokens)
    if sums.shape != tokens.shape or sums.dim() != 1 or tokens.sum() == 0:
        raise ValueError(
            f"sums has shape {tuple(sums.shape)} and tokens {tuple(tokens.shape)}, {int(tokens.sum())} tokens in all; "
            "both must have the same length, with at least one token"
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
