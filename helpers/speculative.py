"""Speculative decoding: a small draft model proposes tokens, the target model checks them all in one call.

The output follows the target's distribution exactly, whatever the draft proposes; only the speed depends on the draft.
This is what lab 08 writes. p is the target's distribution and q the draft's, each a probability vector over the
vocabulary.

Source: Leviathan, Kalman and Matias 2023, "Fast Inference from Transformers via Speculative Decoding".
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def acceptance(p: Tensor, q: Tensor) -> Tensor:
    """Return the probability that a token drawn from q is accepted: Σ min(p, q), which is 1 - total variation.

    p, q: `(…, V)`, probabilities. Returns `(…)`. Raises ValueError if the shapes differ.
    """
    _check_same_shape(p, q)
    return torch.minimum(p, q).sum(dim=-1)


def residual(p: Tensor, q: Tensor) -> Tensor:
    """Return the distribution that a rejected token is replaced from: max(p - q, 0), normalised; p where p equals q.

    p, q: `(…, V)`, probabilities. Returns `(…, V)`. Raises ValueError if the shapes differ.
    """
    _check_same_shape(p, q)
    excess = (p - q).clamp(min=0)
    total = excess.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, excess / total.clamp(min=torch.finfo(p.dtype).tiny), p)


def draw_token(probs: Tensor, uniform: Tensor) -> Tensor:
    """Return the token at which the cumulative probability first exceeds `uniform`, `(1,)` long.

    probs: `(V,)`. uniform: a number in [0, 1), as a 0-d tensor.
    """
    cumulative = probs.cumsum(dim=0)
    last = probs.nonzero()[-1]  # rounding may leave the sum below 1
    return torch.searchsorted(cumulative, uniform.reshape(1).to(cumulative.dtype), right=True).minimum(last)


def verify(p: Tensor, q: Tensor, drafted: Tensor, uniforms: Tensor) -> Tensor:
    """Return the drafted tokens that are accepted, and one more.

    Drafted token i is accepted if uniforms[i] · q[i, token] < p[i, token]. The first one that is not is replaced by a
    token from the residual of p[i] and q[i], and the round ends. If all are accepted, one more comes from p[γ]. Either
    token is drawn with the last uniform.

    Args:
        p: `(γ + 1, V)`, the target's distributions at the drafted positions and at the one after them.
        q: `(γ, V)`, the draft's.
        drafted: `(γ,)` long, token i drawn from q[i].
        uniforms: `(γ + 1,)`, each in [0, 1).

    Raises:
        ValueError: the lengths do not go together.
    """
    gamma = len(drafted)
    if len(p) != gamma + 1 or len(q) != gamma or len(uniforms) != gamma + 1 or p.shape[1:] != q.shape[1:]:
        raise ValueError(
            f"p has shape {tuple(p.shape)}, q {tuple(q.shape)}, with {gamma} drafted tokens and {len(uniforms)} "
            "uniforms; p and uniforms need one row more than there are drafted tokens, q as many"
        )
    for index, token in enumerate(drafted):
        if not uniforms[index] * q[index, token] < p[index, token]:
            replacement = draw_token(residual(p[index], q[index]), uniforms[gamma])
            return torch.cat([drafted[:index], replacement])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


def expected_tokens(acceptance: float, gamma: int) -> float:
    """Return the expected number of tokens in a round: (1 - a^(γ + 1)) / (1 - a), and γ + 1 where a is 1.

    acceptance: a, the probability that a drafted token is accepted, taken as equal and independent at all positions.
    gamma: γ, how many tokens are drafted. Raises ValueError if a is outside [0, 1], or γ below 0.
    """
    if not 0 <= acceptance <= 1:
        raise ValueError(f"acceptance is {acceptance}; it must lie between 0 and 1")
    if gamma < 0:
        raise ValueError(f"gamma is {gamma}; it must be at least 0")
    if acceptance == 1:
        return gamma + 1.0
    return (1 - acceptance ** (gamma + 1)) / (1 - acceptance)


def speed_up(acceptance: float, gamma: int, cost: float) -> float:
    """Return how many tokens a round gives in the time of one call of the target: its tokens / (1 + γ · cost).

    cost: time of one call of the draft, in calls of the target. Raises ValueError as `expected_tokens` does, and if the
    cost is below 0.
    """
    if cost < 0:
        raise ValueError(f"cost is {cost}; it must not be below 0")
    return expected_tokens(acceptance, gamma) / (1 + gamma * cost)


Rule = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@torch.no_grad()
def speculate(
    target: nn.Module,
    draft: nn.Module,
    prefix: Tensor,
    gamma: int,
    generator: torch.Generator,
    rule: Rule = verify,
) -> Tensor:
    """Return the new tokens of one round, from 1 to γ + 1 of them, as `(n,)` long.

    Draws come in this order: γ tokens with `torch.multinomial`, one at a time, then γ + 1 uniforms with one
    `torch.rand`. The target is called once.

    Args:
        target, draft: called with input_ids and attention_mask `(1, S)`; each returns an object with logits
            `(1, S, V)`.
        prefix: `(S,)` long, the tokens so far; at least one.
        gamma: γ, how many tokens the draft proposes.
        generator: for all draws.
        rule: decides which drafted tokens are accepted, called like `verify`.
    """
    tokens, drafts = prefix, []
    for _ in range(gamma):
        drafts.append(_next_token_probs(draft, tokens)[-1])
        tokens = torch.cat([tokens, torch.multinomial(drafts[-1], 1, generator=generator)])
    p = _next_token_probs(target, tokens)[len(prefix) - 1 :]
    q = torch.stack(drafts) if drafts else p[:0]
    return rule(p, q, tokens[len(prefix) :], torch.rand(gamma + 1, generator=generator))


def _next_token_probs(model: nn.Module, tokens: Tensor) -> Tensor:
    """Probabilities of the next token after each token, `(S, V)`, for `(S,)` tokens."""
    row = tokens[None]
    return model(row, attention_mask=torch.ones_like(row)).logits[0].float().softmax(dim=-1)


def _check_same_shape(p: Tensor, q: Tensor) -> None:
    if p.shape != q.shape:
        raise ValueError(f"p has shape {tuple(p.shape)} and q {tuple(q.shape)}; they must be equal")
