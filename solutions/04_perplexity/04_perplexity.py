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
# A falling loss does not prove a better student, and a better student does not prove that the teacher helped. In this
# lab you write the measure, find out why a common version of it gives several values for one model, and then answer the
# question that matters: what did the teacher add to plain training?
#
# **After this lab you can**
#
# - compute a perplexity that does not depend on how the rows are batched;
# - find the bugs in one that does;
# - compute which share of the gap to the teacher a student has closed;
# - compare two students on the same rows, with a bootstrap interval, and claim no more than it shows;
# - say what a control is, what several seeds are for, and what neither of them covers.
#
# **Time:** about 100 minutes (58 for reading, figures and questions, 42 for the exercises).
#
# **You need:** labels and the shift (lab 03).
#
# Work from top to bottom. Under each exercise there is a check, which you can run as often as you like. The badges
# say how hard and how important an exercise is. In a hurry, skip exercise 3 and the section on choosing a student.
#
# If you are stuck, `solution(token_nll)` shows how we write that exercise, once you have passed its check or failed it
# three times. `skip(token_nll)` lets you go on with ours, for no points.

# %% setup=true
import math

import torch
import torch.nn.functional as F

from helpers.labels import make_labels, next_token_pairs

IGNORE = -100  # the label of a token that does not count

# %%
import os
import random
from pathlib import Path

from helpers import plots
from helpers.bootstrap import estimate_ratio
from helpers.checks import check, predict, reveal, skip, solution
from helpers.data.batches import encode_rows, make_batches
from helpers.data.known_language import KnownLanguage
from helpers.engine.checkpoint import load_checkpoint
from helpers.models import load_student, load_teacher, load_tokenizer
from helpers.setup.preflight import preflight
from helpers.tiers import load_batches, tier_of
from helpers.training import DistillConfig, distill, freeze

# %% [markdown]
# ## Before it starts
#
# As in lab 03, `DISTILLAB_TIER` selects the tier, and a preflight says what it needs.

# %%
settings = tier_of()
preflight()

# %%
device = "cuda" if torch.cuda.is_available() and settings.name != "tiny" else "cpu"
graded = "NBGRADER_EXECUTION" in os.environ  # while grading, the runs are only tried
tokenizer = load_tokenizer()
teacher = freeze(load_teacher().to(device))
original = freeze(load_student().to(device))

# %% [markdown]
# ## Negative log-likelihood and perplexity
#
# At each position a language model gives every token a probability. The *negative log-likelihood* (NLL) of a text is
# the sum of $-\log p$ over its tokens, in nats, where $p$ is the probability that the model gave to the token that
# came. Two things do not count: the first token of a row, because nothing predicts it, and padding, because it is not
# text. A row with n tokens of text has n − 1 predictions.
#
# The NLL divided by the number of predictions is the mean loss. The exponential of the mean loss is the *perplexity*. A
# model with perplexity 8 is, on average, as uncertain as if it had to choose among 8 equally likely tokens.
#
# ![Two rows of tokens. Each token after the first has a bar, its negative log-probability; first tokens and padding
# have none. All bars are added and divided by their number, and the exponential of that mean is the
# perplexity.](../../docs/figures/perplexity_average.svg)
#
# Suppose a model knows nothing and gives all V tokens the same probability.

# %%
predict(
    "uniform",
    f"What is its perplexity, with a vocabulary of V = {len(tokenizer):,} tokens?",
    unit="perplexity",
)

# %%
V = len(tokenizer)
uniform = math.log(V)
for name, nats in {"uniform": uniform, "knows every token": 0.0}.items():
    print(f"{name:18} mean NLL {nats:.3f} nats, perplexity {math.exp(nats):.0f}")
reveal("uniform", V)

# %% [markdown]
# Three mistakes corrupt a measurement silently.
#
# - **Train mode.** Dropout makes a model worse, at random. A model may come straight from training, so set eval mode
#   yourself before you measure.
# - **The count.** Each row has one prediction fewer than it has tokens.
# - **Means of means.** You cannot combine the means of two batches unless you know how many tokens each is based on.
#   Sums you can simply add. So return a sum and a count, and divide once, at the very end.

# %% [markdown]
# ## Exercise 1 · Total NLL of a batch
#
# ●●●○○ difficulty · ●●●●● importance · about 14 minutes
#
# Write `token_nll`. For one batch it returns the total NLL and the number of predicted tokens. For a batch without a
# single prediction it returns 0 and 0.
#
# <details><summary>Hint 1: where to start</summary>
#
# There are three parts: the logits, in eval mode and without gradients; the labels, aligned with the logits; and the
# sum and the count.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# The setup cell imports `make_labels` and `next_token_pairs` from lab 03. `F.cross_entropy` takes `ignore_index` and
# reduction="sum". If you prefer the model's own loss (`labels=`), remember that it shifts by itself and returns a mean.
#
# </details>
#
# <details><summary>Hint 3: the count</summary>
#
# After the shift, count the labels that are not -100. Do not count the ones in the attention mask: each row has one
# more of them than it has predictions.
#
# </details>


