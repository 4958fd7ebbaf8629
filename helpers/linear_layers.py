"""Replace layers of a model, and say what training it keeps in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

ATTENTION_AND_MLP = ("c_attn", "c_proj", "c_fc")  # of a GPT-2-shaped model
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")  # of SmolLM2


def use_linear_layers(model: nn.Module) -> nn.Module:
    """Replace GPT-2's own kind of layer, which keeps its weight transposed, by an nn.Linear of equal output."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Conv1D):
                inputs, outputs = child.weight.shape
                linear = nn.Linear(inputs, outputs, dtype=child.weight.dtype)
                with torch.no_grad():
                    linear.weight.copy_(child.weight.T)
                    linear.bias.copy_(child.bias)
                setattr(parent, name, linear)
    return model


def replace_layers(
    model: nn.Module, make: Callable[[nn.Module], nn.Module], names: Sequence[str] = ATTENTION_AND_MLP
) -> nn.Module:
    """Put `make(layer)` in place of every layer with one of these names, and freeze all others."""
    model.requires_grad_(False)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if name in names:
                setattr(parent, name, make(child))
    return model


def training_memory(model: nn.Module) -> dict[str, int]:
    """Return what AdamW keeps for a model after one step: trained weights, and bytes of their gradients and its state.

    The step has a rate of 0, so the model stays as it is.
    """
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, weight_decay=0.0)
    for weight in trained:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    state = sum(
        item.numel() * item.element_size()
        for kept in optimizer.state.values()
        for item in kept.values()
        if torch.is_tensor(item) and item.dim() > 0
    )
    gradients = sum(weight.numel() * weight.element_size() for weight in trained)
    optimizer.zero_grad(set_to_none=True)
    return {
        "weights": sum(weight.numel() for weight in model.parameters()),
        "trained_weights": sum(weight.numel() for weight in trained),
        "gradient_bytes": gradients,
        "optimizer_bytes": state,
        "saved_bytes": gradients,  # what has to be stored of the result: the trained weights, in their own dtype
    }
