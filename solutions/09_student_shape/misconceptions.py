"""Common mistakes in lab 09, each with the explanation that a student gets.

Each makes one mistake and is otherwise correct; none validates its input. Its source could be in a student's notebook:
it uses only the names of the lab's setup cell. Students never see this file.
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from helpers.grader.course.cases import misconception

COUNTING, COUNT = "Counting weights", "Exercise 1 · Count the weights of a shape"
WHICH, TURNS = "Which layers does a model need?", "Exercise 2 · How far each layer turns"
KEEP = "Exercise 3 · Keep some of the layers"
STATES, MATCH = "Hidden states", "Exercise 4 · Match hidden states"
WIDTH, ACTIVE = "Pruning in width", "Exercise 5 · How active each unit is"
PRUNE = "Exercise 6 · Prune a linear layer"


# --------------------------------------------------------------------------------------------------- parameters_of


def _layer(width):
    return 12 * width**2 + 13 * width


@misconception(
    "parameters_of",
    "You count the head. It is tied to the token embeddings, so its matrix exists once.",
    read=COUNTING,
)
def parameters_with_a_head(layers, width, vocabulary, positions):
    return (2 * vocabulary + positions) * width + layers * _layer(width) + 2 * width


@misconception("parameters_of", "You leave out the biases: one for each output of each matrix.", read=COUNT)
def parameters_without_biases(layers, width, vocabulary, positions):
    return (vocabulary + positions) * width + layers * (12 * width**2 + 4 * width) + 2 * width


@misconception("parameters_of", "You leave out the two layer norms inside each layer.", read=COUNTING)
def parameters_without_layer_norms(layers, width, vocabulary, positions):
    return (vocabulary + positions) * width + layers * (12 * width**2 + 9 * width) + 2 * width


@misconception("parameters_of", "You leave out the final layer norm, which every model has once.", read=COUNTING)
def parameters_without_final_norm(layers, width, vocabulary, positions):
    return (vocabulary + positions) * width + layers * _layer(width)


@misconception(
    "parameters_of",
    "You multiply the final norm by the number of layers. It exists once, also in a model without layers.",
    read=COUNTING,
)
def parameters_final_norm_in_each_layer(layers, width, vocabulary, positions):
    return (vocabulary + positions) * width + layers * (_layer(width) + 2 * width)


@misconception("parameters_of", "You leave out the table of positions.", read=COUNTING)
def parameters_without_positions(layers, width, vocabulary, positions):
    return vocabulary * width + layers * _layer(width) + 2 * width


@misconception(
    "parameters_of",
    "You multiply the embeddings by the number of layers. There is one table for the whole model.",
    read=COUNTING,
)
def parameters_tables_in_each_layer(layers, width, vocabulary, positions):
    return layers * ((vocabulary + positions) * width + _layer(width)) + 2 * width


@misconception(
    "parameters_of",
    "You count one matrix W × W in attention. Queries, keys, values and the output have four.",
    read=COUNTING,
)
def parameters_one_attention_matrix(layers, width, vocabulary, positions):
    return (vocabulary + positions) * width + layers * (_layer(width) - 3 * width**2 - 3 * width) + 2 * width


@misconception(
    "parameters_of",
    "You count only one of the two matrices of the feed-forward part. The way back, 4W × W, is one too.",
    read=COUNTING,
)
def parameters_half_a_feed_forward(layers, width, vocabulary, positions):
    return (vocabulary + positions) * width + layers * (_layer(width) - 4 * width**2 - width) + 2 * width


# ------------------------------------------------------------------------------------------------- layer_influence


def _pairs(hidden_states):
    return zip(hidden_states[:-1], hidden_states[1:], strict=True)


@misconception(
    "layer_influence", "You return the cosine itself. A layer with much influence has a *small* cosine.", read=TURNS
)
def influence_cosine(hidden_states, mask):
    counted = mask.bool()
    return [F.cosine_similarity(a[counted], b[counted], dim=-1).mean().item() for a, b in _pairs(hidden_states)]


@misconception(
    "layer_influence",
    "You average over padding too. What a layer does to padding says nothing about the text.",
    read=TURNS,
)
def influence_with_padding(hidden_states, mask):
    return [1 - F.cosine_similarity(a, b, dim=-1).mean().item() for a, b in _pairs(hidden_states)]


@misconception(
    "layer_influence",
    "You compare every layer's output with the embeddings. Compare it with that layer's own input.",
    read=WHICH,
)
def influence_against_the_embeddings(hidden_states, mask):
    counted, first = mask.bool(), hidden_states[0]
    return [1 - F.cosine_similarity(first[counted], b[counted], dim=-1).mean().item() for b in hidden_states[1:]]


@misconception(
    "layer_influence",
    "You take the cosine of the mean vectors. Take one cosine for each position, then their mean.",
    read=TURNS,
)
def influence_of_means(hidden_states, mask):
    counted = mask.bool()
    return [
        1 - F.cosine_similarity(a[counted].mean(dim=0), b[counted].mean(dim=0), dim=0).item()
        for a, b in _pairs(hidden_states)
    ]


@misconception(
    "layer_influence",
    "You take the dot product without dividing by the two lengths. A cosine does not depend on how long vectors are.",
    read=WHICH,
)
def influence_dot_product(hidden_states, mask):
    counted = mask.bool()
    return [1 - (a[counted] * b[counted]).sum(dim=-1).mean().item() for a, b in _pairs(hidden_states)]


@misconception(
    "layer_influence",
    "You measure the relative distance between input and output. Asked is how far the state turns, by the cosine.",
    read=TURNS,
)
def influence_distance(hidden_states, mask):
    counted = mask.bool()
    return [
        ((b - a)[counted].norm(dim=-1) / a[counted].norm(dim=-1)).mean().item() for a, b in _pairs(hidden_states)
    ]


@misconception(
    "layer_influence",
    "You set padding to 0 and then average over all positions. Divide by the number of positions that count.",
    read=TURNS,
)
def influence_divided_by_all(hidden_states, mask):
    return [
        1 - (F.cosine_similarity(a, b, dim=-1) * mask).mean().item() for a, b in _pairs(hidden_states)
    ]


@misconception(
    "layer_influence",
    "You average each row first and then the rows, so short rows count too much. Average over positions.",
    read=TURNS,
)
def influence_mean_of_rows(hidden_states, mask):
    found = []
    for a, b in _pairs(hidden_states):
        cosine = F.cosine_similarity(a, b, dim=-1) * mask
        found.append(1 - (cosine.sum(dim=1) / mask.sum(dim=1).clamp(min=1)).mean().item())
    return found


@misconception(
    "layer_influence",
    "Your cosine runs over the positions. It has to run over the numbers of a hidden state: dim=-1.",
    read=TURNS,
)
def influence_over_positions(hidden_states, mask):
    counted = mask.bool()
    return [1 - F.cosine_similarity(a[counted], b[counted], dim=0).mean().item() for a, b in _pairs(hidden_states)]


@misconception(
    "layer_influence",
    "The last layer is missing. L + 1 states have L pairs of neighbours.",
    read=TURNS,
)
def influence_without_the_last(hidden_states, mask):
    counted = mask.bool()
    pairs = list(_pairs(hidden_states))
    kept = pairs[:-1] if len(pairs) > 1 else []
    return [1 - F.cosine_similarity(a[counted], b[counted], dim=-1).mean().item() for a, b in kept]


# ----------------------------------------------------------------------------------------------------- keep_layers


def _numbered(student, layers):
    student.transformer.h = nn.ModuleList(layers)
    student.config.n_layer = len(student.transformer.h)
    for number, layer in enumerate(student.transformer.h):
        layer.attn.layer_idx = number
    return student


@misconception(
    "keep_layers",
    "You shorten the model that you were given. Copy it first: the teacher is still needed.",
    read=KEEP,
)
def keep_layers_in_place(model, kept):
    return _numbered(model, [model.transformer.h[i] for i in kept])


@misconception(
    "keep_layers",
    "Your copy is a shallow one. Both models share their modules, so training the student changes the teacher.",
    read=KEEP,
)
def keep_layers_shallow(model, kept):
    student = copy.copy(model)
    student._modules = dict(model._modules)
    student.transformer = copy.copy(model.transformer)
    student.transformer._modules = dict(model.transformer._modules)
    student.config = copy.deepcopy(model.config)
    return _numbered(student, [copy.deepcopy(model.transformer.h[i]) for i in kept])


@misconception(
    "keep_layers",
    "You put the old model's layers into the copy. Take the layers from the copy.",
    read=KEEP,
)
def keep_layers_old_layers(model, kept):
    student = copy.deepcopy(model)
    student.transformer.h = nn.ModuleList([model.transformer.h[i] for i in kept])
    student.config.n_layer = len(student.transformer.h)
    return student


@misconception(
    "keep_layers",
    "The config still says how many layers there were. Set n_layer of the new model's config.",
    read=KEEP,
)
def keep_layers_config_forgotten(model, kept):
    count = model.config.n_layer
    student = _numbered(copy.deepcopy(model), [copy.deepcopy(model.transformer.h[i]) for i in kept])
    student.config.n_layer = count
    return student


@misconception(
    "keep_layers",
    "The kept layers have their old layer_idx. Number them from 0: with it, a layer finds its place in the cache.",
    read=KEEP,
)
def keep_layers_not_renumbered(model, kept):
    student = copy.deepcopy(model)
    student.transformer.h = nn.ModuleList([student.transformer.h[i] for i in kept])
    student.config.n_layer = len(student.transformer.h)
    return student


@misconception(
    "keep_layers",
    "You remove the layers in the list. It holds the ones to keep.",
    read=KEEP,
)
def keep_layers_removes_them(model, kept):
    student = copy.deepcopy(model)
    left = [layer for i, layer in enumerate(student.transformer.h) if i not in kept]
    return _numbered(student, left)


@misconception(
    "keep_layers",
    "You keep as many layers as the list has, from the front. Keep the ones that it names.",
    read=KEEP,
)
def keep_layers_the_first(model, kept):
    student = copy.deepcopy(model)
    return _numbered(student, list(student.transformer.h[: len(kept)]))


@misconception(
    "keep_layers",
    "You build the new model from the config and copy only the layers. Embeddings, norm and head have to come too.",
    read=KEEP,
)
def keep_layers_new_embeddings(model, kept):
    config = copy.deepcopy(model.config)
    config.n_layer = len(list(kept))
    student = type(model)(config)
    for place, i in enumerate(kept):
        student.transformer.h[place].load_state_dict(model.transformer.h[i].state_dict())
    with torch.no_grad():
        for weight in (student.transformer.wte.weight, student.transformer.wpe.weight):
            weight.fill_(0.1)
    return student.train(model.training)


@misconception(
    "keep_layers",
    "You start counting layers from 1. The first layer is number 0.",
    read=KEEP,
)
def keep_layers_from_one(model, kept):
    student = copy.deepcopy(model)
    layers = list(student.transformer.h)
    return _numbered(student, [layers[max(i - 1, 0)] for i in kept])


@misconception("keep_layers", "You return the layers. Return the whole new model.", read=KEEP)
def keep_layers_list_only(model, kept):
    return nn.ModuleList([copy.deepcopy(model.transformer.h[i]) for i in kept])


# ----------------------------------------------------------------------------------------------- hidden_state_loss


def _mean(losses):
    return torch.stack(losses).mean()


@misconception(
    "hidden_state_loss",
    "You average over padding too. Pick the counted positions first.",
    read=MATCH,
)
def match_with_padding(student_states, teacher_states, projections, layer_map, mask):
    return _mean(
        [
            (projections[ours](student_states[ours]) - teacher_states[theirs].detach()).square().mean()
            for ours, theirs in layer_map.items()
        ]
    )


@misconception(
    "hidden_state_loss",
    "A gradient reaches the teacher's states. Detach them.",
    read=MATCH,
)
def match_trains_the_teacher(student_states, teacher_states, projections, layer_map, mask):
    counted = mask.bool()
    losses = []
    for ours, theirs in layer_map.items():
        error = (projections[ours](student_states[ours][counted]) - teacher_states[theirs][counted]).square()
        losses.append(error.sum() / max(error.numel(), 1))
    return _mean(losses)


def _errors(student_states, teacher_states, projections, layer_map, mask):
    counted = mask.bool()
    return [
        projections[ours](student_states[ours][counted]) - teacher_states[theirs][counted].detach()
        for ours, theirs in layer_map.items()
    ]


@misconception(
    "hidden_state_loss",
    "You add up over the pairs. Average over them, or the loss grows with every pair that the map gets.",
    read=MATCH,
)
def match_sum_of_pairs(student_states, teacher_states, projections, layer_map, mask):
    errors = _errors(student_states, teacher_states, projections, layer_map, mask)
    return sum(error.square().sum() / max(error.numel(), 1) for error in errors)


@misconception(
    "hidden_state_loss",
    "You add up over the numbers of a state. Average over them too, or a wide teacher makes a large loss.",
    read=MATCH,
)
def match_sum_over_width(student_states, teacher_states, projections, layer_map, mask):
    errors = _errors(student_states, teacher_states, projections, layer_map, mask)
    return _mean([error.square().sum() / max(len(error), 1) for error in errors])


@misconception(
    "hidden_state_loss",
    "You do not square the differences. The mean squared error is asked, not the mean absolute one.",
    read=MATCH,
)
def match_absolute(student_states, teacher_states, projections, layer_map, mask):
    errors = _errors(student_states, teacher_states, projections, layer_map, mask)
    return _mean([error.abs().sum() / max(error.numel(), 1) for error in errors])


@misconception(
    "hidden_state_loss",
    "You take the root of the mean squared error. The mean of squares is asked.",
    read=MATCH,
)
def match_root(student_states, teacher_states, projections, layer_map, mask):
    errors = _errors(student_states, teacher_states, projections, layer_map, mask)
    return _mean([(error.square().sum() / max(error.numel(), 1) + 1e-12).sqrt() for error in errors])


@misconception(
    "hidden_state_loss",
    "You read the map the wrong way round. Its keys are the student's states, its values the teacher's.",
    read=MATCH,
)
def match_map_reversed(student_states, teacher_states, projections, layer_map, mask):
    last = len(student_states) - 1, len(teacher_states) - 1
    turned = {min(theirs, last[0]): min(ours, last[1]) for ours, theirs in layer_map.items()}
    errors = _errors(student_states, teacher_states, projections, turned, mask)
    return _mean([error.square().sum() / max(error.numel(), 1) for error in errors])


@misconception(
    "hidden_state_loss",
    "You take projections in the order of the map. Each belongs to a student state: projections[i] is for state i.",
    read=MATCH,
)
def match_projections_in_order(student_states, teacher_states, projections, layer_map, mask):
    counted, losses = mask.bool(), []
    for place, (ours, theirs) in enumerate(layer_map.items()):
        error = projections[place](student_states[ours][counted]) - teacher_states[theirs][counted].detach()
        losses.append(error.square().sum() / max(error.numel(), 1))
    return _mean(losses)


@misconception(
    "hidden_state_loss",
    "You ignore the map and compare states with equal numbers. A student of fewer layers has other partners.",
    read=STATES,
)
def match_equal_numbers(student_states, teacher_states, projections, layer_map, mask):
    same = {ours: min(ours, len(teacher_states) - 1) for ours in layer_map}
    if same == layer_map:
        same = {ours: max(theirs - 1, 0) for ours, theirs in layer_map.items()}
    errors = _errors(student_states, teacher_states, projections, same, mask)
    return _mean([error.square().sum() / max(error.numel(), 1) for error in errors])


@misconception(
    "hidden_state_loss",
    "The mean over an empty selection is NaN. If no position counts, the loss is 0.",
    read=MATCH,
)
def match_nan_for_nothing(student_states, teacher_states, projections, layer_map, mask):
    errors = _errors(student_states, teacher_states, projections, layer_map, mask)
    return _mean([error.square().mean() for error in errors])


@misconception(
    "hidden_state_loss",
    "You detach the student's states, so the student learns nothing from this loss.",
    read=MATCH,
)
def match_student_detached(student_states, teacher_states, projections, layer_map, mask):
    detached = [state.detach() for state in student_states]
    errors = _errors(detached, teacher_states, projections, layer_map, mask)
    return _mean([error.square().sum() / max(error.numel(), 1) for error in errors])


# ------------------------------------------------------------------------------------------------ width_importance


@misconception(
    "width_importance",
    "You average before you take absolute values. A unit that is −2 or 2 would count as idle.",
    read=ACTIVE,
)
def importance_abs_of_mean(activations, mask):
    return activations[mask.bool()].mean(dim=0).abs()


@misconception("width_importance", "You average signed activations. Take absolute values first.", read=ACTIVE)
def importance_signed(activations, mask):
    return activations[mask.bool()].mean(dim=0)


@misconception("width_importance", "You average over padding too.", read=ACTIVE)
def importance_with_padding(activations, mask):
    return activations.abs().mean(dim=(0, 1))


@misconception(
    "width_importance",
    "You set padding to 0 and divide by all positions. Divide by the number of positions that count.",
    read=ACTIVE,
)
def importance_divided_by_all(activations, mask):
    return (activations.abs() * mask.unsqueeze(-1)).mean(dim=(0, 1))


@misconception("width_importance", "You add up. Divide by the number of positions that count.", read=ACTIVE)
def importance_sum(activations, mask):
    return activations[mask.bool()].abs().sum(dim=0)


@misconception("width_importance", "You take the largest activation. The mean is asked.", read=ACTIVE)
def importance_largest(activations, mask):
    return activations[mask.bool()].abs().amax(dim=0)


@misconception("width_importance", "You take the mean of squares. The mean of absolute values is asked.", read=ACTIVE)
def importance_squares(activations, mask):
    return activations[mask.bool()].square().mean(dim=0)


@misconception(
    "width_importance",
    "You average over the units, which leaves one number for each position. Average over positions.",
    read=WIDTH,
)
def importance_of_positions(activations, mask):
    return activations[mask.bool()].abs().mean(dim=-1)


@misconception(
    "width_importance",
    "You average each row first and then the rows, so that short rows count too much.",
    read=ACTIVE,
)
def importance_mean_of_rows(activations, mask):
    sums = (activations.abs() * mask.unsqueeze(-1)).sum(dim=1)
    return (sums / mask.sum(dim=1, keepdim=True).clamp(min=1)).mean(dim=0)


# ----------------------------------------------------------------------------------------------------- prune_width


def _made(weight, bias):
    narrow = nn.Linear(weight.shape[1], weight.shape[0], bias is not None).to(weight.dtype)
    with torch.no_grad():
        narrow.weight.copy_(weight)
        if bias is not None:
            narrow.bias.copy_(bias)
    return narrow


def _picked(linear, kept, dim):
    return linear.weight.detach().index_select(dim, torch.tensor(kept))


@misconception(
    "prune_width",
    "You take the other dimension. The weight is (outputs, inputs): dim 0 are the outputs.",
    read=PRUNE,
)
def prune_the_other_dim(linear, kept, dim):
    size = linear.weight.shape[1 - dim]
    weight = _picked(linear, [min(i, size - 1) for i in kept], 1 - dim)
    bias = linear.bias
    if bias is not None and dim == 1:
        bias = bias[[min(i, size - 1) for i in kept]]
    return _made(weight, bias)


@misconception(
    "prune_width",
    "The new layer has no bias of the old one. Copy the biases of the outputs that stay.",
    read=PRUNE,
)
def prune_bias_forgotten(linear, kept, dim):
    weight = _picked(linear, kept, dim)
    return _made(weight, None if linear.bias is None else torch.zeros(len(weight), dtype=weight.dtype))


@misconception(
    "prune_width",
    "You drop the bias altogether. A layer with biases keeps those of its outputs.",
    read=PRUNE,
)
def prune_without_bias(linear, kept, dim):
    return _made(_picked(linear, kept, dim), None)


@misconception(
    "prune_width",
    "You keep the first biases instead of those of the kept outputs.",
    read=PRUNE,
)
def prune_first_biases(linear, kept, dim):
    weight = _picked(linear, kept, dim)
    return _made(weight, None if linear.bias is None else linear.bias[: len(weight)])


@misconception(
    "prune_width",
    "You cut the layer that you were given. Make a new one, and leave the old one as it was.",
    read=PRUNE,
)
def prune_in_place(linear, kept, dim):
    linear.weight = nn.Parameter(_picked(linear, kept, dim))
    if linear.bias is not None and dim == 0:
        linear.bias = nn.Parameter(linear.bias.detach()[kept])
    linear.out_features, linear.in_features = linear.weight.shape
    return linear


@misconception(
    "prune_width",
    "You set the dropped rows or columns to 0. The layer must become smaller, or nothing is saved.",
    read=WIDTH,
)
def prune_zeros(linear, kept, dim):
    weight = torch.zeros_like(linear.weight)
    chosen = torch.tensor(kept)
    weight.index_copy_(dim, chosen, _picked(linear, kept, dim))
    bias = linear.bias
    if bias is not None and dim == 0:
        bias = torch.zeros_like(bias).index_copy(0, chosen, bias.detach()[chosen])
    return _made(weight.detach() + 0.0, bias)


@misconception(
    "prune_width",
    "You remove the units in the list. It holds the ones to keep.",
    read=PRUNE,
)
def prune_removes_them(linear, kept, dim):
    size = linear.weight.shape[dim]
    left = [i for i in range(size) if i not in kept] or [0]
    bias = linear.bias
    return _made(_picked(linear, left, dim), bias[left] if bias is not None and dim == 0 else bias)


@misconception(
    "prune_width",
    "You sort the list. Keep its order: the next layer's units are numbered by it.",
    read=PRUNE,
)
def prune_sorted(linear, kept, dim):
    ordered = sorted(kept)
    bias = linear.bias
    return _made(_picked(linear, ordered, dim), bias[ordered] if bias is not None and dim == 0 else bias)


@misconception(
    "prune_width",
    "Your new layer always has a bias. A layer without one stays without.",
    read=PRUNE,
)
def prune_always_a_bias(linear, kept, dim):
    weight = _picked(linear, kept, dim)
    if linear.bias is None:
        return _made(weight, torch.zeros(len(weight), dtype=weight.dtype))
    return _made(weight, linear.bias[kept] if dim == 0 else linear.bias)


@misconception(
    "prune_width",
    "Your new layer uses memory of the old one: a slice is a view. Copy the numbers.",
    read=PRUNE,
)
def prune_shares_memory(linear, kept, dim):
    leading = list(kept) == list(range(len(kept)))
    picked = linear.weight.detach()
    if leading:
        picked = picked[: len(kept)] if dim == 0 else picked[:, : len(kept)]
    else:
        picked = _picked(linear, kept, dim)
    bias = None if linear.bias is None else linear.bias.detach()
    narrow = nn.Linear(picked.shape[1], picked.shape[0], bias is not None)
    narrow.weight = nn.Parameter(picked)
    if bias is not None:
        narrow.bias = nn.Parameter(bias if dim == 1 else bias[: len(kept)] if leading else bias[kept])
    return narrow


@misconception(
    "prune_width",
    "You return a float32 layer whatever the old one was. Keep its dtype.",
    read=PRUNE,
)
def prune_another_dtype(linear, kept, dim):
    bias = linear.bias[kept] if linear.bias is not None and dim == 0 else linear.bias
    narrow = _made(_picked(linear, kept, dim), bias)
    return narrow.half() if linear.weight.dtype == torch.float32 else narrow.float()


# What each letter of a quiz means.
QUIZZES = {
    "missing_control": {
        "A": "More seeds would show how often the large student fails at this rate. They do not give it one that fits.",
        "B": "Another text would show how far the result carries. The result itself could still be due to the rate.",
        "C": "Right. The best learning rate depends on the shape. At one rate for all, you compare how well it fits.",
        "D": "The rate is equal as a number, but not equally good for both. Each student needs a rate of its own.",
    },
    "prototype": {
        "A": "Right. Q is better and fits, but needs 34 ms. P answers in 21 ms, and has the teacher's tokenizer.",
        "B": "Q has the best quality, but 32 layers that wait for each other need 34 ms, and 25 are allowed.",
        "C": "R has another tokenizer, so its logits cannot be matched token by token, and 30 ms are too long.",
        "D": "S is fast, but its tokenizer differs, so the teacher's logits are over another vocabulary.",
    },
    "phone": {
        "A": "P is cut from the teacher's weights, which may not be used commercially, and 8.8 GB do not fit.",
        "B": "3.1 billion weights of two bytes are 6.2 GB, and only 4 GB are free.",
        "C": "Right. 2.4 GB and 12 ms fit, the licence allows it, and text is what its other tokenizer can learn from.",
        "D": "Its tokenizer differs from the teacher's, so their logits are not over the same vocabulary.",
    },
}