# %% exercise="token_nll"
def token_nll(model, batch):
    """Return a batch's total NLL in nats, and the number of predicted tokens.

    model: called with the tokens and attention_mask, its output has `logits`
    `(B, S, V)`; it may arrive in train mode and is measured in eval mode. batch: a
    mapping of `input_ids` and `attention_mask`, `(B, S)`, padded on the right.
    Returns two numbers, (0, 0) if nothing is predicted.
    """
    model.eval()
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    with torch.no_grad():
        logits = model(input_ids, attention_mask=attention_mask).logits
    logits, labels = next_token_pairs(logits, make_labels(input_ids, attention_mask))
    flat = logits.flatten(0, 1).float()
    total = F.cross_entropy(
        flat, labels.flatten(), ignore_index=IGNORE, reduction="sum"
    )
    return total.item(), (labels != IGNORE).sum().item()


# %% check="token_nll" points=5
check(token_nll)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **A total that changes from call to call**: the model is in train mode, and its dropout is active.
# - **A count that is too large by the number of rows**: you count the ones in the mask. Each row has one prediction
#   fewer than tokens.
# - **NaN for the batch without predictions**: a mean over nothing. Return 0 and 0 there, or sum instead of averaging.
#
# </details>

# %% [markdown]
# ## One number for a text
#
# You measure a text in batches, and batches differ: the last one is smaller, and some hold more padding. You want the
# perplexity of the *text*, however it is batched.
#
# A model reads 98 easy tokens at 1 nat each in one batch, and 2 hard tokens at 6 nats each in another. The perplexity
# per token is $e^{1.1} = 3.0$.

# %%
predict(
    "two_batches",
    "What do you get if you average the two batches' perplexities instead?",
    unit="perplexity",
)


# %%
def three_averages(*parts):
    """Print three ways to average; each part is a total NLL and a number of tokens."""
    total, count = (sum(column) for column in zip(*parts, strict=True))
    means = [nll / n for nll, n in parts]
    average = sum(means) / len(means)
    perplexities = [math.exp(mean) for mean in means]
    print(f"perplexity per token:         {math.exp(total / count):.2f}")
    print(f"from the mean of the means:   {math.exp(average):.2f}")
    print(f"as the mean of perplexities:  {sum(perplexities) / len(means):.2f}")
    return sum(perplexities) / len(means)


reveal("two_batches", three_averages((98 * 1.0, 98), (2 * 6.0, 2)))

# %% [markdown]
# The second and the third way give two tokens the same weight as ninety-eight.

# %% [markdown]
# ## Exercise 2 · Perplexity of a text
#
# ●●○○○ difficulty · ●●●●● importance · about 8 minutes
#
# Write `perplexity`, for a model and a list of batches. If there is nothing to predict, there is no perplexity: raise a
# `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Keep two running totals, one of nats and one of tokens. Your `token_nll` gives you both for each batch.
#
# </details>
#
# <details><summary>Hint 2: the order</summary>
#
# Add up over all batches first. Only then divide, and only then take the exponential. A return inside the loop measures
# the first batch only.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $\exp\left(\sum_b \mathrm{NLL}_b \,/\, \sum_b n_b\right)$, where b runs over the batches. The base for nats is e:
# `math.exp`.
#
# </details>


# %% exercise="perplexity"
def perplexity(model, batches):
    """Return the perplexity on all batches: exp(total NLL / predicted tokens).

    model, batches: as in `token_nll`. The value does not depend on how the rows are
    batched.
    Raises ValueError if not a single token is predicted.
    """
    total, count = 0.0, 0
    for batch in batches:
        nll, tokens = token_nll(model, batch)
        total += nll
        count += tokens
    if count == 0:
        raise ValueError("batches hold no token to predict; a row needs two tokens")
    return math.exp(total / count)


# %% check="perplexity" points=4
check(perplexity)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **The right value for one batch, a wrong one for two**: you average per batch. Add up nats and tokens first.
# - **`ZeroDivisionError`**: that is Python's error for an empty text. Test the count, and raise a `ValueError`.
# - **A much smaller value, such as 2.3 where 10 is due**: you return the mean NLL, without the exponential.
#
# </details>

# %% [markdown]
# ## The bug hunt
#
# Here is a common recipe for the perplexity. It is short, it runs, and its values look plausible. The model is in eval
# mode, and `labels=` makes the transformers library shift by itself: neither of these is the bug.


# %%
def recipe_perplexity(model, batches):
    """A perplexity with a bug. (In fact, with more than one.)"""
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
tiny_student = freeze(load_student("tiny"))


def in_batches(measure, size):
    """What a measure gives for the tiny student with `size` rows in a batch."""
    return measure(tiny_student, make_batches(padded, size))


for rows in (1, 16):
    recipe, own = (in_batches(way, rows) for way in (recipe_perplexity, perplexity))
    both = f"the common recipe {recipe:.3f}   yours {own:.3f}"
    print(f"rows in a batch: {rows:2}   {both}")

# %% [markdown]
# There is one model and one text, but the recipe gives two values.
#
# Both measures will now be computed for batches of 1, 2, 4, … 64 rows.

# %%
predict(
    "level",
    "How does the recipe's value change as the batches grow?",
    choices=["it rises", "it falls", "it approaches yours", "it jumps up and down"],
)

