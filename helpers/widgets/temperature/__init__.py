"""The temperature explorer: a distribution over tokens, and a dial that makes it sharper or flatter."""

from __future__ import annotations

from typing import Any

import numpy as np
from traitlets import Dict, Float, Int, List, TraitError, Unicode, observe, validate

from helpers.data.teacher_logits import load_teacher_logits
from helpers.widgets.base import Explorer, Numbers, between, entropy, log_softmax, module, numbers

LOWEST, HIGHEST = 0.1, 20.0


class TemperatureExplorer(Explorer):
    """Bars of the most likely tokens at a temperature, with entropy, effective choices and the mass outside the top.

        explorer = TemperatureExplorer(prompt="She drank a cup of hot")
        explorer.temperature = 2.0            # moves the dial; dragging the dial changes this number
        explorer.probabilities                # of all tokens, in the order of `tokens`

    prompt: one of `prompts`, which are lab 01's sentences with a real teacher's 50 largest logits, or "" for logits of
    your own. logits `(V,)`: a list, array or 1-D tensor. tokens: their names. temperature: 0.1 to 20. top_k: number of
    bars, 1 to 200. pinned: a second distribution for comparison, {} for none; see `pin`.

    Setting `probabilities` sets the logits that give them at the present temperature. Bad values raise TraitError.
    """

    _esm = module("temperature")

    prompts = Dict(help="sentence → its tokens and logits").tag(sync=True)
    prompt = Unicode("").tag(sync=True)
    tokens = List(Unicode(), ["token 1", "token 2", "token 3"]).tag(sync=True)
    logits = Numbers((5.0, 2.0, 0.5)).tag(sync=True)
    temperature = Float(1.0).tag(sync=True)
    top_k = Int(10).tag(sync=True)
    pinned = Dict().tag(sync=True)
    probabilities = Numbers((0.5, 0.5), help="computed from logits and temperature")
    _computed: list[float] = []

    def __init__(self, *, prompt: str | None = None, logits: Any = None, **others: Any) -> None:
        prompts = others.setdefault("prompts", sentences())
        if logits is not None:
            others["logits"] = numbers(logits, "logits")
            others.setdefault("tokens", _numbered(others["logits"]))
        else:
            prompt = next(iter(prompts)) if prompt is None else prompt
            others.update(prompt=prompt, **prompts.get(prompt, {}))
        super().__init__(**others)
        self._compute(None)

    def pin(self) -> None:
        """Keep the present distribution on the screen, as the second set of bars."""
        kept = {"tokens": self.tokens, "logits": self.logits, "temperature": self.temperature, "prompt": self.prompt}
        self.pinned = kept

    def unpin(self) -> None:
        """Take the second set of bars away."""
        self.pinned = {}

    def text(self) -> str:
        """Return temperature, measures and the `top_k` most likely tokens as text."""
        probabilities = np.array(self.probabilities)
        nats = entropy(probabilities)
        order = np.argsort(-probabilities, kind="stable")[: self.top_k]
        lines = [
            f"Temperature explorer: {self.prompt or 'typed logits'}, T = {self.temperature:g}",
            f"entropy {nats:.3f} nats, {nats / np.log(2):.3f} bits, {np.exp(nats):.2f} effective choices, "
            f"{1 - probabilities.max():.4f} outside the top token",
        ]
        return "\n".join(lines + [f"{probabilities[place]:8.4f}  {self.tokens[place]!r}" for place in order])

    @validate("temperature")
    def _temperature_in_range(self, proposal: Any) -> float:
        return between(proposal["value"], LOWEST, HIGHEST, "temperature")

    @validate("top_k")
    def _top_k_in_range(self, proposal: Any) -> int:
        return int(between(proposal["value"], 1, 200, "top_k"))

    @validate("prompt")
    def _known_prompt(self, proposal: Any) -> str:
        if proposal["value"] and proposal["value"] not in self.prompts:
            raise TraitError(f"prompt is {proposal['value']!r}; it must be one of {list(self.prompts)}, or empty")
        return proposal["value"]

    @observe("prompt")
    def _take_prompt(self, change: Any) -> None:
        if self.prompt:
            with self.hold_trait_notifications():
                self.tokens, self.logits = self.prompts[self.prompt]["tokens"], self.prompts[self.prompt]["logits"]

    @observe("logits")
    def _name_tokens(self, change: Any) -> None:
        if len(self.tokens) != len(self.logits):
            self.tokens = _numbered(self.logits)
        if self.prompt and self.logits != self.prompts[self.prompt]["logits"]:
            self.prompt = ""

    @observe("logits", "temperature")
    def _compute(self, change: Any) -> None:
        self._computed = np.exp(log_softmax(self.logits, self.temperature)).tolist()
        self.probabilities = self._computed

    @observe("probabilities")
    def _take_probabilities(self, change: Any) -> None:
        """Where probabilities were set from outside, set the logits that give them."""
        if self.probabilities != self._computed:
            wanted = np.array(self.probabilities)
            if (wanted <= 0).any() or abs(wanted.sum() - 1) > 1e-3:
                self.probabilities = self._computed
                raise TraitError("probabilities must all be above 0 and add up to 1")
            self.logits = (self.temperature * np.log(wanted)).tolist()


def sentences() -> dict[str, dict[str, Any]]:
    """Return lab 01's sentences with the teacher's tokens and logits."""
    return {
        name: {"tokens": entry.tokens, "logits": [round(logit, 5) for logit in entry.logits.tolist()]}
        for name, entry in load_teacher_logits().items()
    }


def _numbered(logits: list[float]) -> list[str]:
    return [f"token {place + 1}" for place in range(len(logits))]
