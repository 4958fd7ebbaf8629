"""Draw the labs' pictures into docs/figures/: each as SVG, and as the PNG that travels inside the notebooks.

    make figures

All text stands on a filled shape, so the pictures are read on a light and on a dark page alike. The PNG is needed since
Colab shows no SVG in a text cell; Chromium makes it.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import torch
from PIL import Image

from benchmarks.browser import chromium
from helpers.data.teacher_logits import load_teacher_logits, readable

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "figures"
WIDTH, SCALE = 900, 1.5
# Fill and ink of each part: Okabe and Ito's colours, with the ink that reads best on them.
TEACHER, STUDENT, LOSS, WARN = (
    ("#0072B2", "#ffffff"),
    ("#E69F00", "#000000"),
    ("#009E73", "#000000"),
    ("#D55E00", "#000000"),
)
DATA, NOTE, MUTED = ("#4A4D58", "#ffffff"), ("#2B2D36", "#ffffff"), ("#8A8A94", "#000000")
LINE = "#8A8A94"  # of arrows: visible on white and on black
Colours = tuple[str, str]


class Drawing:
    """An SVG of a fixed width, from boxes, arrows and bars."""

    def __init__(self, height: int, title: str) -> None:
        self.height, self.title, self.parts = height, title, [_MARKER]

    def box(self, x: float, y: float, width: float, lines: str, colours: Colours = DATA, *, height: float = 0) -> None:
        """A filled box with lines of text in its middle."""
        fill, ink = colours
        texts = lines.split("\n")
        height = height or 22 * len(texts) + 14
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}"/>')
        first = y + height / 2 - 11 * (len(texts) - 1) + 5.5
        for place, text in enumerate(texts):
            weight = ' font-weight="600"' if place == 0 else ""
            self.parts.append(
                f'<text x="{x + width / 2}" y="{first + 22 * place}" fill="{ink}"{weight}>{escape(text)}</text>'
            )

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """A line through points, with a head at the end."""
        path = "M" + " L".join(f"{x},{y}" for x, y in points)
        dashes = ' stroke-dasharray="7 5"' if dashed else ""
        self.parts.append(
            f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="2.5"{dashes} marker-end="url(#head)"/>'
        )

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A bar without text."""
        self.parts.append(f'<rect x="{x}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>')

    def svg(self) -> str:
        """Return the whole picture."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
        head += f'height="{self.height}" font-family="system-ui, Segoe UI, Roboto, DejaVu Sans, sans-serif" '
        head += 'font-size="13.5" text-anchor="middle" role="img">'
        return "\n".join([head, f"<title>{escape(self.title)}</title>", *self.parts, "</svg>"]) + "\n"


_MARKER = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    f'orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" fill="{LINE}"/></marker></defs>'
)


def teacher_student() -> Drawing:
    """Lab 01: what a student learns from, a hard label and the teacher's distribution."""
    drawing = Drawing(330, "A student learns from a hard label and from a teacher's whole distribution")
    entry = load_teacher_logits()["She drank a cup of hot"]
    shares = torch.softmax(entry.logits.double(), -1)[:5].tolist()
    drawing.box(20, 20, 190, "text\n“She drank a cup of hot”")
    drawing.arrow((210, 49), (268, 49))
    drawing.box(270, 20, 190, "Teacher\nlarge, accurate, frozen", TEACHER)
    drawing.arrow((460, 49), (518, 49))
    drawing.box(520, 12, 360, "", NOTE, height=166)
    drawing.box(530, 16, 340, "soft target: a probability for every token", NOTE, height=30)
    for place, (token, share) in enumerate(zip(entry.tokens, shares, strict=False)):
        y = 48 + 25 * place
        drawing.box(530, y, 100, readable(token), NOTE, height=22)
        drawing.bar(636, y + 3, 170 * share / shares[0], 16, TEACHER[0])
        drawing.box(812, y, 60, f"{share:.2f}", NOTE, height=22)
    drawing.arrow((115, 78), (115, 228))
    drawing.box(20, 230, 190, "hard label\n“chocolate”, nothing else", DATA)
    drawing.box(470, 230, 190, "Student\nsmall, fast, learning", STUDENT)
    drawing.arrow((210, 259), (468, 259))
    drawing.arrow((700, 178), (700, 200), (565, 200), (565, 228))
    drawing.box(262, 268, 156, "learns from both", NOTE)
    drawing.arrow((660, 259), (718, 259))
    drawing.box(720, 230, 160, "you run only this\ncheaper and faster", LOSS)
    return drawing


