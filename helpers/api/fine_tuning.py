"""Supervised fine-tuning with TRL, and the same adapter as PEFT builds it. It needs the extra "lora"."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase


def peft_adapter(model: PreTrainedModel, names: Sequence[str], rank: int, alpha: int, seed: int = 0) -> Any:
    """Return the model with PEFT's LoRA in place of the layers with these names."""
    from peft import LoraConfig, get_peft_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        settings = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(names), lora_dropout=0.0, bias="none")
        return get_peft_model(model, settings)


def copy_adapters(adapted: Any, weights: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Put A `(rank, in)` and B `(out, rank)` of each layer, in the model's order, into PEFT's adapters."""
    layers = [part for part in adapted.modules() if hasattr(part, "lora_A") and hasattr(part, "base_layer")]
    with torch.no_grad():
        for layer, (first, second) in zip(layers, weights, strict=True):
            layer.lora_A["default"].weight.copy_(first)
            layer.lora_B["default"].weight.copy_(second)


def train_with_trl(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Tensor, *, steps: int, learning_rate: float
) -> list[float]:
    """Train a model in place on rows of tokens `(N, S)` with TRL's SFTTrainer; return the loss of each step.

    Only what can be trained is trained, so it works with our adapters and with PEFT's.
    """
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=8, learning_rate=learning_rate,
            lr_scheduler_type="cosine", warmup_steps=0.1, logging_steps=1, save_strategy="no", report_to="none",
            use_cpu=True, disable_tqdm=True, seed=0, max_length=None, bf16=False, gradient_checkpointing=False,
        )  # fmt: skip
        data = Dataset.from_dict({"input_ids": rows.tolist()})
        trainer = SFTTrainer(model=model, args=settings, train_dataset=data, processing_class=tokenizer)
        trainer.remove_callback(PrinterCallback)  # it prints every step
        trainer.train()
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
