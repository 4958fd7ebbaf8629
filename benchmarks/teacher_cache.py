"""What keeping only part of a teacher's answers costs: bytes a token, bias of the loss, error of the gradient.

    python -m benchmarks.teacher_cache                    → results/teacher_cache_tiny.json
    python -m benchmarks.teacher_cache --tier laptop      → results/teacher_cache_laptop.json

The tier's teacher answers held-out rows; the loss is the soft term alone, KL(teacher || student) at the tier's
temperature; the gradient is that of all of the student's weights. Both are compared with those from all logits, for the
student before distillation and, at the tiny tier, for one after it, where what is left to learn is small. "top" is off
by a bias that more text does not take away; "sampled" by noise that it does: `of_the_mean` is what is left of the error
after averaging over the draws.
"""

import argparse
import math
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.measure import describe_machine
from helpers.data.batches import Batch
from helpers.engine.chunked_loss import batch_loss, counted_labels, model_targets
from helpers.engine.logit_cache import cache_teacher_logits, number_rows
from helpers.engine.logit_compression import Sampled, TopK
from helpers.engine.teacher import freeze
from helpers.experiments.machine import write_result
from helpers.experiments.tiny import SOFT, train_student
from helpers.models import load_student, load_teacher
from helpers.tiers import load_batches, tier_of

KEPT = (1, 4, 8, 16, 32, 64, 128)
DRAWS = 16


def gradient(student: nn.Module, targets, batch: Batch, temperature: float) -> tuple[float, Tensor]:
    """KL in nats a token, and its gradient at all weights in one vector."""
    student.zero_grad()
    total = len(counted_labels(batch)[1])
    loss = batch_loss(student, targets, batch, temperature=temperature, alpha=1.0, total=total)
    loss.backward()
    return loss.item() / temperature**2, torch.cat([parameter.grad.flatten() for parameter in student.parameters()])


def compare(
    teacher: nn.Module, student: nn.Module, rows: Batch, temperature: float, kept=KEPT, draws: int = DRAWS
) -> dict:
    """For each form and each number of kept tokens: bytes a token, and how far loss and gradient are off."""
    rows = number_rows(rows)
    true, wanted = gradient(student, model_targets(teacher, rows), rows, temperature)

    def off(found: Tensor) -> float:
        return round(float((found - wanted).norm() / wanted.norm()), 5)

    result: dict = {"kl": true, "top": {}, "sampled": {}}
    with tempfile.TemporaryDirectory() as folder:

        def cache_of(name: str, method: TopK | Sampled):
            path = Path(folder) / name
            return cache_teacher_logits(path, teacher, rows, method, temperature=temperature, progress=False)

        for k in kept:
            cache = cache_of(f"top {k}", TopK(k))
            loss, found = gradient(student, cache.targets(rows), rows, temperature)
            result["top"][k] = {
                "bytes_a_token": cache.bytes_per_token,
                "bias_of_kl": round(loss - true, 6),
                "error_of_gradient": off(found),
            }
            caches = [cache_of(f"sampled {k} {seed}", Sampled(k, seed=seed)) for seed in range(draws)]
            drawn = [gradient(student, cache.targets(rows), rows, temperature) for cache in caches]
            losses, gradients = zip(*drawn, strict=True)
            result["sampled"][k] = {
                "bytes_a_token": caches[0].bytes_per_token,
                "bias_of_kl": round(sum(losses) / draws - true, 6),
                "spread_of_kl": round(math.sqrt(sum((loss - true) ** 2 for loss in losses) / draws), 6),
                "error_of_gradient": round(math.sqrt(sum(off(found) ** 2 for found in gradients) / draws), 5),
                "of_the_mean": off(sum(gradients) / draws),
            }
    return result


def main() -> None:
    """Compare, print a table, write the result."""
    parser = argparse.ArgumentParser(description="Bytes, bias and error of kept teacher answers.")
    parser.add_argument("--tier", default="tiny", help="whose teacher, student and text (tiny or laptop)")
    parser.add_argument("--rows", type=int, default=16, help="held-out rows")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    tier = tier_of(chosen.tier)
    batch = next(iter(load_batches(tier.name)[1]))
    rows = {name: batch[name][: chosen.rows] for name in ("input_ids", "attention_mask")}
    teacher = freeze(load_teacher(tier.name))
    students = {"before": load_student(tier.name).eval()}
    if tier.name == "tiny":
        students["after"] = train_student(SOFT, seed=0)
    result = {
        "machine": describe_machine(),
        "setting": {"tier": tier.name, "rows": len(rows["input_ids"]), "temperature": tier.temperature, "draws": DRAWS,
                    "vocabulary": teacher.config.vocab_size, "bytes_of_all_logits": 4 * teacher.config.vocab_size},
        "students": {
            name: compare(teacher, student, rows, tier.temperature) for name, student in students.items()
        },
    }  # fmt: skip
    write_result(f"teacher_cache_{tier.name}", result, chosen.results)
    for name, found in result["students"].items():
        print(
            f"student {name}: KL {found['kl']:.4f} nats a token; all logits take {4 * teacher.config.vocab_size} bytes"
        )
        for form in ("top", "sampled"):
            for k, row in found[form].items():
                print(f"  {form:8} {k:4}  {row}")


if __name__ == "__main__":
    main()
