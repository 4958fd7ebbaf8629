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
# # Lab 02: The distillation loss
#
# A student model learns from two sources at once: from the text, and from a teacher model. In this lab you write the
# loss that puts the two together, one piece at a time, and you measure what each piece does.
#
# **At the end you can**
#
# - write the soft term and the hard term of the distillation loss, and join them;
# - say which way round the KL divergence goes, and what either way costs;
# - average over the tokens that count, so that α means what it says;
# - show with a measurement what T² does, and say when you do not need it.
#
# **Time:** about 75 minutes.
#
# **You need:** softmax with a temperature (lab 01), and PyTorch's tensors and `backward()`.
#
# Work from top to bottom. Under each exercise stands a check: run it as often as you like.

# %% [markdown]
# ## Shapes and words
#
# | name | shape | what it is |
# | --- | --- | --- |
# | `student_logits`, `teacher_logits` | `(B, S, V)` | a score for every word of the vocabulary, at every position |
# | `labels` | `(B, S)` | the number of the word that really comes next, or -100 |
# | `mask` | `(B, S)` | `True` where a token counts |
#
# `B` is the number of rows, `S` the number of positions in a row, `V` the size of the vocabulary. Losses are in *nats*:
# logarithms are natural ones.
#
# Labels are *aligned*: `labels[b, s]` is the target of `logits[b, s]`. A language model predicts the next token, so
# somebody has to shift the text by one. The caller does that, once (lab 03). The loss never shifts.

# %% setup=true
import torch
import torch.nn.functional as F
from torch import nn

IGNORE = -100  # the label of a token that is not counted


def widen(logits):
    """The same logits in float32, or in float64 if they already are."""
    return logits if logits.dtype == torch.float64 else logits.float()


# %%
import matplotlib.pyplot as plt

from helpers.checks import check
from helpers.plots import bars, lines, show

# %% [markdown]
# ## Two terms: what the text says, what the teacher thinks
#
# Take one position in one sentence: *After the exam she felt …*. The vocabulary has five words. The text goes on with
# "glad", so "glad" is the label.
#
# The **hard term** knows nothing but that label: "glad" is right and the four others are equally wrong. It is the loss
# that every language model is trained with, and it is grounded in real text.
#
# The **soft term** compares the student with the teacher's whole distribution. The teacher also thinks well of "happy",
# less of "sad", and nothing of "table". The student sees in one step what it would need many sentences to find out. But
# the teacher can be wrong, and then the soft term teaches its mistakes.
#
# Most people use both: $L = \alpha \cdot T^2 \cdot \mathrm{KL}(\text{teacher}_T \,\|\, \text{student}_T) + (1 - \alpha)
# \cdot \mathrm{CE}(\text{labels}, \text{student})$. By the end of the lab you have written every symbol of that line.

# %%
words = ["happy", "glad", "joyful", "sad", "table"]
teacher_example = torch.tensor([[[5.0, 3.9, 3.2, 3.1, -1.0]]])
student_example = torch.tensor([[[2.0, 0.5, 1.0, 2.5, 1.5]]])
label_example = torch.tensor([[words.index("glad")]])
print("logits", tuple(teacher_example.shape), "and labels", tuple(label_example.shape))

# %% [markdown]
# ## Soft targets
#
# The teacher's probabilities at a temperature T are the *soft targets*: divide the logits by T, then take the softmax
# over the vocabulary, which is the last axis.
#
# Three things are easy to miss.
#
# - **The teacher is not trained.** Its logits may arrive with a graph behind them. Cut it, or `backward()` spends time
#   and memory on the teacher, and an optimizer that holds its weights would change it.
# - **Precision.** Models often run in bfloat16, which keeps between two and three digits. Widen the logits to float32
#   *before* you divide: afterwards the digits are gone. The setup cell holds `widen` for this.
# - **A temperature of 0 or less means nothing.** Say so with a `ValueError` that names the argument and what it was.

# %% [markdown]
# ## Exercise 1: soft_targets
#
# Turn the teacher's logits into the probabilities that the student is to learn.
#
# <details><summary>Hint 1: where to start</summary>
#
# Test the temperature first. Then there are four small steps: cut the graph, widen, divide, softmax.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `widen` stands in the setup cell. A tensor has the methods `detach` and `softmax`; neither changes the tensor that was
# handed in. Methods and operators that work in place (`div_`, `/=`) would.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $p_i = \exp(z_i / T) \,/\, \sum_j \exp(z_j / T)$, where the sum runs over the vocabulary: `dim=-1`. Let PyTorch
# compute it: written out by hand, the exponential overflows at logits of a few hundred.
#
# </details>


