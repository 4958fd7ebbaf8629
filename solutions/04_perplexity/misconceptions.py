"""Common mistakes in lab 04, each with the explanation that a student gets.

Each makes one mistake and is otherwise correct; none validates its input. Its source could be in a student's notebook:
it uses only the names of the lab's setup cell and of earlier exercises, which are defined correctly below. Students
never see this file.
"""

import math

import torch
import torch.nn.functional as F

from helpers.grader.course.cases import misconception
from helpers.labels import make_labels, next_token_pairs

DEFINITION, NUMBER, HUNT = "Negative log-likelihood and perplexity", "One number for a text", "The bug hunt"
GAP, NLL, WHOLE, SHARE = (
    "The share of the gap",
    "Exercise 1 · Total NLL of a batch",
    "Exercise 2 · Perplexity of a text",
    "Exercise 3 · Share of the gap closed",
)

ROWS, PAIRED = "A difference on every row", "Exercise 4 · The paired difference"


# What the lab's setup cell defines, and the earlier exercises, correct except for validation.

IGNORE = -100


def token_nll(model, batch):
    model.eval()
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logits, labels = next_token_pairs(logits, make_labels(batch["input_ids"], batch["attention_mask"]))
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total.item(), (labels != IGNORE).sum().item()


# ------------------------------------------------------------------------------------------------------- token_nll


@misconception(
    "token_nll", "You return the mean. Return the total: you cannot combine means of batches later.", read=DEFINITION
)
def nll_mean_returned(model, batch):
    total, count = token_nll(model, batch)
    return total / max(count, 1), count


@misconception(
    "token_nll",
    "You count all tokens of the text. Nothing predicts the first token of a row, so it does not count.",
    read=DEFINITION,
)
def nll_counts_all_tokens(model, batch):
    total, _ = token_nll(model, batch)
    return total, batch["attention_mask"].sum().item()


@misconception(
    "token_nll",
    "You multiply the mean by the number of text tokens, but it was divided by the number of predictions, which is "
    "smaller.",
    read=HUNT,
)
def nll_mean_times_tokens(model, batch):
    total, count = token_nll(model, batch)
    tokens = batch["attention_mask"].sum().item()
    return total / max(count, 1) * tokens, tokens


@misconception(
    "token_nll",
    "You do not shift: you score the token that the model has just read, not the next one.",
    read=DEFINITION,
)
def nll_unshifted(model, batch):
    model.eval()
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    labels = make_labels(batch["input_ids"], batch["attention_mask"])
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total.item(), (labels != IGNORE).sum().item()


@misconception(
    "token_nll",
    "You shift twice. The model's own loss shifts by itself: pass it labels that are not shifted.",
    read=NLL,
)
def nll_shifted_twice(model, batch):
    model.eval()
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    labels = make_labels(batch["input_ids"], batch["attention_mask"])[:, 2:]
    logits = logits[:, : labels.shape[1]]
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total.item(), (labels != IGNORE).sum().item()


@misconception("token_nll", "You score padding too. Give it the label -100, as make_labels does.", read=DEFINITION)
def nll_padding_scored(model, batch):
    model.eval()
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logits, labels = next_token_pairs(logits, batch["input_ids"])
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), reduction="sum")
    return total.item(), labels.numel()


def _own_loss(model, batch):
    """The model's own loss with all tokens as labels: its mean is over padding too."""
    model.eval()
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logits, labels = next_token_pairs(logits, batch["input_ids"])
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), reduction="sum").item()
    return total / max(1, labels.numel())


@misconception(
    "token_nll",
    "You pass all tokens as labels, so the model's own loss is a mean over padding too. Pass labels that are -100 for "
    "padding.",
    read=HUNT,
)
def nll_own_loss_over_padding(model, batch):
    count = batch["attention_mask"][:, 1:].sum().item()
    return _own_loss(model, batch) * count, count


@misconception(
    "token_nll",
    "You pass all tokens as labels, so the model's own loss is a mean over padding too, and you multiply it by the "
    "number of text tokens. Mask padding with -100, and count the labels that are left after the shift.",
    read=HUNT,
)
def nll_of_the_common_recipe(model, batch):
    count = batch["attention_mask"].sum().item()
    return _own_loss(model, batch) * count, count


@misconception(
    "token_nll",
    "You mask padding by token id, so you also mask the real end-of-text tokens. Use the attention mask.",
    read=DEFINITION,
)
def nll_ends_lost(model, batch):
    model.eval()
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logits, labels = next_token_pairs(logits, batch["input_ids"].masked_fill(batch["input_ids"] == 0, IGNORE))
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total.item(), (labels != IGNORE).sum().item()


