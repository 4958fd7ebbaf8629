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
    "Exercise 1: Total NLL of a batch",
    "Exercise 2: Perplexity of a text",
    "Exercise 3: Share of the gap closed",
)


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
