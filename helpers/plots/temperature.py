"""Lab 01's figures: distributions over tokens, and what a temperature does to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from helpers.plots.drawing import bars, lines, show


def distributions(names: Sequence[str], rows: Mapping[str, Sequence[float]], title: str = "") -> None:
    """Show bars of probabilities: a group for each token, with a bar for each distribution.

    rows: for each distribution, by its text in the legend, one probability per token.
    """
    figure, axes = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
    bars(axes, names, rows)
    axes.set(xlabel="next token", ylabel="probability", title=title)
    values = "; ".join(f"{name}: {', '.join(f'{p:.2f}' for p in row)}" for name, row in rows.items())
    show(figure, alt=f"{title or 'Probabilities'}: bars for the tokens {', '.join(names)}. {values}.")


def against_temperature(
    temperatures: Sequence[float], curves: Mapping[str, Sequence[float]], limit: float, name: str, choices: bool = False
) -> None:
    """Show a measure of each sentence's distribution against the temperature, and its value for equal tokens.

    limit: the measure of a distribution whose tokens are equally likely. choices: whether to add an axis with exp(H),
    where the measure is an entropy H.
    """
    figure, axes = plt.subplots(figsize=(8.5, 4), layout="constrained")
    lines(axes, temperatures, {**curves, "all tokens equal": [limit] * len(temperatures)})
    axes.set(xscale="log", xlabel="temperature T (log scale)", ylabel=name, ylim=(0, 1.04 * limit))
    axes.xaxis.set_major_formatter("{x:g}")
    if choices:
        right = axes.secondary_yaxis("right", functions=(np.exp, np.log))
        right.set(ylabel="effective number of choices", yticks=[1, 2, 5, 10, 20, 50])
    marked = (0, len(temperatures) // 2, len(temperatures) - 1)
    values = "; ".join(
        f"“{sentence}”: " + ", ".join(f"{curve[i]:.2f} at T = {temperatures[i]:g}" for i in marked)
        for sentence, curve in curves.items()
    )
    show(figure, alt=f"Lines: the {name} against the temperature. {values}.")


def share_of_the_stored(temperatures: Sequence[float], shares: Mapping[str, Sequence[float]]) -> None:
    """Show, for each sentence, the share of the whole distribution that its stored tokens hold at each temperature."""
    figure, axes = plt.subplots(figsize=(8.5, 4), layout="constrained")
    lines(axes, temperatures, shares, marker="o")
    axes.set(xscale="log", xlabel="temperature T (log scale)", ylim=(0, 1.03))
    axes.set_ylabel("share of the 50 most likely tokens")
    grid = [f"{t:g}" for t in temperatures]
    axes.set_xticks(temperatures, grid)
    axes.minorticks_off()
    values = "; ".join(f"“{sentence}”: {', '.join(f'{s:.2f}' for s in row)}" for sentence, row in shares.items())
    show(figure, alt=f"Lines: the share of the 50 most likely tokens at T = {', '.join(grid)}. {values}.")
