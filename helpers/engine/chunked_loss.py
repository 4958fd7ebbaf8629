"""The distillation loss of a batch, without ever holding all of its logits.

Why: a row of logits is far larger than the hidden state that it comes from. With a vocabulary of 50,257 words, 1,024
tokens make 206 MB of logits in float32, and the plain formula keeps about ten tensors of that size: logits of student
and teacher, both softmaxes, their logarithms, the gradients of all of these. Here the last layer (the head, from hidden
state to logits) is applied to a few tokens at a time: their logits, loss and gradient are computed, the gradient is
added up at the head's weights and at the hidden states, and the logits are dropped. Value and gradient are those of the
plain formula, and nothing is computed twice.
Source of the idea: Hsu et al. 2024, "Liger Kernel: Efficient Triton Kernels for LLM Training", fused linear
cross-entropy.
"""

from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import PreTrainedModel

from helpers.data.batches import Batch
from helpers.engine.precision import product_dtype
from helpers.labels import make_labels, next_token_pairs
from helpers.losses import IGNORE, forward_kl, hard_loss

# From the student's logits of a part of a chunk, (n, V), and where in the chunk that part stands: a 0-d tensor.
PartLoss = Callable[[Tensor, slice], Tensor]
# For a chunk of tokens and a temperature: the KL of its parts, mean over a part's tokens, in nats.
Targets = Callable[[slice, float], PartLoss]

# Logits of a chunk: with few rows, products run at half of a processor's rate; with many, the chunk outgrows the head.
CHUNK_ELEMENTS = {"cpu": 2**22, "cuda": 2**25}
# Products in a narrower dtype cannot be added to the head's gradient in place: each chunk makes a matrix of the head's
# size, and adds it. Then chunks are this many times as large, so that there are fewer.
NARROW_FACTOR = 4
# Beside its logits the loss needs several tensors of their size, so it takes a chunk in parts.
PART_ELEMENTS = {"cpu": 2**19, "cuda": 2**22}


def counted_labels(batch: Batch) -> tuple[Tensor, Tensor]:
    """Which positions predict a token that counts, `(B, S - 1)` bool, and the labels of these, `(N,)`."""
    labels = make_labels(batch["input_ids"], batch["attention_mask"])
    _, labels = next_token_pairs(labels, labels)
    counted = labels != IGNORE
    return counted, labels[counted]


def count_tokens(batch: Batch) -> int:
    """How many tokens of the batch count in the loss."""
    return len(counted_labels(batch)[1])


def compile_forward(student: nn.Module, backend: str | None) -> Callable | None:
    """The student, or all of it but its head, compiled for `batch_loss`; None without a backend."""
    if backend is None:
        return None
    parts = backbone_and_head(student)
    return torch.compile(student if parts is None else parts[0], backend=backend)


def batch_loss(
    student: nn.Module,
    targets: Targets | None,
    batch: Batch,
    *,
    temperature: float,
    alpha: float,
    total: int,
    chunk: int | None = None,
    forward: Callable | None = None,
) -> Tensor:
    """The batch's part of `distillation_loss`: the sum over its N counted tokens, divided by `total`, in nats.

    student: called with input_ids and attention_mask `(B, S)`. targets: the soft term, from `model_targets` or from a
    teacher cache; None where alpha is 0. total: counted tokens of everything that is added up before a step, so that
    the parts of a large batch add up to its mean. chunk: tokens whose logits are alive together; None chooses by the
    size of the vocabulary. forward: what to call in place of the student (or of all but its head), for instance the
    same thing compiled.

    A term that alpha weighs with 0 is not computed. Returns a 0-d tensor.
    """
    counted, labels = counted_labels(batch)
    states, head = states_and_head(student, batch, counted, forward)

    def chunk_loss(here: slice) -> PartLoss:
        soft = targets(here, temperature) if targets is not None and alpha > 0 else None

        def part_loss(logits: Tensor, part: slice) -> Tensor:
            value = logits.new_zeros((), dtype=torch.float32)
            if soft is not None:
                value = value + alpha * temperature**2 * soft(logits, part)
            if alpha < 1:
                value = value + (1 - alpha) * hard_loss(logits, labels[here][part])
            return value * (len(logits) / max(total, 1))

        return part_loss

    if head is None:
        return chunk_loss(slice(None))(states, slice(None))
    return loss_in_chunks(states, head.weight, head.bias, chunk_loss, chunk)


def model_targets(teacher: nn.Module, batch: Batch) -> Targets:
    """The soft term for a batch, from the teacher itself: it reads the batch once; its logits come chunk by chunk.

    teacher: frozen, in eval mode; called with input_ids and attention_mask `(B, S)`.
    """
    counted, _ = counted_labels(batch)
    with torch.inference_mode():
        states, head = states_and_head(teacher, batch, counted)
        dtype = product_dtype(states)
        if head is not None:
            weight, bias = head.weight.to(dtype), None if head.bias is None else head.bias.to(dtype)
    if head is None:
        return logits_targets(states, lambda logits: logits)
    return logits_targets(states, lambda some: F.linear(some.to(dtype), weight, bias))


def logits_targets(states: Tensor, to_logits: Callable[[Tensor], Tensor]) -> Targets:
    """The soft term from what a teacher's logits are made of.

    states: `(N, H)`, one a counted token. to_logits: makes `(n, V)` logits of `(n, H)`; called once a chunk.
    """

    def chunk_kl(here: slice, temperature: float) -> PartLoss:
        teacher_logits = to_logits(states[here])
        return lambda student_logits, part: forward_kl(student_logits, teacher_logits[part], None, temperature)

    return chunk_kl