# %%
sizes = [1, 2, 4, 8, 16, 32, 64]
ways = {"the common recipe": recipe_perplexity, "yours": perplexity}
found = {key: [in_batches(way, size) for size in sizes] for key, way in ways.items()}
plots.perplexity_by_batch_size(sizes, found)


def course_of(values):
    """How a curve runs, in the words of the question."""
    steps = [b - a for a, b in zip(values, values[1:], strict=False)]
    rises, falls = all(s > 0 for s in steps), all(s < 0 for s in steps)
    return "it rises" if rises else "it falls" if falls else "it jumps up and down"


reveal("level", course_of(found["the common recipe"]))

# %% [markdown]
# Now find out why. Change one thing at a time and see which line becomes level. Some questions to start with: over
# which positions does the model average when the labels are all tokens? How many positions are these, and by which
# number is the mean then multiplied? Where does the difference between the two numbers come from? The next cell counts
# them for two batches.


# %%
def count_positions(parts):
    """Print how many positions, tokens of text and predictions each batch has."""
    for part in parts:
        rows, positions = part["input_ids"].shape
        text = part["attention_mask"].sum().item()
        print(
            f"{rows} rows × {positions} = {rows * positions} positions, {text} of text"
        )
        print(f"   {rows * (positions - 1)} predictions if padding is predicted too")
        print(f"   {text - rows} predictions if it is not")


count_positions(make_batches(padded, 32))

# %% [markdown]
# **The bug hunt.** (a) Name the bugs of `recipe_perplexity`, and what each one does to the value. (b) Why does the
# value depend on the batch size? (c) What is the smallest change that repairs it?
#
# *Six to eight sentences, about 8 minutes.*

# %% [markdown] answer="bug_hunt" points=3
# (a) First, the labels are all tokens, so padding is predicted and scored too. The model has never seen padding after
# the end of a story, so this makes the value larger. Second, the mean is over all B · (S − 1) predictions, but it is
# multiplied by the number of text tokens. The two numbers differ: only the first includes padding, and only the second
# includes the first token of each row.
#
# (b) A mean times a number other than its own denominator is not a sum. Batches with much padding get too little weight
# for what was measured in them. The batch size decides which rows are together and how padding is spread over the
# batches, and therefore the weights.
#
# (c) Give padding the label -100, and multiply by the number of labels that count after the shift. Then each product is
# the true sum of its batch.

# %% [markdown]
# ### One bug at a time
#
# First repair only the labels, so that padding is not predicted. Then repair the weight as well.

# %%
predict(
    "repairs",
    "After which repair does the value no longer depend on the batch size at all?",
    choices=["after the first", "after both", "after neither"],
)


# %%
def repaired(model, batches, right_weight):
    """The recipe with padding not predicted, and with the right weight or its own."""
    nats = tokens = 0
    for part in batches:
        labels = make_labels(part["input_ids"], part["attention_mask"])
        with torch.inference_mode():
            mean = model(**part, labels=labels).loss.item()
        counted = labels[:, 1:] != IGNORE if right_weight else part["attention_mask"]
        weight = counted.sum().item()
        nats, tokens = nats + mean * weight, tokens + weight
    return math.exp(nats / tokens)


# %%
halfway, wholly = (
    [repaired(tiny_student, make_batches(padded, rows), weight) for rows in sizes]
    for weight in (False, True)
)
for rows, half, whole in zip(sizes, halfway, wholly, strict=True):
    print(f"rows in a batch: {rows:2}   labels repaired {half:.4f}   both {whole:.4f}")


def first_level(*repairs):
    """After which repair all values agree, in the words of the question."""
    level = [max(values) - min(values) < 1e-5 * values[0] for values in repairs]
    first, both = "after the first", "after both"
    return first if level[0] else both if level[1] else "after neither"


reveal("repairs", first_level(halfway, wholly))

# %% [markdown]
# <details><summary>What the numbers show</summary>
#
# Padding caused most of the error. But the value still depends on the batch size, in its last digits, until each mean
# is multiplied by the number that it was divided by. If a value depends slightly on the batch size, suspect a mean with
# the wrong weight.
#
# </details>

# %% [markdown]
# ## The share of the gap
#
# You have three perplexities: of the student before training, of the same student after it, and of the teacher. Which
# share of the gap to the teacher has the student closed?
#
# Perplexities are exponentials, so their differences mean little. From 1,000 to 500 and from 10 to 5 is the same gain
# of $\log 2$ nats per token. Therefore measure the gap in nats, that is, in logarithms:
#
# $$\frac{\ln \text{before} - \ln \text{after}}{\ln \text{before} - \ln \text{teacher}}$$
#
# The share is 0 if nothing was gained and 1 if the student has reached the teacher. It can be negative, and it can be
# above 1. If the student starts out as good as the teacher, there is no gap, and the share is undefined.