# %% exercise="soft_targets"
def soft_targets(teacher_logits, temperature):
    """The teacher's probabilities at a temperature: what the student is to learn.

    teacher_logits: `(B, S, V)`, any floating dtype. temperature: a number above 0.
    Returns `(B, S, V)`: probabilities that add up to 1 over the vocabulary, computed in float32 or wider. No gradient
    flows back to the teacher.
    Raises ValueError if the temperature is not above 0.
    Source: Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", section 2.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide_logits = widen(teacher_logits.detach())
    return (wide_logits / temperature).softmax(dim=-1)


# %% check="soft_targets" points=3
check(soft_targets)

# %% [markdown]
# **Predict first.** The label puts everything on "glad". The teacher's favourite is "happy". At T = 3, does the teacher
# still prefer "happy" by far? And does "table" become a likely word? Write down five probabilities, then run the cell.

# %%
label = F.one_hot(label_example, len(words))[0, 0]
plain, softened = (soft_targets(teacher_example, T)[0, 0] for T in (1.0, 3.0))
figure, axes = plt.subplots(figsize=(7, 3.2))
bars(axes, words, {"label": label, "teacher, T = 1": plain, "teacher, T = 3": softened})
axes.set(xlabel="next word", ylabel="probability", ylim=(0, 1.05))
show(
    figure,
    alt="Grouped bars: the probability of five words. The label is 1 at glad and 0 elsewhere. The teacher at T = 1 "
    "gives happy 0.61, glad 0.20, joyful 0.10, sad 0.09, table almost 0. At T = 3 the five are closer together: happy "
    "0.34, glad 0.24, joyful 0.19, sad 0.18, table 0.05. The order stays the same.",
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# The order of the words never changes with T; the distances do. At T = 3 the differences between "glad", "joyful" and
# "sad" are large enough to learn from. "table" has grown as well, although the teacher thinks nothing of it: that is
# the price of a high temperature.
#
# </details>

# %% [markdown]
# ## Why logarithms
#
# The KL divergence needs the logarithm of the student's probabilities. You could take the softmax and then its
# logarithm. **Predict first:** what does that give for a logit that lies 200 below the largest one?

# %%
far_apart = torch.tensor([0.0, -200.0])
print("probability:        ", far_apart.softmax(dim=-1)[1].item())
print("its logarithm:      ", far_apart.softmax(dim=-1).log()[1].item())
print("should be, in nats: ", -200.0)

# %% [markdown]
# $e^{-200}$ is smaller than the smallest number that float32 can hold, so it becomes 0 and its logarithm $-\infty$. One
# such word makes the whole loss infinite. Adding a small number before the logarithm only hides it: then every unlikely
# word costs the same.
#
# The way out is to take both in one step. $\log q_i = z_i / T - \log \sum_j \exp(z_j / T)$ has no tiny number in it.

# %% [markdown]
# ## Exercise 2: soft_log_predictions
#
# The student's side, at the same temperature. Two differences from exercise 1: you return *logarithms*, and the graph
# stays, because the student is the one that learns.
#
# <details><summary>Hint 1: where to start</summary>
#
# Copy the plan of exercise 1: test the temperature, widen, divide. Leave out the step that cuts the graph.
#
# </details>
#
# <details><summary>Hint 2: which tool</summary>
#
# PyTorch has softmax and logarithm in one function: look for `log_softmax`. The temperature goes inside, before it.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $\log q_i = z_i / T - \log \sum_j \exp(z_j / T)$. All values are 0 or less, and their exponentials add up to 1 over
# the vocabulary.
#
# </details>


# %% exercise="soft_log_predictions"
def soft_log_predictions(student_logits, temperature):
    """The logarithm of the student's probabilities at a temperature.

    student_logits: `(B, S, V)`, any floating dtype. temperature: a number above 0.
    Returns `(B, S, V)`: log-probabilities in nats, computed in float32 or wider. Gradients flow back to the student.
    Raises ValueError if the temperature is not above 0.
    Source: torch.nn.functional.log_softmax.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide_logits = widen(student_logits)
    return F.log_softmax(wide_logits / temperature, dim=-1)


# %% check="soft_log_predictions" points=3
check(soft_log_predictions)

# %% [markdown]
# Look at the student beside the teacher. Where do they disagree most?

# %%
teacher_probabilities = soft_targets(teacher_example, 3.0)[0, 0]
student_probabilities = soft_log_predictions(student_example, 3.0)[0, 0].exp()
for word, teacher_p, student_p in zip(
    words, teacher_probabilities, student_probabilities, strict=True
):
    print(f"{word:7} teacher {teacher_p:.3f}   student {student_p:.3f}")

# %% [markdown]
# ## KL divergence and its direction
#
# The soft term is the *Kullback–Leibler divergence* from teacher $p$ to student $q$. At one position it is
#
# $$\mathrm{KL}(p \,\|\, q) = \sum_{v} p_v \, (\log p_v - \log q_v).$$
#
# It is 0 when the two agree and positive otherwise. Read it as a price: how many nats you lose, on average, when words
# come from $p$ and you bet with $q$.
#
# It is **not symmetric**, because the average runs over $p$. Teacher first means: every word that the *teacher* finds
# likely has to be likely for the student too. Where the teacher's $p_v$ is 0, the word costs nothing: 0 · log 0 counts
# as 0.
#
# Beware of the order in `F.kl_div`. It takes the *predictions* first, as logarithms, and the targets second, as
# probabilities. The mathematics writes the teacher first.

