"""Distillation as a training loop: the student learns from labels and from a frozen teacher at once.

The loop that lab 03 writes, made fast and safe to interrupt. What makes it fast stands beside it: the loss that never
holds all logits (`helpers.engine.chunked_loss`), and a teacher whose answers were computed once
(`helpers.engine.logit_cache`).
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler
from tqdm.auto import tqdm

from helpers.data.batches import Batch
from helpers.engine.checkpoint import interrupt_waits, load_checkpoint, random_states, save_checkpoint, saved_precision
from helpers.engine.chunked_loss import Targets, backbone_and_head, batch_loss, counted_labels, model_targets
from helpers.engine.lr_schedule import warmup_cosine
from helpers.engine.precision import choose_precision
from helpers.losses import check_alpha, check_temperature

if TYPE_CHECKING:
    from accelerate import Accelerator

    from helpers.engine.hidden_state_cache import HiddenStateCache
    from helpers.engine.logit_cache import TeacherCache


@dataclass
class History:
    """What happened in a run, one entry for each step: loss in nats a token, learning rate, tokens that counted."""

    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)


def freeze(model: nn.Module) -> nn.Module:
    """Put the model in eval mode, stop its gradients, and return it.

    Both are needed: without eval mode dropout blurs the teacher's outputs, and without requires_grad=False the teacher
    collects gradients that cost memory and can be stepped on.
    """
    return model.eval().requires_grad_(False)


def count_parameters(model: nn.Module) -> int:
    """Number of weights: frozen ones too, tied ones once, buffers never."""
    return sum(parameter.numel() for parameter in model.parameters())


def distill(
    student: nn.Module,
    teacher: "nn.Module | TeacherCache | None",
    batches: DataLoader | list[Batch],
    *,
    steps: int | None = None,
    temperature: float = 3.0,
    alpha: float = 0.5,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    accumulate: int = 1,
    precision: torch.dtype | None = None,
    chunk: int | None = None,
    compile: str | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 50,
    accelerator: "Accelerator | None" = None,
    on_step: "Callable[[int, History], None] | None" = None,
    progress: bool = True,
) -> History:
    """Train the student in place on labels and teacher, and return the history.

    student, teacher: called with input_ids and attention_mask `(B, S)`, they return an object with logits `(B, S, V)`.
    The teacher may also be a `TeacherCache` or a `HiddenStateCache`: its answers, computed once. batches: mappings of
    input_ids and attention_mask; gone through again until there were `steps` steps (default: one pass). temperature,
    alpha: as in `distillation_loss`. alpha = 0 trains on hard labels only, the control of every experiment; the teacher
    may then be None, as nothing that it says counts. alpha = 1 trains on the teacher only. learning_rate: the peak of
    the schedule `warmup_cosine`. weight_decay: AdamW's.

    accumulate: batches whose gradients are added up before each step; the loss is the mean over the counted tokens of
    all of them, as if they were one large batch. precision: dtype of the matrix products, float32 or bfloat16; None
    takes the checkpoint's, or what `choose_precision` says. Weights and losses stay in float32. chunk: tokens whose
    logits are alive together. compile: a backend of torch.compile, for instance "inductor", or None.
    checkpoint: a file that says where the run stands. It is written every `checkpoint_every` steps, at the end, and
    when you interrupt; if it is there at the start, the run goes on from it, to the same numbers. Delete it to start
    anew. Give the same batches: they are gone through again up to where the run was.
    accelerator: for several processes (`accelerate launch`). A step then takes `accumulate` batches in each of them,
    different ones, and has the same loss and gradient as one process that accumulates them all.
    on_step: called after each step with the number of steps done and the history. progress: whether to show a bar.

    The teacher is frozen and stays so. The student trains in train mode and comes back in eval mode.
    Raises ValueError for a temperature, alpha or number that cannot be, for batches that are empty, and for a
    checkpoint of another run.
    """
    check_temperature(temperature)
    check_alpha(alpha)
    processes, process = (1, 0) if accelerator is None else (accelerator.num_processes, accelerator.process_index)
    together = accumulate * processes
    if accumulate < 1 or checkpoint_every < 1:
        raise ValueError(f"accumulate is {accumulate}, checkpoint_every is {checkpoint_every}; each must be at least 1")
    if steps is None:
        steps = math.ceil(len(batches) / together)
    if teacher is None and alpha > 0:
        raise ValueError(f"teacher is None and alpha is {alpha}; without a teacher, alpha must be 0 (hard labels only)")
    if steps < 1 or len(batches) == 0:
        raise ValueError(f"steps is {steps} and batches holds {len(batches)}; each must be at least 1")

    device = next(student.parameters()).device if accelerator is None else accelerator.device
    student.to(device)
    if isinstance(teacher, nn.Module):
        freeze(teacher).to(device)
    if precision is None:
        precision = saved_precision(checkpoint) or choose_precision(student)
    if precision not in (torch.float32, torch.bfloat16):
        raise ValueError(f"precision is {precision}; it must be torch.float32 or torch.bfloat16, or None")
    forward = None
    if compile is not None:
        parts = backbone_and_head(student)
        forward = torch.compile(student if parts is None else parts[0], backend=compile)
    if processes > 1:
        for tensor in [*student.parameters(), *student.buffers()]:
            torch.distributed.broadcast(tensor.detach(), src=0)  # all start where the first one does
    optimizer = torch.optim.AdamW(student.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)

    settings = {
        "steps": steps, "batches": len(batches), "batches in a step": together, "temperature": temperature,
        "alpha": alpha, "learning rate": learning_rate, "weight decay": weight_decay, "precision": str(precision),
    }  # fmt: skip
    order = getattr(batches, "generator", None)
    repeated = checkpoint is not None or processes > 1
    if repeated and order is None and isinstance(getattr(batches, "sampler", None), RandomSampler):
        raise ValueError("batches are shuffled without a generator; give one, or their order cannot be repeated")
    if checkpoint is not None:
        settings["seed of the order"] = None if order is None else order.initial_seed()
        settings["text"] = _fingerprint_of_text(batches)
        settings["teacher"] = None if teacher is None or alpha == 0 else _fingerprint_of_teacher(teacher)
    history, done = History(), 0
    if checkpoint is not None:
        found = load_checkpoint(checkpoint, student, optimizer, settings=settings, order=order, process=process)
        done, history.losses = found or (0, [])
    first_order = None if order is None else order.get_state()

    def save(step: int) -> None:
        states = random_states(device)
        if accelerator is not None:
            states = {name: accelerator.gather(state.to(device)).cpu() for name, state in states.items()}
        if process == 0:
            save_checkpoint(checkpoint, student, optimizer, step=step, losses=history.losses, settings=settings,
                            order=first_order, random=states)  # fmt: skip

    groups = _groups(batches, together)
    with torch.random.fork_rng(devices=[]):  # what was done is gone through, and leaves the random numbers alone
        for step in range(done):
            history.tokens.append(sum(_count(batch) for batch in next(groups)))
            history.learning_rates.append(learning_rate * warmup_cosine(step, steps))

    student.train()
    try:
        with (
            interrupt_waits() as interrupted,
            tqdm(initial=done, total=steps, disable=not progress or process > 0, unit="step") as bar,
        ):
            for step in range(done, steps):
                group = next(groups)
                total = sum(_count(batch) for batch in group)
                optimizer.param_groups[0]["lr"] = learning_rate * warmup_cosine(step, steps)
                optimizer.zero_grad()
                loss = torch.zeros((), device=device)
                for batch in group[process::processes]:
                    batch = {name: tensor.to(device) for name, tensor in batch.items()}
                    with torch.autocast(device.type, precision, enabled=precision != torch.float32):
                        targets = None if alpha == 0 else _targets(teacher, batch)
                        part = batch_loss(student, targets, batch, temperature=temperature, alpha=alpha, total=total,
                                          chunk=chunk, forward=forward)  # fmt: skip
                    part.backward()
                    loss += part.detach()
                stop = _add_up(student, loss, interrupted()) if processes > 1 else interrupted()
                optimizer.step()
                history.losses.append(loss.item())
                history.learning_rates.append(optimizer.param_groups[0]["lr"])
                history.tokens.append(total)
                bar.set_postfix(loss=f"{history.losses[-1]:.3f}", refresh=False)
                bar.update()
                if on_step is not None:
                    on_step(step + 1, history)
                    stop = stop or (processes == 1 and interrupted())
                if checkpoint is not None and (stop or step + 1 == steps or (step + 1) % checkpoint_every == 0):
                    save(step + 1)
                if stop:
                    raise KeyboardInterrupt
    finally:
        student.eval()
    return history


def fingerprint(model: nn.Module) -> str:
    """A short text that is another one for another model: from the shape and 4,096 values of each of its tensors."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in model.state_dict().items():
        flat = tensor.detach().reshape(-1)
        some = flat[:: max(1, len(flat) // 4096)].cpu().contiguous()
        digest.update(
            f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode() + some.view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()


def _fingerprint_of_teacher(teacher: "nn.Module | TeacherCache | HiddenStateCache") -> str:
    return fingerprint(teacher) if isinstance(teacher, nn.Module) else teacher.fingerprint


def _fingerprint_of_text(batches: DataLoader | list[Batch]) -> str:
    """A short text that is another one for other rows: from all of a list's, from some 64 of a data set's."""
    rows = getattr(batches, "dataset", batches)
    digest = hashlib.blake2b(str(len(rows)).encode(), digest_size=16)
    step = 1 if rows is batches else max(1, len(rows) // 64)
    for place in range(0, len(rows), step):
        for name in ("input_ids", "attention_mask"):
            digest.update(rows[place][name].cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _groups(batches: DataLoader | list[Batch], size: int) -> Iterator[list[Batch]]:
    """`size` batches at a time, without end."""
    endless = chain.from_iterable(repeat(batches))
    while True:
        yield list(islice(endless, size))


def _count(batch: Batch) -> int:
    return len(counted_labels(batch)[1])


def _targets(teacher: "nn.Module | TeacherCache | None", batch: Batch) -> Targets | None:
    if teacher is None:
        return None
    return model_targets(teacher, batch) if isinstance(teacher, nn.Module) else teacher.targets(batch)


def _add_up(student: nn.Module, loss: Tensor, interrupted: bool) -> bool:
    """Sum gradients and loss over all processes, in place; each divided by the tokens of all, so sums are right.

    Returns whether any of them was interrupted: they must stop at the same step, or the others would wait for ever.
    """
    for parameter in student.parameters():
        if parameter.grad is not None:
            torch.distributed.all_reduce(parameter.grad)
    shared = torch.stack([loss, loss.new_tensor(float(interrupted))])
    torch.distributed.all_reduce(shared)
    loss.copy_(shared[0])
    return bool(shared[1] > 0)
