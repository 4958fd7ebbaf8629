"""Own text or given text, at equal cost, for the laptop tier's student? It has 15 of the layers of SmolLM2-135M.

Every student starts from the same weights: the cut student after `WARM_STEPS` steps on labels and teacher, or it would
write nothing but noise. From there it is scored by the teacher, JSD at β = 0.5, on one of two kinds of text, until it
has spent the same processor time, at one learning rate for both, which was not tuned:

- given text: 64 tokens of blocks of the Python language reference, the tier's own text;
- own text: it continues the beginnings of such blocks itself (on-policy).

Students are measured on held-out blocks: their perplexity, and KL(teacher || student) in nats, on the blocks and on
what the student itself writes after their beginnings, which is its exposure bias.

    python -m helpers.experiments.on_policy_laptop      → results/on_policy_laptop.json; goes on where it was stopped
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from copy import deepcopy
from itertools import chain, repeat
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from helpers.atomic import write_text
from helpers.data.batches import Batch, whole_rows
from helpers.engine.checkpoint import Checkpointer
from helpers.engine.precision import autocast, choose_precision
from helpers.evaluation import measure_perplexity
from helpers.experiments.machine import describe_machine, write_result
from helpers.fetch import cache_folder
from helpers.losses import forward_kl, jensen_shannon
from helpers.models import load_student, load_teacher
from helpers.on_policy import divergence_step, on_policy_step, refresh, sample_rows
from helpers.tiers import load_batches
from helpers.training import DistillConfig, distill, freeze

WARM_STEPS, WARM_RATE = 40, 5e-4
BATCH_SIZE, PROMPT, WRITTEN = 8, 32, 32  # tokens
SECONDS, RATE, SEEDS = 30.0, 1e-4, (0,)
HELD_OUT = 16  # blocks
ARMS = ("given text", "own text")


class Models:
    """Teacher and warm student, each once, and the text."""

    def __init__(self, state: Path) -> None:
        self.precision = choose_precision(load_teacher("laptop"))
        self.teacher = freeze(load_teacher("laptop")).to(self.precision)
        self.training, held_out = load_batches("laptop")
        self.held_out = torch.cat([batch["input_ids"] for batch in held_out])[:HELD_OUT]
        self.warm = load_student("laptop")
        short: list[Batch] = [
            {name: part[:, : PROMPT + WRITTEN] for name, part in batch.items()} for batch in self.training
        ]
        config = DistillConfig(steps=WARM_STEPS, temperature=2.0, alpha=0.5, learning_rate=WARM_RATE)
        state.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        distill(self.warm, load_teacher("laptop"), short, config, checkpoint=Checkpointer(state / "warm", every=8))


def rows_of(batches: DataLoader, seed: int) -> Iterator[Tensor]:
    """Blocks of the training text, 8 at a time, without end."""
    torch.manual_seed(seed)
    batches.generator.manual_seed(seed)
    return (
        batch["input_ids"] for batch in chain.from_iterable(repeat(batches)) if len(batch["input_ids"]) == BATCH_SIZE
    )


def train(arm: str, rate: float, seed: int, models: Models, seconds: float = SECONDS) -> tuple[nn.Module, dict]:
    """A student that has spent this much processor time, and how much text it has read."""
    student = deepcopy(models.warm).train()
    writer = freeze(deepcopy(models.warm)).to(models.precision)
    optimizer = torch.optim.AdamW(student.parameters(), lr=rate, weight_decay=0.01, fused=True)
    generator = torch.Generator().manual_seed(seed)
    rows, device = rows_of(models.training, seed), torch.device("cpu")
    began, steps, tokens = time.process_time(), 0, 0
    while time.process_time() - began < seconds:
        optimizer.param_groups[0]["lr"] = rate * min(1.0, (steps + 1) / 5)  # a short warm-up; the end is not known
        given = next(rows)[:, : PROMPT + WRITTEN]
        with autocast(device, models.precision):
            if arm == "given text":
                divergence_step(student, models.teacher, given, optimizer, jensen_shannon, given.shape[1] - 1)
                tokens += given[:, 1:].numel()
            else:
                refresh(writer, student)
                prompts = given[:, :PROMPT]
                on_policy_step(student, models.teacher, prompts, optimizer, jensen_shannon, WRITTEN, generator, writer)
                tokens += BATCH_SIZE * WRITTEN
        steps += 1
    return student.eval(), {"steps": steps, "tokens": tokens, "seconds": round(time.process_time() - began, 1)}


@torch.no_grad()
def measure(student: nn.Module, models: Models) -> dict:
    """Perplexity and KL to the teacher on held-out text, and KL to the teacher on the student's own text."""
    written = []
    with autocast(torch.device("cpu"), models.precision):
        perplexity = measure_perplexity(student, [whole_rows(rows) for rows in models.held_out.split(8)])
        for rows in models.held_out.split(16):
            written.append(sample_rows(student, rows[:, :PROMPT], WRITTEN, torch.Generator().manual_seed(7)))
        own = torch.cat(written)
        return {
            "perplexity": perplexity._asdict(),
            "kl_on_given": kl_to_teacher(student, models.teacher, models.held_out[:, : PROMPT + WRITTEN]),
            "kl_on_own": kl_to_teacher(student, models.teacher, own),
        }