# %% [markdown]
# ## Masks and means
#
# Rows of a batch have different lengths, and the short ones are filled up with *padding*, which is not text. A `mask`
# of shape `(B, S)` says which tokens count, and the loss is the **mean over the tokens that count**: add up their KL
# divergences, divide by their number.
#
# Every other mean changes what the number says:
#
# - the mean over all B · S places makes a batch with much padding look better than it is;
# - the mean of each row's mean gives a token in a short row more weight than one in a long row;
# - the mean over the vocabulary as well makes the term V times too small;
# - `reduction="batchmean"` divides by B alone. On `(B, S, V)` the term then grows with the length of the rows. You
#   measure that further down.
#
# If nothing counts at all, the loss is 0 and `backward()` still works. A mean of nothing would be 0 / 0, which is NaN,
# and one NaN spoils every weight of the model.

# %%
batch_labels = torch.tensor(
    [[1, 0, 3, 2], [4, 1, IGNORE, IGNORE], [2, IGNORE, IGNORE, IGNORE]]
)
batch_mask = batch_labels != IGNORE
print(batch_mask)
print("counted:", batch_mask.sum().item(), "of", batch_mask.numel())

# %% [markdown]
# The mask comes from which tokens are *there*, never from which word they are. Some models fill up with the same
# token that ends a text; a mask made from that token would also drop the real ends, and the student would never learn
# to stop.

# %% [markdown]
# ## Exercise 3: kl_divergence
#
# Write the mean KL divergence over the tokens that count.
#
# A word on names. Inside this function `soft_targets` is a *tensor*: the parameter hides the function that you wrote
# above. Later, in exercise 5, mind the opposite trap. A line such as "soft_targets = soft_targets(…)" inside a function
# ends in an `UnboundLocalError`, because Python then takes the name for a local variable from the first line on. Call
# the variable something else.
#
# <details><summary>Hint 1: where to start</summary>
#
# Three steps: a value for each word `(B, S, V)`, then for each token `(B, S)`, then one number. Compare the shapes
# first: tensors of the wrong shape often broadcast without a word and give a wrong number.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `F.kl_div` with `reduction="none"` gives the first step, 0 · log 0 included. By hand, `torch.xlogy` computes
# x · log y with 0 for x = 0. Add up over `dim=-1`. To leave tokens out, multiply by the mask.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $\sum_{b,s} m_{bs} \sum_v p_{bsv} (\log p_{bsv} - \log q_{bsv}) \,/\, \max(1, \sum_{b,s} m_{bs})$. The 1 below the
# line takes care of the batch in which nothing counts; a tensor has the method `clamp` for it.
#
# </details>


# %% exercise="kl_divergence"
def kl_divergence(soft_targets, soft_log_predictions, mask):
    """KL(teacher || student), the mean over the tokens that count, in nats.

    soft_targets: `(B, S, V)`, the teacher's probabilities; zeros are allowed, 0 log 0 is 0.
    soft_log_predictions: `(B, S, V)`, the student's log-probabilities. mask: bool `(B, S)`, True where a token counts.
    Returns a scalar; 0, with a gradient of 0, if nothing counts.
    Raises ValueError if the two differ in shape, or if the mask's shape is not `(B, S)`.
    Source: Kullback, Leibler 1951, "On Information and Sufficiency".
    """
    shape = tuple(soft_targets.shape)
    if soft_log_predictions.shape != shape:
        raise ValueError(
            f"soft_log_predictions has shape {tuple(soft_log_predictions.shape)}; it must be {shape}"
        )
    if mask.shape != shape[:-1]:
        raise ValueError(f"mask has shape {tuple(mask.shape)}; it must be {shape[:-1]}")
    per_word = F.kl_div(soft_log_predictions, soft_targets, reduction="none")
    per_token = per_word.sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


# %% check="kl_divergence" points=5
check(kl_divergence)

# %% [markdown]
# ### See it: which way round
#
# Suppose the student is too small to do all that the teacher does. Here the teacher likes two groups of words, around
# word 5 and around word 15. The student can only make *one* bump, of any width, anywhere. You search for the best bump,
# once with KL(teacher ‖ student), once with KL(student ‖ teacher).

# %%
word_number = torch.arange(21.0)
two_groups = torch.logaddexp(
    0.4 - (word_number - 5) ** 2 / 3, -((word_number - 15) ** 2) / 3
).view(1, 1, 21)
bumps = [
    (-((word_number - centre) ** 2) / (2 * width**2)).view(1, 1, 21)
    for centre in torch.arange(0, 21)
    for width in torch.arange(0.5, 8, 0.25)
]


# %%
def divergence(from_logits, to_logits):
    """KL from one model to another at T = 1, in nats; both have one token, which counts."""
    one_token = torch.ones(1, 1, dtype=torch.bool)
    return kl_divergence(
        soft_targets(from_logits, 1.0), soft_log_predictions(to_logits, 1.0), one_token
    ).item()


# %%
best = {
    "best for KL(teacher ‖ student)": min(
        bumps, key=lambda bump: divergence(two_groups, bump)
    ),
    "best for KL(student ‖ teacher)": min(
        bumps, key=lambda bump: divergence(bump, two_groups)
    ),
}
for name, bump in best.items():
    forward, reverse = divergence(two_groups, bump), divergence(bump, two_groups)
    print(
        f"{name}:  teacher first {forward:.2f} nats, student first {reverse:.2f} nats"
    )

