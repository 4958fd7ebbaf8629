"""helpers.student_shape: sizes as models have them, hidden states matched where they count, and units cut out."""

import pytest
import torch
from torch import nn

from helpers.data.batches import whole_rows
from helpers.layer_states import decoder_layers, inner_activations, layer_states
from helpers.models import new_model
from helpers.student_shape import (
    hidden_state_loss,
    most_important_units,
    parameters_of,
    prune_inner,
    prune_width,
    width_importance,
)
from helpers.training import count_parameters
from tests.small_models import WORDS, small_gpt2, small_llama

IDS = torch.randint(WORDS, (4, 12), generator=torch.Generator().manual_seed(0))
BATCH = whole_rows(IDS)


@pytest.mark.parametrize(("layers", "width"), [(0, 8), (1, 8), (3, 12)])
def test_the_number_of_weights_is_that_of_the_model(layers, width):
    assert parameters_of(layers, width, 50, 20) == count_parameters(new_model(layers, width, 2, 50, 20, seed=0))


@pytest.mark.parametrize("shape", [(-1, 8, 50, 20), (1, 0, 50, 20), (1, 8, 0, 20), (1, 8, 50, 0)])
def test_sizes_that_no_model_has_are_refused(shape):
    with pytest.raises(ValueError, match="layers must be at least 0"):
        parameters_of(*shape)


def states(seed: int, count: int, width: int) -> list[torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, width, generator=source, requires_grad=True) for _ in range(count)]


def test_hidden_states_are_compared_where_the_mask_counts_and_teach_the_student_alone():
    student, teacher = states(1, 2, 4), states(2, 3, 5)
    projections = nn.ModuleList(nn.Linear(4, 5) for _ in student)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    loss = hidden_state_loss(student, teacher, projections, {0: 0, 1: 2}, mask)
    errors = [(projections[i](student[i]) - teacher[j])[mask.bool()].square().mean() for i, j in ((0, 0), (1, 2))]
    assert loss.item() == pytest.approx(sum(errors).item() / 2)
    loss.backward()
    assert all(state.grad is None for state in teacher)
    assert student[1].grad[0, 2].abs().sum() == 0 < student[1].grad[0, 1].abs().sum()
    assert projections[1].weight.grad.abs().sum() > 0


def test_nothing_counted_is_a_loss_of_zero_that_can_be_trained_on():
    student = states(1, 1, 4)
    loss = hidden_state_loss(student, states(2, 1, 4), [nn.Identity()], {0: 0}, torch.zeros(2, 3))
    loss.backward()
    assert loss.item() == 0 and student[0].grad.abs().sum() == 0


@pytest.mark.parametrize("layer_map", [{}, {1: 0}, {0: 2}, {-1: 0}, {0: -1}])
def test_a_map_that_names_no_pair_or_a_missing_state_is_refused(layer_map):
    with pytest.raises(ValueError, match="layer_map is"):
        hidden_state_loss(states(1, 1, 4), states(2, 2, 4), [nn.Identity()], layer_map, torch.ones(2, 3))


def test_importance_is_the_mean_absolute_activation_of_counted_positions():
    activations = torch.tensor([[[1.0, -2.0], [3.0, 2.0], [9.0, 9.0]]])
    assert width_importance(activations, torch.tensor([[1, 1, 0]])).tolist() == [2.0, 2.0]


@pytest.mark.parametrize("bias", [True, False])
def test_a_pruned_layer_computes_what_the_kept_part_of_the_old_one_computes(bias):
    linear, x = nn.Linear(5, 6, bias=bias), torch.randn(3, 5)
    kept = [4, 1]
    assert torch.allclose(prune_width(linear, kept, 0)(x), linear(x)[:, kept], atol=1e-6)
    masked = torch.zeros_like(x)
    masked[:, kept] = x[:, kept]
    assert torch.allclose(prune_width(linear, kept, 1)(x[:, kept]), linear(masked), atol=1e-6)


@pytest.mark.parametrize(("kept", "dim"), [([0], 2), ([0], -1), ([], 0), ([6], 0), ([5], 1), ([-1], 0)])
def test_what_a_layer_does_not_have_is_refused(kept, dim):
    with pytest.raises(ValueError, match="dim is|kept must"):
        prune_width(nn.Linear(5, 6), kept, dim)


@pytest.mark.parametrize("model", [small_llama(layers=2), small_gpt2(2, 8)], ids=["llama", "gpt2"])
def test_dropping_idle_units_changes_nothing(model):
    """The last units of every layer are made idle; they are found to be the least important, and can go."""
    units = inner_activations(model, BATCH)[0].shape[-1]
    for layer in decoder_layers(model):
        with torch.no_grad():
            if hasattr(layer.mlp, "c_fc"):
                layer.mlp.c_fc.weight[:, units // 2 :] = 0
                layer.mlp.c_fc.bias[units // 2 :] = 0
            else:
                layer.mlp.up_proj.weight[units // 2 :] = 0
    kept = most_important_units(model, BATCH, units // 2)
    assert kept == [list(range(units // 2))] * 2
    narrow = prune_inner(model, kept)
    assert count_parameters(narrow) < count_parameters(model)
    assert torch.allclose(narrow(IDS).logits, model(IDS).logits, atol=1e-5)
    with torch.no_grad():
        for weight in narrow.parameters():
            weight.add_(1)
    assert inner_activations(model, BATCH)[0].shape[-1] == units


def test_every_layer_needs_its_list_of_units():
    with pytest.raises(ValueError, match="a list of units for every layer"):
        prune_inner(small_gpt2(2, 8), [[0]])


def test_states_between_layers_leave_out_the_final_norm():
    model = small_gpt2(2, 8)
    states = layer_states(model, BATCH)
    with torch.no_grad():
        official = model(IDS, output_hidden_states=True).hidden_states
    assert len(states) == 3
    assert all(torch.allclose(ours, theirs, atol=1e-6) for ours, theirs in zip(states[:2], official[:2], strict=True))
    assert torch.allclose(model.transformer.ln_f(states[2]), official[2], atol=1e-6)
