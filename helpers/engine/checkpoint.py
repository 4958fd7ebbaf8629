"""The state of a training run in one file, so that an interrupted run resumes with the same numbers.

The file is safetensors: weights, optimizer state and random states as tensors, everything else as JSON in the header.
Unlike a pickle, it cannot execute code when it is loaded. It is written under another name and then renamed, so a run
that dies while it saves keeps its last checkpoint.
"""

import hashlib
import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from helpers.atomic import replace_file
from helpers.data.batches import Batch
from helpers.engine.processes import Processes

FORMAT = "distillab checkpoint 1"


class Checkpointer:
    """Saves a run of `distill` to a file and resumes it: weights, optimizer, batch order and random numbers.

    Args:
        path: the checkpoint file. If it exists, the run resumes from it; delete it to start over.
        every: steps between two saves. A run also saves at its end and when it is interrupted.

    Raises:
        ValueError: `every` is below 1.
    """

    def __init__(self, path: str | Path, *, every: int = 50) -> None:
        if every < 1:
            raise ValueError(f"every is {every}; it must be at least 1 step")
        self.path, self.every = Path(path), every

    @property
    def precision(self) -> torch.dtype | None:
        """The precision of the saved run, so that it resumes in the same one; None without a saved run."""
        return saved_precision(self.path)

    def resume(
        self,
        student: nn.Module,
        optimizer: torch.optim.Optimizer,
        batches: DataLoader | list[Batch],
        settings: Mapping[str, Any],
        processes: Processes,
    ) -> list[float]:
        """Restore what was saved, if anything was, and return the losses of the steps that are done.

        The generator that shuffles the batches is set back to the start of the run: read the batches of the done steps
        again, and skip them. What is passed here is also what `save` will save.

        Args:
            settings: numbers and texts that must be the same as in the saved run.

        Raises:
            ValueError: the file is not a checkpoint, or belongs to a run with another model, text or settings.
        """
        self._student, self._optimizer, self._processes = student, optimizer, processes
        generator = getattr(batches, "generator", None)
        self._settings = dict(settings) | {
            "batches": len(batches),
            "seed of the order": None if generator is None else generator.initial_seed(),
            "text": _fingerprint_rows(batches),
        }
        saved = load_checkpoint(self.path, student, optimizer, settings=self._settings, order=generator,
                                process=processes.index)  # fmt: skip
        self._order = None if generator is None else generator.get_state()
        return [] if saved is None else saved[1]

    def due(self, step: int) -> bool:
        """Whether to save after this many steps."""
        return step % self.every == 0

    def save(self, losses: list[float]) -> None:
        """Write the state of the run. losses: one for each step done. Every process must call this; the first writes.

        The random numbers of all processes are saved, because each draws its own dropout.
        """
        random = self._processes.gather(random_states(next(self._student.parameters()).device))
        if self._processes.index == 0:
            save_checkpoint(self.path, self._student, self._optimizer, step=len(losses), losses=losses,
                            settings=self._settings, order=self._order, random=random)  # fmt: skip


