"""The divergence explorer: a student with one bump, a teacher with two, three ways to say how far apart they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from traitlets import Dict, Enum, Float, observe, validate

from helpers.widgets.base import Explorer, between, kl, log_softmax, module

POSITIONS = 61
RANGES = {
    "distance": (0, 40),
    "weight": (0.05, 0.95),
    "mode_width": (1, 8),
    "beta": (0.01, 0.99),
    "student_centre": (0, POSITIONS - 1),
    "student_width": (0.6, 20),
}


class DivergenceExplorer(Explorer):
    """A one-bump student fitted to a two-bump teacher by forward KL, reverse KL or JSD(β), over 61 positions.

        explorer = DivergenceExplorer(fit="reverse")
        explorer.student_centre, explorer.student_width       # where the browser's fit went
        explorer.costs                                        # nats: "forward", "reverse", "jsd"

    distance: between the teacher's bumps, 0 to 40. weight: share of the left one, 0.05 to 0.95. mode_width: 1 to 8.
    beta: 0.01 to 0.99. fit: "forward", "reverse", "jsd", or "hand" for a student that you place yourself with
    student_centre (0 to 60) and student_width (0.6 to 20). The browser does the fitting; costs are computed here too.
    Bad values raise TraitError.
    Source of JSD(β): Agarwal et al. 2024, "On-Policy Distillation of Language Models" (GKD), section 2.
    """

    _esm = module("divergence")

    distance = Float(24.0).tag(sync=True)
    weight = Float(0.6).tag(sync=True)
    mode_width = Float(3.0).tag(sync=True)
    beta = Float(0.5).tag(sync=True)
    fit = Enum(["forward", "reverse", "jsd", "hand"], "forward").tag(sync=True)
    student_centre = Float(27.28).tag(sync=True)
    student_width = Float(12.97).tag(sync=True)
    costs = Dict(help="computed: nats, by divergence")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._compute(None)

    @property
    def teacher(self) -> np.ndarray:
        """The teacher's probabilities, `(61,)`."""
        return np.exp(self._teacher_log())

    @property
    def student(self) -> np.ndarray:
        """The student's probabilities, `(61,)`."""
        return np.exp(self._student_log())

    def text(self) -> str:
        """Return the student's place and what it costs, as text."""
        costs = self.costs
        return (
            f"Divergence explorer: student at {self.student_centre:.1f}, width {self.student_width:.1f} ({self.fit})\n"
            f"forward KL {costs['forward']:.4f}, reverse KL {costs['reverse']:.4f}, "
            f"JSD({self.beta:g}) {costs['jsd']:.4f} nats"
        )

    @validate(*RANGES)
    def _in_range(self, proposal: Any) -> float:
        name = proposal["trait"].name
        return between(proposal["value"], *RANGES[name], name)

    @observe(*RANGES)
    def _compute(self, change: Any) -> None:
        log_p, log_q = self._teacher_log(), self._student_log()
        mixture = np.logaddexp(log_p + np.log(self.beta), log_q + np.log(1 - self.beta))
        self.costs = {
            "forward": kl(log_p, log_q),
            "reverse": kl(log_q, log_p),
            "jsd": self.beta * kl(log_p, mixture) + (1 - self.beta) * kl(log_q, mixture),
        }

    def _teacher_log(self) -> np.ndarray:
        x, half = np.arange(POSITIONS) - (POSITIONS - 1) / 2, self.distance / 2
        left, right = (-((x - place) ** 2) / (2 * self.mode_width**2) for place in (-half, half))
        return log_softmax(np.logaddexp(np.log(self.weight) + left, np.log(1 - self.weight) + right))

    def _student_log(self) -> np.ndarray:
        return log_softmax(-((np.arange(POSITIONS) - self.student_centre) ** 2) / (2 * self.student_width**2))
