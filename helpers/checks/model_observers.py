"""Observers of answers that make a smaller model or layer out of a given one.

Like `helpers.checks.observers`, this file is sent to the kernel as text; see there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from helpers.checks.optional_torch import torch

# Saved before the student's first cell runs, so that replacing them later changes nothing here.
_FullLinear, _alike, _kind, _address = torch.nn.Linear, torch.equal, type, torch.Tensor.untyped_storage


def cut_model(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Let the answer make a model with some of a GPT-2-shaped model's layers; observe the new one and the old one.

    `tokens` are read by the new model, in eval mode.
    """
    model, kept = arguments
    before = [weight.detach().clone() for weight in model.parameters()]
    layers_before, count_before = list(model.transformer.h), model.config.n_layer
    result = answer(model, kept)
    if _kind(result) is not _kind(model):
        return {"kind of result": _kind(result).__name__[:100]}
    layers = list(result.transformer.h)
    untouched = (
        list(model.transformer.h) == layers_before
        and model.config.n_layer == count_before
        and [layer.attn.layer_idx for layer in layers_before] == list(range(len(layers_before)))
        and all(_alike(weight.detach(), old) for weight, old in zip(model.parameters(), before, strict=True))
    )
    with torch.no_grad():
        logits = result.eval()(options["tokens"]).logits
    return {
        "logits of the new model": logits,
        "number of layers": len(layers),
        "number of layers in its config": result.config.n_layer,
        "layer_idx of its layers": [layer.attn.layer_idx for layer in layers],
        "head and embeddings are tied": result.lm_head.weight is result.transformer.wte.weight,
        "weights in memory of the old model": _shared(result.parameters(), model.parameters()),
        "the old model is as it was": untouched,
    }


def narrow_layer(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Let the answer make a linear layer with some rows or columns of another; observe the new one and the old one."""
    linear = arguments[0]
    before = [weight.detach().clone() for weight in linear.parameters()]
    result = answer(*arguments)
    if _kind(result) is not _FullLinear:
        return {"kind of result": _kind(result).__name__[:100]}
    return {
        "weight": result.weight.detach(),
        "bias": None if result.bias is None else result.bias.detach(),
        "in_features and out_features": [result.in_features, result.out_features],
        "weights that can be trained": all(weight.requires_grad for weight in result.parameters()),
        "weights in memory of the old layer": _shared(result.parameters(), linear.parameters()),
        "the old layer is as it was": all(
            _alike(weight.detach(), old) for weight, old in zip(linear.parameters(), before, strict=True)
        ),
    }


def _shared(new: Any, old: Any) -> int:
    """How many of the new weights lie in memory of the old ones."""
    places = {_address(weight).data_ptr() for weight in old}
    return sum(_address(weight).data_ptr() in places for weight in new)


MODEL_OBSERVERS = {"cut_model": cut_model, "narrow_layer": narrow_layer}
