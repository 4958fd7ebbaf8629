"""The gallery "read your curve": each committed run shows what its title says."""

import json

import pytest

from helpers.experiments.read_your_curve import EVERY, RUNS, STEPS
from tests.conftest import ROOT

RESULT = json.loads((ROOT / "results" / "read_your_curve.json").read_text(encoding="utf-8"))


def ends(name):
    run = RESULT["runs"][name]
    return run["train"][0], run["train"][-1], run["held_out"][0], run["held_out"][-1]


def test_the_runs_are_those_that_the_command_makes():
    assert list(RESULT["runs"]) == list(RUNS)
    for name, run in RUNS.items():
        kept = RESULT["runs"][name]
        assert (kept["rows"], kept["learning_rate"], kept["zero_grad"]) == (run.rows, run.learning_rate, run.zero_grad)
        assert kept["steps"] == list(range(0, STEPS + 1, EVERY))


def test_the_healthy_run_gets_better_on_both():
    first, last, held_first, held_last = ends("healthy")
    assert last < 0.8 * first and held_last < 0.8 * held_first and abs(last - held_last) < 0.1


def test_the_overfitting_run_gets_better_on_its_rows_and_worse_on_others():
    first, last, held_first, held_last = ends("overfitting")
    assert last < 0.3 * first and held_last > 2 * held_first


@pytest.mark.parametrize("name", ["rate_too_high", "forgotten_zero_grad"])
def test_the_others_end_worse_than_they_began_on_both(name):
    first, last, held_first, held_last = ends(name)
    assert last > 1.5 * first and held_last > 1.5 * held_first
