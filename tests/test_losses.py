"""helpers.losses against a reference in probability space, in float64, that shares no code with it."""

import pytest
import torch

from helpers.losses import distillation_loss, forward_kl, hard_loss, jensen_shannon, reverse_kl

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


def reference_js(student, teacher, counted, temperature, beta):
    """beta · KL(p || m) + (1 - beta) · KL(q || m) with the mixture m of probabilities, token by token."""
    total = []
    for s, t, count in zip(student.flatten(0, 1), teacher.flatten(0, 1), counted.flatten(), strict=True):
        if count:
            for p, q in zip(softmax(t, temperature), softmax(s, temperature), strict=True):
                m = beta * p + (1 - beta) * q
                total.append(beta * p * torch.log(p / m) + (1 - beta) * q * torch.log(q / m))
    return sum(total) / int(counted.sum())


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


def reverse_reference(student, teacher, counted, temperature):
    return reference_kl(teacher, student, counted, temperature)


def js(beta):
    def loss(student, teacher, mask=None, temperature=1.0):
        return jensen_shannon(student, teacher, mask, temperature, beta=beta)

    def reference(student, teacher, counted, temperature):
        return reference_js(student, teacher, counted, temperature, beta)

    return loss, reference


DIVERGENCES = [(forward_kl, reference_kl), (reverse_kl, reverse_reference), js(0.1), js(0.5), js(0.8)]
each_divergence = pytest.mark.parametrize(("loss", "reference"), DIVERGENCES)


@each_divergence
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_divergences_have_the_value_and_the_gradient_of_their_reference(case, loss, reference, temperature):
    student, teacher, labels = case
    mask = labels != -100
    student.requires_grad_()
    teacher.requires_grad_()
    value = loss(student, teacher, mask, temperature)
    value.backward()
    copy = student.detach().clone().requires_grad_()
    expected = reference(copy, teacher.detach(), mask, temperature)
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(student.grad, copy.grad)
    assert teacher.grad is None


def test_the_fixture_tells_the_divergences_and_their_directions_apart(case):
    student, teacher, labels = case
    mask = labels != -100
    values = [reference(student, teacher, mask, 1.0) for _, reference in DIVERGENCES]
    values += [reference_js(teacher, student, mask, 1.0, beta) for beta in (0.1, 0.8)]
    gaps = [abs(a - b) for i, a in enumerate(values) for b in values[:i]]
    assert min(gaps) > 1e-3
    assert all(abs(value - reference(student, teacher, mask | True, 1.0)) > 1e-3
               for value, (_, reference) in zip(values[:4], DIVERGENCES, strict=False))  # fmt: skip


@each_divergence
def test_divergences_of_nothing_are_zero_with_a_gradient_of_zero(case, loss, reference):
    student, teacher, labels = case
    student.requires_grad_()
    value = loss(student, teacher, torch.zeros_like(labels))
    value.backward()
    assert value == 0
    assert torch.equal(student.grad, torch.zeros_like(student))


@each_divergence
def test_divergences_of_bfloat16_logits_are_computed_in_float32(loss, reference):
    student = torch.tensor([[[36.25, 35.5, 30.0]]], dtype=torch.bfloat16, requires_grad=True)
    teacher = torch.tensor([[[30.0, 36.25, 35.5]]], dtype=torch.bfloat16)
    value = loss(student, teacher, temperature=3.0)
    value.backward()
    exact = reference(student.double(), teacher.double(), torch.ones(1, 1), 3.0)
    assert value.dtype == torch.float32 and student.grad.dtype == torch.bfloat16
    torch.testing.assert_close(value.double(), exact, atol=1e-5, rtol=1e-5)


@each_divergence
def test_divergences_of_large_logits_stay_finite(loss, reference):
    student = torch.tensor([[[1000.0, 0.0, -1000.0]]], requires_grad=True)
    value = loss(student, torch.tensor([[[0.0, 1000.0, -1000.0]]]))
    value.backward()
    assert value > 0.1 and torch.isfinite(value) and torch.isfinite(student.grad).all()


@pytest.mark.parametrize("beta", [1e-6, 1 - 1e-6])
def test_jensen_shannon_nears_the_two_kl_at_its_ends(case, beta):
    student, teacher, labels = case
    mask = labels != -100
    near = forward_kl if beta < 0.5 else reverse_kl
    scaled = jensen_shannon(student, teacher, mask, 2.0, beta) / min(beta, 1 - beta)
    torch.testing.assert_close(scaled, near(student, teacher, mask, 2.0), rtol=1e-4, atol=1e-6)


def test_jensen_shannon_is_the_two_kl_at_its_ends(case):
    student, teacher, labels = case
    mask = labels != -100
    assert jensen_shannon(student, teacher, mask, 2.0, 0) == forward_kl(student, teacher, mask, 2.0)
    assert jensen_shannon(student, teacher, mask, 2.0, 1) == reverse_kl(student, teacher, mask, 2.0)


def test_divergences_refuse_what_cannot_be_right(case):
    student, teacher, labels = case
    for beta in (-0.5, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"beta is {beta}"):
            jensen_shannon(student, teacher, beta=beta)
    for loss in (reverse_kl, jensen_shannon):
        with pytest.raises(ValueError, match="temperature is 0"):
            loss(student, teacher, temperature=0)
        with pytest.raises(ValueError, match="mask has shape"):
            loss(student, teacher, labels[:, :-1])
        with pytest.raises(ValueError, match="vocabulary of 6"):
            loss(student, teacher[..., :-1])