def two_paths() -> Drawing:
    """Lab 02: the soft and the hard path of the loss."""
    drawing = Drawing(330, "The two paths of the distillation loss")
    drawing.box(20, 20, 150, "Teacher\nlogits", TEACHER)
    drawing.box(20, 136, 150, "Student\nlogits", STUDENT)
    drawing.box(20, 252, 150, "labels\nthe next tokens", DATA)
    drawing.box(220, 20, 170, "divide by T\nsoftmax", TEACHER)
    drawing.box(220, 104, 170, "divide by T\nlog-softmax", STUDENT)
    drawing.box(220, 188, 170, "T = 1\nlog-softmax", STUDENT)
    drawing.arrow((170, 49), (218, 49))
    drawing.arrow((170, 156), (218, 135))
    drawing.arrow((170, 172), (218, 210))
    drawing.box(440, 60, 170, "soft loss\nKL(teacher ‖ student)", LOSS)
    drawing.box(440, 220, 170, "hard loss\ncross-entropy", LOSS)
    drawing.arrow((390, 49), (438, 78))
    drawing.arrow((390, 133), (438, 102))
    drawing.arrow((390, 217), (438, 240))
    drawing.arrow((170, 281), (400, 281), (438, 260))
    drawing.arrow((610, 89), (668, 89))
    drawing.box(670, 72, 90, "× α · T²", NOTE)
    drawing.arrow((610, 249), (668, 249))
    drawing.box(670, 231, 90, "× (1 − α)", NOTE)
    drawing.box(800, 140, 80, "sum\nloss", LOSS)
    drawing.arrow((760, 90), (840, 90), (840, 138))
    drawing.arrow((760, 249), (840, 249), (840, 200))
    drawing.box(410, 148, 340, "gradients flow back to the student only", NOTE)
    return drawing


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


def perplexity_average() -> Drawing:
    """Lab 04: what a perplexity averages: tokens, not batches."""
    drawing = Drawing(330, "A perplexity averages over all predicted tokens, not over batches")
    rows = (
        (("She", 0), ("felt", 0.9), ("happy", 0.5), ("<end>", 0.2)),
        (("He", 0), ("saw", 1.6), ("<pad>", 0), ("<pad>", 0)),
    )
    for row, tokens in enumerate(rows):
        y = 90 + 130 * row
        drawing.box(10, y, 90, f"row {row + 1}", NOTE)
        for place, (token, cost) in enumerate(tokens):
            x = 110 + 94 * place
            counted = cost > 0
            drawing.box(x, y, 84, token, LOSS if counted else MUTED)
            if counted:
                drawing.bar(x + 24, y - 6 - 42 * cost, 36, 42 * cost, STUDENT[0])
            elif place == 0:
                drawing.box(x, y + 40, 84, "no guess", NOTE, height=24)
            else:
                drawing.box(x, y + 40, 84, "padding", NOTE, height=24)
    drawing.box(110, 6, 366, "bars: −log p of each token, in nats", NOTE, height=30)
    drawing.arrow((490, 175), (538, 175))
    drawing.box(540, 120, 150, "add all bars\ndivide by 4,\nthe number of bars", STUDENT, height=110)
    drawing.arrow((690, 175), (738, 175))
    drawing.box(740, 132, 150, "exp(mean)\n= perplexity", LOSS, height=86)
    drawing.box(540, 270, 350, "not: the mean of each row's mean", WARN, height=36)
    return drawing


def reasoning_pipeline() -> Drawing:
    """Lab 05: from problems to a student that reasons."""
    drawing = Drawing(250, "The pipeline of chain-of-thought distillation")
    drawing.box(10, 30, 130, "problems\nwith answers")
    drawing.box(180, 30, 130, "Teacher\nwrites traces", TEACHER)
    drawing.box(350, 30, 150, "verify\nanswer and steps", LOSS)
    drawing.box(540, 30, 140, "compact\nequations only", LOSS)
    drawing.box(720, 30, 160, "make examples\nquestion masked", DATA)
    for x in (140, 310, 500, 680):
        drawing.arrow((x, 59), (x + 38, 59))
    drawing.arrow((425, 88), (425, 138))
    drawing.box(340, 140, 170, "dropped\nwrong answer or step", WARN)
    drawing.arrow((800, 88), (800, 138))
    drawing.box(720, 140, 160, "Student\ntrains on them", STUDENT)
    drawing.arrow((720, 169), (692, 169))
    drawing.box(540, 140, 150, "compare\nwith the control", NOTE)
    drawing.arrow((75, 88), (75, 222), (615, 222), (615, 200), dashed=True)
    drawing.box(110, 206, 200, "held-out problems", NOTE, height=32)
    return drawing


# --------------------------------------------------------------------------------------------- drawn from real runs

PANELS = {
    "healthy": "healthy",
    "overfitting": "overfitting: 24 rows, read over and over",
    "rate_too_high": "learning rate too high",
    "forgotten_zero_grad": "zero_grad() forgotten",
}


def read_your_curve() -> Drawing:
    """Lab 03: four real runs, each with its loss on the training rows and on held-out rows."""
    runs = json.loads((ROOT / "results" / "read_your_curve.json").read_text(encoding="utf-8"))["runs"]
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


FIGURES: dict[str, Callable[[], Drawing]] = {
    drawing.__name__: drawing
    for drawing in (teacher_student, two_paths, shift, perplexity_average, reasoning_pipeline, read_your_curve)
}


def main() -> None:
    """Draw all pictures."""
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        page = browser.new_page(device_scale_factor=SCALE)
        for name, draw in FIGURES.items():
            drawing = draw()
            (FOLDER / f"{name}.svg").write_text(drawing.svg(), encoding="utf-8")
            page.set_viewport_size({"width": WIDTH, "height": drawing.height})
            page.set_content(f'<body style="margin:0">{drawing.svg()}</body>')
            picture = Image.open(io.BytesIO(page.screenshot(omit_background=True)))
            few = picture.convert("RGBA").quantize(64, method=Image.Quantize.FASTOCTREE)
            few.save(FOLDER / f"{name}.png", optimize=True)
            print(f"docs/figures/{name}.svg and .png")


if __name__ == "__main__":
    main()
