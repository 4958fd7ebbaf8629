"""Four real runs of the tiny student, for the gallery "read your curve": one healthy, three with a usual mistake.

Each trains on hard labels with AdamW at a constant rate, and is measured on held-out rows every ten steps.

    python -m helpers.experiments.read_your_curve     → results/read_your_curve.json
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.utils.data import DataLoader

from helpers.data.batches import make_batches, whole_rows
from helpers.data.known_language import KnownLanguage
from helpers.experiments.machine import describe_machine, write_result
from helpers.experiments.tiny import BATCH_SIZE, LENGTH, held_out_batches
from helpers.labels import make_labels, next_token_pairs
from helpers.losses import hard_loss
from helpers.models import load_student

STEPS, EVERY, SEED = 300, 10, 0


@dataclass(frozen=True)
class Run:
    """One run: how many rows it trains on, its learning rate, and whether it clears the gradients."""

    rows: int = 300
    learning_rate: float = 3e-3
    zero_grad: bool = True


RUNS = {
    "healthy": Run(),
    "overfitting": Run(rows=24, learning_rate=1e-2),
    "rate_too_high": Run(learning_rate=0.3),
    "forgotten_zero_grad": Run(zero_grad=False),
}


def train(run: Run, steps: int = STEPS, every: int = EVERY) -> dict[str, list[float]]:
    """Train a student; return the steps that were measured, with the loss on training rows and on held-out rows.

    The loss on training rows is the mean over the last `every` batches.
    """
    language = KnownLanguage.stories()
    batches = make_batches(whole_rows(language.sample(run.rows, LENGTH, SEED)), BATCH_SIZE, SEED)
    held_out = held_out_batches(language, rows=100)
    student = load_student("tiny")
    optimizer = torch.optim.AdamW(student.parameters(), lr=run.learning_rate)
    measured: dict[str, list[float]] = {"steps": [], "train": [], "held_out": []}
    recent: list[float] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        source = iter(batches)
        for step in range(steps + 1):
            batch = next(source, None)
            if batch is None:
                source = iter(batches)
                batch = next(source)
            if run.zero_grad:
                optimizer.zero_grad()
            loss = mean_loss(student.train(), batch)
            recent.append(loss.item())
            if step % every == 0:
                values = (step, sum(recent) / len(recent), loss_on(student, held_out))
                for name, value in zip(measured, values, strict=True):
                    measured[name].append(round(value, 4))
                recent = []
            loss.backward()
            optimizer.step()
    return measured


def mean_loss(student: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the mean cross-entropy of a batch's predicted tokens."""
    labels = make_labels(batch["input_ids"], batch["attention_mask"])
    return hard_loss(*next_token_pairs(student(**batch).logits, labels))


def loss_on(student: nn.Module, batches: DataLoader) -> float:
    """Return the mean cross-entropy over batches of equal size, in eval mode."""
    student.eval()
    with torch.inference_mode():
        losses = [mean_loss(student, batch).item() for batch in batches]
    return sum(losses) / len(losses)


def main() -> None:
    """Train all four and write the result."""
    began = time.perf_counter()
    runs = {name: {**asdict(run), **train(run)} for name, run in RUNS.items()}
    setting = {"steps": STEPS, "batch_rows": BATCH_SIZE, "row_tokens": LENGTH, "seed": SEED}
    result = {"setting": setting, "runs": runs, "seconds": round(time.perf_counter() - began, 1)}
    write_result("read_your_curve", {"machine": describe_machine(), **result})


if __name__ == "__main__":
    main()
