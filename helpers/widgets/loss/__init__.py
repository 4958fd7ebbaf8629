"""The loss explorer: teacher and student over a few tokens, the terms of the loss and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from traitlets import Bool, Dict, Float, Int, List, TraitError, Unicode, observe, validate

from helpers.widgets.base import Explorer, FiniteNumbers, check_range, kl, log_softmax, module_source

WORDS = ["happy", "glad", "joyful", "sad", "table"]
TEACHER = (5.0, 3.9, 3.2, 3.1, -1.0)
STUDENT = (2.0, 0.5, 1.0, 2.5, 1.5)


class LossExplorer(Explorer):
    """Teacher and student at one position, with α and T: soft term, hard term, total and gradients.

        explorer = LossExplorer(alpha=0.3, temperature=2.0)
        explorer.losses["total"]              # nats; also "soft", "hard", and "… without T²"
        explorer.gradients["soft"]            # at the student's logits, one number a token

    The terms are those of `helpers.losses.distillation_loss` for one token, each with its weight, α or 1 − α.

    Args:
        words: 2 to 12 names of tokens.
        teacher_logits, student_logits: `(V,)`, one for each token, from -10 to 10.
        label: index of the token that comes next in the text.
        alpha: weight of the soft term, 0 to 1.
        temperature: 0.1 to 20.
        detail: whether to show the gradients and the teacher's sliders too.

    Raises:
        TraitError: a value is outside its range, or the logits do not match the words.
    """

    _esm = module_source("loss")

    words = List(Unicode(), WORDS, minlen=2, maxlen=12).tag(sync=True)
    teacher_logits = FiniteNumbers(TEACHER).tag(sync=True)
    student_logits = FiniteNumbers(STUDENT).tag(sync=True)
    label = Int(1).tag(sync=True)
    alpha = Float(0.5).tag(sync=True)
    temperature = Float(3.0).tag(sync=True)
    detail = Bool(True).tag(sync=True)
    losses = Dict(help="computed: nats, by term")
    gradients = Dict(help="computed: nats per unit of a student's logit, by term")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("teacher_logits", "student_logits"):
            if len(getattr(self, name)) != len(self.words):
                raise TraitError(f"{name} holds {len(getattr(self, name))} numbers for {len(self.words)} words")
        self._compute(None)

    @property
    def teacher_probabilities(self) -> list[float]:
        """The teacher's probabilities at T = 1."""
        return np.exp(log_softmax(self.teacher_logits)).tolist()

    @property
    def student_probabilities(self) -> list[float]:
        """The student's probabilities at T = 1."""
        return np.exp(log_softmax(self.student_logits)).tolist()

    def text(self) -> str:
        """Return the terms of the loss, and each token's probabilities and gradient, as text."""
        losses, gradients = self.losses, self.gradients["total"]
        lines = [
            f"Loss explorer: T = {self.temperature:g}, alpha = {self.alpha:g}, label {self.words[self.label]!r}",
            f"soft term, weighted by α, {losses['soft']:.4f} + hard term, weighted by 1 − α, {losses['hard']:.4f} "
            f"= total {losses['total']:.4f} nats",
            f"without T²: soft term {losses['soft without T²']:.4f}, total {losses['total without T²']:.4f} nats",
        ]
        columns = zip(self.words, self.teacher_probabilities, self.student_probabilities, gradients, strict=True)
        lines += [f"{word:12} teacher {p:.4f}  student {q:.4f}  gradient {slope:+.4f}" for word, p, q, slope in columns]
        return "\n".join(lines)

    @validate("alpha", "temperature", "label")
    def _validate_range(self, proposal: Any) -> float:
        name = proposal["trait"].name
        low, high = {"alpha": (0, 1), "temperature": (0.1, 20), "label": (0, len(self.words) - 1)}[name]
        value = check_range(proposal["value"], low, high, name)
        return int(value) if name == "label" else value

    @validate("teacher_logits", "student_logits")
    def _validate_logits(self, proposal: Any) -> list[float]:
        name, logits = proposal["trait"].name, proposal["value"]
        if self._trait_values.get("losses") and len(logits) != len(self.words):
            raise TraitError(f"{name} holds {len(logits)} numbers for {len(self.words)} words")
        return [check_range(logit, -10, 10, name) for logit in logits]

    @observe("teacher_logits", "student_logits", "label", "alpha", "temperature")
    def _compute(self, change: Any) -> None:
        if len(self.teacher_logits) != len(self.student_logits):
            return  # the constructor has set only one of the two
        alpha, temperature, square = self.alpha, self.temperature, self.temperature**2
        teacher_log = log_softmax(self.teacher_logits, temperature)
        student_log = log_softmax(self.student_logits, temperature)
        student_log_at_1 = log_softmax(self.student_logits)
        one_hot = np.eye(len(self.words))[self.label]

        soft = alpha * float(kl(teacher_log, student_log))
        hard = (1 - alpha) * -float(student_log_at_1[self.label])
        soft_gradient = alpha * (np.exp(student_log) - np.exp(teacher_log)) / temperature
        hard_gradient = (1 - alpha) * (np.exp(student_log_at_1) - one_hot)
        self.losses = {
            "soft": square * soft,
            "hard": hard,
            "total": square * soft + hard,
            "soft without T²": soft,
            "total without T²": soft + hard,
        }
        gradients = {
            "soft": square * soft_gradient,
            "hard": hard_gradient,
            "total": square * soft_gradient + hard_gradient,
            "soft without T²": soft_gradient,
            "total without T²": soft_gradient + hard_gradient,
        }
        self.gradients = {name: gradient.tolist() for name, gradient in gradients.items()}
