"""The labs' plots: what they share, and one function for each figure that a lab shows with a single call.

    from helpers import plots

    plots.gradient_against_temperature(temperatures, with_square, without_square, hard)

Colours differ for colour-blind readers too, every figure has alt text, and each follows a light or a dark page.
"""

from helpers.plots.drawing import COLORS, HATCHES, LINES, as_html, bars, is_graded, lines, show
from helpers.plots.loss import (
    fitted_students,
    gradient_against_temperature,
    kl_and_cross_entropy,
    soft_term_by_length,
    two_runs,
)
from helpers.plots.temperature import against_temperature, distributions, share_of_the_stored

__all__ = [
    "COLORS",
    "HATCHES",
    "LINES",
    "against_temperature",
    "as_html",
    "bars",
    "distributions",
    "fitted_students",
    "gradient_against_temperature",
    "is_graded",
    "kl_and_cross_entropy",
    "lines",
    "share_of_the_stored",
    "show",
    "soft_term_by_length",
    "two_runs",
]