# %% [markdown]
# ## Exercise 3 · Share of the gap closed
#
# ●○○○○ difficulty · ●●○○○ importance · about 5 minutes · a warm-up
#
# Write `gap_closed`. Raise a `ValueError` if before equals teacher.
#
# <details><summary>Hint 1: where to start</summary>
#
# The numerator is what the student has gained, the denominator is the whole gap. Both are differences of logarithms.
#
# </details>
#
# <details><summary>Hint 2: the sign</summary>
#
# A student that improves has a smaller perplexity after training than before. Your value must be positive then. The
# denominator is positive too if the teacher is better than the student was.
#
# </details>
#
# <details><summary>Hint 3: an example to test with</summary>
#
# From 100 to 10 with a teacher at 1: half of the gap, in logarithms. From 100 to 1: all of it.
#
# </details>


# %% exercise="gap_closed"
def gap_closed(teacher, before, after):
    """Return the share of the gap to the teacher that training closed, in nats.

    teacher, before, after: the perplexities of the teacher and of the student before
    and after training; numbers above 0.
    Returns a number: 1 at the teacher, 0 for no gain, negative for a loss.
    Raises ValueError if before equals teacher.
    """
    if before == teacher:
        raise ValueError(f"before and teacher are both {teacher}; there is no gap")
    gained = math.log(before) - math.log(after)
    return gained / (math.log(before) - math.log(teacher))


# %% check="gap_closed" points=1
check(gap_closed)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **`ZeroDivisionError`**: before equals teacher, and there is no gap. Test for it first.
# - **0.91 where 0.5 is due**: from 100 to 10 with a teacher at 1 you computed 90 / 99. Take logarithms first.
# - **A negative share for a student that improved**: one of the two differences is the wrong way round.
#
# </details>

# %% [markdown]
# ## The control
#
# A report says: "After distillation, the student's perplexity was a fifth lower." But this student was trained on the
# kind of text that it is measured on. Plain training on that text, without a teacher, lowers the perplexity too. To see
# what the *teacher* adds you need a **control**: the same student, the same text and the same number of steps, with
# hard labels only (α = 0).
#
# And one run may be luck. So each arm of the experiment runs with several seeds in the tiny tier. The seed decides the
# order of the batches, and dropout. The larger tiers run one seed, because each run takes long.
#
# The students are trained by `distill`. It is lab 03's loop with one difference that matters here: its learning rate is
# not constant. It rises during the first steps (*warm-up*) and then falls to 0 along a cosine.

# %%
steps = 20 if graded else settings.steps
seeds = range(3) if settings.name == "tiny" else range(1)
training, held_out = load_batches()
training_batches = [
    {name: part.to(device) for name, part in each.items()} for each in training
]
print(f"{len(seeds)} seed(s), {steps} steps of {settings.batch_size} rows each")


# %%
def trained(arm, alpha, seed):
    """A student after `steps` steps. With α = 0, the control, no teacher is used."""
    torch.manual_seed(seed)
    student = load_student().to(device)
    order = random.Random(seed).sample(training_batches, len(training_batches))
    config = DistillConfig(
        steps=steps,
        temperature=settings.temperature,
        alpha=alpha,
        learning_rate=settings.learning_rate,
    )
    print(f"{arm}, seed {seed}:", flush=True)
    distill(student, teacher if alpha else None, order, config, progress=not graded)
    return student


# %%
arms = {"hard labels only": 0.0, "distilled": settings.alpha}
students = {
    arm: [trained(arm, alpha, seed) for seed in seeds] for arm, alpha in arms.items()
}

# %% [markdown]
# Equal steps are not equal cost, because a distilled student also needs the teacher's predictions. In our run of five
# seeds, 300 steps took 4.7 s with hard labels only and 7.8 s with labels and teacher, on average (two cores, one
# thread). The times beside your bars may look different: they include start-up, and whatever else your machine was
# doing.

# %% [markdown]
# ## Your student from lab 03
#
# If you have run lab 03 to the end, its checkpoint is beside this lab, and the next cell loads that student. It will be
# measured like all others.

# %%
lab_03 = Path("..") / "03_training"
checkpoint = lab_03 / "checkpoints" / f"{settings.name}_student.safetensors"


def student_of_lab_03():
    """A list with the student that you trained in lab 03, empty if there is none."""
    student = load_student().to(device)
    optimizer = torch.optim.AdamW(student.parameters())
    run = {
        "tier": settings.name,
        "steps": steps,
        "temperature": settings.temperature,
        "alpha": settings.alpha,
    }
    try:
        done = load_checkpoint(checkpoint, student, optimizer, settings=run)
    except ValueError as problem:
        print(f"The checkpoint is from another run: {problem}")
        return []
    if done is None or done[0] < steps:
        print("There is no finished run of lab 03. This lab goes on without it.")
        return []
    print(f"Your student from lab 03, after {done[0]} steps.")
    return [student]


yours = student_of_lab_03()

# %% [markdown]
# ## How certain is the result?
#
# Two things are left to chance. The first is the **seed**: you see its effect when you run several. The second is the
# **choice of rows** that you measure on: other rows would give another perplexity. You can estimate how much without
# new rows. Draw as many rows as you have, with replacement; compute the perplexity of that draw; repeat it a thousand
# times; and see where the middle 95 % lie. This is called the *bootstrap*. `estimate_ratio` does it. It needs the sum
# and the count of each row, which your `token_nll` gives when each batch is a single row.
#
# All rows are *held-out*: no student was trained on them.