def states_and_head(
    model: nn.Module, batch: Batch, counted: Tensor, forward: Callable | None = None
) -> tuple[Tensor, nn.Linear | None]:
    """Hidden states of the counted positions, `(N, H)`, and the head that makes logits of them.

    Where the head cannot be told from the rest of the model, the logits themselves, `(N, V)`, and None.
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


def backbone_and_head(model: nn.Module) -> tuple[nn.Module, nn.Linear] | None:
    """The two parts of a transformers model whose logits are head(last hidden state); None for any other model.

    Some models scale or cap what the head gives, or change the states before it. A cap is named by the model's
    settings, as small logits do not show it; for all else, each model is tried once, on two tokens.
    """
    if not isinstance(model, PreTrainedModel):
        return None
    head, backbone = model.get_output_embeddings(), model.base_model
    changes_logits = [
        getattr(model.config, name, None) for name in ("final_logit_softcapping", "logits_scaling", "logit_scale")
    ]
    if backbone is model or not isinstance(head, nn.Linear) or any(value not in (None, 1) for value in changes_logits):
        return None
    if model not in _PLAIN_HEAD:
        _PLAIN_HEAD[model] = _makes_the_logits(model, backbone, head)
    return (backbone, head) if _PLAIN_HEAD[model] else None


_PLAIN_HEAD: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def _makes_the_logits(model: PreTrainedModel, backbone: nn.Module, head: nn.Linear) -> bool:
    """Whether head(backbone) is what the model gives. The model is afterwards as it was."""
    device = head.weight.device
    ids = torch.tensor([[0, 1]], device=device)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            expected = model(ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
            states = backbone(ids, attention_mask=torch.ones_like(ids), use_cache=False).last_hidden_state
            found = head(states)
    finally:
        for module, mode in modes:
            module.training = mode
    if found.shape != expected.shape:
        return False
    return torch.allclose(found, expected, rtol=1e-2, atol=1e-2 * expected.abs().max().item())


def loss_in_chunks(
    states: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    loss: Callable[[slice], PartLoss],
    chunk: int | None = None,
) -> Tensor:
    """The sum of a loss over the rows of states @ weight.T + bias, with at most `chunk` rows of logits alive.

    states: `(N, H)`. weight: `(V, H)`. loss: called with the slice of each chunk; what it returns is called with
    logits `(n, V)` of a part of the chunk and the part's slice in it. The sum over all parts of all chunks is the
    result. Under autocast the products run in its dtype; the loss runs outside it.
    Returns a 0-d float32 tensor (float64 for float64 states), through which gradients reach states, weight and bias,
    once. No rows: 0, with gradients of 0.
    """
    if chunk is None:
        chunk = chunk_rows(states.device, len(weight)) * (NARROW_FACTOR if product_dtype(weight) != weight.dtype else 1)
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}; it must be at least 1 token")
    part = max(1, PART_ELEMENTS.get(states.device.type, PART_ELEMENTS["cuda"]) // len(weight))
    return _LinearThenLoss.apply(states, weight, bias, loss, chunk, part)


def chunk_rows(device: torch.device, vocabulary: int) -> int:
    """Tokens whose logits are alive together on a device."""
    return max(1, CHUNK_ELEMENTS.get(device.type, CHUNK_ELEMENTS["cuda"]) // vocabulary)


class _LinearThenLoss(torch.autograd.Function):
    """`loss_in_chunks`. The gradients are made on the way forward, while a chunk's logits are there."""

    @staticmethod
    def forward(ctx, states, weight, bias, loss, chunk, size):
        wanted = [tensor is not None and tensor.requires_grad for tensor in (states, weight, bias)]
        ctx.gradients = [
            torch.zeros_like(t) if w else None for t, w in zip((states, weight, bias), wanted, strict=True)
        ]
        for_states, for_weight, for_bias = ctx.gradients
        total = torch.zeros((), dtype=torch.promote_types(states.dtype, torch.float32), device=states.device)
        dtype = product_dtype(weight)
        with torch.autocast(states.device.type, enabled=False):
            matrix, shift = weight.to(dtype), None if bias is None else bias.to(dtype)
            for start in range(0, len(states), chunk):
                here = slice(start, start + chunk)
                rows = states[here].to(dtype)
                logits, part_loss = F.linear(rows, matrix, shift), loss(here)
                for part in (slice(first, first + size) for first in range(0, len(rows), size)):
                    if not any(wanted):
                        total += part_loss(logits[part], part)
                        continue
                    with torch.enable_grad():
                        leaf = logits[part].detach().requires_grad_()
                        value = part_loss(leaf, part)
                        (gradient,) = torch.autograd.grad(value, leaf)
                    total += value.detach()
                    logits[part] = gradient  # in the place of the logits, which nothing needs any more
                    del leaf, value, gradient
                if for_states is not None:
                    for_states[here] = logits @ matrix
                if for_weight is not None and for_weight.dtype == dtype:
                    for_weight.addmm_(logits.T, rows)  # adds in place: no second matrix of the weight's size
                elif for_weight is not None:
                    for_weight += logits.T @ rows
                if for_bias is not None:
                    for_bias += logits.sum(dim=0)
                del logits, part_loss  # before those of the next chunk are made
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        if ctx.gradients is None:
            raise RuntimeError("the gradients of a chunked loss are gone after backward(); compute the loss again")
        gradients, ctx.gradients = ctx.gradients, None  # not kept, so that torch need not copy them
        scaled = [None if each is None else each if gradient == 1 else each * gradient for each in gradients]
        return *scaled, None, None, None
