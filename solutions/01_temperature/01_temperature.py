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
# *Knowledge distillation* trains a small language model, the *student*, to imitate a large one, the *teacher*, so
# that you can run the small one instead. This lab starts at the beginning: why anyone does that, what a teacher knows
# beyond its answers, and the one number, the temperature, that makes this knowledge visible.
#
# **After this lab you can**
#
# - estimate what a generated token costs, and what a smaller model saves;
# - tell hard, soft and combined distillation apart, and say what each needs from the teacher;
# - write a softmax with a temperature that handles large logits and low-precision number formats;
# - measure how spread out a distribution is, in nats and as a number of choices;
# - say what a temperature changes, what it never changes, and what it costs.
#
# **Time:** about 85 minutes (60 for reading, figures and questions, 25 for the exercises).
#
# **You need:** Python and PyTorch tensors: indexing, and `sum` and `max` over one dimension.
#
# Work from top to bottom. Where a cell asks for a prediction, commit to a guess before you go on: a wrong guess is
# what you remember best, and it never costs points. Under each exercise there is a check, which you can run as often
# as you like. The badges say how hard and how important an exercise is, so you know what to skip when you are in a
# hurry.

# %% setup=true
import math

import torch
import torch.nn.functional as F

# %%
from helpers import plots
from helpers.checks import check, predict, reveal, skip, solution
from helpers.data.teacher_logits import load_teacher_logits, readable

# %% [markdown]
# ## Why distil a model?
#
# Every token that a language model writes costs time and money. A small calculation shows where they go.
#
# To generate one token, a GPU reads every weight of the model from its memory once. So the time per token is at least
# the size of the weights divided by the speed of the memory. Take a teacher with 70 billion weights of two bytes each
# (bfloat16): 140 GB. An NVIDIA H100 holds 80 GB and reads 3.35 TB per second, according to its data sheet, so this
# teacher needs two of them, and each reads its half. A student with 8 billion weights takes 16 GB and fits on one.

# %%
predict(
    "answer_cost",
    "An answer has 300 tokens. How many times more does it cost from the teacher?",
    unit="times",
)


# %%
def serve(name, weights, answer=300, dollars_per_hour=3.0):
    """Print the least time and cost of an answer, given the number of weights."""
    size = 2 * weights  # bytes, in bfloat16
    gpus = math.ceil(size / 80e9)
    seconds = answer * size / (gpus * 3.35e12)
    cents = 100 * gpus * seconds * dollars_per_hour / 3600
    print(f"{name}: {gpus} GPU(s), {seconds:.1f} s an answer, {cents:.2f} cents")


serve("teacher, 70 billion weights", 70e9)
serve("student,  8 billion weights", 8e9)

# %% fold=true
reveal("answer_cost", 70 / 8)

# %% [markdown]
# <details><summary>What you should see</summary>
#
# The teacher needs at least 6.3 seconds and the student 1.4: a *latency* 4.4 times lower. Since the teacher also
# occupies two GPUs, its answer *costs* 8.8 times as much, which is just the ratio of the weights.
#
# The price of three dollars an hour is an assumption; the ratio does not depend on it. A real server answers many
# requests at once and reads the weights once for all of them. Then the arithmetic is the limit, about two operations
# per weight and token (Kaplan et al. 2020), and the ratio is the same again. What the estimate leaves out (the stored
# context, the network, the tokens of the question) makes the real numbers larger.
#
# </details>
#
# A smaller model is therefore faster and cheaper in proportion to its size. It also runs where a large one cannot: on
# a laptop, on a phone, without a network. The price is quality, and distillation is a way to lose less of it.
#
# But why not train the small model on text, as usual? Because a teacher says more about each token of the text than
# the text does. In an experiment like that of labs 03 and 04, students trained on text alone ended 0.112 nats per
# token from the truth; at the same number of steps, students that also saw a teacher ended at 0.027. (A generated
# language whose true probabilities are known, mean of five seeds, `results/tiny_distillation.json`. That teacher is
# nearly perfect. Lab 04 shows what remains of the gain with real models.)
#
# ![The teacher reads a text and gives a probability to every token; the student learns from these and from the token
# that follows in the text.](../../docs/figures/teacher_student.svg)

# %% [markdown]
# ## Three ways to distil
#
# The methods differ in what the student imitates. Write $p$ for the teacher's probabilities of the next token, $q$
# for the student's, and $y$ for a token.
#
# - **Hard distillation** (*sequence-level*). The teacher writes text, and the student is trained on it as on any
#   other text. Loss: $-\log q_y$ for each token $y$ that the teacher wrote.
# - **Soft distillation** (*logit matching*). The student learns the teacher's probabilities at each position of a
#   text. Loss: $\mathrm{KL}(p \,\|\, q)$.
# - **Combined distillation**. Soft distillation, and beside it the token $y$ that really follows in the text. Loss:
#   $\alpha \, T^2 \, \mathrm{KL}(p_T \,\|\, q_T) - (1 - \alpha) \log q_y$.
#
# KL, the Kullback–Leibler divergence, measures how far $q$ is from $p$; α weights the two parts; $T$ is this lab's
# temperature. Lab 02 builds this loss piece by piece.
#
# Hard distillation works with a *black box*, a teacher that only returns text. The other two need a *white box*, a
# teacher whose logits you can read, usually because you have its weights.
#
# Soft targets carry the most information per token. In practice people often use text all the same:
#
# - Most services return text, or the probabilities of a few tokens at best.
# - If teacher and student split text into different tokens, their distributions cannot be compared one by one.
# - All logits are bulky. A vocabulary of 49,152 tokens takes 98 kB per token of text, in two-byte numbers; the
#   token's own number takes four bytes.
# - Training on text needs nothing but an ordinary training loop.
#
# Either way, the teacher's licence or terms of service decide whether you may train on what it says.