# %%
test_rows = [row for part in held_out for row in make_batches(part, 1)]
test_rows = [
    {name: part.to(device) for name, part in row.items()}
    for row in test_rows[: 20 if graded else None]
]


def nll_of_rows(models):
    """Total NLL per model and row, `(models, rows)`, and tokens per row, `(rows,)`."""
    pairs = [[token_nll(model, row) for row in test_rows] for model in models]
    sums = torch.tensor([[float(nll) for nll, _ in each] for each in pairs])
    return sums, torch.tensor([int(count) for _, count in pairs[0]])


# %%
candidates = {"teacher": [teacher], "original": [original], **students}
if yours:
    candidates["from lab 03"] = yours
measured = {key: nll_of_rows(group) for key, group in candidates.items()}
counts = measured["teacher"][1]
nll = {key: sums for key, (sums, _) in measured.items()}
estimates = {
    key: estimate_ratio(sums.mean(dim=0), counts, scale=math.exp)
    for key, sums in nll.items()
}
each_seed = {
    key: [math.exp(float(one.sum() / counts.sum())) for one in sums]
    for key, sums in nll.items()
}

# %% [markdown]
# The original student starts far from the teacher. Both kinds of training close a part of this gap.

# %%
predict(
    "control_share",
    "Which share of the gap does the control close, with hard labels only?",
    unit="percent",
)


# %%
def print_table():
    """Print each model's perplexity, its interval, its share of the gap, each seed."""
    print(f"{'model':17} perplexity   95 % over rows     gap closed   each seed")
    top, start = estimates["teacher"].value, estimates["original"].value
    for key, one in estimates.items():
        share = gap_closed(top, start, one.value)
        every = ", ".join(f"{value:.3f}" for value in each_seed[key])
        interval = f"{one.low:.3f} to {one.high:.3f}"
        print(f"{key:17} {one.value:10.3f}   {interval} {share:12.0%}   {every}")


print_table()
closed = gap_closed(
    *(estimates[key].value for key in ("teacher", "original", "hard labels only"))
)
reveal("control_share", round(100 * closed))

# %%
plots.perplexities(estimates, each_seed)

# %% [markdown]
# Your student from lab 03 is a single run, and it differs from the distilled students in two ways: its learning rate
# was constant, and it read the batches in another order. So its perplexity is one measurement. How far it lies from the
# others does not tell you which difference is the reason.

# %% [markdown]
# ## A difference on every row
#
# Two intervals that overlap do not show that two students are equally good, and you cannot compare them by eye. All
# students were measured on the *same* rows, and a hard row is hard for all of them. Most of the width of each interval
# comes from which rows are hard, and that is the same for both. The next cell shows it.

# %%
first, second = (nll[key].mean(dim=0) / counts for key in arms)
plots.rows_of_two_students(first, second, *arms)

# %% [markdown]
# Rows differ by far more than the two students do on any one row. So take the difference on each row *first*, and then
# estimate how certain the mean of the differences is. This is a **paired** comparison. What is common to both students
# cancels out.
#
# The bootstrap works as before: draw rows with replacement. But in each draw, both students get the same rows, and the
# sum of the gains is divided by the tokens of *those* rows. The gain per token is the measured value. The draws show
# only how far it might lie from what other rows would have given. The middle 95 % of them are the interval: 2.5 % of
# the draws lie below it, and 2.5 % above it.

# %% [markdown]
# ## Exercise 4 · The paired difference
#
# ●●●○○ difficulty · ●●●●● importance · about 15 minutes
#
# Write `paired_difference`. It gets the total NLL of each row for a control and for a distilled student, the number of
# tokens in each row, and the rows of every draw, as indices. It returns three numbers: what the distilled student
# gained over the control, in nats per token and positive if it is better, and the two ends of the 95 % interval. Take
# them as the 0.025 and the 0.975 quantile of the draws. Nothing in your function is random, because the draws are
# given. If the first three tensors differ in shape, raise a `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Compute the gain on each row, as a total in nats. Then the value: the sum of the gains over the sum of the tokens.
# Then the same for each draw.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# You can index a tensor of shape `(rows,)` with a tensor of indices `(resamples, rows)`. The result has the shape of
# the indices: one line for each draw. `torch.quantile` interpolates between neighbours, and so does `numpy.percentile`.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Do not average the rows' own means: a row of three tokens would count as much as one of thirty. Do not divide by all
# tokens in a draw: a draw holds some rows twice and others not at all. The value itself does not depend on the draws.
#
# </details>


# %% exercise="paired_difference"
def paired_difference(control, distilled, tokens, draws):
    """Return a student's gain over a control on the same rows, with its interval.

    control, distilled: `(rows,)`, total NLL of each row in nats. tokens: `(rows,)`,
    predicted tokens of each row. draws: `(resamples, rows)`, the indices of the rows in
    each draw, with replacement.
    Returns three numbers in nats per token: the gain, positive if distilled is better,
    and the 0.025 and 0.975 quantiles of the gains of the draws.
    Raises ValueError unless control, distilled and tokens have the same shape.
    """
    if not control.shape == distilled.shape == tokens.shape:
        shapes = [tuple(each.shape) for each in (control, distilled, tokens)]
        raise ValueError(f"control, distilled and tokens must match, not {shapes}")
    gains = control - distilled
    value = gains.sum() / tokens.sum()
    of_draws = gains[draws].sum(dim=1) / tokens[draws].sum(dim=1)
    low, high = of_draws.quantile(0.025), of_draws.quantile(0.975)
    return value.item(), low.item(), high.item()


