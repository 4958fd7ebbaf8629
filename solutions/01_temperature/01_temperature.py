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
# # Lab 01: Temperature
#
# A language model does not answer with one word. It gives a score to every word that it knows, and the scores of the
# words that it does *not* choose say a good deal. In this lab you turn scores into probabilities, with a dial that
# makes the quiet ones audible: the temperature. You use the scores of a real model.
#
# **At the end you can**
#
# - write a softmax with a temperature that survives large scores and short number formats;
# - measure how spread a distribution is, in nats and as a number of choices;
# - say what a temperature changes, what it never changes, and what it costs;
# - keep apart two temperatures that share a name.
#
# **Time:** about 60 minutes.
#
# **You need:** Python, and PyTorch's tensors: indexing, `sum` and `max` over one dimension.
#
# Work from top to bottom. Where it says *predict first*, write your guess down before you run the cell: a wrong guess
# is what you remember best. Under each exercise stands a check: run it as often as you like.

# %% setup=true
import math

import torch
import torch.nn.functional as F

# %%
import matplotlib.pyplot as plt
import numpy as np

from helpers.checks import check
from helpers.plots import bars, lines, show
from helpers.data.teacher_logits import load_teacher_logits, readable

# %% [markdown]
# ## What a teacher says beyond its answer
#
# The teacher here is SmolLM2-135M-Instruct, a small open model. It has read twenty unfinished sentences. For the token
# that comes next it gives each of the 49,152 tokens in its vocabulary a score. Such a score is called a *logit*. The
# file in this project keeps the 50 largest for each sentence.
#
# A token is a word or a piece of one. Most start with the space before the word.

# %%
teacher = load_teacher_logits()
drink = teacher["She drank a cup of hot"]
for token, logit in zip(drink.tokens[:8], drink.logits[:8], strict=True):
    print(f"{token!r:14} {logit:6.2f}")

# %% [markdown]
# Suppose that the text goes on with "chocolate". Ordinary training uses that word as a *hard label*: "chocolate" is
# right, and everything else is equally wrong, coffee as much as gravel.
#
# The teacher knows better. Coffee, tea and cocoa could all have stood there. Geoffrey Hinton calls this *dark
# knowledge*: what a model knows about the answers that it does not give. In knowledge distillation a small *student*
# model learns from the teacher's whole distribution, and so from its dark knowledge too.
#
# One warning before you start. **Predict first:** what does this teacher think that two plus two equals?

# %%
sums = teacher["Two plus two equals"]
for token, logit in zip(sums.tokens[:5], sums.logits[:5], strict=True):
    print(f"{token!r:14} {logit:6.2f}")

# %% [markdown]
# It knows that a number is due, and about how large. It does not know which. A student that copies the whole
# distribution copies the mistakes as well. That is one reason why distillation usually keeps the hard label too (lab
# 02).

# %% [markdown]
# ## From logits to probabilities
#
# Divide every logit by a *temperature* $T$, then take the softmax:
#
# $$p_i = \frac{\exp(z_i / T)}{\sum_j \exp(z_j / T)}$$
#
# $z_i$ is the logit of token $i$, and the sum runs over all tokens. With $T = 1$ this is the ordinary softmax.
#
# Divide two of these probabilities, and the sum below the line cancels:
#
# $$\frac{p_i}{p_j} = \exp\left(\frac{z_i - z_j}{T}\right)$$
#
# So only *differences* between logits count. Adding the same number to all of them changes nothing. Keep that in mind
# for the next cell.
#
# **Predict first:** logits of a few hundred do occur. Which of these four exponentials can float32 hold?

# %%
print(torch.exp(torch.tensor([80.0, 88.0, 89.0, 1000.0])))

# %% [markdown]
# Above 88.7 the result is `inf`, and `inf / inf` is NaN. The formula is right, but as it stands it breaks on large
# logits. The remedy is in the paragraph before the cell: you may shift all logits of a row before you take `exp`.
#
# The second trap is the number format. Models often run in bfloat16, which keeps two to three digits. Near 200 it can
# only hold whole numbers. **Predict first:** four logits arrive in bfloat16. What is left of them when bfloat16 divides
# them by 3?

# %%
arrived = torch.tensor([200.0, 201.0, 202.0, 203.0], dtype=torch.bfloat16)
print("divided in bfloat16: ", arrived / 3)
print("divided in float32:  ", arrived.float() / 3)