# %% [markdown]
# ## Quiz 1 · White box or black box
#
# You have the weights of a 70-billion teacher, and your student has another tokenizer: it splits text into other
# tokens. Which way is open to you without further tricks?
#
# - **A** Soft distillation, because you have the weights and therefore the logits.
# - **B** Hard distillation: let the teacher write text and train the student on it.
# - **C** Combined distillation, because the hard term corrects the mismatch of the tokens.
# - **D** None. A student needs its teacher's tokenizer.

# %% quiz="other_tokenizer" points=1
other_tokenizer = "B"

# %% [markdown]
# ## The course
#
# | lab | question |
# | --- | --- |
# | **01 Temperature** | What does a teacher's distribution say beyond its answer? |
# | 02 The distillation loss | How do soft and hard targets become one loss? |
# | 03 Training | How does a teacher train a student, step by step? |
# | 04 Perplexity | Did it help, and how would you know? |
# | 05 Chain of thought | How do you distil reasoning, as text? |
# | 06 Black box | What can you learn from a teacher behind an API? |
# | 07 On-policy | Whose text should the student learn from? |
# | 08 Speculative | How does a small model speed up a large one? |
# | 09 The student's shape | Which layers, which width, which temperature? |

# %% [markdown]
# ## What a teacher says beyond its answer
#
# The teacher in this lab is SmolLM2-135M-Instruct, a small open model. It has read twenty unfinished sentences. For
# each sentence it gives a score to each of the 49,152 tokens that could come next. Such a score is called a *logit*.
# The file in this project stores the 50 largest logits for each sentence.
#
# A token is a word or a piece of a word. Most tokens include the space before the word.


# %%
def show_tokens(entry, count):
    """Print the most likely tokens of a sentence with their logits."""
    for token, logit in zip(entry.tokens[:count], entry.logits[:count], strict=True):
        print(f"{token!r:14} {logit:6.2f}")


teacher = load_teacher_logits()
drink = teacher["She drank a cup of hot"]
show_tokens(drink, 8)

# %% [markdown]
# Suppose that the text continues with "chocolate". Ordinary training uses that token as a *hard label*: "chocolate"
# is right and every other token is equally wrong, coffee as much as gravel.
#
# The teacher knows better. Coffee, tea and cocoa are plausible too. Geoffrey Hinton calls this *dark knowledge*: what
# a model knows about the answers that it does not give. A student that learns from the teacher's whole distribution
# learns from its dark knowledge as well.

# %%
predict(
    "two_plus_two",
    "What does this teacher think that two plus two equals?",
    choices=["four, clearly", "some number, but not four", "nothing like a number"],
)

# %%
show_tokens(teacher["Two plus two equals"], 5)

# %% fold=true
reveal("two_plus_two", "some number, but not four")

# %% [markdown]
# The teacher knows that a number comes next, and roughly how large it is. It does not know which one. A student that
# copies the whole distribution copies the mistakes too. This is one reason why distillation usually keeps the hard
# label as well (lab 02).

# %% [markdown]
# ## Drag the temperature
#
# Logits become probabilities, and a *temperature* decides how sharp these are. Before you read how, try it. The
# explorer shows the same sentences. Drag the temperature, or click on the slider and use the arrow keys. *Pin* keeps
# the current distribution on the screen for comparison.
#
# 1. Pin the hot drink at T = 1 and drag to T = 2. Which of the ten tokens gain probability, and which lose it? Cocoa
#    is plausible and unlikely: does it gain?
# 2. Drag from one end to the other. Does any token ever overtake another?
# 3. What does the distribution become at the two ends?
# 4. Choose "The Earth revolves around the". At which T does the second token first reach 0.05?

# %%
from helpers.widgets import TemperatureExplorer

explorer = TemperatureExplorer(prompt="She drank a cup of hot")
explorer

# %% [markdown]
# <details><summary>Answers</summary>
#
# 1. Chocolate, coffee, tea and cocoa lose; "black", "water" and those below them gain. Cocoa falls from 0.083 to
#    0.064: a higher temperature helps the tokens at the bottom, at the expense of everything near the top.
# 2. Never.
# 3. At T = 0.1 almost all probability is on the first token. At T = 20 the tokens are nearly equal.
# 4. At T ≈ 2.3. The second token is "sun", the answer in another spelling.
#
# </details>
#
# If you see text in place of a slider, your viewer does not support widgets. Set the temperature in Python instead:
# `explorer.temperature = 2.0`, then `print(explorer.text())`.

# %% [markdown]
# ## From logits to probabilities
#
# What the slider does is simple: divide every logit by the temperature $T$, then take the softmax.
#
# $$p_i = \frac{\exp(z_i / T)}{\sum_j \exp(z_j / T)}$$
#
# Here $z_i$ is the logit of token $i$, and the sum runs over all tokens. With $T = 1$ this is the ordinary softmax.
#
# If you divide two of these probabilities, the denominator cancels:
#
# $$\frac{p_i}{p_j} = \exp\left(\frac{z_i - z_j}{T}\right)$$
#
# So only *differences* between logits matter. Adding the same number to all of them changes nothing. You need this in
# a moment, because computed naively the formula fails in two ways. The first: logits of a few hundred do occur, and
# float32 cannot represent their exponentials.

# %%
print(torch.exp(torch.tensor([80.0, 88.0, 89.0, 1000.0])))

