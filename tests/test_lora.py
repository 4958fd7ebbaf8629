"""The references of lab 06 against independent computations: the top-k loss, LoRA and PEFT's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from helpers.api.fine_tuning import copy_adapters, peft_adapter, train_with_trl
from helpers.linear_layers import ATTENTION_AND_MLP, replace_layers, training_memory, use_linear_layers
from helpers.lora import LoRALinear
from helpers.models import load_student, load_tokenizer
from helpers.top_k_loss import top_k_loss

ROWS = torch.randint(2, 200, (16, 32), generator=torch.Generator().manual_seed(0))


def logits(model):
    with torch.no_grad():
        return model(ROWS, attention_mask=torch.ones_like(ROWS)).logits


@pytest.mark.parametrize("tail", [True, False])
def test_the_top_k_loss_in_probability_space(tail):
    source = torch.Generator().manual_seed(1)
    p = torch.rand(2, 3, 7, generator=source, dtype=torch.float64).softmax(dim=-1)
    student = torch.randn(2, 3, 7, generator=source, dtype=torch.float64)
    q, mask = student.exp() / student.exp().sum(dim=-1, keepdim=True), torch.tensor([[1, 1, 0], [1, 0, 0]])
    values, ids = p.log().topk(3, dim=-1)
    total = 0.0
    for row, place in mask.nonzero().tolist():
        listed = ids[row, place].tolist()
        chosen = [p[row, place, token].item() for token in listed]
        weight = 1.0 if tail else 1 / sum(chosen)
        total -= sum(weight * c * q[row, place, token].log().item() for c, token in zip(chosen, listed, strict=True))
        if tail:
            others = [token for token in range(7) if token not in listed]
            total -= (1 - sum(chosen)) * q[row, place, others].sum().log().item()
    assert top_k_loss(values, ids, student, mask, tail).item() == pytest.approx(total / 3)


def test_all_log_probabilities_give_the_cross_entropy_and_the_bucket_a_lower_bound():
    source = torch.Generator().manual_seed(2)
    teacher = torch.randn(1, 4, 9, generator=source).log_softmax(dim=-1)
    student, mask = torch.randn(1, 4, 9, generator=source), torch.ones(1, 4)
    whole = top_k_loss(*teacher.topk(9), student, mask)
    assert whole.item() == pytest.approx(-(teacher.exp() * student.log_softmax(dim=-1)).sum(dim=-1).mean().item())
    assert top_k_loss(*teacher.topk(3), student, mask) < whole


def adapted(plain, rank=4, alpha=8.0):
    model = replace_layers(copy.deepcopy(plain), lambda layer: LoRALinear(layer, rank, alpha))
    layers = [part for part in model.modules() if isinstance(part, LoRALinear)]
    return model, layers


@pytest.fixture(scope="module")
def plain():
    return use_linear_layers(load_student("tiny"))


def test_plain_linear_layers_give_the_same_logits(plain):
    assert torch.allclose(logits(plain), logits(load_student("tiny")), atol=1e-5)
    assert not [part for part in plain.modules() if type(part).__name__ == "Conv1D"]


def test_lora_begins_as_the_model_equals_pefts_and_merges_exactly(plain):
    plain = copy.deepcopy(plain).double()
    ours, layers = adapted(plain)
    assert torch.equal(logits(ours), logits(plain))
    for layer in layers:
        nn.init.normal_(layer.B, std=0.1)
    theirs = peft_adapter(copy.deepcopy(plain), ATTENTION_AND_MLP, 4, 8)
    copy_adapters(theirs, [(layer.A, layer.B) for layer in layers])
    assert (logits(ours) - logits(theirs)).abs().max() < 1e-6
    merged = replace_layers(copy.deepcopy(ours), lambda layer: layer.merge())
    assert not [part for part in merged.modules() if isinstance(part, LoRALinear)]
    assert (logits(merged) - logits(ours)).abs().max() < 1e-6 and (logits(ours) - logits(plain)).abs().max() > 0.1
    parts = [(w.numel(), w.requires_grad) for w in theirs.parameters()]
    assert sum(n for n, trained in parts if trained) == training_memory(ours)["trained_weights"]


def test_memory_is_counted_from_the_optimizer_itself(plain):
    weights = torch.nn.Linear(3, 2)
    assert training_memory(weights) == {
        "weights": 8, "trained_weights": 8, "gradient_bytes": 32, "optimizer_bytes": 64, "saved_bytes": 32,
    }  # fmt: skip
    assert all(weight.grad is None for weight in weights.parameters())
    small = training_memory(adapted(copy.deepcopy(plain))[0])
    assert small["optimizer_bytes"] == 2 * 4 * small["trained_weights"]


@pytest.mark.slow
def test_trl_trains_our_adapters_and_nothing_else(plain):
    model, layers = adapted(plain)
    frozen = {name: weight.clone() for name, weight in model.named_parameters() if not weight.requires_grad}
    losses = train_with_trl(model, load_tokenizer("tiny"), ROWS, steps=6, learning_rate=2e-2)
    assert len(losses) == 6 and losses[-1] < losses[0] and all(layer.B.any() for layer in layers)
    assert all(torch.equal(weight, frozen[name]) for name, weight in model.named_parameters() if name in frozen)
