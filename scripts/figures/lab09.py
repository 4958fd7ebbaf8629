"""Lab 09: four ways to get a student."""

from __future__ import annotations

from scripts.figures.drawing import LOSS, MUTED, NOTE, STUDENT, TEACHER, WARN, Drawing

BAR, STEP = 26, 34  # height of a layer, and from one to the next


def student_shapes() -> Drawing:
    """Lab 09: a teacher's layers, and students that are cut in depth, cut in width, new, or another model."""
    drawing = Drawing(330, "A teacher of six layers and four ways to get a student")
    columns = (
        (10, "the teacher", [150] * 6, TEACHER, set()),
        (190, "cut in depth", [150] * 6, STUDENT, {1, 3, 4}),
        (370, "cut in width", [75] * 6, STUDENT, set()),
        (550, "new, any shape", [110] * 4, LOSS, set()),
        (730, "another model", [130] * 5, WARN, set()),
    )
    notes = ("knows the task", "some layers stay", "some units stay", "random weights", "its own tokenizer")
    for (x, title, widths, colours, dropped), note in zip(columns, notes, strict=True):
        drawing.box(x, 8, 160, title, NOTE, height=32)
        for layer, width in enumerate(widths):
            y = 232 - STEP * layer
            shown = MUTED if layer in dropped else colours
            label = "dropped" if layer in dropped else f"layer {layer}"
            drawing.box(x + 5 + (150 - width) / 2, y, width, label, shown, height=BAR)
        drawing.box(x, 284, 160, note, colours, height=32)
    return drawing
