"""Common mistakes in lab 01, each with the explanation that a student gets.

Each is complete: its source, under the exercise's name, could be in a student's notebook.
"""

import math

import torch

from helpers.grader.course.cases import misconception

FROM_LOGITS = "From logits to probabilities"
SPREAD = "Entropy: how spread out a distribution is"
OUTSIDE = "Probability outside the top token"


# ------------------------------------------------------------------------------------------ softmax_with_temperature


@misconception(
    "softmax_with_temperature",
    "You multiply by the temperature, so a higher one sharpens the distribution. Divide the logits by it.",
    read=FROM_LOGITS,
)
def temperature_multiplied(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.softmax(wide * temperature, dim=-1)


@misconception(
    "softmax_with_temperature",
    "You divide the probabilities by the temperature, so they sum to 1/T. Divide the logits, before the softmax.",
    read=FROM_LOGITS,
)
def probabilities_divided(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.softmax(wide, dim=-1) / temperature


@misconception(
    "softmax_with_temperature",
    "The temperature has no effect: this is the softmax at T = 1. If you divide probabilities and then normalise them, "
    "T cancels. Divide the logits instead.",
    read=FROM_LOGITS,
)
def temperature_ignored(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.softmax(wide, dim=-1)


@misconception(
    "softmax_with_temperature",
    "You divide by the square of the temperature. T² belongs in the loss (lab 02); divide the logits by T.",
    read=FROM_LOGITS,
)
def temperature_squared(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.softmax(wide / temperature**2, dim=-1)


@misconception(
    "softmax_with_temperature",
    "You raise the probabilities to the power T. A temperature corresponds to the power 1/T, followed by "
    "normalisation; dividing the logits is simpler.",
    read=FROM_LOGITS,
)
def probabilities_to_the_power(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.softmax(wide, dim=-1) ** temperature


@misconception(
    "softmax_with_temperature",
    "Your softmax runs over the first dimension. The vocabulary is the last dimension: use dim=-1.",
    read="Exercise 1 · Softmax with a temperature",
)
def first_dimension(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.softmax(wide / temperature, dim=0)


@misconception(
    "softmax_with_temperature",
    "Your softmax runs over dimension 1, which is the vocabulary only for 2-D input. Use dim=-1, the last dimension.",
    read="Exercise 1 · Softmax with a temperature",
)
def dimension_one(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.softmax(wide / temperature, dim=min(1, wide.dim() - 1))


@misconception(
    "softmax_with_temperature",
    "All entries of the tensor together sum to 1. Each row must sum to 1: sum over dim=-1 and keep the dimension.",
    read="Exercise 1 · Softmax with a temperature",
)
def one_sum_for_all(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    weights = torch.exp(wide / temperature - (wide / temperature).max())
    return weights / weights.sum()


@misconception(
    "softmax_with_temperature",
    "exp overflows on large logits, and inf / inf is NaN. Subtract each row's largest value before you take exp.",
    read=FROM_LOGITS,
)
def overflowing(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    weights = torch.exp(wide / temperature)
    return weights / weights.sum(dim=-1, keepdim=True)


@misconception(
    "softmax_with_temperature",
    "You subtract the largest value of the whole tensor. A row far below it becomes 0 / 0, which is NaN. Subtract each "
    "row's own largest value.",
    read=FROM_LOGITS,
)
def largest_of_all_subtracted(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    weights = torch.exp((wide - wide.max()) / temperature)
    return weights / weights.sum(dim=-1, keepdim=True)


@misconception(
    "softmax_with_temperature",
    "You return exp(z / T) without dividing by the sum. Probabilities sum to 1 over the last dimension.",
    read=FROM_LOGITS,
)
def not_normalised(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.exp((wide - wide.amax(dim=-1, keepdim=True)) / temperature)


@misconception(
    "softmax_with_temperature",
    "You return log-probabilities. This exercise asks for the probabilities themselves.",
    read="Exercise 1 · Softmax with a temperature",
)
def log_probabilities(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.log_softmax(wide / temperature, dim=-1)


@misconception(
    "softmax_with_temperature",
    "You divide in bfloat16, where different logits become equal. Convert to float32 before you divide, not after.",
    read=FROM_LOGITS,
)
def divided_in_bfloat16(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    return torch.softmax((logits / temperature).float(), dim=-1)


@misconception(
    "softmax_with_temperature",
    "You change the input: /= and div_ write into the caller's tensor. Create a new tensor instead.",
    read="Exercise 1 · Softmax with a temperature",
)
def divided_in_place(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    wide /= temperature
    return torch.softmax(wide, dim=-1)


# ----------------------------------------------------------------------------------------------------------- entropy


@misconception(
    "entropy",
    "Your logarithm has base 2, so the result is in bits. These labs use nats: take the natural logarithm.",
    read=SPREAD,
)
def in_bits(probs):
    return -torch.where(probs > 0, probs * torch.log2(probs.clamp_min(1e-30)), 0.0).sum(dim=-1)


@misconception(
    "entropy",
    "Your logarithm has base 10. These labs use nats: torch.log is the natural logarithm, torch.log10 is not.",
    read=SPREAD,
)
def base_ten(probs):
    return -torch.where(probs > 0, probs * torch.log10(probs.clamp_min(1e-30)), 0.0).sum(dim=-1)


@misconception(
    "entropy",
    "The minus sign is missing. Logarithms of probabilities are 0 or less, so their sum "
    "is too; an entropy is 0 or more.",
    read=SPREAD,
)
def sign_missing(probs):
    return torch.xlogy(probs, probs).sum(dim=-1)


@misconception(
    "entropy",
    "0 · log 0 gives NaN, and one NaN makes the sum NaN. Replace each 0 by a harmless number before the logarithm.",
    read=SPREAD,
)
def nan_at_zero(probs):
    return -(probs * torch.log(probs)).sum(dim=-1)


@misconception(
    "entropy",
    "You add a small number to every probability, which shifts the entropy. Replace zeros only.",
    read="Exercise 2 · Entropy",
)
def shifted_by_epsilon(probs):
    return -(probs * torch.log(probs + 1e-2)).sum(dim=-1)


@misconception(
    "entropy",
    "You add 1e-6 to every probability, so every term of the sum changes, and over a large vocabulary the changes add "
    "up. Replace zeros only.",
    read="Exercise 2 · Entropy",
)
def shifted_by_a_millionth(probs):
    return -(probs * torch.log(probs + 1e-6)).sum(dim=-1)


@misconception(
    "entropy",
    "You add 1e-7 to every probability, so every term of the sum changes, and over a large vocabulary the changes add "
    "up. Replace zeros only.",
    read="Exercise 2 · Entropy",
)
def shifted_by_a_tenth_of_that(probs):
    return -(probs * torch.log(probs + 1e-7)).sum(dim=-1)


@misconception(
    "entropy",
    "You take the mean over the vocabulary, so the result is V times too small. The probabilities already are the "
    "weights: use a sum.",
    read=SPREAD,
)
def mean_over_vocabulary(probs):
    return -torch.xlogy(probs, probs).mean(dim=-1)


@misconception(
    "entropy",
    "You sum over all distributions and return one number. Each distribution has its own entropy: sum over dim=-1.",
    read="Exercise 2 · Entropy",
)
def summed_over_all(probs):
    return -torch.xlogy(probs, probs).sum()


@misconception(
    "entropy",
    "You average over the distributions. Each distribution has its own entropy: keep the other dimensions.",
    read="Exercise 2 · Entropy",
)
def averaged_over_rows(probs):
    return -torch.xlogy(probs, probs).sum(dim=-1).mean()


@misconception(
    "entropy",
    "You sum over the first dimension. The vocabulary is the last dimension: use dim=-1.",
    read="Exercise 2 · Entropy",
)
def first_dimension_summed(probs):
    return -torch.xlogy(probs, probs).sum(dim=0)


@misconception(
    "entropy",
    "You keep the last dimension, with size 1. The result has one dimension fewer than the probabilities.",
    read="Exercise 2 · Entropy",
)
def dimension_kept(probs):
    return -torch.xlogy(probs, probs).sum(dim=-1, keepdim=True)


@misconception(
    "entropy",
    "You take the softmax of values that already are probabilities. The argument is probs, not logits.",
    read="Exercise 2 · Entropy",
)
def softmax_again(probs):
    again = torch.softmax(probs, dim=-1)
    return -(again * again.log()).sum(dim=-1)


@misconception(
    "entropy",
    "This is exp(H), the effective number of choices. The exercise asks for H itself, in nats.",
    read=SPREAD,
)
def number_of_choices(probs):
    return (-torch.xlogy(probs, probs).sum(dim=-1)).exp()


@misconception(
    "entropy",
    "You divide by log V, so that a uniform distribution gives 1. In nats, which the "
    "exercise asks for, it gives log V.",
    read=SPREAD,
)
def divided_by_the_most(probs):
    return -torch.xlogy(probs, probs).sum(dim=-1) / math.log(probs.shape[-1])


@misconception(
    "entropy",
    "This is the surprise of the most likely token only. The entropy is the expected surprise over all tokens.",
    read=SPREAD,
)
def surprise_of_the_top(probs):
    return -probs.amax(dim=-1).log()


@misconception(
    "entropy",
    "You sum the surprises without weighting them. Multiply each by its probability before you sum.",
    read=SPREAD,
)
def surprise_not_weighed(probs):
    return -torch.where(probs > 0, probs, 1.0).log().sum(dim=-1)


# ------------------------------------------------------------------------------------------------------ non_top_mass


@misconception(
    "non_top_mass",
    "You leave out the first entry. The largest entry can be anywhere.",
    read="Exercise 3 · Probability outside the top token",
)
def first_left_out(probs):
    return 1 - probs[..., 0]


@misconception(
    "non_top_mass",
    "You leave out the last entry. The largest entry can be anywhere; it comes last only after sorting.",
    read="Exercise 3 · Probability outside the top token",
)
def last_left_out(probs):
    return 1 - probs[..., -1]


@misconception(
    "non_top_mass",
    "Where several entries share the largest value, you leave out all of them. Leave out only one.",
    read=OUTSIDE,
)
def all_ties_left_out(probs):
    return (probs * (probs < probs.amax(dim=-1, keepdim=True))).sum(dim=-1)


@misconception(
    "non_top_mass",
    "This is only the second-largest probability. Everything outside the largest entry counts.",
    read=OUTSIDE,
)
def second_only(probs):
    return probs.topk(2, dim=-1).values[..., 1]


@misconception(
    "non_top_mass",
    "This is the largest probability itself. The exercise asks for the probability outside it.",
    read=OUTSIDE,
)
def largest_itself(probs):
    return probs.amax(dim=-1)


@misconception(
    "non_top_mass",
    "This is the gap between the largest and the second-largest probability. The exercise asks for everything outside "
    "the largest.",
    read=OUTSIDE,
)
def lead_over_the_second(probs):
    largest = probs.topk(2, dim=-1).values
    return largest[..., 0] - largest[..., 1]


@misconception(
    "non_top_mass",
    "You leave out the smallest entry instead of the largest.",
    read=OUTSIDE,
)
def smallest_left_out(probs):
    return 1 - probs.amin(dim=-1)


@misconception(
    "non_top_mass",
    "This is the smallest probability. The exercise asks for everything outside the largest.",
    read=OUTSIDE,
)
def smallest_itself(probs):
    return probs.amin(dim=-1)


@misconception(
    "non_top_mass",
    "You use the largest entry of the whole tensor for every distribution. Each distribution has its own: use dim=-1.",
    read="Exercise 3 · Probability outside the top token",
)
def largest_of_all(probs):
    return probs.sum(dim=-1) - probs.max()


@misconception(
    "non_top_mass",
    "You return one number for the whole tensor. Each distribution has its own: use dim=-1.",
    read="Exercise 3 · Probability outside the top token",
)
def one_number_for_all(probs):
    return 1 - probs.max()


@misconception(
    "non_top_mass",
    "You search for the largest entry along the first dimension. The vocabulary is the last dimension: use dim=-1.",
    read="Exercise 3 · Probability outside the top token",
)
def first_dimension_searched(probs):
    return 1 - probs.amax(dim=0)


@misconception(
    "non_top_mass",
    "You take the mean of the other entries. The exercise asks for their sum.",
    read=OUTSIDE,
)
def mean_of_the_others(probs):
    return (1 - probs.amax(dim=-1)) / (probs.shape[-1] - 1)


@misconception(
    "non_top_mass",
    "This is 1 minus the sum of squares, which also measures spread. The exercise leaves out only the largest entry.",
    read=OUTSIDE,
)
def squares_left_out(probs):
    return 1 - (probs**2).sum(dim=-1)


@misconception(
    "non_top_mass",
    "You subtract the index of the largest entry instead of its value: argmax gives indices, amax gives values.",
    read="Exercise 3 · Probability outside the top token",
)
def place_subtracted(probs):
    return 1 - probs.argmax(dim=-1).float()


@misconception(
    "non_top_mass",
    "You set the largest entry to 0 in the input. Work on a copy, or subtract the largest value from 1.",
    read="Exercise 3 · Probability outside the top token",
)
def top_overwritten(probs):
    probs.scatter_(-1, probs.argmax(dim=-1, keepdim=True), 0.0)
    return probs.sum(dim=-1)


# ----------------------------------------------------------------------------------------------------------- quizzes

QUIZZES = {
    "other_tokenizer": {
        "A": "You have the logits, but they score other tokens than your student's. Position by position the two "
        "distributions are over different things, so their KL divergence is not defined.",
        "B": "Text is the same in every tokenizer: the student splits the teacher's answers into its own tokens. This "
        "is one reason why practice often distils text even where the weights are at hand.",
        "C": "The hard term is fine, but the soft term still compares distributions over different tokens.",
        "D": "Only soft and combined distillation need a common tokenizer. The student can read any text.",
    },
    "temperature_repairs": {
        "A": "A high T brings the two probabilities closer together, but their ratio exp((z_i - z_j) / T) stays above "
        "1 as long as the wrong token has the larger logit. They become equal only as T grows without limit.",
        "B": "A T close to 0 does the opposite: it moves all probability to the largest logit, and that is the wrong "
        "token's.",
        "C": "Dividing all logits by the same positive number keeps their order. So a temperature never changes which "
        "token comes first; it changes how much the student sees of the second.",
        "D": "The vocabulary enters only through the denominator, which is the same for both tokens and cancels from "
        "their ratio.",
    },
    "sampled_at_two": {
        "A": "Training at T = 1 matches the student's distribution at T = 1 to the text. The text, however, was not "
        "drawn from the teacher at T = 1.",
        "B": "Cross-entropy is lowest where the student's distribution equals that of the text, and the text was "
        "drawn from the teacher at T = 2. The student writes flatter text than its teacher at T = 1, nonsense "
        "included.",
        "C": "One sample is a hard label, but a million samples show how often each token occurs.",
        "D": "Sampling draws from the teacher's distribution at T = 2. That is flatter than at T = 1, not uniform.",
    },
    "what_a_label_tells": {
        "A": "log V is what the label tells a reader who considered all V tokens equally likely. You did not.",
        "B": "The entropy of the label is 0, because nothing about it is uncertain. What it tells you is something "
        "else: your own surprise when you see it.",
        "C": "You learn -log p nats from a token to which you gave the probability p. An expected token tells you "
        "little.",
        "D": "That is what you would have learned from one particular other token with a probability of 0.01.",
    },
}