# %% check="paired_difference" points=5
check(paired_difference)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **The value is right and the ends are not**: look at what you divide by in a draw, and at the quantiles: 0.025 and
#   0.975.
# - **One number is off by a factor of several hundred**: you return totals, not nats per token.
# - **`quantile() input tensor must be either float or double dtype`**: the gains are integers. Their sums over tokens
#   are not; take the quantile of those.
# - **"Bad input must raise a ValueError"**: a column of tokens, `(rows, 1)`, broadcasts against a row. Compare shapes.
#
# </details>

# %% [markdown]
# ## What distillation added
#
# The draws are made once, with a seed, so that everybody gets the same interval from the same rows. Then put the
# comparison in a sentence. The rule for the sentence is in the code, and was fixed before the numbers were known. It
# makes no claim from fewer than three seeds.


# %%
def draw_rows(rows, resamples=1000):
    """Rows drawn with replacement, `(resamples, rows)`; always the same draws."""
    source = torch.Generator().manual_seed(0)
    return torch.randint(rows, (resamples, rows), generator=source)


def statement(control, distilled, tokens):
    """What distillation added to the control. Both: NLL in nats, `(seeds, rows)`."""
    means = control.mean(dim=0), distilled.mean(dim=0)
    gain, low, high = paired_difference(*means, tokens, draw_rows(len(tokens)))
    better = int((distilled.sum(dim=1) < control.sum(dim=1)).sum())
    numbers = f"{gain:+.4f} nats per token ({low:+.4f} to {high:+.4f} over rows), "
    numbers += f"better in {better} of {len(control)} seed(s)"
    if len(control) < 3:
        return f"Too few seeds for a claim: {numbers}."
    if low > 0 and better == len(control):
        return f"Distillation added something beyond the control: {numbers}."
    if high < 0 and better == 0:
        return f"Distillation did harm, compared with the control: {numbers}."
    return f"No gain over the control is shown: {numbers}."


# %% [markdown]
# Your run of this lab has as many seeds as its tier allows.

# %%
BEGINNINGS = [
    "Distillation added something",
    "No gain over the control",
    "Distillation did harm",
    "Too few seeds",
]
predict("sentence", "How will the sentence begin?", choices=BEGINNINGS)

# %%
comparison = statement(nll["hard labels only"], nll["distilled"], counts)
print(*comparison.split(": "), sep=":\n")
total_gain = math.log(estimates["original"].value / estimates["distilled"].value)
print(f"From the original to the distilled student: {total_gain:+.4f} nats per token.")
print("Of this, only the first figure is due to the teacher.")
reveal("sentence", next(each for each in BEGINNINGS if comparison.startswith(each)))

# %% [markdown]
# <details><summary>How to read this</summary>
#
# The line "From the original to the distilled student" is what a report without a control would show. The two lines
# above it are what the teacher added, with this text, these settings and this number of steps.
#
# Compare the width of the interval with those in the plot above: the paired one is much narrower. The rows carried most
# of the uncertainty, and they cancel out.
#
# The interval over rows says nothing about other seeds. And three seeds are few: if the teacher made no difference, the
# distilled student would still win all three with a probability of 1/8.
#
# </details>

# %% [markdown]
# ## Quiz 1 · Two intervals that overlap
#
# Two students were measured on the same rows. Their perplexities are 9.4 and 9.1, and the two intervals
# overlap. What follows?
#
# - **A** There is no difference between them.
# - **B** The second one is better, because 9.1 is less than 9.4.
# - **C** Nothing yet. The interval of the paired difference decides.

# %% quiz="overlap" points=1
overlap = "C"

# %% [markdown]
# ## How good was the teacher?
#
# The tiny teacher is nearly an oracle (lab 03): it is 0.002 nats per token away from the true probabilities, and it has
# read 160 times as much text as the student. So expect distillation to work unusually well here. We ran all arms with
# five seeds, 300 steps each, and measured each student's distance to the truth:
#
# | student | distance to the truth (nats per token), mean | five seeds |
# | --- | ---: | ---: |
# | hard labels only | 0.112 | 0.095 to 0.138 |
# | labels and teacher, α = 0.5 | 0.027 | 0.011 to 0.061 |
# | teacher only | 0.005 | 0.005 to 0.006 |
#
# Every distilled student was closer to the truth than the control with the same seed. The best students ignored the
# labels altogether, which makes sense only because this teacher hardly makes mistakes.
#
# ### Which α and which T?
#
# The labs use T = 3.

# %%
predict(
    "best_temperature",
    "For α = 0.5 and this teacher, which T gives the smallest distance to the truth?",
    choices=["T = 1", "T = 3", "T = 5 or T = 10, about equally good"],
)

# %% fold=true
# what the sweep gave
reveal("best_temperature", "T = 5 or T = 10, about equally good")

