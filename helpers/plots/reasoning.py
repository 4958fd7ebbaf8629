"""Lab 05's figures: kinds of traces, what a filter keeps, and how often models are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from helpers.bootstrap import Estimate
from helpers.plots.drawing import COLORS, LINES, bars, show

KINDS = {
    "both": "both right",
    "answer only": "right answer,\nwrong step",
    "steps only": "steps hold,\nwrong answer",
    "neither": "neither",
}
STYLES: list[dict[str, Any]] = [
    {"color": COLORS[color], "marker": marker, "linestyle": LINES[index], "capsize": 3}
    for index, (color, marker) in enumerate(zip((0, 1, 2, 3, 4, 6), "os^DvX", strict=True))
]


def kinds_of_traces(shares: Mapping[str, float]) -> None:
    """Show how many traces, in percent, have a right answer, steps that hold, both or neither."""
    figure, axes = plt.subplots(figsize=(8.5, 3), layout="constrained")
    bars(axes, [KINDS[kind] for kind in shares], {"traces": list(shares.values())})
    axes.set(xlabel="kind of trace", ylabel="share of the teacher's traces (%)")
    values = "; ".join(f"{KINDS[kind]} {share:.1f} %".replace("\n", " ") for kind, share in shares.items())
    show(figure, alt=f"Four bars, the kinds of traces that the teacher wrote: {values}.")


def kept_by_steps(counts: Sequence[int], shares: Sequence[float]) -> None:
    """Show which share of the traces, in percent, a filter keeps, by the number of steps of the problem."""
    figure, axes = plt.subplots(figsize=(8.5, 3), layout="constrained")
    bars(axes, [str(k) for k in counts], {"kept": shares})
    axes.set(xlabel="steps of the problem, k", ylabel="traces kept (%)", ylim=(0, 105))
    values = ", ".join(f"k = {k}: {share:.0f} %" for k, share in zip(counts, shares, strict=True))
    show(figure, alt=f"Bars: the share of the traces that the filter keeps, by the number of steps. {values}.")


def accuracy_by_steps(counts: Sequence[int], models: Mapping[str, Sequence[Estimate]]) -> None:
    """Show the share of right answers of each model over the number of steps, with intervals."""
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    for index, (name, estimates) in enumerate(models.items()):
        places = [k + 0.06 * (index - (len(models) - 1) / 2) for k in counts]
        axes.errorbar(places, *_percent(estimates), label=name, **STYLES[index])
    axes.set(xlabel="steps of the problem, k", ylabel="right answers (%)", ylim=(-3, 103))
    axes.set_xticks(list(counts))
    _legend_outside(axes)
    values = " ".join(f"{name}: {', '.join(f'{100 * e.value:.0f}' for e in row)} %." for name, row in models.items())
    ends = f"from {counts[0]} to {counts[-1]}"
    show(figure, alt=f"Share of right answers over the number of steps {ends}, with 95 % intervals. {values}")


def accuracy_by_tokens(tokens: Mapping[str, Estimate], accuracies: Mapping[str, Estimate]) -> None:
    """Show each model's share of right answers against the tokens that it writes per problem, with intervals."""
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    for index, (name, cost) in enumerate(tokens.items()):
        values, reach = _percent([accuracies[name]])
        across = [[cost.value - cost.low], [cost.high - cost.value]]
        axes.errorbar(cost.value, values, yerr=reach, xerr=across, label=name, **STYLES[index] | {"linestyle": "none"})
    axes.set(xlabel="tokens written per problem (mean)", ylabel="right answers (%)", ylim=(-3, 103), xlim=(0, None))
    _legend_outside(axes)
    said = " ".join(f"{k}: {tokens[k].value:.0f} tokens, {100 * accuracies[k].value:.0f} %." for k in tokens)
    show(figure, alt=f"Right answers over tokens written, a point with 95 % intervals for each model. {said}")


def real_model(name: str, arms: Mapping[str, Mapping[str, Any]]) -> None:
    """Show how often a real model is right before and after it learned from its own traces."""
    estimates = {arm: Estimate(**found["accuracy"]) for arm, found in arms.items()}
    figure, axes = plt.subplots(figsize=(8.5, 3), layout="constrained")
    values, reach = _percent(list(estimates.values()))
    axes.bar(list(estimates), values, yerr=reach, capsize=4, color=COLORS[5], edgecolor="black")
    axes.set(ylabel="right answers (%)", ylim=(0, 100))
    said = "; ".join(f"{arm} {100 * estimate.value:.0f} %" for arm, estimate in estimates.items())
    show(figure, alt=f"Bars: right answers of {name}, with 95 % intervals: {said}.")


def _percent(estimates: Sequence[Estimate]) -> tuple[list[float], list[list[float]]]:
    """Values in percent, and how far their intervals reach down and up."""
    below = [100 * (each.value - each.low) for each in estimates]
    above = [100 * (each.high - each.value) for each in estimates]
    return [100 * each.value for each in estimates], [below, above]


def _legend_outside(axes: Axes) -> None:
    """Put the legend beside the plot, where it covers no error bar."""
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
