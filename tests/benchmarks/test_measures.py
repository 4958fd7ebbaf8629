"""benchmarks: do they measure what they say, and do the committed results say what was measured?"""

import sys

import pytest
import torch

from benchmarks import loss_memory, teacher_cache, text, training
from benchmarks.measure import matrix_rate, peak, reset_peak
from benchmarks.summary import grading, grading_scale
from helpers.data.batches import whole_rows
from helpers.models import new_model
from helpers.training import freeze


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a process's peak memory is read from Linux's /proc")
def test_the_peak_is_seen_after_what_made_it_is_gone_and_can_be_forgotten():
    before = reset_peak()
    torch.ones(50_000_000)  # 200 MB
    assert 190 < peak() - before < 260
    assert reset_peak() - before < 60 and peak() - before < 60


def test_the_matrix_rate_counts_two_operations_for_each_product(monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr("benchmarks.measure.time.process_time", lambda: float(next(ticks)))
    assert matrix_rate(size=10, times=3) == 2 * 10**3


def test_both_ways_of_the_loss_give_the_same_numbers():
    plain, chunked = (loss_memory.one_way(way, tokens=40, vocabulary=50_000) for way in ("plain", "chunked"))
    assert chunked["loss"] == pytest.approx(plain["loss"], rel=1e-5)
    for one, other in zip(plain["gradient_samples"], chunked["gradient_samples"], strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-9) and max(map(abs, one)) > 1e-8


def test_the_first_step_is_a_warm_up(monkeypatch):
    now = iter([(0, 0), (10, 20), (11, 22), (13, 26)])
    clock = training.Clock()
    for processor, clocked in now:
        monkeypatch.setattr(training.time, "process_time", lambda value=processor: value)
        monkeypatch.setattr(training.time, "perf_counter", lambda value=clocked: value)
        clock.tick()
    assert clock.seconds() == ([1, 2], [2, 4])


def test_keeping_answers_is_paid_for_by_two_passes():
    arms = {
        "padded loop": {"tokens_a_second": 10.0, "peak_mb": 400.0},
        "trl": {"tokens_a_second": 20.0, "peak_mb": 200.0},
        "distill": {"tokens_a_second": 25.0, "peak_mb": 100.0},
        "distill, kept answers": {"tokens_a_second": 100.0, "peak_mb": 90.0, "keeping_seconds_a_token": 0.03},
    }
    found = training.summarise(arms, {"share_of_matrix_rate": 0.5})
    assert found["speed"]["padded loop"]["distill"] == 2.5
    two_passes = 2 / (0.01 + 0.01 + 0.03)  # tokens, each read twice and asked about once
    assert found["speed"]["trl"]["distill, kept answers, two passes"] == two_passes / 20
    assert found["peak_memory"] == {"padded loop": 0.25, "trl": 0.5}
    assert found["goals_met"] == {"padded loop": True, "trl": True, "share of the matrix rate": True}
    slower = training.summarise(
        arms | {"trl": {"tokens_a_second": 30.0, "peak_mb": 1.0}}, {"share_of_matrix_rate": 0.3}
    )
    assert slower["goals_met"] == {"padded loop": True, "trl": False, "share of the matrix rate": False}


def test_paragraphs_are_no_headings(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text(" = Heading = \n\n" + "word " * 30 + "\n" + "other " * 20 + "\nshort\n")
    found = list(text.paragraphs_of(file))
    assert [piece.split()[0] for piece in found] == ["word", "other"]
    tokenizer = text.train_tokenizer(file)
    assert tokenizer.decode(tokenizer(found[0])["input_ids"]) == found[0]
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert len(list(text.paragraphs_of(None))) > 100


def test_all_tokens_kept_have_no_bias_and_samples_only_noise():
    teacher, student = (new_model(1, 8, 2, vocabulary=16, positions=6, seed=seed) for seed in (1, 0))
    teacher.lm_head.weight.data *= 30
    rows = whole_rows(torch.randint(0, 16, (6, 6), generator=torch.Generator().manual_seed(0)))
    found = teacher_cache.compare(freeze(teacher), student, rows, 2.0, kept=(2, 16), draws=12)
    assert abs(found["top"][16]["bias_of_kl"]) < 1e-4 and found["top"][16]["error_of_gradient"] < 2e-3
    assert found["top"][2]["bias_of_kl"] < -1e-3
    for row in found["sampled"].values():
        assert row["of_the_mean"] < row["error_of_gradient"] / 2  # independent draws: 1 / sqrt(12) is 0.29
    assert found["top"][2]["bytes_a_token"] == 2 * 4 + 2


def test_a_goal_that_was_missed_is_said_to_be():
    found = {"per_minute": 50.0}, {"per_minute": 5.0}
    result = {"ours": found[0], "stock": found[1], "ratio": 10.0, "same_marks": "4 of 4"}
    assert grading(result)[0][3] is False and grading(result | {"ratio": 12.0})[0][3] is True
    run = {"submissions": 50, "judged": 50, "worker_killed": True, "peak_memory_of_the_grader_mb": 1}
    assert grading_scale({"runs": [run, run], "cost_ratio": 1.1})[0][3] is True
    for bad in ({"judged": 49}, {"worker_killed": False}):
        assert grading_scale({"runs": [run, run | bad], "cost_ratio": 1.1})[0][3] is False
