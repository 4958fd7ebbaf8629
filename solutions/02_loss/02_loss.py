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
# A student model learns from two sources at once: the text and a teacher model. In this lab you write the loss that
# combines them, one piece at a time, and you measure what each piece does.
#
# **After this lab you can**
#
# - write the soft term and the hard term of the distillation loss, and combine them;
# - say which direction of the KL divergence the loss uses, and what each direction costs;
# - derive the gradient of the soft term by hand, and read from it what the teacher tells the student;
# - average over the tokens that count, so that α means what it says;
# - show with a measurement what T² does, and say when you do not need it.
#
# **Time:** about 120 minutes (55 for reading, figures and questions, 65 for the exercises).
#
# **You need:** softmax with a temperature (lab 01), PyTorch tensors and `backward()`.
#
# Work from top to bottom. Predictions never cost points, and under each exercise there is a check, which you can run
# as often as you like. The badges say how hard and how important an exercise is. In a hurry, skip exercises 1, 2 and
# 7.

# %% setup=true
import torch
import torch.nn.functional as F
from torch import nn

IGNORE = -100  # the label of a token that does not count


def widen(logits):
    """Return the logits in float32, or unchanged if they are float64."""
    return logits if logits.dtype == torch.float64 else logits.float()


# %%
from helpers import plots
from helpers.checks import check, predict, reveal, skip, solution

vocabulary = ["happy", "glad", "joyful", "sad", "table"]  # of this lab's example

# %% [markdown]
# ## Two terms: the text and the teacher
#
# Take one position in one sentence: *After the exam she felt …*. The vocabulary has five tokens. The text continues
# with "glad", so "glad" is the label.
#
# The **hard term** knows only the label: "glad" is right, and the four others are equally wrong. It is the loss that
# every language model is trained with, and it is grounded in real text.
#
# The **soft term** compares the student with the teacher's whole distribution. The teacher also considers "happy"
# likely, "sad" less so, and "table" very unlikely. The student sees in one step what it would otherwise need many
# sentences to find out. But the teacher can be wrong, and then the soft term teaches its mistakes.

# %% [markdown]
# ## Drag the loss
#
# Before any formula, try it. Below are this position's five tokens, with the teacher's and the student's
# probabilities. Drag the end of a bar, α (the weight of the soft term) or the temperature, and watch the table "The
# loss of this token".
#
# 1. Set α to 0. Only the hard term is left. Drag the student's bars until the total is as low as you can get it. What
#    does the student say then?
# 2. Press *Reset*, set α to 1 and press *Student = teacher*. How large is the total, and does it depend on T?
# 3. With the student still equal to the teacher, set α to 0.5. Which term is left, and which token does it favour?

# %%
from helpers.widgets import LossExplorer

LossExplorer(words=vocabulary, alpha=0.5, temperature=3.0, detail=False)

# %% [markdown]
# <details><summary>Answers</summary>
#
# 1. "glad", with almost all probability: the hard term falls towards 0 and asks for nothing else.
# 2. The total is 0 at every temperature. The soft term asks for the teacher's distribution, and nothing else.
# 3. The hard term. It favours "glad", to which the teacher gives 0.20. The two terms pull in different directions,
#    and α decides between them.
#
# </details>
#
# What you dragged is this function:
#
# $$L = \alpha \cdot T^2 \cdot \mathrm{KL}(\text{teacher}_T \,\|\, \text{student}_T) + (1 - \alpha) \cdot
# \mathrm{CE}(\text{labels}, \text{student})$$
#
# ![Teacher and student logits are divided by T for the soft loss; the student's logits at T = 1 and the labels give
# the hard loss; the two are weighted and added.](../../docs/figures/two_paths.svg)
#
# By the end of the lab you have written every part of it.

# %% [markdown]
# ## Shapes and terms
#
# | name | shape | meaning |
# | --- | --- | --- |
# | `student_logits`, `teacher_logits` | `(B, S, V)` | a score for every token of the vocabulary, at every position |
# | `labels` | `(B, S)` | the id of the token that comes next in the text, or -100 |
# | `mask` | `(B, S)` | `True` where a token counts |
#
# `B` is the number of rows in the batch, `S` the number of positions in a row, and `V` the size of the vocabulary.
# Losses are measured in *nats*: all logarithms are natural.
#
# Labels are *aligned*: `labels[b, s]` is the target of `logits[b, s]`. A language model predicts the next token, so
# someone must shift the text by one position. The caller does this, once (lab 03). The loss never shifts.

# %%
teacher_example = torch.tensor([[[5.0, 3.9, 3.2, 3.1, -1.0]]])
student_example = torch.tensor([[[2.0, 0.5, 1.0, 2.5, 1.5]]])
label_example = torch.tensor([[vocabulary.index("glad")]])
print("logits", tuple(teacher_example.shape), "labels", tuple(label_example.shape))

# %% [markdown]
# ## Soft targets
#
# The teacher's probabilities at a temperature T are the *soft targets*. Divide the logits by T, then take the softmax
# over the vocabulary, which is the last dimension.
#
# Three things are easy to miss.
#
# - **The teacher is not trained.** Its logits may carry an autograd graph. Detach them. Otherwise `backward()` spends
#   time and memory on the teacher, and an optimizer that holds the teacher's weights would change them.
# - **Precision.** Models often run in bfloat16, which keeps two to three significant digits. Convert the logits to
#   float32 *before* you divide. Afterwards the digits are lost. The setup cell defines `widen` for this.
# - **A temperature of 0 or less has no meaning.** Raise a `ValueError` that names the argument and its value.

# %% [markdown]
# ## Exercise 1 · Soft targets
#
# ●○○○○ difficulty · ●●●●○ importance · about 5 minutes · a warm-up
#
# Write `soft_targets`. It turns the teacher's logits into the probabilities that the student should learn.
#
# <details><summary>Hint 1: where to start</summary>
#
# Check the temperature first. Then there are four small steps: detach, widen, divide, softmax.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `widen` is defined in the setup cell. Tensors have the methods `detach` and `softmax`; neither changes the tensor
# that you call it on. In-place methods and operators (`div_`, `/=`) do.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $p_i = \exp(z_i / T) \,/\, \sum_j \exp(z_j / T)$, where the sum runs over the vocabulary: `dim=-1`. Let PyTorch
# compute it. Written out naively, the exponential overflows for logits of a few hundred.
#
# </details>