# %% [markdown]
# Above 88.7 the result is `inf`, and `inf / inf` is NaN. The remedy: since only differences matter, subtract the
# largest logit of each row from all logits of that row before you take `exp`.
#
# The second trap is the number format. Models often run in bfloat16, which keeps two to three significant digits.
# Near 200 it can represent whole numbers only.

# %%
predict(
    "thirds_of_four_logits",
    "Four logits, 200 to 203, are divided by 3 in bfloat16. What remains of them?",
    choices=["four different numbers", "three different numbers", "one number"],
)

# %%
arrived = torch.tensor([200.0, 201.0, 202.0, 203.0], dtype=torch.bfloat16)
print("divided in bfloat16: ", arrived / 3)
print("divided in float32:  ", arrived.float() / 3)

# %% fold=true
reveal("thirds_of_four_logits", "three different numbers")

# %% [markdown]
# Two different logits have become equal, and what bfloat16 rounds away does not come back. So convert to float32
# *before* you divide, and stay there. (float64 is wider than float32. Leave it as it is.)

# %% [markdown]
# ## Exercise 1 · Softmax with a temperature
#
# ●●○○○ difficulty · ●●●●● importance · about 10 minutes
#
# Write `softmax_with_temperature`, which the next labs build on. It works over the last dimension, whatever comes
# before it: one row `(V,)` or a whole batch `(B, S, V)`. You may use PyTorch's softmax or write it out; both are
# accepted. It is worth writing it out once.
#
# A temperature of 0 or less has no meaning. Raise a `ValueError` that names the argument and its value.
#
# <details><summary>Hint 1: where to start</summary>
#
# There are four steps: check the temperature, convert to a wider format, divide, turn into probabilities. Try it on
# `torch.tensor([2.0, 1.0])` and sum the result.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `logits.float()` gives float32, and `logits.dtype` tells you the format of the input. `torch.softmax` takes `dim=`.
# To write it out you need `amax` and `sum`, both with `dim=-1` and `keepdim=True`, so that the shapes still match.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# With $y_i = z_i / T$ and $m = \max_j y_j$ over the row, $p_i = \exp(y_i - m) \,/\, \sum_j \exp(y_j - m)$. The
# largest exponent is then 0, so nothing overflows. At least one term of the sum is 1, so you never divide by 0.
#
# </details>


# %% exercise="softmax_with_temperature"
def softmax_with_temperature(logits, temperature):
    """Return the probabilities of logits at a temperature.

    logits: `(..., V)`, any floating-point dtype; they stay unchanged.
    temperature: a number above 0, by which the logits are divided.
    Returns `(..., V)`: probabilities that sum to 1 over the last dimension,
    computed in float32 or wider.
    Raises ValueError if the temperature is not above 0.
    Source: Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural
    Network", section 2.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    wide = logits if logits.dtype == torch.float64 else logits.float()
    scaled = wide / temperature
    weights = torch.exp(scaled - scaled.amax(dim=-1, keepdim=True))
    return weights / weights.sum(dim=-1, keepdim=True)


# %% check="softmax_with_temperature" points=6
check(softmax_with_temperature)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **NaN for the logits near +1000 and −1000.** Subtract the largest logit of *each row*, not of the whole tensor: in
#   a row far below it, every exponential is 0, and 0 / 0 is NaN.
# - **A RuntimeError about sizes that do not match.** `amax` and `sum` drop the dimension. Pass `keepdim=True`.
# - **"Your function changes an argument that was passed to it".** `/=` and `div_` write into the caller's logits. So
#   does `logits = logits.float()` followed by `/=`: on a float32 tensor `float()` returns the tensor itself.
#
# </details>

# %% [markdown]
# ## A printed example, checked
#
# A textbook section on knowledge distillation works an example with the logits 5, 2 and 0.5 and prints the
# probabilities at three temperatures. You can now check its numbers.
#
# | | first | second | third |
# | --- | ---: | ---: | ---: |
# | T = 1 | 0.92 | 0.05 | 0.01 |
# | T = 2 | 0.72 | 0.18 | 0.10 |
# | T = 4 | 0.55 | 0.26 | 0.19 |
#
# You can see that one of the printed rows is wrong without computing a softmax.

# %%
predict(
    "printed_row",
    "Which row is wrong at first sight?",
    choices=["T = 1", "T = 2", "T = 4"],
)

# %%
printed = {1.0: [0.92, 0.05, 0.01], 2.0: [0.72, 0.18, 0.10], 4.0: [0.55, 0.26, 0.19]}
example = torch.tensor([5.0, 2.0, 0.5])


def compare_with_print():
    """Print each printed row, its sum, and your row."""
    for t, row in printed.items():
        yours = [round(p, 3) for p in softmax_with_temperature(example, t).tolist()]
        print(f"T = {t:g}   printed {row}, sum {sum(row):.2f}   yours {yours}")


compare_with_print()
reveal("printed_row", f"T = {min(printed, key=lambda t: sum(printed[t])):g}")

# %% [markdown]
# Probabilities sum to 1. Rounding three of them to two decimals can move the sum by 0.015 at most, so a sum of 0.98
# shows that the first row is wrong. The other two rows do sum to 1 and are wrong all the same: a correct sum is
# necessary, but not sufficient. The rule for two tokens, $p_i / p_j = \exp((z_i - z_j) / T)$, exposes them:


# %%
def compare_ratios(t):
    """Print the ratios of neighbours in a printed row beside the correct ones."""
    first, second, third = printed[t]
    for pair, ratio, gap in (
        ("1st to 2nd", first / second, 3.0),
        ("2nd to 3rd", second / third, 1.5),
    ):
        correct = math.exp(gap / t)
        print(f"T = {t:g}   {pair}: printed {ratio:.2f}, correct {correct:.2f}")


compare_ratios(2.0)
compare_ratios(4.0)

# %% [markdown]
# ## What a temperature does to a real teacher
#
# Back to the cup. From here to the section "What the fifty leave out" you take the softmax over the 50 stored tokens
# only, as if they were the whole vocabulary. That keeps the plots readable. What it hides comes later.
#
# At T = 1 the token "chocolate" is 11.8 times as likely as "black".

# %%
predict(
    "chocolate_to_black",
    'At T = 5, how many times as likely as "black" is "chocolate"?',
    unit="times",
)

# %%
at = {
    f"T = {t:g}": softmax_with_temperature(drink.logits, t)[:8]
    for t in (0.5, 1.0, 2.0, 5.0)
}
names = [readable(each) for each in drink.tokens[:8]]
plots.distributions(names, at, title=f"{drink.prompt} …")
chocolate, *_, black = at["T = 5"][:5]
reveal("chocolate_to_black", (chocolate / black).item())

# %% [markdown]
# <details><summary>What you should see</summary>
#
# At T = 1 the four hot drinks stand out from the rest. This is what the teacher believes. At T = 0.5 the distribution
# is sharper than the teacher's belief.
#
# At T = 2 the probabilities move closer together: chocolate is about twice as likely as cocoa, where at T = 1 it was
# nearly four times as likely. But all four drinks lose probability to the other tokens. Cocoa itself falls from 0.083
# to 0.064. A temperature raises the small probabilities *relative* to the large ones; it does not raise every token
# that you care about. At T = 5 no drink is twice as likely as the token "black": the signal is almost gone.
#
# </details>

# %% [markdown]
# ## What a temperature never does
#
# Is there a temperature at which "coffee" overtakes "chocolate"? Look at the rule for two tokens: when is the ratio
# below 1? The cell tries six temperatures on all twenty sentences. The stored logits are sorted from the largest to
# the smallest, so each probability must be at least as large as the next one.


# %%
def order_is_kept(t):
    """Say whether the probabilities of all sentences are still sorted."""
    rows = [softmax_with_temperature(entry.logits, t) for entry in teacher.values()]
    return all(bool((row[:-1] >= row[1:]).all()) for row in rows)


print({t: order_is_kept(t) for t in (0.1, 0.5, 2.0, 10.0, 100.0, 1000.0)})

# %% [markdown]
# A temperature never changes the order. It divides every difference by the same positive number, and this does not
# change any sign. The most likely token stays the most likely one, so a temperature cannot correct a wrong answer.
#
# Now the two extremes. Say what the three probabilities of the example are at T = 0.01 and at T = 10,000, and what
# happens at T = 0. Then run the cell.


# %%
def try_temperature(t):
    """Print the example's probabilities, or the error."""
    try:
        print(f"T = {t:<8g}", softmax_with_temperature(example, t))
    except ValueError as error:
        print(f"T = {t:<8g} ValueError: {error}")


