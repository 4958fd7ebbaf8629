"""A language model taken apart: the backbone, which makes hidden states, and the head, which makes logits of them.

The logits are by far the largest tensor of a training step. Code that has the hidden states and the head can compute
the logits of a few tokens at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from helpers.data.batches import Batch

# Settings by which models of some families scale or cap the logits after the head. Small logits do not show a cap.
LOGIT_SETTINGS = ("final_logit_softcapping", "logits_scaling", "logit_scale")

_HAS_PLAIN_HEAD: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()  # each model is tried once


def backbone_and_head(model: nn.Module) -> tuple[nn.Module, nn.Linear] | None:
    """The two parts of a transformers model whose logits are head(last hidden state); None for any other model.

    Some models change the logits after the head, or the hidden states before it. What their settings do not tell, a
    trial on two tokens does.
    """
    if not isinstance(model, PreTrainedModel):
        return None
    head, backbone = model.get_output_embeddings(), model.base_model
    if backbone is model or not isinstance(head, nn.Linear):
        return None
    if any(getattr(model.config, name, None) not in (None, 1) for name in LOGIT_SETTINGS):
        return None
    if model not in _HAS_PLAIN_HEAD:
        _HAS_PLAIN_HEAD[model] = _head_makes_the_logits(model, backbone, head)
    return (backbone, head) if _HAS_PLAIN_HEAD[model] else None


def _head_makes_the_logits(model: PreTrainedModel, backbone: nn.Module, head: nn.Linear) -> bool:
    """Whether head(backbone(x)) equals model(x) on two tokens. Leaves the model's modes as they were."""
    device = head.weight.device
    ids = torch.tensor([[0, 1]], device=device)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            expected = model(ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
            actual = head(backbone(ids, attention_mask=torch.ones_like(ids), use_cache=False).last_hidden_state)
    finally:
        for module, mode in modes:
            module.training = mode
    if actual.shape != expected.shape:
        return False
    return torch.allclose(actual, expected, rtol=1e-2, atol=1e-2 * expected.abs().max().item())


def states_and_head(
    model: nn.Module, batch: Batch, counted: Tensor, forward: Callable[..., Any] | None = None
) -> tuple[Tensor, nn.Linear | None]:
    """Run the model on a batch, up to its head.

    Args:
        model: called with input_ids and attention_mask `(B, S)`.
        batch: these two tensors.
        counted: `(B, S - 1)` bool, the N positions whose prediction counts.
        forward: called in place of the backbone (or of the model, if it cannot be taken apart), for example the same
            module compiled.

    Returns:
        Hidden states of the counted positions, `(N, H)`, and the head. If the model cannot be taken apart: the logits
        of these positions, `(N, V)`, and None.
    """
    parts = backbone_and_head(model)
    if parts is None:
        forward = model if forward is None else forward
        output = forward(batch["input_ids"], attention_mask=batch["attention_mask"])
        return output.logits[:, :-1][counted], None
    backbone, head = parts
    forward = backbone if forward is None else forward
    output = forward(batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
    return output.last_hidden_state[:, :-1][counted], head


def compile_forward(model: nn.Module, backend: str | None) -> Callable[..., Any] | None:
    """What `states_and_head` calls, compiled by torch.compile; None without a backend."""
    if backend is None:
        return None
    parts = backbone_and_head(model)
    return torch.compile(model if parts is None else parts[0], backend=backend)


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Eval mode within this context; afterwards every submodule is in its previous mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
