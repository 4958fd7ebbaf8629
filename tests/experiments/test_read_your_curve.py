"""The runs of the gallery "read your curve", in small."""

import pytest

from helpers.experiments.read_your_curve import Run, train

pytestmark = pytest.mark.slow


def test_a_run_is_measured_at_equal_steps_and_repeats_itself():
    first = train(Run(rows=16), steps=4, every=2)
    assert first["steps"] == [0, 2, 4] and first == train(Run(rows=16), steps=4, every=2)
    assert len(first["train"]) == len(first["held_out"]) == 3 and first["train"][0] != first["held_out"][0]


def test_a_forgotten_zero_grad_and_a_high_rate_change_the_run():
    healthy = train(Run(rows=16), steps=4, every=2)
    assert train(Run(rows=16, zero_grad=False), steps=4, every=2)["held_out"] != healthy["held_out"]
    assert train(Run(rows=16, learning_rate=0.3), steps=4, every=2)["held_out"][-1] > healthy["held_out"][-1]
