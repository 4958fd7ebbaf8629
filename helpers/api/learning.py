"""Train a small student on rows and whatever else came with them: one loop for every kind of target."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from helpers.data.batches import make_batches
from helpers.engine.lr_schedule import warmup_cosine

Loss = Callable[[Tensor, Mapping[str, Tensor]], Tensor]


def train_on_rows(
    student: nn.Module,
    rows: Mapping[str, Tensor],
    loss: Loss,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    batch_size: int = 8,
    progress: bool = False,
) -> list[float]:
    """Train the student in place and return the loss of each step; it comes back in eval mode.

    Args:
        student: called with input_ids `(B, S)`; its output has `logits` `(B, S, V)`.
        rows: `input_ids` `(N, S)`, and other tensors whose first dimension is N.
        loss: takes a batch's logits and the batch, and returns a scalar.
        steps: optimizer steps of `batch_size` rows; rows are read again as often as needed.
        learning_rate: the peak of the schedule `warmup_cosine`.
        seed: of the order of the rows, and of dropout.
        batch_size: rows in a step.
        progress: whether to show a progress bar.
    """
    trained = [weight for weight in student.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=0.01)
    batches, losses = make_batches(rows, batch_size, seed), []
    student.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        waiting = iter(batches)
        for step in tqdm(range(steps), disable=not progress, unit="step"):
            batch = next(waiting, None)
            if batch is None:
                waiting = iter(batches)
                batch = next(waiting)
            optimizer.param_groups[0]["lr"] = learning_rate * warmup_cosine(step, steps)
            optimizer.zero_grad()
            everything = torch.ones_like(batch["input_ids"])
            value = loss(student(batch["input_ids"], attention_mask=everything).logits, batch)
            value.backward()
            optimizer.step()
            losses.append(value.item())
    student.eval()
    return losses


def text_loss(logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of each next token, without padding: what is left where a teacher gives nothing but text."""
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["input_ids"][:, 1:].flatten())
