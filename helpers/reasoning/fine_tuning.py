"""Write traces with a model, train a student on traces, and measure how often its answers are right.

An *example* is a pair of 1-D tensors, `input_ids` and `labels`, as the exercise `make_example` of lab 05 returns it:
the labels are the same tokens with -100 over the question. Which traces are good enough is not decided here, and what
the answer in a trace is neither: both are handed in.

Two models come with the package, made by `scripts/train_reasoners.py`: a *student* that has read a little of everything
and is good at nothing that takes several steps, and a *teacher*, which is the same model after lessons.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase

from helpers.bootstrap import Estimate, estimate_ratio
from helpers.data.word_problems import Problem
from helpers.engine.lr_schedule import warmup_cosine
from helpers.engine.precision import choose_precision
from helpers.labels import next_token_pairs
from helpers.losses import IGNORE, hard_loss
from helpers.models import load_folder_model

Example = tuple[Tensor, Tensor]


def load_reasoner(role: str) -> GPT2LMHeadModel:
    """The tiny "teacher" or the "student" as it is before distillation; without dropout, in eval mode.

    A student sees each trace only a few times; dropout, which keeps a model from learning rows by heart, would only
    slow it down. Raises ValueError for another role.
    """
    if role not in ("teacher", "student"):
        raise ValueError(f'role is "{role}"; it must be "teacher" or "student"')
    return without_dropout(load_folder_model(f"reasoning_{role}"))


def without_dropout(model: nn.Module) -> nn.Module:
    """Set the probability of every dropout layer to 0, and return the model."""
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return model


def collate(examples: Sequence[Example], padding: int = 0) -> dict[str, Tensor]:
    """One batch of examples: `input_ids` and `labels`, each `(B, S)`, filled up on the right with padding and -100.

    No attention mask is needed: padding stands to the right of everything that counts, and a causal model looks to the
    left.
    """
    width = max(len(input_ids) for input_ids, _ in examples)
    batch = {
        "input_ids": torch.full((len(examples), width), padding),
        "labels": torch.full((len(examples), width), IGNORE),
    }
    for row, (input_ids, labels) in enumerate(examples):
        batch["input_ids"][row, : len(input_ids)] = input_ids
        batch["labels"][row, : len(labels)] = labels
    return batch


def similar_lengths(examples: Sequence[Example], batch_size: int, seed: int) -> Iterator[dict[str, Tensor]]:
    """Endless batches whose rows have about the same length, so that little of them is padding.

    Examples are shuffled, sorted by length within 8 batches, and these batches shuffled again.
    """
    source = random.Random(seed)
    waiting: list[Example] = []
    while True:
        while len(waiting) < 8 * batch_size:
            waiting += source.sample(list(examples), len(examples))
        chunk = sorted(waiting[: 8 * batch_size], key=lambda example: len(example[0]))
        waiting = waiting[8 * batch_size :]
        batches = [chunk[start : start + batch_size] for start in range(0, len(chunk), batch_size)]
        for batch in source.sample(batches, len(batches)):
            yield collate(batch)


def train_on_examples(
    student: nn.Module,
    examples: Sequence[Example],
    *,
    steps: int,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    seed: int = 0,
    watch: Callable[[float], None] | None = None,
) -> list[float]:
    """Train the student in place on the tokens whose label is not -100, and return the loss of each step, in nats.

    watch: called with each step's loss, for example a `LiveCurve`'s add.
    Raises ValueError if there is no example.
    """
    if not examples:
        raise ValueError("examples is empty; a student needs at least one")
    optimizer = torch.optim.AdamW(student.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, steps))
    batches, losses = similar_lengths(examples, batch_size, seed), []
    device, precision = next(student.parameters()).device, choose_precision(student)
    student.train()
    for _ in range(steps):
        batch = {name: values.to(device) for name, values in next(batches).items()}
        everything = torch.ones_like(batch["input_ids"])
        with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
            logits = student(batch["input_ids"], attention_mask=everything).logits
        logits, labels = next_token_pairs(logits, batch["labels"])
        loss = hard_loss(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if watch is not None:
            watch(losses[-1])
    student.eval()
    return losses


def question_line(problem: Problem) -> str:
    """What a tiny model reads of a problem: the question and a newline."""
    return problem["question"] + "\n"


@torch.inference_mode()
def write_traces(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    *,
    temperature: float = 0.0,
    seed: int = 0,
    longest: int = 128,
    batch_size: int = 128,
    prompt: Callable[[Problem], str] = question_line,
    watch: Callable[[int], None] | None = None,
) -> list[str]:
    """What the model writes after each prompt, up to its end of text.

    temperature: 0 takes the likeliest token each time; above 0, tokens are drawn. longest: tokens after which a trace
    is cut. prompt: what the model reads of a problem, by default its question and a newline. watch: called with the
    number of traces written so far. The same seed gives the same traces.
    Raises ValueError where a prompt is as long as the model can read.
    """
    source = torch.Generator().manual_seed(seed)
    prompts = [tokenizer(prompt(problem), add_special_tokens=False)["input_ids"] for problem in problems]
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    traces = [""] * len(prompts)
    model.eval()
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        written = _continue(
            model, [prompts[place] for place in places], tokenizer.eos_token_id, longest, temperature, source
        )
        for place, tokens in zip(places, written, strict=True):
            traces[place] = tokenizer.decode(tokens, skip_special_tokens=True)
        if watch is not None:
            watch(start + len(places))
    return traces


def _continue(
    model: nn.Module, prompts: list[list[int]], end: int, longest: int, temperature: float, source: torch.Generator
) -> list[list[int]]:
    """The tokens that the model adds to each prompt, without the end of text. Prompts are filled up on the left."""
    width = max(map(len, prompts))
    longest = min(longest, model.config.max_position_embeddings - width)
    if longest < 1:
        raise ValueError(
            f"a prompt has {width} tokens, and the model reads {model.config.max_position_embeddings} at most; "
            "nothing is left for its trace"
        )
    device = next(model.parameters()).device
    input_ids = torch.tensor([[end] * (width - len(prompt)) + prompt for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    written, cache, fed = [], None, input_ids
    done = torch.zeros(len(prompts), dtype=torch.bool)
    for _ in range(longest):
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -fed.shape[1] :]
        output = model(fed, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
        cache, logits = output.past_key_values, output.logits[:, -1].float().cpu()
        if temperature > 0:
            token = torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=source)
        else:
            token = logits.argmax(dim=-1, keepdim=True)
        token[done] = end
        done |= token[:, 0] == end
        written.append(token)
        if done.all():
            break
        fed = token.to(device)
        mask = torch.cat([mask, torch.ones_like(fed)], dim=1)
    rows = torch.cat(written, dim=1).tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


class Outcome(NamedTuple):
    """One problem's result: its number of steps, whether the answer was right, and how many tokens were written."""

    steps: int
    right: bool
    tokens: int


