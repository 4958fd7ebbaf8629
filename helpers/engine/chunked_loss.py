"""The distillation loss of a batch, computed without ever holding all of its logits.

Why: a token's logits are far larger than the hidden state they come from. With a vocabulary of 50,257 tokens, the
logits of 1,024 tokens take 206 MB in float32, and the plain formula keeps about ten tensors of that size: the logits of
student and teacher, both softmaxes, their logarithms, and the gradients of all these. Here the head (the last layer,
from hidden state to logits) is applied to one chunk of tokens at a time. The chunk's logits, loss and gradient are
computed, the gradient is added to that of the hidden states and of the head's weights, and the logits are dropped.
Value and gradient equal those of the plain formula, and nothing is computed twice.

A chunk is large enough for fast matrix products. The loss itself needs several more tensors of its logits' size, so it
takes the chunk in smaller *parts*. Hence losses and targets come in two steps: `chunk(rows, …)` computes what a chunk
needs once, and what it returns is called for each part.

Source of the idea: Hsu et al. 2024, "Liger Kernel: Efficient Triton Kernels for LLM Training", fused linear
cross-entropy.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from helpers.data.batches import Batch
from helpers.engine.model_parts import states_and_head
from helpers.engine.precision import product_dtype
from helpers.labels import make_labels, next_token_pairs
from helpers.losses import IGNORE, forward_kl, hard_loss

# Elements of a chunk's logits. Smaller chunks multiply at half of the processor's rate; larger ones outgrow the head.
CHUNK_ELEMENTS = {"cpu": 2**22, "cuda": 2**25}
# Products in a narrower dtype than the head's cannot be added to its gradient in place: each chunk makes a second
# matrix of the head's size. Chunks are then this many times as large, so that it happens less often.
NARROW_FACTOR = 4
# Elements of a part's logits. The loss keeps several tensors of this size.
PART_ELEMENTS = {"cpu": 2**19, "cuda": 2**22}


class PartLoss(Protocol):
    """The loss of one chunk, taken part by part."""

    def __call__(self, logits: Tensor, part: slice) -> Tensor:
        """A 0-d tensor. logits: the student's, `(n, V)`. part: where in the chunk these n tokens are."""


class ChunkableLoss(Protocol):
    """A loss over N tokens, taken chunk by chunk."""

    def chunk(self, rows: slice) -> PartLoss:
        """The loss of the tokens in `rows`."""


class ChunkTargets(Protocol):
    """The soft targets of one chunk, taken part by part."""

    def kl(self, student_logits: Tensor, part: slice) -> Tensor:
        """KL(teacher || student), mean over the n tokens of a part, in nats. student_logits: `(n, V)`."""


class Targets(Protocol):
    """The soft targets of N tokens, taken chunk by chunk."""

    def chunk(self, rows: slice, temperature: float) -> ChunkTargets:
        """The soft targets of the tokens in `rows`."""


@dataclass(frozen=True)
class LogitTargets:
    """Soft targets from a teacher's logits.

    Only the hidden states are kept for the whole batch; each chunk's logits are computed when its turn comes.

    Args:
        states: the teacher's hidden states `(N, H)`, or its logits `(N, V)` if there is no weight.
        weight: of the teacher's head, `(V, H)`; its dtype is that of the product.
        bias: of the teacher's head, `(V,)`.
    """

    states: Tensor
    weight: Tensor | None = None
    bias: Tensor | None = None

    def chunk(self, rows: slice, temperature: float) -> ChunkTargets:
        states = self.states[rows]
        if self.weight is None:
            return _ChunkLogits(states, temperature)
        return _ChunkLogits(F.linear(states.to(self.weight.dtype), self.weight, self.bias), temperature)


@dataclass(frozen=True)
class _ChunkLogits:
    logits: Tensor
    temperature: float

    def kl(self, student_logits: Tensor, part: slice) -> Tensor:
        return forward_kl(student_logits, self.logits[part], None, self.temperature)


