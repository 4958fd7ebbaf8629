"""The dtype of matrix products: bfloat16 where that is faster, else float32. Weights and losses stay in float32."""

import time
from functools import lru_cache

import torch
from torch import Tensor, nn

SMALL_MODEL = 10_000_000  # weights; below, the time goes elsewhere than into products


def choose_precision(model: nn.Module) -> torch.dtype:
    """The dtype for the products of a model: bfloat16 where it is large and its device multiplies that faster.

    Some processors have units for bfloat16 and multiply it several times faster than float32; others have none and are
    many times slower. So it is measured, once in a process. Models under ten million weights keep float32.
    """
    device = next(model.parameters()).device.type
    large = sum(parameter.numel() for parameter in model.parameters()) >= SMALL_MODEL
    return torch.bfloat16 if large and bfloat16_pays(device) else torch.float32


@lru_cache
def bfloat16_pays(device: str) -> bool:
    """Whether a product of two 512 × 512 matrices takes at most two thirds of the time in bfloat16."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    seconds = []
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(512, 512, dtype=dtype, device=device)
        times = []
        for _ in range(4):  # the first prepares; the shortest of the others was disturbed least
            began = time.perf_counter()
            (matrix @ matrix)[0, 0].item()
            times.append(time.perf_counter() - began)
        seconds.append(min(times[1:]))
    return seconds[1] < seconds[0] * 2 / 3


def product_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype in which products with this tensor run here: autocast's where it is on, else the tensor's own."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype
