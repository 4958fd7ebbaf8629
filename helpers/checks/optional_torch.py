"""PyTorch where it is installed; elsewhere a stand-in, since a lab that uses no tensors needs none.

    from helpers.checks.optional_torch import torch

Every name of the stand-in is a class without instances, so that no value is a tensor, and calls and `with` do nothing.
Like `helpers.checks.observers`, this file is sent to the kernel as text; see there.
"""

from __future__ import annotations

from typing import Any


class _Missing(type):
    """The kind of everything in the stand-in."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Missing(name, (), {})

    def __call__(cls, *arguments: Any, **settings: Any) -> Any:
        return cls

    def __enter__(cls) -> Any:
        return cls

    def __exit__(cls, *exception: object) -> None:
        return None


try:
    import torch as torch
except ImportError:
    torch = _Missing("torch", (), {})  # type: ignore[assignment]

HAS_TORCH = not isinstance(torch, _Missing)
