"""Lab 06's figures: what a student learns from each kind of access to its teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from helpers.plots.drawing import COLORS, show


def what_an_api_returns(distances: Mapping[str, Sequence[float]]) -> None:
    """Show the distance to the truth of every run, for each kind of access, from near to far on a log scale."""
    figure, axes = plt.subplots(figsize=(8.5, 3.6), layout="constrained")
    for place, values in enumerate(distances.values()):
        axes.plot(values, [place] * len(values), "|", color=COLORS[0], markersize=20, markeredgewidth=2.5)
    axes.set(xscale="log", xlabel="distance to the truth, nats per token (log scale; left is better)")
    axes.set(yticks=range(len(distances)), yticklabels=list(distances), ylim=(len(distances) - 0.5, -0.5))
    axes.grid(axis="x", which="both", alpha=0.3)
    said = "; ".join(f"{name}: {', '.join(f'{value:.3f}' for value in found)}" for name, found in distances.items())
    show(figure, alt=f"A stroke for each of three seeds, at the student's distance to the truth. {said}.")
