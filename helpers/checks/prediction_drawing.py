"""A drawn guess beside the true curve, as an image that needs no kernel."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

from helpers.checks.guesses import POINTS, grid
from helpers.dark_theme import image

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 260, 56, 16, 14, 44
INK = "#333333"
GUESS, TRUTH = "#E69F00", "#0072B2"


def drawn(record: dict[str, Any]) -> str:
    """Return the guess and the truth of a curve as an HTML image with alt text."""
    alt = f"{record['axes']['y'][0]} against {record['axes']['x'][0]}: the true curve"
    alt += " and your guess." if record.get("guess") is not None else "."
    data = base64.b64encode(_svg(record).encode()).decode()
    return image(f"data:image/svg+xml;base64,{data}", WIDTH, alt) + "<p>Solid: the true curve. Dashed: your guess.</p>"


def _svg(record: dict[str, Any]) -> str:
    x_label, *_ = record["axes"]["x"]
    y_label, low, high, *_ = record["axes"]["y"]
    known = [record[key] for key in ("guess", "truth") if record.get(key) is not None]
    low, high = min(low, *map(min, known)), max(high, *map(max, known))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (bottom - TOP)

    def line(heights: Sequence[float], colour: str, dashes: str) -> str:
        step = (right - LEFT) / (POINTS - 1)
        points = " ".join(f"{LEFT + place * step:.1f},{y(height):.1f}" for place, height in enumerate(heights))
        return (
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="3" stroke-dasharray="{dashes}"/>'
        )

    def text(x: float, y: float, anchor: str, content: str, more: str = "") -> str:
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}" {more}>{escape(content)}</text>'

    places = grid(record["axes"]["x"])
    parts = ['<rect width="100%" height="100%" fill="white"/>']
    parts.append(f'<path d="M{LEFT},{TOP} V{bottom} H{right}" fill="none" stroke="{INK}"/>')
    parts += [text(LEFT - 6, y(value) + 4, "end", f"{value:.3g}") for value in (low, (low + high) / 2, high)]
    for index in (0, POINTS // 2, POINTS - 1):
        x = LEFT + index * (right - LEFT) / (POINTS - 1)
        parts.append(text(x, bottom + 16, "middle", f"{places[index]:.3g}"))
    parts.append(text((LEFT + right) / 2, HEIGHT - 8, "middle", x_label))
    middle = (TOP + bottom) / 2
    parts.append(text(14, middle, "middle", y_label, f'transform="rotate(-90 14 {middle:.1f})"'))
    parts.append(line(record["truth"], TRUTH, ""))
    if record.get("guess") is not None:
        parts.append(line(record["guess"], GUESS, "8 5"))
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{"".join(parts)}</svg>'
