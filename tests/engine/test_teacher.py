"""helpers.engine.teacher: models become frozen teachers, and another model has another fingerprint."""

import pytest
import torch

from helpers.data.batches import whole_rows
from helpers.engine.chunked_loss import model_targets
from helpers.engine.teacher import ModelTeacher, as_teacher, fingerprint, fingerprint_tensors, freeze
from helpers.models import new_model

CPU = torch.device("cpu")


def small(seed=0):
    return new_model(layers=1, width=8, heads=2, vocabulary=5, positions=6, seed=seed)


def test_freeze_stops_gradients_and_dropout():
    model = small().train()
    assert freeze(model) is model
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())


def test_a_model_becomes_a_frozen_teacher_with_its_own_targets():
    model, batch = small().train(), whole_rows(torch.tensor([[0, 1, 2, 3]]))
    teacher = as_teacher(model, CPU)
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())
    student_logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    kl, expected = (
        targets.chunk(slice(None), 2.0).kl(student_logits, slice(None))
        for targets in (teacher.targets(batch), model_targets(model, batch))
    )
    assert torch.equal(kl, expected) and kl > 0
    assert teacher.fingerprint == fingerprint(model)


def test_what_is_a_teacher_already_is_left_alone():
    teacher = ModelTeacher(small(), CPU)
    assert as_teacher(teacher, CPU) is teacher


@pytest.mark.parametrize("changed", ["weight", "dtype", "shape", "name"])
def test_another_model_has_another_fingerprint(changed):
    tensors = {"a": torch.arange(6.0), "b": torch.ones(2, 2)}
    other = {
        "weight": tensors | {"b": torch.tensor([[1.0, 1.0], [1.0, 1.001]])},
        "dtype": tensors | {"b": torch.ones(2, 2).view(torch.int32)},  # the same bytes
        "shape": tensors | {"b": torch.ones(4)},
        "name": {"a": tensors["a"], "c": tensors["b"]},
    }[changed]
    assert fingerprint_tensors(other) != fingerprint_tensors(tensors) == fingerprint_tensors(dict(tensors))


def test_a_sampled_fingerprint_looks_at_every_part_of_a_tensor():
    tensor = torch.zeros(10_000)
    before = fingerprint_tensors({"a": tensor}, values=100)
    for index in (0, 5_000, 9_900):
        changed = tensor.clone()
        changed[index] = 1
        assert fingerprint_tensors({"a": changed}, values=100) != before
    tensor[1] = 1  # not among the samples
    assert fingerprint_tensors({"a": tensor}, values=100) == before != fingerprint_tensors({"a": tensor})
