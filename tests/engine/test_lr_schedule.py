"""helpers.engine.lr_schedule: up in a straight line, down as a cosine."""

import math

import pytest

from helpers.engine.lr_schedule import warmup_cosine


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine():
    rates = [warmup_cosine(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert rates[10:] == pytest.approx([(1 + math.cos(math.pi * step / 91)) / 2 for step in range(1, 91)])
    assert 0 < rates[-1] < 0.001


@pytest.mark.parametrize("steps", range(1, 12))
def test_every_step_of_a_short_run_changes_something(steps):
    assert all(0 < warmup_cosine(step, steps) <= 1 for step in range(steps))


def test_the_warm_up_can_be_longer():
    assert [warmup_cosine(step, 10, warm_up=0.5) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
