"""Lab 03: the shift, and four curves drawn from real runs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from scripts.figures.drawing import DATA, LINE, LOSS, MUTED, NOTE, STUDENT, Drawing

RUNS = Path(__file__).parents[2] / "results" / "read_your_curve.json"


def shift() -> Drawing:
    """Lab 03: the logits at a position predict the next token; padding is not counted."""
    drawing = Drawing(270, "The shift: logits at position t are compared with the token at t + 1")
    tokens = ["She", "felt", "very", "happy", "<end>", "<pad>", "<pad>"]
    left, step, size = 130, 108, 96
    drawing.box(10, 24, 110, "input_ids", NOTE)
    drawing.box(10, 120, 110, "logits", NOTE)
    drawing.box(10, 216, 110, "label", NOTE)
    for place, token in enumerate(tokens):
        x, is_padding = left + step * place, token == "<pad>"
        is_last = place == len(tokens) - 1
        drawing.box(x, 24, size, token, MUTED if is_padding else DATA)
        drawing.box(x, 120, size, f"logits {place}", MUTED if is_padding or is_last else STUDENT)
        drawing.arrow((x + size / 2, 60), (x + size / 2, 118))
        if is_last:
            drawing.box(x, 216, size, "dropped", MUTED)
            continue
        target = tokens[place + 1]
        drawing.box(x, 216, size, "−100" if target == "<pad>" else target, MUTED if target == "<pad>" else LOSS)
        drawing.arrow((x + size / 2, 156), (x + size / 2, 214))
        if target != "<pad>":
            drawing.arrow((x + step + 10, 62), (x + size - 12, 214), dashed=True)
    return drawing


PANELS = {
    "healthy": "healthy",
    "overfitting": "overfitting: 24 rows, read over and over",
    "rate_too_high": "learning rate too high",
    "forgotten_zero_grad": "zero_grad() forgotten",
}


def read_your_curve() -> Drawing:
    """Lab 03: four real runs, each with its loss on the training rows and on held-out rows."""
    runs = json.loads(RUNS.read_text(encoding="utf-8"))["runs"]
    drawing = Drawing(520, "Four training curves: healthy, overfitting, learning rate too high, zero_grad() forgotten")
    for place, (name, title) in enumerate(PANELS.items()):
        x, y = 8 + 448 * (place % 2), 8 + 256 * (place // 2)
        drawing.box(x, y, 436, "", NOTE, height=248)
        drawing.box(x + 10, y + 6, 416, title, NOTE, height=30)
        _panel(drawing, x + 56, y + 44, runs[name])
    return drawing


def _panel(drawing: Drawing, x: float, y: float, run: dict) -> None:
    """Draw one run; each panel has its own scale, from 0."""
    width, height, steps = 356, 150, run["steps"]
    high = math.ceil(max(run["train"] + run["held_out"]))
    ink = NOTE[1]
    drawing.parts.append(f'<path d="M{x},{y} V{y + height} H{x + width}" fill="none" stroke="{LINE}"/>')
    for value in (0, high / 2, high):
        tick = y + height * (1 - value / high) + 5
        drawing.parts.append(
            f'<text x="{x - 8}" y="{tick:.1f}" fill="{ink}" text-anchor="end" font-size="13">{value:.1f}</text>'
        )
    for key, colour, dashes, label in (
        ("train", STUDENT[0], "", "training"),
        ("held_out", "#56B4E9", "8 5", "held-out"),
    ):
        line = _polyline(steps, run[key], (x, y, width, height), high)
        drawing.parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"/>'
        )
        at = x + 60 if key == "train" else x + 210
        drawing.parts.append(
            f'<path d="M{at},{y + height + 44} h34" stroke="{colour}" stroke-width="3" stroke-dasharray="{dashes}"/>'
            f'<text x="{at + 40}" y="{y + height + 49}" fill="{ink}" text-anchor="start" font-size="13">{label}</text>'
        )
    drawing.parts.append(
        f'<text x="{x + width / 2}" y="{y + height + 20}" fill="{ink}" font-size="13">step (0 to {steps[-1]}); '
        "loss in nats a token</text>"
    )


def _polyline(steps: Sequence[int], losses: Sequence[float], box: tuple[float, ...], high: float) -> str:
    x, y, width, height = box
    points = (
        (x + width * step / steps[-1], y + height * (1 - min(loss, high) / high))
        for step, loss in zip(steps, losses, strict=True)
    )
    return " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
