"""Judge answers that sample: small models whose samples can be foretold, and an observer that counts what is drawn.

Right answers may draw random numbers in different orders, so their rows differ. What must agree is how often each token
comes, or the rows themselves where a model is sure of each token. Like `helpers.checks.observers`, this file is sent to
the kernel as text, so it imports no other helper at its top.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

from helpers.checks.optional_torch import torch

# Saved before the student's first cell runs, so that replacing them later changes nothing here.
_seed_everything, _same, _grad_is_on = torch.manual_seed, torch.equal, torch.is_grad_enabled
_Generator, _TensorType = torch.Generator, torch.Tensor


class Bigram(torch.nn.Module):
    """A model whose logits depend on the last token alone: a table, called like a transformers model.

    Its samples can be foretold if one logit of each row is far above the others. Its dropout is of logits.
    """

    def __init__(self, table: Sequence[Sequence[float]], dropout: float, training: bool) -> None:
        super().__init__()
        self.table, self.dropout = torch.nn.Parameter(torch.tensor(table)), torch.nn.Dropout(dropout)
        self.train(training)

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        return SimpleNamespace(logits=self.dropout(self.table[input_ids]), past_key_values=None)


def bigram(
    table: Sequence[Sequence[float]],
    dropout: float = 0.0,
    training: bool = False,
    frozen: bool = False,
    dtype: str = "float32",
) -> torch.nn.Module:
    """Return a model with this table of logits, `(V, V)`: a row for each last token."""
    return Bigram(table, dropout, training).to(getattr(torch, dtype)).requires_grad_(not frozen)


@cache
def known_language() -> type:
    """Return the class of languages whose truth is known; the first call, before any student's, imports it."""
    from helpers.data.known_language import KnownLanguage

    return KnownLanguage


def language(rules: Sequence[str]) -> Any:
    """Return a known language. rules: a text for each word, "state word weight next-state", the start state first."""
    read: dict[str, list[tuple[dict[str, float], str]]] = {}
    for state, word, weight, target in (rule.split() for rule in rules):
        read.setdefault(state, []).append(({word: float(weight)}, target))
    return known_language()(read)


def stand_in_divergence() -> Callable[..., torch.Tensor]:
    """Return what stands for a divergence: the mean over the mask of a squared difference of logits.

    It gives another value where its arguments are exchanged, and its gradient does not vanish for a student that is
    sure of each token.
    """

    def divergence(student_logits: torch.Tensor, teacher_logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        counted = mask.bool()
        squares = (student_logits - 2 * teacher_logits).square().mean(dim=-1)
        return (squares * counted).sum() / counted.sum().clamp(min=1)

    return divergence


def sampling(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Let the answer draw rows of tokens, three times; observe what `watch` says.

    The last argument is the generator; the first may be a model. With `repeat`, each row of the tensors among the
    arguments comes that many times.

    - "frequency": how often each of `vocabulary` tokens comes at each position, in each of `blocks` blocks of rows;
    - "distinct": how many of the rows are different;
    - "generator": whether the same rows come again from the same generator, and others from another;
    - "gradients": whether the model was ever called with gradients on, or in train mode.
    """
    *given, generator = arguments
    times = options.get("repeat", 1)
    given = [item.repeat_interleave(times, dim=0) if type(item) is _TensorType else item for item in given]
    watched, calls = options["watch"], []
    model = given[0] if isinstance(given[0], torch.nn.Module) else None
    if model is not None:
        model.register_forward_pre_hook(lambda module, _: calls.append((_grad_is_on(), module.training)))
    rows = answer(*given, generator)
    if type(rows) is not _TensorType or rows.dim() != 2 or rows.dtype != torch.long:
        return {"value": rows}
    seen: dict[str, Any] = {"shape": list(rows.shape)}
    if "frequency" in watched:
        blocks, vocabulary = options.get("blocks", 1), options["vocabulary"]
        whole = rows[: len(rows) // blocks * blocks]
        one_hot = torch.nn.functional.one_hot(whole.clamp(0, vocabulary - 1), vocabulary).float()
        seen["how often each token comes"] = one_hot.unflatten(0, (blocks, -1)).mean(dim=1)
    if "distinct" in watched:
        seen["different rows"] = len(rows.unique(dim=0))
    if "generator" in watched:
        _seed_everything(1)
        again = answer(*given, _Generator().manual_seed(generator.initial_seed()))
        _seed_everything(1)
        other = answer(*given, _Generator().manual_seed(generator.initial_seed() + 1))
        seen["the same rows again from the same generator"] = type(again) is _TensorType and _same(rows, again)
        seen["other rows from another generator"] = type(other) is _TensorType and not _same(again, other)
    if "gradients" in watched:
        seen["called with gradients on"] = any(grad for grad, _ in calls)
        seen["called in train mode"] = any(training for _, training in calls)
    return seen