try_temperature(0.01)
try_temperature(10_000.0)
try_temperature(0.0)

# %% [markdown]
# As T approaches 0, all probability goes to the largest logit, and you are back at a hard label. As T grows without
# limit, all tokens become equally likely, and what the teacher knew is gone. The formula does not cover T = 0,
# because it would divide by 0. A program that lets you set a temperature of 0 simply picks the largest logit.

# %% [markdown]
# ## Quiz 2 · What a temperature can repair
#
# At T = 1 the teacher gives its highest probability to a wrong token, and its second highest to the right one. You
# may choose any temperature above 0. What can you achieve?
#
# - **A** With a high enough T, the right token overtakes the wrong one.
# - **B** With a T close to 0, the right token overtakes the wrong one.
# - **C** The wrong token stays first at every T. Only its lead changes.
# - **D** It depends on how many tokens the vocabulary has.

# %% quiz="temperature_repairs" points=1
temperature_repairs = "C"

# %% [markdown]
# ## Two temperatures that share a name
#
# You may know a temperature from chat programs. It is the same formula, used for a different purpose.
#
# - The **sampling temperature** is used when a model *generates* text. The model computes the probabilities, draws
#   *one* token and discards the rest. It controls how varied the text is.
# - The **distillation temperature** is used when a student *learns*. Nothing is drawn. The whole row of probabilities
#   is the target, and the student's own logits are divided by the same T. When you use the student afterwards, T is 1
#   again.
#
# The cell draws eight tokens at each of three sampling temperatures. In which row do you expect a token that is not a
# hot drink?


# %%
def draw(t, count=8):
    """Draw tokens from the teacher's distribution at a temperature."""
    generator = torch.Generator().manual_seed(1)
    row = softmax_with_temperature(drink.logits, t)
    drawn = torch.multinomial(row, count, replacement=True, generator=generator)
    return ", ".join(readable(drink.tokens[index]) for index in drawn)


print("\n".join(f"T = {t}:  {draw(t)}" for t in (0.3, 1.0, 3.0)))

# %% [markdown]
# A student trained on such samples sees eight hard labels and must infer the rest: this is hard distillation. A
# student trained on the row of probabilities sees all fifty numbers at once: soft distillation. If you can reach a
# teacher only through a service that returns text, samples are all you get, whatever temperature you set.

# %% [markdown]
# ## Quiz 3 · A million answers at T = 2
#
# A service returns text only. You set its sampling temperature to 2, collect a million answers, and train a student
# on them with the ordinary cross-entropy, at T = 1. What does the student's distribution at T = 1 approach?
#
# - **A** The teacher's distribution at T = 1, because training used T = 1.
# - **B** The teacher's distribution at T = 2, because the text was drawn from it.
# - **C** The teacher's most likely token, because text is a hard label.
# - **D** The uniform distribution, because sampling adds noise.

