"""helpers.experiments.on_policy: a stopped run goes on, arms differ in what they say they differ in."""

import pytest
import torch

from helpers.experiments import on_policy
from helpers.experiments.on_policy import Arm, Store, by_position, language, next_rows, old_rows, parrot, train


@pytest.fixture(scope="module", autouse=True)
def short():
    """Parrots of 60 steps, and 40 rows that a student writes to be measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_policy, "PARROT_STEPS", 60)
        patch.setattr(on_policy, "WRITTEN_ROWS", 40)
        on_policy.parrot_weights.cache_clear()
        yield
        on_policy.parrot_weights.cache_clear()


def test_a_run_is_kept_and_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(on_policy, "train", lambda arm, rate, seed: (parrot(seed).eval(), {"writing": 0.0}))
    arm, file = Arm("old text", "JSD"), tmp_path / "runs.json"
    first = Store(file).run(arm, 0.01, 3)
    monkeypatch.setattr(on_policy, "train", lambda *_: pytest.fail("it was run again"))
    assert Store(file).run(arm, 0.01, 3) == first
    assert first["distance"] > 0.1 and 0 <= first["legal"] <= 1 and len(first["still_legal"]) == 63


def test_old_text_is_the_known_rows_and_own_text_is_not():
    student, known, source = parrot(3), old_rows(3), torch.Generator().manual_seed(0)
    for text, inside in (("old text", True), ("own text", False)):
        rows = next_rows(Arm(text, "JSD"), student, known, source)
        assert rows.shape == (8, 64)
        assert all(any(torch.equal(row, one) for one in known) for row in rows) == inside


def test_three_steps_with_the_teacher_bring_the_student_closer_and_labels_only_do_not():
    held_out = on_policy.held_out_batches(language(), rows=20)
    before = on_policy.distance_to_truth(parrot(3), language(), held_out)
    after = {loss: on_policy.distance_to_truth(train(Arm("own text", loss), 3e-3, 3, steps=3)[0], language(), held_out)
             for loss in ("forward KL", "labels only")}  # fmt: skip
    assert after["forward KL"] < before < after["labels only"]


def test_positions_after_the_first_impossible_word_are_left_out():
    student, rows = parrot(3).eval(), language().sample(40, 64, seed=5)
    whole = by_position(student, rows)
    spoilt = rows.clone()
    spoilt[:25, 10] = language().token_of["<|unknown|>"]
    cut = by_position(student, spoilt)
    assert cut[:9] == whole[:9], "the tenth prediction is the one that goes wrong"
    assert cut[9] == whole[9], "and it is still asked before a legal beginning"
    assert cut[20] is None and whole[20] is not None, "fifteen rows are too few"