@dataclass(frozen=True)
class BatchLoss:
    """`distillation_loss` over N tokens: the sum over them divided by `total`. A term with weight 0 is not computed.

    Args:
        labels: `(N,)`, one for each token.
        targets: the soft targets of the same tokens; None leaves out the soft term.
        temperature: T of the soft term.
        alpha: weight of the soft term.
        total: counted tokens of all batches whose gradients are summed, so that the sum is the mean over all of them.
    """

    labels: Tensor
    targets: Targets | None
    temperature: float
    alpha: float
    total: int

    def chunk(self, rows: slice) -> PartLoss:
        soft = None if self.targets is None or self.alpha == 0 else self.targets.chunk(rows, self.temperature)
        return _ChunkLoss(self, self.labels[rows], soft)


@dataclass(frozen=True)
class _ChunkLoss:
    batch: BatchLoss
    labels: Tensor
    targets: ChunkTargets | None

    def __call__(self, logits: Tensor, part: slice) -> Tensor:
        alpha, loss = self.batch.alpha, logits.new_zeros((), dtype=torch.float32)
        if self.targets is not None:
            loss = loss + alpha * self.batch.temperature**2 * self.targets.kl(logits, part)
        if alpha < 1:
            loss = loss + (1 - alpha) * hard_loss(logits, self.labels[part])
        return loss * (len(logits) / max(self.batch.total, 1))  # from a mean over the part to its share of the total


def counted_labels(batch: Batch) -> tuple[Tensor, Tensor]:
    """Which positions predict a counted token, `(B, S - 1)` bool, and the labels of these N positions, `(N,)`."""
    labels = make_labels(batch["input_ids"], batch["attention_mask"])
    _, labels = next_token_pairs(labels, labels)
    counted = labels != IGNORE
    return counted, labels[counted]


def count_tokens(batch: Batch) -> int:
    """How many tokens of the batch count in the loss."""
    return len(counted_labels(batch)[1])


def batch_loss(
    student: nn.Module,
    targets: Targets | None,
    batch: Batch,
    *,
    temperature: float,
    alpha: float,
    total: int,
    chunk: int | None = None,
    forward: Callable[..., Any] | None = None,
) -> Tensor:
    """The batch's share of `distillation_loss`: the sum over its N counted tokens, divided by `total`, in nats.

    Args:
        student: called with input_ids and attention_mask `(B, S)`.
        targets: the teacher's soft targets for this batch; None leaves out the soft term.
        batch: input_ids and attention_mask.
        temperature: T of the soft term.
        alpha: weight of the soft term. A term with weight 0 is not computed.
        total: counted tokens of all batches whose gradients are summed before a step, so that their losses add up to
            the mean over all of them.
        chunk: tokens whose logits exist at the same time; None chooses by the size of the vocabulary.
        forward: see `states_and_head`.

    Returns:
        A 0-d tensor.
    """
    counted, labels = counted_labels(batch)
    states, head = states_and_head(student, batch, counted, forward)
    loss = BatchLoss(labels, targets, temperature, alpha, total)
    if head is None:
        return loss.chunk(slice(None))(states, slice(None))
    return loss_in_chunks(states, head.weight, head.bias, loss, chunk)


def model_targets(teacher: nn.Module, batch: Batch) -> Targets:
    """The soft targets of a batch from a model: it reads the batch now; its logits are computed chunk by chunk.

    teacher: frozen, in eval mode; called with input_ids and attention_mask `(B, S)`.
    """
    counted, _ = counted_labels(batch)
    with torch.inference_mode():
        states, head = states_and_head(teacher, batch, counted)
        if head is None:
            return LogitTargets(states)
        dtype = product_dtype(states)
        return LogitTargets(states, head.weight.to(dtype), None if head.bias is None else head.bias.to(dtype))


