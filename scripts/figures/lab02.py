"""Lab 02: the two paths of the loss."""

from __future__ import annotations

from scripts.figures.drawing import DATA, LOSS, NOTE, STUDENT, TEACHER, Drawing


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
