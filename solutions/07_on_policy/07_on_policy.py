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
# # Lab 07: Whose text to learn from
#
# So far, your students have learned from text that somebody else wrote. In use, however, a student continues its own
# text, mistakes included. Should it therefore also *learn* from its own text, with the teacher reading and correcting
# it? This is called *on-policy distillation*, and many current small models are trained that way. In this lab you
# implement it, and then find out how much of its success really comes from learning on-policy.
#
# **After this lab you can**
#
# - say which mistakes forward KL, reverse KL and the Jensen–Shannon divergence punish, and write all three;
# - sample text from a student, and train it on that text with a teacher's help;
# - measure exposure bias: the distance from the truth, position by position, on the student's own text;
# - report coverage beside legality, so that a parrot does not win;
# - find the control that is missing from a claim about on-policy training.
#
# **Time:** about 120 minutes (50 for reading, figures and questions, 70 for the exercises).
#
# **You need:** the KL divergence (lab 02), the training step (lab 03), controls (lab 04).
#
# Work from top to bottom. Under each exercise there is a check, which you can run as often as you like. In a hurry,
# skip exercise 5 and the section on libraries.
#
# If you are stuck, `solution(reverse_kl)` shows how we write that exercise, once you have passed its check or failed it
# three times. `skip(reverse_kl)` lets you go on with ours, for no points.

# %% setup=true
import math

import torch
import torch.nn.functional as F


def widen(logits):
    """Return the logits in float32, or unchanged if they are float64."""
    return logits if logits.dtype == torch.float64 else logits.float()


def logits_of(model, rows):
    """The logits of a model for rows of tokens without padding, `(B, S, V)`."""
    return model(rows, attention_mask=torch.ones_like(rows)).logits


# %%
import os

from helpers import plots
from helpers.checks import check, predict, reveal, skip, solution
from helpers.data.known_language import KnownLanguage
from helpers.engine.lr_schedule import warmup_cosine
from helpers.models import load_student, load_teacher, load_tokenizer
from helpers.setup.preflight import preflight
from helpers.tiers import tier_of
from helpers.widgets import DivergenceExplorer

# %% [markdown]
# ## Two directions
#
# ![Two loops. Off-policy: text written by somebody else goes to teacher and student, their predictions are compared,
# and the student takes a step. On-policy: the student writes the text itself, then the same happens; an arrow leads
# from the changed student back to the text.](../../docs/figures/on_policy_loop.svg)
#
# Two questions are often mixed up: *whose text* is the loss computed on, and *which divergence* compares the two
# predictions at each position? We start with the second.
#
# Let p be the teacher's distribution of the next token and q the student's. Lab 02's KL divergence weighs the
# logarithms with the teacher's probabilities. That is the *forward KL*. Weighted with the student's probabilities
# instead, it becomes the *reverse KL*:
#
# $$\mathrm{KL}(p\,\|\,q) = \sum_v p_v \log\frac{p_v}{q_v} \qquad\qquad
# \mathrm{KL}(q\,\|\,p) = \sum_v q_v \log\frac{q_v}{p_v}$$
#
# Both are 0 for q = p. They differ in which mistakes they punish, and that matters as soon as the student is too small
# to match the teacher everywhere. In the explorer below, the teacher has two modes, and the student can have only one.
# Drag the teacher's modes apart, then switch between the divergences.

# %%
explorer = DivergenceExplorer(fit="forward")
explorer

# %% [markdown]
# The student is fitted with the forward KL at first. Then it is fitted with the reverse KL.

# %%
predict(
    "reverse_fit",
    "What does a one-mode student do with a two-mode teacher under the reverse KL?",
    choices=["it covers both modes", "it sits on one mode", "it sits between the two"],
)


# %%
def where_it_sits(fit):
    """Centre and width of the best one-mode student, and in words where it is."""
    fitted = DivergenceExplorer(fit=fit)
    centre, width = fitted.student_centre, fitted.student_width
    modes = [30 - fitted.distance / 2, 30 + fitted.distance / 2]
    near = min(abs(centre - each) for each in modes) < fitted.mode_width
    print(f"{fit:8} centre {centre:4.1f}, width {width:4.1f}; modes at {modes}")
    return "it sits on one mode" if near else "it covers both modes"


where_it_sits("forward")
reveal("reverse_fit", where_it_sits("reverse"))

# %% [markdown]
# The forward KL is *mode-covering*: where the teacher sees probability and the student does not, the logarithm grows
# without bound. So the student spreads out, even over places that the teacher considers impossible. The reverse KL is
# *mode-seeking*: what the student never says costs nothing, and what the teacher never says costs much. A mode-seeking
# student makes fewer impossible statements and has less to say.

# %% [markdown]
# ## Exercise 1 · The reverse KL
#
# ●●○○○ difficulty · ●●●●● importance · about 10 minutes
#
# Write `reverse_kl`: the mean of KL(student ‖ teacher) over the counted tokens, in nats, at T = 1.
#
# - The mask is true, or 1, where a token counts. Logits elsewhere may be anything, even NaN: they must affect neither
#   the value nor the gradient.
# - Gradients flow to the student's logits, through the weights of the mean too; none reaches the teacher's.
# - bfloat16 logits are computed in float32 (the setup cell has `widen` from lab 02).
# - If nothing counts, the value is 0, and so is the gradient.
# - If the two logits differ in shape, or the mask has not one entry for each position, raise a `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Select first, then compute: `student_logits[mask.bool()]` has the shape `(N, V)`, where N is the number of counted
# tokens. Nothing that does not count is in it.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# You need two log-softmaxes, and `exp` of one of them. `F.kl_div(input, target, log_target=True)` computes
# KL(target ‖ input), so think about which of the two is the target.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Do not detach the student's probabilities: they are weights and they depend on the student. Do not multiply by the
# mask, because NaN · 0 is NaN. Do not clip single terms of the sum: some are negative, and should be.
#
# </details>


