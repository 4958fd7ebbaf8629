"""Lab 02's figures: what the terms of the loss do, and what their gradients do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from helpers.plots.drawing import lines, show


def fitted_students(teacher: Sequence[float], students: Mapping[str, Sequence[float]]) -> None:
    """Show a teacher's probabilities by token id as bars, and those of students fitted to it as lines."""
    figure, axes = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
    axes.bar(range(len(teacher)), teacher, label="teacher", color="lightgrey", edgecolor="black")
    lines(axes, range(len(teacher)), students, marker="o")
    axes.set(xlabel="token id", ylabel="probability", xticks=range(0, len(teacher), 5))
    peaks = {name: max((float(p), i) for i, p in enumerate(row)) for name, row in students.items()}
    values = "; ".join(f"{name}: peak {p:.2f} at token {i}" for name, (p, i) in peaks.items())
    show(figure, alt=f"The teacher's probabilities as bars, and a line for each student. {values}.")


def kl_and_cross_entropy(scales: Sequence[float], curves: Mapping[str, Sequence[float]], entropy: float) -> None:
    """Show losses against the scale of the student's logits, and the teacher's entropy as a level line."""
    figure, axes = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
    lines(axes, scales, curves)
    axes.axhline(entropy, color="black", linestyle=":", label="the teacher's entropy")
    axes.set(xlabel="scale c of the student's logits", ylabel="nats", ylim=(0, 2.6))
    axes.legend(loc="upper left", fontsize="small")
    lowest = {name: min(zip(curve, scales, strict=True)) for name, curve in curves.items()}
    values = ", ".join(f"{name} {value:.2f} at c = {c:.2f}" for name, (value, c) in lowest.items())
    show(figure, alt=f"Two curves over the scale c. Lowest points: {values}.")


def soft_term_by_length(lengths: Sequence[int], series: Mapping[str, Sequence[float]]) -> None:
    """Show the soft term, averaged in different ways, against the number of positions in a row."""
    figure, axes = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
    lines(axes, lengths, series, marker="o")
    axes.set(xscale="log", yscale="log", xlabel="positions S in a row", ylabel="soft term, with T² (nats)")
    axes.set_xticks(lengths, [str(length) for length in lengths], minor=False)
    axes.minorticks_off()
    values = "; ".join(f"{name}: {', '.join(f'{v:.1f}' for v in row)}" for name, row in series.items())
    at = ", ".join(map(str, lengths))
    show(figure, alt=f"Lines: the soft term for S = {at}, both axes logarithmic. {values}.")


def gradient_against_temperature(
    temperatures: Sequence[float], with_square: Sequence[float], without_square: Sequence[float], hard: float
) -> None:
    """Show the length of the soft gradient against T, with T² and without, beside that of the hard gradient."""
    figure, axes = plt.subplots(figsize=(8.5, 3.8), layout="constrained")
    guide = [without_square[-1] * (temperatures[-1] / t) ** 2 for t in temperatures]
    axes.plot(temperatures, guide, color="grey", linewidth=1, label="for comparison: slope −2")
    axes.axhline(hard, color="black", linestyle=":", label="hard term")
    series = {"soft term, with T²": with_square, "soft term, without T²": without_square}
    lines(axes, temperatures, series, marker="o")
    axes.set(xscale="log", yscale="log", xlabel="temperature T")
    axes.set_ylabel("length of the gradient\n(nats per unit of logit)")
    axes.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    axes.minorticks_off()
    values = "; ".join(f"{name}: {row[0]:.2g} to {row[-1]:.2g}" for name, row in series.items())
    show(figure, alt=f"Lines: the length of the gradient against T, both axes logarithmic. {values}.")


def two_runs(runs: Mapping[float, Mapping[str, Sequence[float]]]) -> None:
    """Show, for each α, how far two runs are from the teacher before each step."""
    figure, panels = plt.subplots(1, len(runs), figsize=(9, 3.4), layout="constrained", sharey=True)
    for axes, (alpha, pair) in zip(panels, runs.items(), strict=True):
        lines(axes, range(len(next(iter(pair.values())))), pair, linewidth=2.5)
        axes.set(title=f"α = {alpha}", xlabel="step", ylabel="KL at T = 1 (nats)")
        axes.set_ylim(bottom=0)
    values = "; ".join(f"α = {a}, {name}: {run[-1]:.2f}" for a, pair in runs.items() for name, run in pair.items())
    show(figure, alt=f"Lines: KL from the teacher before each step. Values at the end: {values}.")
