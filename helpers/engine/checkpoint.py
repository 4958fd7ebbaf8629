"""Where a training run stands, in one file: a run that was cut off goes on to the same numbers.

The file is safetensors: weights, the optimizer's state and the state of the random numbers as tensors, and all else as
JSON in the file's header. Nothing in it can run, as a pickle could. It is written beside its place and then moved
there, so that a run that is cut off while it saves still has its last checkpoint.
"""

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from helpers.atomic import replace_file

FORM = "distillab checkpoint 1"


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
    """Write one file with everything that a run needs to go on.

    step: how many steps are done. losses: one a step, in nats a token. settings: numbers, texts and lists that must be
    the same when the run goes on. order: the state of the generator that shuffles the batches, as it was before the
    first one. random: `random_states` of all processes, each `(P, N)`; None takes those of this process.
    """
    path = Path(path)
    tensors = {f"student.{name}": tensor for name, tensor in _unshared(student).items()}
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
    written = {
        "form": FORM,
        "step": step,
        "losses": list(losses),
        "settings": dict(settings),
        "optimizer": {"groups": state["param_groups"], "plain": plain},
    }
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    with replace_file(path) as temporary:
        save_file(contiguous, str(temporary), metadata={"distillab": json.dumps(written)})


def load_checkpoint(
    path: str | Path,
    student: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    settings: Mapping[str, Any],
    order: torch.Generator | None = None,
    process: int = 0,
) -> tuple[int, list[float]] | None:
    """Put student, optimizer and random numbers back where they were; return how many steps were done, and the losses.

    Returns None, and changes nothing, where there is no file. order: the generator that shuffles the batches; it is put
    back to where it stood before the first one, so go through the batches that were used and leave them out. process:
    which of several processes this is.
    Raises ValueError where the file is not a checkpoint, and where its settings or its model are others than these.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        with safe_open(str(path), framework="pt") as file:
            written = json.loads((file.metadata() or {}).get("distillab", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a checkpoint ({error}); delete it to start again") from error
    if written.get("form") != FORM:
        raise ValueError(f"{path} is not a checkpoint of this version; delete it to start again")
    _check_settings(path, written["settings"], json.loads(json.dumps(dict(settings))))
    _load_student(path, student, tensors)
    optimizer.load_state_dict(_optimizer_state(written["optimizer"], tensors))
    if order is not None and "order" in tensors:
        order.set_state(tensors["order"])
    if process < len(tensors["random"]):
        torch.set_rng_state(tensors["random"][process].clone())  # a view into a larger tensor is refused
    device = next(student.parameters()).device
    if device.type == "cuda" and process < len(tensors.get("random_cuda", ())):
        torch.cuda.set_rng_state(tensors["random_cuda"][process].clone(), device)
    return written["step"], written["losses"]


def saved_precision(path: str | Path | None) -> torch.dtype | None:
    """The precision of the run that a checkpoint is of, so that it goes on in it; None where there is no such file."""
    if path is None or not Path(path).exists():
        return None
    try:
        with safe_open(str(path), framework="pt") as file:
            settings = json.loads((file.metadata() or {}).get("distillab", "{}")).get("settings", {})
    except SafetensorError:
        return None  # `load_checkpoint` says what is wrong with it
    return getattr(torch, str(settings.get("precision", "")).removeprefix("torch."), None)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Where this process's random numbers stand, each `(1, N)`: those of the processor, and those of its GPU."""
    states = {"random": torch.get_rng_state()[None]}
    if device.type == "cuda":
        states["random_cuda"] = torch.cuda.get_rng_state(device)[None]
    return states


@contextmanager
def interrupt_waits() -> Iterator[Callable[[], bool]]:
    """For the length of a `with`, an interrupt (Ctrl-C, or the notebook's stop button) waits until it is asked for.

    Yields a function that says whether one came. An interrupt in the middle of a step would leave weights that are half
    updated; this way the step ends first. A second interrupt does not wait. Signals reach the main thread only:
    elsewhere this changes nothing.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def wait(number: int, frame: Any) -> None:
        if came.is_set():
            raise KeyboardInterrupt
        came.set()

    signal.signal(signal.SIGINT, wait)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _unshared(model: nn.Module) -> dict[str, Tensor]:
    """The model's tensors by name, tied ones once, as a file holds them."""
    seen: dict[tuple, str] = {}
    return {
        name: tensor
        for name, tensor in model.state_dict().items()
        if seen.setdefault((tensor.data_ptr(), tensor.shape, tensor.device) if tensor.numel() else (name,), name)
        == name
    }


def _load_student(path: Path, student: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy the saved weights into the model; ValueError, before anything changed, where they are another model's."""
    saved = {name.removeprefix("student."): t for name, t in tensors.items() if name.startswith("student.")}
    own = _unshared(student)
    for name in sorted(own.keys() | saved.keys()):
        forms = [f"{tuple(t[name].shape)} {t[name].dtype}" if name in t else "nothing" for t in (saved, own)]
        if forms[0] != forms[1]:
            raise ValueError(f"{path} holds {forms[0]} for {name} and this student has {forms[1]}; it is another model")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(saved[name])


def _optimizer_state(written: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The state in the form in which an optimizer takes it."""
    state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in written["plain"].items()}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    return {"state": state, "param_groups": written["groups"]}


def _check_settings(path: Path, saved: dict[str, Any], now: dict[str, Any]) -> None:
    """ValueError that names every setting in which the checkpoint differs from this run."""
    missing = object()
    differ = [
        f"{name} was {saved.get(name, 'not set')} and is {now.get(name, 'not set')}"
        for name in sorted(saved.keys() | now.keys())
        if saved.get(name, missing) != now.get(name, missing)
    ]
    if differ:
        raise ValueError(
            f"{path} is of a run with other settings: {'; '.join(differ)}; "
            "go on with the same settings, or give another file"
        )
