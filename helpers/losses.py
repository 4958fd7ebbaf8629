"""The losses of knowledge distillation, in plain torch.

Shapes: logits `(B, S, V)`, labels and masks `(B, S)`; B rows, S positions, V vocabulary. Unit: nats.
Labels are *aligned*: `labels[b, s]` is the target of `logits[b, s]`, and the label -100 is not counted. Shift first,
with `helpers.labels.next_token_pairs`. Every loss is a mean over counted tokens; if no token is counted it is 0, with a
gradient of 0. Softmax, and the division by the temperature before it, run in float32 or wider.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = -100  # the label of a token that is not counted, as in torch.nn.functional.cross_entropy


def forward_kl(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor | None = None, temperature: float = 1.0
) -> Tensor:
    """KL(teacher_T || student_T), mean over counted tokens, in nats, without the factor T².

    Args:
        student_logits: `(B, S, V)`.
        teacher_logits: `(B, S, V)`. No gradient reaches them.
        mask: `(B, S)`, true or 1 where a token counts; None counts all.
        temperature: T > 0; both logits are divided by it.

    Returns:
        A 0-d tensor, float32 (float64 if either input is float64).

    Raises:
        ValueError: the temperature is not a finite number above 0, or the shapes do not fit together.

    Source: Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", section 2.
    """
    student, teacher = _log_probs_of_counted(student_logits, teacher_logits, mask, temperature)
    return _mean_over_tokens(_kl(teacher, student))


def reverse_kl(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor | None = None, temperature: float = 1.0
) -> Tensor:
    """KL(student_T || teacher_T), mean over counted tokens, in nats, without the factor T².

    `forward_kl` asks the student to cover everything that the teacher finds likely; this one asks it to avoid
    everything that the teacher finds unlikely. Arguments, result and errors are those of `forward_kl`.

    Source: Gu, Dong, Wei, Huang 2024, "MiniLLM: Knowledge Distillation of Large Language Models".
    """
    student, teacher = _log_probs_of_counted(student_logits, teacher_logits, mask, temperature)
    return _mean_over_tokens(_kl(student, teacher))


def jensen_shannon(
    student_logits: Tensor,
    teacher_logits: Tensor,
    mask: Tensor | None = None,
    temperature: float = 1.0,
    beta: float = 0.5,
) -> Tensor:
    """beta · KL(teacher_T || mixture) + (1 - beta) · KL(student_T || mixture), mean over counted tokens, in nats.

    The mixture is beta · teacher_T + (1 - beta) · student_T, so beta is the teacher's weight in it. Between the ends
    the result is at most ln 2. Divided by beta it approaches `forward_kl` as beta approaches 0, and divided by 1 - beta
    it approaches `reverse_kl` as beta approaches 1. At 0 and at 1 the formula would always give 0; there the value is
    `forward_kl` and `reverse_kl` themselves, as in the implementations of GKD. The other arguments, result and errors
    are those of `forward_kl`.

    Raises:
        ValueError: also if beta is below 0 or above 1.

    Source: Agarwal et al. 2024, "On-Policy Distillation of Language Models" (GKD), equation 1.
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"beta is {beta}; it must be between 0 (forward KL) and 1 (reverse KL)")
    student, teacher = _log_probs_of_counted(student_logits, teacher_logits, mask, temperature)
    if beta in (0, 1):
        return _mean_over_tokens(_kl(student, teacher) if beta else _kl(teacher, student))
    mixture = torch.logaddexp(teacher + math.log(beta), student + math.log(1 - beta))
    return _mean_over_tokens(beta * _kl(teacher, mixture) + (1 - beta) * _kl(student, mixture))


