"""helpers.experiments: can a run be repeated, is the comparison fair, and do the results show what is said?"""

import json
import math
from pathlib import Path

import pytest

from helpers.experiments import ARMS, BATCH_SIZE, CONTROL, LENGTH, ROWS, SOFT, STEPS, TRIED_RATES, compare_students

RESULTS = Path(__file__).parents[1] / "results"


@pytest.fixture(scope="module")
def short():
    """Two seeds of two arms, so short that they take a second or two."""
    return compare_students(seeds=(0, 1), arms=(CONTROL, SOFT), steps=20, rows=40, progress=False)


def test_a_run_can_be_repeated_and_the_seed_matters(short):
    again = compare_students(seeds=(1,), arms=(CONTROL,), steps=20, rows=40, progress=False)
    runs = short["arms"][CONTROL.name]["runs"]
    assert again["arms"][CONTROL.name]["runs"][0]["distance"] == pytest.approx(runs[1]["distance"], rel=1e-5)
    assert abs(runs[0]["distance"] - runs[1]["distance"]) > 1e-4


def test_arms_are_told_apart_and_summed_up(short):
    control, soft = (short["arms"][arm.name] for arm in (CONTROL, SOFT))
    closer = [s["distance"] < c["distance"] for s, c in zip(soft["runs"], control["runs"], strict=True)]
    assert soft["closer_than_control"] == sum(closer)
    assert "closer_than_control" not in control
    distances = [run["distance"] for run in soft["runs"]]
    assert soft["distance"]["mean"] == pytest.approx(sum(distances) / 2)
    assert [soft["distance"]["low"], soft["distance"]["high"]] == sorted(distances)


def test_perplexity_and_distance_tell_one_story(short):
    """On the same rows, ln perplexity less that of the truth is the distance, up to the luck of the words drawn."""
    floor = math.log(short["truth"]["perplexity"]["value"])
    assert short["truth"]["distance"]["value"] == pytest.approx(0, abs=1e-6)
    assert floor < math.log(short["teacher"]["perplexity"]["value"]) < math.log(short["before"]["perplexity"]["value"])
    for run in [run for arm in short["arms"].values() for run in arm["runs"]]:
        assert math.log(run["perplexity"]) - floor == pytest.approx(run["distance"], abs=0.02)


def test_each_arm_uses_the_learning_rate_that_was_best_for_it():
    tuned = json.loads((RESULTS / "tiny_learning_rates.json").read_text())["arms"]
    for arm in ARMS:
        distances = tuned[arm.name]["distances"]
        assert set(distances) == {f"{rate:g}" for rate in TRIED_RATES}
        assert arm.learning_rate == tuned[arm.name]["best"] == float(min(distances, key=distances.get))
        assert min(TRIED_RATES) < arm.learning_rate < max(TRIED_RATES)  # else the best may lie outside


def test_committed_results_are_of_this_setting_and_show_the_gain():
    result = json.loads((RESULTS / "tiny_distillation.json").read_text())
    setting = result["setting"]
    assert len(setting["seeds"]) >= 5
    assert (setting["steps"], setting["batch_rows"], setting["training_tokens"]) == (STEPS, BATCH_SIZE, ROWS * LENGTH)
    control, *taught = (result["arms"][arm.name] for arm in ARMS)
    for arm, entry in zip(ARMS, result["arms"].values(), strict=True):
        assert (entry["alpha"], entry["temperature"], entry["learning_rate"]) == (
            arm.alpha,
            arm.temperature,
            arm.learning_rate,
        )
    for entry in taught:
        assert entry["closer_than_control"] == len(setting["seeds"])
        assert entry["distance"]["mean"] < control["distance"]["low"]
