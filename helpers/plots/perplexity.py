"""Lab 04's figures: perplexities, their intervals, and two students row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from helpers.bootstrap import Estimate
from helpers.plots.drawing import COLORS, lines, show

MARKERS = "os^DvXP"


def perplexity_by_batch_size(sizes: Sequence[int], measured: Mapping[str, Sequence[float]]) -> None:
    """Show what each way to measure a perplexity gives, against the number of rows in a batch."""
    figure, axes = plt.subplots(figsize=(8.5, 3.2), layout="constrained")
    lines(axes, sizes, measured, marker="o")
    axes.set(xscale="log", xlabel="rows in a batch", ylabel="perplexity")
    axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
    axes.minorticks_off()
    values = "; ".join(f"{name}: {', '.join(f'{v:.2f}' for v in row)}" for name, row in measured.items())
    show(figure, alt=f"Lines: perplexity for {', '.join(map(str, sizes))} rows in a batch. {values}.")


def perplexities(estimates: Mapping[str, Estimate], seeds: Mapping[str, Sequence[float]]) -> None:
    """Show each model's perplexity with its interval over rows, and the single seeds as strokes."""
    figure, axes = plt.subplots(figsize=(8.5, 3.2), layout="constrained")
    for place, (name, one) in enumerate(estimates.items()):
        reach = [[one.value - one.low], [one.high - one.value]]
        axes.errorbar([one.value], [place], xerr=reach, fmt=MARKERS[place], color=COLORS[place], capsize=5)
        axes.plot(seeds[name], [place + 0.25] * len(seeds[name]), "|", color="black", markersize=9)
    axes.set(yticks=range(len(estimates)), yticklabels=list(estimates), ylim=(len(estimates) - 0.5, -0.5))
    axes.set(xlabel="perplexity (lower is better); bars: 95 % over rows; strokes: single seeds")
    axes.grid(axis="x", alpha=0.3)
    values = "; ".join(f"{name} {e.value:.2f}, {e.low:.2f} to {e.high:.2f}" for name, e in estimates.items())
    show(figure, alt=f"Perplexities as points, with bars for the 95 % interval over rows: {values}.")


def rows_of_two_students(first: Sequence[float], second: Sequence[float], name: str, other: str) -> None:
    """Show the mean NLL of each row for two students, as a point for each row, and their differences as a histogram."""
    one, two = ([float(value) for value in row] for row in (first, second))
    gains = [a - b for a, b in zip(one, two, strict=True)]
    ends = [min(one + two), max(one + two)]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot(ends, ends, color="grey", linestyle=":", label="no difference")
    left.scatter(one, two, s=14, color=COLORS[0], alpha=0.6, label="one row")
    left.set(xlabel=f"{name} (nats per token)", ylabel=f"{other} (nats per token)", aspect="equal")
    left.legend()
    right.hist(gains, bins=20, color=COLORS[5], edgecolor="black", linewidth=0.6)
    right.axvline(0, color="black", linestyle=":")
    width = ends[1] - ends[0]
    right.set(xlabel=f"{name} minus {other},\nsame scale as on the left (nats per token)", ylabel="rows")
    right.set_xlim(-width / 2, width / 2)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    better = sum(gain > 0 for gain in gains)
    alt = f"Left, a point for each of {len(one)} rows: NLL per token from {ends[0]:.2f} to {ends[1]:.2f}, close to the"
    alt += f" diagonal. Right, the differences: from {min(gains):.2f} to {max(gains):.2f}, above 0 in {better} rows."
    show(figure, alt=alt)


def a_real_teacher(runs: Mapping[str, Mapping[str, Sequence[float]]], teachers: Mapping[str, float]) -> None:
    """Show, for each text, the perplexity of every run of each arm, and the teacher's own as a dotted line."""
    figure, panels = plt.subplots(1, len(runs), figsize=(9, 3.2), layout="constrained", sharey=True)
    for axes, (text, arms) in zip(panels, runs.items(), strict=True):
        axes.axvline(teachers[text], color="black", linestyle=":", label="teacher")
        for place, values in enumerate(arms.values()):
            axes.plot(values, [place] * len(values), "|", color=COLORS[place], markersize=22, markeredgewidth=2.5)
        axes.set(title=text, xlabel="perplexity (lower is better)", yticks=range(len(arms)), yticklabels=list(arms))
        axes.set(ylim=(len(arms) - 0.5, -0.5), xlim=(0, None))
        axes.grid(axis="x", alpha=0.3)
        axes.legend(loc="lower right")
    said = "; ".join(
        f"{text}: teacher {teachers[text]:.1f}, "
        + ", ".join(f"{arm} {' '.join(f'{value:.1f}' for value in found)}" for arm, found in arms.items())
        for text, arms in runs.items()
    )
    show(figure, alt=f"A stroke for each run, at its perplexity on held-out rows. {said}.")