# %% exercise="soft_targets"
def soft_targets(teacher_logits, temperature):
    """Return the teacher's probabilities at a temperature: the student's targets.

    teacher_logits: `(B, S, V)`, any floating-point dtype.
    temperature: a number above 0.
    Returns `(B, S, V)`: probabilities that sum to 1 over the vocabulary, computed in
    float32 or wider. No gradient flows back to the teacher.
    Raises ValueError if the temperature is not above 0.
    Source: Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural
    Network", section 2.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide_logits = widen(teacher_logits.detach())
    return (wide_logits / temperature).softmax(dim=-1)


# %% check="soft_targets" points=1
check(soft_targets)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **A wrong value for the bfloat16 logits only.** You divide first and widen afterwards. Swap the two steps.
# - **"A gradient flows back to the teacher".** The logits keep their graph through `float()` and softmax. Detach
#   them.
# - **A RuntimeError about detaching a view in place.** `detach_()` changes the caller's tensor; use `detach()`.
#
# </details>
#
# The label puts all probability on "glad". The teacher's first choice is "happy". At T = 3, is "happy" still far
# ahead? Does "table" become likely?

# %%
predict(
    "happy_at_three",
    'The teacher gives "happy" 0.61 at T = 1. What does it give it at T = 3?',
    unit="probability",
    tolerance=0.05,
)

# %%
three = {
    "label": F.one_hot(label_example, len(vocabulary))[0, 0],
    "teacher, T = 1": soft_targets(teacher_example, 1.0)[0, 0],
    "teacher, T = 3": soft_targets(teacher_example, 3.0)[0, 0],
}
plots.distributions(vocabulary, three)
reveal("happy_at_three", three["teacher, T = 3"][0].item())

# %% [markdown]
# <details><summary>What you should see</summary>
#
# The order of the tokens never changes with T. The distances do. From T = 1 to T = 3 the gap between "glad" and
# "joyful" shrinks from 0.10 to 0.05, and the gap between "joyful" and "sad" from 0.010 to 0.006. What rises is the
# level of all three relative to "happy": "joyful" goes from 17 % to 55 % of it. So these tokens have more influence
# on the loss. "table" has risen too, although the teacher considers it very unlikely. That is the price of a high
# temperature.
#
# </details>

# %% [markdown]
# ## Why log-probabilities
#
# The KL divergence needs the logarithm of the student's probabilities. You could take the softmax and then its
# logarithm.

# %%
predict(
    "log_of_softmax",
    "What does softmax followed by log give for a logit that is 200 below the largest?",
    choices=["-200.0", "a number near -100", "-inf", "nan"],
)

# %%
far_apart = torch.tensor([0.0, -200.0])
print("probability:        ", far_apart.softmax(dim=-1)[1].item())
print("its logarithm:      ", far_apart.softmax(dim=-1).log()[1].item())
print("should be, in nats: ", -200.0)
reveal("log_of_softmax", str(far_apart.softmax(dim=-1).log()[1].item()))

# %% [markdown]
# $e^{-200}$ is smaller than the smallest positive number in float32, so it becomes 0, and its logarithm is $-\infty$.
# One such token makes the whole loss infinite. Adding a small number before the logarithm only hides the problem:
# then all very unlikely tokens cost the same.
#
# The solution is to take softmax and logarithm in one step: $\log q_i = z_i / T - \log \sum_j \exp(z_j / T)$ contains
# no tiny number.

# %% [markdown]
# ## Exercise 2 · The student's log-probabilities
#
# ●○○○○ difficulty · ●●●○○ importance · about 5 minutes · a warm-up
#
# Write `soft_log_predictions`, the student's side at the same temperature. It differs from exercise 1 in two ways: it
# returns *log-probabilities*, and it keeps the graph, because the student is the model that learns.
#
# <details><summary>Hint 1: where to start</summary>
#
# Follow exercise 1: check the temperature, widen, divide. Leave out the step that detaches.
#
# </details>
#
# <details><summary>Hint 2: which tool</summary>
#
# PyTorch combines softmax and logarithm in one function: look for `log_softmax`. Divide by the temperature before you
# call it.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $\log q_i = z_i / T - \log \sum_j \exp(z_j / T)$. All values are 0 or less, and their exponentials sum to 1 over the
# vocabulary.
#
# </details>


# %% exercise="soft_log_predictions"
def soft_log_predictions(student_logits, temperature):
    """Return the student's log-probabilities at a temperature.

    student_logits: `(B, S, V)`, any floating-point dtype.
    temperature: a number above 0.
    Returns `(B, S, V)`: log-probabilities in nats, computed in float32 or wider.
    Gradients flow back to the student.
    Raises ValueError if the temperature is not above 0.
    Source: torch.nn.functional.log_softmax.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide_logits = widen(student_logits)
    return F.log_softmax(wide_logits / temperature, dim=-1)


# %% check="soft_log_predictions" points=1
check(soft_log_predictions)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **−∞ for the logits up to ±1000.** You take `softmax(…).log()`. Use `log_softmax`.
# - **A finite but wrong value there, such as −20.7.** You add a small number before the logarithm.
# - **A gradient of zeros.** You detach the student's logits, or compute under `no_grad()`.
#
# </details>
#
# Compare the student with the teacher. Where do they disagree most?

# %%
both = zip(
    vocabulary,
    soft_targets(teacher_example, 3.0)[0, 0],
    soft_log_predictions(student_example, 3.0)[0, 0].exp(),
    strict=True,
)
print(*(f"{name:7} teacher {p:.3f}   student {q:.3f}" for name, p, q in both), sep="\n")

# %% [markdown]
# ## KL divergence and its direction
#
# The soft term needs one number that says how far a student's distribution is from the teacher's. There is more than
# one such number, and the choice has consequences. See them first.
#
# The explorer shows a teacher over 61 tokens in a row, with two bumps, and a student that can form only *one* bump:
# it is too small to imitate everything. Drag the top of the student's bump, and read the table "Cost of each
# student".
#
# 1. Make *forward KL* as small as you can. Where does the student sit, and how wide is it?
# 2. Make *reverse KL* as small as you can. Is it the same student?
# 3. Let the explorer do the work: fit by reverse KL and bring the teacher's bumps closer together. From which
#    distance on does the student no longer sit on one bump, but near the same centre as with forward KL?

# %%
from helpers.widgets import DivergenceExplorer

DivergenceExplorer(fit="hand", student_centre=40.0, student_width=6.0)

# %% [markdown]
# <details><summary>Answers</summary>
#
# 1. At token 27, between the bumps, and wide enough for both (a width of 13). The forward KL is then 0.71 nats.
# 2. No. The best student for reverse KL sits on the larger bump, at token 18, with that bump's width of 3. Its
#    reverse KL is 0.51 nats.
# 3. From a distance of 15 on. The centres are then within half a position of each other; the reverse-KL student stays
#    slightly narrower.
#
# </details>
#
# The soft term is the *Kullback–Leibler divergence* from teacher $p$ to student $q$. At one position it is
#
# $$\mathrm{KL}(p \,\|\, q) = \sum_{v} p_v \, (\log p_v - \log q_v).$$
#
# It is 0 when the two agree and positive otherwise. You can read it as a price: it is the number of nats that you
# lose on average when tokens are drawn from $p$ and you predict them with $q$.
#
# It is **not symmetric**, because the average runs over $p$. With the teacher first, every token that the *teacher*
# considers likely must be likely for the student too: this is *forward KL*, and it is *mode-covering*. With the
# student first it is *reverse KL*: what the *student* considers likely must be likely for the teacher. The student
# pays nothing for what it leaves out, so it settles on one group of tokens: *mode-seeking*. Where the teacher's $p_v$
# is 0, the token costs nothing in forward KL, because 0 · log 0 counts as 0.
#
# Distillation as in this lab uses forward KL. Some methods use reverse KL (MiniLLM, Gu et al. 2024), because in text
# that a model generates, a token that the teacher would never choose does more harm than a missing one.
#
# Be careful with the argument order of `F.kl_div`. It takes the *predictions* first, as log-probabilities, and the
# targets second, as probabilities. The formula writes the teacher first.