# %% [markdown]
# <details><summary>What was measured</summary>
#
# Means over five seeds, in nats per token, with the learning rate that suited α = 0.5 and T = 3:
#
# | α at T = 3 | distance | | T at α = 0.5 | distance |
# | --- | ---: | --- | --- | ---: |
# | 0.3 | 0.043 | | 1 | 0.062 |
# | 0.5 | 0.027 | | 3 | 0.027 |
# | 0.7 | 0.009 | | 5 | 0.010 |
# | | | | 10 | 0.010 |
#
# So the default T = 3 is clearly better than T = 1, and it is not the best: T = 5 and T = 10 do better here. The labs
# keep T = 3 for two reasons. It was chosen before this sweep, and a setting that is picked because it wins on the
# held-out rows can no longer be judged on the same rows. And the sweep ran with one teacher, nearly an oracle, whose
# small probabilities can be trusted. For another teacher, measure again.
#
# </details>

# %% [markdown]
# ## A real teacher, real text
#
# If you stay in the tiny tier, this is what the laptop tier gives at full length: 240 steps of 8 rows, T = 2, α = 0.5.
# The teacher is a language model with 135 million weights. The student starts from half of its layers. Each stroke is
# one run, measured on held-out rows, and the dotted line is the teacher itself.

# %% fold=true
WIKITEXT = {
    "hard labels only": [50.84, 50.78, 50.75],
    "labels and teacher": [45.58, 46.13, 45.62],
    "teacher only": [92.90, 92.55, 92.99],
}
PYTHON = {
    "hard labels only": [33.74],
    "labels and teacher": [19.44],
    "teacher only": [30.85],
}
plots.a_real_teacher(
    {"WikiText-2, three seeds": WIKITEXT, "Python reference, one seed": PYTHON},
    {"WikiText-2, three seeds": 60.94, "Python reference, one seed": 19.64},
)

# %% [markdown]
# | text | teacher itself | hard labels only | labels and teacher | teacher only |
# | --- | ---: | ---: | ---: | ---: |
# | WikiText-2, mean of three seeds | 60.9 | 50.8 | 45.8 | 92.8 |
# | Python language reference, one seed | 19.6 | 33.7 | 19.4 | 30.9 |

# %% [markdown]
# ## Quiz 2 · Better than its teacher
#
# On WikiText-2 the control is better than the teacher itself. How is that possible?
#
# - **A** Smaller models generalise better than larger ones.
# - **B** The students were trained on this kind of text, and the teacher was not.
# - **C** The perplexity must be computed wrongly: a student cannot beat its teacher.

# %% quiz="beats_its_teacher" points=1
beats_its_teacher = "B"

# %% [markdown]
# <details><summary>What the figure shows</summary>
#
# Hard labels carry something that this teacher does not know: what this kind of text is like. A student that learns
# from the teacher alone cannot find it out. That is why teacher-only training is the worst on WikiText-2, although it
# is the best in the tiny tier. The combination was best on both texts.
#
# On WikiText-2 the three seeds of each arm differ little: from 50.7 to 50.8 with hard labels only, and from 45.6 to
# 46.1 with labels and teacher. But all of them used **the same split** into training and held-out rows. Seeds do not
# show what another split would give. So we ran three other splits, each with every fifth article held out (one seed),
# and took the paired difference that you wrote above. At equal steps the teacher lowered perplexity on all three: from
# 41.0 to 38.9, from 40.3 to 37.3 and from 43.6 to 39.9, and no interval includes zero. That is 5 to 8 %, and the split
# in the table gives 10 %. What carries over is the sign. **Do not carry over the size.**
#
# On the Python text the control was *overfitting*: in its last 20 steps it lost 1.2 nats per token on the training
# rows, against 3.5 on held-out rows. The soft targets prevented much of that. This is a single seed: it shows what
# happened once.
#
# All arms took the same number of steps, not the same time. On WikiText-2, hard labels only took 10 to 11 minutes, and
# labels and teacher took 14 to 19, without the 3 minutes for the teacher's predictions. At *equal cost*, labels and
# teacher can afford 131 to 148 steps instead of 240, and then reach 51.4 on average over the three seeds (50.7 to
# 52.6), against 50.8 (50.7 to 50.8) with hard labels only. At that price, no gain is shown.
#
# </details>

# %% [markdown]
# ## Choosing a student
#
# A student needs an architecture and its first weights. There are two common ways to get them.
#
# - **Keep some of the teacher's layers.** The student has the teacher's width and tokenizer, so you can copy layers as
#   its first weights, and later match hidden states too. Cost falls only in proportion to the layers that you drop.
# - **Take another model**, smaller in every dimension. It can be as small as you like, and if it has been trained
#   already, it starts with knowledge of its own. But its hidden states do not fit the teacher's, and if its tokenizer
#   differs, its logits do not fit either. Then only the teacher's text is left to learn from.
#
# If you keep layers, it matters which ones. The student of the laptop tier has 15 of the teacher's 30. These are its
# perplexities on WikiText-2 as soon as the other layers are gone, and after 8 steps of 4 rows:
#
# | layers kept | at once | after 8 steps |
# | --- | ---: | ---: |
# | the first half | 8.6 billion | 45,340 |
# | every second one, from the second on | 4.3 million | 5,124 |
# | evenly spread, both ends kept | 703,000 | 2,576 |
# | both ends, without the middle | 5,658 | 238 |
# | the ones that change the hidden state most | 531 | 100 |
#
# Each row is one short run, which shows where a student *starts*. It does not show where it ends after long training.
# The measure in the last row, how far each layer turns the hidden state, comes from ShortGPT (Men et al. 2024).

