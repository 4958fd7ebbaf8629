"""The class's figures against numbers worked out by hand."""

import math

import pytest

from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.reports.class_statistics import (
    correlation_if_defined,
    exercise_statistics,
    histogram,
    marks,
    time_edges,
    times,
    upper_confidence_bound,
)


def judged(double=4.0, average=3.0, **more):
    """A judgement of the small lab in which both exercises have one case each."""
    rows = [
        Row("double", "plain", double, 4.0, "correct" if double == 4 else "wrong"),
        Row("Average", "module", average, 3.0, "correct" if average == 3 else "wrong"),
    ]
    return Judgement("00_mini", rows, **more)


def test_difficulty_is_the_mean_share_and_discrimination_the_item_rest_correlation(mini):
    # double 4 4 2 0 0 (mean 2), Average 3 3 0 3 0 (mean 1.8): by hand, sum of products 6, of squares 16 and 10.8
    judgements = [judged(4, 3), judged(4, 3), judged(2, 0), judged(0, 3), judged(0, 0)]
    double, average = exercise_statistics(mini, judgements)
    assert double.difficulty == pytest.approx(0.5) and average.difficulty == pytest.approx(0.6)
    assert double.discrimination == pytest.approx(6 / (16 * 10.8) ** 0.5)
    assert average.discrimination == pytest.approx(double.discrimination)  # two items: the rest is the other one
    assert double.verdicts == (("correct", 2), ("wrong", 3))


def test_no_discrimination_where_it_means_nothing(mini):
    alike = exercise_statistics(mini, [judged()] * 6)
    few = exercise_statistics(mini, [judged(), judged(0, 0)])
    assert [item.discrimination for item in alike + few] == [None] * 4
    assert correlation_if_defined([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]) == pytest.approx(-1)


def test_an_exercise_that_goes_against_the_rest_is_named(mini):
    judgements = [judged(4, 0)] * 3 + [judged(0, 3)] * 3
    assert [item.remark for item in exercise_statistics(mini, judgements)] == ["inconsistent", "inconsistent"]


def test_a_low_correlation_that_chance_explains_is_not_remarked_on(mini):
    # r = -0.16 from 12 submissions, of which 10 have full marks in one exercise: its interval reaches far above 0.2
    judgements = [judged(4, 3)] * 8 + [judged(4, 0)] * 2 + [judged(0, 3)] * 2
    double, _ = exercise_statistics(mini, judgements)
    assert double.discrimination == pytest.approx(-0.2) and double.remark == ""


def test_hard_and_easy_exercises_are_remarked_on(mini):
    judgements = [judged(4, 0)] * 19 + [judged(0, 3)]
    assert [item.remark for item in exercise_statistics(mini, judgements)] == ["easy", "hard"]


def test_the_confidence_bound_is_fishers():
    # atanh(0.5) = 0.5493; plus 1.96 / sqrt(28 - 3) = 0.392; tanh(0.9413) = 0.7358
    assert upper_confidence_bound(0.5, 28) == pytest.approx(0.7358, abs=1e-4)
    assert upper_confidence_bound(1.0, 5) <= 1 and math.isfinite(upper_confidence_bound(-1.0, 5))


def test_full_marks_from_rounded_cases_are_the_maximum_exactly(mini):
    third = round(4 / 3, 6)
    rows = [Row("double", f"case {number}", third, third, "correct") for number in range(3)]
    full = Judgement("00_mini", [*rows, Row("Average", "module", 3.0, 3.0, "correct")])
    assert exercise_statistics(mini, [full])[0].difficulty == 1.0
    assert marks(mini, [full]).highest == 7.0
    assert marks(mini, [full, judged(0, 0)]).histogram.counts == (1, 0, 0, 0, 0, 0, 0, 0, 0, 1)


def test_marks_and_times(mini):
    judgements = [judged(4, 3, seconds=1.0), judged(4, 0, seconds=30.0), judged(0, 0, seconds=2.0)]
    found = marks(mini, judgements)
    assert (found.mean, found.median, found.lowest, found.highest) == (pytest.approx(11 / 3), 4, 0, 7)
    seconds = times(list(zip("abc", judgements, strict=True)), shown=2)
    assert seconds.median == 2 and seconds.slowest == (("b", 30.0), ("c", 2.0))
    assert seconds.histogram.bins[0] == (0, 5, 2) and seconds.histogram.bins[6] == (30, 35, 1)


def test_bins_include_their_lower_edge_and_the_last_one_both():
    assert histogram([0, 1, 1.5, 2], [0, 1, 2]).counts == (1, 3)
    assert time_edges(0.0)[-1] == pytest.approx(0.1) and time_edges(10.0)[-1] == 20 and time_edges(9.9)[-1] == 10
