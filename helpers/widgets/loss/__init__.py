"""The loss explorer: teacher and student over a few words, every term of the distillation loss, its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from traitlets import Dict, Float, Int, List, TraitError, Unicode, observe, validate

from helpers.widgets.base import Explorer, Numbers, between, kl, log_softmax, module

WORDS = ["happy", "glad", "joyful", "sad", "table"]
TEACHER = (5.0, 3.9, 3.2, 3.1, -1.0)
STUDENT = (2.0, 0.5, 1.0, 2.5, 1.5)


class LossExplorer(Explorer):
    """Teacher and student at one token, to be dragged, with alpha and T: soft term, hard term, total and gradients.

        explorer = LossExplorer(alpha=0.3, temperature=2.0)
        explorer.losses["total"]              # nats; also "soft", "hard", and "… without T²"
        explorer.gradients["soft"]            # at the student's logits, one number a word

    words: 2 to 12 names. teacher_logits, student_logits `(V,)`: one for each word, from -10 to 10. label: place of the
    word that really comes next. alpha: 0 to 1, weight of the soft term. temperature: 0.1 to 20.
    Bad values raise TraitError. The terms are those of `helpers.losses.distillation_loss` for one token.
    """

    _esm = module("loss")

    words = List(Unicode(), WORDS, minlen=2, maxlen=12).tag(sync=True)
    teacher_logits = Numbers(TEACHER).tag(sync=True)
    student_logits = Numbers(STUDENT).tag(sync=True)
    label = Int(1).tag(sync=True)
    alpha = Float(0.5).tag(sync=True)
    temperature = Float(3.0).tag(sync=True)
    losses = Dict(help="computed: nats, by term")
    gradients = Dict(help="computed: nats for each unit of a student's logit, by term")

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
        """Return the terms of the loss and each word's probabilities and pull as text."""
        losses, pulls = self.losses, self.gradients["total"]
        lines = [
            f"Loss explorer: T = {self.temperature:g}, alpha = {self.alpha:g}, label {self.words[self.label]!r}",
            f"soft {losses['soft']:.4f} + hard {losses['hard']:.4f} = total {losses['total']:.4f} nats; "
            f"without T² soft {losses['soft without T²']:.4f}, total {losses['total without T²']:.4f}",
        ]
        rows = zip(self.words, self.teacher_probabilities, self.student_probabilities, pulls, strict=True)
        return "\n".join(lines + [f"{w:12} teacher {p:.4f}  student {q:.4f}  gradient {g:+.4f}" for w, p, q, g in rows])

    @validate("alpha", "temperature", "label")
    def _in_range(self, proposal: Any) -> float:
        name = proposal["trait"].name
        low, high = {"alpha": (0, 1), "temperature": (0.1, 20), "label": (0, len(self.words) - 1)}[name]
        value = between(proposal["value"], low, high, name)
        return int(value) if name == "label" else value

    @validate("teacher_logits", "student_logits")
    def _one_for_each_word(self, proposal: Any) -> list[float]:
        name, logits = proposal["trait"].name, proposal["value"]
        if self._trait_values.get("losses") and len(logits) != len(self.words):
            raise TraitError(f"{name} holds {len(logits)} numbers for {len(self.words)} words")
        return [between(logit, -10, 10, name) for logit in logits]

    @observe("teacher_logits", "student_logits", "label", "alpha", "temperature")
    def _compute(self, change: Any) -> None:
        t, alpha = self.temperature, self.alpha
        if len(self.teacher_logits) != len(self.student_logits):
            return  # while the widget is being made
        log_p, log_q = log_softmax(self.teacher_logits, t), log_softmax(self.student_logits, t)
        spoken = log_softmax(self.student_logits)
        hard, soft = (1 - alpha) * -float(spoken[self.label]), alpha * kl(log_p, log_q)
        pull = (1 - alpha) * (np.exp(spoken) - np.eye(len(spoken))[self.label])
        soft_pull = alpha * (np.exp(log_q) - np.exp(log_p)) / t
        self.losses = {
            "soft": t**2 * soft,
            "hard": hard,
            "total": t**2 * soft + hard,
            "soft without T²": soft,
            "total without T²": soft + hard,
        }
        gradients = {
            "soft": t**2 * soft_pull,
            "hard": pull,
            "total": t**2 * soft_pull + pull,
            "soft without T²": soft_pull,
            "total without T²": soft_pull + pull,
        }
        self.gradients = {name: row.tolist() for name, row in gradients.items()}