# %% [markdown]
# **Predict first.** Sketch the teacher's two bumps. Then draw the student's best bump for each direction: does it sit
# on one group, on the other, or between them?

# %%
fitted = {name: soft_targets(bump, 1.0)[0, 0] for name, bump in best.items()}
figure, axes = plt.subplots(figsize=(7, 3.2))
axes.bar(
    word_number,
    soft_targets(two_groups, 1.0)[0, 0],
    label="teacher",
    color="lightgrey",
    edgecolor="black",
)
lines(axes, word_number, fitted, marker="o")
axes.set(xlabel="number of the word", ylabel="probability", xticks=range(0, 21, 5))
show(
    figure,
    alt="The teacher's probabilities have two bumps, at words 5 and 15. The best student with the teacher first is one "
    "wide bump that covers both and is highest between them, where the teacher has almost nothing. The best student "
    "with the student first is one narrow bump on the larger group and leaves the other out.",
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# Teacher first *covers*: leaving out a word that the teacher likes would cost a great deal, so the student spreads. The
# price is probability on words between the groups, which the teacher would never say. Student first *picks*: words that
# the student leaves out cost it nothing, so it takes one group and forgets the other.
#
# Distillation as in this lab puts the teacher first. Some methods turn it round (MiniLLM, Gu et al. 2024), because in
# text that a model writes by itself a word that the teacher would never say does more harm than a missing one.
#
# </details>

# %% [markdown]
# Try more than two cases. **Predict first:** bring the teacher's bumps closer together. From which distance on do both
# directions put the student in the same place? And with JSD(β), a mixture of both directions, where does the student
# jump from one answer to the other? *By hand* you can drag its top yourself and read what each place costs.

# %%
from helpers.widgets import DivergenceExplorer

DivergenceExplorer(fit="reverse")

# %% [markdown]
# ### See it: cross-entropy is not KL
#
# Leave $\log p_v$ out of the formula and you have the *cross-entropy* $-\sum_v p_v \log q_v$. The two differ by the
# teacher's entropy: $\mathrm{CE}(p, q) = \mathrm{H}(p) + \mathrm{KL}(p \,\|\, q)$. The student has no say in
# $\mathrm{H}(p)$, so both have the same gradient. The values differ.
#
# **Predict first.** The student's logits are the teacher's times a number $c$. At $c = 0$ the student knows nothing, at
# $c = 1$ it is the teacher. Where does each curve have its lowest point, and how high is it there?


# %%
def cross_entropy(from_logits, to_logits):
    """Cross-entropy of one model with the soft targets of another at T = 1, in nats."""
    return (
        -(soft_targets(from_logits, 1.0) * soft_log_predictions(to_logits, 1.0))
        .sum()
        .item()
    )


# %%
scales = torch.linspace(0, 3, 61)
kl, ce = (
    [measure(teacher_example, c * teacher_example) for c in scales]
    for measure in (divergence, cross_entropy)
)
entropy = cross_entropy(teacher_example, teacher_example)
figure, axes = plt.subplots(figsize=(7, 3.2))
lines(axes, scales, {"KL divergence": kl, "cross-entropy with the soft targets": ce})
axes.axhline(entropy, color="black", linestyle=":", label="entropy of the teacher")
axes.set(
    xlabel="scale c of the student's logits (1 is the teacher)",
    ylabel="nats",
    ylim=(0, 2.6),
)
axes.legend(loc="upper left", fontsize="small")
show(
    figure,
    alt="Two curves over the scale of the student's logits from 0 to 3, the same shape at different heights. Both are "
    "lowest at 1. The KL divergence reaches 0 there. The cross-entropy only comes down to the teacher's entropy, a "
    "dotted line at about 1.1 nats.",
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# Both are lowest at c = 1, and the distance between them is the same everywhere. But a cross-entropy "of 1.1 nats"
# can be a perfect student, and it differs from batch to batch with the teacher's entropy. KL tells you how far there
# is to go: its floor is 0.
#
# </details>

# %% [markdown]
# ## Hard labels
#
# The hard term is the usual loss of a language model: the mean of $-\log q_{\text{label}}$ over the tokens whose
# label is not -100. The student speaks with its ordinary voice here: **T = 1**, whatever the soft term uses. That is
# how it will be used later.
#
# The label -100 is no word. It marks the places that do not count: padding, and in lab 05 the question in front
# of an answer. A label of 0 is a word like any other.
#
# `F.cross_entropy` knows about -100. Left to itself it takes the mean, and the mean of nothing is NaN. So ask it for
# the sum, and divide yourself.

# %% [markdown]
# ## Exercise 4: hard_loss
#
# Write the mean cross-entropy with the labels. The labels are aligned already: do not shift.
#
# <details><summary>Hint 1: where to start</summary>
#
# Compare the shapes first: there must be one label for each position. Then a sum over tokens, and the number of tokens.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `F.cross_entropy` wants the vocabulary as dimension 1. The simplest way is to flatten to `(N, V)` logits and `(N,)`
# labels. `flatten` and `reshape` also take slices, `view` does not. Its options `ignore_index` and `reduction` do the
# rest. Do not take a softmax first: it does that itself.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $-\sum_{\text{counted}} \log q_{\text{label}} \,/\, \max(1, \text{number counted})$, with $\log q$ from the widened
# logits at T = 1.
#
# </details>


# %% exercise="hard_loss"
def hard_loss(student_logits, labels):
    """Cross-entropy of the student with the labels at T = 1, the mean over the tokens that count, in nats.

    student_logits: `(B, S, V)`, any floating dtype. labels: `(B, S)`, whole numbers, aligned; -100 is not counted.
    Returns a scalar, computed in float32 or wider; 0, with a gradient of 0, if nothing counts.
    Raises ValueError if the shape of the labels is not `(B, S)`.
    Source: torch.nn.functional.cross_entropy.
    """
    shape = tuple(student_logits.shape)
    if labels.shape != shape[:-1]:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)}; it must be {shape[:-1]}"
        )
    flat_logits = widen(student_logits).flatten(0, -2)
    total = F.cross_entropy(
        flat_logits, labels.flatten(), ignore_index=IGNORE, reduction="sum"
    )
    return total / (labels != IGNORE).sum().clamp(min=1)


