"""Lab 01: what a student learns from."""

from __future__ import annotations

import torch

from helpers.data.teacher_logits import load_teacher_logits, readable
from scripts.figures.drawing import DATA, LOSS, NOTE, STUDENT, TEACHER, Drawing


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