# %% quiz="sampled_at_two" points=1
sampled_at_two = "B"

# %% [markdown]
# ## Entropy: how spread out a distribution is
#
# "Softer" needs a number. How surprising is a token with probability $p$? The usual measure is $-\log p$: 0 for a
# token that was certain, and larger the less likely the token was. With the natural logarithm the unit is the *nat*;
# with the logarithm to base 2 it is the *bit*. These labs use nats.
#
# The *entropy* is the expected surprise when tokens are drawn from the distribution itself:
#
# $$H(p) = -\sum_i p_i \log p_i$$
#
# Its exponential $\exp(H)$ is easier to picture. It is the *effective number of choices*: a distribution with entropy
# $H$ is as spread out as an even choice among $\exp(H)$ tokens. (In lab 04 the same quantity is called perplexity.)
#
# A token with probability 0 adds nothing to the average, so $0 \cdot \log 0$ counts as 0. Does PyTorch follow that
# rule?

# %%
zero = torch.tensor(0.0)
print("log 0 =", torch.log(zero).item(), "   0 * log 0 =", (zero * zero.log()).item())

# %% [markdown]
# It does not: the product is NaN. In the exercise you handle zeros yourself.

# %% [markdown]
# ## Exercise 2 · Entropy
#
# ●●○○○ difficulty · ●●●●○ importance · about 10 minutes
#
# Write `entropy`, in nats, over the last dimension. A batch `(B, S, V)` gives one number for each position, `(B, S)`.
# Handle zeros: a single NaN makes the whole sum NaN.
#
# <details><summary>Hint 1: where to start</summary>
#
# First write it for a row without zeros: a product, a sum over one dimension, a sign. Test it on an even choice
# between two tokens. The answer is log 2, about 0.693.
#
# </details>
#
# <details><summary>Hint 2: what to do with zeros</summary>
#
# Any finite number can stand in for log 0, because it is multiplied by 0. `torch.where` can replace each probability
# of 0 by a harmless number before the logarithm. `torch.xlogy` does both steps in one.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Replace zeros only. If you add a small number ε to *every* probability, the sum is too small by about ε for each
# token of the vocabulary. With ε = 1e-6 and 49,152 tokens that is 0.05 nats.
#
# </details>


# %% exercise="entropy"
def entropy(probs):
    """Return the entropy of distributions, the expected surprise, in nats.

    probs: `(..., V)`, probabilities that sum to 1 over the last dimension. Zeros
    are allowed, with 0 · log 0 = 0.
    Returns `(...)`: one number from 0 to log V for each distribution; a 0-d tensor
    for a single distribution `(V,)`.
    Source: Shannon 1948, "A Mathematical Theory of Communication", section 6.
    """
    surprise = -torch.where(probs > 0, probs, 1.0).log()
    return (probs * surprise).sum(dim=-1)


# %% check="entropy" points=5
check(entropy)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **NaN for the distributions with zeros.** The logarithm of 0 is −∞, and 0 times −∞ is NaN. Take the logarithm of
#   something else where the probability is 0.
# - **A wrong value only for the forty equal entries.** You add a small number to every probability, or you replace
#   probabilities that are small but not 0.
# - **One number where several are expected.** `sum()` without `dim` adds up all distributions. The vocabulary is the
#   last dimension, whatever comes before it.
#
# </details>

# %% [markdown]
# ## What a one-hot label carries
#
# Compare three distributions over the same 50 tokens: a hard label, the teacher at T = 1, and a teacher that knows
# nothing. Sort them by entropy before you run the cell.

# %%
three = {
    "label": F.one_hot(torch.tensor(0), 50).float(),
    "teacher": softmax_with_temperature(drink.logits, 1.0),
    "uniform": torch.full((50,), 1 / 50),
}


def describe(name):
    """Return entropy and effective choices; "z" prints a -0.0 without its sign."""
    nats = entropy(three[name]).item()
    return f"{name:8} entropy {nats:z.3f} nats, {math.exp(nats):5.1f} effective choices"


print(*map(describe, three), f"log 50 = {math.log(50):.3f}", sep="\n")

# %% [markdown]
# You may read that a one-hot label carries log(V) bits. That mixes up two different numbers and a unit.
#
# - The *entropy of the label* is **0**. Nothing about it is uncertain.
# - **log V** is the entropy of an even choice among V tokens. It is the *most* that naming one of V tokens can tell
#   you on average, and it does so only for a reader who considered all V tokens equally likely. With the natural
#   logarithm the unit is the nat; only with the logarithm to base 2 is it the bit.
# - A reader who already believes $p$ learns $-\log p_i$ nats from token $i$: little if the token was expected, much
#   if it was not.
#
# Suppose that you believe the teacher at T = 1. How much does the first of the fifty tokens tell you, how much the
# last, and how much do you learn on average?

# %%
surprise_in_nats = -softmax_with_temperature(drink.logits, 1.0).log()
print(f"{drink.tokens[0]!r:13} tells you {surprise_in_nats[0]:.2f} nats")
print(f"{drink.tokens[-1]!r:13} tells you {surprise_in_nats[-1]:.2f} nats")
average = entropy(three["teacher"])
print(f"on average    {average:.2f} nats; log 50 = {math.log(50):.2f}")

# %% [markdown]
# One rare token can tell you more than log 50 nats. The average never exceeds it.
#
# Be careful with the conclusion. A soft target does not teach more *because* its entropy is higher: the uniform
# distribution has the highest entropy of all and teaches nothing. What teaches is the shape: which tokens are more
# likely than which others, and by how much.

