"""Lab 09's figures: what layers do, what cuts cost, and quality beside size and latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from helpers.plots.drawing import COLORS, HATCHES, show

MARKERS = "os^DvXP*hd"
DISTANCE = "distance to the truth (nats per token)"


def influence_and_cost(influence: Sequence[float], costs: Sequence[float]) -> None:
    """Show, for each layer, how far it turns the hidden state, and what its removal costs."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    named = {"1 − cosine, how far it turns": influence, "cost of removal (nats per token)": costs}
    for place, (axes, (label, values)) in enumerate(zip(panels, named.items(), strict=True)):
        axes.bar(range(len(values)), values, color=COLORS[place], hatch=HATCHES[place], edgecolor="black")
        axes.set(xlabel="layer", ylabel=label, xticks=range(len(values)))
        axes.grid(axis="y", alpha=0.3)
    said = "; ".join(
        f"layer {layer}: turns {turned:.2f}, removal costs {cost:.2f}"
        for layer, (turned, cost) in enumerate(zip(influence, costs, strict=True))
    )
    show(figure, alt=f"Two bar charts over layers. {said}.")


def at_once_and_repaired(measured: Mapping[str, tuple[float, float]]) -> None:
    """Show each student's distance to the truth at once and after its repair, on a logarithmic axis."""
    figure, axes = plt.subplots(figsize=(8.5, 0.5 * len(measured) + 1.2), layout="constrained")
    for place, (before, after) in enumerate(measured.values()):
        axes.plot([after, before], [place, place], color="grey", linewidth=1, zorder=1)
        axes.plot([before], [place], MARKERS[0], color=COLORS[0], label="at once" if place == 0 else None)
        axes.plot([after], [place], MARKERS[1], color=COLORS[1], label="repaired" if place == 0 else None)
    axes.set(xscale="log", xlabel=f"{DISTANCE}, logarithmic", yticks=range(len(measured)), yticklabels=list(measured))
    axes.set_ylim(len(measured) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    said = "; ".join(f"{name} {before:.3f}, then {after:.3f}" for name, (before, after) in measured.items())
    show(figure, alt=f"Distance to the truth of each student, at once and after the repair: {said}.")


def arms(measured: Mapping[str, Sequence[float]], title: str = "") -> None:
    """Show every run of each arm as a stroke, and the mean as a point."""
    figure, axes = plt.subplots(figsize=(8.5, 0.45 * len(measured) + 1.2), layout="constrained")
    for place, values in enumerate(measured.values()):
        axes.plot(values, [place] * len(values), "|", color=COLORS[place % 7], markersize=18, mew=2.5)
        axes.plot([sum(values) / len(values)], [place], "o", color="black", markersize=5)
    axes.set(xlabel=f"{DISTANCE}; strokes: seeds, point: mean", title=title, xlim=(0, None))
    axes.set(yticks=range(len(measured)), yticklabels=list(measured), ylim=(len(measured) - 0.5, -0.5))
    axes.grid(axis="x", alpha=0.3)
    said = "; ".join(f"{name} {', '.join(f'{v:.3f}' for v in values)}" for name, values in measured.items())
    show(figure, alt=f"Distance to the truth of every run. {said}.")


def pareto_front(students: Mapping[str, tuple[int, float, float]]) -> list[str]:
    """Show students by weights, milliseconds per token and distance; return those that no other one dominates."""
    front = [
        name
        for name, mine in students.items()
        if not any(
            all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine for other in students.values()
        )
    ]
    figure, panels = plt.subplots(1, 2, figsize=(8.5, 4.6), layout="constrained", sharey=True)
    for axes, column, label in zip(panels, (0, 1), ("weights", "milliseconds per token"), strict=True):
        for place, (name, values) in enumerate(students.items()):
            color, mark = COLORS[place % 7], MARKERS[place % len(MARKERS)]
            filled = {"markerfacecolor": color if name in front else "none", "markeredgecolor": color}
            axes.plot([values[column]], [values[2]], mark, markersize=9, label=name, **filled)
        axes.set(xlabel=label, yscale="log")
        axes.locator_params(axis="x", nbins=5)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"{DISTANCE}, logarithmic")
    handles = panels[1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=5, title="filled: on the front")
    said = "; ".join(
        f"{name}: {weights:,} weights, {ms:.2f} ms, {distance:.3f}"
        for name, (weights, ms, distance) in students.items()
    )
    show(figure, alt=f"Students by size, latency and distance to the truth. {said}. On the front: {', '.join(front)}.")
    return front
