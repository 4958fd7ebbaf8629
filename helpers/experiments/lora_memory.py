"""How much memory does LoRA save? Full fine-tuning and adapters, measured on models that are built and stepped.

    python -m helpers.experiments.lora_memory      → results/lora_memory.json

Bytes are those of the tensors that AdamW and autograd hold after one step, in float32. The laptop tier's model is
measured where it is in the cache.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import Any

from torch import nn

from helpers.experiments.machine import describe_machine, write_result
from helpers.fetch import FetchError
from helpers.linear_layers import ATTENTION_AND_MLP, PROJECTIONS, replace_layers, training_memory, use_linear_layers
from helpers.lora import LoRALinear
from helpers.models import load_student, load_teacher

RANK, ALPHA = 8, 16.0


def adapted(model: nn.Module, names: tuple[str, ...]) -> nn.Module:
    """A copy of the model with LoRA in every layer of these names."""
    return replace_layers(copy.deepcopy(model), lambda layer: LoRALinear(layer, RANK, ALPHA), names)  # type: ignore[arg-type]


def compare(model: nn.Module, names: tuple[str, ...]) -> dict[str, Any]:
    """Both ways to train a model, and what each keeps."""
    small = adapted(model, names)
    return {"all weights": training_memory(model.requires_grad_(True)), "LoRA": training_memory(small)}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description="Measure what LoRA saves.")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    models = {"tiny student": compare(use_linear_layers(load_student("tiny")), ATTENTION_AND_MLP)}
    try:
        models["SmolLM2-135M-Instruct"] = compare(load_teacher("laptop"), PROJECTIONS)
    except FetchError as missing:
        print(missing)
    result = {"machine": describe_machine(), "rank": RANK, "alpha": ALPHA, "models": models}
    write_result("lora_memory", result, chosen.results)
    for name, ways in models.items():
        print(name, ways)


if __name__ == "__main__":
    main()