def kl_to_teacher(student: nn.Module, teacher: nn.Module, rows: Tensor) -> float:
    """Mean KL(teacher || student) of the predictions after the prompt, in nats per token."""
    parts = []
    for some in rows.split(8):
        logits = (model(**whole_rows(some), logits_to_keep=WRITTEN + 1).logits[:, :-1] for model in (student, teacher))
        parts.append(float(forward_kl(*logits)) * len(some))
    return sum(parts) / len(rows)


class Store:
    """Results of single runs, so that a stopped experiment goes on where it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: dict[str, dict] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def run(self, arm: str, rate: float, seed: int, models: Models) -> dict:
        key = f"{arm}, {rate}, seed {seed}"
        if key not in self.runs:
            student, spent = train(arm, rate, seed, models)
            self.runs[key] = {"seed": seed, "rate": rate, **spent, **measure(student, models)}
            write_text(self.path, json.dumps(self.runs))
            print(f"{key}: {self.runs[key]}", flush=True)
        return self.runs[key]


def compare(state: Path) -> dict:
    """Run each arm with each seed."""
    models, store, arms = Models(state), Store(state / "runs.json"), {}
    for arm in ARMS:
        runs = [store.run(arm, RATE, seed, models) for seed in SEEDS]
        values = [run["perplexity"]["value"] for run in runs]
        arms[arm] = {
            "perplexity": {"mean": statistics.fmean(values), "low": min(values), "high": max(values)},
            "kl_on_given": statistics.fmean(run["kl_on_given"] for run in runs),
            "kl_on_own": statistics.fmean(run["kl_on_own"] for run in runs),
            "runs": runs,
        }
    return {
        "machine": describe_machine() | {"precision": str(models.precision).removeprefix("torch.")},
        "setting": {
            "text": "the Python language reference", "warm_steps": WARM_STEPS, "seconds": SECONDS,
            "batch_size": BATCH_SIZE, "prompt": PROMPT, "written": WRITTEN, "held_out": HELD_OUT, "seeds": list(SEEDS),
            "learning_rate": RATE, "divergence": "JSD, beta 0.5",
        },
        "before": measure(models.warm.eval(), models),
        "teacher": {"perplexity": measure_perplexity(
            models.teacher, [whole_rows(rows) for rows in models.held_out.split(8)]
        )._asdict()},
        "arms": arms,
    }  # fmt: skip


def main() -> None:
    """Run what is missing and write results/on_policy_laptop.json."""
    parser = argparse.ArgumentParser(description="Own text or given text for the laptop tier's student.")
    parser.add_argument("--state", type=Path, default=cache_folder() / "on_policy_laptop")
    write_result("on_policy_laptop", compare(parser.parse_args().state))


if __name__ == "__main__":
    main()