# %% [markdown]
# Two different logits have become equal. What bfloat16 has rounded away does not come back, so change to float32
# *before* you divide, and stay there. (float64 is wider than float32: leave it as it is.)

# %% [markdown]
# ## Exercise 1: softmax_with_temperature
#
# Write the softmax with a temperature. It works over the last dimension, whatever comes before it: one row `(V,)`, or
# a whole batch `(B, S, V)`. You may use PyTorch's own softmax or write it out; both are right. Writing it out once is
# worth it.
#
# A temperature of 0 or less means nothing. Raise a `ValueError` that says which argument is wrong and what it was.
#
# <details><summary>Hint 1: where to start</summary>
#
# Four steps: look at the temperature, widen, divide, turn into probabilities. Test with `torch.tensor([2.0, 1.0])` and
# add the result up.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `logits.float()` gives float32, and `logits.dtype` says what came in. `torch.softmax` takes `dim=`. By hand you need
# `amax` and `sum`, both with `dim=-1` and `keepdim=True`, so that the shapes still fit.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# With $y_i = z_i / T$ and $m = \max_j y_j$ over the row: $p_i = \exp(y_i - m) \,/\, \sum_j \exp(y_j - m)$. The largest
# exponent is then 0, so nothing overflows, and at least one term of the sum is 1, so nothing is divided by 0.
#
# </details>