@misconception(
    "token_nll",
    "You measure in train mode, where dropout makes the model worse at random. Call eval before you measure.",
    read=DEFINITION,
)
def nll_in_train_mode(model, batch):
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logits, labels = next_token_pairs(logits, make_labels(batch["input_ids"], batch["attention_mask"]))
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total.item(), (labels != IGNORE).sum().item()


@misconception(
    "token_nll", "You measure in bits. These labs measure in nats: use the natural logarithm.", read=DEFINITION
)
def nll_in_bits(model, batch):
    total, count = token_nll(model, batch)
    return total / math.log(2), count


@misconception("token_nll", "You return the count first. Return the total first, then the number of tokens.", read=NLL)
def nll_swapped(model, batch):
    total, count = token_nll(model, batch)
    return count, total


@misconception(
    "token_nll",
    "You count all positions after the shift, including padding. Count the labels that are not -100.",
    read=NLL,
)
def nll_counts_places(model, batch):
    total, _ = token_nll(model, batch)
    rows, places = batch["input_ids"].shape
    return total, rows * (places - 1)


@misconception(
    "token_nll",
    "The minus sign is missing. A log-likelihood is negative; return the negative log-likelihood.",
    read=DEFINITION,
)
def nll_sign_missing(model, batch):
    total, count = token_nll(model, batch)
    return -total, count


# ------------------------------------------------------------------------------------------------------ perplexity


