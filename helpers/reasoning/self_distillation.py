"""Lab 05 with real models: a language model writes traces, a filter keeps some, and the model is trained on these.

    distil_real_model(keep=filter_traces)        lab 05's last part, with the student's own filter

Teacher and student are the same model (*self-distillation*). Shown two worked examples, it writes several traces for
each problem. It is then trained on the kept ones *without* the examples, and its accuracy on held-out problems is
compared before and after.

- laptop: SmolLM2-135M-Instruct on generated problems of one and two steps.
- gpu: Qwen2.5-1.5B-Instruct, or the model that DISTILLAB_TEACHER names (a folder or a name on the hub), on a file in
  GSM8K's format that --problems or DISTILLAB_GSM8K names; the last problems of the file are held out.

The filter is an argument, because writing it is an exercise of the lab. `python -m
helpers.experiments.self_distillation` uses the reference's.
Source of the procedure: Zelikman et al. 2022, "STaR: Bootstrapping Reasoning With Reasoning".
"""

import copy
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from helpers.data.word_problems import Problem, make_problems, solved_problems
from helpers.engine.precision import choose_precision
from helpers.live_curve import LiveCurve
from helpers.models import choose_tier, load_teacher, load_tokenizer
from helpers.reasoning.chat_format import chat_example, chat_prompt, open_answer, read_problems, to_answer
from helpers.reasoning.fine_tuning import FineTuneConfig, train_on_examples
from helpers.reasoning.generation import SamplingConfig, write_traces
from helpers.reasoning.scoring import Outcome, accuracy, compare, judge_answers, tokens_written

Filter = Callable[[Sequence[Problem], Sequence[str]], Sequence[tuple[Problem, str]]]

LAPTOP_MODEL, HUB_MODEL = "SmolLM2-135M-Instruct", "Qwen/Qwen2.5-1.5B-Instruct"
WORKED_EXAMPLES = 2  # in the teacher's prompt


@dataclass(frozen=True)
class SelfDistillationConfig:
    """What a run does.

    Attributes:
        problems: Problems to train on.
        held_out: Other problems, to measure accuracy on.
        samples: Traces to sample for each training problem.
        max_new_tokens: Tokens after which a trace is cut off.
        temperature: Temperature of the samples; answers that are measured are greedy.
        steps: Optimizer steps.
        batch_size: Traces in each step.
        generation_batch_size: Prompts that are continued together.
        learning_rate: The peak of the schedule.
        seed: Seed of the samples.
    """

    problems: int
    held_out: int
    samples: int
    max_new_tokens: int
    temperature: float
    steps: int
    batch_size: int
    generation_batch_size: int
    learning_rate: float
    seed: int = 0

    @property
    def greedy(self) -> SamplingConfig:
        """How answers are written that are measured."""
        return SamplingConfig(max_new_tokens=self.max_new_tokens, batch_size=self.generation_batch_size)

    @property
    def sampling(self) -> SamplingConfig:
        """How traces are written that may be trained on."""
        return replace(self.greedy, temperature=self.temperature, seed=self.seed)

    @property
    def fine_tuning(self) -> FineTuneConfig:
        return FineTuneConfig(steps=self.steps, batch_size=self.batch_size, learning_rate=self.learning_rate)

    def recorded(self) -> dict[str, int | float]:
        """The setting as results/chain_of_thought_*.json names it."""
        return {
            "problems": self.problems,
            "samples": self.samples,
            "held_out": self.held_out,
            "longest": self.max_new_tokens,
            "temperature": self.temperature,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "write_batch": self.generation_batch_size,
            "learning_rate": self.learning_rate,
        }


CONFIGS = {
    "laptop": SelfDistillationConfig(
        problems=100,
        held_out=100,
        samples=4,
        max_new_tokens=64,
        temperature=0.8,
        steps=60,
        batch_size=8,
        generation_batch_size=32,
        learning_rate=2e-5,
    ),
    "gpu": SelfDistillationConfig(
        problems=1000,
        held_out=300,
        samples=4,
        max_new_tokens=320,
        temperature=0.8,
        steps=200,
        batch_size=16,
        generation_batch_size=128,
        learning_rate=1e-5,
    ),
}


def worked_examples() -> Sequence[tuple[Problem, str]]:
    """Solved problems of two steps to show the teacher; none of them is asked later."""
    return solved_problems(WORKED_EXAMPLES, seed=77, steps=(2,), distractors=0.0)


def self_distil(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    training: Sequence[Problem],
    held_out: Sequence[Problem],
    config: SelfDistillationConfig,
    *,
    keep: Filter,
) -> dict:
    """Sample traces, keep some, train the model on the kept ones, and measure its accuracy before and after.

    Args:
        model: Teacher and student at once; trained in place.
        tokenizer: Its tokenizer.
        training: Problems to sample traces for.
        held_out: Problems to measure accuracy on.
        config: Samples, temperature, training and limits; its numbers of problems are not used here.
        keep: Takes problems and their traces and returns the pairs to train on, like lab 05's `filter_traces`.

    Returns:
        A dictionary that JSON can hold: counts of traces, accuracy and tokens written by arm, and the differences.
    """
    examples = worked_examples()
    runs = {
        "before, shown two examples": _answers(model, tokenizer, held_out, config, examples),
        "before": _answers(model, tokenizer, held_out, config),
    }
    asked = [problem for problem in training for _ in range(config.samples)]
    traces = _sample(model, tokenizer, asked, config, examples)
    pairs = list(keep(asked, traces))
    right = sum(open_answer(trace) == problem["answer"] for problem, trace in zip(asked, traces, strict=True))
    result: dict = {
        "traces": len(traces),
        "right_answer": right / len(traces),
        "kept_traces": len(pairs),
        "problems_with_a_kept_trace": len({problem["question"] for problem, _ in pairs}),
    }
    if pairs:
        with LiveCurve("Training on the kept traces", config.steps) as live:
            train_on_examples(
                model,
                [chat_example(problem, trace, tokenizer) for problem, trace in pairs],
                config.fine_tuning,
                watch=live.add,
            )
        runs["after"] = _answers(model, tokenizer, held_out, config)
        for other in ("before", "before, shown two examples"):
            result[f"after against {other}"] = compare([runs["after"]], [runs[other]])._asdict()
    return result | {"arms": {name: _summary(run) for name, run in runs.items()}}