# %% [markdown]
# ## Quiz 1 · A token that the student rules out
#
# The teacher gives a token 0.2. The student gives it a probability of exactly 0, and shares the rest among tokens
# that the teacher considers likely too. Which divergence is infinite?
#
# - **A** Forward KL only.
# - **B** Reverse KL only.
# - **C** Both.
# - **D** Neither, because 0 · log 0 counts as 0.

# %% quiz="ruled_out" points=1
ruled_out = "A"

# %% [markdown]
# ## Masks and means
#
# The rows of a batch have different lengths. Short rows are filled up with *padding*, which is not text. A `mask` of
# shape `(B, S)` says which tokens count, and the loss is the **mean over the tokens that count**: sum their KL
# divergences and divide by their number.
#
# Every other mean changes what the number says:
#
# - The mean over all B · S positions makes a batch with much padding look better than it is.
# - The mean of the rows' means gives a token in a short row more weight than a token in a long row.
# - A mean over the vocabulary as well makes the term V times too small.
# - `reduction="batchmean"` divides by B only. For `(B, S, V)` the term then grows with the length of the rows. You
#   measure this below.
#
# If no token counts, the loss is 0 and `backward()` still works. The mean of nothing would be 0 / 0, which is NaN,
# and a single NaN spoils every weight of the model.

# %%
padded_labels = torch.tensor(
    [[1, 0, 3, 2], [4, 1, IGNORE, IGNORE], [2, IGNORE, IGNORE, IGNORE]]
)
counted = padded_labels != IGNORE
print(counted)
print("counted:", counted.sum().item(), "of", counted.numel())

# %% [markdown]
# Make the mask from which positions hold text, never from the token ids. Some models pad with the same token that
# ends a text. If you mask padding by token id, you also mask the real end-of-text tokens, and the student never
# learns to stop.

# %% [markdown]
# ## Exercise 3 · KL divergence, averaged over tokens
#
# ●●●○○ difficulty · ●●●●● importance · about 12 minutes
#
# Write `kl_divergence`, the mean KL divergence over the tokens that count. It is the soft term, and it is easy to
# average over the wrong thing.
#
# A note on names: inside this function, `soft_targets` is a *tensor*, because the parameter hides the function that
# you wrote above. Exercise 6 has the opposite trap. A line such as "soft_targets = soft_targets(…)" inside a function
# raises an `UnboundLocalError`, because the assignment makes the name local in the whole function. Give the variable
# another name.
#
# <details><summary>Hint 1: where to start</summary>
#
# There are three steps: a value for each entry of the vocabulary `(B, S, V)`, then for each token `(B, S)`, then one
# number. Compare the shapes first: tensors of the wrong shape often broadcast silently and give a wrong number.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `F.kl_div` with `reduction="none"` gives the first step, and handles 0 · log 0. To write it out, `torch.xlogy`
# computes x · log y with 0 for x = 0. Sum over `dim=-1`. To leave tokens out, multiply by the mask.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $\sum_{b,s} m_{bs} \sum_v p_{bsv} (\log p_{bsv} - \log q_{bsv}) \,/\, \max(1, \sum_{b,s} m_{bs})$. The 1 in the
# denominator covers the batch in which nothing counts; tensors have a method `clamp` for this.
#
# </details>


# %% exercise="kl_divergence"
def kl_divergence(soft_targets, soft_log_predictions, mask):
    """Return KL(teacher || student) in nats, the mean over the tokens that count.

    soft_targets: `(B, S, V)`, the teacher's probabilities. Zeros are allowed, with
    0 log 0 = 0.
    soft_log_predictions: `(B, S, V)`, the student's log-probabilities.
    mask: bool `(B, S)`, True where a token counts.
    Returns a scalar; 0, with a gradient of 0, if nothing counts.
    Raises ValueError if the first two differ in shape, or if the mask's shape is not
    `(B, S)`.
    Source: Kullback, Leibler 1951, "On Information and Sufficiency".
    """
    shape = tuple(soft_targets.shape)
    if soft_log_predictions.shape != shape:
        found = tuple(soft_log_predictions.shape)
        raise ValueError(f"soft_log_predictions has shape {found}; it must be {shape}")
    if mask.shape != shape[:-1]:
        found = tuple(mask.shape)
        raise ValueError(f"mask has shape {found}; it must be {shape[:-1]}")
    per_entry = F.kl_div(soft_log_predictions, soft_targets, reduction="none")
    per_token = per_entry.sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


# %% check="kl_divergence" points=5
check(kl_divergence)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **A negative number.** The arguments of `F.kl_div` are swapped, or one side has the wrong form: it wants
#   log-probabilities first and probabilities second.
# - **NaN for soft targets that are exactly 0.** You compute `p * p.log()`, and 0 times −∞ is NaN.
# - **NaN when nothing counts.** You divide by `mask.sum()`, which is 0. Divide by at least 1.
#
# </details>

# %% [markdown]
# ### See it with your own function
#
# Now repeat the explorer's search with what you wrote. The teacher favours two groups of tokens, around token 5 and
# around token 15; the student forms one bump, of any width, anywhere.
#
# Sketch the teacher's two bumps, then the best student for each direction. Then run the cells.

# %%
position = torch.arange(21.0)
two_groups = torch.logaddexp(0.4 - (position - 5) ** 2 / 3, -((position - 15) ** 2) / 3)
two_groups = two_groups.view(1, 1, 21)
bumps = [
    (-((position - centre) ** 2) / (2 * width**2)).view(1, 1, 21)
    for centre in torch.arange(0, 21)
    for width in torch.arange(0.5, 8, 0.25)
]


# %%
def divergence(from_logits, to_logits):
    """Return KL from one model to another at T = 1, in nats, for a single token."""
    one_token = torch.ones(1, 1, dtype=torch.bool)
    log_predictions = soft_log_predictions(to_logits, 1.0)
    return kl_divergence(
        soft_targets(from_logits, 1.0), log_predictions, one_token
    ).item()


# %%
best = {
    "forward KL": min(bumps, key=lambda bump: divergence(two_groups, bump)),
    "reverse KL": min(bumps, key=lambda bump: divergence(bump, two_groups)),
}


