"""helpers.experiments.tiny: can a run be repeated, is the comparison fair, and do the results show what is said?"""

import math

import pytest
from matplotlib import pyplot as plt

from helpers.experiments.tiny import (
    CONTROL,
    MIXED,
    SOFT,
    compare_students,
    plot_sweep,
    sweep,
)


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


@pytest.fixture(scope="module")
def swept():
    return sweep(alphas=(0.3, 0.5), temperatures=(1.0, 3.0), seeds=(0,), steps=6, rows=16, progress=False)


def test_a_sweep_holds_the_control_and_each_setting_once(swept):
    arms = {name: (arm["alpha"], arm["temperature"]) for name, arm in swept["arms"].items()}
    assert list(arms.values()) == [(0.0, 3.0), (0.3, 3.0), (0.5, 3.0), (0.5, 1.0)]
    assert [[value, arms[name]] for value, name in swept["sweeps"]["alpha"]] == [[0.3, (0.3, 3.0)], [0.5, (0.5, 3.0)]]
    tried = [[value, arms[name]] for value, name in swept["sweeps"]["temperature"]]
    assert tried == [[1.0, (0.5, 1.0)], [3.0, (0.5, 3.0)]]
    distances = [arm["distance"]["mean"] for arm in swept["arms"].values()]
    assert len(set(distances)) == 4  # each setting reached its loss
    assert all(arm["learning_rate"] == CONTROL.learning_rate == MIXED.learning_rate for arm in swept["arms"].values())


def test_the_plot_of_a_sweep_shows_and_says_its_numbers(swept):
    figure, alt = plot_sweep(swept)
    assert [axes.get_xlabel() for axes in figure.axes] == ["alpha, weight of the teacher", "temperature T"]
    for axes, tried in zip(figure.axes, swept["sweeps"].values(), strict=True):
        means = [swept["arms"][name]["distance"]["mean"] for _, name in tried]
        drawn = axes.containers[0].lines[0]
        assert list(drawn.get_xdata()) == [value for value, _ in tried] and list(drawn.get_ydata()) == means
        assert all(f"{mean:.3f} at {value:g}" in alt for (value, _), mean in zip(tried, means, strict=True))
    assert f"{swept['arms'][CONTROL.name]['distance']['mean']:.3f}" in alt
    plt.close(figure)
