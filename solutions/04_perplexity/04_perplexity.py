# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 04: Measuring honestly
#
# A loss that falls is not yet a better student, and a better student is not yet the teacher's merit. In this lab you
# write the measure, find out why the textbook's version of it gives two numbers for one model, and then ask the
# question that matters: what did the teacher add that plain training would not have given?
#
# **At the end you can**
#
# - compute a perplexity that does not depend on how the rows are put into batches;
# - find the faults of a perplexity that does;
# - say which share of the gap to the teacher a student has closed;
# - compare with a control, over several seeds, with intervals, and put the result in a sentence. It may be "nothing".
#
# **Time:** about 75 minutes.
#
# **You need:** labels and the shift (lab 03).
#
# Work from top to bottom. Under each exercise stands a check: run it as often as you like.

# %% setup=true
import math

import torch
import torch.nn.functional as F

from helpers.labels import make_labels, next_token_pairs

IGNORE = -100  # the label of a token that is not counted

# %%
import os
import random
import time

import matplotlib.pyplot as plt

from helpers.checks import check
from helpers.data.batches import encode_rows, make_batches
from helpers.bootstrap import estimate_ratio
from helpers.data.known_language import KnownLanguage
from helpers.models import load_student, load_teacher, load_tokenizer
from helpers.plots import COLORS, lines, show
from helpers.setup.preflight import preflight
from helpers.tiers import load_batches, tier_of
from helpers.training import DistillConfig, distill, freeze

# %% [markdown]
# ## Before it starts
#
# As in lab 03, `DISTILLAB_TIER` chooses the size, and a preflight says what it needs.

# %%
settings = tier_of()
preflight()

# %%
device = "cuda" if torch.cuda.is_available() and settings.name != "tiny" else "cpu"
graded = "NBGRADER_EXECUTION" in os.environ  # the grader judges functions; it only tries the rest
tokenizer = load_tokenizer()
teacher, original = freeze(load_teacher().to(device)), freeze(load_student().to(device))

# %% [markdown]
# ## What a model expects
#
# At each place a language model gives every token a probability. The *negative log-likelihood* (NLL) of a text adds up
# how surprised the model was by what really came: $-\log p$ of each token, in nats. The first token of a row is
# predicted by nothing, and padding is not text: neither counts. A row with n tokens of text has n − 1 predictions.
#
# Divide by the number of predictions and you have the mean loss. Its exponential is the *perplexity*: a model with
# perplexity 8 is as unsure, on average, as somebody who chooses among 8 equally likely tokens.
#
# **Predict first.** What is the perplexity of a model that knows nothing and guesses evenly among V tokens? And of one
# that knows every token in advance?

# %%
V = len(tokenizer)
print("an even guess: mean NLL", round(math.log(V), 3), "nats, perplexity", round(math.exp(math.log(V))))
print("knows it all:  mean NLL 0 nats, perplexity", math.exp(0))

# %% [markdown]
# Three things make a measurement go wrong without a word.
#
# - **Train mode.** Dropout makes a model worse, at random. A model may arrive straight from training: put it in eval
#   mode yourself before you measure.
# - **The count.** The predictions are one fewer than the tokens, in every row.
# - **The mean.** A mean over a batch cannot be put together with another batch's mean, unless you know how many tokens
#   stand behind each. Sums can. So return a sum and a count, and divide once, at the very end.

# %% [markdown]
# ## Exercise 1: token_nll
#
# For one batch: the total NLL and the number of predicted tokens. A batch without a single prediction gives 0 and 0.
#
# <details><summary>Hint 1: where to start</summary>
#
# Three steps: the model's scores, in eval mode and without gradients; labels, lined up with them; a sum and a count.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `make_labels` and `next_token_pairs` from lab 03 stand in the setup cell. `F.cross_entropy` takes `ignore_index` and
# reduction="sum". If you prefer the model's own loss (`labels=`): it shifts by itself, and it is a mean.
#
# </details>
#
# <details><summary>Hint 3: the count</summary>
#
# After the shift, count the labels that are not -100. Do not count the ones in the attention mask: each row has one
# more of those.
#
# </details>


