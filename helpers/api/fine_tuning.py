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
    return _train(model, tokenizer, {"input_ids": rows.tolist()}, steps, learning_rate, batch_size=8)


def train_on_replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    *,
    steps: int,
    learning_rate: float,
) -> list[float]:
    """The same on pairs of a question and its reply, in the form of the tokenizer's chats; only replies count."""
    columns = {
        "prompt": [[{"role": "user", "content": asked}] for asked, _ in pairs],
        "completion": [[{"role": "assistant", "content": reply}] for _, reply in pairs],
    }
    return _train(model, tokenizer, columns, steps, learning_rate, batch_size=4)


def _train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    columns: dict[str, list],
    steps: int,
    learning_rate: float,
    batch_size: int,
) -> list[float]:
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=batch_size, learning_rate=learning_rate,
            lr_scheduler_type="cosine", warmup_steps=0.1, logging_steps=1, save_strategy="no", report_to="none",
            use_cpu=True, disable_tqdm=True, seed=0, max_length=None, bf16=False, gradient_checkpointing=False,
        )  # fmt: skip
        data = Dataset.from_dict(columns)
        trainer = SFTTrainer(model=model, args=settings, train_dataset=data, processing_class=tokenizer)
        trainer.remove_callback(PrinterCallback)  # it prints every step
        trainer.train()
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@torch.no_grad()
def nats_of_replies(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]]
) -> float:
    """Cross-entropy of the replies, in nats per token; each ends with the end-of-text token."""
    total, count = 0.0, 0
    model.eval()
    for asked, reply in pairs:
        chat = [{"role": "user", "content": asked}]
        prompt = str(tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False))
        before, after = (tokenizer(text)["input_ids"] for text in (prompt, f"{reply}{tokenizer.eos_token}"))
        row = torch.tensor([before + after])
        logits = model(row, attention_mask=torch.ones_like(row)).logits[0, len(before) - 1 : -1]
        total += torch.nn.functional.cross_entropy(logits.float(), row[0, len(before) :], reduction="sum").item()
        count += len(after)
    return total / count