def costs(bump):
    """Return both divergences of a bump as text."""
    forward, reverse = divergence(two_groups, bump), divergence(bump, two_groups)
    return f"forward KL {forward:.2f} nats, reverse KL {reverse:.2f} nats"


print(*(f"best for {name}: {costs(bump)}" for name, bump in best.items()), sep="\n")
fitted = {
    f"best for {name}": soft_targets(bump, 1.0)[0, 0] for name, bump in best.items()
}
plots.fitted_students(soft_targets(two_groups, 1.0)[0, 0], fitted)

# %% [markdown]
# <details><summary>What you should see</summary>
#
# As in the explorer. Forward KL spreads the student out, because missing a token that the teacher considers likely
# would cost a great deal. The price is probability on the tokens between the groups, which the teacher would almost
# never choose. Reverse KL puts the student on one group and ignores the other.
#
# </details>
#
# Between the two directions lies a family that mixes them, the generalised Jensen–Shannon divergence JSD(β) (Agarwal
# et al. 2024). Set the explorer's distance back to 24, fit by JSD(β), and drag β: at which β does the student jump
# from one answer to the other?
#
# <details><summary>Answer</summary>
#
# Between β = 0.35 and β = 0.36. Below, it spans both bumps; above, it sits on the larger one.
#
# </details>

# %% [markdown]
# ### Cross-entropy is not KL
#
# Leave $\log p_v$ out of the formula and you get the *cross-entropy* $-\sum_v p_v \log q_v$. The two differ by the
# teacher's entropy: $\mathrm{CE}(p, q) = \mathrm{H}(p) + \mathrm{KL}(p \,\|\, q)$. The student cannot change
# $\mathrm{H}(p)$, so both have the same gradient. Their values differ.
#
# Let the student's logits be the teacher's times a number $c$. At $c = 0$ the student knows nothing; at $c = 1$ it
# equals the teacher.

# %%
predict(
    "lowest_cross_entropy",
    "Where is the cross-entropy lowest, and how high is it there?",
    choices=[
        "at c = 1, and it is 0",
        "at c = 1, and it is above 0",
        "at some c above 1, where the student is surer than the teacher",
    ],
)


# %%
def cross_entropy(from_logits, to_logits):
    """Return the cross-entropy with another model's soft targets at T = 1, in nats."""
    log_predictions = soft_log_predictions(to_logits, 1.0)
    return -(soft_targets(from_logits, 1.0) * log_predictions).sum().item()


scales = torch.linspace(0, 3, 61)
curves = {
    "KL divergence": [divergence(teacher_example, c * teacher_example) for c in scales],
    "cross-entropy": [
        cross_entropy(teacher_example, c * teacher_example) for c in scales
    ],
}
teacher_entropy = cross_entropy(teacher_example, teacher_example)
plots.kl_and_cross_entropy(scales, curves, teacher_entropy)

# %% fold=true
reveal("lowest_cross_entropy", "at c = 1, and it is above 0")

# %% [markdown]
# <details><summary>What you should see</summary>
#
# Both are lowest at c = 1, and the distance between them is the same everywhere. But a cross-entropy of 1.1 nats can
# mean a perfect student, and this floor differs from batch to batch with the teacher's entropy. KL shows how much is
# left to learn: its floor is 0.
#
# </details>

# %% [markdown]
# ## How the teacher pulls on a logit
#
# A loss teaches through its gradient. `backward()` computes it for you; if you derive it once by hand, you see what
# the teacher tells the student about each token.
#
# Take one token. In $\mathrm{KL}(p \,\|\, q) = \sum_v p_v \log p_v - \sum_v p_v \log q_v$ only $\log q_v$ depends on
# the student's logits $z$:
#
# $$\log q_v = \frac{z_v}{T} - \log \sum_j \exp\left(\frac{z_j}{T}\right)$$
#
# Move one logit $z_i$ a little. The first part changes only if $v = i$, by $1/T$. The second part, the normaliser,
# changes for every $v$: its derivative is the softmax itself, $q_i / T$. Together:
#
# $$\frac{\partial \log q_v}{\partial z_i} = \frac{1}{T} \left([v = i] - q_i\right)$$
#
# where $[v = i]$ is 1 if $v = i$ and 0 otherwise. The last step, the sum over $v$ with the weights $p_v$, is yours.

# %%
predict(
    "sign_of_the_pull",
    "The student gives a token too little probability. Its gradient is then",
    choices=["negative", "zero", "positive"],
)
predict(
    "sum_of_the_pulls",
    "What do the gradients of all tokens at one position add up to?",
    unit="nats per unit of logit",
    tolerance=0.01,
)

# %% [markdown]
# ## Exercise 4 · The gradient of KL, by hand
#
# ●●●●○ difficulty · ●●●●○ importance · about 15 minutes
#
# Write `kl_gradient`: the gradient of your `kl_divergence` with respect to the student's logits, as a tensor of their
# shape. Derive the formula and compute it directly, without autograd.
#
# The loss is a *mean* over the tokens that count. So a token that does not count has a gradient of 0, and each of the
# others is divided by their number. If nothing counts, the gradient is 0 everywhere. Raise a `ValueError` if the
# temperature is not above 0, if student and teacher differ in shape, or if the mask's shape is not `(B, S)`.
#
# <details><summary>Hint 1: where to start</summary>
#
# On paper, with one token: $-\sum_v p_v \, \partial \log q_v / \partial z_i$. Split the bracket into two sums. In the
# first only one term is left; in the second you can take $q_i$ out, and the $p_v$ sum to 1.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# You have functions for $p$ and for $\log q$, and they validate the temperature. `mask[..., None]` has the shape `(B,
# S, 1)` and broadcasts over the vocabulary. Compare the shapes yourself: a vocabulary of size 1 would broadcast.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# At each entry, $m_{bs} \, (q_{bsi} - p_{bsi}) \,/\, (T \max(1, n))$, where $n$ is the number of tokens that count.
#
# </details>


# %% exercise="kl_gradient"
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    """Return the gradient of the mean KL(teacher_T || student_T) at student_logits.

    student_logits, teacher_logits: `(B, S, V)`, any floating-point dtype.
    mask: bool `(B, S)`, True where a token counts.
    temperature: a number above 0.
    Returns `(B, S, V)`, computed in float32 or wider: nats per unit of logit; 0 where
    a token does not count, and everywhere if none counts.
    Raises ValueError if the temperature is not above 0, if student and teacher differ
    in shape, or if the mask's shape is not `(B, S)`.
    Source: Hinton, Vinyals, Dean 2015, section 2.1.
    """
    shape, found = tuple(student_logits.shape), tuple(teacher_logits.shape)
    if found != shape:
        raise ValueError(f"teacher_logits has shape {found}; the student's is {shape}")
    if mask.shape != shape[:-1]:
        found = tuple(mask.shape)
        raise ValueError(f"mask has shape {found}; it must be {shape[:-1]}")
    probabilities = soft_log_predictions(student_logits, temperature).exp()
    pull = (probabilities - soft_targets(teacher_logits, temperature)) / temperature
    return pull * mask[..., None] / mask.sum().clamp(min=1)


