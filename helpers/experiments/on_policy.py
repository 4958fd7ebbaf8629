"""Whose text to learn from, and which divergence? The tiny tier's answer, over seeds.

Every student starts as a *parrot*: it was trained on hard labels of the same 20 rows until it knew them by heart. Then
it takes the same number of steps on one of three kinds of text, scored by the teacher with one of three divergences:

- old text: the 20 rows that it knows;
- new text: rows that the teacher wrote, each read once;
- own text: rows that the student writes itself, anew in each step (on-policy).

The control of on-policy training is the student's own text scored by labels only: the tokens that it wrote. Each arm
has the learning rate that was best for it with another seed. Because the truth is known, students are measured by their
distance to it, position by position, both on the language's rows and on their own; beside that stand how many of the
rows that they write are legal and how many are distinct.

    python -m helpers.experiments.on_policy        → results/on_policy.json; a stopped run goes on where it was
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from helpers.atomic import write_text
from helpers.data.batches import make_batches, whole_rows
from helpers.data.known_language import KnownLanguage
from helpers.engine.lr_schedule import warmup_cosine
from helpers.evaluation import distance_to_truth
from helpers.experiments.machine import describe_machine, write_result
from helpers.experiments.tiny import held_out_batches
from helpers.fetch import cache_folder
from helpers.losses import forward_kl, hard_loss, jensen_shannon, reverse_kl
from helpers.models import load_student, load_teacher
from helpers.on_policy import divergence_step, first_impossible_word, sample_rows
from helpers.training import DistillConfig, distill, freeze

LENGTH = 64  # tokens in a row, the first of them the end-of-text token
KNOWN_ROWS, PARROT_STEPS, PARROT_RATE = 20, 300, 1e-2
BATCH_SIZE, STEPS, COLLAPSED_STEPS = 8, 300, 60
WRITTEN_ROWS = 400  # by each student, to be measured
FEWEST = 20  # rows that a mean at one position needs
RATES, TUNING_SEED, SEEDS = (3e-3, 1e-2, 2e-2, 4e-2), 100, (0, 1, 2)
LOSSES = {"forward KL": forward_kl, "JSD": jensen_shannon, "reverse KL": reverse_kl}


@dataclass(frozen=True)
class Arm:
    """What a student reads, and how it is scored."""

    text: str  # "old text", "new text" or "own text"
    loss: str  # a name in LOSSES, or "labels only"

    @property
    def name(self) -> str:
        return f"{self.text}, {self.loss}"

    @property
    def steps(self) -> int:
        """Steps to take; with labels only a student has collapsed long before the others are done."""
        return COLLAPSED_STEPS if self.loss == "labels only" else STEPS

    @property
    def rates(self) -> tuple[float, ...]:
        """Learning rates to try. Beyond 1e-2 the reverse KL ended farther away; labels only collapse anyway."""
        return RATES if self.loss in ("forward KL", "JSD") else RATES[:2]


ARMS = (
    *(Arm(text, loss) for text in ("old text", "new text", "own text") for loss in LOSSES),
    Arm("own text", "labels only"),
)


@cache
def language() -> KnownLanguage:
    return KnownLanguage.stories()


@cache
def teacher() -> nn.Module:
    return freeze(load_teacher("tiny"))


def old_rows(seed: int) -> Tensor:
    """The rows that a seed's student knows by heart."""
    return language().sample(KNOWN_ROWS, LENGTH, seed)


@cache
def parrot_weights(seed: int) -> dict[str, Tensor]:
    """The weights of a student that has read the same 20 rows again and again."""
    student = load_student("tiny")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = DistillConfig(steps=PARROT_STEPS, alpha=0.0, learning_rate=PARROT_RATE)
        distill(student, None, make_batches(whole_rows(old_rows(seed)), BATCH_SIZE, seed), config, progress=False)
    return student.state_dict()


def parrot(seed: int) -> nn.Module:
    student = load_student("tiny")
    student.load_state_dict(parrot_weights(seed))
    return student


@cache
def teachers_rows(seed: int, count: int) -> tuple[Tensor, float]:
    """Rows that the teacher has written, `(count, 64)`, and the seconds that it took."""
    began = time.process_time()
    rows = sample_rows(teacher(), beginnings(count), LENGTH - 1, torch.Generator().manual_seed(seed))
    return rows, time.process_time() - began


def beginnings(count: int) -> Tensor:
    """Prompts of one token each, the end-of-text token, `(count, 1)`."""
    return torch.full((count, 1), language().eos)


def labels_only(rows: Tensor, student_logits: Tensor, teacher_logits: Tensor, mask: Tensor) -> Tensor:
    return hard_loss(student_logits, rows[:, 1:])