def _answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    config: SelfDistillationConfig,
    examples: Sequence[tuple[Problem, str]] = (),
) -> list[Outcome]:
    """The outcomes of the model's greedy answers, written after these worked examples."""
    written = write_traces(
        _writer(model), tokenizer, problems, config.greedy, prompt=lambda p: chat_prompt(p, tokenizer, examples)
    )
    return judge_answers(problems, [to_answer(trace) for trace in written], open_answer, tokenizer)


def _sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    config: SelfDistillationConfig,
    examples: Sequence[tuple[Problem, str]],
) -> list[str]:
    """One sampled trace for each problem, up to its answer."""
    drawn = write_traces(
        _writer(model),
        tokenizer,
        problems,
        config.sampling,
        prompt=lambda problem: chat_prompt(problem, tokenizer, examples),
        watch=lambda count: print(f"{count} of {len(problems)} traces sampled", flush=True),
    )
    return [to_answer(trace) for trace in drawn]


def _writer(model: PreTrainedModel) -> PreTrainedModel:
    """A copy in the dtype that is fastest here; the model itself stays in float32, in which it is trained."""
    faster = cast(nn.Module, copy.deepcopy(model)).to(dtype=choose_precision(model))
    return cast(PreTrainedModel, faster)


def _summary(run: list[Outcome]) -> dict:
    """Accuracy, also by number of steps, and tokens written, as plain data."""
    return {
        "accuracy": accuracy([run])._asdict(),
        "accuracy_by_steps": {str(k): accuracy([run], k)._asdict() for k in sorted({o.steps for o in run})},
        "tokens_written": tokens_written([run])._asdict(),
    }


def model_name(tier: str) -> str:
    """The name of the tier's model, or the one that DISTILLAB_TEACHER names."""
    return os.environ.get("DISTILLAB_TEACHER") or (LAPTOP_MODEL if tier == "laptop" else HUB_MODEL)


def load(tier: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The tier's model, which is teacher and student at once, and its tokenizer."""
    if tier == "laptop":
        return load_teacher("laptop"), load_tokenizer("laptop")
    # In bfloat16, most optimizer steps of size 1e-5 would round to nothing.
    model = AutoModelForCausalLM.from_pretrained(model_name(tier), dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model_name(tier))
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    cast(nn.Module, model).to("cuda" if torch.cuda.is_available() else "cpu")
    return model, tokenizer


def _problems(
    tier: str, config: SelfDistillationConfig, file: Path | None
) -> tuple[Sequence[Problem], Sequence[Problem]]:
    """Problems to train on, and others to measure on."""
    if tier == "laptop":
        training = make_problems(config.problems, seed=1, steps=(1, 2), distractors=0.0)
        return training, make_problems(config.held_out, seed=1_000_001, steps=(1, 2), distractors=0.0)
    if file is None:
        raise ValueError(
            "the gpu tier needs problems: name a file in GSM8K's format in DISTILLAB_GSM8K or with --problems"
        )
    problems = read_problems(file)
    if min(config.problems, config.held_out) < 1 or len(problems) < config.problems + config.held_out:
        raise ValueError(
            f"{file} holds {len(problems)} problems; {config.problems} to train on and {config.held_out} others to "
            "measure on were requested. Each number must be at least 1, and the file must hold enough for both"
        )
    return problems[: config.problems], problems[-config.held_out :]


def distil_real_model(
    tier: str | None = None, *, keep: Filter, file: Path | None = None, **changes: int
) -> dict | None:
    """Measure the tier's real model before and after training on the traces that it wrote and that `keep` kept.

    Args:
        tier: "laptop" or "gpu"; None takes DISTILLAB_TIER. On the tiny tier, which has no real model, a sentence is
            printed and nothing else happens.
        keep: The filter; see `self_distil`.
        file: Problems in GSM8K's format for the gpu tier; None takes DISTILLAB_GSM8K.
        changes: Other values for fields of the tier's `SelfDistillationConfig`.

    Returns:
        What `self_distil` returns, with model, setting and seconds; None on the tiny tier.

    Raises:
        ValueError: If the gpu tier has no file, or too few problems in it.
        FetchError: If the laptop tier's model is not there; for the gpu tier, what transformers raises.
    """
    tier = choose_tier(tier)
    if tier not in CONFIGS:
        print(
            "The tiny tier has no real model. `distillab fetch laptop` downloads one (93 MB, once).\n"
            "Then start Jupyter with DISTILLAB_TIER=laptop and run this cell again. It takes about\n"
            "ten minutes on two cores."
        )
        return None
    config = replace(CONFIGS[tier], **changes)
    path = file or os.environ.get("DISTILLAB_GSM8K")
    training, held_out = _problems(tier, config, Path(path) if path else None)
    began = time.perf_counter()
    model, tokenizer = load(tier)
    result = self_distil(model, tokenizer, training, held_out, config, keep=keep)
    seconds = round(time.perf_counter() - began)
    return {"model": model_name(tier), "setting": config.recorded(), "seconds": seconds, **result}
