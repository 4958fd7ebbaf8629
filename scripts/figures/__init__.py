"""The labs' pictures, a module for each lab."""

from __future__ import annotations

from collections.abc import Callable

from scripts.figures.drawing import Drawing
from scripts.figures.lab01 import teacher_student
from scripts.figures.lab02 import two_paths
from scripts.figures.lab03 import read_your_curve, shift
from scripts.figures.lab04 import perplexity_average
from scripts.figures.lab05 import reasoning_pipeline
from scripts.figures.lab06 import black_box
from scripts.figures.lab07 import on_policy_loop
from scripts.figures.lab08 import speculative_round
from scripts.figures.lab09 import student_shapes

FIGURES: dict[str, Callable[[], Drawing]] = {
    drawing.__name__: drawing
    for drawing in (
        teacher_student,
        two_paths,
        shift,
        read_your_curve,
        perplexity_average,
        reasoning_pipeline,
        black_box,
        on_policy_loop,
        student_shapes,
        speculative_round,
    )
}
