"""helpers.on_policy: what the student writes, which positions count, whose rows a batch has, where a row goes wrong."""

from copy import deepcopy

import pytest
import torch

from helpers.checks.observers import weights_of
from helpers.data.known_language import KnownLanguage
from helpers.losses import jensen_shannon, reverse_kl
from helpers.models import load_student, load_teacher, new_model
from helpers.on_policy import first_impossible_word, mixed_batch, on_policy_step, refresh, sample_rows
from helpers.training import freeze

LANGUAGE = KnownLanguage.stories()


def small(seed: int, layers: int = 1):
    return new_model(layers, width=16, heads=2, vocabulary=11, positions=24, seed=seed)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_sampled_rows_follow_the_students_probabilities():
    student = small(1)
    with torch.no_grad():
        for weight in student.parameters():
            weight.mul_(20)  # far from uniform
    prompts = torch.tensor([[3, 5]]).expand(4000, 2)
    rows = sample_rows(student, prompts, 2, seeded())
    assert torch.equal(rows[:, :2], prompts)
    with torch.no_grad():
        first = student(prompts[:1]).logits[0, -1].softmax(-1)
        following = student(rows[:, :3]).logits[:, -1].softmax(-1).mean(dim=0)
    for place, expected in ((2, first), (3, following)):
        seen = torch.bincount(rows[:, place], minlength=11) / len(rows)
        assert (seen - expected).abs().max() < 0.04 < (seen - 1 / 11).abs().max()


def test_sampling_keeps_the_mode_and_the_weights_free_of_gradients():
    student = small(2).train()
    student.transformer.ln_f.eval()
    rows = sample_rows(student, torch.tensor([[1], [2]]), 5, seeded())
    assert student.training and not student.transformer.ln_f.training
    assert rows.shape == (2, 6) and not rows.requires_grad
    again = sample_rows(student.eval(), torch.tensor([[1], [2]]), 5, seeded())
    assert torch.equal(rows, again), "dropout was off, and all randomness came from the generator"


def test_sampling_refuses_what_it_cannot_continue():
    with pytest.raises(ValueError, match="at least one token"):
        sample_rows(small(1), torch.empty(2, 0, dtype=torch.long), 3)
    with pytest.raises(ValueError, match="length is -1"):
        sample_rows(small(1), torch.ones(2, 1, dtype=torch.long), -1)


@pytest.mark.parametrize("divergence", [reverse_kl, jensen_shannon])
def test_a_step_scores_the_sampled_tokens_alone(divergence):
    student, teacher = small(3), freeze(small(4, layers=2))
    plain, prompts = deepcopy(student), torch.tensor([[1, 2, 3], [4, 5, 6]])
    loss = on_policy_step(
        student, teacher, prompts, torch.optim.SGD(student.parameters(), lr=0.3), divergence, 4, seeded(9)
    )
    rows = sample_rows(plain, prompts, 4, seeded(9))
    mask = torch.tensor([[0, 0, 1, 1, 1, 1]] * 2)  # the six predictions of a row; the first four tokens are the prompt
    expected = divergence(plain(rows).logits[:, :-1], teacher(rows).logits[:, :-1], mask)
    expected.backward()
    torch.optim.SGD(plain.parameters(), lr=0.3).step()
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(weights_of(student), weights_of(plain))
    assert all(weight.grad is None for weight in teacher.parameters())


def test_a_writer_samples_in_the_students_place():
    student, writer = small(5), small(6).to(torch.bfloat16)
    refresh(writer, student)
    assert torch.equal(weights_of(writer), weights_of(student).to(torch.bfloat16))
    before = weights_of(writer)
    on_policy_step(student, freeze(small(7)), torch.tensor([[1]]), torch.optim.SGD(student.parameters(), lr=1.0),
                   reverse_kl, 3, seeded(), writer)  # fmt: skip
    assert torch.equal(weights_of(writer), before), "only the student takes a step"
    assert not torch.equal(weights_of(student).to(torch.bfloat16), before)


def test_a_mixed_batch_takes_whole_rows_at_their_places():
    own = torch.arange(2000)[:, None].expand(2000, 2)
    given = -own - 1
    mixed = mixed_batch(own, given, 0.3, seeded())
    is_own = mixed[:, 0] >= 0
    assert torch.equal(mixed[:, 0], mixed[:, 1])
    assert torch.equal(mixed, torch.where(is_own[:, None], own, given))
    assert is_own.double().mean().item() == pytest.approx(0.3, abs=0.05)
    assert torch.equal(mixed_batch(own, given, 0.0), given) and torch.equal(mixed_batch(own, given, 1.0), own)
    with pytest.raises(ValueError, match="share is 1.1"):
        mixed_batch(own, given, 1.1)
    with pytest.raises(ValueError, match="given has shape"):
        mixed_batch(own, given[:5], 0.5)


def test_the_first_impossible_word_is_found():
    rows = LANGUAGE.sample(6, 40, seed=1)
    assert first_impossible_word(LANGUAGE, rows).tolist() == [40] * 6
    unknown = LANGUAGE.token_of["<|unknown|>"]
    rows[0, 7], rows[1, 1], rows[2, [20, 30]] = unknown, unknown, unknown
    rows[3, 2] = LANGUAGE.eos  # the story has just begun
    assert first_impossible_word(LANGUAGE, rows).tolist() == [7, 1, 20, 2, 40, 40]
    with pytest.raises(ValueError, match="must begin"):
        first_impossible_word(LANGUAGE, rows[:, 1:])


def test_what_the_tiny_models_write_differs_in_how_long_it_stays_in_the_language():
    beginnings = torch.full((60, 1), LANGUAGE.eos)
    left = [first_impossible_word(LANGUAGE, sample_rows(load("tiny"), beginnings, 30, seeded())).double().mean()
            for load in (load_student, load_teacher)]  # fmt: skip
    assert left[0] < 15 < 28 < left[1]
