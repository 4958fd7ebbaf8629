"""Train a student on traces.

An *example* is a pair of 1-D tensors, `input_ids` and `labels`, as lab 05's exercise `make_example` returns it: the
labels are the same tokens with -100 over the question. Which traces are worth learning from is not decided here.

Two models come with the package, both made by `scripts/train_reasoners.py`: a *student* that has read a little of
everything and is weak at whatever takes several steps, and a *teacher*, the same model after more training.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import GPT2LMHeadModel

from helpers.engine.lr_schedule import warmup_cosine
from helpers.engine.precision import choose_precision
from helpers.labels import next_token_pairs
from helpers.losses import IGNORE, hard_loss
from helpers.models import load_folder_model

Example = tuple[Tensor, Tensor]
Model = TypeVar("Model", bound=nn.Module)

POOLED_BATCHES = 8  # batches whose examples are sorted by length together


@dataclass(frozen=True)
class FineTuneConfig:
    """How a student is trained on examples.

    Attributes:
        steps: Optimizer steps.
        batch_size: Examples in each step.
        learning_rate: The peak of the schedule `warmup_cosine`.
        seed: Seed of the order of the examples.
    """

    steps: int
    batch_size: int = 32
    learning_rate: float = 3e-3
    seed: int = 0


def load_reasoner(role: str) -> GPT2LMHeadModel:
    """The tiny "teacher", or the "student" before distillation; without dropout, in eval mode.

    A student sees each trace only a few times. Dropout keeps a model from memorising its rows, and here it would only
    slow the student down. Raises ValueError for another role.
    """
    if role not in ("teacher", "student"):
        raise ValueError(f'role is "{role}"; it must be "teacher" or "student"')
    model = without_dropout(load_folder_model(f"reasoning_{role}"))
    model.config.pad_token_id = None  # or transformers warns of rows that are padded on the right and have no mask
    return model


def without_dropout(model: Model) -> Model:
    """Set the probability of every dropout layer to 0, in place, and return the model."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def collate(examples: Sequence[Example], padding: int = 0) -> dict[str, Tensor]:
    """One batch of examples: `input_ids` and `labels`, each `(B, S)`, padded on the right with `padding` and -100.

    No attention mask is needed: padding stands to the right of everything that counts, and a causal model looks only
    to the left.
    """
    return {
        "input_ids": pad_sequence([ids for ids, _ in examples], batch_first=True, padding_value=padding),
        "labels": pad_sequence([labels for _, labels in examples], batch_first=True, padding_value=IGNORE),
    }


def length_grouped(examples: Sequence[Example], batch_size: int, seed: int) -> Iterator[list[Example]]:
    """Endless batches of examples whose rows have about the same length, so that little of them is padding.

    Examples are shuffled, sorted by length within `POOLED_BATCHES` batches, and these batches are shuffled again.
    transformers' `LengthGroupedSampler` does the same for one epoch, but in another order: the trained weights in
    helpers/assets and the figures in results/ could not be reproduced with it.
    """
    source = random.Random(seed)
    pool_size = POOLED_BATCHES * batch_size
    waiting: list[Example] = []
    while True:
        while len(waiting) < pool_size:
            waiting += source.sample(list(examples), len(examples))
        pool, waiting = waiting[:pool_size], waiting[pool_size:]
        pool.sort(key=lambda example: len(example[0]))
        batches = [pool[start : start + batch_size] for start in range(0, pool_size, batch_size)]
        yield from source.sample(batches, len(batches))


def training_order(examples: Sequence[Example], config: FineTuneConfig) -> list[Example]:
    """The examples of all steps one after another, repeated as needed: those of a step have about the same length.

    Raises ValueError if there is no example.
    """
    _require(examples)
    batches = length_grouped(examples, config.batch_size, config.seed)
    return [example for batch in islice(batches, config.steps) for example in batch]


def scheduled_adamw(student: nn.Module, config: FineTuneConfig) -> torch.optim.AdamW:
    """AdamW that clips the gradient before each step and then follows the schedule `warmup_cosine` by itself."""
    optimizer = torch.optim.AdamW(student.parameters(), lr=config.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, config.steps))
    optimizer.register_step_pre_hook(lambda *_: _clip(student))
    optimizer.register_step_post_hook(lambda *_: schedule.step())
    return optimizer


def _require(examples: Sequence[Example]) -> None:
    if not examples:
        raise ValueError("examples is empty; a student needs at least one")


def _clip(student: nn.Module) -> None:
    nn.utils.clip_grad_norm_(student.parameters(), 1.0)


def train_on_examples(
    student: nn.Module,
    examples: Sequence[Example],
    config: FineTuneConfig,
    *,
    watch: Callable[[float], None] | None = None,
) -> list[float]:
    """Train the student in place on the tokens whose label is not -100.

    Args:
        student: A causal language model; it is trained in train mode and returned to eval mode.
        examples: What to train on, as often as `config.steps` requires.
        config: Steps, batch size, learning rate and seed.
        watch: Called with the loss of each step, for example the `add` of a `LiveCurve`.

    Returns:
        The loss of each step, in nats a token.

    Raises:
        ValueError: If there is no example.
    """
    _require(examples)
    optimizer = scheduled_adamw(student, config)
    batches = length_grouped(examples, config.batch_size, config.seed)
    device, precision = next(student.parameters()).device, choose_precision(student)
    losses: list[float] = []
    student.train()
    for _ in range(config.steps):
        batch = {name: tensor.to(device) for name, tensor in collate(next(batches)).items()}
        attention_mask = torch.ones_like(batch["input_ids"])
        with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
            logits = student(batch["input_ids"], attention_mask=attention_mask).logits
        loss = hard_loss(*next_token_pairs(logits, batch["labels"]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if watch is not None:
            watch(losses[-1])
    student.eval()
    return losses
