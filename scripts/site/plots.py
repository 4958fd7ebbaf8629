"""The plots of the page of measured figures, drawn from results/ alone: the same files give the same pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots.drawing import COLORS
from scripts.lecture_figures import figures
from scripts.site.outputs import ROOT

matplotlib.rcParams.update({"svg.hashsalt": "distillab", "svg.fonttype": "none", "font.family": "sans-serif"})


def result(name: str) -> dict[str, Any]:
    """Return what results/ holds under a name."""
    return json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))


def distance_from_the_truth(axes: Axes) -> str:
    """One dot for each seed, a line at the mean."""
    arms = result("tiny_distillation")["arms"]
    for place, arm in enumerate(arms.values()):
        values = [run["distance"] for run in arm["runs"]]
        axes.scatter(values, [place] * len(values), s=46, color=COLORS[place], edgecolor="black", zorder=3)
        axes.plot([arm["distance"]["mean"]] * 2, [place - 0.25, place + 0.25], color="black", linewidth=2)
    axes.set_yticks(range(len(arms)), list(arms))
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlabel("distance from the truth, nats per token (0 is perfect)")
    axes.set_xlim(left=0)
    said = ", ".join(f"{name} {arm['distance']['mean']:.3f}" for name, arm in arms.items())
    return f"Mean distance from the truth in nats per token: {said}. Dots are single seeds."


def reasoning(axes: Axes) -> str:
    """Accuracy of each way to train, with its interval."""
    found = result("chain_of_thought")
    arms = {"student before": found["student before"], **found["arms"]}
    for place, arm in enumerate(arms.values()):
        accuracy = arm["accuracy"]
        axes.plot([accuracy["low"], accuracy["high"]], [place, place], color="black", linewidth=2)
        axes.scatter([accuracy["value"]], [place], s=60, color=COLORS[2], edgecolor="black", zorder=3)
    axes.set_yticks(range(len(arms)), list(arms))
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlabel("share of held-out problems solved, with 95 % interval")
    axes.set_xlim(0, 1)
    said = ", ".join(f"{name} {arm['accuracy']['value']:.0%}" for name, arm in arms.items())
    return f"Share of held-out word problems solved: {said}."


def sweep(axes: Axes) -> str:
    """Distance from the truth at each temperature."""
    found = result("tiny_sweep")
    points = [(t, found["arms"][name]["distance"]) for t, name in found["sweeps"]["temperature"]]
    xs = [t for t, _ in points]
    means = [distance["mean"] for _, distance in points]
    below = [distance["mean"] - distance["low"] for _, distance in points]
    above = [distance["high"] - distance["mean"] for _, distance in points]
    axes.errorbar(xs, means, yerr=[below, above], marker="o", color=COLORS[0], capsize=4, linewidth=2)
    axes.set_xlabel("temperature T, at α = 0.5")
    axes.set_ylabel("distance, nats per token")
    axes.set_ylim(bottom=0)
    said = ", ".join(f"{mean:.3f} at T = {t:g}" for t, mean in zip(xs, means, strict=True))
    return f"Distance from the truth, mean and range of the seeds: {said}."


def _pair(axes: Axes, names: list[str], values: list[float], label: str) -> None:
    axes.barh(names, values, color=COLORS[: len(names)], edgecolor="black", hatch=["", "///", "..."][: len(names)])
    for place, value in enumerate(values):
        axes.annotate(f" {value:g}", (value, place), va="center")
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel(label)


def throughput(axes: Axes) -> str:
    """How many times faster the trainer is than two other loops."""
    ratios = result("training_speed")["ratios"]["speed"]
    names = ["the usual padded loop", "TRL's GKDTrainer"]
    values = [ratios[other]["distill, kept answers, two passes"] for other in ("padded loop", "trl")]
    _pair(axes, names, values, "times as many useful tokens per second as …")
    return (
        f"Over two epochs the trainer is {values[0]:g} times as fast as {names[0]}, {values[1]:g} times as {names[1]}."
    )


def memory(axes: Axes) -> str:
    """Peak memory of the loss."""
    found = result("loss_memory")
    values = [found["plain"]["peak_mb"], found["chunked"]["peak_mb"]]
    _pair(axes, ["plain formula", "in chunks"], values, "peak memory of the loss, MB")
    tokens, vocabulary = found["setting"]["tokens"], found["setting"]["vocabulary"]
    size = f"{tokens:,} tokens and {vocabulary:,} entries"
    return f"Peak memory for {size}: {values[0]:g} MB plain, {values[1]:g} MB in chunks."


def grading(axes: Axes) -> str:
    """Submissions graded per minute."""
    found = result("grading")
    values = [round(found["ours"]["per_minute"], 1), round(found["stock"]["per_minute"], 1)]
    _pair(axes, ["distillab grade", "nbgrader autograde"], values, "submissions graded per minute, same marks")
    return f"Submissions per minute: {values[0]:g} with distillab grade, {values[1]:g} with nbgrader autograde."


def _slide(name: str) -> Callable[[Axes], str]:
    """Return the function that draws a figure of the lecture: a dot for each seed, a line at the mean."""

    def draw(axes: Axes) -> str:
        figure = figures()[name]
        for place, (_, values) in enumerate(figure["rows"]):
            axes.scatter(values, [place] * len(values), s=46, color=COLORS[place % 6], edgecolor="black", zorder=3)
            axes.plot([mean(values)] * 2, [place - 0.25, place + 0.25], color="black", linewidth=2)
        axes.set_yticks(range(len(figure["rows"])), [row for row, _ in figure["rows"]])
        axes.set_ylim(len(figure["rows"]) - 0.5, -0.5)
        axes.set_xlabel(figure["label"])
        if figure["log"]:
            axes.set_xscale("log")
        else:
            axes.axvline(figure["reference"], color="black", linestyle="--")
            axes.set_xlim(left=0)
        said = "; ".join(f"{row}: {mean(values):.2g}" for row, values in figure["rows"])
        return f"{figure['label'].partition(' (')[0].capitalize()}, mean of the seeds. {said}. Dots are single seeds."

    return draw


# Each plot, with its heading on the page and its height in inches.
PLOTS: dict[str, tuple[str, float, Callable[[Axes], str]]] = {
    "distance": ("Does a teacher help?", 2.2, distance_from_the_truth),
    "temperature": ("Which temperature?", 3.0, sweep),
    "reasoning": ("Is reasoning worth distilling?", 3.2, reasoning),
    "access": ("What does an API's answer teach?", 2.6, _slide("access")),
    "writers": ("Whose text to learn from?", 2.6, _slide("writers")),
    "drafts": ("Does a trained draft pay?", 2.1, _slide("drafts")),
    "cuts": ("Which layers to keep?", 2.6, _slide("cuts")),
    "throughput": ("How fast is the trainer?", 1.7, throughput),
    "memory": ("How much memory does the loss take?", 1.7, memory),
    "grading": ("How fast is the grader?", 1.7, grading),
}


def draw_plots(folder: Path) -> dict[str, str]:
    """Draw every plot as SVG into `folder`; return the text beside each."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {}
    for name, (_, height, draw) in PLOTS.items():
        figure = Figure(figsize=(7.5, height), layout="constrained")
        axes = figure.subplots()
        texts[name] = draw(axes)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    return texts