def hard_loss(student_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with the labels, mean over tokens whose label is not -100, in nats.

    Args:
        student_logits: `(B, S, V)`.
        labels: `(B, S)`, integers, aligned with the logits.

    Returns:
        A 0-d tensor, float32 or wider. If no token counts it is 0, where torch's `cross_entropy` gives NaN.

    Raises:
        ValueError: the shapes do not fit together.
    """
    check_labels(student_logits, labels)
    counted = labels != IGNORE
    return _mean_over_tokens(F.cross_entropy(widen(student_logits[counted]), labels[counted], reduction="none"))


def distillation_loss(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float = 3.0, alpha: float = 0.5
) -> Tensor:
    """alpha · T² · KL(teacher_T || student_T) + (1 - alpha) · CE(labels, student), mean over counted tokens, in nats.

    T² keeps the soft term's gradient comparable with the hard term's when T changes.

    Args:
        student_logits: `(B, S, V)`.
        teacher_logits: `(B, S, V)`. No gradient reaches them.
        labels: `(B, S)`, aligned with the logits; a token with the label -100 counts in neither term.
        temperature: T > 0 of the soft term.
        alpha: weight of the soft term in [0, 1]: 1 is soft targets only, 0 is hard labels only.

    Returns:
        A 0-d tensor, float32 or wider.

    Raises:
        ValueError: the temperature is not a finite number above 0, alpha is outside [0, 1], or the shapes do not fit.

    Source: Hinton, Vinyals, Dean 2015, section 2.
    """
    check_alpha(alpha)
    check_labels(student_logits, labels)
    soft = forward_kl(student_logits, teacher_logits, labels != IGNORE, temperature)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


def widen(logits: Tensor) -> Tensor:
    """The same logits in float32 (float64 stays float64), because bfloat16 has only 8 significant bits."""
    return logits if logits.dtype == torch.float64 else logits.float()


def check_temperature(temperature: float) -> None:
    """Raise ValueError unless the temperature is a finite number above 0."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature is {temperature}; it must be a finite number above 0")


def check_alpha(alpha: float) -> None:
    """Raise ValueError unless alpha is in [0, 1]."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it must be between 0 (hard labels only) and 1 (soft targets only)")


def check_same_shape(student_logits: Tensor, teacher_logits: Tensor) -> None:
    """Raise ValueError unless student and teacher score the same positions over the same vocabulary."""
    student, teacher = tuple(student_logits.shape), tuple(teacher_logits.shape)
    if student and teacher and student[-1] != teacher[-1]:
        raise ValueError(
            f"teacher_logits have a vocabulary of {teacher[-1]} and student_logits one of {student[-1]}; "
            "teacher and student must use the same vocabulary"
        )
    if student != teacher:
        raise ValueError(f"teacher_logits have shape {teacher}; they must have the shape of student_logits, {student}")


def check_labels(student_logits: Tensor, labels: Tensor) -> None:
    """Raise ValueError unless each position of the logits has one label."""
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}; they must have one entry for each position of student_logits, "
            f"shape {tuple(student_logits.shape[:-1])}"
        )


def _log_probs_of_counted(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor | None, temperature: float
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of student and teacher at temperature T on the N counted tokens, each `(N, V)`.

    Uncounted tokens are removed before anything is computed, so their logits cannot affect value or gradient.
    """
    check_temperature(temperature)
    check_same_shape(student_logits, teacher_logits)
    teacher_logits = teacher_logits.detach()
    if mask is None:
        student_logits, teacher_logits = student_logits.flatten(end_dim=-2), teacher_logits.flatten(end_dim=-2)
    elif mask.shape != student_logits.shape[:-1]:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}; it must have one entry for each position of student_logits, "
            f"shape {tuple(student_logits.shape[:-1])}"
        )
    else:
        student_logits, teacher_logits = student_logits[mask.bool()], teacher_logits[mask.bool()]
    student = F.log_softmax(widen(student_logits) / temperature, dim=-1)
    teacher = F.log_softmax(widen(teacher_logits) / temperature, dim=-1)
    return student, teacher


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) of each token, `(N,)`, from log-probabilities `(N, V)`."""
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1)


def _mean_over_tokens(per_token: Tensor) -> Tensor:
    """Mean of `(N,)` values; 0, with a gradient of 0, when N is 0."""
    return per_token.sum() / max(len(per_token), 1)
