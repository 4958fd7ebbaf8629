"""Lab 04's misconceptions: wrong answers that people really write, each with what to tell them.

Each stands for one mistake and is otherwise right; none validates its input. Its source can stand in a student's
notebook: it uses nothing but the names of the lab's setup cell and of earlier exercises, which are made right below.
Students never see this file.
"""

import math

import torch
import torch.nn.functional as F

from helpers.grader.course.cases import misconception
from helpers.labels import make_labels, next_token_pairs

EXPECTS, NUMBER, HUNT = "What a model expects", "One number for a text", "The bug hunt"
GAP, NLL, WHOLE, SHARE = (
    "The share of a gap",
    "Exercise 1: token_nll",
    "Exercise 2: perplexity",
    "Exercise 3: gap_closed",
)


# What the lab's setup cell gives, and the earlier exercises, right but for validation.

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
    "token_nll", "You return the mean. Due is the total: means of batches cannot be put together later.", read=EXPECTS
)
def nll_mean_returned(model, batch):
    total, count = token_nll(model, batch)
    return total / max(count, 1), count


@misconception(
    "token_nll",
    "You count the tokens of the text. The first token of each row is predicted by nothing, so it does not count.",
    read=EXPECTS,
)
def nll_counts_all_tokens(model, batch):
    total, _ = token_nll(model, batch)
    return total, batch["attention_mask"].sum().item()


@misconception(
    "token_nll",
    "You multiply the mean by the number of text tokens, but it was divided by the number of predictions.",
    read=HUNT,
)
def nll_mean_times_tokens(model, batch):
    total, count = token_nll(model, batch)
    tokens = batch["attention_mask"].sum().item()
    return total / max(count, 1) * tokens, tokens


@misconception(
    "token_nll",
    "Nothing is shifted: you ask how well the model scores the token that it has just read.",
    read=EXPECTS,
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
    "You shift twice. The model's own loss shifts by itself: hand it labels that are not shifted.",
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


@misconception("token_nll", "Padding is scored too. Give it the label -100: make_labels does.", read=EXPECTS)
def nll_padding_scored(model, batch):
    model.eval()
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logits, labels = next_token_pairs(logits, batch["input_ids"])
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), reduction="sum")
    return total.item(), labels.numel()


@misconception(
    "token_nll",
    "You recognise padding by its token, so the real ends of the texts are not scored. Use the attention mask.",
    read=EXPECTS,
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
    "You measure in train mode, where dropout makes the model worse at random. Put it in eval mode yourself.",
    read=EXPECTS,
)
def nll_in_train_mode(model, batch):
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logits, labels = next_token_pairs(logits, make_labels(batch["input_ids"], batch["attention_mask"]))
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total.item(), (labels != IGNORE).sum().item()


@misconception("token_nll", "Your unit is the bit. These labs use nats: the natural logarithm.", read=EXPECTS)
def nll_in_bits(model, batch):
    total, count = token_nll(model, batch)
    return total / math.log(2), count


@misconception("token_nll", "You return the count first. Total first, then the number of tokens.", read=NLL)
def nll_swapped(model, batch):
    total, count = token_nll(model, batch)
    return count, total


@misconception(
    "token_nll",
    "You count all places after the shift, padding among them. Count the labels that are not -100.",
    read=NLL,
)
def nll_counts_places(model, batch):
    total, _ = token_nll(model, batch)
    rows, places = batch["input_ids"].shape
    return total, rows * (places - 1)


@misconception("token_nll", "The sign is missing: a log-likelihood is negative, its negative is due.", read=EXPECTS)
def nll_sign_missing(model, batch):
    total, count = token_nll(model, batch)
    return -total, count


# ------------------------------------------------------------------------------------------------------ perplexity