# %% check="kl_gradient" points=6
check(kl_gradient)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **"Your value is … times the expected one everywhere".** A factor is missing: 1/T, or the number of tokens that
#   count. T² belongs to the loss, not to this gradient.
# - **A RuntimeError about sizes that do not match.** `(B, S)` does not broadcast against `(B, S, V)`. Write
#   `mask[..., None]`.
# - **Numbers where 0 is expected.** A token that does not count is not in the loss. Multiply by the mask.
#
# </details>
#
# Now put your gradient beside the one that `backward()` computes.


# %%
def beside_autograd(t):
    """Print autograd's gradient of the KL divergence for the example, and yours."""
    one_token = torch.ones(1, 1, dtype=torch.bool)
    student = student_example.clone().requires_grad_()
    predictions = soft_log_predictions(student, t)
    kl_divergence(soft_targets(teacher_example, t), predictions, one_token).backward()
    yours = kl_gradient(student_example, teacher_example, one_token, t)
    print(f"T = {t:g}     p − q   autograd      yours")
    for i, name in enumerate(vocabulary):
        gap = soft_targets(teacher_example, t)[0, 0, i] - predictions[0, 0, i].exp()
        print(
            f"{name:7} {gap:7.4f} {student.grad[0, 0, i]:10.4f} {yours[0, 0, i]:10.4f}"
        )


beside_autograd(1.0)
beside_autograd(3.0)

# %% fold=true
reveal("sign_of_the_pull", "negative")
reveal("sum_of_the_pulls", 0.0)

# %% [markdown]
# <details><summary>What you should see</summary>
#
# The last two columns agree. A negative gradient means "raise this logit", because training moves against the
# gradient: the student gives "happy" and "glad" too little, and "sad" and "table" too much. Each column sums to 0,
# since adding the same number to all logits changes nothing. And where student and teacher agree, there is no pull at
# all.
#
# At T = 3 the pull is much weaker than at T = 1. The section "Why T squared" is about that.
#
# </details>

# %% [markdown]
# ## Hard labels
#
# The hard term is the usual loss of a language model: the mean of $-\log q_{\text{label}}$ over the tokens whose
# label is not -100. It uses the student's ordinary distribution, at **T = 1**, whatever temperature the soft term
# uses, because this is how the student is used later. Its gradient has the form that you have just derived: $q_i -
# y_i$, where $y$ is 1 at the label and 0 elsewhere. A hard label is a teacher without doubts.
#
# The label -100 is not a token. It marks the positions that do not count: padding and, in lab 05, the question before
# an answer. A label of 0 is a token like any other.
#
# `F.cross_entropy` already ignores -100. By default it takes the mean, and the mean of nothing is NaN. So ask it for
# the sum, and divide yourself.

# %% [markdown]
# ## Exercise 5 · The hard loss
#
# ●●○○○ difficulty · ●●●●○ importance · about 10 minutes
#
# Write `hard_loss`, the mean cross-entropy with the labels. The labels are already aligned: do not shift them. Raise
# a `ValueError` if their shape is not `(B, S)`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Compare the shapes first: there must be one label for each position. Labels of shape `(S, B)` have as many entries
# and would pass a comparison of sizes. Then you need a sum over tokens and the number of tokens.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `F.cross_entropy` expects the vocabulary in dimension 1. The simplest way is to flatten to `(N, V)` logits and
# `(N,)` labels. `flatten` and `reshape` also work on slices; `view` does not. The options `ignore_index` and
# `reduction` do the rest. Do not take a softmax first: the function does that itself.
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
    """Return the student's cross-entropy with the labels at T = 1, in nats.

    It is the mean over the tokens that count.
    student_logits: `(B, S, V)`, any floating-point dtype.
    labels: `(B, S)`, integers, aligned; -100 does not count.
    Returns a scalar, computed in float32 or wider; 0, with a gradient of 0, if
    nothing counts.
    Raises ValueError if the shape of the labels is not `(B, S)`.
    Source: torch.nn.functional.cross_entropy.
    """
    shape = tuple(student_logits.shape)
    if labels.shape != shape[:-1]:
        found = tuple(labels.shape)
        raise ValueError(f"labels has shape {found}; it must be {shape[:-1]}")
    flat_logits, flat_labels = widen(student_logits).flatten(0, -2), labels.flatten()
    total = F.cross_entropy(
        flat_logits, flat_labels, ignore_index=IGNORE, reduction="sum"
    )
    return total / (labels != IGNORE).sum().clamp(min=1)


# %% check="hard_loss" points=4
check(hard_loss)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **"view size is not compatible with input tensor's size and stride".** A slice is not contiguous. Use `flatten` or
#   `reshape`.
# - **"Expected target size …".** `F.cross_entropy` takes dimension 1 as the vocabulary. Flatten rows and positions
#   into one dimension first.
# - **NaN when nothing counts.** `reduction="mean"` divides by 0. Take the sum and divide by at least 1.
#
# </details>

# %% [markdown]
# ## Why T squared
#
# When you raise T, the gradient of the soft term shrinks. At one position you found
#
# $$\frac{\partial \, \mathrm{KL}}{\partial z_i} = \frac{1}{T}\,(q_i - p_i).$$
#
# The first factor 1/T comes from dividing the logits. A second one hides in the bracket. At a high temperature both
# distributions are nearly flat: $q_i \approx \frac{1}{V} + \frac{z_i}{V T}$ for logits with mean 0, and $p_i$
# likewise with the teacher's logits. Their difference also shrinks like 1/T. Together this gives $1/T^2$.
#
# The hard term uses T = 1 and does not shrink. Multiplying the soft term by T² compensates for these two factors, so
# that the *balance* of the two terms changes much less when you try another T. It does not stay constant: the second
# factor of 1/T holds only once T is large compared with the spread of the logits. You measure both at the end.

# %% [markdown]
# ## Exercise 6 · The distillation loss
#
# ●●●○○ difficulty · ●●●●● importance · about 13 minutes
#
# Write `distillation_loss` from your pieces: α weights the soft term and 1 − α the hard term; T² multiplies the soft
# term only. Call the functions that you have written. A token that does not count in one term does not count in the
# other.
#
# <details><summary>Hint 1: where to start</summary>
#
# Write the two terms with their factors on paper. Then ask for each of your functions which of the five arguments it
# needs. One input is missing, the mask: make it from the labels. Do not give your variables the names of your
# functions.
#
# </details>
#
# <details><summary>Hint 2: what else to validate</summary>
#
# α must lie from 0 to 1, both included. Student and teacher must have the same shape; models with different
# vocabularies cannot be compared token by token. Your functions already validate the rest.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $\alpha \, T^2 \, \mathrm{KL} + (1 - \alpha) \, \mathrm{CE}$, both terms as means over the tokens whose label is not
# -100. The temperature goes to the soft targets and the soft log-predictions, but not to the hard loss.
#
# </details>