# %% [markdown]
# ## Quiz 4 · What a label tells
#
# You are nearly sure that the next token is "Sun": you give it a probability of 0.99. It is "Sun". How much does this
# one-hot label tell you?
#
# - **A** log V nats, about 10.8 for a vocabulary of 49,152 tokens.
# - **B** 0 nats, because the entropy of a one-hot label is 0.
# - **C** About 0.01 nats, the surprise $-\log 0.99$.
# - **D** About 4.6 nats, the surprise $-\log 0.01$.

# %% quiz="what_a_label_tells" points=1
what_a_label_tells = "C"

# %% [markdown]
# ## Entropy against temperature
#
# Take four sentences, from one with a certain answer to one that can continue in many ways.
#
# Draw what you expect for one of them. Where does the curve begin, where does it end, and does it ever fall?

# %%
predict(
    "entropy_against_t",
    'The entropy of "She drank a cup of hot" over its fifty tokens, against T.',
    curve={"x": ("T", 0.01, 100, "log"), "y": ("entropy (nats)", 0, 4)},
)

# %%
sure, opposite = "The Earth revolves around the", "The opposite of hot is"
prompts = [sure, opposite, drink.prompt, "Once upon a time there was a"]
t_grid = torch.logspace(-2, 2, 81).tolist()


def against_temperature(measure):
    """Return a measure of each sentence's distribution at each temperature."""
    return {
        prompt: [
            measure(softmax_with_temperature(teacher[prompt].logits, t)).item()
            for t in t_grid
        ]
        for prompt in prompts
    }


entropies = against_temperature(entropy)
plots.against_temperature(
    t_grid, entropies, math.log(50), "entropy (nats)", choices=True
)
reveal("entropy_against_t", (t_grid, entropies[drink.prompt]))

# %% [markdown]
# <details><summary>What you should see</summary>
#
# All curves begin at 0: near T = 0 only one choice is left. All end at log 50: every token is equally likely. None
# ever falls. (For the curious: $dH/dT = \mathrm{Var}(z) / T^3$, where the variance is taken under $p$, and a variance
# is never negative.)
#
# The same T does not have the same effect on every sentence. At T = 2 the certain sentence about the Earth is about
# as spread out as the hot drink is somewhere between T = 0.5 and T = 1. No temperature is "soft" in itself. It
# depends on how far apart the logits are.
#
# </details>

# %% [markdown]
# ## Probability outside the top token
#
# A simpler measure is the probability *outside* the largest entry. This is what a hard label discards when the
# teacher's first choice is the label.
#
# If two tokens share first place, one of them is the answer and the other is not. So you leave out exactly *one*
# entry, also in a tie.

# %% [markdown]
# ## Exercise 3 · Probability outside the top token
#
# ●○○○○ difficulty · ●●○○○ importance · about 5 minutes · a warm-up
#
# Write `non_top_mass`: the probability outside the largest entry over the last dimension, one number for each
# distribution.
#
# <details><summary>Hint 1: where to start</summary>
#
# What do all entries of a row sum to? Given that, you need only one entry of the row.
#
# </details>
#
# <details><summary>Hint 2: which tool</summary>
#
# `amax` with a `dim` gives the largest value of each row once, however often it occurs. `max` with a `dim` returns
# two things: the values and their indices.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# $1 - \max_i p_i$, for each row. Do not assume that the largest entry comes first. The file of this lab happens to be
# sorted; other logits are not.
#
# </details>


# %% exercise="non_top_mass"
def non_top_mass(probs):
    """Return the probability outside the largest entry.

    This is what a hard label of the teacher's first choice discards.
    probs: `(..., V)`, probabilities that sum to 1 over the last dimension, in any
    order. One entry is left out, also where several share the largest value.
    Returns `(...)`: one number from 0 to 1 - 1/V for each distribution; a 0-d
    tensor for a single distribution `(V,)`.
    """
    return 1 - probs.amax(dim=-1)


# %% check="non_top_mass" points=1
check(non_top_mass)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **A TypeError about a `return_types.max`.** `max(dim=-1)` returns values and indices as a pair. Take `.values`, or
#   use `amax`.
# - **A wrong value only where two entries share the largest value.** You leave out both. Leave out one.
# - **"It is a tensor of shape (3,)", where one number per distribution is expected.** You search along the first
#   dimension. Use `dim=-1`.
#
# </details>
#
# Here are the same four sentences, now with the probability outside the top token.

# %%
predict(
    "most_outside",
    "Which sentence has the most probability outside the top token at T = 1?",
    choices=prompts,
)

# %%
outside = against_temperature(non_top_mass)
plots.against_temperature(
    t_grid, outside, 1 - 1 / 50, "probability outside the top token"
)
reveal("most_outside", max(prompts, key=lambda prompt: outside[prompt][40]))

# %% [markdown]
# <details><summary>What you should see</summary>
#
# At T = 1, "Once upon a time there was a" has most of its probability outside the first choice, and "The Earth
# revolves around the" has next to none. All curves end at 49/50.
#
# </details>
#
# It is tempting to conclude that a soft target teaches nothing where the teacher is nearly certain. Look at what is
# left of the sentence about the Earth. Among the tokens that share less than 1 % of the probability, is there any
# order that makes sense?

# %%
earth = teacher[sure]


def small_ones(t, first=1, last=6):
    """Return the tokens after the first choice with their probabilities."""
    row = softmax_with_temperature(earth.logits, t)
    return ", ".join(
        f"{readable(earth.tokens[i])} {row[i]:.4f}" for i in range(first, last)
    )


