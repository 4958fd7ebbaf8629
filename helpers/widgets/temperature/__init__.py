"""The temperature explorer: a distribution over tokens, and a slider that makes it sharper or flatter."""

from __future__ import annotations

from typing import Any

import numpy as np
from traitlets import Dict, Float, Int, List, TraitError, Unicode, observe, validate

from helpers.data.teacher_logits import load_teacher_logits
from helpers.widgets.base import (
    Explorer,
    FiniteNumbers,
    check_range,
    entropy,
    finite_numbers,
    log_softmax,
    module_source,
)

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.1, 20.0
MAX_BARS = 200


class TemperatureExplorer(Explorer):
    """Bars of the most likely tokens at a temperature, with entropy, effective choices and mass outside the top token.

        explorer = TemperatureExplorer(prompt="She drank a cup of hot")
        explorer.temperature = 2.0            # moves the slider; dragging the slider changes this number
        explorer.probabilities                # of all tokens, in the order of `tokens`

    Setting `probabilities` sets the logits that give them at the current temperature.

    Args:
        prompt: one of `prompts`, the sentences of lab 01 with a real teacher's 50 largest logits, or "" for your own.
        logits: `(V,)`, a list, an array or a 1-D tensor.
        tokens: names of the tokens.
        temperature: 0.1 to 20.
        top_k: number of bars, 1 to 200.
        pinned: a second distribution for comparison, {} for none; see `pin`.

    Raises:
        TraitError: a value is outside its range.
    """

    _esm = module_source("temperature")

    prompts = Dict(help="sentence → its tokens and logits").tag(sync=True)
    prompt = Unicode("").tag(sync=True)
    tokens = List(Unicode(), ["token 1", "token 2", "token 3"]).tag(sync=True)
    logits = FiniteNumbers((5.0, 2.0, 0.5)).tag(sync=True)
    temperature = Float(1.0).tag(sync=True)
    top_k = Int(10).tag(sync=True)
    pinned = Dict().tag(sync=True)
    probabilities = FiniteNumbers((0.5, 0.5), help="computed from logits and temperature")
    _computed: list[float] = []

    def __init__(self, *, prompt: str | None = None, logits: Any = None, **others: Any) -> None:
        prompts = others.setdefault("prompts", sentences())
        if logits is not None:
            others["logits"] = finite_numbers(logits, "logits")
            others.setdefault("tokens", _numbered(others["logits"]))
        else:
            prompt = next(iter(prompts)) if prompt is None else prompt
            others.update(prompt=prompt, **prompts.get(prompt, {}))
        super().__init__(**others)
        self._compute(None)

    def pin(self) -> None:
        """Keep the current distribution on the screen as a second set of bars."""
        names = ("tokens", "logits", "temperature", "prompt")
        self.pinned = {name: getattr(self, name) for name in names}

    def unpin(self) -> None:
        """Remove the second set of bars."""
        self.pinned = {}

    def text(self) -> str:
        """Return temperature, entropy and the `top_k` most likely tokens as text."""
        probabilities = np.array(self.probabilities)
        nats = entropy(probabilities)
        order = np.argsort(-probabilities, kind="stable")[: self.top_k]
        lines = [
            f"Temperature explorer: {self.prompt or 'typed logits'}, T = {self.temperature:g}",
            f"entropy {nats:.3f} nats, {nats / np.log(2):.3f} bits, {np.exp(nats):.2f} effective choices, "
            f"{1 - probabilities.max():.4f} outside the top token",
        ]
        return "\n".join(lines + [f"{probabilities[index]:8.4f}  {self.tokens[index]!r}" for index in order])

    @validate("temperature")
    def _validate_temperature(self, proposal: Any) -> float:
        return check_range(proposal["value"], MIN_TEMPERATURE, MAX_TEMPERATURE, "temperature")

    @validate("top_k")
    def _validate_top_k(self, proposal: Any) -> int:
        return int(check_range(proposal["value"], 1, MAX_BARS, "top_k"))

    @validate("prompt")
    def _validate_prompt(self, proposal: Any) -> str:
        if proposal["value"] and proposal["value"] not in self.prompts:
            raise TraitError(f"prompt is {proposal['value']!r}; it must be empty or one of {list(self.prompts)}")
        return proposal["value"]

    @observe("prompt")
    def _load_prompt(self, change: Any) -> None:
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
    def _set_logits(self, change: Any) -> None:
        """Set the logits that give the probabilities, unless `_compute` has just derived these from the logits."""
        if self.probabilities != self._computed:
            target = np.array(self.probabilities)
            if (target <= 0).any() or abs(target.sum() - 1) > 1e-3:
                self.probabilities = self._computed
                raise TraitError("probabilities must all be above 0 and add up to 1")
            self.logits = (self.temperature * np.log(target)).tolist()


def sentences() -> dict[str, dict[str, Any]]:
    """Return the sentences of lab 01 with the teacher's tokens and logits."""
    return {
        name: {"tokens": entry.tokens, "logits": [round(logit, 5) for logit in entry.logits.tolist()]}
        for name, entry in load_teacher_logits().items()
    }


def _numbered(logits: list[float]) -> list[str]:
    return [f"token {number}" for number in range(1, len(logits) + 1)]