# %% exercise="reverse_kl"
def reverse_kl(student_logits, teacher_logits, mask):
    """Return KL(student || teacher), mean over counted tokens, in nats.

    student_logits, teacher_logits: `(B, S, V)`; no gradient reaches the teacher's.
    mask: `(B, S)`, true or 1 where a token counts; elsewhere logits may be anything.
    Returns a 0-d tensor, float32 or wider; 0 if nothing counts.
    Raises ValueError if the shapes do not fit together.
    """
    if student_logits.shape != teacher_logits.shape:
        raise ValueError("student_logits and teacher_logits differ in shape")
    if mask.shape != student_logits.shape[:-1]:
        raise ValueError("mask needs one entry for each position of student_logits")
    counted = mask.bool()
    log_q = widen(student_logits[counted]).log_softmax(dim=-1)
    log_p = widen(teacher_logits.detach()[counted]).log_softmax(dim=-1)
    per_token = (log_q.exp() * (log_q - log_p)).sum(dim=-1)
    return per_token.sum() / max(len(per_token), 1)


# %% check="reverse_kl" points=3
check(reverse_kl)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **`nan`**: you multiply by the mask, or take a mean over nothing. Select the counted positions first, and divide by
#   at least 1.
# - **The right value and a wrong gradient**: something of the student's is detached that should not be.
# - **"Bad input must raise a ValueError"**: a vocabulary of 1 broadcasts silently. Compare the shapes yourself.
#
# </details>

# %% [markdown]
# ## Between the two directions
#
# The *generalised Jensen–Shannon divergence* compares both models with a mixture of them, $m = \beta\, p + (1 -
# \beta)\, q$:
#
# $$\mathrm{JSD}_\beta = \beta\,\mathrm{KL}(p\,\|\,m) + (1 - \beta)\,\mathrm{KL}(q\,\|\,m)$$
#
# So β weighs the teacher, in the mixture as in the sum. The mixture is nowhere 0 where one of the two is not, so no
# logarithm explodes, and the value is at most log 2. For small β the divergence behaves like β times the forward KL,
# for β near 1 like 1 − β times the reverse KL. It comes from GKD (Agarwal et al. 2024).
#
# At β = 0 and at β = 1 the formula itself is always 0, because the mixture is then one of the two models. By
# convention, GKD's implementations return the forward KL at β = 0 and the reverse KL at β = 1. So do we.

# %% [markdown]
# ## Exercise 2 · The Jensen–Shannon divergence
#
# ●●●○○ difficulty · ●●●●○ importance · about 12 minutes
#
# Write `jensen_shannon`. What `reverse_kl` owes, it owes too: the mask, padding, gradients, bfloat16, shapes. Logits
# may be in the hundreds, where probabilities are 0 in float32: the value and the gradient must stay finite. A β below 0
# or above 1 raises a `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Compute the two log-probabilities as before. Treat β = 0 and β = 1 first. You may call `reverse_kl`, and with the
# arguments exchanged it gives the value, but not the gradient, of the forward KL: write that one out.
#
# </details>
#
# <details><summary>Hint 2: the mixture</summary>
#
# The logarithm of a sum of two exponentials is `torch.logaddexp`. The weight β becomes an addend: log(β p) = log p +
# log β.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Do not mix logits or log-probabilities: the mixture is one of probabilities. Do not take `log` of a probability that
# may be 0. Test with β = 0.3: at 0.5 you cannot see an exchange.
#
# </details>


