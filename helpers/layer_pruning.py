"""A student pruned from its teacher: keep some of the layers, then train it to match the teacher's hidden states.

A layer that is removed leaves its neighbours with inputs that they never saw. `keep_layers` makes the cut;
`match_hidden_states` trains the rest so that, before every layer, the student's hidden states resemble those that the
same layer saw in the teacher. That needs neither labels nor logits, so a step costs less than one of distillation.

Sources: Sanh et al. 2019, "DistilBERT" (every other layer); Jiao et al. 2020, "TinyBERT" (hidden states matched layer
by layer); Men et al. 2024, "ShortGPT" (a layer's influence: how far it turns the hidden state).
"""

import copy
from collections.abc import Sequence
from itertools import chain, islice, repeat
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from helpers.data.batches import Batch
from helpers.engine.lr_schedule import warmup_cosine
from helpers.engine.precision import autocast, choose_precision


def keep_layers(teacher: PreTrainedModel, layers: Sequence[int]) -> PreTrainedModel:
    """A student with copies of the teacher's embeddings, of its head and of some of its layers, in eval mode.

    The teacher does not change and shares no weight with the student.

    Args:
        teacher: of the Llama family.
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
    state = {name: tensor for name, tensor in teacher.state_dict().items() if ".layers." not in name}
    for new_index, index in enumerate(layers):
        for name, tensor in teacher_layers[index].state_dict().items():
            state[f"model.layers.{new_index}.{name}"] = tensor
    student.load_state_dict(state)
    student.tie_weights()
    for name, buffer in teacher.named_buffers():  # not in the state dict: the rotary embedding's frequencies
        if ".layers." not in name:
            student.get_buffer(name).copy_(buffer)
    return student.eval().requires_grad_(True)


def decoder_layers(teacher: PreTrainedModel) -> nn.ModuleList:
    """The teacher's layers. Raises ValueError for a model that is not built like the Llama family."""
    layers = getattr(getattr(teacher, "model", None), "layers", None)
    if layers is None:
        raise ValueError(
            f"teacher is a {type(teacher).__name__}; only models of the Llama family, with their layers in "
            "model.layers, can be pruned"
        )
    return layers


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
    influence: list[float] = []
    counted = batch["attention_mask"].bool()

    def measure(layer: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        before, after = arguments[0], output[0] if isinstance(output, tuple) else output
        influence.append(float(1 - torch.cosine_similarity(before[counted], after[counted], dim=-1).mean()))

    hooks = [layer.register_forward_hook(measure) for layer in decoder_layers(teacher)]
    try:
        with torch.no_grad():
            teacher.model(batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return influence


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
    output = model.model(
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
