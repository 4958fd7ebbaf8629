"""Lab 03's figures: losses over the steps of a run, and what a student predicts before and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from helpers.live_curve import running_mean
from helpers.plots.drawing import bars, lines, show

LOSS = "loss (nats per token)"


def overfitted_batch(losses: Mapping[str, Sequence[float]]) -> None:
    """Show the losses of runs that train on one batch again and again."""
    figure, axes = plt.subplots(figsize=(8.5, 3.2), layout="constrained")
    lines(axes, range(1, len(next(iter(losses.values()))) + 1), losses)
    axes.set(xlabel="step, always on the same four rows", ylabel=LOSS)
    axes.set_ylim(bottom=0)
    values = "; ".join(f"{name}: {run[0]:.2f} to {run[-1]:.2f}" for name, run in losses.items())
    show(figure, alt=f"Lines: the loss over the steps on one batch, in nats per token. {values}.")


def training_curve(losses: Sequence[float], bound: float | None = None) -> None:
    """Show the loss of each step of a run, its running mean, and a lower bound as a dotted line if there is one."""
    mean = running_mean(losses)
    figure, axes = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
    lines(axes, range(1, len(losses) + 1), {"each step": losses, "mean of the last 20 steps": mean})
    axes.set(xlabel="step", ylabel=LOSS)
    axes.set_ylim(bottom=0)
    alt = f"The loss over {len(losses)} steps: {losses[0]:.2f} nats per token at the first step, "
    alt += f"{mean[-1]:.2f} on average over the last 20."
    if bound is not None:
        axes.axhline(bound, color="black", linestyle=":", label="lower bound, (1 − α) · H")
        axes.legend()
        alt += f" The dotted line is at {bound:.2f}."
    show(figure, alt=alt)


def next_token_chances(prompt: str, tokens: Sequence[str], chances: Mapping[str, Sequence[float]]) -> None:
    """Show as grouped bars how likely each model considers some tokens after a prompt."""
    figure, axes = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
    bars(axes, tokens, chances)
    axes.set(xlabel="next token", ylabel="probability", title=prompt)
    values = "; ".join(f"{name} {', '.join(f'{p:.2f}' for p in row)}" for name, row in chances.items())
    show(figure, alt=f"Grouped bars: the probabilities of {', '.join(tokens)}. {values}.")
