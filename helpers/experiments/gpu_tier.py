"""How fast is the gpu tier's training on this machine, and how much memory does it take? At true size, no download.

    python -m helpers.experiments.gpu_tier     → results/gpu_tier.json

GPT-2-medium and DistilGPT-2 are built with random weights, saved to folders, and loaded and trained by the tier's own
code with its own settings (on rows of random tokens, without padding). Random weights cost as much as trained ones, but
nothing can be learned from them, so no perplexity is measured. It runs on the GPU if PyTorch finds one, else on the
CPU, and says which.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from helpers.data.batches import make_batches, whole_rows
from helpers.engine.precision import choose_precision
from helpers.experiments.machine import describe_machine, write_result
from helpers.models import load_student, load_teacher
from helpers.tiers import tier_of
from helpers.training import DistillConfig, count_parameters, distill

SHAPES = {
    "teacher": {"n_layer": 24, "n_embd": 1024, "n_head": 16},  # GPT-2-medium
    "student": {"n_layer": 6, "n_embd": 768, "n_head": 12},  # DistilGPT-2
}


def build_folders(folder: Path, shapes: dict[str, dict]) -> dict[str, Path]:
    """Save a model with random weights for each role, as the hub would give it, and return the folders."""
    folders = {}
    for seed, (role, shape) in enumerate(shapes.items()):
        torch.manual_seed(seed)
        folders[role] = folder / role
        GPT2LMHeadModel(GPT2Config(**shape)).save_pretrained(folders[role])
    return folders


def benchmark(folders: dict[str, Path], steps: int, progress: bool = True) -> dict:
    """Train for one step to warm up, then time `steps` more, and return what was measured.

    In the result, seconds is the wall time of the timed steps, and processor_seconds their CPU time, which other
    programs hardly change. teraflop counts one step: 2 operations for each weight and token forward, twice that
    backward, without the embeddings. peak_gb is the peak of GPU memory, or of this process's main memory.
    """
    tier = tier_of("gpu")
    os.environ |= {f"DISTILLAB_{role.upper()}": str(folder) for role, folder in folders.items()}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    teacher, student = load_teacher("gpu"), load_student("gpu")
    for model in (teacher, student):
        cast(nn.Module, model).to(device)
    generator = torch.Generator().manual_seed(0)
    vocabulary = teacher.config.vocab_size
    ids = torch.randint(vocabulary, ((steps + 1) * tier.batch_size, tier.length), generator=generator)
    batches = list(make_batches(whole_rows(ids), tier.batch_size))
    config = DistillConfig(temperature=tier.temperature, alpha=tier.alpha, learning_rate=tier.learning_rate)
    distill(student, teacher, batches[:1], config, progress=False)
    began, processor = time.perf_counter(), time.process_time()
    distill(student, teacher, batches[1:], config, progress=progress)
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated()
    else:
        import resource  # not on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    tokens = steps * tier.batch_size * tier.length
    products = {role: _products(model) for role, model in (("teacher", teacher), ("student", student))}
    teraflop = tier.batch_size * tier.length * (2 * products["teacher"] + 6 * products["student"]) / 1e12
    return {
        "weights": "random",
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "precision": str(choose_precision(student)).removeprefix("torch."),
        "parameters": {"teacher": count_parameters(teacher), "student": count_parameters(student)},
        "steps": steps,
        "tokens": tokens,
        "seconds": seconds,
        "processor_seconds": processor,
        "tokens_a_second": tokens / seconds,
        "teraflop_a_step": teraflop,
        "gigaflop_a_second": teraflop * steps / seconds * 1e3,
        "peak_gb": peak / 1e9,
        "minutes_for_the_tiers_run": seconds / steps * tier.steps / 60,
    }


def _products(model: PreTrainedModel) -> int:
    """Weights of the matrices that every token is multiplied with: those of the layers, and the head."""
    model = cast(GPT2LMHeadModel, model)
    matrices = sum(parameter.numel() for parameter in model.transformer.h.parameters() if parameter.dim() == 2)
    return matrices + model.lm_head.weight.numel()


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description="Time the gpu tier's training at true size, with random weights.")
    parser.add_argument("--steps", type=int, default=20, help="steps that are timed (default: 20)")
    parser.add_argument("--note", default="", metavar="TEXT", help="what else ran on the machine, for the result")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder for the result")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = benchmark(build_folders(Path(folder), SHAPES), chosen.steps)
    write_result("gpu_tier", {"machine": describe_machine(), "note": chosen.note, **measured}, chosen.results)
    print(
        f"{measured['tokens_a_second']:.0f} tokens/s on {measured['device']}, {measured['peak_gb']:.1f} GB at the peak"
    )


if __name__ == "__main__":
    main()
