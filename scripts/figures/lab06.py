"""Lab 06: what comes through the wall of an API."""

from __future__ import annotations

from scripts.figures.drawing import DATA, LOSS, MUTED, NOTE, STUDENT, TEACHER, Drawing


def black_box() -> Drawing:
    """Lab 06: what a teacher behind an API returns, and the loss that each kind of answer leads to."""
    drawing = Drawing(300, "What a teacher behind an API returns, and what the student learns from it")
    drawing.box(10, 110, 120, "Teacher\nits weights\nstay inside", TEACHER)
    drawing.box(160, 10, 60, "API\nkey\nlimit\nprice", MUTED, height=280)
    drawing.arrow((130, 150), (158, 150))
    kinds = (
        (20, "text\none token at each place", "cross-entropy\nsupervised fine-tuning"),
        (120, "top k log-probabilities\nand what is left for the rest", "cross-entropy\nwith a bucket for the rest"),
        (220, "all logits\nonly if you run the model", "KL divergence\nlab 02"),
    )
    for place, (y, answer, loss) in enumerate(kinds):
        drawing.arrow((220, y + 29), (258, y + 29), dashed=place == 2)
        drawing.box(260, y, 230, answer, DATA)
        drawing.arrow((490, y + 29), (528, y + 29))
        drawing.box(530, y, 210, loss, LOSS)
        drawing.arrow((740, y + 29), (778, 149))
    drawing.box(780, 120, 110, "Student\ncloser to it?", STUDENT)
    drawing.box(780, 210, 110, "distance\nto the truth", NOTE)
    drawing.arrow((835, 178), (835, 208))
    return drawing
