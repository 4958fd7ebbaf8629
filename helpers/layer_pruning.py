"""A student cut from its teacher, and the repair of the cut: keep some layers, then match hidden states.

A layer that is taken out leaves its neighbours with inputs that they never saw. `keep_layers` makes the cut;
`match_hidden_states` trains what is left so that, before every layer, the student's hidden states resemble those that
the same layer saw in the teacher. No label is needed for that, and no logits, so a step costs less than one of
distillation.
Sources: Sanh et al. 2019, "DistilBERT" (every other layer); Jiao et al. 2020, "TinyBERT" (hidden states matched layer
by layer); Men et al. 2024, "ShortGPT" (a layer's influence: how far it turns the hidden state).
"""

import copy
from collections.abc import Sequence
from itertools import chain, islice, repeat

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from helpers.data.batches import Batch
from helpers.engine.lr_schedule import warmup_cosine
from helpers.engine.precision import choose_precision


def keep_layers(teacher: PreTrainedModel, kept: Sequence[int]) -> PreTrainedModel:
    """A student with copies of the teacher's embeddings, head and of the layers `kept`, in eval mode.

    kept: numbers of layers, counted from 0, rising. The teacher stays as it is and shares no weight with the student.
    Raises ValueError for layers that the teacher does not have, for none or not rising ones, and for a teacher of
    another family.
    """
    layers = decoder_layers(teacher)
    kept = list(kept)
    if not kept or kept != sorted(set(kept)) or not 0 <= kept[0] <= kept[-1] < len(layers):
        raise ValueError(f"kept is {kept}; it must hold rising numbers of layers between 0 and {len(layers) - 1}")
    config = copy.deepcopy(teacher.config)
    config.num_hidden_layers = len(kept)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[index] for index in kept]
    config.use_cache = False
    with torch.device("meta"):
        student = type(teacher)(config)
    student.to_empty(device=teacher.device).to(teacher.dtype)
    state = {name: tensor for name, tensor in teacher.state_dict().items() if ".layers." not in name}
    for place, index in enumerate(kept):
        for name, tensor in layers[index].state_dict().items():
            state[f"model.layers.{place}.{name}"] = tensor
    student.load_state_dict(state)
    student.tie_weights()
    for name, buffer in teacher.named_buffers():  # not in the state: the rotary embedding's frequencies
        if ".layers." not in name:
            student.get_buffer(name).copy_(buffer)
    return student.eval().requires_grad_(True)


def decoder_layers(teacher: PreTrainedModel) -> nn.ModuleList:
    """The teacher's layers. Raises ValueError for a model that does not keep them where Llama's family does."""
    layers = getattr(getattr(teacher, "model", None), "layers", None)
    if layers is None:
        raise ValueError(
            f"teacher is a {type(teacher).__name__}; a student can be cut from models of the Llama family only, with "
            "their layers in model.layers"
        )
    return layers


def student_layers(layers: int) -> list[int]:
    """The half of a teacher's layers that the laptop tier's student keeps.

    Chosen by measurement (results/laptop_distillation_20x4.json, units "cut/…"): of SmolLM2's 30 layers, those that
    turn the hidden state most. Of another teacher, the first and the last layers, which came second there.
    """
    if layers == 30:
        return [0, 1, 2, 8, 10, 11, 19, 20, 21, 22, 23, 24, 27, 28, 29]
    half = layers // 2
    return [*range(half - half // 2), *range(layers - half // 2, layers)]


def layer_influence(teacher: PreTrainedModel, batch: Batch) -> list[float]:
    """How far each layer turns the hidden state: 1 - cosine between its input and output, mean over counted tokens.

    A layer with little influence is missed little. Source: Men et al. 2024, "ShortGPT", block influence.
    """
    turned: list[float] = []
    counted = batch["attention_mask"].bool()

    def measure(layer: nn.Module, arguments: tuple, result: Tensor | tuple) -> None:
        before, after = arguments[0], result[0] if isinstance(result, tuple) else result
        turned.append(float(1 - torch.cosine_similarity(before[counted], after[counted], dim=-1).mean()))

    hooks = [layer.register_forward_hook(measure) for layer in teacher.model.layers]
    try:
        with torch.no_grad():
            teacher.model(batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return turned


def match_hidden_states(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    kept: Sequence[int],
    batches: DataLoader | list[Batch],
    *,
    steps: int,
    learning_rate: float,
    progress: bool = True,
) -> list[float]:
    """Train a student from `keep_layers(teacher, kept)` in place, and return the loss of each step.

    Before each of its layers but the first, and after the final norm, the student's hidden state is compared with the
    teacher's at the same layer. The loss is the squared error as a share of the teacher's squared length, mean over
    counted tokens and places: 0 is a perfect match, and 1 is no better than zeros. AdamW, schedule `warmup_cosine`.
    """
    teacher.eval().requires_grad_(False)
    precision = choose_precision(teacher)
    optimizer = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=learning_rate, fused=True)
    places = [*list(kept)[1:], len(teacher.model.layers)]
    losses: list[float] = []
    student.train()
    endless = chain.from_iterable(repeat(batches))
    for step, batch in enumerate(tqdm(islice(endless, steps), total=steps, disable=not progress, unit="step")):
        counted = batch["attention_mask"].bool()
        with torch.autocast(student.device.type, precision, enabled=precision != torch.float32):
            with torch.no_grad():
                seen = _hidden_states(teacher, batch)
            wanted = [seen[place] for place in places]
            loss = torch.stack(
                [
                    _relative_error(ours[counted], theirs[counted])
                    for ours, theirs in zip(_hidden_states(student, batch)[1:], wanted, strict=True)
                ]
            ).mean()
        optimizer.param_groups[0]["lr"] = learning_rate * warmup_cosine(step, steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


def _hidden_states(model: PreTrainedModel, batch: Batch) -> tuple[Tensor, ...]:
    """The input of every layer, and last the result of the final norm; each `(B, S, H)`."""
    output = model.model(
        batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True, use_cache=False
    )
    return output.hidden_states


def _relative_error(ours: Tensor, theirs: Tensor) -> Tensor:
    """Squared distance over squared length, mean over tokens `(N, H)`.

    Per token, because the first token of a row has a hidden state a hundred times as long as the others' and would
    otherwise be all that counts.
    """
    ours, theirs = ours.float(), theirs.float()
    return ((ours - theirs).square().sum(dim=-1) / theirs.square().sum(dim=-1)).mean()
