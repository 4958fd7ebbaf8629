"""The draft explorer: target and draft over a few tokens, what is accepted, what replaces it, and the speed-up."""

from __future__ import annotations

from typing import Any

import numpy as np
from traitlets import Dict, Float, Int, List, TraitError, Unicode, observe, validate

from helpers.widgets.base import Explorer, FiniteNumbers, check_range, log_softmax, module_source

WORDS = ["happy", "glad", "joyful", "sad", "table"]
TARGET = (3.0, 2.0, 1.2, 0.0, -3.0)
DRAFT = (2.0, 2.2, 0.0, 1.5, -1.0)


class DraftExplorer(Explorer):
    """Target and draft at one position of speculative decoding, with γ and the cost of a draft's call.

        explorer = DraftExplorer(gamma=6, cost=0.3)
        explorer.results["acceptance"]        # also "tokens" in a round and "speed_up"

    The numbers are those of `helpers.speculative`, with equal and independent acceptance at all positions.
    Source: Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding".

    Args:
        words: 2 to 12 names of tokens.
        target_logits, draft_logits: `(V,)`, one for each token, from -10 to 10.
        gamma: γ, drafted tokens in a round, 0 to 16.
        cost: time of a draft's call in calls of the target, 0 to 1.

    Raises:
        TraitError: a value is outside its range, or the logits do not match the words.
    """

    _esm = module_source("speculative")

    words = List(Unicode(), WORDS, minlen=2, maxlen=12).tag(sync=True)
    target_logits = FiniteNumbers(TARGET).tag(sync=True)
    draft_logits = FiniteNumbers(DRAFT).tag(sync=True)
    gamma = Int(4).tag(sync=True)
    cost = Float(0.2).tag(sync=True)
    results = Dict(help="computed: acceptance, tokens in a round, speed_up")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("target_logits", "draft_logits"):
            if len(getattr(self, name)) != len(self.words):
                raise TraitError(f"{name} holds {len(getattr(self, name))} numbers for {len(self.words)} words")
        self._compute(None)

    @property
    def target(self) -> np.ndarray:
        """The target's probabilities, `(V,)`."""
        return np.exp(log_softmax(self.target_logits))

    @property
    def draft(self) -> np.ndarray:
        """The draft's probabilities, `(V,)`."""
        return np.exp(log_softmax(self.draft_logits))

    @property
    def residual(self) -> np.ndarray:
        """What a rejected token is replaced from, `(V,)`; the target's probabilities where both are equal."""
        excess = np.maximum(self.target - self.draft, 0)
        return excess / excess.sum() if excess.sum() > 1e-12 else self.target

    def text(self) -> str:
        """Return acceptance, speed-up, and each token's probabilities, as text."""
        results = self.results
        lines = [
            f"Draft explorer: acceptance {results['acceptance']:.4f}, γ = {self.gamma}, cost {self.cost:g}",
            f"{results['tokens']:.3f} tokens a round, speed-up {results['speed_up']:.3f}",
        ]
        columns = zip(self.words, self.target, self.draft, self.residual, strict=True)
        lines += [f"{word:12} target {p:.4f}  draft {q:.4f}  residual {rest:.4f}" for word, p, q, rest in columns]
        return "\n".join(lines)

    @validate("gamma", "cost")
    def _validate_range(self, proposal: Any) -> float:
        name = proposal["trait"].name
        low, high = {"gamma": (0, 16), "cost": (0, 1)}[name]
        value = check_range(proposal["value"], low, high, name)
        return int(value) if name == "gamma" else value

    @validate("target_logits", "draft_logits")
    def _validate_logits(self, proposal: Any) -> list[float]:
        name, logits = proposal["trait"].name, proposal["value"]
        if self._trait_values.get("results") and len(logits) != len(self.words):
            raise TraitError(f"{name} holds {len(logits)} numbers for {len(self.words)} words")
        return [check_range(logit, -10, 10, name) for logit in logits]

    @observe("target_logits", "draft_logits", "gamma", "cost")
    def _compute(self, change: Any) -> None:
        if len(self.target_logits) != len(self.words) or len(self.draft_logits) != len(self.words):
            return  # __init__ reports it
        acceptance = min(1.0, float(np.minimum(self.target, self.draft).sum()))
        tokens = float(sum(acceptance**n for n in range(self.gamma + 1)))
        speed_up = tokens / (1 + self.gamma * self.cost)
        self.results = {"acceptance": acceptance, "tokens": tokens, "speed_up": speed_up}
