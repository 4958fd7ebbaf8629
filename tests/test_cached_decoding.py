"""helpers.cached_decoding: the cache changes the time and not the tokens; prompt look-up; what the rounds count."""

from __future__ import annotations

import pytest
import torch

from helpers.cached_decoding import CachedModel, NgramDraft, Written, compare_real_drafts, write
from helpers.experiments.speculative import verify_equal
from helpers.models import load_student, load_teacher
from helpers.speculative import verify

START = torch.tensor([3, 9, 4, 12])


def written_by(draft, temperature: float, gamma: int = 3) -> tuple[list[int], Written]:
    target, done, generator = (
        CachedModel(load_teacher("tiny"), temperature),
        Written(),
        torch.Generator().manual_seed(0),
    )
    return write(target, draft, START, 24, gamma, generator, verify, done).tolist(), done


def test_probabilities_with_a_cache_are_those_of_one_call_even_after_tokens_were_taken_back():
    teacher = load_teacher("tiny").eval()
    model = CachedModel(teacher)
    for tokens in (START, torch.tensor([3, 9, 4, 12, 7, 8]), torch.tensor([3, 9, 4, 5, 6]), torch.tensor([3, 1])):
        with torch.no_grad():
            due = teacher(tokens[None], attention_mask=torch.ones_like(tokens[None])).logits[0, -2:].softmax(-1)
        assert torch.allclose(model.next_probs(tokens, 2), due, atol=1e-5)


def test_greedy_text_is_the_same_with_every_draft():
    plain, alone = written_by(None, 0.0)
    vocabulary = load_teacher("tiny").config.vocab_size
    for draft in (
        CachedModel(load_student("tiny"), 0.0),
        CachedModel(load_teacher("tiny"), 0.0),
        NgramDraft(vocabulary, length=1),
    ):
        tokens, done = written_by(draft, 0.0)
        assert tokens == plain
        assert done.accepted == done.tokens - done.rounds
        assert isinstance(draft, NgramDraft) or done.rounds < alone.rounds == 24
    assert len(plain) == len(START) + 24


def test_the_target_as_its_own_draft_is_always_accepted():
    _, done = written_by(CachedModel(load_teacher("tiny")), 1.0)
    assert done.accepted == done.examined == done.drafted and done.tokens == 4 * done.rounds == 24
    assert done.overlap == pytest.approx(done.examined, abs=1e-3)


def test_look_up_proposes_what_followed_the_latest_earlier_occurrence():
    draft, generator = NgramDraft(10, length=2), torch.Generator()
    tokens = torch.tensor([1, 2, 3, 1, 2, 5, 6, 1, 2])
    proposed, q = draft.propose(tokens, 2, generator)
    assert proposed.tolist() == [5, 6] and q.argmax(dim=1).tolist() == [5, 6] and q.sum() == 2
    for nothing in (torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2])):
        proposed, q = draft.propose(nothing, 2, generator)
        assert len(proposed) == 0 and q.shape == (0, 10)


def test_the_rule_of_equal_tokens_keeps_the_law_and_accepts_less():
    p, q = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]), torch.tensor([[0.4, 0.4, 0.2]])
    generator, seen, accepted = torch.Generator().manual_seed(0), torch.zeros(3), 0
    for drafted in torch.multinomial(q[0], 4000, replacement=True, generator=generator):
        tokens = verify_equal(p, q, drafted.view(1), torch.rand(2, generator=generator))
        seen[tokens[0]] += 1
        accepted += len(tokens) - 1
    assert torch.allclose(seen / 4000, p[0], atol=0.025)
    assert accepted / 4000 == pytest.approx((p[0] * q[0]).sum().item(), abs=0.025)


def test_the_tiny_tier_has_no_real_target(monkeypatch, capsys):
    monkeypatch.delenv("DISTILLAB_TIER", raising=False)
    compare_real_drafts(verify)
    assert "distillab fetch laptop" in capsys.readouterr().out
