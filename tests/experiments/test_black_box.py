"""helpers.experiments.black_box: what an arm gets, shares of distinct and possible text, and resuming."""

from __future__ import annotations

from dataclasses import replace

import torch

from helpers.data.known_language import KnownLanguage
from helpers.experiments.black_box import ARMS, Arm, Runs, loss_of, shares, teacher_rows, train
from helpers.models import load_teacher

BY_NAME = {arm.name: replace(arm, rows=8, steps=2) for arm in ARMS}


def test_every_arm_reads_the_same_text_and_gets_what_its_name_says():
    teacher = load_teacher("tiny").eval()
    all_logits, five, text = (teacher_rows(teacher, BY_NAME[name], 3) for name in
                              ("all logits", "top 5 and the rest", "text, T = 1"))  # fmt: skip
    assert torch.equal(all_logits["input_ids"], five["input_ids"]) and torch.equal(five["input_ids"], text["input_ids"])
    assert set(text) == {"input_ids"} and five["values"].shape == (8, 63, 5)
    assert torch.allclose(all_logits["values"].exp().sum(dim=-1), torch.ones(8, 63), atol=1e-4)
    assert torch.equal(all_logits["values"][..., :5], five["values"])
    greedy = teacher_rows(teacher, BY_NAME["text, greedy"], 3)["input_ids"]
    assert len({tuple(row) for row in greedy.tolist()}) == 1


def test_a_run_can_be_repeated_and_the_loss_of_an_arm_counts():
    teacher = load_teacher("tiny").eval()
    one, again, other = (
        train(teacher, BY_NAME[name], 1e-2, 0).lm_head.weight
        for name in ("top 5 and the rest", "top 5 and the rest", "top 5, renormalised")
    )
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert loss_of(Arm("text")) is loss_of(Arm("other text"))


def test_shares_count_whole_stories():
    language = KnownLanguage.stories()
    rows = language.sample(4, 64, seed=5)
    assert shares(rows, language)["possible"] == 1.0 == shares(rows, language)["distinct"]
    twice = shares(torch.cat([rows, rows]), language)
    assert twice["distinct"] == 0.5 and twice["stories"] == 2 * shares(rows, language)["stories"]
    broken = rows.clone()
    broken[:, 1] = language.token_of["kitchen"]
    assert 0 < shares(broken, language)["possible"] < 1
    assert shares(torch.full((2, 5), 7), language)["stories"] == 0


def test_a_stopped_experiment_keeps_its_runs(tmp_path, capsys):
    path, calls = tmp_path / "runs.json", []
    assert Runs(path).get("a", lambda: calls.append(1) or 2.5) == 2.5
    assert Runs(path).get("a", lambda: calls.append(1) or 9.9) == 2.5 and len(calls) == 1
