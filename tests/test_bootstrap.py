"""helpers.bootstrap: the interval is scipy's, and the same seed gives the same interval."""

import numpy as np
import pytest
import torch
from scipy import stats

from helpers.bootstrap import Estimate, estimate_ratio

ROWS = 200
TOKENS = torch.randint(5, 60, (ROWS,), generator=torch.Generator().manual_seed(1))
SUMS = 2 * TOKENS + 20 * torch.randn(ROWS, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_the_interval_is_the_percentile_interval_of_scipy(confidence):
    """scipy draws other rows, so the ends agree within the noise of 10,000 draws: about a fiftieth of the width."""
    estimate = estimate_ratio(SUMS, TOKENS, resamples=10_000, confidence=confidence)
    assert estimate.value == pytest.approx(float(SUMS.sum() / TOKENS.sum()))
    reference = stats.bootstrap(
        (SUMS.numpy(), TOKENS.numpy()),
        lambda sums, tokens, axis: sums.sum(axis) / tokens.sum(axis),
        paired=True,
        n_resamples=10_000,
        confidence_level=confidence,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    noise = (reference.high - reference.low) / 15
    assert estimate.low == pytest.approx(reference.low, abs=noise)
    assert estimate.high == pytest.approx(reference.high, abs=noise)


def test_the_seed_decides_the_draws():
    first, again, other = (estimate_ratio(SUMS, TOKENS, seed=seed) for seed in (0, 0, 1))
    assert first == again and first.low != other.low and first.value == other.value


def test_a_single_row_has_no_width():
    assert estimate_ratio(torch.tensor([6.0]), torch.tensor([3])) == Estimate(2.0, 2.0, 2.0, tokens=3, rows=1)


def test_the_scale_is_applied_to_value_and_ends():
    plain, squared = estimate_ratio(SUMS, TOKENS), estimate_ratio(SUMS, TOKENS, scale=lambda mean: mean**2)
    assert squared[:3] == pytest.approx([end**2 for end in plain[:3]])


@pytest.mark.parametrize(("sums", "tokens"), [([1.0], [1, 2]), ([1.0, 2.0], [0, 0]), ([], [])])
def test_lengths_that_differ_and_no_token_at_all_are_refused(sums, tokens):
    with pytest.raises(ValueError, match="the same length, with at least one token"):
        estimate_ratio(torch.tensor(sums), torch.tensor(tokens))
