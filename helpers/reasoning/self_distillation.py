"""Lab 05 with real models: a language model writes traces, the filter keeps some, and it is trained on these.

    distil_real_model(keep=filter_traces)        lab 05's last part: with the student's own filter

laptop: SmolLM2-135M-Instruct on made-up problems of one and two steps. gpu: Qwen2.5-1.5B-Instruct, or the model that
DISTILLAB_TEACHER names (a folder or a hub name), on a file in GSM8K's form that --problems or DISTILLAB_GSM8K names;
the file's last problems are held out. In both, teacher and student are the same model (*self-distillation*): shown two
worked examples it writes several traces for each problem, the kept ones are trained on *without* the examples, and
what is compared is its accuracy on held-out problems before and after.

It has no filter of its own: the lab asks for one. `python -m helpers.experiments.self_distillation` takes the
reference's. Source of the procedure: Zelikman et al. 2022, "STaR: Bootstrapping Reasoning With Reasoning".
"""

import copy
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from helpers.data.word_problems import Problem, make_problems, solved_problems
from helpers.engine.precision import choose_precision
from helpers.live_curve import LiveCurve
from helpers.losses import IGNORE
from helpers.models import choose_tier, load_teacher, load_tokenizer
from helpers.reasoning.fine_tuning import (
    Example,
    Outcome,
    accuracy,
    compare,
    judge_answers,
    tokens_written,
    train_on_examples,
    write_traces,
)

Filter = Callable[[Sequence[Problem], Sequence[str]], Sequence[tuple[Problem, str]]]

HUB_TEACHER = "Qwen/Qwen2.5-1.5B-Instruct"
INSTRUCTION = "Solve the problem. Write one step a line, each with one equation. End with #### and the answer."
SHOWN = 2  # worked examples in the teacher's prompt
# What a run does, by tier. longest: tokens of a trace. shots come from the generator in both tiers.
SETTINGS = {
    "laptop": {"problems": 100, "samples": 4, "held_out": 100, "longest": 64, "temperature": 0.8, "steps": 60,
               "batch_size": 8, "write_batch": 32, "learning_rate": 2e-5},
    "gpu": {"problems": 1000, "samples": 4, "held_out": 300, "longest": 320, "temperature": 0.8, "steps": 200,
            "batch_size": 16, "write_batch": 128, "learning_rate": 1e-5},
}  # fmt: skip


def read_problems(path: Path) -> list[dict]:
    """Problems of a file in GSM8K's form: a JSON object a line, with `question`, and `answer` that ends in `#### N`.

    Returns mappings with `question`, `answer` (a whole number) and `solution` (text, without the marks `<<…>>` that
    stand for a calculator). Raises ValueError, naming the line, where there is no answer.
    """
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        entry = json.loads(line)
        last = entry["answer"].rstrip().rpartition("\n")[2]
        answer = open_answer(last) if last.startswith("####") else None
        if answer is None:
            raise ValueError(f"{path}, line {number}: the answer does not end in #### and a whole number")
        solution = re.sub(r"<<[^>]*>>", "", entry["answer"])
        problems.append({"question": entry["question"], "answer": answer, "solution": solution})
    return problems


