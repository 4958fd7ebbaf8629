"""The processes that train one student together: what they share, and what they add up.

`distill` is written for any number of them. With one process nothing is exchanged, and accelerate is not needed.
"""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from helpers.data.batches import Batch


class AcceleratorLike(Protocol):
    """What is used of `accelerate.Accelerator`, which is an optional dependency."""

    num_processes: int
    process_index: int
    device: torch.device

    def reduce(self, tensor: Any, reduction: str = "mean") -> Any: ...

    def gather(self, tensor: Any) -> Any: ...


class Processes:
    """The processes of `accelerate launch`; without an accelerator, this process alone.

    All processes must call the same methods in the same order, or they wait for each other forever.
    """

    def __init__(self, accelerator: AcceleratorLike | None = None) -> None:
        self._accelerator = accelerator
        self.count = 1 if accelerator is None else accelerator.num_processes
        self.index = 0 if accelerator is None else accelerator.process_index

    def own_share(self, batches: list[Batch]) -> list[Batch]:
        """The batches that this process reads; together the processes read each batch once."""
        return batches[self.index :: self.count]

    def place(self, model: nn.Module) -> torch.device:
        """Move the model to this process's device (without an accelerator: leave it where it is); return the device.

        All processes then start with the weights and buffers of the first one.
        """
        device = next(model.parameters()).device if self._accelerator is None else self._accelerator.device
        model.to(device)
        if self.count > 1:
            from accelerate.utils import broadcast

            for tensor in [*model.parameters(), *model.buffers()]:
                broadcast(tensor.detach())
        return device

    def sum_gradients(self, model: nn.Module) -> None:
        """Sum each weight's gradient over all processes. Each part of the loss is already divided by the tokens of all
        processes, so the sum is the gradient of the mean."""
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad = self.sum(parameter.grad)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of the tensor over all processes."""
        if self._accelerator is None or self.count == 1:
            return tensor
        return self._accelerator.reduce(tensor, "sum")

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any of the processes."""
        if self._accelerator is None or self.count == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self._accelerator.device)) > 0)

    def gather(self, states: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of all processes, joined along the first axis, on the CPU."""
        if self._accelerator is None:
            return states
        device = self._accelerator.device
        return {name: self._accelerator.gather(state.to(device)).cpu() for name, state in states.items()}