def loss_in_chunks(
    states: Tensor, weight: Tensor, bias: Tensor | None, loss: ChunkableLoss, chunk: int | None = None
) -> Tensor:
    """The sum of a loss over the rows of states @ weight.T + bias, with at most `chunk` rows of logits in memory.

    Under autocast the products run in its dtype; the loss runs outside it.

    Args:
        states: `(N, H)`.
        weight: `(V, H)`.
        bias: `(V,)` or None.
        loss: its parts are summed.
        chunk: rows; None chooses by V.

    Returns:
        A 0-d float32 tensor (float64 for float64 states). Gradients reach states, weight and bias, once: `backward`
        cannot be called a second time. With no rows it is 0, with gradients of 0.

    Raises:
        ValueError: chunk is below 1.
    """
    if chunk is None:
        chunk = chunk_rows(states.device, len(weight)) * (NARROW_FACTOR if product_dtype(weight) != weight.dtype else 1)
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}; it must be at least 1 token")
    part = max(1, PART_ELEMENTS.get(states.device.type, PART_ELEMENTS["cuda"]) // len(weight))
    return _LinearThenLoss.apply(states, weight, bias, loss, chunk, part)


def chunk_rows(device: torch.device, vocabulary: int) -> int:
    """Tokens whose logits exist at the same time on a device."""
    return max(1, CHUNK_ELEMENTS.get(device.type, CHUNK_ELEMENTS["cuda"]) // vocabulary)


class _LinearThenLoss(torch.autograd.Function):
    """`loss_in_chunks`. The gradients are computed in the forward pass, while a chunk's logits are in memory."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, loss: ChunkableLoss, chunk: int, size: int
    ) -> Tensor:
        ctx.gradients = [
            torch.zeros_like(tensor) if tensor is not None and tensor.requires_grad else None
            for tensor in (states, weight, bias)
        ]
        state_gradient, weight_gradient, bias_gradient = ctx.gradients
        needs_gradient = any(gradient is not None for gradient in ctx.gradients)
        total = torch.zeros((), dtype=torch.promote_types(states.dtype, torch.float32), device=states.device)
        dtype = product_dtype(weight)
        with torch.autocast(states.device.type, enabled=False):
            cast_weight, cast_bias = weight.to(dtype), None if bias is None else bias.to(dtype)
            for rows in _slices(len(states), chunk):
                inputs = states[rows].to(dtype)
                logits = F.linear(inputs, cast_weight, cast_bias)
                _sum_parts(total, logits, loss.chunk(rows), size, needs_gradient)
                if state_gradient is not None:  # from here on `logits` holds the gradient of the loss at the logits
                    state_gradient[rows] = logits @ cast_weight
                if weight_gradient is not None and weight_gradient.dtype == dtype:
                    weight_gradient.addmm_(logits.T, inputs)  # in place: no second matrix of the weight's size
                elif weight_gradient is not None:
                    weight_gradient += logits.T @ inputs
                if bias_gradient is not None:
                    bias_gradient += logits.sum(dim=0)
                del logits  # before the next chunk's are made, or two chunks would be in memory
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("the gradients of a chunked loss are gone after backward(); compute the loss again")
        gradients, ctx.gradients = ctx.gradients, None  # dropped here, so that torch need not copy what it adds up
        scaled = [None if each is None else each if gradient == 1 else each * gradient for each in gradients]
        return *scaled, None, None, None


def _sum_parts(total: Tensor, logits: Tensor, loss: PartLoss, size: int, needs_gradient: bool) -> None:
    """Add the loss of a chunk's logits `(n, V)` to `total`, and write its gradient over the logits.

    The gradient needs no memory of its own: the logits of a part are not used again once its loss is known.
    """
    for part in _slices(len(logits), size):
        if not needs_gradient:
            total += loss(logits[part], part)
            continue
        with torch.enable_grad():
            leaf = logits[part].detach().requires_grad_()
            value = loss(leaf, part)
            (gradient,) = torch.autograd.grad(value, leaf)
        total += value.detach()
        logits[part] = gradient
        del leaf, value, gradient  # frees the graph of this part before that of the next one is built


def _slices(length: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, length)) for start in range(0, length, size))
