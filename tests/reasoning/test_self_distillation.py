"""Real models' traces: GSM8K's form, answers in any form, chat prompts, and the whole procedure on a tiny stand-in."""

import json
import os
from pathlib import Path

import pytest
import torch

from helpers.data.word_problems import make_problems, problem_tokenizer, solved_problems
from helpers.experiments import self_distillation as experiment
from helpers.models import new_model
from helpers.reasoning import chain_of_thought as cot
from helpers.reasoning import self_distillation
from helpers.reasoning.self_distillation import (
    chat_example,
    chat_prompt,
    open_answer,
    read_problems,
    self_distil,
    to_answer,
)

TEMPLATE = (
    "{% for turn in messages %}{{ turn.role }} : {{ turn.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant : {% endif %}"
)
SMALL = {"samples": 2, "longest": 8, "temperature": 1.0, "steps": 3, "batch_size": 4, "write_batch": 4,
         "learning_rate": 1e-3}  # fmt: skip


@pytest.fixture
def tokenizer():
    made = problem_tokenizer()
    made.chat_template = TEMPLATE
    return made


@pytest.fixture
def gsm8k(tmp_path) -> Path:
    """A file in GSM8K's form, with its calculator marks."""
    path = tmp_path / "problems.jsonl"
    rows = []
    for problem, trace in solved_problems(6, seed=9, steps=(1, 2)):
        steps, answer = trace.rsplit("\n", 1)
        rows.append(
            {
                "question": problem["question"],
                "answer": f"{steps} <<{problem['answer']}={problem['answer']}>>\n{answer}",
            }
        )
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_problems_are_read_with_whole_answers_and_without_calculator_marks(gsm8k):
    problems = read_problems(gsm8k)
    assert [problem["answer"] for problem in problems] == [p["answer"] for p in make_problems(6, 9, (1, 2))]
    assert all("<<" not in problem["solution"] and cot.verify_steps(problem["solution"]) for problem in problems)
    gsm8k.write_text('{"question": "?", "answer": "none"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        read_problems(gsm8k)


@pytest.mark.skipif(not os.environ.get("DISTILLAB_GSM8K"), reason="DISTILLAB_GSM8K does not name a copy of GSM8K")
def test_the_real_gsm8k_is_read_and_its_answers_are_found_in_its_solutions():
    problems = read_problems(Path(os.environ["DISTILLAB_GSM8K"]))
    assert len(problems) > 1000 and sum(problem["answer"] > 999 for problem in problems) > 10
    assert all(open_answer(problem["solution"]) == problem["answer"] for problem in problems)
    last_numbers = [open_answer(problem["solution"].split("####")[0]) for problem in problems]
    right = sum(last == problem["answer"] for last, problem in zip(last_numbers, problems, strict=True))
    assert 0.8 < right / len(problems) < 1  # the last number of the steps is mostly the answer, and not always


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3 + 4 = 7\n#### 7", 7),
        ("#### $1,250", 1250),
        ("So \\boxed{36}, that is 3 dozen.", 36),
        ("\\boxed{\\$1,200}", 1200),
        ("#### 5, not \\boxed{6}", 5),
        ("She pays 3 and then 4, so 12 in all.", 12),
        ("It costs 12.00", 12),
        ("It costs 12.50", None),
        ("I do not know.", None),
        ("It falls to -4", -4),
    ],
)
def test_the_answer_is_found_in_the_forms_that_models_use(text, answer):
    assert open_answer(text) == answer


def test_a_trace_ends_with_its_first_answer():
    assert to_answer("1 + 1 = 2\n#### 2\nNext problem: 4") == "1 + 1 = 2\n#### 2"
    assert to_answer(" no answer ") == "no answer"


def test_the_prompt_is_the_models_own_form_with_worked_examples_before_the_problem(tokenizer):
    shown = solved_problems(1, 3, (2,))
    problem = make_problems(1, 4, (1,))[0]
    prompt = chat_prompt(problem, tokenizer, shown)
    assert prompt.startswith("system : ") and prompt.endswith("assistant : ")
    assert prompt.index(shown[0][1]) < prompt.index(problem["question"])
    tokenizer.chat_template = None
    assert problem["question"] in chat_prompt(problem, tokenizer, shown)


def test_an_example_masks_the_conversation(tokenizer):
    problem, trace = solved_problems(1, 3, (2,))[0]
    input_ids, labels = chat_example(problem, trace, tokenizer)
    learned = labels != -100
    assert tokenizer.decode(input_ids[learned][:-1]) == trace and input_ids[learned][-1] == tokenizer.eos_token_id
    assert learned.tolist() == sorted(learned.tolist()), "what is learned stands at the end, in one piece"


def small_model(tokenizer):
    return new_model(1, 32, 2, len(tokenizer), 400, seed=0)


def test_a_model_that_solves_nothing_keeps_nothing_and_is_not_trained(tokenizer, gsm8k):
    model = small_model(tokenizer)
    before = [weight.clone() for weight in model.parameters()]
    problems = read_problems(gsm8k)
    result = self_distil(model, tokenizer, problems[:4], problems[4:], keep=cot.filter_traces, **SMALL)
    assert result["traces"] == 8 and result["kept_traces"] == 0 and "after" not in result["arms"]
    assert all((a == b).all() for a, b in zip(before, model.parameters(), strict=True))


def test_what_is_kept_is_trained_on_and_compared(tokenizer, monkeypatch):
    """The model's writing is replaced: right traces for two of four problems, of which one comes out the same twice."""
    solved = solved_problems(4, seed=9, steps=(1, 2))
    right = {problem["question"]: trace for problem, trace in solved[:2]}

    def write(model, tokenizer, problems, *, temperature=0.0, **rest):
        return [right.get(problem["question"], "#### 99") + "\nand so on" for problem in problems]

    monkeypatch.setattr(self_distillation, "write_traces", write)
    model, trained = small_model(tokenizer), []
    monkeypatch.setattr(
        self_distillation, "train_on_examples", lambda model, examples, **settings: trained.extend(examples)
    )
    asked, held_out = [problem for problem, _ in solved], [solved[0][0], solved[2][0]]
    result = self_distil(model, tokenizer, asked, held_out, keep=cot.filter_traces, **SMALL)
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

    result = self_distil(small_model(tokenizer), tokenizer, problems[:2], problems[2:4], keep=keep, **SMALL)
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
    with pytest.raises(ValueError, match=f"holds 6 problems, and {count} to train on and {held_out} others"):
        self_distillation.distil_real_model(
            "gpu", keep=cot.filter_traces, file=gsm8k, problems=count, held_out=held_out
        )


def test_a_large_reasoner_is_trained_in_float32(tmp_path, tokenizer, monkeypatch):
    small_model(tokenizer).bfloat16().save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    monkeypatch.setenv("DISTILLAB_TEACHER", str(tmp_path / "model"))
    model, _ = self_distillation.load("gpu")
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
