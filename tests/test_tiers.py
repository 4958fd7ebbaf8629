"""helpers.tiers: the settings of a tier, and the batches that it gives."""

from dataclasses import replace

import pytest
import torch

from helpers import tiers
from helpers.data.known_language import KnownLanguage
from helpers.evaluation import compare_with_teacher
from helpers.models import load_student, load_teacher, load_tokenizer
from helpers.tiers import load_batches, tier_of
from helpers.training import DistillConfig, distill
from tests.small_models import save, small_gpt2, small_llama, text


@pytest.fixture(autouse=True)
def no_tier(monkeypatch):
    for name in ("DISTILLAB_TIER", "DISTILLAB_TEACHER", "DISTILLAB_STUDENT"):
        monkeypatch.delenv(name, raising=False)


def test_tiny_batches_are_the_same_each_time_and_held_out_is_apart():
    tier = tier_of("tiny")
    (training, held_out), (again, _) = load_batches("tiny"), load_batches("tiny")
    rows = torch.cat([batch["input_ids"] for batch in training])
    assert torch.equal(rows, torch.cat([batch["input_ids"] for batch in again]))
    assert rows.shape == (300, tier.length) and next(iter(training))["input_ids"].shape[0] == tier.batch_size
    measured = torch.cat([batch["input_ids"] for batch in held_out])
    assert measured.shape == (tier.held_out_rows, tier.length)
    assert not {tuple(row) for row in rows.tolist()} & {tuple(row) for row in measured.tolist()}
    KnownLanguage.stories().states_along(rows)  # raises where a row is not of the language
    assert load_teacher("tiny").config.n_positions >= tier.length


def test_the_tiny_tier_reads_no_other_text():
    with pytest.raises(ValueError, match='source is "notes.txt"; the tiny tier reads only its own stories'):
        load_batches("tiny", "notes.txt")


@pytest.fixture
def laptop(monkeypatch, tmp_path):
    """A small Llama in the place of the laptop tier's teacher."""
    monkeypatch.setenv("DISTILLAB_TEACHER", str(save(small_llama(), tmp_path / "teacher")))
    monkeypatch.setenv("DISTILLAB_TIER", "laptop")


def shorten(monkeypatch, name, **settings):
    monkeypatch.setitem(tiers.SETTINGS, name, replace(tier_of(name), **settings))


def test_laptop_rows_are_blocks_of_any_text_and_held_out_ones_come_last(laptop, monkeypatch, tmp_path):
    shorten(monkeypatch, "laptop", length=16, held_out_rows=3)
    (tmp_path / "mine.txt").write_text(text(16 * 50 + 5))
    training, held_out = load_batches(source=str(tmp_path / "mine.txt"))
    rows = torch.cat([batch["input_ids"] for batch in training])
    measured = torch.cat([batch["input_ids"] for batch in held_out])
    stream = load_tokenizer()(text(16 * 50 + 5))["input_ids"]
    blocks = torch.tensor(stream[: 16 * 50]).view(50, 16)
    assert {tuple(row) for row in rows.tolist()} == {tuple(row) for row in blocks[:40].tolist()}
    assert measured.tolist() == blocks[[40, 43, 46]].tolist()
    assert next(iter(training))["input_ids"].shape == (8, 16)


def test_the_same_code_distils_in_the_laptop_tier(laptop, monkeypatch, tmp_path):
    shorten(monkeypatch, "laptop", length=16, steps=30, learning_rate=1e-2)
    (tmp_path / "mine.txt").write_text(text(16 * 60))
    tier = tier_of()
    training, held_out = load_batches(source=str(tmp_path / "mine.txt"))
    student, teacher = load_student(), load_teacher()
    before = compare_with_teacher(student, teacher, held_out)
    config = DistillConfig(steps=tier.steps, temperature=tier.temperature, alpha=1.0, learning_rate=tier.learning_rate)
    distill(student, teacher, training, config, progress=False)
    after = compare_with_teacher(student, teacher, held_out)
    assert after.kl.value < before.kl.value / 2 and after.agreement.value > before.agreement.value


def test_gpu_rows_are_long_paragraphs_of_wikitext_in_both_splits(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILLAB_TEACHER", str(save(small_gpt2(2, 8), tmp_path)))
    shorten(monkeypatch, "gpu", length=12, held_out_rows=2)
    monkeypatch.setattr(tiers, "WIKITEXT_ROWS", 5)
    splits = {
        "train": [" = w1 = ", *(f" {text(20 + seed, seed)} " for seed in range(6))],
        "validation": [" = w2 = ", *(f" {text(20, seed)} " for seed in range(10, 13))],
    }
    asked = []

    def hub_texts(source, split):
        asked.append(source)
        return splits[split]

    monkeypatch.setattr(tiers, "hub_texts", hub_texts)
    training, held_out = load_batches("gpu")
    assert set(asked) == {"Salesforce/wikitext:wikitext-2-raw-v1"}
    rows, measured = (torch.cat([batch["input_ids"] for batch in batches]) for batches in (training, held_out))
    assert rows.shape == (5, 12) and measured.shape == (2, 12)
    tokenizer = load_tokenizer("gpu")
    wanted = [tokenizer(paragraph)["input_ids"][:12] for paragraph in splits["validation"][1:3]]
    assert measured.tolist() == wanted  # headings are left out, order is kept


def test_the_gpu_tier_is_the_chapters_setting():
    tier = tier_of("gpu")
    assert (tier.batch_size, tier.length, tier.learning_rate) == (8, 128, 5e-5)
    assert (tier.temperature, tier.alpha) == (3.0, 0.5)
    assert tier.steps * tier.batch_size == 2 * tiers.WIKITEXT_ROWS == 4000