# %% exercise="softmax_with_temperature"
def softmax_with_temperature(logits, temperature):
    """The probabilities that the logits stand for at a temperature.

    logits: `(..., V)`, any floating dtype. temperature: a number above 0, by which the logits are divided.
    Returns `(..., V)`: probabilities that add up to 1 over the last dimension, computed in float32 or wider. The logits
    that were handed in do not change.
    Raises ValueError if the temperature is not above 0.
    Source: Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", section 2.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    scaled = wide / temperature
    weights = torch.exp(scaled - scaled.amax(dim=-1, keepdim=True))
    return weights / weights.sum(dim=-1, keepdim=True)


# %% check="softmax_with_temperature" points=4
check(softmax_with_temperature)

# %% [markdown]
# ## A printed example, worked again
#
# The chapter that these labs belong to works an example with the logits 5, 2 and 0.5, and prints the probabilities at
# three temperatures. You now have a tool to check print.
#
# **Predict first:** one of the three printed rows cannot be right, and you can see it without any softmax. Which?

# %%
printed = {1.0: [0.92, 0.05, 0.01], 2.0: [0.72, 0.18, 0.10], 4.0: [0.55, 0.26, 0.19]}
example = torch.tensor([5.0, 2.0, 0.5])
for temperature, row in printed.items():
    yours = [round(p, 3) for p in softmax_with_temperature(example, temperature).tolist()]
    print(f"T = {temperature:g}   printed {row}, sum {sum(row):.2f}   yours {yours}")

# %% [markdown]
# Probabilities add up to 1. Rounding each of three to two places can move the sum by 0.015 at most, so a sum of 0.98
# gives the first row away. The other two rows do add up to 1, and are wrong all the same: a right sum is needed, but
# it is not enough. What gives *them* away is the rule for two tokens from above, $p_i / p_j = \exp((z_i - z_j) / T)$:

# %%
for temperature in (2.0, 4.0):
    first, second, third = printed[temperature]
    print(f"T = {temperature:g}   first to second: printed {first / second:.2f}, due {math.exp(3 / temperature):.2f}")
    print(f"        second to third: printed {second / third:.2f}, due {math.exp(1.5 / temperature):.2f}")

# %% [markdown]
# ## What temperature does to a real teacher
#
# Back to the cup. From here to the section "What the fifty leave out" you take the softmax over the 50 stored tokens
# alone, as if the vocabulary ended there. That keeps the pictures readable. What it hides comes later.
#
# **Predict first:** sketch the bars of the first eight tokens at T = 1. Then, at T = 5: which bars shrink, which grow,
# and does any token overtake another?

# %%
at = {f"T = {t:g}": softmax_with_temperature(drink.logits, t)[:8] for t in (0.5, 1.0, 2.0, 5.0)}
figure, axes = plt.subplots(figsize=(9, 3.6))
bars(axes, [readable(token) for token in drink.tokens[:8]], at)
axes.set(xlabel="next token", ylabel="probability", title=f"{drink.prompt} …")
first = ", ".join(f"{p[0]:.2f} at {name}" for name, p in at.items())
show(
    figure,
    alt=f"Grouped bars: the eight most likely tokens at four temperatures. The first, chocolate, has {first}. As T "
    "grows the bars come closer together. Their order stays the same.",
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# At T = 1 the four hot drinks stand out from the rest. This is what the teacher believes. At T = 0.5 it sounds surer
# than it is.
#
# At T = 2 chocolate has about twice as much as cocoa, where at T = 1 it had nearly four times as much. A student now
# notices cocoa. At T = 5 no drink has twice as much as the word "black": the signal fades into the background.
#
# </details>

# %% [markdown]
# ## What temperature never does
#
# **Predict first:** is there a temperature at which "coffee" overtakes "chocolate"? Look at the rule for two tokens:
# when is the ratio below 1?
#
# The cell tries six temperatures on all twenty sentences. The stored logits run from the largest to the smallest, so
# each probability must be at least as large as the one after it.

# %%
for temperature in (0.1, 0.5, 2.0, 10.0, 100.0, 1000.0):
    rows = [softmax_with_temperature(entry.logits, temperature) for entry in teacher.values()]
    kept = all((row[:-1] >= row[1:]).all() for row in rows)
    print(f"T = {temperature:6}   order kept in all {len(rows)} sentences: {kept}")

# %% [markdown]
# A temperature never reorders. It divides every difference by the same positive number, and dividing changes no sign.
# So the most likely token stays the most likely one, and a temperature cannot repair a wrong answer.
#
# Now the two ends. **Predict first:** what are the three probabilities of the example at T = 0.01, and at T = 10,000?
# And what does T = 0 do?

# %%
for temperature in (0.01, 10_000.0, 0.0):
    try:
        print(f"T = {temperature:<8g}", softmax_with_temperature(example, temperature))
    except ValueError as error:
        print(f"T = {temperature:<8g} ValueError: {error}")

# %% [markdown]
# Towards 0 everything goes to the largest logit: a hard label again. Towards infinity all tokens become equal, and
# what the teacher knew is gone. T = 0 itself is not in the formula, since nothing can be divided by 0. Where a program
# lets you set a temperature of 0, it simply takes the largest logit.

# %% [markdown]
# ## Two temperatures that share a name
#
# You may know a temperature from chat programs. It is the same formula, used for another purpose.
#
# - The **sampling temperature** is used when a model *writes*. The probabilities are computed, *one* token is drawn,
#   the rest is thrown away. It decides how daring the text is.
# - The **distillation temperature** is used when a student *learns*. Nothing is drawn: the whole row of probabilities
#   is the target, and the student's own logits are divided by the same T. When the student is used afterwards, T is
#   back at 1.
#
# **Predict first:** eight tokens are drawn at each of three sampling temperatures. In which row do you expect a token
# that is not a hot drink?

# %%
generator = torch.Generator().manual_seed(1)
for temperature in (0.3, 1.0, 3.0):
    p = softmax_with_temperature(drink.logits, temperature)
    drawn = torch.multinomial(p, 8, replacement=True, generator=generator)
    print(f"T = {temperature}: ", ", ".join(readable(drink.tokens[i]) for i in drawn))

# %% [markdown]
# A student that is trained on such drawn text sees eight hard labels and has to guess the rest. A student that is
# trained on the row of probabilities sees all fifty numbers at once. When a teacher is only reachable through a
# program that returns text, the first is all you can get, whatever temperature you set.

# %% [markdown]
# ## How much is spread: entropy
#
# "Softer" needs a number. Take one token with probability $p$. How surprising is it to see it? The usual measure is
# $-\log p$: 0 for a token that was certain, and larger the less likely it was. With the natural logarithm the unit is
# the *nat*; with the logarithm to base 2 it is the *bit*. These labs use nats.
#
# The *entropy* is the surprise that you expect on average, when tokens come from the distribution itself:
#
# $$H(p) = -\sum_i p_i \log p_i$$
#
# A more vivid number is $\exp(H)$, the *effective number of choices*: a distribution with entropy $H$ is as spread as
# an even choice among $\exp(H)$ tokens.
#
# A token that never comes adds nothing to the average, so $0 \cdot \log 0$ counts as 0. **Predict first:** does PyTorch
# know that?

# %%
zero = torch.tensor(0.0)
print("log 0 =", torch.log(zero).item(), "   0 * log 0 =", (zero * torch.log(zero)).item())

# %% [markdown]
# ## Exercise 2: entropy
#
# Write the entropy in nats, over the last dimension. A batch `(B, S, V)` gives one number for each position, `(B, S)`.
# Take care of zeros: one NaN would spoil the whole sum.
#
# <details><summary>Hint 1: where to start</summary>
#
# First write it for a row without zeros: a product, a sum over one dimension, a sign. Test it on an even choice between
# two tokens; the answer is log 2, about 0.693.
#
# </details>
#
# <details><summary>Hint 2: what to do with zeros</summary>
#
# Any finite number will do in place of log 0, because it is multiplied by 0. `torch.where` can put a harmless number
# where the probability is 0, before the logarithm. `torch.xlogy` does the two steps in one.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Replace zeros only. A small number added to *every* probability changes every term of the sum, and with 49,152 tokens
# many small errors add up. In words, the result is: the sum, over the tokens, of probability times surprise.
#
# </details>


# %% exercise="entropy"
def entropy(probs):
    """How spread a distribution is: the expected surprise, in nats.

    probs: `(..., V)`, probabilities that add up to 1 over the last dimension; zeros are allowed, with 0 · log 0 = 0.
    Returns `(...)`: one number between 0 and log V for each distribution; for a single one, `(V,)`, a 0-d tensor.
    Source: Shannon 1948, "A Mathematical Theory of Communication", section 6.
    """
    surprise = -torch.where(probs > 0, probs, 1.0).log()
    return (probs * surprise).sum(dim=-1)


# %% check="entropy" points=4
check(entropy)

# %% [markdown]
# ## What a one-hot label carries
#
# Three distributions over the same 50 tokens: a hard label, the teacher at T = 1, and a teacher that knows nothing.
#
# **Predict first:** put them in the order of their entropies. What are the smallest and the largest value?

# %%
label = F.one_hot(torch.tensor(0), 50).float()
uniform = torch.full((50,), 1 / 50)
for name, p in {"label": label, "teacher": softmax_with_temperature(drink.logits, 1.0), "uniform": uniform}.items():
    print(f"{name:8} entropy {entropy(p):.3f} nats, effective choices {entropy(p).exp():5.1f}")
print(f"log 50 = {math.log(50):.3f}")

# %% [markdown]
# The chapter says of a one-hot label that it carries log(V) bits. Two different numbers are mixed up there, and one
# unit.
#
# - The *entropy of the label* is **0**. Nothing in it is uncertain.
# - **log V** is the entropy of an even choice among V tokens. It is the *most* that naming one of V tokens can tell on
#   average: it takes somebody who held all of them for equally likely. With the natural logarithm it is in nats, and
#   only with the logarithm to base 2 in bits.
# - Somebody who already believes $p$ learns $-\log p_i$ from hearing that token $i$ came: little if it was expected,
#   much if it was not.
#
# **Predict first:** you believe the teacher at T = 1. How much does the first of the fifty tokens tell you, how much
# the last one, and how much do you learn on average?

# %%
p = softmax_with_temperature(drink.logits, 1.0)
for place in (0, 49):
    print(f"{drink.tokens[place]!r:13} tells {-p[place].log():.2f} nats")
print(f"on average   {entropy(p):.2f} nats, and log 50 is {math.log(50):.2f}")

# %% [markdown]
# One rare token can tell you more than log 50 nats. On average you never get more.
#
# Mind what follows from this and what does not. A soft target does not teach more *because* its entropy is higher: the
# uniform distribution has the highest entropy of all and teaches nothing. What teaches is its shape: which tokens
# stand above which, and by how much.

# %% [markdown]
# ## Entropy against temperature
#
# Four sentences, from one with a sure answer to one that may go on in many ways.
#
# **Predict first:** draw the entropy of each against T, with T from 0.01 to 100. Where do the curves begin, where
# do they end, and can one of them fall?

# %%
prompts = ["The Earth revolves around the", "The opposite of hot is", drink.prompt, "Once upon a time there was a"]
temperatures = torch.logspace(-2, 2, 81).tolist()
curves = {
    prompt: torch.stack([entropy(softmax_with_temperature(teacher[prompt].logits, t)) for t in temperatures])
    for prompt in prompts
}

# %%
drawn = {**curves, "all fifty equal": [math.log(50)] * len(temperatures)}
figure, axes = plt.subplots(figsize=(8.5, 4), layout="constrained")
lines(axes, temperatures, drawn)
axes.set(xscale="log", xlabel="temperature T (log scale)", ylabel="entropy (nats)", ylim=(0, 4.1))
axes.xaxis.set_major_formatter("{x:g}")
choices = axes.secondary_yaxis("right", functions=(np.exp, np.log))
choices.set(ylabel="effective number of choices", yticks=[1, 2, 5, 10, 20, 50])
ones = ", ".join(f"{curve[40]:.2f} for “{prompt}”" for prompt, curve in curves.items())
show(
    figure,
    alt=f"Line plot of the entropy against temperature, for four sentences. At T = 1 it is {ones}. Every curve begins "
    f"near 0, never falls, and ends just below log 50 = {math.log(50):.2f} nats, which is 50 effective choices.",
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# All begin at 0: near T = 0 there is one choice left. All end at log 50: every token counts the same. None ever falls.
# (For the curious: $dH/dT = \mathrm{Var}(z) / T^3$, where the variance is taken under $p$, and a variance is never
# below 0.)
#
# The same T does not do the same to every sentence. At T = 2 the sure sentence is about as spread as the hot drink is
# somewhere between T = 0.5 and T = 1. No temperature is "soft" as such: it depends on how far apart the logits are.
#
# </details>

# %% [markdown]
# ## Outside the top token
#
# There is a plainer measure of dark knowledge: how much probability lies *outside* the largest entry? That is what a
# hard label throws away when the teacher's first choice is the label.
#
# If two tokens share first place, one of them is the answer and the other is not. So exactly *one* entry is left out,
# also among ties.

# %% [markdown]
# ## Exercise 3: non_top_mass
#
# Write the probability outside the largest entry, over the last dimension, with one number for each distribution.
#
# <details><summary>Hint 1: where to start</summary>
#
# What do all entries of a row add up to? Then you need only one entry of the row.
#
# </details>
#
# <details><summary>Hint 2: which tool</summary>
#
# `amax` with a `dim` gives the largest value of each row, and no matter how often it stands there, you get it once.
# `max` with a `dim` returns two things: the values and their places.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $1 - \max_i p_i$, for each row. Do not count on the largest entry standing first: the file of this lab happens to be
# sorted, other logits are not.
#
# </details>


# %% exercise="non_top_mass"
def non_top_mass(probs):
    """The probability outside the largest entry: what a hard label of the teacher's first choice throws away.

    probs: `(..., V)`, probabilities that add up to 1 over the last dimension, in any order. One entry is left out, also
    where several share the largest value.
    Returns `(...)`: one number between 0 and 1 - 1/V for each distribution; for a single one, `(V,)`, a 0-d tensor.
    """
    return 1 - probs.amax(dim=-1)


# %% check="non_top_mass" points=4
check(non_top_mass)

# %% [markdown]
# **Predict first:** draw the same four sentences once more, now with the mass outside the top token. Which one lies
# highest at T = 1? Where do they end?

# %%
outside = {
    prompt: [non_top_mass(softmax_with_temperature(teacher[prompt].logits, t)).item() for t in temperatures]
    for prompt in prompts
}
figure, axes = plt.subplots(figsize=(8.5, 4), layout="constrained")
lines(axes, temperatures, {**outside, "all fifty equal": [1 - 1 / 50] * len(temperatures)})
axes.set(xscale="log", xlabel="temperature T (log scale)", ylabel="probability outside the top token", ylim=(0, 1.02))
axes.xaxis.set_major_formatter("{x:g}")
ones = ", ".join(f"{curve[40]:.2f} for “{prompt}”" for prompt, curve in outside.items())
show(
    figure,
    alt=f"Line plot of the probability outside the top token against temperature. At T = 1 it is {ones}. Every curve "
    "rises with T, from near 0 to just below 49/50.",
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# For "The Earth revolves around the" the hard label says nearly everything at T = 1, and there is little to add.
# For "Once upon a time there was a" most of what the teacher believes lies outside its first choice. Soft targets help
# where the text could really have gone on in more than one way.
#
# </details>

# %% [markdown]
# ## What the fifty leave out
#
# So far the vocabulary ended after 50 tokens. The real one has 49,152, and the file also keeps what all the others add
# up to, at seven temperatures. With it you can say how much of the *whole* distribution the fifty hold.
#
# **Predict first:** at T = 1 the fifty hold most of it. How much is left to them at T = 2? At T = 5?

# %%
shares = {}
for prompt in prompts:
    logits, rest = teacher[prompt].logits, teacher[prompt].rest
    # log of the sum over the fifty, less log of the sum over the others: the sigmoid of that is the share of the fifty
    shares[prompt] = [torch.sigmoid(torch.logsumexp(logits / t, dim=-1) - rest[t]).item() for t in rest]

# %%
figure, axes = plt.subplots(figsize=(8.5, 4), layout="constrained")
lines(axes, list(drink.rest), shares, marker="o")
axes.set(xscale="log", xlabel="temperature T (log scale)", ylabel="share of the 50 most likely tokens", ylim=(0, 1.03))
axes.set_xticks(list(drink.rest), [f"{t:g}" for t in drink.rest])
told = "; ".join(f"“{q}”: {row[1]:.2f} at T = 1, {row[2]:.2f} at 2, {row[4]:.2f} at 5" for q, row in shares.items())
show(
    figure,
    alt=f"Line plot: how much of the whole vocabulary's probability the 50 most likely tokens hold. {told}. All curves "
    "fall steeply between T = 1 and T = 3.",
)

# %%
print("entropy in nats of     the 50   all tokens")
for temperature, whole in drink.full_entropy.items():
    inside = entropy(softmax_with_temperature(drink.logits, temperature))
    print(f"T = {temperature:<16g} {inside:8.2f} {whole:12.2f}")
print(f"most possible (log V) {math.log(50):7.2f} {math.log(drink.vocabulary):12.2f}")

# %% [markdown]
# <details><summary>What the plot and the table show</summary>
#
# Each of the other 49,102 tokens is very unlikely. But a higher temperature lifts each of them a little, and there are
# so many that together they soon outweigh the fifty. With this teacher, at T = 3 nearly all of the target's mass lies
# on tokens that it finds very unlikely, and at T = 5 the whole distribution is close to uniform.
#
# So the rule "a high temperature shows more of what the teacher knows" has a limit, and the limit depends on the size
# of the vocabulary. The paper that introduced distillation used T = 20 for the ten digits. What suits ten classes need
# not suit 49,152. Whether T = 1 or T = 2 is better for a language model is a question to measure, and from lab 03 on
# you can.
#
# There is a second lesson. Storing 49,152 numbers for each token of a text is expensive, so people keep the largest
# 50 or so and take the softmax over these alone, as you did here. At T = 1 that changes little where the teacher is
# sure, and leaves out a third where it is not. At T = 3 it is another distribution altogether.
#
# </details>

# %% [markdown]
# ## Explorer
#
# The same sentences, live. Drag the temperature, or click on the dial and use the arrow keys. *Pin* keeps the present
# distribution on the screen while you go on. **Predict first**, then find out:
#
# - Pin the hot drink at T = 1. At which T does "The Earth revolves around the" have as many effective choices?
# - Which sentence changes most between T = 1 and T = 2?
# - Pin "I passed the exam and felt so", then choose "I failed the exam and felt so". Do the lists share a word?
# - Press *5, 2, 0.5*. Above which T is the first probability below 0.6?

# %%
from helpers.widgets import TemperatureExplorer

explorer = TemperatureExplorer(prompt="She drank a cup of hot")
explorer

# %% [markdown]
# The browser computes what you see, and Python knows where the dial stands. The next cell draws the explorer's state
# with *your* functions. Run it again after you have moved the dial, or write `explorer.temperature = 2.0` in front and
# watch the dial move. (Numbers instead of a dial above? Then your viewer shows no widgets, and this cell is the way.)

# %%
p = softmax_with_temperature(torch.tensor(explorer.logits), explorer.temperature)
differ = (p - torch.tensor(explorer.probabilities)).abs().max()
title = f"T = {explorer.temperature:g}: {entropy(p).exp():.1f} effective choices, {non_top_mass(p):.2f} outside the top"
print(f"Your probabilities and the explorer's differ by {differ:.1g} at most.")
order = p.argsort(descending=True)[:10]
names = [readable(explorer.tokens[place]) for place in order]

# %%
told = ", ".join(f"{name} {value:.2f}" for name, value in zip(names, p[order], strict=True))
figure, axes = plt.subplots(figsize=(9, 3.2))
bars(axes, names, {"probability": p[order]})
axes.set(xlabel="next token", ylabel="probability", ylim=(0, 1), title=title)
show(figure, alt=f"Bars of the {len(names)} most likely tokens. {title}. {told}.")

# %% [markdown]
# ## Question 1: why soft targets help
#
# Why is the teacher's whole distribution often a more useful target for a student than the hard label alone? Use an
# example from this lab, and name one case in which the soft target helps little or does harm.
#
# *Five or six sentences.*

# %% [markdown] answer="why_soft_targets" points=2
# A hard label says of one token that it is right, and treats all others as equally wrong. The teacher's distribution
# also ranks the others and says how far apart they are: after "She drank a cup of hot" it puts coffee, tea and cocoa
# well above the rest. So one position of the text teaches the student about many tokens at once, where hard labels
# would need many sentences with the same beginning to show the same. The target also varies less: the hard label
# depends on which of the possible words this text happened to contain, the distribution does not.
#
# It helps little where the teacher is nearly certain, as with the Earth that revolves around the Sun: there the soft
# target is almost the hard label. It does harm where the teacher is wrong, as with two plus two, because the student
# learns the mistake too. And it is not the entropy that teaches: a uniform target has the highest entropy and says
# nothing.

# %% [markdown]
# ## Question 2: T = 1, 5 and 20
#
# What is the temperature in distillation for, and what happens to the teacher's distribution at T = 1, at T = 5 and at
# T = 20? Say also what stays the same at all three, and what your answer depends on. Back it with numbers that you
# computed in this lab.
#
# *Six to eight sentences. A small table is welcome.*

# %% [markdown] answer="temperature_1_5_20" points=2
# The temperature divides all logits before the softmax, for teacher and student alike. It shrinks the differences
# between logits, so that the smaller probabilities become large enough to shape the student's gradient.
#
# At T = 1 the distribution is what the teacher believes: the top token leads, and how much is left for others depends
# on the sentence. At T = 5 it is much flatter. Over the fifty tokens of the hot drink the entropy is already close to
# log 50, and over the whole vocabulary close to log 49,152, with most of the mass outside the fifty. At T = 20 it is
# uniform for every practical purpose, and hardly anything of the teacher's knowledge is left in it.
#
# The order of the tokens is the same at all three, and the ratio of two probabilities is always the exponential of
# their logit difference divided by T. What counts as "soft enough" depends on how far apart the logits are and on how
# many tokens there are: a T that suits ten classes can drown the signal of a vocabulary of 49,152. The student is used
# at T = 1 afterwards.

# %% [markdown]
# ## What to take away
#
# - A teacher's logits say more than its answer. They also hold its mistakes.
# - $p_i / p_j = \exp((z_i - z_j) / T)$: a temperature scales differences, and never reorders.
# - Towards T = 0 you get the hard label, towards infinity the uniform distribution.
# - The sampling temperature draws one token. The distillation temperature draws none: it shapes the target.
# - Entropy runs from 0 (one-hot) to log V (uniform). More entropy is not more knowledge.
# - With a large vocabulary, a high temperature moves the mass to tokens that the teacher finds very unlikely.
# - Subtract the largest logit before `exp`; go to float32 before you divide; 0 · log 0 is 0.
#
# Next, in lab 02, you compare a student's distribution with the teacher's, and put both targets into one loss.

# %% [markdown]
# ## Stretch goals
#
# 1. **A temperature on demand.** Entropy rises with T, so you can find the T that gives a wanted entropy by halving an
#    interval again and again. Write `temperature_for(logits, wanted)`. Which T gives each of the twenty sentences an
#    entropy of 2 nats over its fifty tokens?
# 2. **The slope.** Check $dH/dT = \mathrm{Var}(z) / T^3$ numerically: compare the difference of two entropies at nearby
#    temperatures with the variance of the logits under $p$.
# 3. **Two sentences.** How far apart are "passed" and "failed"? Collect the tokens that both lists hold, and plot their
#    probabilities in one against the other at T = 1. What does a token on the diagonal mean?
# 4. **What cutting off costs.** With `rest`, compute the *true* probability of the top token over the whole vocabulary
#    at each of the seven temperatures, and divide the one you got from the fifty by it. How large does the factor
#    become? Then add one more entry, "all others", to the fifty. Which T would you still trust?
