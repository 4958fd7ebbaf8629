"""What a class can do, from its judgements alone: marks, item difficulty and discrimination, misconceptions, times.

Difficulty and discrimination are those of classical test theory: the mean share of an exercise's points, and the
correlation of an exercise with the rest of its lab (item–rest correlation).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, sqrt, tanh
from statistics import NormalDist, StatisticsError, correlation, fmean, median

import numpy as np

from helpers.grader.course.lab import Exercise, Lab
from helpers.grader.judging.judgement import VERDICTS, Judgement
from helpers.grader.reports.marks import exercise_verdict
from helpers.grader.reports.points import earned_points, judged_points, max_judged_points

HARD_BELOW, EASY_ABOVE = 0.3, 0.9  # mean share of the points outside which an exercise tells little about the class
MIN_DISCRIMINATION = 0.2  # item–rest correlation from which an exercise is commonly said to discriminate
MIN_SUBMISSIONS_FOR_CORRELATION = 5
CONFIDENCE = 0.95  # that a discrimination is too low, before an exercise is called inconsistent
BINS = 10


@dataclass(frozen=True)
class Histogram:
    """Counts between edges; the last bin includes its upper edge."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def bins(self) -> list[tuple[float, float, int]]:
        """Each bin as (lower edge, upper edge, count)."""
        return list(zip(self.edges, self.edges[1:], self.counts, strict=False))


@dataclass(frozen=True)
class Marks:
    """The points of the submissions to one lab."""

    mean: float
    median: float
    lowest: float
    highest: float
    histogram: Histogram  # of the share of the points


@dataclass(frozen=True)
class Times:
    """How long the submissions to one lab took to run and judge, in seconds."""

    median: float
    slowest: tuple[tuple[str, float], ...]  # (student, seconds), the slowest first
    histogram: Histogram


@dataclass(frozen=True)
class ExerciseStatistics:
    """How one exercise of a lab went."""

    name: str
    difficulty: float  # mean share of the points: high is easy
    discrimination: float | None  # None if it is undefined, or if there are too few submissions
    verdicts: tuple[tuple[str, int], ...]  # (verdict, count), in the order of `VERDICTS`
    remark: str  # "hard", "easy", "inconsistent" or ""
    carried: int = 0  # answers in which an earlier exercise's mistake was found and not charged again


@dataclass(frozen=True)
class RankedMisconception:
    """A misconception that was seen in a class."""

    exercise: str
    name: str
    count: int
    share: float  # of the submissions that were judged
    diagnosis: str
    read: str  # the lab's heading to read again


def marks(lab: Lab, judgements: Sequence[Judgement]) -> Marks:
    """Return the marks of the submissions to a lab. Raises StatisticsError if there are none."""
    points = [judged_points(lab, judgement) for judgement in judgements]
    # Rounded, so that a share of exactly three tenths is in the bin that starts there.
    shares = [round(value / max_judged_points(lab), 9) for value in points]
    edges = [step / BINS for step in range(BINS + 1)]
    return Marks(fmean(points), median(points), min(points), max(points), histogram(shares, edges))


def times(judged: Sequence[tuple[str, Judgement]], shown: int) -> Times:
    """Return how long submissions took, with the slowest few; `judged` holds (student, judgement) pairs.

    Raises StatisticsError if there are none.
    """
    seconds = {student: judgement.seconds for student, judgement in judged}
    slowest = sorted(seconds.items(), key=lambda entry: (-entry[1], entry[0]))[:shown]
    values = list(seconds.values())
    return Times(median(values), tuple(slowest), histogram(values, time_edges(max(values))))


def exercise_statistics(lab: Lab, judgements: Sequence[Judgement]) -> list[ExerciseStatistics]:
    """Return how each exercise of a lab went. Raises StatisticsError if there are no judgements."""
    points = {
        name: [earned_points(exercise, judgement.of(name)) for judgement in judgements]
        for name, exercise in lab.exercises.items()
    }
    statistics = []
    for name, exercise in lab.exercises.items():
        others = [values for other, values in points.items() if other != name]
        rest = [round(sum(values), 6) for values in zip(*others, strict=True)]
        enough = bool(others) and len(judgements) >= MIN_SUBMISSIONS_FOR_CORRELATION
        discrimination = correlation_if_defined(points[name], rest) if enough else None
        difficulty = fmean(points[name]) / exercise.points
        statistics.append(
            ExerciseStatistics(
                name,
                difficulty,
                discrimination,
                _verdicts(exercise, judgements),
                _remark(difficulty, discrimination, len(judgements)),
                sum(any(row.calls for row in judgement.of(name)) for judgement in judgements),
            )
        )
    return statistics


def _verdicts(exercise: Exercise, judgements: Sequence[Judgement]) -> tuple[tuple[str, int], ...]:
    counts = Counter(exercise_verdict(judgement.of(exercise.name)) for judgement in judgements)
    return tuple((verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict])


def correlation_if_defined(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Pearson's correlation, or None if one of the two is constant."""
    try:
        return correlation(first, second)
    except StatisticsError:
        return None


def upper_confidence_bound(coefficient: float, count: int) -> float:
    """Return the upper bound of a correlation's confidence interval, by Fisher's z-transformation."""
    z = atanh(max(-0.999999, min(0.999999, coefficient)))
    return tanh(z + NormalDist().inv_cdf((1 + CONFIDENCE) / 2) / sqrt(count - 3))


def _remark(difficulty: float, discrimination: float | None, count: int) -> str:
    if difficulty < HARD_BELOW:
        return "hard"
    if difficulty > EASY_ABOVE:
        return "easy"
    if discrimination is not None and upper_confidence_bound(discrimination, count) < MIN_DISCRIMINATION:
        return "inconsistent"
    return ""


def ranked_misconceptions(lab: Lab, judgements: Sequence[Judgement]) -> list[RankedMisconception]:
    """Return the misconceptions and relations that were seen, the most frequent first."""
    known = {(name, cause): said for name, exercise in lab.exercises.items() for cause, said in exercise.causes.items()}
    counts = Counter(
        seen
        for judgement in judgements
        for seen in {(row.exercise, row.misconception) for row in judgement.rows}
        if seen in known
    )
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        RankedMisconception(*seen, count, count / len(judgements), known[seen].diagnosis, known[seen].read)
        for seen, count in ranked
    ]


def histogram(values: Sequence[float], edges: Sequence[float]) -> Histogram:
    """Return how many values lie between each two edges."""
    counts, _ = np.histogram(values, bins=np.asarray(edges))
    return Histogram(tuple(edges), tuple(int(count) for count in counts))


def time_edges(longest: float) -> list[float]:
    """Return the edges of ten bins of a round width that reach past the longest time, in seconds."""
    widths = (step * 10.0**power for power in range(-2, 7) for step in (1, 2, 5))
    width = next(width for width in widths if width * BINS > longest)
    return [round(width * step, 6) for step in range(BINS + 1)]
