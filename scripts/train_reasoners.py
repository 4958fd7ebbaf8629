"""Make the weights of lab 05's teacher and student from seeds: `python scripts/train_reasoners.py`.

It writes `reasoning_teacher` and `reasoning_student` (.safetensors and .json) to `helpers/assets`, and what it did and
measured to `results/reasoning_training.json`. About 15 minutes on one core.

The teacher reads worked solutions: first of one and two steps, then of one to five. It stops early, so that it errs:
drawn at temperature 1, a share of its traces is wrong, and no mistake was put there by hand.

The student reads problems of one step only, with three kinds of solutions: as the teacher writes them, compact, and the
answer alone. So it favours none of the four students of the lab, and what it does with two steps and more it has from
distillation.

One thread is used, so that the same machine and the same versions give the same weights.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel

from helpers.chain_of_thought import compact, extract_answer, make_example
from helpers.experiments import machine, write_result
from helpers.live import LiveCurve
from helpers.models import ASSETS, new_model, save_folder_model
from helpers.reasoning import Example, accuracy, judge_answers, train_on_examples, without_dropout, write_traces
from helpers.reasoning_experiment import HELD_OUT, HELD_OUT_SEED, STEP_COUNTS, TEMPERATURE, trace_kinds
from helpers.training import count_parameters
from helpers.word_problems import LARGEST, make_problems, problem_tokenizer, solved_problems

POSITIONS = 176  # tokens of the longest question with its longest trace, and some to spare
SHAPES = {"teacher": {"layers": 2, "width": 96, "heads": 4}, "student": {"layers": 2, "width": 64, "heads": 4}}
# One entry a stage: the problems' numbers of steps, how many problems, training steps, batch, learning rate.
STAGES = {
    "teacher": [
        {"problem_steps": (1, 2), "problems": 12_000, "steps": 300, "batch_size": 32, "learning_rate": 4e-3},
        {"problem_steps": STEP_COUNTS, "problems": 20_000, "steps": 900, "batch_size": 32, "learning_rate": 4e-3},
    ],
    "student": [{"problem_steps": (1,), "problems": 12_000, "steps": 1200, "batch_size": 32, "learning_rate": 5e-3}],
}
SEEDS = {"teacher": 11, "student": 21}


def examples(role: str, stage: dict, seed: int) -> list[Example]:
    """What a role reads in a stage."""
    tokenizer = problem_tokenizer()
    starts = (1, LARGEST) if role == "student" else (3, 12)
    solved = solved_problems(stage["problems"], seed, stage["problem_steps"], starts=starts)
    if role == "student":
        forms = (lambda problem, trace: trace, lambda problem, trace: compact(trace), answer_alone)
        solved = [(problem, forms[place % 3](problem, trace)) for place, (problem, trace) in enumerate(solved)]
    return [make_example(problem, trace, tokenizer) for problem, trace in solved]


def answer_alone(problem: dict, trace: str) -> str:
    """The answer's line."""
    return f"#### {problem['answer']}"


def train(role: str) -> tuple[GPT2LMHeadModel, dict]:
    """The trained model of a role, and what is worth knowing of it."""
    tokenizer, seed = problem_tokenizer(), SEEDS[role]
    model = without_dropout(new_model(**SHAPES[role], vocabulary=len(tokenizer), positions=POSITIONS, seed=seed))
    began = time.perf_counter()
    for place, stage in enumerate(STAGES[role]):
        settings = {key: stage[key] for key in ("steps", "batch_size", "learning_rate")}
        with LiveCurve(f"{role}, stage {place + 1}", stage["steps"]) as live:
            train_on_examples(model, examples(role, stage, seed + place), **settings, seed=seed, watch=live.add)
    seconds = time.perf_counter() - began
    held_out = make_problems(HELD_OUT, HELD_OUT_SEED, STEP_COUNTS)
    measured = {}
    for name, temperature in (("greedy", 0.0), ("drawn", TEMPERATURE)):
        traces = write_traces(model, tokenizer, held_out, temperature=temperature)
        run = [judge_answers(held_out, traces, extract_answer, tokenizer)]
        measured[name] = {
            "accuracy": accuracy(run)._asdict(),
            "accuracy_by_steps": {str(k): accuracy(run, k).value for k in STEP_COUNTS},
            "kinds": trace_kinds(held_out, traces),
        }
    return model, {
        **SHAPES[role],
        "stages": STAGES[role],
        "seed": seed,
        "parameters": count_parameters(model),
        **measured,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Train, save, and write the log, in which a role that is not trained this time keeps its entry."""
    parser = argparse.ArgumentParser(description="Train the teacher and the student of lab 05.")
    parser.add_argument("roles", nargs="*", default=list(SHAPES), help="teacher, student (default: both)")
    torch.set_num_threads(1)
    results = Path(__file__).parents[1] / "results"
    before = results / "reasoning_training.json"
    log: dict = json.loads(before.read_text(encoding="utf-8")) if before.exists() else {}
    log["machine"] = machine()
    for role in parser.parse_args().roles:
        model, log[role] = train(role)
        save_folder_model(model, f"reasoning_{role}")
        log[role]["bytes"] = (ASSETS / f"reasoning_{role}.safetensors").stat().st_size
        print(json.dumps({role: log[role]}, indent=2), flush=True)
        write_result("reasoning_training", log, results)


if __name__ == "__main__":
    main()
