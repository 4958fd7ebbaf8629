"""Lab 08's figures: tokens a round against acceptance, speed-up against γ, and the speed of real models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from helpers.plots.drawing import COLORS, HATCHES, lines, show

MARKERS = "os^DvXP"


def tokens_by_acceptance(runs: Mapping[str, Sequence[tuple[float, float]]], formula: Sequence[float]) -> None:
    """Show each run's tokens a round over its acceptance, as a point, and a formula's values from acceptance 0 to 1."""
    grid = [place / (len(formula) - 1) for place in range(len(formula))]
    figure, axes = plt.subplots(figsize=(8.5, 3.6), layout="constrained")
    axes.plot(grid, formula, color="grey", linestyle="--", label="formula: equal and independent")
    for place, (name, points) in enumerate(runs.items()):
        across, up = zip(*points, strict=True)
        axes.plot(across, up, MARKERS[place], color=COLORS[place], label=name)
    axes.set(xlabel="acceptance, mean of Σ min(p, q)", ylabel="tokens a round", xlim=(0.5, 1.01))
    axes.grid(alpha=0.3)
    axes.legend()
    said = "; ".join(f"{name} " + ", ".join(f"{a:.2f} → {n:.2f}" for a, n in points) for name, points in runs.items())
    show(figure, alt=f"A point for each run, acceptance → tokens a round: {said}. The dashed line is the formula.")


def speed_by_gamma(gammas: Sequence[int], speeds: Mapping[str, Sequence[float]]) -> None:
    """Show speed-ups against the number of drafted tokens, and plain generation as a dotted line."""
    figure, axes = plt.subplots(figsize=(8.5, 3.2), layout="constrained")
    lines(axes, gammas, speeds, marker="o")
    axes.axhline(1, color="black", linestyle=":", label="plain generation")
    axes.set(xlabel="γ, drafted tokens in a round", ylabel="speed-up", xticks=gammas)
    axes.set_ylim(bottom=0)
    axes.legend()
    said = "; ".join(f"{name}: {', '.join(f'{s:.2f}' for s in row)}" for name, row in speeds.items())
    show(figure, alt=f"Lines: the speed-up for γ = {', '.join(map(str, gammas))}. {said}. Plain generation is at 1.")


def real_speeds(speeds: Mapping[str, Mapping[str, float]]) -> None:
    """Show, in a panel for each way of decoding, each draft's speed-up over plain generation."""
    figure, panels = plt.subplots(1, len(speeds), figsize=(9, 3.2), layout="constrained", sharex=True)
    for axes, (mode, found) in zip(panels, speeds.items(), strict=True):
        for place, value in enumerate(found.values()):
            axes.barh(place, value, color=COLORS[place], hatch=HATCHES[place], edgecolor="black", linewidth=0.6)
            axes.text(value, place, f" {value:.2f}", va="center")
        axes.axvline(1, color="black", linestyle=":")
        axes.set(title=mode, xlabel="speed-up over plain generation", yticks=range(len(found)))
        axes.set(yticklabels=list(found), ylim=(len(found) - 0.5, -0.5), xlim=(0, 1.2 * max(1.0, *found.values())))
        axes.grid(axis="x", alpha=0.3)
    said = "; ".join(
        f"{mode}: " + ", ".join(f"{n} {v:.2f}" for n, v in found.items()) for mode, found in speeds.items()
    )
    show(figure, alt=f"Bars: the speed-up of each draft over plain generation, which is at 1. {said}.")
