"""The layers of a model and what runs between and inside them, for models of the Llama family and of GPT-2's shape."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from helpers.data.batches import Batch


def decoder_layers(teacher: PreTrainedModel) -> nn.ModuleList:
    """The teacher's layers. Raises ValueError for a model built neither like the Llama family nor like GPT-2."""
    backbone = teacher.base_model
    layers = getattr(backbone, "layers", getattr(backbone, "h", None))
    if not isinstance(layers, nn.ModuleList):
        raise ValueError(
            f"teacher is a {type(teacher).__name__}; only models of the Llama family and of GPT-2's shape, with their "
            "layers in model.layers or transformer.h, can be pruned"
        )
    return layers


def layer_states(model: PreTrainedModel, batch: Batch) -> list[Tensor]:
    """The hidden states between the layers: the input of the first layer, then each layer's output, `(B, S, H)`.

    Unlike transformers' `hidden_states`, the last one is what leaves the last layer, before the final norm.
    """
    states: list[Tensor] = []

    def record(layer: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        if not states:
            states.append(arguments[0])
        states.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layer.register_forward_hook(record) for layer in decoder_layers(model)]
    try:
        with torch.no_grad():
            model.base_model(batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return states


def inner_activations(model: PreTrainedModel, batch: Batch) -> list[Tensor]:
    """What the inner units of each layer's feed-forward part give to its last matrix, `(B, S, U)` each."""
    seen: list[Tensor] = []
    hooks = [
        getattr(layer.mlp, inner_names(cast(nn.Module, layer.mlp))[1]).register_forward_pre_hook(
            lambda module, arguments: seen.append(arguments[0])
        )
        for layer in decoder_layers(model)
    ]
    try:
        with torch.no_grad():
            model.base_model(batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def inner_names(mlp: nn.Module) -> tuple[tuple[str, ...], str]:
    """The names of the matrices that lead to the inner units, and of the one that leads away from them."""
    return (("gate_proj", "up_proj"), "down_proj") if hasattr(mlp, "down_proj") else (("c_fc",), "c_proj")