# %% [markdown]
# ## Quiz 3 · Which student?
#
# A model with 70 billion weights is too expensive to serve. You compare two students: one with 7
# billion that keeps some of its layers, and another model with 3 billion and a different tokenizer. Which of these
# reasons speaks for the *smaller* one?
#
# - **A** You want to match hidden states layer by layer.
# - **B** You want to train on the teacher's logits, token by token.
# - **C** The task is narrow, such as sorting messages into ten classes, and what counts is the cost of each request.
# - **D** The task needs long chains of reasoning, and quality counts most.

# %% quiz="which_student" points=1
which_student = "C"

# %% [markdown]
# ## What they write
#
# Perplexity is not everything. Let each model continue the same beginning, sampling each token from its own
# probabilities. Cover the names: which of the models do you recognise by its mistakes?


# %%
def continued(model, prompt, length=16):
    """The prompt and a sampled continuation; all models use the same random numbers."""
    torch.manual_seed(1)
    start = tokenizer(prompt, return_tensors="pt").to(device)
    sampling = {"do_sample": True, "pad_token_id": tokenizer.eos_token_id}
    written = model.generate(**start, max_new_tokens=length, **sampling)
    return tokenizer.decode(written[0], skip_special_tokens=True)


# %%
tiny_openings = ["One rainy day, Anna", "Ben walked to the kitchen and"]
for opening in tiny_openings if settings.name == "tiny" else ["The city is"]:
    for key, group in candidates.items():
        print(f"{key}:\n    {continued(group[0].eval(), opening)}")
    print()

# %% [markdown]
# ## Self-check
#
# **What was added?** (a) Copy your statement from above, and say in your own words what it claims and what it does
# not claim. (b) A report says: "Our distilled student went from a perplexity of 46 to 36." Which two explanations does
# that leave open, and which run tells them apart?
#
# *Four to six sentences, about 5 minutes.*

# %% [markdown] answer="what_was_added" points=2
# (a) It claims that on these held-out rows, after this number of steps, the loss per token of the distilled students is
# lower than the control's (or not lower) by so many nats; that the choice of rows does not explain the difference if
# the interval excludes 0; and in how many seeds it was so. It claims nothing about other texts, other teachers or
# sizes, more training, equal cost, or the quality of the text that the students write.
#
# (b) Either the teacher helped, or the student only adapted to the kind of text that it is measured on, as any training
# on it would have achieved. The missing run is a student with the same start, text and number of steps, trained on hard
# labels only, with several seeds.

# %% [markdown]
# ## What to take away
#
# - Perplexity is exp(total NLL / predicted tokens). Sum first, and divide once, at the end.
# - A value that depends on the batch size has a wrong weight in it.
# - Measure in eval mode; n tokens give n − 1 predictions; padding gives none.
# - Measure gains in nats, and shares of a gap in logarithms.
# - Compare two models row by row: take the difference first, then its interval.
# - **No control, no claim.** Same start, same text, same steps, several seeds, intervals. "No gain is shown" is a
#   result too.
# - How much a teacher adds depends on how good it is on this text. Say which teacher and which text you measured.

# %% [markdown]
# ## Reading list
#
# **Required**
#
# - Hugging Face, [Perplexity of fixed-length models](https://huggingface.co/docs/transformers/perplexity): what the
#   measure averages, and what it does to long texts.
# - Dror et al. 2018, [The Hitchhiker's Guide to Testing Statistical Significance in
#   NLP](https://aclanthology.org/P18-1128/), sections 2 and 3: paired tests, and the bootstrap among them.
#
# **Optional**
#
# - Men et al. 2024, [ShortGPT](https://arxiv.org/abs/2403.03853): which layers a model can do without.
# - Muralidharan et al. 2024, [Compact Language Models via Pruning and Knowledge
#   Distillation](https://arxiv.org/abs/2407.14679) (Minitron): choosing a student by pruning, at full size.
# - Stanton et al. 2021, [Does Knowledge Distillation Really Work?](https://arxiv.org/abs/2106.05945): how closely
#   students follow their teachers, and why that is not the same as a low loss.
#
# **Reference**
#
# - Efron and Tibshirani 1993, *An Introduction to the Bootstrap*, chapter 13: the percentile interval.

# %% [markdown]
# ## Stretch goals
#
# - Give the control more steps, until it takes as long as the distilled students. What is left of the difference?
# - Repeat the comparison with a third of the training text, and with three times as many steps. When does the teacher
#   help most?
# - The tiny language's entropy is known: `KnownLanguage.stories().row_entropy(64)`. Which perplexity can no model beat
#   on average, and how far is the teacher from it?
# - Bootstrap over seeds and rows together: draw the seeds with replacement too. How much wider does the interval get?
