"""helpers.speculative: acceptance, residual, one round, and that the output keeps the target's distribution."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from helpers import speculative
from helpers.data.known_language import KnownLanguage
from helpers.speculative import (
    acceptance,
    draw_token,
    expected_tokens,
    residual,
    speculate,
    speed_up,
    verify,
)

P = torch.tensor([0.5, 0.3, 0.2, 0.0])
Q = torch.tensor([0.1, 0.6, 0.2, 0.1])


def test_acceptance_is_one_minus_the_total_variation():
    assert acceptance(P, Q).item() == pytest.approx(1 - 0.5 * (P - Q).abs().sum().item())
    assert acceptance(torch.stack([P, Q]), torch.stack([P, P])).tolist() == pytest.approx([1.0, 0.6])


def test_the_residual_is_what_q_lacks_and_p_itself_where_they_are_equal():
    assert residual(P, Q).tolist() == [1, 0, 0, 0]
    rows = residual(torch.stack([P, P]), torch.stack([P, torch.tensor([0.5, 0.1, 0.1, 0.3])]))
    assert rows[0].tolist() == P.tolist() and rows[1].tolist() == pytest.approx([0, 2 / 3, 1 / 3, 0])


def test_a_token_is_drawn_where_the_cumulative_probability_exceeds_the_uniform():
    drawn = [draw_token(P, torch.tensor(uniform)).item() for uniform in (0.0, 0.49, 0.51, 0.81, 0.9999999)]
    assert drawn == [0, 0, 1, 2, 2], "token 3 has no probability"
    assert draw_token(torch.tensor([0.0, 1.0]), torch.tensor(0.0)).item() == 1


def rows(*each):
    return torch.stack(list(each))


def test_a_round_ends_at_the_first_rejected_token():
    p, q, drafted = rows(P, P, P), rows(Q, Q), torch.tensor([0, 1])
    assert verify(p, q, drafted, torch.tensor([0.9, 0.4, 0.6])).tolist() == [0, 1, 1], "all accepted: one from p"
    assert verify(p, q, drafted, torch.tensor([0.9, 0.6, 0.99])).tolist() == [0, 0], "0.3 / 0.6 is below 0.6"
    assert verify(p, q, torch.tensor([3, 1]), torch.tensor([0.0, 0.0, 0.5])).tolist() == [0], "p never gives a 3"
    assert verify(p[:1], q[:0], drafted[:0], torch.tensor([0.85])).tolist() == [2], "nothing drafted"


def test_lengths_must_go_together():
    for p, q, drafted, uniforms in ((2, 2, 2, 3), (3, 1, 2, 3), (3, 2, 2, 2)):
        with pytest.raises(ValueError, match="one row more"):
            verify(P.expand(p, 4), Q.expand(q, 4), torch.zeros(drafted, dtype=torch.long), torch.zeros(uniforms))
    with pytest.raises(ValueError, match="must be equal"):
        acceptance(P, Q[:3])


def test_expected_tokens_is_the_mean_of_many_rounds():
    for a, gamma in ((0.0, 3), (0.7, 4), (0.95, 1)):
        by_hand = sum(n * a ** (n - 1) * (1 - a) for n in range(1, gamma + 1)) + (gamma + 1) * a**gamma
        assert expected_tokens(a, gamma) == pytest.approx(by_hand)
    assert expected_tokens(1.0, 4) == 5 and expected_tokens(0.5, 0) == 1
    assert speed_up(1.0, 3, 0.5) == pytest.approx(4 / 2.5)
    for bad in ((-0.1, 1, 0.1), (1.1, 1, 0.1), (0.5, -1, 0.1), (0.5, 1, -0.1)):
        with pytest.raises(ValueError, match="must"):
            speed_up(*bad)


class Table(torch.nn.Module):
    """A model that knows the language's probabilities, at a temperature and with a little noise."""

    def __init__(self, language: KnownLanguage, temperature: float, noise: float = 0.0) -> None:
        super().__init__()
        self.language = language
        tempered = language.probs ** (1 / temperature)
        tempered /= tempered.sum(dim=1, keepdim=True)
        self.probs = (1 - noise) * tempered + noise / tempered.shape[1]

    def forward(self, input_ids, attention_mask):
        state, states = self.language.start, []
        for token in input_ids[0].tolist():
            state = max(int(self.language.next_state[state, token]), 0)
            states.append(state)
        return SimpleNamespace(logits=self.probs[states].log().clamp(min=-1e4)[None])


def variation_allowed(truth: torch.Tensor, count: int) -> float:
    """The total variation between a distribution and `count` draws from it that chance gives on average."""
    return 0.5 * float((2 * truth * (1 - truth) / (math.pi * count)).sqrt().sum())


@pytest.mark.parametrize(("gamma", "temperature"), [(1, 4.0), (3, 4.0), (3, 0.4)])
def test_the_output_follows_the_targets_law_whatever_the_draft(gamma, temperature):
    """The first two new tokens, beside the language's true probabilities of both."""
    language, count = KnownLanguage.stories(), 4_000
    target, draft = Table(language, 1.0), Table(language, temperature, noise=0.1)
    prefix = language.sample(1, 6, seed=5)[0]
    state = int(language.states_along(prefix[None])[0, -1])
    truth = language.probs[state, :, None] * language.probs[language.next_state[state].clamp(min=0)]
    generator = torch.Generator().manual_seed(7)
    seen = torch.zeros_like(truth)
    for _ in range(count):
        tokens = speculate(target, draft, prefix, gamma, generator)
        if len(tokens) == 1:
            tokens = torch.cat([tokens, speculate(target, draft, torch.cat([prefix, tokens]), gamma, generator)])
        seen[tokens[0], tokens[1]] += 1
    distance = 0.5 * float((seen / count - truth).abs().sum())
    assert distance < 1.5 * variation_allowed(truth, count)


def test_the_law_is_lost_if_a_rejected_token_is_replaced_from_p(monkeypatch):
    monkeypatch.setattr(speculative, "residual", lambda p, q: p)
    with pytest.raises(AssertionError):
        test_the_output_follows_the_targets_law_whatever_the_draft(1, 4.0)
