"""Distillation as a training loop: the student learns from the labels and from a frozen teacher at the same time.

This is the loop that lab 03 writes, made fast and safe to interrupt. The parts that make it so are in `helpers.engine`:
a loss that never holds all logits (`chunked_loss`), teachers whose outputs were computed once (`logit_cache`,
`hidden_state_cache`), and checkpoints (`checkpoint`).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, RandomSampler
from tqdm.auto import tqdm

from helpers.data.batches import Batch
from helpers.engine.checkpoint import Checkpointer, interrupt_waits
from helpers.engine.chunked_loss import batch_loss, count_tokens
from helpers.engine.lr_schedule import warmup_cosine
from helpers.engine.model_parts import compile_forward
from helpers.engine.precision import autocast, choose_precision
from helpers.engine.processes import AcceleratorLike, Processes
from helpers.engine.teacher import Teacher, as_teacher, freeze
from helpers.losses import check_alpha, check_temperature

__all__ = ["DistillConfig", "History", "count_parameters", "distill", "freeze"]


@dataclass(frozen=True)
class DistillConfig:
    """The settings of a distillation.

    Args:
        steps: optimizer steps; the batches are repeated as often as needed. None means one pass over them.
        temperature: T of the soft targets, as in `distillation_loss`.
        alpha: weight of the soft term. 0 trains on hard labels only, the control of every experiment; 1 trains on the
            teacher only.
        learning_rate: the peak of the schedule `warmup_cosine`.
        weight_decay: AdamW's.
        accumulate: batches whose gradients are summed before each step. The loss is the mean over the counted tokens of
            all of them, as if they were one large batch.
        precision: dtype of the matrix products, float32 or bfloat16. None takes the checkpoint's, or else what
            `choose_precision` measures to be faster. Weights and losses stay in float32.
        chunk: tokens whose logits exist at the same time; None chooses by the size of the vocabulary.
        compile: a backend of torch.compile, for example "inductor", or None.

    Raises:
        ValueError: a setting is outside its range.
    """

    steps: int | None = None
    temperature: float = 3.0
    alpha: float = 0.5
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    accumulate: int = 1
    precision: torch.dtype | None = None
    chunk: int | None = None
    compile: str | None = None

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        check_alpha(self.alpha)
        for name in ("steps", "accumulate", "chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if self.precision not in (None, torch.float32, torch.bfloat16):
            raise ValueError(f"precision is {self.precision}; it must be torch.float32 or torch.bfloat16, or None")


DEFAULTS = DistillConfig()


@dataclass
class History:
    """A run, with one entry for each step: the loss in nats per token, the learning rate, the counted tokens."""

    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    def add(self, loss: float, learning_rate: float, tokens: int) -> None:
        self.losses.append(loss)
        self.learning_rates.append(learning_rate)
        self.tokens.append(tokens)


def count_parameters(model: nn.Module) -> int:
    """Number of weights: frozen ones included, tied ones counted once, buffers not counted."""
    return sum(parameter.numel() for parameter in model.parameters())


def distill(
    student: nn.Module,
    teacher: nn.Module | Teacher | None,
    batches: DataLoader | list[Batch],
    config: DistillConfig = DEFAULTS,
    *,
    checkpoint: Checkpointer | None = None,
    accelerator: AcceleratorLike | None = None,
    on_step: Callable[[int, History], None] | None = None,
    progress: bool = True,
) -> History:
    """Train the student in place on labels and teacher, and return the history.

    The teacher is frozen and stays frozen. The student trains in train mode and comes back in eval mode.

    Args:
        student: called with input_ids and attention_mask `(B, S)`; returns an object with logits `(B, S, V)`.
        teacher: a model like the student, or a `Teacher`, for example a cache of a model's outputs. May be None if
            alpha is 0.
        batches: mappings of input_ids and attention_mask.
        config: steps, loss, optimizer, precision.
        checkpoint: saves the run as it goes, and resumes it with the same numbers. Pass the same batches again.
        accelerator: an `accelerate.Accelerator`, for several processes (`accelerate launch`). Each takes `accumulate`
            different batches per step; loss and gradient are those of one process that accumulates all of them.
        on_step: called after each step with the number of steps done and the history.
        progress: whether to show a progress bar.

    Raises:
        ValueError: there are no batches or no teacher, or the checkpoint belongs to another run.
    """
    processes = Processes(accelerator)
    _check_run(teacher, batches, config, repeatable=checkpoint is not None or processes.count > 1)
    batches_per_step = config.accumulate * processes.count
    steps = config.steps or math.ceil(len(batches) / batches_per_step)
    device = processes.place(student)
    teacher = None if teacher is None or config.alpha == 0 else as_teacher(teacher, device)
    precision = config.precision or (checkpoint and checkpoint.precision) or choose_precision(student)
    forward = compile_forward(student, config.compile)
    optimizer = torch.optim.AdamW(student.parameters(), weight_decay=config.weight_decay, fused=True)
    history, groups = History(), _groups(batches, batches_per_step)
    if checkpoint is not None:
        settings = _settings_to_resume(config, teacher, steps, batches_per_step, precision)
        losses = checkpoint.resume(student, optimizer, batches, settings, processes)
        history = _replay(losses, groups, config, steps)
    done = len(history.losses)

    student.train()
    hide_bar = not progress or processes.index > 0
    try:
        with interrupt_waits() as interrupted, tqdm(initial=done, total=steps, disable=hide_bar, unit="step") as bar:
            for step in range(done, steps):
                group = next(groups)
                tokens = sum(count_tokens(batch) for batch in group)
                learning_rate = config.learning_rate * warmup_cosine(step, steps)
                optimizer.param_groups[0]["lr"] = learning_rate
                optimizer.zero_grad()
                loss = torch.zeros((), device=device)
                for batch in processes.own_share(group):
                    batch = {name: tensor.to(device) for name, tensor in batch.items()}
                    with autocast(device, precision):
                        targets = None if teacher is None else teacher.targets(batch)
                        part = batch_loss(student, targets, batch, temperature=config.temperature, alpha=config.alpha,
                                          total=tokens, chunk=config.chunk, forward=forward)  # fmt: skip
                    part.backward()  # adds to the gradients of the group's batches before
                    loss += part.detach()
                processes.sum_gradients(student)
                optimizer.step()
                history.add(processes.sum(loss).item(), learning_rate, tokens)
                bar.set_postfix(loss=f"{history.losses[-1]:.3f}", refresh=False)
                bar.update()
                if on_step is not None:
                    on_step(step + 1, history)
                stop = processes.any(interrupted())  # all processes must stop at the same step
                if checkpoint is not None and (stop or step + 1 == steps or checkpoint.due(step + 1)):
                    checkpoint.save(history.losses)
                if stop:
                    raise KeyboardInterrupt
    finally:
        student.eval()
    return history


def _check_run(
    teacher: nn.Module | Teacher | None, batches: DataLoader | list[Batch], config: DistillConfig, repeatable: bool
) -> None:
    """Raise ValueError where teacher and batches do not fit the settings. repeatable: must the order repeat?"""
    if len(batches) == 0:
        raise ValueError("batches holds 0 batches; it must hold at least 1")
    if teacher is None and config.alpha > 0:
        raise ValueError(
            f"teacher is None and alpha is {config.alpha}; without a teacher, alpha must be 0 (hard labels only)"
        )
    shuffled = isinstance(getattr(batches, "sampler", None), RandomSampler)
    if repeatable and shuffled and getattr(batches, "generator", None) is None:
        raise ValueError("batches are shuffled without a generator; give one, or their order cannot be repeated")


def _settings_to_resume(
    config: DistillConfig, teacher: Teacher | None, steps: int, batches_per_step: int, precision: torch.dtype
) -> dict[str, Any]:
    """What must be the same when a run is resumed, or its numbers would not be."""
    return {
        "steps": steps,
        "batches in a step": batches_per_step,
        "temperature": config.temperature,
        "alpha": config.alpha,
        "learning rate": config.learning_rate,
        "weight decay": config.weight_decay,
        "precision": str(precision),
        "teacher": None if teacher is None else teacher.fingerprint,
    }


def _replay(losses: list[float], groups: Iterator[list[Batch]], config: DistillConfig, steps: int) -> History:
    """The history of the steps that were done, from their losses; their batches are read again and skipped."""
    history = History()
    with torch.random.fork_rng(devices=[]):  # a data loader draws random numbers, and these were drawn before
        for step, loss in enumerate(losses):
            tokens = sum(count_tokens(batch) for batch in next(groups))
            history.add(loss, config.learning_rate * warmup_cosine(step, steps), tokens)
    return history


def _groups(batches: DataLoader | list[Batch], size: int) -> Iterator[list[Batch]]:
    """`size` batches at a time, without end."""
    endless = chain.from_iterable(repeat(batches))
    while True:
        yield list(islice(endless, size))
