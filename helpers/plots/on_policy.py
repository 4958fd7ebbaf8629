"""Lab 07's figures: distance by position, arms over seeds, legality beside coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from helpers.plots.drawing import COLORS, lines, show

MARKERS = "os^DvXP*"


def distance_by_position(
    on_given_rows: Sequence[float], on_its_own: Sequence[float], still_legal: Sequence[float]
) -> None:
    """Show a student's distance from the truth at each position, on two kinds of rows, and how many rows stay legal.

    Each has one entry for each prediction, from the second token on; NaN where too few rows are left.
    """
    figure, (distance, legal) = plt.subplots(1, 2, figsize=(8.5, 3.4), layout="constrained")
    places = range(1, len(on_given_rows) + 1)
    lines(distance, places, {"on the language's rows": on_given_rows, "on its own rows": on_its_own})
    distance.set(xlabel="position of the predicted token", ylabel="distance from the truth (nats)", ylim=(0, None))
    legal.plot(places, still_legal, color=COLORS[2])
    legal.set(xlabel="position", ylabel="share of its rows that are still legal", ylim=(0, 1.02))
    legal.grid(alpha=0.3)
    kept = f"{still_legal[len(still_legal) // 2]:.0%} half-way and {still_legal[-1]:.0%} at the end"
    show(
        figure,
        alt="Two plots by position. Left: the student's distance from the truth, on the language's rows and on its own "
        f"rows so far as they are legal. Right: the share of its own rows that are still legal, {kept}.",
    )


def arms_over_seeds(distances: Mapping[str, Sequence[float]]) -> None:
    """Show each arm's distance from the truth, a mark for each seed, on a logarithmic axis."""
    figure, axes = plt.subplots(figsize=(8.5, 0.42 * len(distances) + 1), layout="constrained")
    for place, (name, values) in enumerate(distances.items()):
        colour = COLORS[list(distances).index(name) % 6]
        axes.plot(values, [place] * len(values), MARKERS[place % len(MARKERS)], color=colour, markersize=7)
    axes.set(yticks=range(len(distances)), yticklabels=list(distances), ylim=(len(distances) - 0.5, -0.5))
    axes.set(xscale="log", xlabel="distance from the truth (nats per token, logarithmic); a mark for each seed")
    axes.grid(axis="x", alpha=0.3, which="both")
    told = "; ".join(f"{name}: {', '.join(f'{value:.3f}' for value in values)}" for name, values in distances.items())
    show(figure, alt=f"Marks: the distance from the truth in nats per token, for each seed. {told}.")


def legality_and_coverage(students: Mapping[str, tuple[float, float]], most: int) -> None:
    """Show the share of legal rows against the number of different words that a student's rows contain.

    students: by name, both numbers. most: how many words the truth's rows contain.
    """
    figure, axes = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
    for place, (name, (legal, words)) in enumerate(students.items()):
        axes.plot([legal], [words], MARKERS[place % len(MARKERS)], color=COLORS[place % 7], markersize=9, label=name)
    axes.axhline(most, linestyle=":", color="gray")
    axes.set(xlabel="share of its rows that are legal", ylabel="different words in 400 rows", xlim=(-0.03, 1.03))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4)
    told = "; ".join(f"{name}: {legal:.0%} legal, {words:.0f} words" for name, (legal, words) in students.items())
    show(figure, alt=f"Marks: share of legal rows, and different words in 400 rows (the truth: {most}). {told}.")
