"""helpers.training: the plain loop against the same steps written out, and what it promises of teacher and student."""

import copy

import pytest
import torch

from helpers.data import make_batches, whole_rows
from helpers.losses import distillation_loss
from helpers.models import new_model
from helpers.training import count_parameters, distill, freeze, one_cycle


def small(seed, dropout=0.0):
    """A model with five words; without dropout, so that a run can be repeated outside the loop."""
    model = new_model(layers=1, width=8, heads=2, vocabulary=5, positions=6, seed=seed)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return model


@pytest.fixture
def batches():
    ids = torch.randint(0, 5, (8, 6), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[::2, 4:] = 0
    return list(make_batches({"input_ids": ids, "attention_mask": mask}, batch_size=4))


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_the_loop_takes_the_steps_that_its_formula_says(batches):
    student, teacher = small(0), small(1)
    expected = copy.deepcopy(student)
    history = distill(student, teacher, batches, steps=3, temperature=2.0, alpha=0.3, learning_rate=0.1, progress=False)
    optimizer = torch.optim.AdamW(expected.parameters(), weight_decay=0.01)
    losses = []
    for step, batch in enumerate([batches[0], batches[1], batches[0]]):
        optimizer.param_groups[0]["lr"] = 0.1 * one_cycle(step, 3)
        optimizer.zero_grad()
        labels = batch["input_ids"].where(batch["attention_mask"] == 1, -100)[:, 1:]
        outputs = [model(**batch).logits[:, :-1] for model in (expected, teacher)]
        loss = distillation_loss(*outputs, labels, 2.0, 0.3)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert history.losses == pytest.approx(losses, rel=1e-5)
    torch.testing.assert_close(weights(student), weights(expected))
    assert history.learning_rates == pytest.approx([0.1 * one_cycle(step, 3) for step in range(3)])
    assert history.tokens == [2 * 5 + 2 * 3] * 3


def test_the_teacher_teaches_in_eval_mode_and_is_not_changed(batches):
    teacher = small(1, dropout=0.5)
    before = weights(teacher)
    runs = []
    for mode in (True, False):
        student = small(0)
        distill(student, teacher.train(mode), batches, alpha=1.0, progress=False)
        runs.append(weights(student))
    assert torch.equal(*runs)  # dropout in the teacher would make them differ
    assert torch.equal(weights(teacher), before)
    assert not teacher.training and not any(parameter.requires_grad for parameter in teacher.parameters())


def test_the_student_trains_with_dropout_and_comes_back_without(batches):
    runs = []
    for seed in (0, 0, 1):
        student = small(0, dropout=0.5)
        torch.manual_seed(seed)
        distill(student, small(1), batches, progress=False)
        assert not student.training
        runs.append(weights(student))
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


def test_with_alpha_zero_the_teacher_does_not_matter(batches):
    runs = []
    for teacher in (small(1), None):
        student = small(0)
        distill(student, teacher, batches, alpha=0.0, progress=False)
        runs.append(weights(student))
    torch.testing.assert_close(*runs)
    taught = small(0)
    distill(taught, small(1), batches, alpha=0.5, progress=False)
    assert not torch.allclose(weights(taught), runs[0])


def test_with_alpha_one_the_student_becomes_its_teacher():
    ids = torch.randint(0, 5, (32, 6), generator=torch.Generator().manual_seed(0))
    student, teacher = small(0), small(1)
    teacher.lm_head.weight.data *= 30  # a teacher with an opinion
    batches = make_batches(whole_rows(ids), 16)
    history = distill(student, teacher, batches, steps=150, alpha=1.0, learning_rate=3e-2, progress=False)
    assert history.losses[-1] < history.losses[0] / 10


def test_arguments_that_cannot_be_right_are_refused(batches):
    for changed, message in [
        ({"temperature": 0}, "temperature is 0"),
        ({"alpha": 2}, "alpha is 2"),
        ({"steps": 0}, "steps is 0"),
        ({"batches": [], "steps": 5}, "batches holds 0"),
        ({"teacher": None}, "teacher is None and alpha is 0.5"),
    ]:
        arguments = {"teacher": small(1), "batches": batches} | changed
        with pytest.raises(ValueError, match=message):
            distill(small(0), **arguments, progress=False)


def test_the_bar_can_be_switched_off(batches, capsys):
    distill(small(0), small(1), batches, progress=False)
    assert capsys.readouterr().err == ""
    distill(small(0), small(1), batches, progress=True)
    assert "2/2" in capsys.readouterr().err


def test_one_cycle_goes_up_in_a_line_and_down_to_nearly_nothing():
    rates = [one_cycle(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert all(earlier > later for earlier, later in zip(rates[9:], rates[10:], strict=False))
    assert 0 < rates[-1] < 0.001
    for steps in range(1, 12):
        assert all(0 < one_cycle(step, steps) <= 1 for step in range(steps))


def test_freeze_stops_gradients_and_dropout():
    model = small(0).train()
    assert freeze(model) is model
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())


def test_count_parameters_counts_frozen_ones_and_tied_ones_once():
    layer = torch.nn.Linear(3, 4)
    model = torch.nn.Sequential(layer, layer, torch.nn.BatchNorm1d(4))  # BatchNorm: 8 weights, and buffers
    layer.weight.requires_grad_(False)
    assert count_parameters(model) == 3 * 4 + 4 + 8
