"""A student pruned from its teacher: keep some of the layers, then train it to match the teacher's hidden states.

A layer that is removed leaves its neighbours with inputs that they never saw. `keep_layers` makes the cut;
`match_hidden_states` trains the rest so that, before every layer, the student's hidden states resemble those that the
same layer saw in the teacher. That needs neither labels nor logits, so a step costs less than one of distillation.

Sources: Sanh et al. 2019, "DistilBERT" (every other layer); Jiao et al. 2020, "TinyBERT" (hidden states matched layer
by layer); Men et al. 2024, "ShortGPT" (a layer's influence: how far it turns the hidden state).
"""

import copy
from collections.abc import Callable, Sequence
from itertools import chain, islice, repeat
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from helpers.data.batches import Batch
from helpers.engine.lr_schedule import warmup_cosine
from helpers.engine.precision import autocast, choose_precision
from helpers.layer_states import decoder_layers, layer_states


def keep_layers(teacher: PreTrainedModel, layers: Sequence[int]) -> PreTrainedModel:
    """A student with copies of the teacher's embeddings, of its head and of some of its layers, in eval mode.

    The teacher does not change and shares no weight with the student.

    Args:
        teacher: of the Llama family, or shaped like GPT-2.
        layers: indices of the layers to keep, from 0, in ascending order.

    Raises:
        ValueError: the teacher has no such layers, there are none, they are not in order, or the teacher is of another
            family.
    """
    teacher_layers, layers = decoder_layers(teacher), list(layers)
    if not layers or layers != sorted(set(layers)) or not 0 <= layers[0] <= layers[-1] < len(teacher_layers):
        raise ValueError(
            f"layers is {layers}; it must hold indices between 0 and {len(teacher_layers) - 1} in ascending order"
        )
    config = copy.deepcopy(teacher.config)
    config.num_hidden_layers = len(layers)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[index] for index in layers]
    config.use_cache = False
    with torch.device("meta"):
        student = type(teacher)(config)
    cast(nn.Module, student.to_empty(device=teacher.device)).to(teacher.dtype)
    student.loss_type = teacher.loss_type
    new_names = _new_names(teacher, teacher_layers, layers)
    student.load_state_dict({new_names(name): tensor for name, tensor in teacher.state_dict().items()
                             if new_names(name)})  # fmt: skip
    student.tie_weights()
    for name, buffer in teacher.named_buffers():  # not in the state dict: rotary frequencies, causal masks
        if new_names(name):
            student.get_buffer(new_names(name)).copy_(buffer)
    return student.eval().requires_grad_(True)


def _new_names(teacher: PreTrainedModel, teacher_layers: nn.ModuleList, kept: list[int]) -> Callable[[str], str]:
    """Return the function from a tensor's name in the teacher to its name in the student; empty if it is not kept."""
    path = next(name for name, module in teacher.named_modules() if module is teacher_layers)

    def new_name(name: str) -> str:
        if not name.startswith(f"{path}."):
            return name
        index, _, rest = name.removeprefix(f"{path}.").partition(".")
        return f"{path}.{kept.index(int(index))}.{rest}" if int(index) in kept else ""

    return new_name


def student_layers(layers: int) -> list[int]:
    """The indices of the layers that the laptop tier's student keeps of a teacher with this many layers: half of them.

    Chosen by measurement (results/laptop_distillation_20x4.json, units "cut/…"): of SmolLM2's 30 layers, those that
    turn the hidden state most. Of another teacher, the first and the last layers, which came second there.
    """
    if layers == 30:
        return [0, 1, 2, 8, 10, 11, 19, 20, 21, 22, 23, 24, 27, 28, 29]
    half = layers // 2
    return [*range(half - half // 2), *range(layers - half // 2, layers)]


def layer_influence(teacher: PreTrainedModel, batch: Batch) -> list[float]:
    """How far each layer turns the hidden state: 1 - cosine between its input and output, mean over counted tokens.

    Removing a layer with little influence changes little. Source: Men et al. 2024, "ShortGPT", block influence.
    """
    counted = batch["attention_mask"].bool()
    states = [state[counted] for state in layer_states(teacher, batch)]
    return [
        float(1 - torch.cosine_similarity(before, after, dim=-1).mean())
        for before, after in zip(states, states[1:], strict=False)
    ]


def match_hidden_states(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    layers: Sequence[int],
    batches: DataLoader | list[Batch],
    *,
    steps: int,
    learning_rate: float,
    progress: bool = True,
) -> list[float]:
    """Train a student from `keep_layers(teacher, layers)` in place, and return the loss of each step.

    The student's hidden state before each of its layers but the first, and after the final norm, is compared with the
    teacher's before the same layer. The loss is the squared error divided by the teacher's squared length, mean over
    counted tokens and layers: 0 is a perfect match, and 1 is no better than zeros. AdamW, schedule `warmup_cosine`.
    """
    teacher.eval().requires_grad_(False)  # not `freeze`: that is lab 03's exercise, and the lab imports this module
    precision = choose_precision(teacher)
    weights = [parameter for parameter in student.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, fused=True)
    matched = [*list(layers)[1:], len(decoder_layers(teacher))]  # hidden state i is the input of layer i
    losses: list[float] = []
    student.train()
    endless = chain.from_iterable(repeat(batches))
    for step, batch in enumerate(tqdm(islice(endless, steps), total=steps, disable=not progress, unit="step")):
        counted = batch["attention_mask"].bool()
        with autocast(student.device, precision):
            with torch.no_grad():
                teacher_states = _hidden_states(teacher, batch)
            errors = [
                _relative_error(ours[counted], teacher_states[index][counted])
                for ours, index in zip(_hidden_states(student, batch)[1:], matched, strict=True)
            ]
            loss = torch.stack(errors).mean()
        optimizer.param_groups[0]["lr"] = learning_rate * warmup_cosine(step, steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


def _hidden_states(model: PreTrainedModel, batch: Batch) -> tuple[Tensor, ...]:
    """The input of every layer, then the output of the final norm; each `(B, S, H)`."""
    output = model.base_model(
        batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True, use_cache=False
    )
    return output.hidden_states


def _relative_error(states: Tensor, expected: Tensor) -> Tensor:
    """Squared distance divided by squared length, mean over tokens `(N, H)`.

    Divided token by token, because the hidden state of a row's first token is a hundred times as long as the others'
    and would otherwise be all that counts.
    """
    states, expected = states.float(), expected.float()
    return ((states - expected).square().sum(dim=-1) / expected.square().sum(dim=-1)).mean()
