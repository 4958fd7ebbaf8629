"""helpers.layer_pruning: the cut keeps what it says, and matching brings hidden states together."""

import pytest
import torch
from transformers import BertConfig, BertModel

from helpers.data.batches import make_batches, whole_rows
from helpers.layer_pruning import keep_layers, layer_influence, match_hidden_states, student_layers
from tests.small_models import WORDS, small_gpt2, small_llama

IDS = torch.randint(WORDS, (4, 12), generator=torch.Generator().manual_seed(0))
BATCH = whole_rows(IDS)


def test_all_layers_kept_is_the_teacher():
    teacher = small_llama()
    copy = keep_layers(teacher, range(6))
    assert torch.equal(copy(IDS).logits, teacher(IDS).logits)


def test_a_cut_student_runs_through_the_kept_layers_only():
    teacher = small_llama()
    student = keep_layers(teacher, [0, 2, 5])
    for unused in (1, 3, 4):
        torch.nn.init.constant_(teacher.model.layers[unused].mlp.up_proj.weight, 7.0)
    by_hand = small_llama()
    by_hand.model.layers = torch.nn.ModuleList([by_hand.model.layers[index] for index in (0, 2, 5)])
    for index, layer in enumerate(by_hand.model.layers):
        layer.self_attn.layer_idx = index
    by_hand.config.num_hidden_layers = 3
    assert torch.allclose(student(IDS).logits, by_hand(IDS, use_cache=False).logits, atol=1e-6)
    assert student.config.num_hidden_layers == 3 and teacher.config.num_hidden_layers == 6
    assert student.lm_head.weight is student.model.embed_tokens.weight
    assert not student.training and all(parameter.requires_grad for parameter in student.parameters())


def test_a_student_shares_no_weight_with_its_teacher():
    teacher = small_llama()
    before = teacher(IDS).logits
    with torch.no_grad():
        for parameter in keep_layers(teacher, [0, 3]).parameters():
            parameter.add_(1)
    assert torch.equal(teacher(IDS).logits, before)


def test_a_student_saves_and_loads(tmp_path):
    student = keep_layers(small_llama(), [1, 4])
    student.save_pretrained(tmp_path)
    again = type(student).from_pretrained(tmp_path)
    assert torch.equal(again(IDS).logits, student(IDS).logits)


@pytest.mark.parametrize("kept", [[], [0, 6], [-1, 2], [2, 1], [1, 1]])
def test_layers_that_the_teacher_does_not_have_are_refused(kept):
    with pytest.raises(ValueError, match="layers is .* between 0 and 5"):
        keep_layers(small_llama(), kept)


def test_a_teacher_of_another_family_is_refused():
    other = BertModel(BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8))
    with pytest.raises(ValueError, match="teacher is a BertModel; .* Llama family"):
        keep_layers(other, [0])


def test_a_model_of_gpt2_shape_is_cut_too():
    teacher = small_gpt2(4, 8)
    student = keep_layers(teacher, [0, 3])
    by_hand = small_gpt2(4, 8)
    by_hand.transformer.h = torch.nn.ModuleList([by_hand.transformer.h[index] for index in (0, 3)])
    assert torch.allclose(student(IDS).logits, by_hand(IDS, use_cache=False).logits, atol=1e-6)
    assert [layer.attn.layer_idx for layer in student.transformer.h] == [0, 1]
    assert student.config.n_layer == 2 and teacher.config.n_layer == 4
    assert len(layer_influence(teacher, BATCH)) == 4


def test_a_layer_that_does_nothing_has_no_influence():
    teacher = small_llama()
    idle = teacher.model.layers[3]
    with torch.no_grad():
        idle.self_attn.o_proj.weight.zero_()
        idle.mlp.down_proj.weight.zero_()
    influence = layer_influence(teacher, BATCH)
    assert len(influence) == 6 and influence[3] == pytest.approx(0, abs=1e-6)
    assert min(influence[:3] + influence[4:]) > 1e-3


def test_padding_has_no_influence():
    teacher = small_llama()
    padded = {
        "input_ids": torch.cat([IDS, IDS[:, :5]], dim=1),
        "attention_mask": torch.cat([torch.ones(4, 12), torch.zeros(4, 5)], dim=1).long(),
    }
    assert layer_influence(teacher, padded) == pytest.approx(layer_influence(teacher, BATCH), rel=1e-4)


def test_matching_a_whole_copy_starts_at_zero_and_a_cut_one_comes_closer():
    teacher = small_llama()
    batches = make_batches(BATCH, 2)
    whole = match_hidden_states(
        keep_layers(teacher, range(6)), teacher, range(6), batches, steps=1, learning_rate=1e-3, progress=False
    )
    assert whole[0] == pytest.approx(0, abs=1e-9)
    kept = [0, 2, 4]
    student = keep_layers(teacher, kept)
    losses = match_hidden_states(student, teacher, kept, batches, steps=40, learning_rate=1e-2, progress=False)
    assert len(losses) == 40 and losses[-1] < losses[0] / 2
    assert not student.training
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_the_teacher_reads_a_batch_once():
    teacher, read = small_llama(), []
    teacher.model.register_forward_hook(lambda *seen: read.append(1))
    student = keep_layers(teacher, [0, 2, 4])
    match_hidden_states(student, teacher, [0, 2, 4], [BATCH], steps=2, learning_rate=1e-3, progress=False)
    assert len(read) == 2


def test_matching_compares_each_layer_with_what_it_saw_in_the_teacher():
    """Layers 1 and 3 do nothing, so that a cut without them is already a perfect match; another cut is none."""
    teacher = small_llama(layers=4)
    with torch.no_grad():
        for idle in (1, 3):
            teacher.model.layers[idle].self_attn.o_proj.weight.zero_()
            teacher.model.layers[idle].mlp.down_proj.weight.zero_()
    losses = {}
    for kept in ([0, 2], [0, 1]):
        student = keep_layers(teacher, kept)
        (losses[kept[1]],) = match_hidden_states(
            student, teacher, kept, [BATCH], steps=1, learning_rate=1e-9, progress=False
        )
    assert losses[2] == pytest.approx(0, abs=1e-9) and losses[1] > 0.01


def test_half_of_the_layers_are_kept():
    assert student_layers(6) == [0, 1, 5] and len(student_layers(12)) == 6
