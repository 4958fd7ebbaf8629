"""helpers.reasoning.self_distillation: the whole procedure on a tiny stand-in for the real model."""

import json

import pytest
import torch

from helpers.data.word_problems import solved_problems
from helpers.experiments import self_distillation as experiment
from helpers.models import new_model
from helpers.reasoning import chain_of_thought as cot
from helpers.reasoning import self_distillation
from helpers.reasoning.chat_format import read_problems
from helpers.reasoning.self_distillation import SelfDistillationConfig, self_distil

SMALL = SelfDistillationConfig(
    problems=4,
    held_out=2,
    samples=2,
    max_new_tokens=8,
    temperature=1.0,
    steps=3,
    batch_size=4,
    generation_batch_size=4,
    learning_rate=1e-3,
)


def small_model(tokenizer):
    return new_model(1, 32, 2, len(tokenizer), 400, seed=0)


def test_a_model_that_solves_nothing_keeps_nothing_and_is_not_trained(tokenizer, gsm8k):
    model = small_model(tokenizer)
    before = [weight.clone() for weight in model.parameters()]
    problems = read_problems(gsm8k)
    result = self_distil(model, tokenizer, problems[:4], problems[4:], SMALL, keep=cot.filter_traces)
    assert result["traces"] == 8 and result["kept_traces"] == 0 and "after" not in result["arms"]
    assert all((a == b).all() for a, b in zip(before, model.parameters(), strict=True))


def test_what_is_kept_is_trained_on_and_compared(tokenizer, monkeypatch):
    """The model's writing is replaced: right traces for two of four problems, of which one comes out the same twice."""
    solved = solved_problems(4, seed=9, steps=(1, 2))
    right = {problem["question"]: trace for problem, trace in solved[:2]}

    def write(model, tokenizer, problems, sampling, **rest):
        return [right.get(problem["question"], "#### 99") + "\nand so on" for problem in problems]

    monkeypatch.setattr(self_distillation, "write_traces", write)
    model, trained = small_model(tokenizer), []
    monkeypatch.setattr(
        self_distillation, "train_on_examples", lambda model, examples, config, **rest: trained.extend(examples)
    )
    asked, held_out = [problem for problem, _ in solved], [solved[0][0], solved[2][0]]
    result = self_distil(model, tokenizer, asked, held_out, SMALL, keep=cot.filter_traces)
    assert result["traces"] == 8 and result["right_answer"] == 0.5 and result["kept_traces"] == 2 == len(trained)
    assert result["arms"]["after"]["accuracy"]["value"] == 0.5
    assert result["after against before"]["low"] <= 0 <= result["after against before"]["high"]
    json.dumps(result)


@pytest.mark.parametrize("tier", ["laptop", "gpu"])
def test_the_command_runs_its_tier_and_writes_what_it_found(tmp_path, tokenizer, gsm8k, monkeypatch, tier):
    monkeypatch.setattr(self_distillation, "load", lambda name: (small_model(tokenizer), tokenizer))
    given = f"--tier {tier} --problems {gsm8k} --count 3 --samples 1 --held-out 2 --steps 2 --results {tmp_path}"
    monkeypatch.setattr("sys.argv", ["self_distillation", *given.split()])
    experiment.main()
    found = json.loads((tmp_path / f"chain_of_thought_{tier}.json").read_text(encoding="utf-8"))
    assert found["traces"] == 3 and found["arms"]["before"]["accuracy"]["rows"] == 2
    assert (found["setting"]["held_out"], found["setting"]["steps"]) == (2, 2)


def test_the_filter_that_is_given_chooses_and_nobody_else(tokenizer, gsm8k):
    problems, asked = read_problems(gsm8k), []

    def keep(problems, traces):
        asked.append((len(problems), len(traces)))
        return [(problems[0], "1 + 1 = 2.\n#### 2")]

    result = self_distil(small_model(tokenizer), tokenizer, problems[:2], problems[2:4], SMALL, keep=keep)
    assert asked == [(4, 4)] and result["kept_traces"] == 1 and "after" in result["arms"]


def test_the_tiny_tier_says_what_a_real_model_needs(capsys):
    assert self_distillation.distil_real_model("tiny", keep=cot.filter_traces) is None
    assert "distillab fetch laptop" in capsys.readouterr().out


def test_without_problems_the_gpu_tier_says_so(monkeypatch):
    monkeypatch.delenv("DISTILLAB_GSM8K", raising=False)
    with pytest.raises(ValueError, match="GSM8K"):
        self_distillation.distil_real_model("gpu", keep=cot.filter_traces)


@pytest.mark.parametrize(("count", "held_out"), [(4, 3), (0, 2), (2, 0)])
def test_problems_that_are_trained_on_are_never_measured_on(gsm8k, count, held_out):
    with pytest.raises(ValueError, match=f"holds 6 problems; {count} to train on and {held_out} others"):
        self_distillation.distil_real_model(
            "gpu", keep=cot.filter_traces, file=gsm8k, problems=count, held_out=held_out
        )


def test_a_large_reasoner_is_trained_in_float32(tmp_path, tokenizer, monkeypatch):
    small_model(tokenizer).bfloat16().save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    monkeypatch.setenv("DISTILLAB_TEACHER", str(tmp_path / "model"))
    model, _ = self_distillation.load("gpu")
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_training_traces_are_sampled_and_measured_answers_are_greedy(tokenizer, gsm8k, monkeypatch):
    samplings = []

    def write(model, tokenizer, problems, sampling, **rest):
        samplings.append((len(problems), sampling.temperature, sampling.max_new_tokens, sampling.batch_size))
        return ["#### 99"] * len(problems)

    monkeypatch.setattr(self_distillation, "write_traces", write)
    problems = read_problems(gsm8k)
    self_distil(small_model(tokenizer), tokenizer, problems[:3], problems[4:], SMALL, keep=cot.filter_traces)
    assert samplings == [(2, 0.0, 8, 4), (2, 0.0, 8, 4), (6, 1.0, 8, 4)]