def _fingerprint_rows(batches: DataLoader | list[Batch]) -> str:
    """A short text that differs between texts: a hash of all of a list's batches, or of about 64 rows of a data set."""
    rows: Any = getattr(batches, "dataset", batches)
    digest = hashlib.blake2b(str(len(rows)).encode(), digest_size=16)
    for index in range(0, len(rows), 1 if rows is batches else max(1, len(rows) // 64)):
        for name in ("input_ids", "attention_mask"):
            digest.update(rows[index][name].cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_checkpoint(
    path: str | Path,
    student: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    step: int,
    losses: list[float],
    settings: Mapping[str, Any],
    order: Tensor | None = None,
    random: Mapping[str, Tensor] | None = None,
) -> None:
    """Write one file with everything that is needed to resume a run.

    Args:
        path: the file; its folder is made if need be.
        student: its weights and buffers are saved, tied ones once.
        optimizer: its state is saved.
        step: number of steps done.
        losses: one for each step, in nats per token.
        settings: numbers, texts and lists that must be the same when the run is resumed.
        order: state of the generator that shuffles the batches, as it was before the first batch.
        random: `random_states` of all P processes, each `(P, N)`; None takes those of this process.
    """
    path = Path(path)
    tensors = {f"student.{name}": tensor for name, tensor in _untied_state(student).items()}
    state = optimizer.state_dict()
    plain: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            else:
                plain.setdefault(str(index), {})[name] = value
    tensors |= random_states(next(student.parameters()).device) if random is None else random
    if order is not None:
        tensors["order"] = order
    metadata = {
        "form": FORMAT,
        "step": step,
        "losses": list(losses),
        "settings": dict(settings),
        "optimizer": {"groups": state["param_groups"], "plain": plain},
    }
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    with replace_file(path) as temporary:
        save_file(contiguous, str(temporary), metadata={"distillab": json.dumps(metadata)})


def load_checkpoint(
    path: str | Path,
    student: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    settings: Mapping[str, Any],
    order: torch.Generator | None = None,
    process: int = 0,
) -> tuple[int, list[float]] | None:
    """Restore student, optimizer and random numbers in place.

    Args:
        path: the file.
        student: gets the saved weights.
        optimizer: gets the saved state.
        settings: must equal those that were saved.
        order: the generator that shuffles the batches. It is set back to its state before the first batch: read the
            batches that were used again, and skip them.
        process: index of this process among several.

    Returns:
        The number of steps done, and their losses; None, with nothing changed, if there is no file.

    Raises:
        ValueError: the file is not a checkpoint, or its settings or its model differ from these.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("distillab", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a checkpoint ({error}); delete it to start again") from error
    if metadata.get("form") != FORMAT:
        raise ValueError(f"{path} is not a checkpoint of this version; delete it to start again")
    _check_settings(path, metadata["settings"], json.loads(json.dumps(dict(settings))))
    _load_student(path, student, tensors)
    optimizer.load_state_dict(_optimizer_state(metadata["optimizer"], tensors))
    if order is not None and "order" in tensors:
        order.set_state(tensors["order"])
    if process < len(tensors["random"]):
        torch.set_rng_state(tensors["random"][process].clone())  # a view into a larger tensor is refused
    device = next(student.parameters()).device
    if device.type == "cuda" and process < len(tensors.get("random_cuda", ())):
        torch.cuda.set_rng_state(tensors["random_cuda"][process].clone(), device)
    return metadata["step"], metadata["losses"]


def saved_precision(path: str | Path) -> torch.dtype | None:
    """The precision in which the checkpoint's run computes; None if there is no such file."""
    if not Path(path).exists():
        return None
    try:
        with safe_open(str(path), framework="pt") as file:
            settings = json.loads((file.metadata() or {}).get("distillab", "{}")).get("settings", {})
    except SafetensorError:
        return None  # `load_checkpoint` says what is wrong with it
    return getattr(torch, str(settings.get("precision", "")).removeprefix("torch."), None)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """The states of this process's random number generators, each `(1, N)`: the CPU's, and its GPU's if it has one."""
    states = {"random": torch.get_rng_state()[None]}
    if device.type == "cuda":
        states["random_cuda"] = torch.cuda.get_rng_state(device)[None]
    return states


@contextmanager
def interrupt_waits() -> Iterator[Callable[[], bool]]:
    """Within this context, an interrupt (Ctrl-C, or the notebook's stop button) only sets a flag.

    Yields a function that says whether there was an interrupt. An interrupt in the middle of a step would leave weights
    that are half updated; this way the step is finished first. A second interrupt raises KeyboardInterrupt at once.
    Only the main thread receives signals; in other threads this does nothing.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted.is_set
        return
    previous_handler = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: Any) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted.is_set
    finally:
        signal.signal(signal.SIGINT, previous_handler)


def _untied_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's state dict with tied tensors under their first name only.

    safetensors' `save_model` does this too, but writes a file with nothing else in it; here the optimizer's state must
    change together with the weights.
    """
    first_names = {name for name, _ in chain(model.named_parameters(), model.named_buffers())}
    return {name: tensor for name, tensor in model.state_dict().items() if name in first_names}


def _load_student(path: Path, student: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy the saved weights into the model. Raises ValueError, before anything changes, if they do not fit."""
    saved = {name.removeprefix("student."): t for name, t in tensors.items() if name.startswith("student.")}
    current = _untied_state(student)
    for name in sorted(current.keys() | saved.keys()):
        theirs, ours = (
            f"{tuple(state[name].shape)} {state[name].dtype}" if name in state else "nothing"
            for state in (saved, current)
        )
        if theirs != ours:
            raise ValueError(f"{path} holds {theirs} for {name}, but this student has {ours}; it is another model")
    with torch.no_grad():
        for name, tensor in current.items():
            tensor.copy_(saved[name])


def _optimizer_state(saved: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The saved state in the form that `load_state_dict` expects."""
    state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in saved["plain"].items()}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    return {"state": state, "param_groups": saved["groups"]}


def _check_settings(path: Path, saved: dict[str, Any], current: dict[str, Any]) -> None:
    """Raise ValueError with the name of every setting in which the checkpoint differs from this run."""
    missing = object()
    differences = [
        f"{name} was {saved.get(name, 'not set')} and is {current.get(name, 'not set')}"
        for name in sorted(saved.keys() | current.keys())
        if saved.get(name, missing) != current.get(name, missing)
    ]
    if differences:
        raise ValueError(
            f"{path} is the checkpoint of a run with other settings: {'; '.join(differences)}; "
            "resume with the same settings, or give another file"
        )