print(f"T = 1:  {small_ones(1.0)}")
print(f"T = 3:  {small_ones(3.0)}")

# %% [markdown]
# Even there the small probabilities have an order: "sun" is the answer in another spelling, and the Earth and the
# Moon stand above thousands of tokens that make no sense. Hinton, Vinyals and Dean (2015, section 2) stress exactly
# this case. Where a teacher is confident, much of what it knows lies in the *ratios* of very small probabilities. At
# T = 1 they are so close to 0 that they hardly influence the student's loss. A higher temperature raises them to a
# size that does. The probability outside the top token measures how *much* is outside; it says nothing about how much
# you can learn from it.

# %% [markdown]
# ## What the fifty leave out
#
# So far the vocabulary ended after 50 tokens. The real one has 49,152. The file also stores what all the other tokens
# add up to, at seven temperatures, so you can compute the share of the *whole* distribution that the fifty hold. At T
# = 1 they hold most of it.

# %%
predict(
    "share_of_the_fifty",
    "At T = 3, what share of the hot drink's distribution do the fifty hold?",
    unit="%",
)


# %%
def shares_of_the_fifty(entry):
    """Return the share of the whole distribution that the 50 tokens hold, for each T.

    The share is the sigmoid of log(sum over the fifty) - log(sum over the others).
    """
    return [
        torch.sigmoid(torch.logsumexp(entry.logits / t, dim=-1) - others).item()
        for t, others in entry.rest.items()
    ]


shares = {prompt: shares_of_the_fifty(teacher[prompt]) for prompt in prompts}
plots.share_of_the_stored(list(drink.rest), shares)
at_three = dict(zip(drink.rest, shares[drink.prompt], strict=True))[3.0]
reveal("share_of_the_fifty", 100 * at_three)


# %%
def entropy_table():
    """Print the hot drink's entropy over 50 tokens and over the whole vocabulary."""
    print("entropy in nats of     the 50   all tokens")
    for t, whole in drink.full_entropy.items():
        inside = entropy(softmax_with_temperature(drink.logits, t))
        print(f"T = {t:<16g} {inside:8.2f} {whole:12.2f}")
    print(f"maximum (log V) {math.log(50):13.2f} {math.log(drink.vocabulary):12.2f}")


entropy_table()

# %% [markdown]
# <details><summary>What you should see</summary>
#
# Each of the other 49,102 tokens is very unlikely. But a higher temperature raises each of them a little, and there
# are so many that together they soon outweigh the fifty. With this teacher, at T = 3 at least nine tenths of the
# probability lies on tokens outside the fifty, and at T = 5 the whole distribution is close to uniform.
#
# </details>
#
# So the rule "a higher temperature shows more of what the teacher knows" has a limit, and the limit depends on the
# size of the vocabulary. Which temperature is best is a question for an experiment. In ours, a tiny student with a
# vocabulary far smaller than this one was trained with α = 0.5 at four temperatures. Its mean distance from the true
# probabilities, over five seeds, was 0.062 nats per token at T = 1, 0.027 at T = 3, 0.010 at T = 5 and 0.010 at T =
# 10. (`results/tiny_sweep.json`. The five seeds at T = 3 range from 0.011 to 0.061, so the order of the last three is
# not settled.) The labs use T = 3 by default because many recipes do, not because it won. None of this tells you
# which T suits a vocabulary of 49,152 tokens.
#
# There is a second lesson. Storing 49,152 numbers for each token of a text is expensive, so people store the largest
# 50 or so and take the softmax over these alone, as you did here. At T = 1 that changes little where the teacher is
# certain, but "Once upon a time there was a" loses a third of its distribution. At T = 3 the result is a different
# distribution altogether.

# %% [markdown]
# ## Back to the explorer
#
# Now you can say in numbers what you saw. Scroll up to the explorer, or show it again below.
#
# 1. Pin the hot drink at T = 1. At which T does "The Earth revolves around the" have as many effective choices?
# 2. Which sentence gains the most effective choices between T = 1 and T = 2?
# 3. Pin "I passed the exam and felt so", then choose "I failed the exam and felt so". Do the first ten tokens
#    overlap?
# 4. Press *5, 2, 0.5*. Above which T is the first probability below 0.6?

# %%
explorer

# %% [markdown]
# <details><summary>Answers</summary>
#
# 1. At T ≈ 2.4. The hot drink has 9.2 effective choices at T = 1.
# 2. "She sat on the bank of the", which gains 27.6.
# 3. Only one: "much", as in "felt so much better". Of the fifty stored tokens the two sentences share twelve.
# 4. Above T ≈ 3.3.
#
# </details>
#
# The browser computes what you see, and Python knows the state of the slider. The next cell draws that state with
# *your* functions. Run it again after you have moved the slider, or put `explorer.temperature = 2.0` at its top and
# watch the slider move.


# %%
def draw_with_yours(count=10):
    """Draw what the explorer shows with your functions, and compare the numbers."""
    yours = softmax_with_temperature(
        torch.tensor(explorer.logits), explorer.temperature
    )
    difference = (yours - torch.tensor(explorer.probabilities)).abs().max()
    print(f"Your probabilities and the explorer's differ by at most {difference:.1g}.")
    title = (
        f"T = {explorer.temperature:g}: {entropy(yours).exp():.1f} effective choices, "
        f"{non_top_mass(yours):.2f} outside the top token"
    )
    order = yours.argsort(descending=True)[:count]
    labels = [readable(explorer.tokens[index]) for index in order]
    plots.distributions(labels, {"probability": yours[order]}, title)


draw_with_yours()