@misconception(
    "perplexity",
    "You take the mean of the batches' perplexities. Add up nats and tokens over all batches first.",
    read=NUMBER,
)
def perplexity_mean_of_perplexities(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    values = [math.exp(total / count) for total, count in pairs if count]
    return sum(values) / len(values)


@misconception(
    "perplexity",
    "You take the mean of the batches' mean losses, so a small batch weighs as much as a large one.",
    read=NUMBER,
)
def perplexity_mean_of_means(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    means = [total / count for total, count in pairs if count]
    return math.exp(sum(means) / len(means))


@misconception("perplexity", "You return the mean loss. The perplexity is its exponential.", read=EXPECTS)
def perplexity_without_exp(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    return sum(total for total, _ in pairs) / sum(count for _, count in pairs)


@misconception("perplexity", "Your base is 2. Nats go with e: math.exp.", read=WHOLE)
def perplexity_base_two(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    return 2 ** (sum(total for total, _ in pairs) / sum(count for _, count in pairs))


@misconception("perplexity", "You return inside the loop, so only the first batch is measured.", read=WHOLE)
def perplexity_first_batch_only(model, batches):
    for batch in batches:
        total, count = token_nll(model, batch)
        return math.exp(total / count)


@misconception("perplexity", "You keep only the last batch: the totals are overwritten, not added up.", read=WHOLE)
def perplexity_last_batch_only(model, batches):
    for batch in batches:
        total, count = token_nll(model, batch)
    return math.exp(total / count)


@misconception(
    "perplexity",
    "You divide by all tokens of the text, which are more than the predictions: one more in every row.",
    read=EXPECTS,
)
def perplexity_divides_by_all_tokens(model, batches):
    total = sum(token_nll(model, batch)[0] for batch in batches)
    return math.exp(total / sum(batch["attention_mask"].sum().item() for batch in batches))


@misconception(
    "perplexity",
    "You weigh each batch's mean by its number of rows. Rows differ in length: weigh by predicted tokens.",
    read=NUMBER,
)
def perplexity_weighed_by_rows(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    rows = [len(batch["input_ids"]) for batch in batches]
    means = [total / max(count, 1) * weight for (total, count), weight in zip(pairs, rows, strict=True)]
    return math.exp(sum(means) / sum(rows))


@misconception(
    "perplexity",
    "This is the textbook's way: padding is scored, and the mean is multiplied by a number that it was not divided by.",
    read=HUNT,
)
def perplexity_the_textbooks_way(model, batches):
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
    "perplexity", "The exponent is negative: total NLL is positive already, so no minus is due.", read=EXPECTS
)
def perplexity_sign_wrong(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    return math.exp(-sum(total for total, _ in pairs) / sum(count for _, count in pairs))


# ------------------------------------------------------------------------------------------------------ gap_closed


@misconception(
    "gap_closed", "You compare perplexities as they are. Gains are counted in nats: take logarithms first.", read=GAP
)
def gap_without_logarithms(teacher, before, after):
    return (before - after) / (before - teacher)


@misconception("gap_closed", "You return the share that is left, not the share that was closed.", read=GAP)
def gap_left_over(teacher, before, after):
    return (math.log(after) - math.log(teacher)) / (math.log(before) - math.log(teacher))


@misconception("gap_closed", "Your fraction stands on its head: the way gone goes above the line.", read=GAP)
def gap_upside_down(teacher, before, after):
    return (math.log(before) - math.log(teacher)) / (math.log(before) - math.log(after))


@misconception("gap_closed", "You return percent. Due is a share: 1 at the teacher.", read=SHARE)
def gap_in_percent(teacher, before, after):
    return 100 * (math.log(before) - math.log(after)) / (math.log(before) - math.log(teacher))


@misconception(
    "gap_closed",
    "You leave the teacher out: that is the student's gain compared with itself, not a share of the gap.",
    read=GAP,
)
def gap_relative_gain(teacher, before, after):
    return (before - after) / before


@misconception("gap_closed", "The sign is wrong: a student that gets better must give a positive share.", read=SHARE)
def gap_sign_wrong(teacher, before, after):
    return (math.log(after) - math.log(before)) / (math.log(before) - math.log(teacher))


@misconception(
    "gap_closed",
    "You cut the share off at 0 and 1. A student may get worse, or beat its teacher: let the number say so.",
    read=GAP,
)
def gap_cut_off(teacher, before, after):
    share = (math.log(before) - math.log(after)) / (math.log(before) - math.log(teacher))
    return min(1.0, max(0.0, share))


@misconception(
    "gap_closed",
    "You take the logarithm of the differences. Take the difference of the logarithms.",
    read=GAP,
)
def gap_logarithm_of_differences(teacher, before, after):
    return math.log(1 + abs(before - after)) / math.log(1 + abs(before - teacher))


@misconception(
    "gap_closed",
    "You measure the gap from the student after training. The gap that was there is between before and teacher.",
    read=GAP,
)
def gap_from_after(teacher, before, after):
    return (math.log(before) - math.log(after)) / max(1e-9, abs(math.log(after) - math.log(teacher)))
