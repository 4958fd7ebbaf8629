"""Lab 04: what a perplexity averages."""

from __future__ import annotations

from scripts.figures.drawing import LOSS, MUTED, NOTE, STUDENT, WARN, Drawing


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
