"""helpers.losses against a reference in probability space, in float64, that shares no code with it."""

import pytest
import torch

from helpers.losses import distillation_loss, forward_kl, hard_loss

SHAPE = (3, 5, 7)


def softmax(row, temperature=1.0):
    weights = [torch.exp(value / temperature) for value in row]
    return [weight / sum(weights) for weight in weights]


def reference_kl(student, teacher, counted, temperature):
    """Sum over the vocabulary of p · log(p / q), token by token, from probabilities; mean over counted tokens."""
    total = [
        sum(p * torch.log(p / q) for p, q in zip(softmax(t, temperature), softmax(s, temperature), strict=True))
        for s, t, count in zip(student.flatten(0, 1), teacher.flatten(0, 1), counted.flatten(), strict=True)
        if count
    ]
    return sum(total) / len(total)


def reference_ce(student, labels):
    pairs = zip(student.flatten(0, 1), labels.flatten(), strict=True)
    total = [-torch.log(softmax(row)[label]) for row, label in pairs if label != -100]
    return sum(total) / len(total)


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    teacher = torch.randn(SHAPE, generator=generator, dtype=torch.float64) * 3
    labels = torch.randint(0, SHAPE[-1], SHAPE[:2], generator=generator)
    labels[0, 3:] = -100  # rows with different counts, so that a mean of row means is seen
    labels[2, 1:] = -100
    return student, teacher, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_forward_kl_is_the_mean_over_counted_tokens(case, temperature):
    student, teacher, labels = case
    expected = reference_kl(student, teacher, labels != -100, temperature)
    torch.testing.assert_close(forward_kl(student, teacher, labels != -100, temperature), expected)
    swapped = reference_kl(teacher, student, labels != -100, temperature)
    assert abs(expected - swapped) > 1e-2  # so the fixture can tell the direction


def test_forward_kl_without_mask_counts_all(case):
    student, teacher, labels = case
    expected = reference_kl(student, teacher, torch.ones_like(labels), 1.0)
    torch.testing.assert_close(forward_kl(student, teacher), expected)


def test_an_attention_mask_of_ones_and_zeros_counts_like_a_boolean_one(case):
    student, teacher, labels = case
    mask = labels != -100
    assert forward_kl(student, teacher, mask.long()) == forward_kl(student, teacher, mask)


def test_hard_loss_leaves_out_ignored_labels(case):
    student, _, labels = case
    torch.testing.assert_close(hard_loss(student, labels), reference_ce(student, labels))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_distillation_loss_weighs_the_soft_term_with_alpha_and_t_squared(case, alpha):
    student, teacher, labels = case
    soft = reference_kl(student, teacher, labels != -100, 2.0)
    expected = alpha * 4 * soft + (1 - alpha) * reference_ce(student, labels)
    torch.testing.assert_close(distillation_loss(student, teacher, labels, 2.0, alpha), expected)


def test_gradient_is_that_of_the_reference_and_stops_at_the_teacher(case):
    student, teacher, labels = case
    student.requires_grad_()
    teacher.requires_grad_()
    distillation_loss(student, teacher, labels, 2.0, 0.3).backward()
    assert teacher.grad is None
    expected = student.detach().clone().requires_grad_()
    soft = reference_kl(expected, teacher.detach(), labels != -100, 2.0)
    (0.3 * 4 * soft + 0.7 * reference_ce(expected, labels)).backward()
    torch.testing.assert_close(student.grad, expected.grad)


def test_nothing_counted_gives_zero_and_a_gradient_of_zero(case):
    student, teacher, labels = case
    student.requires_grad_()
    loss = distillation_loss(student, teacher, torch.full_like(labels, -100))
    loss.backward()
    assert loss == 0
    assert torch.equal(student.grad, torch.zeros_like(student))


def test_what_stands_at_tokens_not_counted_does_no_harm(case):
    student, teacher, labels = case
    expected = distillation_loss(student, teacher, labels)
    student[labels == -100] = torch.nan
    torch.testing.assert_close(distillation_loss(student, teacher, labels), expected)


def test_bfloat16_logits_are_widened_before_they_are_divided():
    """36.25 / 3 needs more than bfloat16's 8 bits: dividing first loses 0.02 of a logit."""
    student = torch.tensor([[[36.25, 35.5, 30.0]]], dtype=torch.bfloat16)
    teacher = torch.tensor([[[30.0, 36.25, 35.5]]], dtype=torch.bfloat16)
    exact = reference_kl(student.double(), teacher.double(), torch.ones(1, 1), 3.0)
    loss = forward_kl(student, teacher, temperature=3.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), exact, atol=1e-5, rtol=1e-5)
    early = reference_kl((student / 3).double(), (teacher / 3).double(), torch.ones(1, 1), 1.0)
    assert abs(early - exact) > 1e-3


def test_large_logits_stay_finite_and_exact():
    student = torch.tensor([[[1000.0, 0.0, -1000.0]]])
    teacher = torch.tensor([[[0.0, 1000.0, -1000.0]]])
    torch.testing.assert_close(forward_kl(student, teacher), torch.tensor(1000.0))


def test_arguments_that_cannot_be_right_are_refused_by_name(case):
    student, teacher, labels = case
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"temperature is {temperature}"):
            distillation_loss(student, teacher, labels, temperature)
    for alpha in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"alpha is {alpha}"):
            distillation_loss(student, teacher, labels, 3.0, alpha)
    with pytest.raises(ValueError, match="vocabulary of 6"):
        forward_kl(student, teacher[..., :-1])
    with pytest.raises(ValueError, match="teacher_logits have shape"):
        forward_kl(student, teacher[:, :-1])
    with pytest.raises(ValueError, match="mask has shape"):
        forward_kl(student, teacher, labels[:, :-1] != -100)
    with pytest.raises(ValueError, match="labels have shape"):
        hard_loss(student, labels[:, :-1])
