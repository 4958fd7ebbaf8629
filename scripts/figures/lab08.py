"""Lab 08: a round of speculative decoding."""

from __future__ import annotations

from scripts.figures.drawing import LOSS, MUTED, NOTE, STUDENT, TEACHER, WARN, Drawing


def speculative_round() -> Drawing:
    """Lab 08: the draft proposes, the target checks all tokens in one call, the first rejection ends the round."""
    drawing = Drawing(350, "A round: four drafted tokens, one call of the target, two accepted, one replaced")
    drawing.box(10, 24, 150, "tokens so far\n“Ben walked to”")
    drawing.arrow((160, 53), (198, 53))
    drawing.box(200, 24, 150, "Draft\nfour small calls", STUDENT)
    tokens = ("the", "garden", "with", "a")
    left, step, size = 400, 122, 106
    for place, token in enumerate(tokens):
        drawing.box(left + step * place, 34, size, token, STUDENT, height=36)
        start = 350 if place == 0 else left + step * (place - 1) + size
        drawing.arrow((start, 53), (left + step * place - 2, 53))
    drawing.box(200, 126, 150, "Target\none large call", TEACHER)
    drawing.arrow((85, 82), (85, 155), (198, 155))
    for place in range(4):
        x = left + step * place
        drawing.box(x, 137, size, f"p at token {place + 1}", TEACHER, height=36)
        drawing.arrow((x + size / 2, 70), (x + size / 2, 135))
    drawing.arrow((350, 155), (398, 155))
    verdicts = (("accepted", LOSS), ("accepted", LOSS), ("rejected", WARN), ("dropped", MUTED))
    for place, (verdict, colours) in enumerate(verdicts):
        x = left + step * place
        drawing.arrow((x + size / 2, 173), (x + size / 2, 215))
        drawing.box(x, 217, size, verdict, colours, height=36)
    drawing.box(10, 217, 340, "accept x with probability min(1, p(x) / q(x))", NOTE, height=36)
    third = left + 2 * step + size / 2
    drawing.arrow((third, 253), (third, 295))
    drawing.box(left + 2 * step - 35, 297, size + 70, "“and”, a new draw\nfrom max(p − q, 0)", TEACHER, height=50)
    drawing.box(10, 304, 560, "three tokens from one call, with the target's distribution", NOTE, height=36)
    return drawing