def train(arm: Arm, rate: float, seed: int, steps: int | None = None) -> tuple[nn.Module, dict[str, float]]:
    """A student of the arm, and the processor seconds that writing and learning took."""
    steps, student = steps or arm.steps, parrot(seed)
    optimizer = torch.optim.AdamW(student.parameters(), weight_decay=0.01, fused=True)
    generator = torch.Generator().manual_seed(seed)
    new, teacher_seconds = teachers_rows(seed, steps * BATCH_SIZE) if arm.text == "new text" else (None, 0.0)
    old = old_rows(seed)
    began, writing = time.process_time(), teacher_seconds
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student.train()
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = rate * warmup_cosine(step, steps)
            started = time.process_time()
            if new is not None:
                rows = new[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
            else:
                rows = next_rows(arm, student, old, generator)
                writing += time.process_time() - started
            loss = partial(labels_only, rows) if arm.loss == "labels only" else LOSSES[arm.loss]
            divergence_step(student, teacher(), rows, optimizer, loss, LENGTH - 1)
    learning = time.process_time() - began - (writing - teacher_seconds)
    return student.eval(), {"writing": round(writing, 1), "learning": round(learning, 1)}


def next_rows(arm: Arm, student: nn.Module, old: Tensor, generator: torch.Generator) -> Tensor:
    """The next batch of old or own rows, `(8, 64)`; old ones are drawn in either case, so that both arms draw alike."""
    known = old[torch.randperm(len(old), generator=generator)[:BATCH_SIZE]]
    return known if arm.text == "old text" else sample_rows(student, beginnings(BATCH_SIZE), LENGTH - 1, generator)


def measure(student: nn.Module) -> dict:
    """Distance to the truth, by position too, and what the student writes: legal, distinct, by how many words."""
    written = sample_rows(student, beginnings(WRITTEN_ROWS), LENGTH - 1, torch.Generator().manual_seed(7))
    left = first_impossible_word(language(), written)
    return {
        "distance": distance_to_truth(student, language(), held_out_batches(language())),
        "legal": (left == LENGTH).double().mean().item(),
        "distinct": len(written.unique(dim=0)) / len(written),
        "words": len(written.unique()),
        "on_the_languages_rows": by_position(
            student, next(iter(held_out_batches(language(), WRITTEN_ROWS)))["input_ids"]
        ),
        "on_its_own_rows": by_position(student, written),
        "still_legal": [(left > position).double().mean().item() for position in range(1, LENGTH)],
    }


def by_position(student: nn.Module, rows: Tensor) -> list[float | None]:
    """Mean KL(truth || student) of each prediction, `(63,)`, over those rows that the language allows so far.

    None where fewer than FEWEST rows are left.
    """
    left = first_impossible_word(language(), rows)
    places = torch.arange(LENGTH)
    legal = torch.where(places < left[:, None], rows, language().eos)  # a row that has left the language is not read on
    with torch.no_grad():
        log_probs = student(**whole_rows(legal)).logits[:, :-1].double().log_softmax(dim=-1)
    truth = language().next_token_probs(legal)[:, :-1]
    divergence = (torch.special.xlogy(truth, truth) - truth * log_probs).sum(dim=-1)
    counted = places[:-1] < left[:, None]
    sums, counts = (divergence * counted).sum(dim=0).tolist(), counted.sum(dim=0).tolist()
    return [round(total / count, 5) if count >= FEWEST else None for total, count in zip(sums, counts, strict=True)]


class Store:
    """Results of single runs in a file, so that a stopped experiment goes on where it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: dict[str, dict] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def run(self, arm: Arm, rate: float, seed: int) -> dict:
        key = f"{arm.name}, {rate}, seed {seed}"
        if key not in self.runs:
            student, seconds = train(arm, rate, seed)
            self.runs[key] = {"seed": seed, "rate": rate, "seconds": seconds, **measure(student)}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.path, json.dumps(self.runs))
            print(f"{key}: {self.runs[key]['distance']:.4f} nats", flush=True)
        return self.runs[key]


def compare(store: Store, arms: Sequence[Arm] = ARMS) -> dict:
    """Tune each arm with one seed, run it with three others, and return everything as JSON holds it."""
    found = {}
    for arm in arms:
        tried = {rate: store.run(arm, rate, TUNING_SEED)["distance"] for rate in arm.rates}
        best = min(tried, key=lambda rate: tried[rate])
        runs = [store.run(arm, best, seed) for seed in SEEDS]
        distances = [run["distance"] for run in runs]
        found[arm.name] = {
            "rates": {str(rate): distance for rate, distance in tried.items()},
            "rate": best,
            "distance": {"mean": statistics.fmean(distances), "low": min(distances), "high": max(distances)},
            "runs": runs,
        }
    truth = language().sample(WRITTEN_ROWS, LENGTH, 7)
    return {
        "machine": describe_machine(),
        "setting": {
            "known_rows": KNOWN_ROWS, "parrot_steps": PARROT_STEPS, "steps": STEPS,
            "steps_with_labels_only": COLLAPSED_STEPS, "batch_size": BATCH_SIZE, "length": LENGTH,
            "written_rows": WRITTEN_ROWS, "seeds": list(SEEDS), "tuning_seed": TUNING_SEED,
        },
        "before": [{"seed": seed, **measure(parrot(seed).eval())} for seed in SEEDS],
        "teacher": measure(teacher()),
        "truth": {"distinct": len(truth.unique(dim=0)) / len(truth), "words": len(truth.unique())},
        "arms": found,
    }  # fmt: skip


def main() -> None:
    """Run what is missing and write results/on_policy.json."""
    parser = argparse.ArgumentParser(description="Whose text to learn from, and which divergence.")
    parser.add_argument("--state", type=Path, default=cache_folder() / "on_policy_experiment" / "runs.json")
    write_result("on_policy", compare(Store(parser.parse_args().state)))


if __name__ == "__main__":
    main()
