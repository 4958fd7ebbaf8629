"""Lab 07: whose text the loss is computed on."""

from __future__ import annotations

from scripts.figures.drawing import DATA, LOSS, NOTE, STUDENT, TEACHER, WARN, Drawing


def on_policy_loop() -> Drawing:
    """Lab 07: off-policy and on-policy distillation; only the source of the text differs."""
    drawing = Drawing(430, "Off-policy and on-policy distillation differ in who writes the text")
    for top, title, writer, colours in (
        (10, "off-policy", "people, or\nthe teacher", DATA),
        (225, "on-policy", "the student\nsamples at T = 1", STUDENT),
    ):
        drawing.box(10, top, 120, title, NOTE, height=30)
        drawing.box(10, top + 62, 150, writer, colours, height=76)
        drawing.arrow((160, top + 100), (198, top + 100))
        drawing.box(200, top + 78, 90, "text", DATA, height=44)
        drawing.arrow((290, top + 90), (326, top + 62))
        drawing.arrow((290, top + 110), (326, top + 138))
        drawing.box(328, top + 36, 170, "teacher reads:\nprobabilities p", TEACHER, height=58)
        drawing.box(328, top + 108, 170, "student reads:\nprobabilities q", STUDENT, height=58)
        drawing.arrow((498, top + 64), (538, top + 92))
        drawing.arrow((498, top + 136), (538, top + 108))
        drawing.box(540, top + 70, 150, "divergence\nof p and q", LOSS, height=62)
        drawing.arrow((690, top + 100), (728, top + 100))
        drawing.box(730, top + 70, 160, "one step of\nthe student", STUDENT, height=62)
    drawing.arrow((810, 357), (810, 410), (85, 410), (85, 365), dashed=True)
    drawing.box(330, 396, 250, "the next text is another one", WARN, height=30)
    return drawing