# %% exercise="token_nll"
def token_nll(model, batch):
    """The total negative log-likelihood of a batch in nats, and how many tokens were predicted.

    model: called with the tokens and attention_mask, its answer has `logits` `(B, S, V)`; it may arrive in train mode
    and is measured in eval mode. batch: a mapping of `input_ids` and `attention_mask`, `(B, S)`, padded on the right.
    Returns two numbers, (0, 0) if nothing is predicted.
    """
    model.eval()
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    with torch.no_grad():
        logits = model(input_ids, attention_mask=attention_mask).logits
    logits, labels = next_token_pairs(logits, make_labels(input_ids, attention_mask))
    flat = logits.flatten(0, 1).float()
    total = F.cross_entropy(flat, labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total.item(), (labels != IGNORE).sum().item()


# %% check="token_nll" points=5
check(token_nll)

# %% [markdown]
# ## One number for a text
#
# A text is measured in batches, and the batches differ: the last one is smaller, some hold more padding. What you want
# is the perplexity of the *text*, whatever the batches.
#
# **Predict first.** A model reads 98 easy tokens with 1 nat each in one batch, and 2 hard tokens with 6 nats each in
# another. What is the mean loss per token? And what do you get from the mean of the two batches' means, or of their
# perplexities?

# %%
easy, hard = (98 * 1.0, 98), (2 * 6.0, 2)  # total NLL and number of tokens
means = [total / count for total, count in (easy, hard)]
print("per token:                  ", round(math.exp((easy[0] + hard[0]) / 100), 2))
print("from the mean of the means: ", round(math.exp(sum(means) / 2), 2))
print("as the mean of perplexities:", round(sum(math.exp(mean) for mean in means) / 2, 2))

# %% [markdown]
# The second and third give two tokens the weight of ninety-eight.

# %% [markdown]
# ## Exercise 2: perplexity
#
# The perplexity of a model on a list of batches. Nothing to predict at all is an error, not a number: raise a
# `ValueError` then.
#
# <details><summary>Hint 1: where to start</summary>
#
# Two running totals, one for nats and one for tokens. Your `token_nll` gives you both for each batch.
#
# </details>
#
# <details><summary>Hint 2: the order</summary>
#
# Add up over all batches first. Only then divide, and only then take the exponential. A return inside the loop measures
# the first batch.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $\exp\left(\sum_b \mathrm{NLL}_b \,/\, \sum_b n_b\right)$, where b runs over the batches. Nats go with e: `math.exp`.
#
# </details>


# %% exercise="perplexity"
def perplexity(model, batches):
    """The perplexity of a model on all batches: exp(total NLL / number of predicted tokens).

    model, batches: as in `token_nll`. Returns a number that does not depend on how rows are put into batches.
    Raises ValueError if not one token is predicted.
    """
    total, count = 0.0, 0
    for batch in batches:
        nll, tokens = token_nll(model, batch)
        total += nll
        count += tokens
    if count == 0:
        raise ValueError("batches hold no token to predict; at least one row needs two tokens of text")
    return math.exp(total / count)


# %% check="perplexity" points=4
check(perplexity)

# %% [markdown]
# ## The bug hunt
#
# Here is how the textbook's lab computes a perplexity, written anew. It is short, it runs, and its numbers look
# plausible. The model is in eval mode, and `labels=` makes transformers shift for itself: neither is the fault.


# %%
def textbook_perplexity(model, batches):
    """A perplexity with a fault in it. (In truth, with more than one.)"""
    nats = tokens = 0
    for part in batches:
        with torch.inference_mode():
            mean = model(**part, labels=part["input_ids"]).loss.item()
        text = part["attention_mask"].sum().item()
        nats, tokens = nats + mean * text, tokens + text
    return math.exp(nats / tokens)


# %%
stories = KnownLanguage.stories().sample_texts(64, seed=4)
padded = encode_rows(stories, load_tokenizer("tiny"), max_length=64)
known = freeze(load_student("tiny"))
for size in (1, 16):
    theirs, yours = (measure(known, make_batches(padded, size)) for measure in (textbook_perplexity, perplexity))
    print(f"rows in a batch: {size:2}   the textbook's way {theirs:.3f}   yours {yours:.3f}")

# %% [markdown]
# One model, one text, two numbers. **Predict first.** Draw how the two ways go on for batches of 1, 2, 4 … 64 rows:
# which line is level, and does the other one come closer to it?

# %%
batch_sizes = [1, 2, 4, 8, 16, 32, 64]
ways = {"the textbook's way": textbook_perplexity, "yours": perplexity}
found = {name: [way(known, make_batches(padded, size)) for size in batch_sizes] for name, way in ways.items()}

# %%
first, *_, last = found["the textbook's way"]
figure, axes = plt.subplots(figsize=(7, 3.2))
lines(axes, batch_sizes, found, marker="o")
axes.set(xscale="log", xlabel="rows in a batch", ylabel="perplexity")
axes.set_xticks(batch_sizes, batch_sizes, minor=False)
axes.minorticks_off()
show(
    figure,
    alt=f"Perplexity over the number of rows in a batch, from 1 to 64. The textbook's way moves from {first:.2f} to "
    f"{last:.2f}; yours is a level line at {found['yours'][0]:.2f}.",
)

# %% [markdown]
# Now find out why. Change one thing at a time and look which line becomes level. Some questions to start with: over
# which places does the model take its mean when labels are all tokens? How many places is that, and by which number is
# the mean then multiplied? Where does the difference between those two numbers come from? The next cell counts for two
# batches.

# %%
for batch in list(make_batches(padded, 32)):
    rows, places = batch["input_ids"].shape
    text = batch["attention_mask"].sum().item()
    print(f"{rows} rows of {places} places: {rows * places} places in all, {text} of them text,")
    print(f"   {rows * (places - 1)} predictions if padding is predicted too, {text - rows} if it is not")

# %% [markdown]
# **1. The bug hunt.** (a) Name the faults of `textbook_perplexity`, and what each one does to the number. (b) Why does
# the number depend on the size of the batches? (c) What is the least that you would have to change?

# %% [markdown] answer="bug_hunt" points=3
# (a) The labels are all tokens, so padding is predicted and scored too. Padding after the end of a story is something
# the model has never seen, so it makes the number larger. Second, the mean is over all B · (S − 1) predictions, but it
# is multiplied by the number of text tokens, which is another number: padding is in the one and not in the other, and
# the first token of each row is in the other and not in the one.
#
# (b) A mean times a number that is not its own denominator is not a sum. Batches with much padding get too little
# weight for what was measured in them. Which rows share a batch decides how padding is spread over the batches, and so
# the weights.
#
# (c) Give padding the label -100, and multiply by the number of labels that count after the shift. Then each product is
# the batch's true sum.

# %% [markdown]
# ### One fault at a time
#
# **Predict first.** First only the padding is taken out of the labels. Then the weight is put right as well. After
# which of the two repairs is the line level?


# %%
def repaired(model, batches, right_weight):
    """The textbook's way with padding taken out of the labels, and with the right weight or its own."""
    nats = tokens = 0
    for part in batches:
        labels = make_labels(part["input_ids"], part["attention_mask"])
        with torch.inference_mode():
            mean = model(**part, labels=labels).loss.item()
        weight = ((labels[:, 1:] != IGNORE) if right_weight else part["attention_mask"]).sum().item()
        nats, tokens = nats + mean * weight, tokens + weight
    return math.exp(nats / tokens)


# %%
for size in batch_sizes[::2]:
    half, whole = (repaired(known, make_batches(padded, size), right) for right in (False, True))
    print(f"rows in a batch: {size:2}   labels repaired {half:.4f}   and the weight {whole:.4f}")

# %% [markdown]
# <details><summary>What the numbers show</summary>
#
# Most of the error was padding. But the number still depends on the batches, in the last digits, until each mean is
# multiplied by what it was divided by. A small dependence on the batch size is a sign that a mean somewhere has the
# wrong weight.
#
# </details>

# %% [markdown]
# ## The share of a gap
#
# A student before training, the same student after it, and a teacher: three perplexities. Which share of the way to the
# teacher has the student gone?
#
# Perplexities are exponentials, so their differences mean little: from 1,000 to 500 and from 10 to 5 is the same gain
# of $\log 2$ nats a token. Measure the way in nats, that is, in logarithms:
#
# $$\frac{\ln \text{before} - \ln \text{after}}{\ln \text{before} - \ln \text{teacher}}$$
#
# It is 0 if nothing was gained and 1 if the student has reached the teacher. It may be negative, and above 1 too. If
# the student starts out as good as the teacher there is no gap, and the share means nothing.

# %% [markdown]
# ## Exercise 3: gap_closed
#
# Write it down. Raise a `ValueError` where before and teacher are equal.
#
# <details><summary>Hint 1: where to start</summary>
#
# The way gone above the line, the whole way below it. Both in logarithms.
#
# </details>
#
# <details><summary>Hint 2: which way round</summary>
#
# A student that gets better has a smaller perplexity after than before. Your number must be positive then, as the gap
# below the line is.
#
# </details>
#
# <details><summary>Hint 3: an example to test with</summary>
#
# From 100 to 10 with a teacher at 1: half the way, in logarithms. From 100 to 1: the whole.
#
# </details>


# %% exercise="gap_closed"
def gap_closed(teacher, before, after):
    """The share of the gap to the teacher that training closed, in nats.

    teacher, before, after: the perplexities of the teacher and of the student before and after; numbers above 0.
    Returns a number: 1 at the teacher, 0 for no gain, negative for a loss.
    Raises ValueError if before equals teacher.
    """
    if before == teacher:
        raise ValueError(f"before and teacher are both {teacher}; there is no gap to close")
    return (math.log(before) - math.log(after)) / (math.log(before) - math.log(teacher))


# %% check="gap_closed" points=3
check(gap_closed)

# %% [markdown]
# ## Four models
#
# The textbook reports a student whose perplexity falls by a fifth, and calls that distillation. But the student was
# trained on the very kind of text that it is measured on. Plain training on that text, without any teacher, makes the
# perplexity fall as well. To know what the *teacher* adds you need a **control**: the same student, the same text, the
# same number of steps, labels alone (α = 0).
#
# And one run may be luck. So every arm runs with several seeds; a seed decides the order of the batches, and dropout.

# %%
steps = 20 if graded else settings.steps
seeds = range(3) if settings.name == "tiny" else range(1)
training, held_out = load_batches()
batches = [{name: part.to(device) for name, part in batch.items()} for batch in training]
print(f"{len(seeds)} seed(s), {steps} steps of {settings.batch_size} rows for each student")


# %%
def trained(alpha, seed):
    """A student after `steps` steps, and the seconds that they took; α = 0 is the control, which needs no teacher."""
    torch.manual_seed(seed)
    student, began = load_student().to(device), time.perf_counter()
    order = random.Random(seed).sample(batches, len(batches))
    config = DistillConfig(
        steps=steps, temperature=settings.temperature, alpha=alpha, learning_rate=settings.learning_rate
    )
    distill(student, teacher if alpha else None, order, config, progress=not graded)
    return student, time.perf_counter() - began


# %%
arms = {"hard labels only": 0.0, "distilled": settings.alpha}
runs = {name: [trained(alpha, seed) for seed in seeds] for name, alpha in arms.items()}
students = {name: [student for student, _ in run] for name, run in runs.items()}
for name, run in runs.items():
    print(f"{name:17} {sum(seconds for _, seconds in run) / len(run):6.1f} s for a student")

# %% [markdown]
# Equal steps are not equal time: a distilled student also waits for its teacher. Keep that in mind when you read the
# result.

# %% [markdown]
# ## How sure is that
#
# Two things are left to chance. One is the **seed**: you see it by running several. The other is the **choice of rows**
# that you measure on: other rows, another perplexity. How much that matters can be found out without new rows. Draw as
# many rows again, with replacement, compute the perplexity of that draw, do so a thousand times, and look where the
# middle 95 % lie. This is called the *bootstrap*. `estimate_ratio` does it; it wants the sum and the count of each row,
# which your `token_nll` gives when a batch is one row.

# %%
rows = [row for batch in held_out for row in make_batches(batch, 1)][: 20 if graded else None]
rows = [{name: part.to(device) for name, part in row.items()} for row in rows]


def nll_of_rows(models):
    """Total NLL of each row for each model, `(models, rows)`, and the rows' numbers of predicted tokens, `(rows,)`."""
    pairs = [[token_nll(model, row) for row in rows] for model in models]
    return torch.tensor([[float(nll) for nll, _ in row] for row in pairs]), torch.tensor([int(n) for _, n in pairs[0]])


# %%
models = {"teacher": [teacher], "original": [original], **students}
measured = {name: nll_of_rows(group) for name, group in models.items()}
tokens = measured["teacher"][1]
nll = {name: sums for name, (sums, _) in measured.items()}
estimates = {name: estimate_ratio(sums.mean(dim=0), tokens, scale=math.exp) for name, sums in nll.items()}

# %% [markdown]
# **Predict first.** Put the four in order before you look: teacher, original, hard labels only, distilled. By how much
# do you think the last two differ, compared with what both gained over the original?

# %%
print(f"{'model':17} perplexity   95 % over rows     gap closed   each seed")
for name, found_one in estimates.items():
    share = gap_closed(estimates["teacher"].value, estimates["original"].value, found_one.value)
    each = ", ".join(f"{math.exp(float(s.sum() / tokens.sum())):.3f}" for s in nll[name])
    print(f"{name:17} {found_one.value:10.3f}   {found_one.low:.3f} to {found_one.high:.3f} {share:12.0%}   {each}")

# %%
said = "; ".join(f"{name} {one.value:.2f}, {one.low:.2f} to {one.high:.2f}" for name, one in estimates.items())
each_seed = {name: [math.exp(float(row.sum() / tokens.sum())) for row in sums] for name, sums in nll.items()}
figure, axes = plt.subplots(figsize=(7.5, 3))
for place, (name, one) in enumerate(estimates.items()):
    ends = [[one.value - one.low], [one.high - one.value]]
    axes.errorbar([one.value], [place], xerr=ends, fmt="o", color=COLORS[place], capsize=5)
    axes.plot(each_seed[name], [place + 0.25] * len(each_seed[name]), "|", color="black", markersize=9)
axes.set(yticks=range(len(estimates)), yticklabels=list(estimates), xlabel="perplexity (smaller is better)")
axes.set_ylim(len(estimates) - 0.5, -0.5)
show(
    figure,
    alt=f"Four perplexities as points with bars for the 95 % interval over rows: {said}. Small strokes below the "
    "points mark the single seeds.",
)

# %% [markdown]
# ## What distillation added
#
# Do not compare the two intervals by eye. Both students were measured on the same rows, and a hard row is hard for
# both. Take the difference on each row, and ask how sure *that* is. Then put it in a sentence. The rule stands in the
# code, and it was written down before the numbers were known.


# %%
def statement(control, distilled, tokens):
    """What distillation added beyond the control, in words. control, distilled: NLL in nats, `(seeds, rows)`."""
    gain = estimate_ratio((control - distilled).mean(dim=0), tokens)
    better = int((distilled.sum(dim=1) < control.sum(dim=1)).sum())
    numbers = f"{gain.value:+.4f} nats a token ({gain.low:+.4f} to {gain.high:+.4f} over rows), "
    numbers += f"better in {better} of {len(control)} seed(s)"
    if gain.low > 0 and better == len(control):
        return f"Distillation added something beyond the control: {numbers}."
    if gain.high < 0 and better == 0:
        return f"Distillation did harm, compared with the control: {numbers}."
    return f"No gain over the control is shown: {numbers}."


# %% [markdown]
# **Predict first.** The control has closed some share of the gap. Will the sentence begin with "Distillation added" or
# with "No gain"?

# %%
print(statement(nll["hard labels only"], nll["distilled"], tokens))
total_gain = math.log(estimates["original"].value / estimates["distilled"].value)
print(f"From the original to the distilled student it is {total_gain:+.4f} nats; only the part above is the teacher's.")

# %% [markdown]
# <details><summary>How to read this</summary>
#
# The second line is what a report without a control would show. The first is what the teacher is good for here: with
# this text, these settings and this number of steps. With far more text the control comes closer, because labels alone
# then tell the same story. With a poor teacher the sentence may turn round.
#
# The interval over rows says nothing of seeds, and three seeds say little of a fourth: they only show whether the
# difference is larger than what chance did in these runs.
#
# </details>

# %% [markdown]
# ## What they write
#
# Perplexity is not all. Let each model go on with the same beginning, drawing each token from its own probabilities.
# **Predict first:** which of the four will you recognise by its mistakes?


# %%
def go_on(model, prompt, length=16):
    """The prompt and what a model makes of it; the same draws of chance for every model."""
    torch.manual_seed(1)
    start = tokenizer(prompt, return_tensors="pt").to(device)
    written = model.generate(**start, max_new_tokens=length, do_sample=True, pad_token_id=tokenizer.eos_token_id)
    return tokenizer.decode(written[0], skip_special_tokens=True)


# %%
prompts = ["One rainy day, Anna", "Ben walked to the kitchen and"] if settings.name == "tiny" else ["The city is"]
for prompt in prompts:
    for name, group in models.items():
        print(f"{name:17} {go_on(group[0].eval(), prompt)}")
    print()

# %% [markdown]
# ## Self-check
#
# **2. What was added?** (a) Copy your statement from above and say in your own words what it claims and what it does
# not. (b) A report says: "Our distilled student went from a perplexity of 46 to 36." Which two explanations does that
# leave open, and which run tells them apart?

# %% [markdown] answer="what_was_added" points=2
# (a) It claims that, on these held-out rows, at this number of steps, the distilled students have a loss per token that
# is smaller (or not smaller) than the control's by so many nats, that the choice of rows does not explain it where the
# interval leaves out 0, and in how many seeds it was so. It does not claim anything about other texts, other sizes of
# model, more training, equal time, or what the texts are like that the students write.
#
# (b) Either the teacher helped, or the student has only got used to the kind of text on which it is measured: any
# training on it would have done so. The missing run is a student with the same start, text and steps, trained on hard
# labels alone, and that over several seeds.

# %% [markdown]
# ## What to take away
#
# - Perplexity is exp(total NLL / predicted tokens). Sum first, divide once, at the end.
# - A measure that changes with the batch size has a wrong weight in it.
# - Measure in eval mode; n tokens are n − 1 predictions; padding is none.
# - Gains are counted in nats, and shares of a gap in logarithms.
# - **No control, no claim.** Same start, same text, same steps, several seeds, intervals. "Nothing added" is a result.

# %% [markdown]
# ## Stretch goals
#
# - Give the control more steps until it took as long as the distilled students. What is left of the difference?
# - Repeat the comparison with a third of the training text, and with three times as many steps. When does the teacher
#   help most?
# - The tiny language's entropy is known: `KnownLanguage.stories().row_entropy(64)`. Which perplexity can no model beat,
#   and how far is the teacher from it?
# - Bootstrap over seeds and rows at once: draw seeds too, with replacement. How much wider does the interval get?
