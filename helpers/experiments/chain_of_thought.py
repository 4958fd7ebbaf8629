"""Four students and a teacher that makes mistakes: does it pay to distil reasoning, to filter it, to make it compact?

    python -m helpers.experiments.chain_of_thought      three seeds of each arm → results/chain_of_thought.json

For each seed the teacher writes one trace for each of some new problems. All students start from the same weights and
train for the same number of steps, with the same number of examples in each; the arms differ only in their examples.
Accuracy is measured on greedy answers to problems that neither teacher nor students were trained on. An arm may turn
out to gain nothing.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

from helpers.bootstrap import Estimate
from helpers.data.word_problems import Problem, make_problems, problem_tokenizer
from helpers.experiments.machine import describe_machine, write_result
from helpers.reasoning import chain_of_thought as cot
from helpers.reasoning.fine_tuning import FineTuneConfig, load_reasoner, train_on_examples
from helpers.reasoning.generation import SamplingConfig, write_traces
from helpers.reasoning.scoring import Outcome, accuracy, compare, describe_difference, judge_answers, tokens_written

SEEDS, PROBLEMS, STEPS, BATCH_SIZE, LEARNING_RATE = (0, 1, 2), 1000, 150, 32, 3e-3
TEMPERATURE = 0.7  # at which the teacher writes
HELD_OUT, HELD_OUT_SEED, TRAINING_SEED = 250, 1_000_000, 10_000
STEP_COUNTS = (1, 2, 3, 4, 5)

Pairs = list[tuple[Problem, str]]

# What is compared, and what a difference would mean.
COMPARISONS = {
    "reasoning": ("raw traces", "answer only"),
    "filtering, equal number of problems": ("filtered", "raw traces"),
    "filtering, equal number of traces": ("filtered, as many traces", "raw traces"),
    "compact form": ("filtered and compact", "filtered"),
    "a tenth, verified, against all, raw": ("a tenth of them, filtered", "raw traces"),
}


def arms(problems: Sequence[Problem], traces: Sequence[str], count: int) -> dict[str, Pairs]:
    """The training pairs of each arm. All arms use the first `count` problems; the others only fill up the arm that has
    as many filtered traces as there are raw ones."""
    raw = list(zip(problems, traces, strict=True))
    filtered = cot.filter_traces(problems[:count], traces[:count])
    return {
        "answer only": [(problem, f"#### {problem['answer']}") for problem in problems[:count]],
        "raw traces": raw[:count],
        "filtered": filtered,
        "filtered and compact": [(problem, cot.compact(trace)) for problem, trace in filtered],
        "filtered, as many traces": cot.filter_traces(problems, traces)[:count],
        "a tenth of them, filtered": filtered[: count // 10],
    }


def trace_kinds(problems: Sequence[Problem], traces: Sequence[str]) -> dict[str, float]:
    """The share of each kind of trace. The first four add up to 1; the others may overlap with them."""
    count = len(traces)
    right = [cot.extract_answer(trace) == problem["answer"] for problem, trace in zip(problems, traces, strict=True)]
    kept = [cot.keep_trace(problem, trace) for problem, trace in zip(problems, traces, strict=True)]
    holds = [cot.verify_steps(trace) for trace in traces]
    steps = [cot.equations(trace) for trace in traces]
    shares = {
        "kept": sum(kept),
        "right answer, wrong step": sum(r and not h for r, h in zip(right, holds, strict=True)),
        "right answer, circular or long": sum(r and h and not k for r, h, k in zip(right, holds, kept, strict=True)),
        "wrong answer": count - sum(right),
        "wrong answer, every step holds": sum(h and not r for r, h in zip(right, holds, strict=True)),
        "an equation twice": sum(len(set(found)) < len(found) for found in steps),
        "more steps than the problem has": sum(
            len(found) > problem["steps"] for found, problem in zip(steps, problems, strict=True)
        ),
        "no answer": sum(cot.extract_answer(trace) is None for trace in traces),
        "kept, but not grounded": sum(
            k and not cot.grounded(problem, trace) for k, problem, trace in zip(kept, problems, traces, strict=True)
        ),
    }
    return {kind: number / count for kind, number in shares.items()}


def run_seed(
    seed: int,
    *,
    problems: int = PROBLEMS,
    steps: int = STEPS,
    held_out_problems: int = HELD_OUT,
    only: Sequence[str] | None = None,
) -> dict:
    """One seed: the teacher's traces, the students, their outcomes, {"kinds": …, "arms": {name: {…, "outcomes": …}}}.

    only: names of the arms to train, default all.
    """
    tokenizer, teacher = problem_tokenizer(), load_reasoner("teacher")
    pool = make_problems(2 * problems, TRAINING_SEED + seed)
    traces = write_traces(teacher, tokenizer, pool, SamplingConfig(temperature=TEMPERATURE, seed=seed))
    held_out = make_problems(held_out_problems, HELD_OUT_SEED, STEP_COUNTS)
    result: dict = {"seed": seed, "kinds": trace_kinds(pool, traces), "arms": {}}
    for name, pairs in arms(pool, traces, problems).items():
        if only is not None and name not in only:
            continue
        examples = [cot.make_example(problem, trace, tokenizer) for problem, trace in pairs]
        student, began = load_reasoner("student"), time.perf_counter()
        config = FineTuneConfig(steps=steps, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE, seed=seed)
        losses = train_on_examples(student, examples, config)
        seconds = time.perf_counter() - began
        written = write_traces(student, tokenizer, held_out)
        result["arms"][name] = {
            "examples": len(examples),
            "tokens_of_examples": sum(len(labels) for _, labels in examples),
            "last_loss": sum(losses[-20:]) / len(losses[-20:]),
            "seconds": round(seconds, 1),
            "outcomes": judge_answers(held_out, written, cot.extract_answer, tokenizer),
        }
    return result


def summary(runs: Sequence[dict]) -> dict:
    """The runs of all seeds together: by arm, and as the comparisons that the lab makes."""
    outcomes: dict[str, list[list[Outcome]]] = {
        name: [run["arms"][name]["outcomes"] for run in runs] for name in runs[0]["arms"]
    }
    tables = {
        name: {
            "examples": [run["arms"][name]["examples"] for run in runs],
            "tokens_of_examples": [run["arms"][name]["tokens_of_examples"] for run in runs],
            "seconds": [run["arms"][name]["seconds"] for run in runs],
            "accuracy_by_seed": [accuracy([run]).value for run in of_arm],
            "accuracy": accuracy(of_arm)._asdict(),
            "accuracy_by_steps": {str(k): accuracy(of_arm, k)._asdict() for k in STEP_COUNTS},
            "tokens_written": tokens_written(of_arm)._asdict(),
        }
        for name, of_arm in outcomes.items()
    }
    compared = {}
    for what, (name, other) in COMPARISONS.items():
        if name in outcomes and other in outcomes:
            compared[what] = compare(outcomes[name], outcomes[other])._asdict()
    kinds = {kind: sum(run["kinds"][kind] for run in runs) / len(runs) for kind in runs[0]["kinds"]}
    return {"teacher_traces": kinds, "arms": tables, "comparisons": compared}


def before() -> dict:
    """Teacher (greedy, and drawn at `TEMPERATURE`) and untrained student on the held-out problems."""
    tokenizer, held_out = problem_tokenizer(), make_problems(HELD_OUT, HELD_OUT_SEED, STEP_COUNTS)
    rows = {}
    for name, role, temperature in (
        ("teacher, greedy", "teacher", 0.0),
        ("teacher, drawn", "teacher", TEMPERATURE),
        ("student before", "student", 0.0),
    ):
        written = write_traces(load_reasoner(role), tokenizer, held_out, SamplingConfig(temperature=temperature))
        run = [judge_answers(held_out, written, cot.extract_answer, tokenizer)]
        rows[name] = {
            "accuracy": accuracy(run)._asdict(),
            "accuracy_by_steps": {str(k): accuracy(run, k)._asdict() for k in STEP_COUNTS},
            "tokens_written": tokens_written(run)._asdict(),
        }
    return rows


def main() -> None:
    """Run all seeds and write the result."""
    parser = argparse.ArgumentParser(description="Compare students of a reasoning teacher.")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    began = time.perf_counter()
    runs = [run_seed(seed) for seed in tqdm(SEEDS, unit="seed")]
    result = {
        "machine": describe_machine(),
        "setting": {
            "seeds": list(SEEDS),
            "problems": PROBLEMS,
            "steps": STEPS,
            "batch_examples": BATCH_SIZE,
            "learning_rate": LEARNING_RATE,
            "temperature_of_the_teacher": TEMPERATURE,
            "held_out_problems": HELD_OUT,
            "parameters": {
                role: sum(weight.numel() for weight in load_reasoner(role).parameters())
                for role in ("teacher", "student")
            },
        },
        **before(),
        **summary(runs),
        "seconds": round(time.perf_counter() - began),
    }
    write_result("chain_of_thought", result, chosen.results)
    for name, arm in result["arms"].items():
        print(f"{name:28} {100 * arm['accuracy']['value']:5.1f} % right, {arm['tokens_written']['value']:5.1f} tokens")
    for what, compared in result["comparisons"].items():
        print(f"{what}: {describe_difference(*COMPARISONS[what], Estimate(**compared))}")


if __name__ == "__main__":
    main()
