"""The divergence explorer: a one-bump student, a two-bump teacher and three divergences between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from traitlets import Dict, Enum, Float, observe, validate

from helpers.widgets.base import Explorer, check_range, kl, log_softmax, module_source

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
        explorer.student_centre, explorer.student_width       # the fitted student
        explorer.costs                                        # nats: "forward", "reverse", "jsd"

    The browser refits the student whenever something changes; Python fits it once, when the explorer is made.
    Source of JSD(β): Agarwal et al. 2024, "On-Policy Distillation of Language Models" (GKD), section 2.

    Args:
        distance: between the teacher's bumps, 0 to 40.
        weight: share of the left bump, 0.05 to 0.95.
        mode_width: standard deviation of a bump, 1 to 8.
        beta: β of JSD(β), 0.01 to 0.99.
        fit: "forward", "reverse", "jsd", or "hand" for a student that you place yourself.
        student_centre: 0 to 60.
        student_width: 0.6 to 20.

    Raises:
        TraitError: a value is outside its range.
    """

    _esm = module_source("divergence")

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
        if self.fit != "hand" and not {"student_centre", "student_width"} & set(options):
            self.student_centre, self.student_width = self._best_student()
        self._compute(None)

    @property
    def teacher(self) -> np.ndarray:
        """The teacher's probabilities, `(61,)`."""
        return np.exp(self._teacher_log())

    @property
    def student(self) -> np.ndarray:
        """The student's probabilities, `(61,)`."""
        return np.exp(_student_log(self.student_centre, self.student_width))

    def text(self) -> str:
        """Return the student's position, width and costs as text."""
        costs = self.costs
        return (
            f"Divergence explorer: student at {self.student_centre:.1f}, width {self.student_width:.1f} ({self.fit})\n"
            f"forward KL {costs['forward']:.4f}, reverse KL {costs['reverse']:.4f}, "
            f"JSD({self.beta:g}) {costs['jsd']:.4f} nats"
        )

    @validate(*RANGES)
    def _validate_range(self, proposal: Any) -> float:
        name = proposal["trait"].name
        low, high = RANGES[name]
        return check_range(proposal["value"], low, high, name)

    @observe(*RANGES)
    def _compute(self, change: Any) -> None:
        student = _student_log(self.student_centre, self.student_width)
        self.costs = {name: float(cost) for name, cost in self._costs_of(student).items()}

    def _costs_of(self, log_q: np.ndarray) -> dict[str, np.ndarray]:
        """Return the three divergences in nats, each `(...)`, of students given as log-probabilities `(..., 61)`."""
        log_p = self._teacher_log()
        mixture = np.logaddexp(log_p + np.log(self.beta), log_q + np.log(1 - self.beta))
        return {
            "forward": kl(log_p, log_q),
            "reverse": kl(log_q, log_p),
            "jsd": self.beta * kl(log_p, mixture) + (1 - self.beta) * kl(log_q, mixture),
        }

    def _best_student(self) -> tuple[float, float]:
        """Return centre and width of the student with the lowest cost, by a search over a grid."""
        centre, width = np.mean(RANGES["student_centre"]), np.mean(RANGES["student_width"])
        for span, step in ((30, 1.0), (1, 0.1)):  # the whole range coarsely, then the best region finely
            offsets = np.arange(-span, span + step / 2, step)
            centres, widths = np.meshgrid(centre + offsets, width + offsets, indexing="ij")
            centres, widths = centres.clip(*RANGES["student_centre"]), widths.clip(*RANGES["student_width"])
            best = self._costs_of(_student_log(centres, widths))[self.fit].argmin()
            centre, width = centres.flat[best], widths.flat[best]
        return float(centre), float(width)

    def _teacher_log(self) -> np.ndarray:
        offsets, half = np.arange(POSITIONS) - (POSITIONS - 1) / 2, self.distance / 2
        left, right = (-((offsets - centre) ** 2) / (2 * self.mode_width**2) for centre in (-half, half))
        return log_softmax(np.logaddexp(np.log(self.weight) + left, np.log(1 - self.weight) + right))


def _student_log(centre: float | np.ndarray, width: float | np.ndarray) -> np.ndarray:
    """Return the log-probabilities `(..., 61)` of students with centres and widths `(...)`."""
    centre, width = np.asarray(centre)[..., None], np.asarray(width)[..., None]
    return log_softmax(-((np.arange(POSITIONS) - centre) ** 2) / (2 * width**2))