# %% check="hard_loss" points=4
check(hard_loss)

# %% [markdown]
# ## Why T squared
#
# Raise T, and the soft term's gradient shrinks. At one position its derivative with respect to a student logit is
#
# $$\frac{\partial \, \mathrm{KL}}{\partial z_i} = \frac{1}{T}\,(q_i - p_i).$$
#
# One factor 1/T stands there in plain sight: it comes from dividing the logits. A second one hides in the bracket. At
# a high temperature both distributions are nearly flat, $q_i \approx \frac{1}{V} + \frac{z_i}{V T}$ for logits with
# mean 0, and the same holds for $p_i$ with the teacher's logits. Their difference shrinks like 1/T too. Together that
# is $1/T^2$.
#
# The hard term runs at T = 1 and does not shrink. Multiply the soft term by T², and the *balance* between the two stays
# about where α puts it when you try another T. "About", because the second factor holds only once T is large compared
# with the spread of the logits. You measure both at the end.

# %% [markdown]
# ## Exercise 5: distillation_loss
#
# Join the pieces: α weighs the soft term, 1 − α the hard one, T² goes to the soft term alone. Call the functions that
# you have written. A token that does not count in one term does not count in the other.
#
# <details><summary>Hint 1: where to start</summary>
#
# Write down the two terms on paper with their factors. Then ask for each of your functions: which of my five arguments
# does it get? One argument is missing, the mask: make it from the labels. Give your variables other names than your
# functions.
#
# </details>
#
# <details><summary>Hint 2: what else to test</summary>
#
# α must lie between 0 and 1, both included. Student and teacher must have one shape; models with different vocabularies
# cannot be compared word by word. The other tests are in your functions already.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $\alpha \, T^2 \, \mathrm{KL} + (1 - \alpha) \, \mathrm{CE}$, both terms as means over the tokens whose label is not
# -100. The temperature goes to soft targets and soft log-predictions, and not to the hard loss.
#
# </details>