# %% exercise="distillation_loss"
def distillation_loss(
    student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5
):
    """Return alpha · T² · KL(teacher_T || student_T) + (1 - alpha) · CE, in nats.

    CE is the student's cross-entropy with the labels, at T = 1.
    student_logits, teacher_logits: `(B, S, V)`.
    labels: `(B, S)`, aligned; -100 counts in neither term.
    temperature: a number above 0.
    alpha: from 0 (hard labels only) to 1 (soft targets only).
    Returns a scalar, the mean over the tokens that count; 0, with a gradient of 0,
    if nothing counts. No gradient flows back to the teacher.
    Raises ValueError if the temperature is not above 0, if alpha is outside [0, 1],
    if student and teacher differ in shape, or if the shape of the labels is not
    `(B, S)`.
    Source: Hinton, Vinyals, Dean 2015, section 2.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it must be from 0 to 1")
    shape, found = tuple(student_logits.shape), tuple(teacher_logits.shape)
    if found != shape:
        raise ValueError(f"teacher_logits has shape {found}; the student's is {shape}")
    hard = hard_loss(student_logits, labels)
    targets = soft_targets(teacher_logits, temperature)
    log_predictions = soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(targets, log_predictions, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard


# %% check="distillation_loss" points=6
check(distillation_loss)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **An UnboundLocalError.** A variable in your function has the name of one of your functions. Rename the variable.
# - **A ValueError about `soft_log_predictions` where the check passes good input.** You pass the arguments of
#   `kl_divergence` in another order than its first line has them.
# - **Only the case with a token that does not count is wrong.** One of the two terms counts it. The mask is `labels
#   != IGNORE`.
#
# </details>

# %% [markdown]
# ## The quick test
#
# A common recipe tests its loss on random logits with B = 2, S = 10 and V = 50,257, and reports 11.2438. An even
# guess among 50,257 tokens costs ln 50,257 ≈ 10.8 nats. Random logits are not even: they favour some tokens, mostly
# wrong ones, which costs half a nat more on average. The soft term is about 1 nat.

# %%
predict(
    "quick_test",
    "With α = 0.5, what should your loss be?",
    unit="nats",
    tolerance=0.5,
)


# %%
def random_batch(positions, vocabulary_size, seed=0):
    """Return random student logits, teacher logits and labels for two full rows."""
    source = torch.Generator().manual_seed(seed)
    shape = (2, 2, positions, vocabulary_size)
    for_student, for_teacher = torch.randn(shape, generator=source)
    targets = torch.randint(vocabulary_size, (2, positions), generator=source)
    return for_student, for_teacher, targets


# %%
batch = random_batch(10, 50257)
soft_part, hard_part = (distillation_loss(*batch, 3.0, a).item() for a in (1.0, 0.0))
ten_times = 0.5 * 10 * soft_part + 0.5 * hard_part
print(f"yours, with α = 0.5: {distillation_loss(*batch).item():.4f}")
print(f"its soft term is {soft_part:.4f}, its hard term {hard_part:.4f}")
print(f"with a soft term 10 times as large it would be {ten_times:.4f}")
reveal("quick_test", distillation_loss(*batch).item())

# %% [markdown]
# Per token the loss is about 6.2 on average. With only 20 labels it varies by a tenth or two from seed to seed; this
# seed gives 6.32. The difference from the reported value is in the soft term. The recipe uses
# `reduction="batchmean"`, which divides by B = 2 instead of by the B · S = 20 tokens. Its soft term is therefore S =
# 10 times as large, and its loss is between 10 and 11. (The reported 11.2438 is not what the recipe's own code
# computes.)
#
# The recipe then trains on rows of S = 128.

# %% [markdown]
# ## Quiz 2 · What α means with batchmean
#
# The recipe sets α = 0.5 and trains on full rows of 128 tokens, with `reduction="batchmean"` in the soft term and a
# mean over tokens in the hard term. Which α would you have to choose for *your* loss to get the same balance?
#
# - **A** 0.5: the reduction changes the scale of the loss, not the balance.
# - **B** 0.008, because the soft term becomes 128 times smaller.
# - **C** 0.92, because the soft term gets an extra factor of √128.
# - **D** 0.99, because the soft term becomes 128 times larger.

# %% quiz="batchmean_alpha" points=1
batchmean_alpha = "D"


# %%
def soft_terms(positions):
    """Return T² · KL at T = 3 on random logits, per token and with batchmean."""
    for_student, for_teacher, targets = random_batch(positions, 1000)
    per_token = distillation_loss(for_student, for_teacher, targets, 3.0, 1.0)
    batchmean = nn.KLDivLoss(reduction="batchmean")(
        soft_log_predictions(for_student, 3.0), soft_targets(for_teacher, 3.0)
    )
    return per_token.item(), 3.0**2 * batchmean.item()


lengths = [1, 10, 32, 128]
per_token, with_batchmean = zip(*map(soft_terms, lengths), strict=True)
table = zip(lengths, per_token, with_batchmean, strict=True)
print("  S  per token  batchmean  α acts as")
print(
    *(f"{n:3} {a:10.3f} {b:10.3f} {n / (n + 1):10.3f}" for n, a, b in table), sep="\n"
)
plots.soft_term_by_length(
    lengths, {"divided by counted tokens": per_token, "batchmean": with_batchmean}
)

# %% [markdown]
# <details><summary>What you should see</summary>
#
# With `batchmean` the weights of the two terms are in the ratio α · S to 1 − α. This is the balance of an α of αS /
# (αS + 1 − α): for α = 0.5 it is 0.91 at S = 10 and 0.99 at S = 128. The hard term has almost no weight left. The
# gradient grows with S as well, so with plain gradient descent a learning rate found on short rows is too large for
# long ones. (Adam divides by the size of the gradient and hides this. The balance stays wrong all the same.)
#
# </details>

# %% [markdown]
# ## Exercise 7 · The loss as a module
#
# ●○○○○ difficulty · ●●○○○ importance · about 5 minutes · a warm-up
#
# Write `DistillationLoss`, an `nn.Module` that stores T and α in one place, so that a training loop can use this loss
# like any other. Read both attributes when the module is called: then `loss.temperature = 2.0` in the middle of a run
# takes effect.
#
# <details><summary>Hint 1: where to start</summary>
#
# The constructor of `nn.Module` must run first. Then store the two numbers under their own names.
#
# </details>
#
# <details><summary>Hint 2: what goes where</summary>
#
# The constructor computes nothing. `forward` passes its three arguments and the two attributes to a function that you
# have written, in that function's order.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Everything computed early goes stale: a T² or a 1 − α that the constructor stores does not follow when you change
# the attribute. Invalid values may raise in the constructor or in `forward`; your function takes care of the latter.
#
# </details>


# %% exercise="DistillationLoss"
class DistillationLoss(nn.Module):
    """The distillation loss as a module with the attributes `temperature` and `alpha`.

    Changing an attribute changes the loss. Invalid values raise ValueError, in the
    constructor or in the call.
    """

    def __init__(self, temperature=3.0, alpha=0.5):
        """Store the settings.

        temperature: a number above 0.
        alpha: from 0 (hard labels only) to 1 (soft targets only).
        """
        super().__init__()
        self.temperature = temperature
        self.alpha = alpha

    def forward(self, student_logits, teacher_logits, labels):
        """Return the loss, a scalar in nats, as `distillation_loss` computes it.

        student_logits, teacher_logits: `(B, S, V)`.
        labels: `(B, S)`, aligned; -100 does not count.
        """
        settings = (self.temperature, self.alpha)
        return distillation_loss(student_logits, teacher_logits, labels, *settings)


# %% check="DistillationLoss" points=1
check(DistillationLoss)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **"cannot assign module before Module.__init__() call", or an AttributeError about `_parameters`.** The
#   constructor must call `super().__init__()` before anything else.
# - **A wrong value only after T or α has changed.** Something is computed in the constructor. Move it to `forward`.
# - **A TypeError about a missing argument `labels`.** You call `forward` of the class, or you left `self` out.
#
# </details>

# %% [markdown]
# ## What T squared does, measured
#
# You now have the pieces to test the argument for T². Take a student whose logits are the teacher's plus noise. For
# each T, measure the length of the gradient at the student's logits: for the soft term with T², for the soft term
# without it, and for the hard term.

# %%
source = torch.Generator().manual_seed(1)
noisy_teacher = 2 * torch.randn(2, 8, 1000, generator=source)
noise = torch.randn(2, 8, 1000, generator=source)
noisy_student = (noisy_teacher + noise).requires_grad_()
probabilities = noisy_teacher.softmax(dim=-1).flatten(0, 1)
sampled_labels = torch.multinomial(probabilities, 1, generator=source).view(2, 8)
t_grid = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0]


# %%
def gradient_length(t, weight):
    """Return the Euclidean norm of the loss's gradient at the student's logits."""
    loss = distillation_loss(noisy_student, noisy_teacher, sampled_labels, t, weight)
    return torch.autograd.grad(loss, noisy_student)[0].norm().item()


# %% [markdown]
# You are about to print, for each T, the length of the soft gradient divided by that of the hard one, and then to
# plot both. The axes of the plot are logarithmic, so a gradient that shrinks like 1/T² is a straight line of slope
# −2.

# %%
predict(
    "gradient_with_t_squared",
    "With T², what does the length of the soft gradient do when T goes from 1 to 20?",
    choices=[
        "it grows",
        "it stays the same",
        "it shrinks, then levels off",
        "it shrinks",
    ],
)

# %%
hard_length = gradient_length(1.0, 0.0)
with_square = [gradient_length(t, 1.0) for t in t_grid]
without_square = [length / t**2 for length, t in zip(with_square, t_grid, strict=True)]
print("   T   with T²   without   (soft gradient ÷ hard gradient)")
table = zip(t_grid, with_square, without_square, strict=True)
print(
    *(f"{t:4g} {a / hard_length:9.4f} {b / hard_length:9.4f}" for t, a, b in table),
    sep="\n",
)
plots.gradient_against_temperature(t_grid, with_square, without_square, hard_length)

# %% fold=true
reveal("gradient_with_t_squared", "it shrinks, then levels off")

# %% [markdown]
# <details><summary>What you should see</summary>
#
# Without T² the soft gradient all but vanishes: at T = 4 it is 69 times smaller than at T = 1, at T = 20 about 2,000
# times. With T² it still falls, from 1 at T = 1 to 0.36 at T = 2, 0.26 at T = 3 and 0.23 at T = 4. Then it levels
# off, at 0.20 for T = 20.
#
# The fall below T = 4 is the part that the argument leaves out: there the two distributions are not nearly flat, and
# q − p shrinks faster than 1/T. So T² keeps the balance of soft and hard about constant only *once T is large*.
# Between T = 1 and T = 3 the weight of the soft term still changes by a factor of about 4 here. And T² does not make
# the soft term as strong as the hard one. For that you have α.
#
# </details>

# %% [markdown]
# ### Back to the explorer
#
# Now you can read the whole explorer. The bars on the right show in which direction each term moves each token, and
# how strongly.
#
# 1. At T = 1 and at T = 6, how long is the soft gradient without T², divided by the hard one?
# 2. Make the student equal to the teacher. Which term is 0 then, and which tokens does the other term still move?
# 3. With α = 0.5 and T = 3, which student has the lowest total? Drag until you cannot lower it any further.
#
# Then compare the explorer's total with that of your own loss.

# %%
explorer = LossExplorer(words=vocabulary, alpha=0.5, temperature=3.0)
explorer


# %%
def your_total():
    """Return your loss on what the explorer shows."""
    both = (explorer.student_logits, explorer.teacher_logits)
    rows = [torch.tensor(row).view(1, 1, -1) for row in both]
    target = torch.tensor([[explorer.label]])
    return distillation_loss(*rows, target, explorer.temperature, explorer.alpha).item()


print(f"total: yours {your_total():.4f}, explorer {explorer.losses['total']:.4f} nats")

# %% [markdown]
# <details><summary>Answers</summary>
#
# 1. About 0.49 at T = 1 and 0.02 at T = 6.
# 2. The soft term is 0. The hard term still raises "glad" and lowers every other token.
# 3. Neither the teacher nor the label, but a compromise. At T = 1 it gives "glad" 0.63 and "happy" 0.24, where the
#    teacher gives 0.20 and 0.61. Its total is 0.40 nats; a copy of the teacher has 0.80.
#
# </details>

# %% [markdown]
# ## T squared without a hard term
#
# With α = 1 there is nothing to balance. T² then multiplies the whole loss, which has the same effect on plain
# gradient descent as multiplying the learning rate. Test it. Instead of a model, train a tensor of logits directly:
# with T² at some learning rate, and without T² at T² times that rate. Then do the same with α = 0.5.

# %%
source = torch.Generator().manual_seed(2)
small_teacher = 2 * torch.randn(1, 8, 10, generator=source)
probabilities = small_teacher[0].softmax(dim=-1)
next_tokens = torch.multinomial(probabilities, 1, generator=source).view(1, 8)
high, rate = 3.0, 2.0  # the temperature and the learning rate


# %%
def loss_with(logits_to_train, weight):
    """Return your loss, with T²."""
    return distillation_loss(logits_to_train, small_teacher, next_tokens, high, weight)


def loss_without(logits_to_train, weight):
    """Return the same loss without T²: the soft term divided by it again."""
    soft, hard = loss_with(logits_to_train, 1.0), loss_with(logits_to_train, 0.0)
    return weight * soft / high**2 + (1 - weight) * hard


# %%
def train(loss, weight, learning_rate, steps=60):
    """Run gradient descent from all-zero logits.

    Returns the KL divergence from the teacher at T = 1 before each step, in nats.
    """
    trained, distance = torch.zeros_like(small_teacher, requires_grad=True), []
    for _ in range(steps):
        kl = distillation_loss(trained, small_teacher, next_tokens, 1.0, 1.0)
        distance.append(kl.item())
        (slope,) = torch.autograd.grad(loss(trained, weight), trained)
        trained = (trained - learning_rate * slope).detach().requires_grad_()
    return torch.tensor(distance)


# %% [markdown]
# There are two plots, one for each α, with two runs in each.

# %%
predict(
    "runs_that_coincide",
    "In which plot do the two runs coincide?",
    choices=["α = 1 only", "α = 0.5 only", "both", "neither"],
)


# %%
def two_runs(weight):
    """Return the run with T², and the run without it at T² times the learning rate."""
    return {
        f"with T², learning rate {rate:g}": train(loss_with, weight, rate),
        f"without T², learning rate {rate * high**2:g}": train(
            loss_without, weight, rate * high**2
        ),
    }


def largest_gap(pair):
    """Return the largest distance between two runs, in nats."""
    first, second = pair.values()
    return (first - second).abs().max().item()


runs = {weight: two_runs(weight) for weight in (1.0, 0.5)}
for weight, pair in runs.items():
    print(f"α = {weight}: the two runs differ by at most {largest_gap(pair):.1e} nats")
plots.two_runs(runs)

# %% fold=true
reveal("runs_that_coincide", "α = 1 only")

# %% [markdown]
# <details><summary>What you should see</summary>
#
# With α = 1 the two runs are equal up to rounding. With α = 0.5 the learning rate cannot make up for the missing T²:
# it also makes the hard term nine times as strong, and the student follows the labels away from the teacher.
#
# </details>

# %% [markdown]
# ## Quiz 3 · T² and Adam
#
# A student trains with α = 1, T = 4 and the Adam optimizer. Adam divides each gradient by its own recent size. The
# factor T² is missing from the loss. What happens?
#
# - **A** It learns 16 times more slowly.
# - **B** It follows the labels away from the teacher.
# - **C** Hardly anything changes.
# - **D** It diverges, because the steps are 16 times too long.

# %% quiz="t_squared_and_adam" points=1
t_squared_and_adam = "C"

# %% [markdown]
# ## Self-check
#
# **1. Why T²?** A colleague distils with T = 4 and has left out T². Answer in your own words. (a) With α = 0.5, what
# happens to the balance of the two terms, and why is the factor T² rather than T? (b) With α = 1 and plain gradient
# descent, what else could the colleague change to get the same training?
#
# *Four to six sentences, about 8 minutes.*

# %% [markdown] answer="why_t_squared" points=2
# (a) The soft term's gradient is (q − p) / T, and q − p itself shrinks roughly like 1/T, because both distributions
# become flatter. The hard term does not depend on T. Leaving out T² makes the soft gradient T² = 16 times smaller
# than with it, so the student mostly follows the labels, and α = 0.5 no longer means half and half. One factor of T
# would undo only the division of the logits; T² undoes both. (The plot shows more than that: without T² the gradient
# at T = 4 is 69 times smaller than at T = 1. A factor of 16 comes from the missing T². The other factor of about 4
# comes from q − p, which shrinks faster than 1/T while T is small, and T² does not bring it back. Both "16 times
# smaller than with T²" and "about 70 times smaller than at T = 1" are right.)
#
# (b) There is nothing to balance, so T² is only a factor on the whole loss. A learning rate 16 times as large gives
# exactly the same steps.

# %% [markdown]
# **2. Which direction?** Your student is much too small to reproduce everything that its teacher says. What do you
# get from training it with KL(teacher ‖ student), what from KL(student ‖ teacher), and what does each cost?
#
# *Four sentences, about 7 minutes.*

# %% [markdown] answer="kl_direction" points=2
# With the teacher first (forward KL), the average runs over the tokens that the teacher considers likely. Missing one
# of them is expensive, so the student spreads out and covers them all. The cost: it also gives probability to tokens
# that the teacher would not choose.
#
# With the student first (reverse KL), the average runs over the student's own tokens. It pays for tokens that the
# teacher would not choose, and pays nothing for what it leaves out. So it settles on a part of what the teacher does,
# does that well, and loses the rest: less variety.

# %% [markdown]
# ## What to take away
#
# - The soft term is KL with the **teacher first** (forward KL), both sides at the same T; the hard term uses T = 1.
# - Its gradient at a logit is $(q_i - p_i) / T$: the teacher says of *every* token whether it is too likely or not
#   likely enough. The hard term's gradient has the same form, with a one-hot teacher.
# - Take log-softmax in one step and in float32. Detach the teacher's logits.
# - Average over the **tokens that count**, in both terms. Then α means the same for every row length and any amount
#   of padding. If nothing counts, the loss is 0, not NaN.
# - T² keeps the soft gradient from shrinking like 1/T² beside the hard one. The balance still shifts while T is
#   small. Without a hard term, T² only rescales the learning rate.
# - The floor of KL is 0. The floor of a cross-entropy with soft targets is the teacher's entropy.

# %% [markdown]
# ## Reading
#
# **Required**
#
# - Hinton, Vinyals, Dean 2015, [Distilling the Knowledge in a Neural Network](https://arxiv.org/abs/1503.02531),
#   section 2.1: the gradient that you derived, and what it becomes at a high temperature.
#
# **Optional**
#
# - Gu et al. 2024, [MiniLLM](https://arxiv.org/abs/2306.08543): reverse KL for language models.
# - Agarwal et al. 2024, [On-Policy Distillation of Language Models](https://arxiv.org/abs/2306.13649) (GKD), section
#   2: the family between forward and reverse KL.
#
# **Reference**
#
# - [`F.kl_div`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html) and
#   [`F.cross_entropy`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html) in the
#   PyTorch documentation: argument order, `reduction`, `ignore_index`.
# - `helpers/losses.py`, this project's own version, once you have finished the lab.

# %% [markdown]
# ## Stretch goals
#
# - Write `kl_divergence` a second time without `F.kl_div`, and a third time with `log_target=True`. Do all three pass
#   the check? Which of them gives NaN for a soft target of exactly 0?
# - Derive the gradient of *reverse* KL, write it, and compare it with autograd. Why is it not a simple difference?
# - Repeat the last experiment with `torch.optim.Adam` instead of plain gradient descent. Is it true that T² makes
#   hardly any difference at α = 1?
# - Replace KL by the mean squared difference of the logits. At T = 20, compare its gradient with that of the soft
#   term: what does a high temperature turn the soft term into?
# - The vocabulary is large and most soft targets are almost 0. Keep the teacher's 20 most likely tokens and put the
#   rest into one more entry. How far is the KL divergence from the full one at T = 1, and at T = 5?