def judge_answers(
    problems: Sequence[Problem],
    traces: Sequence[str],
    extract_answer: Callable[[str], int | None],
    tokenizer: PreTrainedTokenizerBase,
) -> list[Outcome]:
    """What became of each problem. Tokens are counted with the end of text. Steps are 0 where a problem has none."""
    return [
        Outcome(
            problem.get("steps", 0),
            extract_answer(trace) == problem["answer"],
            len(tokenizer(trace, add_special_tokens=False)["input_ids"]) + 1,
        )
        for problem, trace in zip(problems, traces, strict=True)
    ]


def accuracy(runs: Sequence[Sequence[Outcome]], steps: int | None = None) -> Estimate:
    """Share of right answers, with a 95 % bootstrap interval over the problems.

    runs: the outcomes on the same problems of one student or of several, for example of one for each seed; a problem
    then counts by the share of the students that were right. steps: only problems of so many steps.
    Raises ValueError if no problem is left.
    """
    return _mean([[outcome.right for outcome in run if steps in (None, outcome.steps)] for run in runs])


def tokens_written(runs: Sequence[Sequence[Outcome]]) -> Estimate:
    """Mean number of tokens written for a problem, with a 95 % bootstrap interval over the problems."""
    return _mean([[outcome.tokens for outcome in run] for run in runs])


def _mean(rows: Sequence[Sequence[float]]) -> Estimate:
    values = torch.tensor(rows, dtype=torch.float64)
    if values.numel() == 0:
        raise ValueError("there is no problem to take a mean over")
    counts = torch.full((values.shape[1],), values.shape[0])
    return estimate_ratio(values.sum(dim=0), counts, resamples=1000, confidence=0.95, seed=0, scale=float)


def compare(ours: Sequence[Sequence[Outcome]], theirs: Sequence[Sequence[Outcome]]) -> Estimate:
    """Accuracy of `ours` minus that of `theirs` on the same problems, with a 95 % bootstrap interval over them.

    The two are compared problem by problem, which says more than two intervals side by side: a hard problem is hard
    for both.
    """
    differences = [
        [mine.right - other.right for mine, other in zip(run, run_of_theirs, strict=True)]
        for run, run_of_theirs in zip(ours, theirs, strict=True)
    ]
    return _mean(differences)


def in_words(name: str, other: str, difference: Estimate) -> str:
    """What a difference in accuracy says, in a sentence; an interval that holds 0 says that no effect is shown."""
    value, low, high = (100 * number for number in (difference.value, difference.low, difference.high))
    if value < 0:  # the sentence names the better one first, so that its figures are of one sign with their estimate
        name, other, value, low, high = other, name, -value, -high, -low
    points = f"{value:.0f} points ({low:+.0f} to {high:+.0f})"
    if low <= 0 <= high:
        return f"No effect shown: between “{name}” and “{other}” lie {points}."
    return f"“{name}” is right more often than “{other}”, by {points}."