# %% exercise="distillation_loss"
def distillation_loss(
    student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5
):
    """alpha · T² · KL(teacher_T || student_T) + (1 - alpha) · CE(labels, student), in nats.

    student_logits, teacher_logits: `(B, S, V)`. labels: `(B, S)`, aligned; -100 is counted in neither term.
    temperature: a number above 0. alpha: from 0 (hard labels only) to 1 (soft targets only).
    Returns a scalar, the mean over the tokens that count; 0, with a gradient of 0, if nothing counts. No gradient flows
    back to the teacher.
    Raises ValueError if the temperature is not above 0, if alpha is outside [0, 1], if student and teacher differ in
    shape, or if the shape of the labels is not `(B, S)`.
    Source: Hinton, Vinyals, Dean 2015, section 2.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it must lie between 0 and 1")
    shape = tuple(student_logits.shape)
    if teacher_logits.shape != shape:
        raise ValueError(
            f"teacher_logits has shape {tuple(teacher_logits.shape)}; it must be {shape}, the student's"
        )
    hard = hard_loss(student_logits, labels)
    targets = soft_targets(teacher_logits, temperature)
    log_predictions = soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, log_predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard


# %% check="distillation_loss" points=6
check(distillation_loss)

# %% [markdown]
# ## The quick test
#
# The textbook tests its loss on random logits with B = 2, S = 10 and V = 50,257, and prints 11.2438. **Predict first:**
# an even guess among 50,257 words costs ln 50,257 ≈ 10.8 nats. Random logits are not even: they favour some words,
# mostly wrong ones, which costs half a nat more on average. With α = 0.5, roughly what should your loss be if the soft
# term is about 1 nat?


# %%
def random_batch(positions, vocabulary, seed=0):
    """Student logits, teacher logits and labels for two rows, all at random and all counted."""
    source = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, 2, positions, vocabulary, generator=source)
    return student, teacher, torch.randint(vocabulary, (2, positions), generator=source)


# %%
batch = random_batch(10, 50257)
soft, hard = (distillation_loss(*batch, 3.0, alpha).item() for alpha in (1.0, 0.0))
print(f"yours, with α = 0.5: {distillation_loss(*batch).item():.4f}")
print(f"its soft term is {soft:.4f}, its hard term {hard:.4f}")
print(
    f"with a soft term 10 times as large it would be {0.5 * 10 * soft + 0.5 * hard:.4f}"
)

# %% [markdown]
# Per token the loss is about 6.2; another seed moves it by a tenth or two. The difference is in the soft term. The
# textbook's code uses `reduction="batchmean"`, and that divides by B = 2 instead of by the B · S = 20 tokens. So its
# soft term is S = 10 times as large, and its loss comes to between 10 and 11. (Not to 11.2438: that figure does not
# come out of its own code.)
#
# The textbook then trains on rows of S = 128. **Predict first:** how large is its soft term there? And which α would
# you have to give to *your* loss to get the same balance of soft and hard?


# %%
def soft_terms(positions):
    """T² · KL at T = 3 on random logits: divided by the tokens that count, and as batchmean divides it."""
    student, teacher, labels = random_batch(positions, 1000)
    divide_by_rows = nn.KLDivLoss(reduction="batchmean")
    batchmean = divide_by_rows(
        soft_log_predictions(student, 3.0), soft_targets(teacher, 3.0)
    )
    return distillation_loss(
        student, teacher, labels, 3.0, 1.0
    ).item(), 3.0**2 * batchmean.item()


# %%
lengths = [1, 10, 32, 128]
for S in lengths:
    per_token, batchmean = soft_terms(S)
    print(
        f"S = {S:3}: {per_token:.3f} per token, {batchmean:7.3f} with batchmean; α acts as {S / (S + 1):.3f}"
    )

# %%
per_token, batchmean = zip(*(soft_terms(S) for S in lengths), strict=True)
figure, axes = plt.subplots(figsize=(7, 3.2))
lines(
    axes,
    lengths,
    {
        "divided by the tokens that count": per_token,
        "batchmean: divided by B": batchmean,
    },
    marker="o",
)
axes.set(
    xscale="log",
    yscale="log",
    xlabel="positions S in a row",
    ylabel="soft term, with T² (nats)",
)
axes.set_xticks(lengths, lengths, minor=False)
axes.minorticks_off()
show(
    figure,
    alt="The soft term over the number of positions from 1 to 128, both axes logarithmic. Divided by the tokens that "
    "count it stays at about 1 nat. With batchmean it rises in proportion to S, to about 128 nats at S = 128.",
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# With `batchmean` the two terms stand in the ratio α · S to 1 − α. That is the balance of an α of αS / (αS + 1 − α):
# for α = 0.5 it is 0.91 at S = 10 and 0.99 at S = 128. The hard term has all but gone. The gradient grows with S as
# well: with plain gradient descent, a learning rate found with short rows is too large for long ones. (Adam divides by
# the gradient's size and hides that. The balance stays wrong all the same.)
#
# </details>

# %% [markdown]
# ## Exercise 6: DistillationLoss
#
# Put the loss into an `nn.Module`, so that T and α are kept in one place and a training loop takes this loss like any
# other. Read both attributes at the time of the call: then `loss.temperature = 2.0` in the middle of a run does what it
# says.
#
# <details><summary>Hint 1: where to start</summary>
#
# A module needs the constructor of `nn.Module` to run first. Then store the two numbers under their own names.
#
# </details>
#
# <details><summary>Hint 2: what goes where</summary>
#
# The constructor computes nothing. `forward` passes its three arguments and the two attributes on to a function that
# you have written, in that function's order.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Everything that is worked out early goes stale: a T² or a 1 − α that the constructor stores does not follow when the
# attribute is changed. Bad values may raise in the constructor or in `forward`; your function does the latter for you.
#
# </details>


# %% exercise="DistillationLoss"
class DistillationLoss(nn.Module):
    """The distillation loss as a module with the attributes `temperature` and `alpha`.

    Changing an attribute changes the loss. Bad values raise ValueError, in the constructor or in the call.
    """

    def __init__(self, temperature=3.0, alpha=0.5):
        """temperature: a number above 0. alpha: from 0 (hard labels only) to 1 (soft targets only)."""
        super().__init__()
        self.temperature = temperature
        self.alpha = alpha

    def forward(self, student_logits, teacher_logits, labels):
        """The loss, a scalar in nats, as `distillation_loss` gives it.

        student_logits, teacher_logits: `(B, S, V)`. labels: `(B, S)`, aligned; -100 is not counted.
        """
        return distillation_loss(
            student_logits, teacher_logits, labels, self.temperature, self.alpha
        )


# %% check="DistillationLoss" points=3
check(DistillationLoss)

# %% [markdown]
# ## What T squared does, measured
#
# You have the pieces to test the argument for T². Take a student whose logits are the teacher's with noise added. For
# each T, measure how long the gradient at the student's logits is: for the soft term with T², for the soft term without
# it, and for the hard term.

# %%
source = torch.Generator().manual_seed(1)
teacher = 2 * torch.randn(2, 8, 1000, generator=source)
student = (teacher + torch.randn(2, 8, 1000, generator=source)).requires_grad_()
labels = torch.multinomial(
    teacher.softmax(dim=-1).flatten(0, 1), 1, generator=source
).view(2, 8)
temperatures = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0]


# %%
def gradient_length(temperature, alpha):
    """Length (Euclidean norm) of the loss's gradient at the student's logits, in nats per unit of logit."""
    loss = distillation_loss(student, teacher, labels, temperature, alpha)
    return torch.autograd.grad(loss, student)[0].norm().item()


# %% [markdown]
# **Predict first.** You are about to print, for each T, how long the soft gradient is compared with the hard one. With
# T², does the ratio grow, shrink or stay when T goes from 1 to 20? And without? Then the plot: both its axes are
# logarithmic, and a gradient that shrinks like 1/T² is a straight line there. Which slope does it have, and is it
# straight from T = 1 on?

# %%
for T in temperatures:
    ratio = gradient_length(T, 1.0) / gradient_length(T, 0.0)
    print(
        f"T = {T:4g}: soft ÷ hard is {ratio:.4f} with T² and {ratio / T**2:.4f} without"
    )

# %%
with_square = [gradient_length(T, 1.0) for T in temperatures]
without_square = [
    length / T**2 for length, T in zip(with_square, temperatures, strict=True)
]

guide = [without_square[-1] * (temperatures[-1] / T) ** 2 for T in temperatures]
figure, axes = plt.subplots(figsize=(7, 3.8))
axes.plot(
    temperatures, guide, color="grey", linewidth=1, label="for comparison: slope −2"
)
axes.axhline(gradient_length(1.0, 0.0), color="black", linestyle=":", label="hard term")
lines(
    axes,
    temperatures,
    {"soft term, with T²": with_square, "soft term, without T²": without_square},
    marker="o",
)
axes.set(
    xscale="log",
    yscale="log",
    xlabel="temperature T",
    ylabel="length of the gradient\n(nats per unit of logit)",
)
axes.set_xticks([1, 2, 5, 10, 20], [1, 2, 5, 10, 20])
axes.minorticks_off()
show(
    figure,
    alt="Length of the gradient over the temperature from 1 to 20, both axes logarithmic. Without T² the soft term's "
    "gradient falls by a factor of about 2,000 and runs along a guide line of slope −2 from about T = 4 on. With T² it "
    "falls by a factor of 5, nearly all of it below T = 4, and then stays level. The hard term's gradient is a level "
    "line above both.",
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# Without T² the soft term all but vanishes beside the hard one when T grows. With T² it is level from T = 4 or so on.
# Below that it still moves, because the distributions of student and teacher are not nearly flat there. So T² keeps the
# *balance* about equal over T. It does not make soft and hard equally strong: for that you have α.
#
# </details>

# %% [markdown]
# ### See it: the whole loss in your hands
#
# One token, five words, the two distributions from the start of this lab. Drag the end of a bar, α, and T; the bars on
# the right show at which word each term pulls, and how hard. **Predict first:**
#
# - At T = 1 and again at T = 6: how long is the soft gradient without T², compared with the hard one?
# - Make the student equal to the teacher. Which term is 0 then, and what still pulls?
# - With α = 0.5, which student has the lowest total? Drag until you cannot lower it any further.
#
# Then compare the explorer's total with that of your own loss.

# %%
from helpers.widgets import LossExplorer

explorer = LossExplorer(words=words, alpha=0.5, temperature=3.0)
explorer

# %%
one_token = [
    torch.tensor(logits).view(1, 1, -1)
    for logits in (explorer.student_logits, explorer.teacher_logits)
]
label_now = torch.tensor([[explorer.label]])
yours = distillation_loss(
    *one_token, label_now, explorer.temperature, explorer.alpha
).item()
print(
    f"total: yours {yours:.4f} nats, the explorer's {explorer.losses['total']:.4f} nats"
)

# %% [markdown]
# ## T squared with no hard term
#
# With α = 1 there is nothing to balance. T² then multiplies the whole loss, and that is the same as multiplying the
# learning rate of plain gradient descent. Test it: train free logits with T² at some rate, and without T² at T² times
# that rate. Then do the same with α = 0.5.

# %%
source = torch.Generator().manual_seed(2)
free_teacher = 2 * torch.randn(1, 8, 10, generator=source)
next_words = torch.multinomial(
    free_teacher[0].softmax(dim=-1), 1, generator=source
).view(1, 8)
high, rate = 3.0, 2.0  # the temperature and the learning rate


# %%
def loss_with(free_student, alpha):
    """Your loss, with T²."""
    return distillation_loss(free_student, free_teacher, next_words, high, alpha)


def loss_without(free_student, alpha):
    """The same without T²: the soft term divided by it again."""
    return alpha * loss_with(free_student, 1.0) / high**2 + (1 - alpha) * loss_with(
        free_student, 0.0
    )


# %%
def train(loss, alpha, learning_rate, steps=60):
    """Plain gradient descent from all-zero logits. Returns KL to the teacher at T = 1 before each step, in nats."""
    free_student, distance = torch.zeros_like(free_teacher, requires_grad=True), []
    for _ in range(steps):
        distance.append(
            distillation_loss(free_student, free_teacher, next_words, 1.0, 1.0).item()
        )
        (slope,) = torch.autograd.grad(loss(free_student, alpha), free_student)
        free_student = (free_student - learning_rate * slope).detach().requires_grad_()
    return torch.tensor(distance)


# %% [markdown]
# **Predict first.** There are two plots, one for each α, with two runs in each. In which plot do the two runs lie on
# each other? In the other, which run ends further from the teacher?


# %%
def two_runs(alpha):
    """Distance to the teacher at each step: with T², and without it at T² times the learning rate."""
    return train(loss_with, alpha, rate), train(loss_without, alpha, rate * high**2)


for alpha in (1.0, 0.5):
    square, no_square = two_runs(alpha)
    print(
        f"α = {alpha}: the two runs differ by at most {(square - no_square).abs().max():.1e} nats"
    )

# %%
names = (
    f"with T², learning rate {rate:g}",
    f"without T², learning rate {rate * high**2:g}",
)
runs = {alpha: dict(zip(names, two_runs(alpha), strict=True)) for alpha in (1.0, 0.5)}
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
for axes, alpha in zip(panels, runs, strict=True):
    lines(axes, range(60), runs[alpha], linewidth=2.5)
    axes.set(
        title=f"α = {alpha}", xlabel="step", ylabel="KL to the teacher at T = 1 (nats)"
    )
    axes.set_ylim(bottom=0)
show(
    figure,
    alt="Distance to the teacher over 60 steps. Left, alpha = 1: the run with T² and the run without T² at nine times "
    "the learning rate lie on each other and fall towards 0. Right, alpha = 0.5: they part. With T² the distance falls "
    "to about 0.25 nats and stays there; without T² it falls, turns round and ends at about 0.8 nats.",
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# With α = 1 the runs are the same up to rounding. With α = 0.5 the learning rate cannot put things right: it makes the
# hard term nine times as strong as well, and the student follows the labels away from the teacher.
#
# One more thing follows. Adam divides each gradient by its own recent size. With α = 1 it hardly notices T² at all.
# With a hard term it does, because T² decides which of the two terms it listens to.
#
# </details>

# %% [markdown]
# ## Self-check
#
# **1. Why T²?** A colleague distils with T = 4 and has left T² out. Answer in your own words: (a) With α = 0.5, what
# happens to the balance of the two terms, and why is the factor T² rather than T? (b) With α = 1 and plain gradient
# descent, what else could the colleague change to get the same training?

# %% [markdown] answer="why_t_squared" points=2
# (a) The soft term's gradient is (q − p) / T, and q − p itself shrinks about like 1/T, since both distributions get
# flatter: that makes about 1/T², here 1/16. The hard term does not depend on T. So the student mostly follows the
# labels, and α = 0.5 no longer means half and half. One factor T would undo only the division of the logits; T²
# undoes both.
#
# (b) Nothing is there to be balanced, so T² is only a factor on the whole loss. A learning rate that is 16 times as
# large gives exactly the same steps.

# %% [markdown]
# **2. Which way round?** Your student is much too small to reproduce all that its teacher says. What do you get from
# training it with KL(teacher ‖ student), what from KL(student ‖ teacher), and what does each cost?

# %% [markdown] answer="kl_direction" points=2
# With the teacher first, the average runs over the words that the teacher finds likely. Missing one of them costs a
# lot, so the student spreads out and covers them all. The cost: it also gives probability to words that the teacher
# would not say.
#
# With the student first, the average runs over the student's own words. It pays for saying what the teacher would not
# say, and pays nothing for what it leaves out. So it settles on a part of what the teacher does, says that well, and
# loses the rest: less variety.

# %% [markdown]
# ## What to take away
#
# - The soft term is KL with the **teacher first**, both sides at the same T; the hard term runs at T = 1.
# - Take log-softmax in one step and in float32. Cut the teacher's graph.
# - Average over the **tokens that count**, in both terms. Then α means the same for every length and any amount of
#   padding.
# - Nothing counted gives 0, not NaN.
# - T² keeps the balance between soft and hard when T changes. With no hard term it is a learning rate.
# - KL has the floor 0. Cross-entropy with soft targets has the teacher's entropy as its floor.

# %% [markdown]
# ## Stretch goals
#
# - Write `kl_divergence` a second time without `F.kl_div`, and a third time with `log_target=True`. Do all three pass
#   the check? Which of them gives NaN for a soft target of exactly 0?
# - Repeat the last experiment with `torch.optim.Adam` instead of plain gradient descent. Is it true that T² changes
#   next to nothing at α = 1?
# - Replace KL by the mean squared difference of the logits. At T = 20, compare its gradient with the soft term's: what
#   does a high temperature turn the soft term into?
# - The vocabulary is large and most soft targets are almost 0. Keep the teacher's 20 most likely words and put the rest
#   into one more entry. How far is the KL divergence from the full one at T = 1, and at T = 5?
