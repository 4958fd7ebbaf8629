"""The shape of a student: its number of weights, its hidden states beside the teacher's, and pruning in width.

Lab 09 writes these functions; `helpers.layer_pruning` has those about whole layers. `prune_inner` makes a narrower
model out of a teacher: every layer's feed-forward part keeps some of its inner units.

Sources: Jiao et al. 2020, "TinyBERT" (hidden states matched through a projection); Muralidharan et al. 2024, "Compact
Language Models via Pruning and Knowledge Distillation" (units ranked by their mean activation).
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from helpers.data.batches import Batch
from helpers.layer_states import decoder_layers, inner_activations, inner_names


def parameters_of(layers: int, width: int, vocabulary: int, positions: int) -> int:
    """Number of weights of a GPT-2-shaped model whose head shares the token embeddings' matrix.

    A layer has two norms (2 · 2W), attention (W × 3W and W × W) and a feed-forward part (W × 4W and 4W × W), each with
    biases. Raises ValueError unless layers is at least 0 and the other sizes at least 1.
    """
    if layers < 0 or min(width, vocabulary, positions) < 1:
        raise ValueError("layers must be at least 0; width, vocabulary and positions at least 1")
    embeddings = (vocabulary + positions) * width
    layer = 12 * width**2 + 13 * width
    return embeddings + layers * layer + 2 * width


def hidden_state_loss(
    student_states: Sequence[Tensor],
    teacher_states: Sequence[Tensor],
    projections: Sequence[nn.Module] | nn.ModuleList,
    layer_map: Mapping[int, int],
    mask: Tensor,
) -> Tensor:
    """Mean squared error between projected student states and teacher states, over counted positions and pairs.

    Args:
        student_states: `(B, S, H)` each; number 0 is the embeddings' output.
        teacher_states: `(B, S, K)` each; they get no gradient.
        projections: one for each student state, from H to K numbers.
        layer_map: which teacher state each matched student state should resemble.
        mask: `(B, S)`, 1 where a position counts. Without any, the loss is 0.

    Raises:
        ValueError: layer_map is empty or names a state that there is none of.
    """
    if not layer_map or not all(
        0 <= ours < len(student_states) and 0 <= theirs < len(teacher_states) for ours, theirs in layer_map.items()
    ):
        raise ValueError(f"layer_map is {dict(layer_map)}; it must map student states to teacher states that exist")
    counted = mask.bool()
    errors = [
        (projections[ours](student_states[ours][counted]) - teacher_states[theirs][counted].detach()).square()
        for ours, theirs in layer_map.items()
    ]
    return torch.stack([error.sum() / max(error.numel(), 1) for error in errors]).mean()


def width_importance(activations: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute activation of each unit over counted positions: activations `(B, S, U)`, mask `(B, S)`, `(U,)`."""
    return activations[mask.bool()].abs().mean(dim=0)


def prune_width(linear: nn.Linear, kept: Sequence[int], dim: int) -> nn.Linear:
    """A new linear layer with some rows (dim 0, outputs, their biases too) or columns (dim 1, inputs) of another.

    Raises ValueError if dim is neither 0 nor 1, or kept is empty or holds an index that there is none of.
    """
    if dim not in (0, 1):
        raise ValueError(f"dim is {dim}; it must be 0 for outputs or 1 for inputs")
    size = linear.weight.shape[dim]
    if not len(kept) or not all(0 <= unit < size for unit in kept):
        raise ValueError(f"kept must hold indices between 0 and {size - 1}")
    chosen = torch.as_tensor(kept, device=linear.weight.device)
    weight = linear.weight.detach().index_select(dim, chosen)
    bias = None if linear.bias is None else linear.bias.detach().clone()
    if bias is not None and dim == 0:
        bias = bias[chosen]
    narrow = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None).to(weight)
    narrow.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias}))
    return narrow


def most_important_units(model: PreTrainedModel, batch: Batch, count: int) -> list[list[int]]:
    """The `count` inner units with the largest mean absolute activation in each layer, in ascending order."""
    importance = [width_importance(seen, batch["attention_mask"]) for seen in inner_activations(model, batch)]
    return [sorted(each.topk(count).indices.tolist()) for each in importance]


def prune_inner(model: PreTrainedModel, kept: Sequence[Sequence[int]]) -> PreTrainedModel:
    """A copy whose layers keep only these inner units of their feed-forward parts; all layers keep equally many.

    Raises ValueError if the numbers of layers or units do not fit.
    """
    if len(kept) != len(decoder_layers(model)) or len({len(units) for units in kept}) != 1:
        raise ValueError("kept must have a list of units for every layer, all of one length")
    narrow = copy.deepcopy(model)
    for layer, units in zip(decoder_layers(narrow), kept, strict=True):
        entering, leaving = inner_names(cast(nn.Module, layer.mlp))
        for name in entering:
            setattr(layer.mlp, name, _prune(getattr(layer.mlp, name), units, dim=0))
        setattr(layer.mlp, leaving, _prune(getattr(layer.mlp, leaving), units, dim=1))
    setattr(narrow.config, "n_inner" if hasattr(narrow.config, "n_inner") else "intermediate_size", len(kept[0]))
    return narrow.eval().requires_grad_(True)


def _prune(matrix: Any, kept: Sequence[int], dim: int) -> nn.Module:
    """`prune_width` for linear layers and for GPT-2's `Conv1D`, whose weight is the transpose of a linear layer's."""
    if isinstance(matrix, nn.Linear):
        return prune_width(matrix, kept, dim)
    linear = nn.Linear(*matrix.weight.shape)
    linear.load_state_dict({"weight": matrix.weight.detach().T, "bias": matrix.bias.detach()})
    narrow = prune_width(linear, kept, dim)
    converted = Conv1D(narrow.out_features, narrow.in_features)
    converted.load_state_dict({"weight": narrow.weight.detach().T, "bias": narrow.bias.detach()})
    return converted