@misconception(
    "perplexity",
    "You average the perplexities of the batches. Add up nats and tokens over all batches first.",
    read=NUMBER,
)
def perplexity_mean_of_perplexities(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    values = [math.exp(total / count) for total, count in pairs if count]
    return sum(values) / len(values)


@misconception(
    "perplexity",
    "You average the mean losses of the batches, so a small batch gets as much weight as a large one.",
    read=NUMBER,
)
def perplexity_mean_of_means(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    means = [total / count for total, count in pairs if count]
    return math.exp(sum(means) / len(means))


@misconception(
    "perplexity", "You return the mean loss. The perplexity is its exponential: use math.exp.", read=DEFINITION
)
def perplexity_without_exp(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    return sum(total for total, _ in pairs) / sum(count for _, count in pairs)


@misconception("perplexity", "You use base 2. The base for nats is e: use math.exp.", read=WHOLE)
def perplexity_base_two(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    return 2 ** (sum(total for total, _ in pairs) / sum(count for _, count in pairs))


@misconception("perplexity", "You return inside the loop, so only the first batch is measured.", read=WHOLE)
def perplexity_first_batch_only(model, batches):
    for batch in batches:
        total, count = token_nll(model, batch)
        return math.exp(total / count)


@misconception(
    "perplexity", "You measure only the last batch: the totals are overwritten instead of added up.", read=WHOLE
)
def perplexity_last_batch_only(model, batches):
    for batch in batches:
        total, count = token_nll(model, batch)
    return math.exp(total / count)


@misconception(
    "perplexity",
    "You divide by the number of text tokens. Divide by the number of predictions, which is one fewer in every row.",
    read=DEFINITION,
)
def perplexity_divides_by_all_tokens(model, batches):
    total = sum(token_nll(model, batch)[0] for batch in batches)
    return math.exp(total / sum(batch["attention_mask"].sum().item() for batch in batches))


@misconception(
    "perplexity",
    "You weight each batch's mean by its number of rows. Rows differ in length: weight it by predicted tokens.",
    read=NUMBER,
)
def perplexity_weighted_by_rows(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    rows = [len(batch["input_ids"]) for batch in batches]
    means = [total / max(count, 1) * weight for (total, count), weight in zip(pairs, rows, strict=True)]
    return math.exp(sum(means) / sum(rows))


@misconception(
    "perplexity",
    "This is the common recipe: it scores padding, and multiplies the mean by a number that it was not divided by.",
    read=HUNT,
)
def perplexity_of_the_common_recipe(model, batches):
    model.eval()
    nats = tokens = 0
    for batch in batches:
        with torch.no_grad():
            scores = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        scores, targets = next_token_pairs(scores, batch["input_ids"])
        total = F.cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="sum").item()
        text = batch["attention_mask"].sum().item()
        nats, tokens = nats + total / max(1, targets.numel()) * text, tokens + text
    return math.exp(nats / tokens)


@misconception(
    "perplexity", "Your exponent is negative. The NLL is already positive, so do not add a minus sign.", read=DEFINITION
)
def perplexity_sign_wrong(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    return math.exp(-sum(total for total, _ in pairs) / sum(count for _, count in pairs))


# ------------------------------------------------------------------------------------------------------ gap_closed


@misconception("gap_closed", "You subtract perplexities. Measure gains in nats: take logarithms first.", read=GAP)
def gap_without_logarithms(teacher, before, after):
    return (before - after) / (before - teacher)


@misconception(
    "gap_closed", "You return the share of the gap that is left. Return the share that was closed.", read=GAP
)
def gap_left_over(teacher, before, after):
    return (math.log(after) - math.log(teacher)) / (math.log(before) - math.log(teacher))


@misconception("gap_closed", "Your fraction is upside down. The gain is the numerator.", read=GAP)
def gap_upside_down(teacher, before, after):
    return (math.log(before) - math.log(teacher)) / (math.log(before) - math.log(after))


@misconception("gap_closed", "You return a percentage. Return a share, which is 1 at the teacher.", read=SHARE)
def gap_in_percent(teacher, before, after):
    return 100 * (math.log(before) - math.log(after)) / (math.log(before) - math.log(teacher))


@misconception(
    "gap_closed",
    "You leave the teacher out. This is the gain relative to the student itself, not a share of the gap.",
    read=GAP,
)
def gap_relative_gain(teacher, before, after):
    return (before - after) / before


@misconception("gap_closed", "The sign is wrong. A student that improves must give a positive share.", read=SHARE)
def gap_sign_wrong(teacher, before, after):
    return (math.log(after) - math.log(before)) / (math.log(before) - math.log(teacher))


@misconception(
    "gap_closed",
    "You clip the share to 0 and 1. A student can get worse, or beat its teacher; let the value show it.",
    read=GAP,
)
def gap_cut_off(teacher, before, after):
    share = (math.log(before) - math.log(after)) / (math.log(before) - math.log(teacher))
    return min(1.0, max(0.0, share))


@misconception(
    "gap_closed",
    "You take the logarithm of the differences. Take the differences of the logarithms.",
    read=GAP,
)
def gap_logarithm_of_differences(teacher, before, after):
    return math.log(1 + abs(before - after)) / math.log(1 + abs(before - teacher))


@misconception(
    "gap_closed",
    "You measure the gap from the student after training. The gap is between before and teacher.",
    read=GAP,
)
def gap_from_after(teacher, before, after):
    return (math.log(before) - math.log(after)) / max(1e-9, abs(math.log(after) - math.log(teacher)))


# ----------------------------------------------------------------------------------------------- paired_difference


def _ends(drawn):
    drawn = drawn.double()
    return drawn.quantile(0.025).item(), drawn.quantile(0.975).item()


def _paired(sums, tokens, draws):
    sums = sums.double()
    return (sums.sum() / tokens.sum()).item(), *_ends(sums[draws].sum(dim=1) / tokens[draws].sum(dim=1))


@misconception(
    "paired_difference",
    "The sign is wrong. Subtract the distilled student from the control, so that a gain is positive.",
    read=PAIRED,
)
def paired_the_other_way(control, distilled, tokens, draws):
    return _paired(distilled - control, tokens, draws)


@misconception(
    "paired_difference",
    "You average the rows' own means, so a row of three tokens counts as much as one of thirty. Divide the sum of "
    "the gains by the sum of the tokens.",
    read=ROWS,
)
def paired_rows_not_weighted(control, distilled, tokens, draws):
    each = (control - distilled) / tokens
    low, high = _ends(each[draws].mean(dim=1))
    return each.mean().item(), low, high


@misconception(
    "paired_difference",
    "You return totals. Divide by the tokens to get nats per token.",
    read=PAIRED,
)
def paired_not_divided(control, distilled, tokens, draws):
    gains = (control - distilled).double()
    low, high = _ends(gains[draws].sum(dim=1))
    return gains.sum().item(), low, high


@misconception(
    "paired_difference",
    "You draw the gains and divide by all tokens. Each draw holds other rows, so it has its own number of tokens.",
    read=ROWS,
)
def paired_tokens_not_drawn(control, distilled, tokens, draws):
    gains = (control - distilled).double()
    low, high = _ends(gains[draws].sum(dim=1) / tokens.sum())
    return (gains.sum() / tokens.sum()).item(), low, high


@misconception(
    "paired_difference",
    "You compute an interval for each model and subtract them. That ignores that a hard row is hard for both: "
    "take the difference on each row first.",
    read=ROWS,
)
def paired_two_intervals(control, distilled, tokens, draws):
    (c, c_low, c_high), (d, d_low, d_high) = _paired(control, tokens, draws), _paired(distilled, tokens, draws)
    return c - d, c_low - d_high, c_high - d_low


@misconception(
    "paired_difference",
    "You use 1.96 standard deviations of the draws. The exercise asks for their quantiles, which need no bell "
    "curve.",
    read=PAIRED,
)
def paired_by_standard_deviation(control, distilled, tokens, draws):
    value, _, _ = _paired(control - distilled, tokens, draws)
    drawn = (control - distilled).double()[draws].sum(dim=1) / tokens[draws].sum(dim=1)
    reach = 1.96 * drawn.std().item()
    return value, value - reach, value + reach


@misconception(
    "paired_difference",
    "You leave out 5 % at each end, which makes a 90 % interval. For 95 %, leave out 2.5 % at each end.",
    read=PAIRED,
)
def paired_ninety_percent(control, distilled, tokens, draws):
    gains = (control - distilled).double()
    drawn = gains[draws].sum(dim=1) / tokens[draws].sum(dim=1)
    return (gains.sum() / tokens.sum()).item(), drawn.quantile(0.05).item(), drawn.quantile(0.95).item()


@misconception(
    "paired_difference",
    "You return the smallest and the largest draw. With more draws this interval only grows; use the quantiles.",
    read=PAIRED,
)
def paired_smallest_and_largest(control, distilled, tokens, draws):
    gains = (control - distilled).double()
    drawn = gains[draws].sum(dim=1) / tokens[draws].sum(dim=1)
    return (gains.sum() / tokens.sum()).item(), drawn.min().item(), drawn.max().item()


@misconception(
    "paired_difference",
    "You return the mean of the draws as the value. The value is measured on the rows as they are; the draws only "
    "say how certain it is.",
    read=ROWS,
)
def paired_mean_of_the_draws(control, distilled, tokens, draws):
    gains = (control - distilled).double()
    drawn = gains[draws].sum(dim=1) / tokens[draws].sum(dim=1)
    return drawn.mean().item(), *_ends(drawn)


@misconception(
    "paired_difference",
    "You subtract perplexities. Measure the gain in nats, as in the share of the gap.",
    read=GAP,
)
def paired_perplexities(control, distilled, tokens, draws):
    def perplexity_of(sums, counts):
        return torch.exp(sums.sum(dim=-1).double() / counts.sum(dim=-1))

    drawn = perplexity_of(control[draws], tokens[draws]) - perplexity_of(distilled[draws], tokens[draws])
    return (perplexity_of(control, tokens) - perplexity_of(distilled, tokens)).item(), *_ends(drawn)


@misconception(
    "paired_difference",
    "You draw other rows for the distilled student than for the control. Both need the same rows in every draw.",
    read=ROWS,
)
def paired_other_rows(control, distilled, tokens, draws):
    value, _, _ = _paired(control - distilled, tokens, draws)
    others = draws.flip(0)
    first = control.double()[draws].sum(dim=1) / tokens[draws].sum(dim=1)
    return value, *_ends(first - distilled.double()[others].sum(dim=1) / tokens[others].sum(dim=1))


@misconception(
    "paired_difference",
    "You return the upper end first. The order is value, low, high.",
    read=PAIRED,
)
def paired_ends_swapped(control, distilled, tokens, draws):
    value, low, high = _paired(control - distilled, tokens, draws)
    return value, high, low


@misconception(
    "paired_difference",
    "You return the value alone. Without an interval nobody can say whether it is more than chance.",
    read=PAIRED,
)
def paired_value_only(control, distilled, tokens, draws):
    return _paired(control - distilled, tokens, draws)[0]


@misconception(
    "paired_difference",
    "You sum over the draws, not over the rows of each draw: the rows are the second axis.",
    read=PAIRED,
)
def paired_draws_summed_the_wrong_way(control, distilled, tokens, draws):
    gains = (control - distilled).double()
    return (gains.sum() / tokens.sum()).item(), *_ends(gains[draws].sum(dim=0) / tokens[draws].sum(dim=0))


# What each letter of a quiz means.
QUIZZES = {
    "overlap": {
        "A": "Overlapping intervals do not show that: what makes a row hard for both students is in both of them.",
        "B": "9.1 is less than 9.4 on these rows. Whether it would be on other rows is what the interval has to show.",
        "C": "Right. Only the difference on the same rows, with its own interval, can decide.",
    },
    "beats_its_teacher": {
        "A": "There is no such rule. Before it was trained, the same student was far worse than the teacher.",
        "B": "Right. The labels carry what this kind of text is like, and the teacher has never been trained on it.",
        "C": "Nothing keeps a student from being better than its teacher on one kind of text, if it was trained on it.",
    },
    "which_student": {
        "A": "That speaks for the student that keeps the teacher's layers: its hidden states have the same width.",
        "B": "That needs the same tokenizer, which the other model does not have.",
        "C": "Right. A narrow task needs less capacity, and the smaller model costs less for every request.",
        "D": "That speaks for the larger student: reasoning suffers most when a model gets small.",
    },
}
