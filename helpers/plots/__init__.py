"""The labs' plots: what they share, and one function for each figure that a lab shows with a single call.

    from helpers import plots

    plots.gradient_against_temperature(temperatures, with_square, without_square, hard)

Colours differ for colour-blind readers too, every figure has alt text, and each follows a light or a dark page.
"""

from helpers.plots.access import what_an_api_returns
from helpers.plots.drawing import COLORS, HATCHES, LINES, as_html, bars, is_graded, lines, show
from helpers.plots.loss import (
    fitted_students,
    gradient_against_temperature,
    kl_and_cross_entropy,
    soft_term_by_length,
    two_runs,
)
from helpers.plots.on_policy import arms_over_seeds, distance_by_position, legality_and_coverage
from helpers.plots.perplexity import a_real_teacher, perplexities, perplexity_by_batch_size, rows_of_two_students
from helpers.plots.reasoning import accuracy_by_steps, accuracy_by_tokens, kept_by_steps, kinds_of_traces, real_model
from helpers.plots.shape import arms, at_once_and_repaired, influence_and_cost, pareto_front
from helpers.plots.speculative import real_speeds, speed_by_gamma, tokens_by_acceptance
from helpers.plots.temperature import against_temperature, distributions, share_of_the_stored
from helpers.plots.training import next_token_chances, overfitted_batch, training_curve

__all__ = [
    "COLORS",
    "HATCHES",
    "LINES",
    "a_real_teacher",
    "accuracy_by_steps",
    "accuracy_by_tokens",
    "against_temperature",
    "arms",
    "arms_over_seeds",
    "as_html",
    "at_once_and_repaired",
    "bars",
    "distance_by_position",
    "distributions",
    "fitted_students",
    "gradient_against_temperature",
    "influence_and_cost",
    "is_graded",
    "kept_by_steps",
    "kinds_of_traces",
    "kl_and_cross_entropy",
    "legality_and_coverage",
    "lines",
    "next_token_chances",
    "overfitted_batch",
    "pareto_front",
    "perplexities",
    "perplexity_by_batch_size",
    "real_model",
    "real_speeds",
    "rows_of_two_students",
    "share_of_the_stored",
    "show",
    "soft_term_by_length",
    "speed_by_gamma",
    "tokens_by_acceptance",
    "training_curve",
    "two_runs",
    "what_an_api_returns",
]