# %% exercise="jensen_shannon"
def jensen_shannon(student_logits, teacher_logits, mask, beta):
    """Return GKD's generalised Jensen-Shannon divergence, mean over counted tokens.

    student_logits, teacher_logits, mask, result: as in `reverse_kl`.
    beta: the teacher's weight, in the mixture and in the sum; 0 gives the forward KL,
    1 the reverse KL.
    Raises ValueError if beta is outside [0, 1] or the shapes do not fit together.
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"beta is {beta}; it must be between 0 and 1")
    if student_logits.shape != teacher_logits.shape:
        raise ValueError("student_logits and teacher_logits differ in shape")
    if mask.shape != student_logits.shape[:-1]:
        raise ValueError("mask needs one entry for each position of student_logits")
    counted = mask.bool()
    log_q = widen(student_logits[counted]).log_softmax(dim=-1)
    log_p = widen(teacher_logits.detach()[counted]).log_softmax(dim=-1)
    if beta == 0:
        per_token = (log_p.exp() * (log_p - log_q)).sum(dim=-1)
    elif beta == 1:
        per_token = (log_q.exp() * (log_q - log_p)).sum(dim=-1)
    else:
        log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
        of_teacher = (log_p.exp() * (log_p - log_m)).sum(dim=-1)
        of_student = (log_q.exp() * (log_q - log_m)).sum(dim=-1)
        per_token = beta * of_teacher + (1 - beta) * of_student
    return per_token.sum() / max(len(per_token), 1)


# %% check="jensen_shannon" points=3
check(jensen_shannon)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **`math domain error`**: the logarithm of β = 0, or of 1 − β at β = 1. Treat the two ends first.
# - **`nan` for far logits**: a probability is 0 in float32, and its logarithm −∞. Use `torch.logaddexp`.
# - **Right at β = 0.5 and wrong elsewhere**: teacher and student are exchanged, in the mixture or in the sum.
#
# </details>

# %% [markdown]
# ## Quiz 1 · Which direction?
#
# A student writes one fluent, correct sentence again and again. The teacher would have said a hundred different things.
# Which divergence punishes this most?
#
# - **A** the reverse KL
# - **B** the forward KL
# - **C** the Jensen–Shannon divergence at β = 0.5

# %% quiz="which_direction" points=1
which_direction = "B"

# %% [markdown]
# ## The student writes
#
# Now to the other question: whose text? To learn from its own text, a student has to write some: token by token, each
# drawn from the probabilities that the student itself gives, at T = 1. Greedy text, a lower temperature or top-k would
# be the text of another model.
#
# You do not differentiate through the sampling: the rows are data, as if somebody else had written them. So sampling
# runs without gradients, which saves the memory of one graph per token, and in eval mode, because dropout would spoil
# the text. But the student may be in the middle of its training, so it has to return to the mode it was in.

# %% [markdown]
# ## Exercise 3 · Sampled rows
#
# ●●●○○ difficulty · ●●●●● importance · about 14 minutes
#
# Write `sample_rows`. It returns the prompts, each with `length` sampled tokens.
#
# - Each token is sampled at T = 1 from the whole distribution at the last position, given the whole row so far, and
#   each row by itself. All randomness comes from `generator`, so the same seed gives the same rows.
# - The student runs in eval mode and without gradients. Afterwards every submodule is in the mode in which it arrived:
#   some may have been in eval mode and others not.
# - An end-of-text token is a token like any other. What follows it is the next text, so rows need no padding.
# - With `length` 0, the prompts come back.
#
# <details><summary>Hint 1: where to start</summary>
#
# A loop over `length`. In each round: the logits at the last position, a softmax, one draw for each row, and the new
# column put at the end of the rows with `torch.cat`.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `torch.multinomial(probabilities, 1, generator=generator)` draws from `(B, V)` and returns `(B, 1)`.
# `student.modules()` lists all submodules, each with its own `training`. The setup cell has `logits_of`.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Do not show the student its last token only, unless you also pass it the keys and values of the others
# (`past_key_values`). Do not end with `student.train()`: perhaps it arrived in eval mode.
#
# </details>


# %% exercise="sample_rows"
def sample_rows(student, prompts, length, generator):
    """Return the prompts, each continued by `length` sampled tokens, at T = 1.

    student: called with tokens and attention_mask, its output has `logits` `(B, S, V)`;
    sampled from in eval mode, without gradients, and returned in its previous mode.
    prompts: `(B, P)`, long, without padding. generator: for all draws.
    Returns `(B, P + length)`, long.
    """
    modes = [(part, part.training) for part in student.modules()]
    student.eval()
    rows = prompts
    with torch.no_grad():
        for _ in range(length):
            probabilities = widen(logits_of(student, rows)[:, -1]).softmax(dim=-1)
            sampled = torch.multinomial(probabilities, 1, generator=generator)
            rows = torch.cat([rows, sampled], dim=1)
    for part, training in modes:
        part.training = training
    return rows


# %% check="sample_rows" points=4
check(sample_rows)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **`prob_dist must be 1 or 2 dim`**: take the last position first, `[:, -1]`.
# - **Other rows from the same generator**: something is drawn without `generator=generator`.
# - **Frequencies that are off although the draws look right**: the student sees only a part of the row, or dropout is
#   active.
#
# </details>

# %% [markdown]
# ## Learning from its own text
#
# The on-policy step is short: the student continues some prompts, the teacher reads what it wrote and says at each
# position what it would have expected, a divergence compares the two, and the student takes one step. The next step
# starts with new text, of a student that has changed.
#
# Without the teacher, this would teach nothing. If the student's own samples are the labels, the expected gradient of
# the cross-entropy is 0: on average the student is told to go on as before. What is left is noise.

# %% [markdown]
# ## Exercise 4 · The on-policy step
#
# ●●●●○ difficulty · ●●●●● importance · about 14 minutes
#
# Write `on_policy_step`. It samples with your `sample_rows`, scores, takes one step and returns the loss.
#
# - `divergence(student_logits, teacher_logits, mask)` is a mean over the mask. Only predictions of *sampled* tokens
#   count. The prediction of a token is at the position before it. What the last position predicts, nobody has sampled.
# - No gradient flows through the sampling, and none reaches the teacher, even if its weights could be trained.
# - The student is scored in the mode in which it arrives, and leaves in that mode.
# - The optimizer may hold old gradients. The loss is returned as a plain number.
#
# <details><summary>Hint 1: where to start</summary>
#
# Five lines: rows, the teacher's logits, the student's logits, the loss, and the three calls of lab 03 (`zero_grad`,
# `backward`, `step`).
#
# </details>
#
# <details><summary>Hint 2: the mask</summary>
#
# For prompts of P tokens, the first sampled token is at index P, so its prediction is at index P − 1. The last
# prediction that counts is at index P + length − 2.
#
# </details>
#
# <details><summary>Hint 3: a shorter way</summary>
#
# Instead of masking, cut: `[:, prompts.shape[1] - 1 : -1]` of both logits leaves the counted positions alone. The mask
# is then true everywhere.
#
# </details>


# %% exercise="on_policy_step"
def on_policy_step(student, teacher, prompts, optimizer, divergence, length, generator):
    """Let the student continue the prompts, take one step towards the teacher there.

    student, prompts, length, generator: as in `sample_rows`. teacher: called like the
    student, in eval mode; no gradient reaches it. optimizer: holds the student's
    weights. divergence: called with student_logits, teacher_logits and a mask of the
    counted positions, returns a 0-d tensor.
    Returns the loss, a number.
    """
    rows = sample_rows(student, prompts, length, generator)
    counted = slice(prompts.shape[1] - 1, -1)
    with torch.no_grad():
        teacher_logits = logits_of(teacher, rows)[:, counted]
    student_logits = logits_of(student, rows)[:, counted]
    mask = torch.ones(student_logits.shape[:2], dtype=torch.bool, device=rows.device)
    loss = divergence(student_logits, teacher_logits, mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# %% check="on_policy_step" points=4
check(on_policy_step)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **A loss that is off by a little**: the mask is off by one place, or the prompt counts too.
# - **The first step is right, the third is not**: `zero_grad` is missing.
# - **`element 0 of tensors does not require grad`**: you score the student under `torch.no_grad()` as well.
#
# </details>

# %% [markdown]
# ## Own text and given text
#
# A student that writes nonsense gets corrections of nonsense. GKD therefore mixes: a part of the text is the student's
# own, the rest is given, written by people or by the teacher. The share of own text is GKD's λ. At λ = 0 training is
# off-policy, at λ = 1 it is on-policy. GKD's algorithm draws once for a whole batch; we draw for each row, which has
# the same expectation and varies less.

# %% [markdown]
# ## Exercise 5 · A mixed batch
#
# ●○○○○ difficulty · ●●○○○ importance · about 8 minutes · a warm-up
#
# Write `mixed_batch`. Each row of the result is the student's own with probability `share`, independently of the
# others, and else the given one *at the same place*. All randomness comes from `generator`. Neither input changes. A
# share outside [0, 1] or inputs of different shapes raise a `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# One uniform number for each row, from 0 to 1: `torch.rand(len(own), generator=generator)`.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `torch.where(condition, own, given)` chooses. The condition has to have the shape `(B, 1)` to be the same along a row.
#
# </details>
#
# <details><summary>Hint 3: the ends</summary>
#
# `torch.rand` may return 0 and never returns 1. So `< share` is never true for a share of 0 and always true for a share
# of 1.
#
# </details>


# %% exercise="mixed_batch"
def mixed_batch(own, given, share, generator):
    """Return rows, each the student's own with probability `share`, else the given one.

    own, given: `(B, S)`, long. share: GKD's λ, from 0 to 1. generator: for the draws.
    Returns `(B, S)`, long, new rows.
    Raises ValueError if share is outside [0, 1], or own and given differ in shape.
    """
    if own.shape != given.shape:
        raise ValueError(f"own and given differ: {own.shape} and {given.shape}")
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; it must be between 0 and 1")
    is_own = torch.rand(len(own), generator=generator) < share
    return torch.where(is_own[:, None].to(own.device), own, given)


# %% check="mixed_batch" points=1
check(mixed_batch)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **Many different rows where there should be two**: you draw for each token, and rows are patched together.
# - **`changed inputs: [0]`**: you write into `own`. Use `torch.where`, or a copy.
# - **The right share and another row at each place**: you shuffle, or put all own rows first.
#
# </details>

# %% [markdown]
# ## Leaving the language
#
# The known language (lab 03) is an automaton: it is always in some state, and in each state only some words are
# possible. So you can decide exactly whether a row is *legal*, and where it first leaves the language.
#
# - `language.start` is the state in which each story begins, and `language.eos` the end-of-text token.
# - `language.next_state` has the shape (states, V): the state to which a token leads, or −1 if the token is impossible.

# %% [markdown]
# ## Exercise 6 · The first impossible word
#
# ●●●○○ difficulty · ●●●○○ importance · about 12 minutes
#
# Write `first_impossible_word`. Rows begin with the end-of-text token, after which a story starts; it is always legal
# there. For each row, return the position of the first impossible token, or the row's length if there is none. Inside
# an unfinished story, an end-of-text token is as impossible as a wrong word. Rows that begin with another token raise a
# `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Keep one state for each row, at first `language.start`, and go through the positions from 1 on.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `language.next_state[state, rows[:, position]]` gives the next state of all rows at once.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# −1 is a valid index in Python: it means the last state. Once a row has left the language, ignore what follows, and do
# not overwrite the position that you have found.
#
# </details>


# %% exercise="first_impossible_word"
def first_impossible_word(language, rows):
    """Return where each row first leaves the language, or its length if it does not.

    language: has `start`, `eos` and `next_state`, `(states, V)`, -1 where a token is
    impossible. rows: `(B, S)`, long; each begins with the end-of-text token.
    Returns `(B,)`, long.
    Raises ValueError if a row begins with another token.
    """
    if (rows[:, 0] != language.eos).any():
        raise ValueError("each row must begin with the end-of-text token")
    first = torch.full((len(rows),), rows.shape[1])
    state = torch.full((len(rows),), language.start)
    for position in range(1, rows.shape[1]):
        state = language.next_state[state, rows[:, position]]
        found = (state < 0) & (first == rows.shape[1])
        first[found] = position
        state = state.clamp(min=0)  # what follows is not looked at
    return first


# %% check="first_impossible_word" points=3
check(first_impossible_word)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **0 for every row**: you judge the first token too. It is the end of text before the first story.
# - **A position that is too late**: you keep the last impossible word, or accept an end of text in mid-story.
# - **`index -1`, or strange positions after the first mistake**: a state of −1 is used as an index.
#
# </details>

# %% [markdown]
# ## A parrot
#
# The student of this lab's experiment is a parrot. It has read the same 20 rows again and again, with hard labels only.
# The preflight and the next cells prepare it; it takes a few seconds.

# %%
settings = tier_of()
preflight()

# %%
graded = "NBGRADER_EXECUTION" in os.environ  # while grading, the runs are only tried
language, tiny = KnownLanguage.stories(), load_tokenizer("tiny")
teacher = load_teacher("tiny").eval().requires_grad_(False)
LENGTH, BATCH, PEAK = 64, 8, 2e-2
steps = 4 if graded else 150
source = torch.Generator().manual_seed(0)
old_rows = language.sample(20, LENGTH, seed=0)


# %%
def forward_kl(student_logits, teacher_logits, mask):
    """Lab 02's divergence at T = 1, without the checks."""
    log_q = widen(student_logits[mask]).log_softmax(dim=-1)
    log_p = widen(teacher_logits[mask]).log_softmax(dim=-1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean()


def labels_loss(model, rows):
    """Cross-entropy with the next tokens."""
    logits = logits_of(model, rows)[:, :-1]
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


def train(model, loss_of, steps, peak=PEAK):
    """Take steps on what `loss_of(model)` returns, with warm-up and cosine decay."""
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    model.train()
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = peak * warmup_cosine(step, steps)
        model.zero_grad()
        loss_of(model).backward()
        optimizer.step()
    return model.eval()


def known_rows():
    """A batch of the 20 rows."""
    return old_rows[torch.randperm(len(old_rows), generator=source)[:BATCH]]


# %%
torch.manual_seed(0)
parrot = load_student("tiny")
train(
    parrot, lambda model: labels_loss(model, known_rows()), 4 if graded else 300, 1e-2
)
beginnings = torch.full((200, 1), language.eos)
print(tiny.decode(sample_rows(parrot, beginnings[:1], 40, source)[0]))

# %% [markdown]
# ### Legal is not enough
#
# The parrot now writes 200 rows.

# %%
predict("legal", "What share of the parrot's rows is legal?", unit="percent")
predict(
    "distinct", "What share of its rows is different from all others?", unit="percent"
)


# %%
def written_by(model, count=200):
    """Rows that a student writes, and where each leaves the language."""
    draws = torch.Generator().manual_seed(7)
    rows = sample_rows(model, beginnings[:count], LENGTH - 1, draws)
    return rows, first_impossible_word(language, rows)


def report(model, name):
    """Print and return the shares of legal and of distinct rows, in percent."""
    rows, left = written_by(model, 20 if graded else 200)
    legal = 100 * (left == LENGTH).double().mean().item()
    distinct = 100 * len(rows.unique(dim=0)) / len(rows)
    words = len(rows.unique())
    print(f"{name:22} legal {legal:4.0f} %, distinct {distinct:4.0f} %, {words} words")
    return round(legal), round(distinct)


legal_share, distinct_share = report(parrot, "the parrot")
reveal("legal", legal_share)
reveal("distinct", distinct_share)

# %% [markdown]
# <details><summary>What you should see</summary>
#
# Most of the parrot's rows are legal, and most are copies of each other: it recites. Over three seeds, 88 % to 90 % of
# its rows were legal and 23 % to 24 % were distinct. A report on legality alone would praise it. So always report
# *coverage* beside legality: how many different rows, or different words, a student's text contains.
#
# </details>

# %% [markdown]
# ## Exposure bias
#
# The known language also says how far a student is from the truth at each position: KL(truth ‖ student), in nats. On
# the language's rows, everything before the position is right. On the student's own rows it is what the student wrote.
# Once a row has left the language, there is no true distribution any more, so each row is measured only up to that
# position.
#
# *Exposure bias* is the difference between the two: a student that was trained on other people's text has never been
# exposed to its own, and mistakes add up.

# %%
predict(
    "exposure",
    "A student was distilled on the 20 rows until its text varies again. "
    "How many of its own rows are still legal at position 32, half-way?",
    unit="percent",
)


# %%
@torch.no_grad()
def distances(model, rows):
    """KL(truth ‖ model) at each prediction of legal rows, `(B, S - 1)`, in nats."""
    truth = language.next_token_probs(rows)[:, :-1]
    log_q = logits_of(model, rows)[:, :-1].double().log_softmax(dim=-1)
    return (torch.xlogy(truth, truth) - truth * log_q).sum(dim=-1)


def by_position(model):
    """Mean distances on the language's rows and on own rows; who is still legal."""
    own, left = written_by(model, 20 if graded else 200)
    places = torch.arange(LENGTH)
    cut = torch.where(places < left[:, None], own, language.eos)
    counted = (places[:-1] < left[:, None]).double()
    on_own = (distances(model, cut) * counted).sum(dim=0) / counted.sum(dim=0)
    on_own = on_own.masked_fill(counted.sum(dim=0) < 10, torch.nan)
    given = distances(model, held_out).mean(dim=0)
    legal = (left[:, None] > places[1:]).double().mean(dim=0)
    return given.tolist(), on_own.tolist(), legal.tolist()


held_out = language.sample(100, LENGTH, seed=1_000_000)


def copy_of_parrot():
    """A student with the parrot's weights; the same random numbers for each."""
    torch.manual_seed(1)
    again = load_student("tiny")
    again.load_state_dict(parrot.state_dict())
    return again


# %%
def scored(divergence, rows_of):
    """A loss: the divergence between teacher and student on what `rows_of` returns."""

    def loss_of(model):
        rows = rows_of(model)
        target = logits_of(teacher, rows)[:, :-1]  # its weights are frozen
        every = torch.ones_like(rows[:, 1:]).bool()
        return divergence(logits_of(model, rows)[:, :-1], target, every)

    return loss_of


def own_rows(model):
    """What the student writes itself, anew in each step."""
    return sample_rows(model, beginnings[:BATCH], LENGTH - 1, source)


trained = {}
on_old = scored(forward_kl, lambda model: known_rows())
trained["old text"] = train(copy_of_parrot(), on_old, steps)
by_place = by_position(trained["old text"])
reveal("exposure", round(100 * by_place[2][LENGTH // 2 - 1]))
plots.distance_by_position(*by_place)

# %% [markdown]
# <details><summary>What you should see</summary>
#
# The teacher's probabilities have made the student say things that are not in the 20 rows, but it has learned what may
# follow only along these rows. In the full-length experiment below, 22 % to 38 % of this student's rows were still
# legal at position 32, and 1 % to 4 % at the end. But look at the left plot: as long as a row is legal, the student is
# about as far from the truth on its own text as on the language's. Averaged over the first 32 predictions and three
# seeds, the distances are 0.14 and 0.14 nats. What adds up here is the risk of leaving the language, token after token.
# What happens after that cannot be measured this way, because the language gives no probabilities for rows that cannot
# occur in it.
#
# </details>

# %% [markdown]
# ## A claim
#
# Now let the parrot learn from its own text: the same number of steps, the same divergence, the same teacher as a
# reader. This takes about half a minute, most of it for writing.

# %%
trained["own text"] = train(copy_of_parrot(), scored(forward_kl, own_rows), steps)


def mean_distance(model):
    """Mean distance from the truth on held-out rows, in nats per token."""
    return distances(model, held_out).mean().item()


for name, model in {"the parrot": parrot, **trained}.items():
    print(f"{name:12} {mean_distance(model):.3f} nats from the truth")

# %% [markdown]
# Reports are written from such numbers. This one uses ours, means over three seeds with tuned learning rates:
#
# > *We compare on-policy distillation with conventional distillation on the training text. Student, teacher, >
# divergence, number of steps and batch size are the same, and the learning rate was tuned for each. Conventional >
# distillation ends 0.236 nats from the truth, on-policy distillation 0.023. **Learning from its own mistakes > brings
# the student 10 times closer.***

# %% [markdown]
# ## Quiz 2 · What is missing?
#
# The figures are right. Which objection decides whether the last sentence follows from them?
#
# - **A** Three seeds are too few.
# - **B** The two students differ in two things: whose text they read, and how much *new* text they read. There is no
#   arm with new text that the student did not write.
# - **C** On-policy training costs more, because the student has to write.
# - **D** On-policy training needs the reverse KL.

# %% quiz="what_is_missing" points=1
what_is_missing = "B"

# %% [markdown]
# ## The missing arm
#
# The conventional student read 20 rows again and again. The on-policy student read 8 rows in each step that nobody had
# seen before. So give a third student the same amount of *new text that somebody else wrote*, in the same number of
# steps.

# %%
predict(
    "new_text",
    "Fresh text of the language, scored by the teacher with the forward KL: where does "
    "this student end?",
    choices=["near old text", "between the two", "at own text or closer to the truth"],
)

# %%
fresh = iter(language.sample(steps * BATCH, LENGTH, seed=5).split(BATCH))
on_new = scored(forward_kl, lambda model: next(fresh))
trained["new text"] = train(copy_of_parrot(), on_new, steps)
found = {name: mean_distance(model) for name, model in trained.items()}
for name, nats in found.items():
    print(f"{name:12} {nats:.3f} nats from the truth")


def place_of(new, old, own):
    """Where the third student ends, in the words of the question."""
    ends = ["near old text", "between the two", "at own text or closer to the truth"]
    return (
        ends[2]
        if new <= 1.1 * own
        else ends[1]
        if new < (old * own) ** 0.5
        else ends[0]
    )


reveal("new_text", place_of(found["new text"], found["old text"], found["own text"]))

# %% [markdown]
# This is one seed and a short run. Here is the whole experiment: 300 steps of 8 rows, three seeds, each arm with the
# learning rate that was best for it with another seed. There, new text was written by the teacher.

# %% fold=true
ALL_ARMS = {
    "old text, forward KL": [0.258, 0.233, 0.218],
    "old text, JSD": [0.320, 0.324, 0.339],
    "old text, reverse KL": [0.573, 0.647, 0.718],
    "new text, forward KL": [0.013, 0.006, 0.010],
    "new text, JSD": [0.086, 0.018, 0.042],
    "new text, reverse KL": [0.307, 0.290, 0.349],
    "own text, forward KL": [0.011, 0.049, 0.010],
    "own text, JSD": [0.006, 0.016, 0.045],
    "own text, reverse KL": [0.663, 0.706, 0.886],
    "own text, labels only": [3.910, 4.001, 3.958],
}
plots.arms_over_seeds(ALL_ARMS)

# %% [markdown]
# | text | forward KL | JSD, β = 0.5 | reverse KL |
# | --- | ---: | ---: | ---: |
# | old text: the same 20 rows | 0.236 (0.218–0.258) | 0.328 (0.320–0.339) | 0.646 (0.573–0.718) |
# | new text: the teacher's | 0.010 (0.006–0.013) | 0.048 (0.018–0.086) | 0.316 (0.290–0.349) |
# | own text | 0.023 (0.010–0.049) | 0.022 (0.006–0.045) | 0.752 (0.663–0.886) |
#
# Means of three seeds in nats per token, smallest and largest in parentheses.
#
# Read the first column. Old text leaves the student far from the truth, and new text brings it close, whoever wrote it:
# 0.010 for the teacher's text, 0.023 for the student's own. So most of the report's factor of 10 belongs to *new text*.
# Between the two kinds of new text, this column shows no advantage of the student's own.
#
# In the second column, the seeds for own text and for the teacher's text overlap. With the JSD, own text ended at
# 0.022, the teacher's text at 0.048. The reverse KL ended far away on every text. Its distance is a forward KL from the
# truth, which is not what the reverse KL minimises; the next section looks at what it buys.
#
# All of this is one language, one small student, a teacher that is nearly an oracle, and 300 steps.

# %% [markdown]
# ## The other control
#
# Does the student need the teacher to learn from its own text? Train it on the same text, scored by labels only: the
# tokens that it wrote itself.

# %%
predict(
    "labels_only",
    "Own text, labels only. What becomes of the student?",
    choices=["it improves slowly", "it stays as it is", "it gets worse"],
)

# %%
before = mean_distance(parrot)
trained["own, labels only"] = train(
    copy_of_parrot(), lambda model: labels_loss(model, own_rows(model)), steps
)
after = mean_distance(trained["own, labels only"])
print(f"{before:.2f} nats from the truth before, {after:.2f} after")
same = abs(after - before) < 0.1 * before
better, worse = "it improves slowly", "it gets worse"
reveal(
    "labels_only", "it stays as it is" if same else better if after < before else worse
)

# %% [markdown]
# <details><summary>What you should see</summary>
#
# It gets worse, and the higher the learning rate, the more so. We ran 60 steps at two learning rates. At 0.003 three
# seeds ended 3.9 to 4.0 nats from the truth, after 3.3 to 3.5 before; at 0.01 the one that we ran ended at 18.9. On
# average its own samples tell the student nothing. But each single batch moves it a little, nothing pulls it back, and
# the next text is written by what it has become. The teacher is what makes own text useful.
#
# </details>

# %% [markdown]
# ## Coverage beside legality
#
# The distance from the truth is a forward KL, so it favours students that cover all modes. But what do they write?
# Legality and coverage, beside each other, for your students of this lab and for those of the full-length experiment.

# %%
for name, model in trained.items():
    report(model, name)

# %% fold=true
WRITERS = {
    "the parrot": (0.89, 156),
    "old text, forward KL": (0.02, 208),
    "new text, forward KL": (0.74, 209),
    "new text, JSD": (0.93, 202),
    "new text, reverse KL": (0.51, 156),
    "own text, forward KL": (0.55, 209),
    "own text, JSD": (0.88, 208),
    "own text, reverse KL": (0.02, 175),
}
plots.legality_and_coverage(WRITERS, 209)

# %% [markdown]
# On the teacher's new text, the student trained with the forward KL used 209 of the 209 words that the truth uses in as
# many rows, and 74 % of its rows were legal. The student trained with the JSD used 202 words, and 93 % were legal,
# although it is farther from the truth. The student trained with the reverse KL used 156: it leaves out what is rare,
# and here that did not even make it legal (51 %). Which student is "better" depends on what you measure, so report both
# numbers.

# %% [markdown]
# ## The same with a real model
#
# On the laptop tier, SmolLM2-135M-Instruct is the teacher, and the student has 15 of its 30 layers. First it takes 40
# steps on labels and teacher, or it would write nothing but noise. From there it learns for 30 seconds of processor
# time, its own writing included: from 64 tokens of the Python language reference at a time, or from 32 tokens that it
# writes itself after 32 given ones. The teacher scores both, JSD at β = 0.5, at one learning rate. KL to the teacher is
# in nats per token, on held-out text and on what the student writes.
#
# | | perplexity (95 % interval) | KL to the teacher | the same on own text | steps |
# | --- | ---: | ---: | ---: | ---: |
# | before | 36.7 (29.1–44.6) | 1.16 | 1.19 | |
# | given text | 42.1 (33.9–50.7) | 1.09 | 1.10 | 10 |
# | own text | 45.1 (37.0–53.5) | 1.19 | 1.09 | 8 |
#
# In the same time, own text pays for fewer steps, because the student has to write it. Neither arm lowered the
# perplexity. Given text brought the student closer to the teacher on both kinds of text, own text on its own only. This
# is one seed, a handful of steps and a rate that was not tuned: it shows what a step costs at this size, and nothing
# about which text is better. `python -m helpers.experiments.on_policy_laptop` repeats it on your machine, once the
# laptop tier's model has been fetched.

# %% [markdown]
# ## In libraries
#
# - TRL's `DistillationTrainer` is always on-policy: the student writes, and the loss is GKD's generalised divergence
#   with `beta` as here (0 forward, 1 reverse; the default is 1). Its `temperature` applies to sampling and to the loss.
# - TRL's experimental `GKDTrainer` mixes with `lmbda`. Its `temperature` concerns sampling only; the loss always uses a
#   temperature of 1.
# - **End of text.** A sampled row ends where the student ends it. If the teacher has a different end-of-text token
#   (chat models end their turns with one of their own), it is asked about a token that it never uses, and the student
#   learns not to stop. Compare the two ids before you train.
# - **Padding.** After the end, rows are padded. Logits there mean nothing and may be NaN in low precision, so use the
#   mask to select positions, not to multiply.
# - **Clipping.** Some code clips the terms of the sum over the vocabulary to tame outliers. The result is no longer a
#   divergence: it can be 0 or negative for a student that is wrong.
# - **MiniLLM** (Gu et al. 2024) minimises the reverse KL of whole *sequences*, by policy gradient: a token is credited
#   with what follows it. What you wrote is its token-level part. TRL no longer has a trainer for the rest.

# %% [markdown]
# ## Quiz 3 · One name, two meanings
#
# In lab 02's loss, T = 3 softens teacher and student. You move to TRL's `GKDTrainer` and set `temperature=3.0`. What
# happens?
#
# - **A** The loss is computed from distributions softened with T = 3.
# - **B** The student's text is sampled at T = 3, so it is wilder; the loss is as before.
# - **C** The learning rate is divided by 3.

# %% quiz="gkd_temperature" points=1
gkd_temperature = "B"

# %% [markdown]
# ## Self-check
#
# **Whose text?** (a) Rewrite the last sentence of the report above, so that it claims what the experiment shows and no
# more. (b) A colleague can ask the teacher for probabilities but has only 20 rows of text, and the teacher is slow at
# writing. Would you advise on-policy training, and why? (c) Which two numbers do you want to see before you believe
# that a student writes well?
#
# *Five to seven sentences, about 7 minutes.*

# %% [markdown] answer="whose_text" points=2
# (a) From the same start and at equal steps, students that read new text, their own or the teacher's, ended much closer
# to the truth than students that read the same 20 rows again. Between own and new text the experiment shows no
# advantage of own text: new text with the forward KL came closest. It is one language, one size of student, three
# seeds.
#
# (b) Yes: own text costs no new text, only the student's writing, which is cheap, and the teacher's reading, which is
# one pass for a whole row. It brought most of the gain that new text brings. The 20 rows can be mixed in.
#
# (c) How much of its text is legal, or correct, and how much of it is different: coverage beside legality. A parrot is
# legal, and random words are all different.

# %% [markdown]
# ## What to take away
#
# - Forward KL covers modes, reverse KL seeks one, JSD lies between. All three are means over tokens, and the direction
#   decides whose probabilities are the weights.
# - On-policy: the student writes, the teacher reads. Sampling is data, without gradients; only sampled tokens count.
# - Own text without the teacher teaches nothing.
# - **New text and own text are two causes.** A comparison with old text cannot tell them apart.
# - Legality without coverage makes a parrot look good.
# - The same name can mean different things: look up where a library uses a setting.

# %% [markdown]
# ## Reading list
#
# **Required**
#
# - Agarwal et al. 2024, [On-Policy Distillation of Language Models](https://arxiv.org/abs/2306.13649) (GKD), sections 2
#   and 3: the divergence, λ, and what they compare with.
#
# **Optional**
#
# - Gu et al. 2024, [MiniLLM: Knowledge Distillation of Large Language Models](https://arxiv.org/abs/2306.08543): the
#   reverse KL over sequences.
# - Bengio et al. 2015, [Scheduled Sampling for Sequence Prediction](https://arxiv.org/abs/1506.03099): exposure bias,
#   and an early answer to it.
# - Lin et al. 2020, [Autoregressive Knowledge Distillation through Imitation
#   Learning](https://arxiv.org/abs/2009.07253): on-policy distillation as imitation learning.
#
# **Reference**
#
# - TRL, [Distillation Trainer](https://huggingface.co/docs/trl/distillation_trainer) and [GKD
#   Trainer](https://huggingface.co/docs/trl/gkd_trainer).

# %% [markdown]
# ## Stretch goals
#
# - Mix own and old text with your `mixed_batch`. From which share on does the student's text vary?
# - Keep keys and values in `sample_rows` (`past_key_values`, `use_cache=True`). How much faster does it get, and does
#   its text stay the same for the same generator?
# - Train on own text with the reverse KL. Look at its words and at its legality before you look at its distance.
# - Give old text 10 times as many steps. Does it catch up with new text?
