"""Low-rank adaptation of a linear layer. Lab 06 writes this.

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
"""

import math

import torch
from torch import Tensor, nn


class LoRALinear(nn.Module):
    """A linear layer whose weights are frozen, plus `alpha / rank · B A`, which is trained.

    Args:
        linear: the layer, `out` by `in`; it is frozen.
        rank: rows of A `(rank, in)`, which start at random, and columns of B `(out, rank)`, which start at zero.
        alpha: how much the adapter counts.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.A = nn.Parameter(linear.weight.new_empty(rank, linear.in_features))
        self.B = nn.Parameter(linear.weight.new_zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + x @ self.A.T @ self.B.T * self.scale

    def merge(self) -> nn.Linear:
        """Return a plain layer of equal output, which shares no memory with this one."""
        linear = self.linear
        merged = nn.Linear(
            linear.in_features, linear.out_features, bias=linear.bias is not None,
            device=linear.weight.device, dtype=linear.weight.dtype,
        )  # fmt: skip
        with torch.no_grad():
            merged.weight.copy_(linear.weight + self.scale * self.B @ self.A)
            if linear.bias is not None:
                merged.bias.copy_(linear.bias)
        return merged
