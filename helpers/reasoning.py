"""Write traces with a model, train a student on traces, and measure how often its answers are right.

An *example* is a pair of 1-D tensors, `input_ids` and `labels`, as the exercise `make_example` of lab 05 returns it:
the labels are the same tokens with -100 over the question. Which traces are good enough is not decided here, and what
the answer in a trace is neither: both are handed in.

Leans on `helpers.losses` and `helpers.labels` for the loss and the shift, on `helpers.training` for the schedule, and
on torch.
"""

import random
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from helpers.labels import next_token_pairs
from helpers.losses import IGNORE, hard_loss
from helpers.training import one_cycle
from helpers.word_problems import Problem

Example = tuple[Tensor, Tensor]


def collate(examples: Sequence[Example], padding: int = 0) -> dict[str, Tensor]:
    """One batch of examples: `input_ids` and `labels`, each `(B, S)`, filled up on the right with padding and -100.

    There is no attention mask: padding stands to the right of everything that counts, and a causal model looks to the
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
    watch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train the student in place on the tokens whose label is not -100, and return the loss of each step, in nats.

    watch: called after each step with the step's number, from 1, and its loss.
    Raises ValueError if there is no example.
    """
    if not examples:
        raise ValueError("examples is empty; a student needs at least one")
    optimizer = torch.optim.AdamW(student.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(step, steps))
    batches, losses = similar_lengths(examples, batch_size, seed), []
    student.train()
    for step in range(1, steps + 1):
        batch = next(batches)
        logits, labels = next_token_pairs(student(batch["input_ids"]).logits, batch["labels"])
        loss = hard_loss(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if watch is not None:
            watch(step, losses[-1])
    student.eval()
    return losses


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
) -> list[str]:
    """What the model writes after each question and a line end, up to its end of text.

    temperature: 0 takes the likeliest token each time; above 0, tokens are drawn. longest: tokens after which a trace
    is cut. The same seed gives the same traces.
    """
    source = torch.Generator().manual_seed(seed)
    prompts = [tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"] for problem in problems]
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    traces = [""] * len(prompts)
    model.eval()
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        written = _continue(
            model, [prompts[place] for place in places], tokenizer.eos_token_id, longest, temperature, source
        )
        for place, tokens in zip(places, written, strict=True):
            traces[place] = tokenizer.decode(tokens)
    return traces


def _continue(
    model: nn.Module, prompts: list[list[int]], end: int, longest: int, temperature: float, source: torch.Generator
) -> list[list[int]]:
    """The tokens that the model adds to each prompt, without the end of text. Prompts are filled up on the left."""
    width = max(map(len, prompts))
    longest = min(longest, model.config.max_position_embeddings - width)
    input_ids = torch.tensor([[end] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    written, cache, fed = [], None, input_ids
    done = torch.zeros(len(prompts), dtype=torch.bool)
    for _ in range(longest):
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -fed.shape[1] :]
        output = model(fed, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
        cache, logits = output.past_key_values, output.logits[:, -1]
        if temperature > 0:
            token = torch.multinomial((logits.float() / temperature).softmax(dim=-1), 1, generator=source)
        else:
            token = logits.argmax(dim=-1, keepdim=True)
        token[done] = end
        done |= token[:, 0] == end
        written.append(token)
        if done.all():
            break
        fed, mask = token, torch.cat([mask, torch.ones_like(token)], dim=1)
    rows = torch.cat(written, dim=1).tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]
