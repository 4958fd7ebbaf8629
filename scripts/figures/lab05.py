"""Lab 05: from problems to a student that reasons."""

from __future__ import annotations

from scripts.figures.drawing import DATA, LOSS, NOTE, STUDENT, TEACHER, WARN, Drawing


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
