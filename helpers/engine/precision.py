"""The dtype of matrix products: bfloat16 where that is faster, else float32. Weights and losses stay in float32."""

import time
from functools import lru_cache

import torch
from torch import Tensor, nn

MIN_WEIGHTS_FOR_BFLOAT16 = 10_000_000  # smaller models spend their time elsewhere than in matrix products


def choose_precision(model: nn.Module) -> torch.dtype:
    """The dtype for a model's matrix products: bfloat16 if the model is large and its device multiplies that faster.

    Some processors have units for bfloat16 and multiply it several times faster than float32; others have none and are
    many times slower. So it is measured, once per process. Models with under ten million weights stay in float32.
    """
    device = next(model.parameters()).device.type
    large = sum(parameter.numel() for parameter in model.parameters()) >= MIN_WEIGHTS_FOR_BFLOAT16
    return torch.bfloat16 if large and bfloat16_is_faster(device) else torch.float32


@lru_cache
def bfloat16_is_faster(device: str) -> bool:
    """Whether a product of two 512 × 512 matrices takes at most two thirds of the time in bfloat16."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return _product_seconds(torch.bfloat16, device) < _product_seconds(torch.float32, device) * 2 / 3


def _product_seconds(dtype: torch.dtype, device: str) -> float:
    """The shortest of three timings, which other programs disturbed least, after one product to warm up.

    `torch.utils.benchmark` would report a mean or median over at least 0.2 s, which students would wait for.
    """
    matrix = torch.ones(512, 512, dtype=dtype, device=device)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        (matrix @ matrix)[0, 0].item()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """A context in which matrix products run in this precision; for float32 it changes nothing."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


def product_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype of products with this tensor here: autocast's if it is on, else the tensor's own."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype
