"""Common mistakes in lab 02, each with the explanation that a student gets.

Each makes one mistake and is otherwise correct; none validates its input. Its source could be in a student's notebook:
it uses only the names of the lab's setup cell and of earlier exercises, which are defined correctly below. Students
never see this file.
"""

import torch
import torch.nn.functional as F
from torch import nn

from helpers.grader.course.cases import misconception

TERMS = "Two terms: the text and the teacher"
TARGETS, LOGARITHMS, DIRECTION = "Soft targets", "Why log-probabilities", "KL divergence and its direction"
MEANS, HARD, SQUARE = "Masks and means", "Hard labels", "Why T squared"
PULL, BY_HAND = "How the teacher pulls on a logit", "Exercise 4 · The gradient of KL, by hand"
SHAPES, WHOLE, MODULE = "Shapes and terms", "Exercise 6 · The distillation loss", "Exercise 7 · The loss as a module"


# The lab's setup cell and the exercises, correct except that they validate nothing.

IGNORE = -100


def widen(logits):
    return logits if logits.dtype == torch.float64 else logits.float()


def soft_targets(teacher_logits, temperature):
    return (widen(teacher_logits.detach()) / temperature).softmax(dim=-1)


def soft_log_predictions(student_logits, temperature):
    return (widen(student_logits) / temperature).log_softmax(dim=-1)


def kl_divergence(soft_targets, soft_log_predictions, mask):
    per_token = F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


def hard_loss(student_logits, labels):
    total = F.cross_entropy(widen(student_logits).flatten(0, 1), labels.flatten(), reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


# ------------------------------------------------------------------------------------------------- soft_targets


@misconception("soft_targets", "You leave the temperature out. Divide the logits by it.", read=TARGETS)
def targets_temperature_ignored(teacher_logits, temperature):
    return widen(teacher_logits.detach()).softmax(dim=-1)


@misconception(
    "soft_targets", "You multiply by the temperature, which makes the targets sharper. Divide by it.", read=TARGETS
)
def targets_temperature_multiplied(teacher_logits, temperature):
    return (widen(teacher_logits.detach()) * temperature).softmax(dim=-1)


@misconception(
    "soft_targets", "You divide by T². The square belongs in the loss; divide the logits by T itself.", read=TARGETS
)
def targets_temperature_squared(teacher_logits, temperature):
    return (widen(teacher_logits.detach()) / temperature**2).softmax(dim=-1)


@misconception(
    "soft_targets",
    "You divide the probabilities, so they no longer sum to 1. Divide the logits, before the softmax.",
    read=TARGETS,
)
def targets_divided_after_softmax(teacher_logits, temperature):
    return widen(teacher_logits.detach()).softmax(dim=-1) / temperature


@misconception(
    "soft_targets",
    "Your softmax runs over the positions. The vocabulary is the last dimension: use dim=-1.",
    read=TARGETS,
)
def targets_over_positions(teacher_logits, temperature):
    return (widen(teacher_logits.detach()) / temperature).softmax(dim=1)


@misconception(
    "soft_targets",
    "Your softmax runs over the rows, as F.softmax does if you pass no dim for 3-D input. Use dim=-1.",
    read=TARGETS,
)
def targets_over_rows(teacher_logits, temperature):
    return (widen(teacher_logits.detach()) / temperature).softmax(dim=0)


@misconception(
    "soft_targets",
    "You return log-probabilities. The targets must be probabilities: use softmax, not log-softmax.",
    read=TARGETS,
)
def targets_as_logarithms(teacher_logits, temperature):
    return (widen(teacher_logits.detach()) / temperature).log_softmax(dim=-1)


@misconception(
    "soft_targets",
    "A gradient flows back to the teacher. The teacher is not trained: detach its logits.",
    read=TARGETS,
)
def targets_keep_graph(teacher_logits, temperature):
    return (widen(teacher_logits) / temperature).softmax(dim=-1)


@misconception(
    "soft_targets",
    "You divide in bfloat16, where digits are lost. Convert the logits to float32 before you divide.",
    read=TARGETS,
)
def targets_divided_in_bfloat16(teacher_logits, temperature):
    return widen(teacher_logits.detach() / temperature).softmax(dim=-1)


@misconception(
    "soft_targets",
    "You divide in place, which changes the caller's logits. Use / and give the result a new name.",
    read="Exercise 1 · Soft targets",
)
def targets_divided_in_place(teacher_logits, temperature):
    scaled = teacher_logits.detach()
    scaled /= temperature
    return widen(scaled).softmax(dim=-1)


@misconception(
    "soft_targets",
    "Your exponential overflows for large logits. Use the PyTorch softmax, or subtract the largest logit first.",
    read="Exercise 1 · Soft targets",
)
def targets_overflow(teacher_logits, temperature):
    weights = torch.exp(teacher_logits.detach().float() / temperature)
    return weights / weights.sum(dim=-1, keepdim=True)


@misconception(
    "soft_targets",
    "You keep only the teacher's most likely token. Soft targets are its whole distribution.",
    read=TERMS,
)
def targets_one_hot(teacher_logits, temperature):
    return F.one_hot(teacher_logits.argmax(dim=-1), teacher_logits.shape[-1]).float()


# ------------------------------------------------------------------------------------------ soft_log_predictions


@misconception(
    "soft_log_predictions", "You return probabilities. The student's side must be log-probabilities.", read=LOGARITHMS
)
def predictions_as_probabilities(student_logits, temperature):
    return (widen(student_logits) / temperature).softmax(dim=-1)


@misconception(
    "soft_log_predictions",
    "You take the softmax and then its logarithm: unlikely tokens become 0, then minus infinity. Use log-softmax.",
    read=LOGARITHMS,
)
def predictions_underflow(student_logits, temperature):
    return torch.log((widen(student_logits) / temperature).softmax(dim=-1))


@misconception(
    "soft_log_predictions",
    "You add 1e-8 before the logarithm, so all very unlikely tokens cost the same. Use log-softmax instead.",
    read=LOGARITHMS,
)
def predictions_with_epsilon(student_logits, temperature):
    return torch.log((widen(student_logits) / temperature).softmax(dim=-1) + 1e-8)


@misconception(
    "soft_log_predictions",
    "You add 1e-9 before the logarithm, so all very unlikely tokens cost the same. Use log-softmax instead.",
    read=LOGARITHMS,
)
def predictions_with_smaller_epsilon(student_logits, temperature):
    return torch.log((widen(student_logits) / temperature).softmax(dim=-1) + 1e-9)


@misconception(
    "soft_log_predictions",
    "You add 1e-10 before the logarithm, so all very unlikely tokens cost the same. Use log-softmax instead.",
    read=LOGARITHMS,
)
def predictions_with_tiny_epsilon(student_logits, temperature):
    return torch.log((widen(student_logits) / temperature).softmax(dim=-1) + 1e-10)


@misconception(
    "soft_log_predictions",
    "You add 1e-12 before the logarithm, so all very unlikely tokens cost the same. Use log-softmax instead.",
    read=LOGARITHMS,
)
def predictions_with_tiniest_epsilon(student_logits, temperature):
    return torch.log((widen(student_logits) / temperature).softmax(dim=-1) + 1e-12)


@misconception("soft_log_predictions", "You leave the temperature out. Divide the logits by it.", read=LOGARITHMS)
def predictions_temperature_ignored(student_logits, temperature):
    return widen(student_logits).log_softmax(dim=-1)


@misconception("soft_log_predictions", "You multiply by the temperature. Divide the logits by it.", read=LOGARITHMS)
def predictions_temperature_multiplied(student_logits, temperature):
    return (widen(student_logits) * temperature).log_softmax(dim=-1)


@misconception(
    "soft_log_predictions",
    "You divide the log-probabilities by T, so their exponentials no longer sum to 1. Divide the logits, before.",
    read=LOGARITHMS,
)
def predictions_divided_after(student_logits, temperature):
    return widen(student_logits).log_softmax(dim=-1) / temperature


@misconception(
    "soft_log_predictions",
    "Your log-softmax runs over the positions. The vocabulary is the last dimension: use dim=-1.",
    read=LOGARITHMS,
)
def predictions_over_positions(student_logits, temperature):
    return (widen(student_logits) / temperature).log_softmax(dim=1)


@misconception(
    "soft_log_predictions",
    "Your log-softmax runs over the rows, as F.log_softmax does if you pass no dim for 3-D input. Use dim=-1.",
    read=LOGARITHMS,
)
def predictions_over_rows(student_logits, temperature):
    return (widen(student_logits) / temperature).log_softmax(dim=0)


@misconception(
    "soft_log_predictions",
    "You divide in bfloat16, where digits are lost. Convert the logits to float32 before you divide.",
    read=TARGETS,
)
def predictions_divided_in_bfloat16(student_logits, temperature):
    return widen(student_logits / temperature).log_softmax(dim=-1)


@misconception(
    "soft_log_predictions",
    "You detach the student's logits, so the student cannot learn. Detach only the teacher's.",
    read="Exercise 2 · The student's log-probabilities",
)
def predictions_detached(student_logits, temperature):
    return (widen(student_logits.detach()) / temperature).log_softmax(dim=-1)


@misconception(
    "soft_log_predictions",
    "Your logarithm has base 2. These labs use nats: take the natural logarithm.",
    read=SHAPES,
)
def predictions_in_bits(student_logits, temperature):
    return (widen(student_logits) / temperature).log_softmax(dim=-1) / torch.log(torch.tensor(2.0).double())


# ------------------------------------------------------------------------------------------------- kl_divergence


@misconception(
    "kl_divergence",
    "This is reverse KL, with the student first. The average must run over the teacher's probabilities.",
    read=DIRECTION,
)
def kl_reversed(soft_targets, soft_log_predictions, mask):
    student = soft_log_predictions.exp()
    per_token = (student * (soft_log_predictions - soft_targets.clamp_min(1e-30).log())).sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


@misconception(
    "kl_divergence",
    "This is the cross-entropy: log p is missing, so a perfect student does not reach 0. Sum p times (log p − log q).",
    read=DIRECTION,
)
def kl_is_cross_entropy(soft_targets, soft_log_predictions, mask):
    per_token = -(soft_targets * soft_log_predictions).sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


@misconception(
    "kl_divergence",
    "The arguments of F.kl_div are swapped: it takes the log-predictions first and the targets second.",
    read=DIRECTION,
)
def kl_arguments_swapped(soft_targets, soft_log_predictions, mask):
    per_token = F.kl_div(soft_targets, soft_log_predictions, reduction="none").sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


@misconception(
    "kl_divergence",
    "You use the student's probabilities where log-probabilities belong. The argument already holds log-probabilities.",
    read=DIRECTION,
)
def kl_of_probabilities(soft_targets, soft_log_predictions, mask):
    per_token = F.kl_div(soft_log_predictions.exp(), soft_targets, reduction="none").sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


@misconception(
    "kl_divergence",
    "log_target=True treats the targets as log-probabilities, but they are probabilities. Leave it out.",
    read=DIRECTION,
)
def kl_targets_as_logarithms(soft_targets, soft_log_predictions, mask):
    per_token = F.kl_div(soft_log_predictions, soft_targets, reduction="none", log_target=True).sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


@misconception(
    "kl_divergence",
    "You divide by the number of rows, so the term grows with their length. Divide by the number of tokens that count.",
    read=MEANS,
)
def kl_divided_by_rows(soft_targets, soft_log_predictions, mask):
    per_token = F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1)
    return (per_token * mask).sum() / len(mask)


@misconception(
    "kl_divergence",
    "reduction='batchmean' ignores the mask and divides by the rows only. Use 'none', then mask and average yourself.",
    read=MEANS,
)
def kl_batchmean(soft_targets, soft_log_predictions, mask):
    return F.kl_div(soft_log_predictions, soft_targets, reduction="batchmean")


@misconception(
    "kl_divergence",
    "You take the mean over the vocabulary too, so the term is V times too small. Sum over the vocabulary.",
    read=MEANS,
)
def kl_mean_over_vocabulary(soft_targets, soft_log_predictions, mask):
    per_token = F.kl_div(soft_log_predictions, soft_targets, reduction="none").mean(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


@misconception("kl_divergence", "You count every token. Leave out those where the mask is False.", read=MEANS)
def kl_padding_counted(soft_targets, soft_log_predictions, mask):
    return F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1).mean()


@misconception(
    "kl_divergence",
    "You leave tokens out of the sum but divide by all B · S positions. Divide by the number of tokens that count.",
    read=MEANS,
)
def kl_mean_over_all_places(soft_targets, soft_log_predictions, mask):
    return (F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1) * mask).mean()


@misconception(
    "kl_divergence",
    "You return the sum over the tokens, not the mean. Divide by the number of tokens that count.",
    read=MEANS,
)
def kl_sum(soft_targets, soft_log_predictions, mask):
    return (F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1) * mask).sum()


@misconception(
    "kl_divergence",
    "You average each row and then the rows, so tokens in short rows weigh more. Sum first, then divide once.",
    read=MEANS,
)
def kl_mean_of_row_means(soft_targets, soft_log_predictions, mask):
    per_token = F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1)
    return ((per_token * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)).mean()


@misconception(
    "kl_divergence",
    "You count the tokens where the mask is False and leave out the others. Invert the mask.",
    read=MEANS,
)
def kl_mask_inverted(soft_targets, soft_log_predictions, mask):
    per_token = F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1)
    return (per_token * ~mask).sum() / (~mask).sum().clamp(min=1)


@misconception(
    "kl_divergence",
    "When nothing counts, you divide 0 by 0 and get NaN. Divide by at least 1.",
    read=MEANS,
)
def kl_nan_of_nothing(soft_targets, soft_log_predictions, mask):
    return F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1)[mask].mean()


@misconception(
    "kl_divergence",
    "When nothing counts, you divide a sum of 0 by a count of 0, which is NaN. Divide by at least 1.",
    read=MEANS,
)
def kl_zero_by_zero(soft_targets, soft_log_predictions, mask):
    per_token = F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1)
    return (per_token * mask).sum() / mask.sum()


@misconception(
    "kl_divergence",
    "When nothing counts, you return a tensor without a graph, so backward() fails. Divide the sum by at least 1.",
    read=MEANS,
)
def kl_nothing_without_graph(soft_targets, soft_log_predictions, mask):
    if not mask.any():
        return torch.tensor(0.0)
    return F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1)[mask].mean()


@misconception(
    "kl_divergence",
    "A soft target of 0 gives 0 times minus infinity, which is NaN. Use F.kl_div or xlogy, which treat 0 log 0 as 0.",
    read=DIRECTION,
)
def kl_nan_at_zeros(soft_targets, soft_log_predictions, mask):
    per_token = (soft_targets * (soft_targets.log() - soft_log_predictions)).sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


# --------------------------------------------------------------------------------------------------- kl_gradient


def difference(student_logits, teacher_logits, temperature):
    return soft_log_predictions(student_logits, temperature).exp() - soft_targets(teacher_logits, temperature)


@misconception(
    "kl_gradient",
    "The factor 1/T is missing. The logits are divided by T before the softmax, and the chain rule brings it out.",
    read=PULL,
)
def gradient_without_one_over_t(student_logits, teacher_logits, mask, temperature):
    pull = difference(student_logits, teacher_logits, temperature)
    return pull * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "You multiply by T. That is the gradient of T² · KL, the soft term of the loss; this exercise asks for KL alone.",
    read=BY_HAND,
)
def gradient_with_t_squared(student_logits, teacher_logits, mask, temperature):
    pull = temperature * difference(student_logits, teacher_logits, temperature)
    return pull * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "You divide by T². One factor 1/T comes from the chain rule; the other one is already in q − p.",
    read=PULL,
)
def gradient_over_t_squared(student_logits, teacher_logits, mask, temperature):
    pull = difference(student_logits, teacher_logits, temperature) / temperature**2
    return pull * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "The sign is wrong: this is p − q, the direction in which training moves. The gradient points the other way.",
    read=PULL,
)
def gradient_sign_flipped(student_logits, teacher_logits, mask, temperature):
    pull = -difference(student_logits, teacher_logits, temperature) / temperature
    return pull * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "This is the gradient of the sum over the tokens. The loss is their mean: divide by the number that count.",
    read=MEANS,
)
def gradient_of_the_sum(student_logits, teacher_logits, mask, temperature):
    return difference(student_logits, teacher_logits, temperature) / temperature * mask[..., None]


@misconception(
    "kl_gradient",
    "You divide by all B · S positions. Divide by the number of tokens that count.",
    read=MEANS,
)
def gradient_over_all_places(student_logits, teacher_logits, mask, temperature):
    return difference(student_logits, teacher_logits, temperature) / temperature * mask[..., None] / mask.numel()


@misconception(
    "kl_gradient",
    "You divide by the number of rows. Divide by the number of tokens that count.",
    read=MEANS,
)
def gradient_over_rows(student_logits, teacher_logits, mask, temperature):
    return difference(student_logits, teacher_logits, temperature) / temperature * mask[..., None] / len(mask)


@misconception(
    "kl_gradient",
    "You divide each row by its own number of tokens. The loss is one mean over all of them: divide by the total.",
    read=MEANS,
)
def gradient_of_row_means(student_logits, teacher_logits, mask, temperature):
    pull = difference(student_logits, teacher_logits, temperature) / temperature * mask[..., None]
    return pull / mask.sum(dim=1).clamp(min=1)[:, None, None]


@misconception(
    "kl_gradient",
    "Tokens that do not count get a gradient. They are not in the loss, so their gradient is 0: multiply by the mask.",
    read=BY_HAND,
)
def gradient_not_masked(student_logits, teacher_logits, mask, temperature):
    return difference(student_logits, teacher_logits, temperature) / temperature / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "The mask is ignored: every token gets a gradient and counts in the mean.",
    read=BY_HAND,
)
def gradient_mask_ignored(student_logits, teacher_logits, mask, temperature):
    return difference(student_logits, teacher_logits, temperature) / temperature / mask.numel()


@misconception(
    "kl_gradient",
    "Both softmaxes run at T = 1. Student and teacher are compared at temperature T: divide the logits first.",
    read=PULL,
)
def gradient_at_temperature_one(student_logits, teacher_logits, mask, temperature):
    pull = difference(student_logits, teacher_logits, 1.0) / temperature
    return pull * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "Only the teacher's logits are divided by T. Divide the student's too.",
    read=PULL,
)
def gradient_of_sharp_student(student_logits, teacher_logits, mask, temperature):
    pull = soft_log_predictions(student_logits, 1.0).exp() - soft_targets(teacher_logits, temperature)
    return pull / temperature * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "This is −p / T: you treat log q as z / T and leave out the normaliser, whose derivative is q / T.",
    read=PULL,
)
def gradient_without_normaliser(student_logits, teacher_logits, mask, temperature):
    pull = -soft_targets(teacher_logits, temperature) / temperature
    return pull * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "You subtract log-probabilities. The gradient is a difference of probabilities.",
    read=PULL,
)
def gradient_of_logarithms(student_logits, teacher_logits, mask, temperature):
    pull = soft_log_predictions(student_logits, temperature) - soft_log_predictions(teacher_logits, temperature)
    return pull / temperature * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "This is the gradient of reverse KL. The teacher comes first: the average in KL runs over p.",
    read=DIRECTION,
)
def gradient_of_reverse_kl(student_logits, teacher_logits, mask, temperature):
    log_q, log_p = soft_log_predictions(student_logits, temperature), soft_log_predictions(teacher_logits, temperature)
    gap = log_q - log_p
    pull = log_q.exp() * (gap - (log_q.exp() * gap).sum(dim=-1, keepdim=True)) / temperature
    return pull * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "You subtract only the teacher's most likely token, as if it were a hard label. Subtract its whole distribution.",
    read=TERMS,
)
def gradient_of_the_top_token(student_logits, teacher_logits, mask, temperature):
    top = F.one_hot(teacher_logits.argmax(dim=-1), teacher_logits.shape[-1])
    pull = (soft_log_predictions(student_logits, temperature).exp() - top) / temperature
    return pull * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "You divide by V as well. The KL divergence sums over the vocabulary; only the tokens are averaged.",
    read=MEANS,
)
def gradient_over_vocabulary(student_logits, teacher_logits, mask, temperature):
    pull = difference(student_logits, teacher_logits, temperature) / temperature / student_logits.shape[-1]
    return pull * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "When nothing counts, you divide 0 by 0 and get NaN. Divide by at least 1.",
    read=MEANS,
)
def gradient_zero_by_zero(student_logits, teacher_logits, mask, temperature):
    return difference(student_logits, teacher_logits, temperature) / temperature * mask[..., None] / mask.sum()


@misconception(
    "kl_gradient",
    "You divide in bfloat16, where digits are lost. Convert the logits to float32 before you divide.",
    read=TARGETS,
)
def gradient_divided_in_bfloat16(student_logits, teacher_logits, mask, temperature):
    q, p = ((each / temperature).float().softmax(dim=-1) for each in (student_logits, teacher_logits))
    return (q - p) / temperature * mask[..., None] / mask.sum().clamp(min=1)


@misconception(
    "kl_gradient",
    "Your exponential overflows for large logits. Use your soft_targets, or the PyTorch softmax.",
    read=BY_HAND,
)
def gradient_overflows(student_logits, teacher_logits, mask, temperature):
    q, p = (torch.exp(each.float() / temperature) for each in (student_logits, teacher_logits))
    pull = (q / q.sum(dim=-1, keepdim=True) - p / p.sum(dim=-1, keepdim=True)) / temperature
    return pull * mask[..., None] / mask.sum().clamp(min=1)


# ----------------------------------------------------------------------------------------------------- hard_loss


@misconception(
    "hard_loss",
    "You treat -100 as token 0 and count it. Leave these positions out: use ignore_index or a mask.",
    read=HARD,
)
def hard_ignored_counted(student_logits, labels):
    return F.cross_entropy(widen(student_logits).flatten(0, 1), labels.clamp(min=0).flatten())


@misconception(
    "hard_loss",
    "You leave out label 0 as well as -100. Token 0 is a token like any other: compare with -100.",
    read=HARD,
)
def hard_word_zero_lost(student_logits, labels):
    only_above_zero = labels.where(labels > 0, torch.tensor(IGNORE)).flatten()
    total = F.cross_entropy(widen(student_logits).flatten(0, 1), only_above_zero, reduction="sum")
    return total / (labels > 0).sum().clamp(min=1)


@misconception(
    "hard_loss",
    "When nothing counts, you divide 0 by 0 and get NaN. Take the sum and divide by at least 1.",
    read=HARD,
)
def hard_nan_of_nothing(student_logits, labels):
    return F.cross_entropy(widen(student_logits).flatten(0, 1), labels.flatten())


@misconception(
    "hard_loss",
    "You divide by the number of labels above 0, so token 0 is in the sum but not in the count. Compare with -100.",
    read=HARD,
)
def hard_word_zero_not_counted(student_logits, labels):
    total = F.cross_entropy(widen(student_logits).flatten(0, 1), labels.flatten(), reduction="sum")
    return total / (labels > 0).sum().clamp(min=1)


@misconception(
    "hard_loss",
    "When nothing counts, you return a tensor without a graph, so backward() fails. Divide the sum by at least 1.",
    read=HARD,
)
def hard_nothing_without_graph(student_logits, labels):
    if (labels == IGNORE).all():
        return torch.tensor(0.0)
    return F.cross_entropy(widen(student_logits).flatten(0, 1), labels.flatten())


@misconception(
    "hard_loss",
    "You divide by all B · S positions. Divide by the number of tokens whose label is not -100.",
    read=MEANS,
)
def hard_mean_over_all_places(student_logits, labels):
    return F.cross_entropy(widen(student_logits).flatten(0, 1), labels.flatten(), reduction="sum") / labels.numel()


@misconception(
    "hard_loss",
    "You return the sum over the tokens, not the mean. Divide by the number of tokens that count.",
    read=MEANS,
)
def hard_sum(student_logits, labels):
    return F.cross_entropy(widen(student_logits).flatten(0, 1), labels.flatten(), reduction="sum")


@misconception(
    "hard_loss",
    "You divide by the number of rows, so the term grows with their length. Divide by the number of tokens that count.",
    read=MEANS,
)
def hard_divided_by_rows(student_logits, labels):
    return F.cross_entropy(widen(student_logits).flatten(0, 1), labels.flatten(), reduction="sum") / len(labels)


@misconception(
    "hard_loss",
    "You average each row and then the rows, so tokens in short rows weigh more. Sum first, then divide once.",
    read=MEANS,
)
def hard_mean_of_row_means(student_logits, labels):
    totals = F.cross_entropy(widen(student_logits).transpose(1, 2), labels, reduction="none").sum(dim=1)
    return (totals / (labels != IGNORE).sum(dim=1).clamp(min=1)).mean()


@misconception(
    "hard_loss",
    "You shift the labels by one, but they are already aligned. Compare logits and labels at the same position.",
    read=SHAPES,
)
def hard_shifted_again(student_logits, labels):
    logits, targets = widen(student_logits)[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
    return F.cross_entropy(logits, targets, reduction="sum") / (targets != IGNORE).sum().clamp(min=1)


@misconception(
    "hard_loss",
    "You shift the labels towards the past: each prediction meets the label before it. They are aligned: do not shift.",
    read=SHAPES,
)
def hard_shifted_backwards(student_logits, labels):
    logits, targets = widen(student_logits)[:, 1:].flatten(0, 1), labels[:, :-1].flatten()
    return F.cross_entropy(logits, targets, reduction="sum") / (targets != IGNORE).sum().clamp(min=1)


@misconception(
    "hard_loss",
    "You take a softmax before F.cross_entropy, which computes one itself. Pass it the logits.",
    read=HARD,
)
def hard_softmax_twice(student_logits, labels):
    predictions = widen(student_logits).softmax(dim=-1).flatten(0, 1)
    total = F.cross_entropy(predictions, labels.flatten(), reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


@misconception(
    "hard_loss",
    "The minus sign is missing: log-probabilities are negative, and the loss is minus their mean.",
    read=HARD,
)
def hard_sign_missing(student_logits, labels):
    chosen = widen(student_logits).log_softmax(dim=-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return (chosen * (labels != IGNORE)).sum() / (labels != IGNORE).sum().clamp(min=1)


@misconception(
    "hard_loss",
    "You take the softmax and then its logarithm: unlikely tokens become 0, then minus infinity. Use log-softmax.",
    read=LOGARITHMS,
)
def hard_underflow(student_logits, labels):
    predictions = widen(student_logits).softmax(dim=-1).log().flatten(0, 1)
    total = F.nll_loss(predictions, labels.flatten(), reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


@misconception(
    "hard_loss",
    "Your log-softmax runs over the positions. The vocabulary is the last dimension: use dim=-1.",
    read=HARD,
)
def hard_over_positions(student_logits, labels):
    chosen = widen(student_logits).log_softmax(dim=1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return -(chosen * (labels != IGNORE)).sum() / (labels != IGNORE).sum().clamp(min=1)


@misconception(
    "hard_loss",
    "You compute in bfloat16, where every token's loss is rounded. Convert the logits to float32 first.",
    read=TARGETS,
)
def hard_in_bfloat16(student_logits, labels):
    total = F.cross_entropy(student_logits.flatten(0, 1), labels.flatten(), reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


@misconception(
    "hard_loss",
    "You divide the student's logits by T = 3. The hard term uses the ordinary distribution, at T = 1.",
    read=HARD,
)
def hard_softened(student_logits, labels):
    total = F.cross_entropy((widen(student_logits) / 3.0).flatten(0, 1), labels.flatten(), reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


# --------------------------------------------------------------------------------------------- distillation_loss


@misconception(
    "distillation_loss",
    "T² is missing: at a high temperature the soft term all but vanishes beside the hard one. Multiply it by T².",
    read=SQUARE,
)
def loss_without_t_squared(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "You multiply by T, which undoes only the division of the logits. The soft term's factor is T².",
    read=SQUARE,
)
def loss_with_t(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The soft term's factor is 2T. The square of T is temperature**2, with two asterisks.",
    read=SQUARE,
)
def loss_with_two_t(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature * 2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "You divide the soft term by T². Its gradient is already too small: multiply.",
    read=SQUARE,
)
def loss_divided_by_t_squared(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * soft / temperature**2 + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "T² multiplies the hard term. It belongs on the soft term, whose gradient shrinks with T.",
    read=SQUARE,
)
def loss_t_squared_on_hard_term(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * soft + (1 - alpha) * temperature**2 * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "T² multiplies both terms, so the balance is as if it were missing. It belongs on the soft term only.",
    read=SQUARE,
)
def loss_t_squared_on_both_terms(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return temperature**2 * (alpha * soft + (1 - alpha) * hard_loss(student_logits, labels))


@misconception(
    "distillation_loss",
    "Only the teacher's logits are divided by T, so a student that equals the teacher is still penalised. Divide both.",
    read=WHOLE,
)
def loss_softens_teacher_only(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, 1.0)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "Only the student's logits are divided by T, so a student that equals the teacher is still penalised. Divide both.",
    read=WHOLE,
)
def loss_softens_student_only(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, 1.0), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The hard term is divided by T too. It uses T = 1: pass it the original logits.",
    read=HARD,
)
def loss_softens_hard_term(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(predictions, labels)


@misconception(
    "distillation_loss",
    "Your temperature is fixed at 3. Use the argument.",
    read=WHOLE,
)
def loss_temperature_fixed(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, 3.0), soft_log_predictions(student_logits, 3.0)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * 3.0**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "This is reverse KL: teacher and student are swapped. The teacher provides the targets.",
    read=DIRECTION,
)
def loss_reversed(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    predictions = soft_log_predictions(student_logits, temperature)
    log_targets = soft_log_predictions(teacher_logits.detach(), temperature)
    soft = kl_divergence(predictions.exp(), log_targets, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The soft term is a cross-entropy: a perfect student does not reach 0. Use your kl_divergence.",
    read=DIRECTION,
)
def loss_with_cross_entropy(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    counted = labels != IGNORE
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = -((targets * predictions).sum(dim=-1) * counted).sum() / counted.sum().clamp(min=1)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The soft term takes a softmax and then its logarithm, which can be minus infinity. Use log-softmax.",
    read=LOGARITHMS,
)
def loss_underflows(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets = soft_targets(teacher_logits, temperature)
    predictions = torch.log((widen(student_logits) / temperature).softmax(dim=-1))
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The soft term is divided by the rows and counts every token: this is 'batchmean'. Average over counted tokens.",
    read="The quick test",
)
def loss_batchmean(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = F.kl_div(predictions, targets, reduction="batchmean")
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The soft term is divided by the rows, so it grows with their length. Divide by the number of tokens that count.",
    read="The quick test",
)
def loss_divided_by_rows(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    counted = (labels != IGNORE)[..., None]
    soft = (F.kl_div(predictions, targets, reduction="none") * counted).sum() / len(labels)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The soft term is also averaged over the vocabulary, V times too small: this is reduction='mean'. Use a sum.",
    read=MEANS,
)
def loss_mean_over_vocabulary(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE) / student_logits.shape[-1]
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The soft term counts every token. Make its mask from the labels: -100 does not count here either.",
    read=WHOLE,
)
def loss_padding_in_soft_term(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, torch.ones_like(labels, dtype=torch.bool))
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The hard term treats -100 as token 0 and counts it. Call your hard_loss with the unchanged labels.",
    read=HARD,
)
def loss_padding_in_hard_term(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels.clamp(min=0))


@misconception(
    "distillation_loss",
    "Both terms count the tokens whose label is -100. Leave them out of both.",
    read=MEANS,
)
def loss_padding_in_both_terms(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, torch.ones_like(labels, dtype=torch.bool))
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels.clamp(min=0))


@misconception(
    "distillation_loss",
    "The soft term leaves tokens out of the sum but divides by all B · S positions. Divide by the counted tokens.",
    read=MEANS,
)
def loss_mean_over_all_places(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    counted = labels != IGNORE
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = (F.kl_div(predictions, targets, reduction="none").sum(dim=-1) * counted).mean()
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "You shift the labels by one, but they are already aligned. Compare logits and labels at the same position.",
    read=SHAPES,
)
def loss_shifted_again(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    student_logits, teacher_logits, labels = student_logits[:, :-1], teacher_logits[:, :-1], labels[:, 1:]
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "α and 1 − α are swapped: α weights the soft term, 1 − α the hard term.",
    read=WHOLE,
)
def loss_alpha_swapped(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return (1 - alpha) * temperature**2 * soft + alpha * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The hard term has its full weight whatever α is. Multiply it by 1 − α.",
    read=WHOLE,
)
def loss_hard_term_unweighted(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "You add the two terms without α. Multiply the soft term by α and the hard term by 1 − α.",
    read=WHOLE,
)
def loss_alpha_ignored(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return temperature**2 * soft + hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "A gradient flows back to the teacher. Detach the teacher's logits.",
    read=TARGETS,
)
def loss_trains_teacher(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets = (widen(teacher_logits) / temperature).softmax(dim=-1)
    predictions = soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "The student's side of the soft term is detached, so only the hard labels teach. Detach only the teacher.",
    read="Exercise 2 · The student's log-probabilities",
)
def loss_student_detached(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets = soft_targets(teacher_logits, temperature)
    predictions = soft_log_predictions(student_logits.detach(), temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "Your default temperature is not 3.0. Restore the signature.",
    read=WHOLE,
)
def loss_default_temperature_two(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5):
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


@misconception(
    "distillation_loss",
    "When nothing counts, you divide 0 by 0 and get NaN. Divide by at least 1.",
    read=MEANS,
)
def loss_nan_of_nothing(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    counted = labels != IGNORE
    targets, predictions = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = F.kl_div(predictions[counted], targets[counted], reduction="none").sum(dim=-1).mean()
    hard = F.cross_entropy(widen(student_logits).flatten(0, 1), labels.flatten())
    return alpha * temperature**2 * soft + (1 - alpha) * hard


@misconception(
    "distillation_loss",
    "You divide in bfloat16, where digits are lost. Convert the logits to float32 before you divide.",
    read=TARGETS,
)
def loss_in_bfloat16(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    targets = (teacher_logits.detach() / temperature).softmax(dim=-1)
    predictions = (student_logits / temperature).log_softmax(dim=-1)
    soft = kl_divergence(targets, predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)


# ---------------------------------------------------------------------------------------------- DistillationLoss


@misconception(
    "DistillationLoss",
    "forward always uses a temperature of 3. Use self.temperature.",
    read=MODULE,
)
class TemperatureFixed(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels, 3.0, self.alpha)


@misconception(
    "DistillationLoss",
    "forward always uses α = 0.5. Pass self.alpha.",
    read=MODULE,
)
class AlphaFixed(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels, self.temperature)


@misconception(
    "DistillationLoss",
    "forward calls the loss without T and α, so it uses the defaults. Pass both attributes.",
    read=MODULE,
)
class AttributesUnused(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels)


@misconception(
    "DistillationLoss",
    "You compute T² in the constructor, so it goes stale when the temperature changes. Compute it in forward.",
    read=MODULE,
)
class SquareFrozen(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha, self.square = temperature, alpha, temperature**2

    def forward(self, student_logits, teacher_logits, labels):
        soft = distillation_loss(student_logits, teacher_logits, labels, self.temperature, 1.0) / self.temperature**2
        return self.alpha * self.square * soft + (1 - self.alpha) * hard_loss(student_logits, labels)


@misconception(
    "DistillationLoss",
    "You compute 1 − α in the constructor, so it goes stale when α changes. Compute it in forward.",
    read=MODULE,
)
class HardWeightFrozen(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha, self.hard_weight = temperature, alpha, 1 - alpha

    def forward(self, student_logits, teacher_logits, labels):
        soft = distillation_loss(student_logits, teacher_logits, labels, self.temperature, 1.0)
        return self.alpha * soft + self.hard_weight * hard_loss(student_logits, labels)


@misconception(
    "DistillationLoss",
    "Changing temperature or alpha has no effect. Store them under these names and read them in forward.",
    read=MODULE,
)
class OtherNames(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.T, self.a = temperature, alpha

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels, self.T, self.a)


@misconception(
    "DistillationLoss",
    "You pass α as the temperature and the temperature as α. Check the order, or pass them by name.",
    read=MODULE,
)
class TemperatureAndAlphaSwapped(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels, self.alpha, self.temperature)


@misconception(
    "DistillationLoss",
    "You pass teacher and student in the wrong order, so the teacher's logits are trained. The student comes first.",
    read=MODULE,
)
class TeacherFirst(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(teacher_logits, student_logits, labels, self.temperature, self.alpha)


@misconception(
    "DistillationLoss",
    "Your default temperature is not 3.0. Restore the constructor's signature.",
    read=MODULE,
)
class DefaultTemperatureTwo(nn.Module):
    def __init__(self, temperature=2.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels, self.temperature, self.alpha)


@misconception(
    "DistillationLoss",
    "T² is missing from the soft term. Call your distillation_loss, or multiply by T² in forward.",
    read=SQUARE,
)
class WithoutTSquared(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student_logits, teacher_logits, labels):
        soft = distillation_loss(student_logits, teacher_logits, labels, self.temperature, 1.0) / self.temperature**2
        return self.alpha * soft + (1 - self.alpha) * hard_loss(student_logits, labels)


@misconception(
    "DistillationLoss",
    "α and 1 − α are swapped: α weights the soft term, 1 − α the hard term.",
    read=TERMS,
)
class AlphaSwapped(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels, self.temperature, 1 - self.alpha)


@misconception(
    "DistillationLoss",
    "nn.KLDivLoss(reduction='batchmean') divides by the rows and ignores the mask. Call your distillation_loss.",
    read="The quick test",
)
class Batchmean(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha
        self.divergence = nn.KLDivLoss(reduction="batchmean")

    def forward(self, student_logits, teacher_logits, labels):
        predictions = (widen(student_logits) / self.temperature).log_softmax(dim=-1)
        targets = (widen(teacher_logits.detach()) / self.temperature).softmax(dim=-1)
        soft = self.temperature**2 * self.divergence(predictions, targets)
        return self.alpha * soft + (1 - self.alpha) * hard_loss(student_logits, labels)


# ----------------------------------------------------------------------------------------------------------- quizzes

QUIZZES = {
    "ruled_out": {
        "A": "Forward KL averages over the teacher's tokens, so this one contributes 0.2 · (log 0.2 − log 0), which "
        "is infinite. Reverse KL averages over the student's tokens, and this one has weight 0 there.",
        "B": "Reverse KL averages over the student's tokens. This one has weight 0, and 0 · log 0 counts as 0. "
        "Reverse KL becomes infinite where the student gives probability to a token to which the teacher gives "
        "none.",
        "C": "Look at the weights: forward KL weights this token with the teacher's 0.2, reverse KL with the "
        "student's 0.",
        "D": "0 · log 0 is 0, but the term of forward KL is 0.2 · log(0.2 / 0): its weight is not 0.",
    },
    "batchmean_alpha": {
        "A": "The reduction changes only the soft term, so the balance changes with it.",
        "B": "The other way round: batchmean divides by B instead of B · S, so the soft term becomes larger.",
        "C": "The sum over 128 tokens is divided by B alone. The factor is S itself, not its root.",
        "D": "The weights of soft and hard are 0.5 · 128 and 0.5. As shares of 1 they are 128/129 and 1/129: the hard "
        "term has almost no weight left.",
    },
    "t_squared_and_adam": {
        "A": "That would be so with plain gradient descent at the same learning rate. Adam divides the gradient by "
        "its own size, so a constant factor cancels.",
        "B": "With α = 1 there is no hard term that could take over.",
        "C": "With α = 1 the missing T² is a constant factor on the whole loss, and Adam divides constant factors "
        "out. With a hard term it would matter: then T² decides which of the two terms dominates.",
        "D": "Without T² the gradient is smaller, not larger, and Adam hides even that.",
    },
}