# %% [markdown]
# ## Question 1 · Why soft targets help
#
# Why is the teacher's whole distribution often a more useful target for a student than the hard label alone? Use an
# example from this lab, and name one case in which the soft target helps little or does harm.
#
# *Five or six sentences, about 10 minutes.*

# %% [markdown] answer="why_soft_targets" points=2
# A hard label says that one token is right and treats all others as equally wrong. The teacher's distribution also
# ranks the others and says how far apart they are: after "She drank a cup of hot" it puts coffee, tea and cocoa well
# above the rest. One position of the text therefore teaches the student about many tokens at once, where hard labels
# would need many sentences with the same beginning. Even where the teacher is nearly certain, the ratios of the small
# probabilities say which wrong answers are less wrong, and a temperature makes them count. The target also varies
# less: the hard label depends on which of the possible tokens this text happened to contain, the distribution does
# not.
#
# At T = 1 it helps little where the teacher is nearly certain, as with the Earth that revolves around the Sun: there
# the soft target is almost the hard label. It does harm where the teacher is wrong, as with two plus two, because the
# student learns the mistake too. And it is not the entropy that teaches: a uniform target has the highest entropy and
# says nothing.

# %% [markdown]
# ## Question 2 · T = 1, 5 and 20
#
# What is the temperature in distillation for, and what happens to the teacher's distribution at T = 1, at T = 5 and
# at T = 20? Say also what stays the same at all three, and what your answer depends on. Support it with numbers that
# you computed in this lab.
#
# *Six to eight sentences, about 10 minutes. A small table is welcome.*

# %% [markdown] answer="temperature_1_5_20" points=2
# The temperature divides all logits before the softmax, for teacher and student alike. It shrinks the differences
# between logits, so that the smaller probabilities become large enough to shape the student's gradient.
#
# At T = 1 the distribution is what the teacher believes: the top token leads, and how much is left for others depends
# on the sentence. At T = 5 it is much flatter. Over the fifty tokens of the hot drink the entropy is 3.86 nats, close
# to log 50 = 3.91; over the whole vocabulary it is 10.47, close to log 49,152 = 10.80, with 99 % of the probability
# outside the fifty. At T = 20 it is uniform for every practical purpose (10.78 nats), and hardly anything of the
# teacher's knowledge is left.
#
# The order of the tokens is the same at all three, and the ratio of two probabilities is always the exponential of
# their logit difference divided by T. What counts as "soft enough" depends on how far apart the logits are and on how
# many tokens there are: a T that suits ten classes can drown the signal of a vocabulary of 49,152. The student is
# used at T = 1 afterwards.

# %% [markdown]
# ## What to take away
#
# - A token's cost grows with the number of weights that it takes; a student saves in proportion to its size.
# - Hard distillation needs the teacher's text, soft and combined distillation need its logits.
# - A teacher's logits contain more than its answer. They also contain its mistakes.
# - $p_i / p_j = \exp((z_i - z_j) / T)$: a temperature scales differences and never changes the order.
# - As T approaches 0 you get the hard label, as it grows without limit the uniform distribution.
# - The sampling temperature is for drawing one token. The distillation temperature draws nothing; it shapes the
#   target.
# - Entropy runs from 0 (one-hot) to log V (uniform). More entropy is not more knowledge.
# - With a large vocabulary, a high temperature moves probability to tokens that the teacher considers very unlikely.
# - Subtract the largest logit before `exp`; convert to float32 before you divide; 0 · log 0 is 0.
#
# In lab 02 you compare a student's distribution with the teacher's and combine both targets in one loss.

# %% [markdown]
# ## Reading
#
# **Required**
#
# - Hinton, Vinyals, Dean 2015, [Distilling the Knowledge in a Neural Network](https://arxiv.org/abs/1503.02531),
#   sections 1 and 2: three pages that introduce the soft target and its temperature.
#
# **Optional**
#
# - Kim and Rush 2016, [Sequence-Level Knowledge Distillation](https://arxiv.org/abs/1606.07947): hard distillation,
#   in translation.
# - Sanh et al. 2019, [DistilBERT](https://arxiv.org/abs/1910.01108): a student with half the layers, trained on a
#   combined loss.
# - Kaplan et al. 2020, [Scaling Laws for Neural Language Models](https://arxiv.org/abs/2001.08361), section 2.1: what
#   a token costs in arithmetic.
#
# **Reference**
#
# - [`torch.softmax`](https://docs.pytorch.org/docs/stable/generated/torch.softmax.html) and
#   [`torch.xlogy`](https://docs.pytorch.org/docs/stable/generated/torch.xlogy.html) in the PyTorch documentation.
# - The [NVIDIA H100](https://www.nvidia.com/en-us/data-center/h100/) data sheet: memory and its speed.

# %% [markdown]
# ## Stretch goals
#
# 1. **A temperature on demand.** Entropy rises with T, so you can find the T for a given entropy by bisection. Write
#    `temperature_for(logits, target)`. Which T gives each of the twenty sentences an entropy of 2 nats over its fifty
#    tokens?
# 2. **The slope.** Check $dH/dT = \mathrm{Var}(z) / T^3$ numerically: compare the difference between two entropies at
#    nearby temperatures with the variance of the logits under $p$.
# 3. **Two sentences.** How far apart are "passed" and "failed"? Collect the tokens that both lists contain, and plot
#    their probabilities in one against the other at T = 1. What does a token on the diagonal mean?
# 4. **What truncation costs.** With `rest`, compute the *true* probability of the top token over the whole vocabulary
#    at each of the seven temperatures, and divide the probability that you got from the fifty by it. How large does
#    the factor become? Then add one more entry, "all others", to the fifty. Up to which T would you trust the result?