def open_answer(text: str) -> int | None:
    """The answer in a text of any model: after `####`, else in `\\boxed{}`, else the last number.

    Returns None where there is none, or where it is no whole number (12.50); 12.00 is 12.
    """
    marked = re.findall(r"####[^\d\n-]*(-?\d[\d,]*(?:\.\d+)?)", text)
    boxed = re.findall(r"\\boxed\{[^\d}-]*(-?\d[\d,]*(?:\.\d+)?)", text)
    numbers = re.findall(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?", text)
    for found in (marked, boxed, numbers):
        if found:
            whole, _, rest = found[-1].replace(",", "").partition(".")
            return None if rest.strip("0") else int(whole)
    return None


def chat_prompt(problem: Problem, tokenizer: PreTrainedTokenizerBase, shown: Sequence[tuple[Problem, str]] = ()) -> str:
    """The problem as a conversation in the model's own form, up to where it begins to write.

    shown: solved problems that stand before it, as if it had answered them. A tokenizer without a chat template gets
    plain text.
    """
    turns = [{"role": "system", "content": INSTRUCTION}]
    for example, trace in shown:
        turns += [{"role": "user", "content": example["question"]}, {"role": "assistant", "content": trace}]
    turns.append({"role": "user", "content": problem["question"]})
    if tokenizer.chat_template is None:
        return "\n\n".join(turn["content"] for turn in turns) + "\n\n"
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


def chat_example(problem: Problem, trace: str, tokenizer: PreTrainedTokenizerBase) -> Example:
    """A training example in the model's own form: the conversation masked, trace and end of text learned."""
    prompt = tokenizer(chat_prompt(problem, tokenizer), add_special_tokens=False)["input_ids"]
    learned = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(prompt + learned), torch.tensor([IGNORE] * len(prompt) + learned)


def to_answer(trace: str) -> str:
    """A trace up to the end of its first answer's line; what a model writes after it is left out."""
    found = re.search(r"####[^\n]*", trace)
    return trace[: found.end()].strip() if found else trace.strip()


def worked_examples() -> list[tuple[Problem, str]]:
    """Solved problems to show the teacher: two of two steps, none of which is asked later."""
    return solved_problems(SHOWN, seed=77, steps=(2,), distractors=0.0)


def self_distil(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    training: Sequence[Problem],
    held_out: Sequence[Problem],
    *,
    samples: int,
    longest: int,
    temperature: float,
    steps: int,
    batch_size: int,
    write_batch: int,
    learning_rate: float,
    keep: Filter,
    seed: int = 0,
) -> dict:
    """Draw `samples` traces for each training problem, keep, train the model on what is kept, measure before and after.

    keep: from problems and their traces, the pairs to train on, as lab 05's `filter_traces` does.
    The model is trained in place. Returns a dictionary that JSON can hold. The steps of a trace are verified only in
    the form that the worked examples show; a trace without one such equation is not kept.
    """
    shown = worked_examples()

    def writer() -> nn.Module:
        return copy.deepcopy(model).to(choose_precision(model))  # writing is faster in the dtype that suits the machine

    def measure(examples: Sequence[tuple[Problem, str]]) -> list[Outcome]:
        written = write_traces(
            writer(), tokenizer, held_out, longest=longest, batch_size=write_batch,
            prompt=lambda problem: chat_prompt(problem, tokenizer, examples),
        )  # fmt: skip
        return judge_answers(held_out, [to_answer(trace) for trace in written], open_answer, tokenizer)

    runs = {"before, shown two examples": measure(shown), "before": measure(())}
    asked = [problem for problem in training for _ in range(samples)]
    drawn = write_traces(
        writer(), tokenizer, asked, temperature=temperature, seed=seed, longest=longest, batch_size=write_batch,
        prompt=lambda problem: chat_prompt(problem, tokenizer, shown),
        watch=lambda count: print(f"{count} of {len(asked)} traces drawn", flush=True),
    )  # fmt: skip
    traces = [to_answer(trace) for trace in drawn]
    kept = list(keep(asked, traces))
    result: dict = {
        "traces": len(traces),
        "right_answer": sum(open_answer(t) == p["answer"] for p, t in zip(asked, traces, strict=True)) / len(traces),
        "kept_traces": len(kept),
        "problems_with_a_kept_trace": len({problem["question"] for problem, _ in kept}),
    }
    if kept:
        examples = [chat_example(problem, trace, tokenizer) for problem, trace in kept]
        with LiveCurve("Training on what was kept", steps) as live:
            train_on_examples(
                model, examples, steps=steps, batch_size=batch_size, learning_rate=learning_rate, watch=live.add
            )
        runs["after"] = measure(())
        for other in ("before", "before, shown two examples"):
            result[f"after against {other}"] = compare([runs["after"]], [runs[other]])._asdict()
    result["arms"] = {
        name: {
            "accuracy": accuracy([run])._asdict(),
            "accuracy_by_steps": {str(k): accuracy([run], k)._asdict() for k in sorted({o.steps for o in run})},
            "tokens_written": tokens_written([run])._asdict(),
        }
        for name, run in runs.items()
    }
    return result


def load(tier: str) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    """The tier's reasoner, which is teacher and student at once, and its tokenizer."""
    if tier == "laptop":
        return load_teacher("laptop"), load_tokenizer("laptop")
    name = os.environ.get("DISTILLAB_TEACHER", HUB_TEACHER)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Weights in bfloat16 have too few digits for steps of 1e-5: most would round to nothing.
    model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
    return model.to(device), AutoTokenizer.from_pretrained(name)


def distil_real_model(
    tier: str | None = None, *, keep: Filter, file: Path | None = None, **settings: int
) -> dict | None:
    """What the tier's real model does before and after it was trained on its own kept traces.

    tier: None takes DISTILLAB_TIER. keep: the filter. file: for the gpu tier, problems in GSM8K's form; None takes
    DISTILLAB_GSM8K. settings: what to have in place of the tier's own, by the names in `SETTINGS`.
    Returns what `self_distil` does, with model, setting and seconds; None, after a sentence, on the tiny tier, which
    has no real model. Raises ValueError without a file on the gpu tier, and what loading the model raises.
    """
    tier = choose_tier(tier)
    if tier not in SETTINGS:
        print("The tiny tier has no real model. `distillab fetch laptop` fetches one (93 MB, once); then start Jupyter")
        print("with DISTILLAB_TIER=laptop and run this cell again. It takes about ten minutes on two cores.")
        return None
    setting = SETTINGS[tier] | settings
    if tier == "gpu":
        file = file or os.environ.get("DISTILLAB_GSM8K")
        if not file:
            raise ValueError(
                "the gpu tier needs problems: name a file in GSM8K's form, in DISTILLAB_GSM8K or with --problems"
            )
        read = read_problems(Path(file))
        if min(setting["problems"], setting["held_out"]) < 1 or len(read) < setting["problems"] + setting["held_out"]:
            raise ValueError(
                f"{file} holds {len(read)} problems, and {setting['problems']} to train on and {setting['held_out']} "
                "others to measure on are asked for; each must be at least 1, and the file must hold them all"
            )
        training, held_out = read[: setting["problems"]], read[-setting["held_out"] :]
    else:
        training = make_problems(setting["problems"], seed=1, steps=(1, 2), distractors=0.0)
        held_out = make_problems(setting["held_out"], seed=1_000_001, steps=(1, 2), distractors=0.0)
    began = time.perf_counter()
    model, tokenizer = load(tier)
    how = {name: value for name, value in setting.items() if name not in ("problems", "held_out")}
    result = self_distil(model, tokenizer, training, held_out, keep=keep, **how)
    name = os.environ.get("DISTILLAB_TEACHER", "SmolLM2-135M-Instruct" if tier == "laptop" else HUB_TEACHER)
    return {"model": name, "setting": setting, "seconds": round(time.perf_counter() - began), **result}
