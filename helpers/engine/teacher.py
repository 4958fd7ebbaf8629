"""What `distill` needs of a teacher, and how a model becomes one.

A teacher is anything that gives the soft targets of a batch: a frozen model (`ModelTeacher`), or a model's outputs that
were computed earlier (`helpers.engine.logit_cache`, `helpers.engine.hidden_state_cache`).
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn

from helpers.data.batches import Batch
from helpers.engine.chunked_loss import Targets, model_targets


class Teacher(Protocol):
    """Soft targets for each batch."""

    @property
    def fingerprint(self) -> str:
        """A short text that differs between teachers; a checkpoint is resumed only with the teacher it began with."""

    def targets(self, batch: Batch) -> Targets:
        """The soft targets of the batch's counted tokens. batch: input_ids and attention_mask `(B, S)`."""


class ModelTeacher:
    """A model as a teacher: frozen, in eval mode, and run on every batch."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model = freeze(model).to(device)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.model)

    def targets(self, batch: Batch) -> Targets:
        return model_targets(self.model, batch)


def as_teacher(teacher: nn.Module | Teacher, device: torch.device) -> Teacher:
    """A model becomes a `ModelTeacher` on the device; any other teacher is returned as it is."""
    return ModelTeacher(teacher, device) if isinstance(teacher, nn.Module) else teacher


def freeze(model: nn.Module) -> nn.Module:
    """Put the model in eval mode, stop its gradients, and return it.

    Both are needed: without eval mode, dropout adds noise to the teacher's outputs; without requires_grad=False, the
    teacher collects gradients, which take memory and could be stepped on by mistake.
    """
    return model.eval().requires_grad_(False)


def fingerprint(model: nn.Module) -> str:
    """A short text that differs between models: a hash of the shape and about 4,096 values of each tensor."""
    return fingerprint_tensors(model.state_dict(), values=4096)


def fingerprint_tensors(tensors: Mapping[str, Tensor], values: int | None = None) -> str:
    """A hash of names, shapes and dtypes, and of about this many values of each tensor, evenly spaced (None: all)."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in tensors.items():
        flat = tensor.detach().reshape(-1)
        sample = flat[:: 1 if values is None else max(1, len(flat) // values)].cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(sample.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
