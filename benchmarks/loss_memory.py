"""Peak memory and time of the distillation loss, plain against chunked, with GPT-2's vocabulary.

    python -m benchmarks.loss_memory        → results/loss_memory.json

Hidden states of student and teacher are given; both ways go from there to the loss and back to the gradients of the
student's hidden states and of its head's weights. Each way runs in a process of its own.
"""

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.measure import describe_machine, in_own_process, peak, reset_peak
from helpers.engine.chunked_loss import BatchLoss, LogitTargets, loss_in_chunks
from helpers.experiments.machine import write_result
from helpers.losses import distillation_loss

TOKENS, VOCABULARY, WIDTH, TEACHER_WIDTH = 1024, 50_257, 768, 1024  # DistilGPT-2 taught by GPT-2-medium
TEMPERATURE, ALPHA = 3.0, 0.5
GOAL = 1 / 5


def one_way(way: str, tokens: int = TOKENS, vocabulary: int = VOCABULARY) -> dict:
    """Loss, a summary of the gradients, MB above what was there before, and seconds, for "plain" or "chunked"."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    states, taught = draw(tokens, WIDTH), draw(tokens, TEACHER_WIDTH)
    head, teacher_head = draw(vocabulary, WIDTH) / WIDTH**0.5, draw(vocabulary, TEACHER_WIDTH) / TEACHER_WIDTH**0.5
    labels = torch.randint(0, vocabulary, (tokens,), generator=generator)
    states.requires_grad_()
    head.requires_grad_()

    chunked_loss = BatchLoss(labels, LogitTargets(taught, teacher_head), TEMPERATURE, ALPHA, total=tokens)

    before = reset_peak()
    began = time.perf_counter()
    if way == "plain":
        student_logits, teacher_logits = F.linear(states, head)[None], F.linear(taught, teacher_head)[None]
        loss = distillation_loss(student_logits, teacher_logits, labels[None], TEMPERATURE, ALPHA)
    else:
        loss = loss_in_chunks(states, head, None, chunked_loss)
    loss.backward()
    return {
        "loss": loss.item(),
        "gradient_norms": [states.grad.norm().item(), head.grad.norm().item()],
        "gradient_samples": [states.grad.flatten()[::9973].tolist(), head.grad.flatten()[::999_983].tolist()],
        "peak_mb": round(peak() - before, 1),
        "seconds": round(time.perf_counter() - began, 2),
    }


def main() -> None:
    """Run both ways, compare them, print the ratio, write the result."""
    parser = argparse.ArgumentParser(description="Peak memory of the loss, plain against chunked.")
    parser.add_argument("--way", choices=["plain", "chunked"], help="run one way only, in this process")
    parser.add_argument("--out", type=Path, help="with --way: where to write what it found")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    if chosen.way:
        one_way(chosen.way, 8, 500)  # loads what the first call of anything loads, which is no part of the loss
        chosen.out.write_text(json.dumps(one_way(chosen.way)), encoding="utf-8")
        return
    ways = {way: in_own_process("benchmarks.loss_memory", "--way", way) for way in ("plain", "chunked")}
    plain, chunked = ways["plain"], ways["chunked"]
    apart = [abs(plain["loss"] - chunked["loss"]) / plain["loss"]]
    for one, other in zip(plain.pop("gradient_samples"), chunked.pop("gradient_samples"), strict=True):
        apart.append(max(abs(a - b) for a, b in zip(one, other, strict=True)) / max(map(abs, one)))
    share = chunked["peak_mb"] / plain["peak_mb"]
    gradient_mb = VOCABULARY * WIDTH * 4 / 1e6
    result = {
        "machine": describe_machine(),
        "setting": {"tokens": TOKENS, "vocabulary": VOCABULARY, "width": WIDTH, "teacher_width": TEACHER_WIDTH},
        **ways,
        "largest_relative_difference": {"loss": apart[0], "state_gradient": apart[1], "head_gradient": apart[2]},
        "share_of_plain_peak": round(share, 4),
        "gradient_of_the_head_mb": round(gradient_mb, 1),  # part of both peaks, as it is part of the result
        "goal": GOAL,
        "goal_met": share <= GOAL and max(apart) <= 1e-5,
    }
    write_result("loss_memory", result, chosen.results)
    print(f"peak memory of the loss: {plain['peak_mb']:.0f} MB plain, {chunked['peak_mb']:.0f} MB chunked")
    print(f"  {share:.3f} of the plain one (goal at most {GOAL}); they differ by {max(apart):.1e} (goal 1e-5)")
    print(f"  seconds: {plain['seconds']} plain, {chunked['seconds']} chunked")


if __name__ == "__main__":
    main()
