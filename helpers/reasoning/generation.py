"""Write traces with a model: prompts in, text out, one batch at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.data.word_problems import Problem


@dataclass(frozen=True)
class SamplingConfig:
    """How a model writes.

    Attributes:
        temperature: 0 takes the most likely token each time (greedy decoding); above 0, tokens are sampled.
        seed: Seed of the samples. On the same kind of device, the same seed gives the same traces.
        max_new_tokens: Tokens after which a trace is cut off.
        batch_size: Prompts that are continued together.
    """

    temperature: float = 0.0
    seed: int = 0
    max_new_tokens: int = 128
    batch_size: int = 128


GREEDY = SamplingConfig()


def question_line(problem: Problem) -> str:
    """The prompt of a tiny model: the question and a newline."""
    return problem["question"] + "\n"


@torch.inference_mode()
def write_traces(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    sampling: SamplingConfig = GREEDY,
    *,
    prompt: Callable[[Problem], str] = question_line,
    watch: Callable[[int], None] | None = None,
) -> list[str]:
    """Return what the model writes after each prompt, up to its end-of-text token.

    Args:
        model: A causal language model; it is put into eval mode.
        tokenizer: Its tokenizer, with a padding token.
        problems: The problems to solve.
        sampling: Temperature, seed and limits; greedy decoding by default. The model's own generation settings (those
            of many chat models penalise repetition) do not apply.
        prompt: Makes the prompt of a problem.
        watch: Called after each batch with the number of traces written so far.

    Raises:
        ValueError: If a prompt leaves no room for a trace in the model's context.
    """
    prompts = tokenizer([prompt(problem) for problem in problems], add_special_tokens=False)["input_ids"]
    shortest_first = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))  # so that little is padding
    traces = [""] * len(prompts)
    model.eval()
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(sampling.seed)
        for start in range(0, len(prompts), sampling.batch_size):
            batch = shortest_first[start : start + sampling.batch_size]
            written = _continue(model, tokenizer, [prompts[index] for index in batch], sampling)
            for index, trace in zip(batch, written, strict=True):
                traces[index] = trace
            if watch is not None:
                watch(start + len(batch))
    return traces


def _continue(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]], sampling: SamplingConfig
) -> list[str]:
    """The text that the model adds to each prompt. Prompts are padded on the left, so that all end where it writes."""
    batch = tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt").to(model.device)
    width, context = batch["input_ids"].shape[1], model.config.max_position_embeddings
    if width >= context:
        raise ValueError(
            f"a prompt has {width} tokens and the model's context holds {context}; no room is left for a trace"
        )
    drawn = sampling.temperature > 0
    generate = cast(Callable[..., Tensor], model.generate)
    rows = generate(
        **batch,
        max_new_tokens=min(sampling.max_new_tokens, context - width),
        do_sample=drawn,
        temperature=sampling.temperature if drawn else None,  # None overrides the model's own setting
        top_k=None,
        top_p=None,
        repetition_penalty=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    return tokenizer.batch_decode(rows[:, width:], skip_special_tokens=True)
