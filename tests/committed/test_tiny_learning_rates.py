"""results/tiny_learning_rates.json: each arm of the tiny experiment trains with the rate that was best for it."""

from helpers.experiments.tiny import ARMS, TRIED_RATES
from tests.committed import result


def test_each_arm_uses_the_learning_rate_that_was_best_for_it():
    tuned = result("tiny_learning_rates")["arms"]
    for arm in ARMS:
        distances = tuned[arm.name]["distances"]
        assert set(distances) == {f"{rate:g}" for rate in TRIED_RATES}
        assert arm.learning_rate == tuned[arm.name]["best"] == float(min(distances, key=distances.get))
        assert min(TRIED_RATES) < arm.learning_rate < max(TRIED_RATES)  # else the best may lie outside
