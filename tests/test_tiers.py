"""helpers.tiers: what a tier says of itself, what it finds missing, and the batches that it gives."""

import pytest
import torch

from helpers import tiers
from helpers.language import KnownLanguage
from helpers.models import load_teacher
from helpers.tiers import load_batches, preflight, tier_of


@pytest.fixture(autouse=True)
def no_tier(monkeypatch):
    monkeypatch.delenv("DISTILLAB_TIER", raising=False)


def test_the_tiny_tier_needs_nothing_and_says_so():
    said = preflight()
    assert said.ready and not said.problems
    assert "Tier tiny: ready" in repr(said) and "nothing" in repr(said) and "300 steps" in repr(said)
    assert "<table>" in said._repr_html_() and 'scope="row"' in said._repr_html_()


def test_too_little_memory_is_a_problem(monkeypatch):
    monkeypatch.setattr(tiers, "machine_memory", lambda: 0.5)
    said = preflight("tiny")
    assert not said.ready and "this machine has 0.5 GB" in said.problems[0]
    assert "not ready" in repr(said) and "Missing: memory" in repr(said)
    assert "0.5 GB" in said._repr_html_()
    monkeypatch.setattr(tiers, "machine_memory", lambda: None)
    assert preflight("tiny").ready


def test_memory_is_plausible():
    memory = tiers.machine_memory()
    assert memory is None or 0.5 < memory < 100_000


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
    with pytest.raises(ValueError, match='source is "notes.txt"; the tiny tier reads its own stories'):
        load_batches("tiny", "notes.txt")
