"""Distillation as a plain training loop: the student learns from labels and from a frozen teacher at once.

Leans on `helpers.losses` for the loss, on `helpers.labels` for the shift, and on torch and tqdm.
"""

import math
from dataclasses import dataclass, field
from itertools import chain, islice, repeat

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from helpers.data import Batch
from helpers.labels import make_labels, next_token_pairs
from helpers.losses import IGNORE, check_alpha, check_temperature, distillation_loss, hard_loss


@dataclass
class History:
    """What happened in a run, one entry for each step: loss in nats a token, learning rate, tokens that counted."""

    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)


def freeze(model: nn.Module) -> nn.Module:
    """Put the model in eval mode, stop its gradients, and return it.

    Both are needed: without eval mode dropout blurs the teacher's outputs, and without requires_grad=False the teacher
    collects gradients that cost memory and can be stepped on.
    """
    return model.eval().requires_grad_(False)


def count_parameters(model: nn.Module) -> int:
    """Number of weights: frozen ones too, tied ones once, buffers never."""
    return sum(parameter.numel() for parameter in model.parameters())


def distill(
    student: nn.Module,
    teacher: nn.Module | None,
    batches: DataLoader | list[Batch],
    *,
    steps: int | None = None,
    temperature: float = 3.0,
    alpha: float = 0.5,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    progress: bool = True,
) -> History:
    """Train the student in place on labels and teacher, and return the history.

    student, teacher: called with input_ids and attention_mask `(B, S)`, they return an object with logits `(B, S, V)`.
    batches: mappings of input_ids and attention_mask; gone through again until there were `steps` steps (default: one
    pass). temperature, alpha: as in `distillation_loss`. alpha = 0 trains on hard labels only, the control of every
    experiment; the teacher may then be None, as nothing that it says counts. alpha = 1 trains on the teacher only.
    learning_rate: the peak of the schedule `one_cycle`. weight_decay: AdamW's. progress: whether to show a bar.

    The teacher is frozen and stays so. The student trains in train mode and comes back in eval mode.
    Raises ValueError for a temperature, alpha or number of steps that cannot be, and for batches that are empty.
    """
    check_temperature(temperature)
    check_alpha(alpha)
    steps = len(batches) if steps is None else steps
    if teacher is None and alpha > 0:
        raise ValueError(f"teacher is None and alpha is {alpha}; without a teacher, alpha must be 0 (hard labels only)")
    if steps < 1 or len(batches) == 0:
        raise ValueError(f"steps is {steps} and batches holds {len(batches)}; each must be at least 1")
    optimizer = torch.optim.AdamW(student.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(step, steps))
    history = History()
    endless = chain.from_iterable(repeat(batches))
    if teacher is not None:
        freeze(teacher)
    student.train()
    with tqdm(islice(endless, steps), total=steps, disable=not progress, unit="step") as bar:
        for batch in bar:
            input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
            student_logits = student(input_ids, attention_mask=attention_mask).logits
            student_logits, labels = next_token_pairs(student_logits, make_labels(input_ids, attention_mask))
            if teacher is None:
                loss = hard_loss(student_logits, labels)
            else:
                with torch.no_grad():
                    teacher_logits = teacher(input_ids, attention_mask=attention_mask).logits[:, :-1]
                loss = distillation_loss(student_logits, teacher_logits, labels, temperature, alpha)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.losses.append(loss.item())
            history.learning_rates.append(schedule.get_last_lr()[0])
            history.tokens.append(int((labels != IGNORE).sum()))
            schedule.step()
            bar.set_postfix(loss=f"{history.losses[-1]:.3f}", refresh=False)
    student.eval()
    return history


def one_cycle(step: int, steps: int, warm_up: float = 0.1) -> float:
    """Learning rate at step 0 … steps - 1 as a share of its peak: up in a straight line, then down as a cosine.

    warm_up: the share of the steps that go up. Source: Smith and Topin 2018, "Super-Convergence" (one cycle).
    """
    up = max(1, round(warm_up * steps))
    if step < up:
        return (step + 1) / up
    return (1 + math.cos(math.pi * (step - up + 1) / (steps - up + 1))) / 2
