"""Make the weights of lab 05's teacher and student from seeds: `python scripts/train_reasoners.py`.

It writes `reasoning_student` and `reasoning_teacher` (.safetensors and .json) to `helpers/assets`, and what it did and
measured to `results/reasoning_training.json`. It takes about 5 minutes on one free core. `--measure` trains nothing and
measures the existing weights.

The student is trained in two stages. First it reads stories of one to five events, each followed by its events, one a
line, and problems of *one* step. Then it reads problems of one to five steps with three kinds of solutions: in words,
compact, and the answer alone, a third each. So it favours none of the lab's four students. Training stops early: the
student has seen everything and is weak at whatever takes several steps.

The teacher is the same model, trained further on worked solutions. This stops early too, so that the teacher makes
mistakes: a share of the traces that it samples is wrong, and no mistake was put there by hand.

Only one thread is used, so that the same machine and the same versions give the same weights.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel

from helpers.data.word_problems import MAX_NUMBER, make_problems, problem_tokenizer, solved_problems
from helpers.experiments.chain_of_thought import HELD_OUT, HELD_OUT_SEED, STEP_COUNTS, TEMPERATURE, trace_kinds
from helpers.experiments.machine import describe_machine, write_result
from helpers.live_curve import LiveCurve
from helpers.models import ASSETS, new_model, save_folder_model
from helpers.reasoning.chain_of_thought import compact, extract_answer, make_example
from helpers.reasoning.fine_tuning import FineTuneConfig, load_reasoner, train_on_examples, without_dropout
from helpers.reasoning.generation import SamplingConfig, write_traces
from helpers.reasoning.scoring import accuracy, judge_answers
from helpers.training import count_parameters

POSITIONS = 160  # enough tokens for the longest question with its longest trace
SHAPE = {"layers": 2, "width": 64, "heads": 4}


@dataclass(frozen=True)
class Stage:
    """One stage of a training: what is read, how much of it, and how."""

    read: str
    examples: int
    steps: int
    batch_size: int
    learning_rate: float
    seed: int

    @property
    def config(self) -> FineTuneConfig:
        return FineTuneConfig(self.steps, self.batch_size, self.learning_rate, self.seed)


STAGES = {
    "student": [
        Stage("stories", examples=20_000, steps=1200, batch_size=32, learning_rate=5e-3, seed=21),
        Stage("three kinds", examples=20_000, steps=1500, batch_size=32, learning_rate=4e-3, seed=22),
    ],
    "teacher": [Stage("in words", examples=8_000, steps=300, batch_size=32, learning_rate=3e-3, seed=11)],
}


def pairs_of(stage: Stage) -> list[tuple[dict, str]]:
    """What is read in a stage: problems, each with the text that follows it."""
    if stage.read == "in words":
        return solved_problems(stage.examples, stage.seed)
    if stage.read == "three kinds":
        solved = solved_problems(stage.examples, stage.seed + 1, starts=(1, MAX_NUMBER))
        return [(problem, solution(problem, trace, index // 5)) for index, (problem, trace) in enumerate(solved)]
    stories = [(problem, retold(trace)) for problem, trace in solved_problems(stage.examples // 4, stage.seed)]
    one_step = solved_problems(stage.examples - len(stories), stage.seed + 1, (1,), starts=(1, MAX_NUMBER))
    return stories + [(problem, solution(problem, trace, index)) for index, (problem, trace) in enumerate(one_step)]


def solution(problem: dict, trace: str, number: int) -> str:
    """One of the three kinds of solutions, in turn: in words, compact, the answer alone."""
    return (trace, compact(trace), f"#### {problem['answer']}")[number % 3]


def retold(trace: str) -> str:
    """The events of a solution, one a line, without the equations."""
    return "\n".join(line.split(", so ")[0] + "." for line in trace.splitlines() if ", so " in line)


def train(role: str) -> tuple[GPT2LMHeadModel, float]:
    """The trained model of a role, and the seconds that training took."""
    tokenizer = problem_tokenizer()
    if role == "student":
        model = without_dropout(new_model(**SHAPE, vocabulary=len(tokenizer), positions=POSITIONS, seed=21))
    else:
        model = load_reasoner("student")
    began = time.perf_counter()
    for stage in STAGES[role]:
        examples = [make_example(problem, text, tokenizer) for problem, text in pairs_of(stage)]
        with LiveCurve(f"{role}, {stage.read}", stage.steps) as live:
            train_on_examples(model, examples, stage.config, watch=live.add)
    return model, time.perf_counter() - began


def measure(role: str, model: GPT2LMHeadModel) -> dict:
    """What is recorded about a role's model: how it was made, and what it does with the held-out problems."""
    tokenizer, held_out = problem_tokenizer(), make_problems(HELD_OUT, HELD_OUT_SEED, STEP_COUNTS)
    read = {problem["question"] for stages in STAGES.values() for stage in stages for problem, _ in pairs_of(stage)}
    measured: dict = {"held_out_questions_read": sum(problem["question"] in read for problem in held_out)}
    for name, temperature in (("greedy", 0.0), ("drawn", TEMPERATURE)):
        traces = write_traces(model, tokenizer, held_out, SamplingConfig(temperature=temperature))
        run = [judge_answers(held_out, traces, extract_answer, tokenizer)]
        measured[name] = {
            "accuracy": accuracy(run)._asdict(),
            "accuracy_by_steps": {str(k): accuracy(run, k).value for k in STEP_COUNTS},
            "kinds": trace_kinds(held_out, traces),
        }
    size = (ASSETS / f"reasoning_{role}.safetensors").stat().st_size
    return {
        **SHAPE,
        "stages": [asdict(stage) for stage in STAGES[role]],
        "parameters": count_parameters(model),
        **measured,
        "bytes": size,
    }


def main() -> None:
    """Train, save, and write the log; a role that is not trained this time keeps its entry."""
    parser = argparse.ArgumentParser(description="Train the teacher and the student of lab 05.")
    parser.add_argument("roles", nargs="*", default=list(STAGES), help="student, teacher (default: both)")
    parser.add_argument("--measure", action="store_true", help="train nothing; measure the existing weights")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    results = Path(__file__).parents[1] / "results"
    before = results / "reasoning_training.json"
    log: dict = json.loads(before.read_text(encoding="utf-8")) if before.exists() else {}
    log["machine"] = describe_machine()
    for role in chosen.roles:
        if not chosen.measure:
            model, seconds = train(role)
            save_folder_model(model, f"reasoning_{role}")
        log[role] = measure(role, load_reasoner(role))
        if not chosen.measure:
            log[role]["seconds"] = round(seconds, 1)
        print(json.dumps({role: log[role]}, indent=2), flush=True)
        write_result("reasoning_training", log, results)


if __name__ == "__main__":
    main()
