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
# # Lab 08: A draft that agrees
#
# A large model writes one token per call, and each call reads all of its weights. *Speculative decoding* lets a small
# model, the *draft*, propose several tokens, and has the large model, the *target*, check them all in one call. What
# comes out follows the target's distribution exactly. How fast it comes depends on how often the two agree, and
# agreement is what distillation trains.
#
# **After this lab you can**
#
# - compute how often a draft's token is accepted, and explain why the output still follows the target;
# - write a round of speculative decoding, and test that it keeps the target's distribution;
# - predict a speed-up from three numbers, and say what such a prediction leaves out;
# - choose how to train a draft, by measurement;
# - find the control that a claim about speed is missing.
#
# **Time:** about 105 minutes (44 for reading, figures and questions, 61 for the exercises).
#
# **You need:** sampling at a temperature (lab 01), KL divergence (lab 02), teacher-only training (labs 03 and 04).
#
# Work from top to bottom. Under each exercise there is a check, which you can run as often as you like. The badges
# say how hard and how important an exercise is. In a hurry, skip exercise 5 and the section on the total variation as
# a loss.
#
# If you are stuck, `solution(verify)` shows how we write that exercise, once you have passed its check or failed it
# three times. `skip(verify)` lets you go on with ours, for no points.

# %% setup=true
import torch


def draw_token(probs, uniform):
    """The token at which the cumulative probability first exceeds a uniform number.

    probs: `(V,)`, uniform: a 0-d tensor in [0, 1). Returns `(1,)`, long.
    """
    last = probs.nonzero()[-1]  # rounding may leave the sum below 1
    cumulative = probs.cumsum(dim=0)
    return torch.searchsorted(cumulative, uniform.view(1), right=True).minimum(last)


# %%
import math
import os
import time

from helpers import plots
from helpers.checks import check, predict, reveal, skip, solution
from helpers.data.known_language import KnownLanguage
from helpers.models import load_student, load_teacher
from helpers.tiers import load_batches
from helpers.training import DistillConfig, distill, freeze
from helpers.widgets import DraftExplorer

# %% [markdown]
# ## Why a large model writes slowly
#
# Take a model with 70 billion weights in 16 bits, on two GPUs that each read 3.35 TB per second from their memory and
# compute 989 trillion operations per second. To write one token, each GPU has to read its 70 GB of weights once, which
# takes 20.9 ms. With every weight it does one multiplication and one addition, 70 billion operations per GPU, which
# takes 0.07 ms. So for one user the GPU spends nearly all of its time on reading, and almost none on computing.
#
# That is an opportunity. A call that reads the weights once and uses them for *five* tokens takes hardly longer than a
# call for one. Training does this all the time: a transformer that reads S tokens gives S distributions at once, one
# for the token after each prefix. Generation cannot do it, because the next token has to exist before the one after it
# can be predicted, unless somebody guesses the next few tokens.
#
# **The draft guesses.** It is small, so it can write γ tokens (gamma, often 3 to 8) quickly. The target reads all of
# them in one call and computes, at each of them, its own distribution. Where the two agree, you have gained several
# tokens for the price of one call.
#
# ![A draft writes four tokens, one after the other. The target reads them all in one call and has its own distribution
# at each. The first two are accepted, the third is rejected and replaced by a new draw, and the fourth is dropped. The
# round gives three tokens.](../../docs/figures/speculative_round.svg)
#
# This is where distillation comes in. A draft need not be *good*. It has to **agree** with one particular target, and
# making a small model agree with a large one is what the loss of lab 02 does.
#
# Tokens that the target would rarely choose get replaced by others.

# %%
QUALITY = [
    "it is as good as the target's: its distribution is the same",
    "it lies between the target's and the draft's",
    "it is as good as the draft's",
]
predict("quality", "How good is the text that comes out?", choices=QUALITY)

# %% [markdown]
# You will prove the answer, test it on a language whose true distribution is known, and see it then.

# %% [markdown]
# ## Drag a draft
#
# Before any formula, look at one position. Below are a target's probabilities of five tokens and a draft's. Drag the
# ends of the bars. γ and the cost of a draft's call have sliders.
#
# 1. Press “Draft = target”. What is the acceptance, and what is the residual, the bar of what replaces a rejected
#    token?
# 2. Press “Reset”, and make the draft put nearly everything on “happy”, the target's favourite. Does it get better?
# 3. With the first draft, press “Best γ” at a cost of 0.2, of 0.5 and of 0.9.

# %%
DraftExplorer()

# %% [markdown]
# <details><summary>Answers</summary>
#
# 1. The acceptance is 1. Nothing is ever rejected, so the residual does not matter; the explorer shows the target's own
#    probabilities there.
# 2. No. The target wants “happy” in 63 % of cases. A draft that always proposes it is accepted exactly that often,
#    hardly different from the first draft, whose acceptance is 0.64. Agreement is about the whole distribution, not
#    about the favourite.
# 3. The best γ is 2 at a cost of 0.2, and 1 at 0.5. At 0.9 it is 0: no draft at all.
#
# </details>

# %% [markdown]
# ## When to accept
#
# Call the target's distribution at some position $p$, and the draft's $q$. The draft draws a token $x$ from $q$.
#
# - If $q(x) \le p(x)$, the draft proposes $x$ no more often than the target would. Accept it.
# - If $q(x) > p(x)$, the draft proposes it too often. Accept it with probability $p(x) / q(x)$.
#
# Both lines together: accept with probability $\min(1, p(x) / q(x))$. So the probability that token $x$ is proposed
# *and* accepted is $q(x) \min(1, p(x)/q(x)) = \min(p(x), q(x))$.

# %% [markdown]
# ## Exercise 1 · Probability of acceptance
#
# ●○○○○ difficulty · ●●●○○ importance · about 5 minutes
#
# A warm-up. Before you know which token the draft will propose, how likely is it to be accepted? Sum over all tokens:
# $\sum_x \min(p(x), q(x))$. This is one minus the *total variation* between p and q, half the sum of the absolute
# differences. Write `acceptance`. It returns one number for each position. If the shapes of p and q differ, raise a
# `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# `torch.minimum` compares two tensors element by element.
#
# </details>
#
# <details><summary>Hint 2: which dimension</summary>
#
# Sum over the vocabulary, the last dimension, and over nothing else.
#
# </details>
#
# <details><summary>Hint 3: a test</summary>
#
# For p = q the answer is 1. For distributions that share no token it is 0.
#
# </details>


# %% exercise="acceptance"
def acceptance(p, q):
    """Return the probability that a token drawn from q is accepted: Σ min(p, q).

    p, q: `(…, V)`, probabilities of target and draft. Returns `(…)`.
    Raises ValueError if the shapes differ.
    """
    if p.shape != q.shape:
        raise ValueError(f"p has shape {tuple(p.shape)}, but q has {tuple(q.shape)}")
    return torch.minimum(p, q).sum(dim=-1)


# %% check="acceptance" points=1
check(acceptance)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **A number below 0**: 1 − Σ |p − q| misses the factor one half of the total variation.
# - **One number where several are due**: you sum over positions as well. Use `dim=-1`.
# - **A `RuntimeError` about sizes for the last example**: PyTorch noticed that the shapes differ. Compare them yourself
#   first, and raise a `ValueError`. With a vocabulary of size 1, PyTorch would broadcast silently.
#
# </details>

# %% [markdown]
# ## What replaces a rejected token?
#
# Accepted tokens follow $\min(p, q)$. The target wants $p$. What is missing is $p - \min(p, q) = \max(p - q, 0)$. So a
# rejected token is replaced by one that is drawn from this *residual*, normalised to sum to 1.
#
# The sum of what is missing is $1 - \sum \min(p, q)$, and that is exactly how often a token is rejected. So the
# residual, normalised and then drawn from that often, gives back $\max(p - q, 0)$, and both parts together give
# $\min(p, q) + \max(p - q, 0) = p$. This is the whole proof. It does not ask what q is.

# %% [markdown]
# ## Exercise 2 · The residual distribution
#
# ●●○○○ difficulty · ●●●●○ importance · about 8 minutes
#
# Write `residual`: $\max(p - q, 0)$, divided by its sum. Where p equals q, nothing is missing and nothing is ever
# rejected; return p there, so that the result is always a distribution. Decide this for each position separately. If
# the shapes differ, raise a `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# `(p - q).clamp(min=0)`, and its sum over the last dimension with `keepdim=True`.
#
# </details>
#
# <details><summary>Hint 2: 0 / 0</summary>
#
# `torch.where(total > 0, …, p)` chooses for each position. The branch that is not chosen may contain NaN.
#
# </details>
#
# <details><summary>Hint 3: what does not work</summary>
#
# A softmax gives probability to tokens that have none. Adding a small number to the sum does not return p.
#
# </details>


# %% exercise="residual"
def residual(p, q):
    """Return max(p - q, 0), normalised for each position; p where p equals q.

    p, q: `(…, V)`, probabilities of target and draft. Returns `(…, V)`.
    Raises ValueError if the shapes differ.
    """
    if p.shape != q.shape:
        raise ValueError(f"p has shape {tuple(p.shape)}, but q has {tuple(q.shape)}")
    excess = (p - q).clamp(min=0)
    total = excess.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, excess / total, p)


# %% check="residual" points=3
check(residual)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **NaN in one row**: p equals q there, and you divide 0 by 0. Choose p in that row with `torch.where`.
# - **Zeros in one row**: you clamp the denominator. Zeros are not a distribution; return p.
# - **Every row divided by the same number**: you sum over all positions. Use `dim=-1, keepdim=True`.
#
# </details>

# %% [markdown]
# ## A round
#
# The draft has proposed γ tokens, token i drawn from q[i]. The target has read all of them and gives γ + 1
# distributions: p[i] at each drafted token, and one more for the position after them. Go through the drafted tokens in
# order. The first one that is rejected is replaced, and the round ends there, because the tokens after it were drafted
# for another text. If none is rejected, the last distribution gives one token for free. So a round gives at least one
# token, and at most γ + 1.

# %% [markdown]
# ## Exercise 3 · Verifying a round
#
# ●●●●○ difficulty · ●●●●● importance · about 20 minutes
#
# Write `verify`. All randomness comes from outside, as numbers between 0 and 1:
#
# - accept drafted token i if `uniforms[i] * q[i, token] < p[i, token]`, strictly;
# - draw the replacement, or the token after the last drafted one, with `draw_token(…, uniforms[-1])`, the last uniform.
#
# Nothing may have been drafted: then q and drafted are empty, and the round gives one token from p[0]. If the lengths
# do not fit together (p and uniforms have one row more than there are drafted tokens, q as many), raise a `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# A loop over the drafted tokens with `enumerate`. It returns at the first rejection.
#
# </details>
#
# <details><summary>Hint 2: what to return</summary>
#
# `torch.cat` puts two tensors together: the tokens before the rejected one, `drafted[:i]`, and its replacement.
# `draw_token` returns a tensor with one element.
#
# </details>
#
# <details><summary>Hint 3: the last token</summary>
#
# After the loop all γ tokens were accepted. The distribution for the token after them is `p[gamma]`.
#
# </details>


# %% exercise="verify"
def verify(p, q, drafted, uniforms):
    """Return the accepted drafted tokens and one more, `(n,)` long, n at most γ + 1.

    p: `(γ + 1, V)`, the target's distributions. q: `(γ, V)`, the draft's. drafted:
    `(γ,)` long. uniforms: `(γ + 1,)`, each in [0, 1); the last one is for the
    replacement or the additional token.
    Raises ValueError if the lengths do not go together.
    """
    gamma = len(drafted)
    if len(p) != gamma + 1 or len(q) != gamma or len(uniforms) != gamma + 1:
        lengths = f"{len(p)} rows of p, {len(q)} of q, {len(uniforms)} uniforms"
        raise ValueError(f"{gamma} drafted tokens do not go with {lengths}")
    for i, token in enumerate(drafted):
        if not uniforms[i] * q[i, token] < p[i, token]:
            replacement = draw_token(residual(p[i], q[i]), uniforms[gamma])
            return torch.cat([drafted[:i], replacement])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


# %% check="verify" points=4
check(verify)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **Too many tokens**: you go on after a rejection, or keep the rejected token beside its replacement.
# - **Too few tokens**: every round ends with a token from the target. After a rejection it is the replacement, after γ
#   accepted tokens it is one from p[γ].
# - **`RuntimeError: zero-dimensional tensor … cannot be concatenated`**: `drafted[i]` has no dimension. Slices keep it.
#
# </details>

# %% [markdown]
# ## Does it keep the distribution?
#
# A wrong rule does not crash, and its text looks fine. So test the *law* of the output. In the language of our stories
# the true probabilities are known. Take one of its states as the target, and as the draft something much flatter, which
# also proposes impossible tokens. Run 4,000 rounds, count their first tokens, and compare the frequencies with the
# truth. Chance alone leaves a small distance, which can be computed.
#
# Beside your `verify` are two rules that look reasonable: one replaces a rejected token with a draw from p, the other
# accepts whatever was drafted.


# %%
def replaces_from_p(p, q, drafted, uniforms):
    """One drafted token; if it is rejected, a token from p itself."""
    tokens = verify(p, q, drafted, uniforms)
    was_rejected = len(tokens) == 1
    return draw_token(p[0], uniforms[-1]) if was_rejected else tokens


def accepts_everything(p, q, drafted, uniforms):
    return drafted


def distance_to_law(rule, rounds=4000):
    """Total variation between the first tokens of many rounds and the truth."""
    language = KnownLanguage.stories()
    truth = language.probs[language.state_entropies().argmax()].float()
    flat = truth.sqrt() / truth.sqrt().sum()
    rough = 0.9 * flat + 0.1 / len(truth)
    source = torch.Generator().manual_seed(0)
    seen, both = torch.zeros_like(truth), torch.stack([truth, truth])
    for _ in range(rounds):
        proposed = torch.multinomial(rough, 1, generator=source)
        uniforms = torch.rand(2, generator=source)
        seen[rule(both, rough[None], proposed, uniforms)[0]] += 1
    chance = (2 * truth * (1 - truth) / (math.pi * rounds)).sqrt().sum() / 2
    return (seen / rounds - truth).abs().sum().item() / 2, chance.item()


# %% [markdown]
# Decide before you run the test.

# %%
LAWS = ["only verify", "verify and replaces_from_p", "all three"]
predict("law", "Which of the rules keep the target's distribution?", choices=LAWS)

# %%
for each in (verify, replaces_from_p, accepts_everything):
    found, expected = distance_to_law(each)
    print(f"{each.__name__:20} {found:.3f} from the truth; by chance {expected:.3f}")
reveal("law", "only verify")
reveal("quality", QUALITY[0])

# %% [markdown]
# <details><summary>What you should see</summary>
#
# `verify` stays at what chance leaves, 0.02 or below. `replaces_from_p` is off by 0.10, and `accepts_everything` by
# 0.21, which is the total variation between draft and target. With more rounds, chance shrinks and the other two
# distances stay.
#
# Why is `replaces_from_p` wrong? Tokens that the draft proposes often have already had their chance to be accepted.
# Drawing from p gives them a second one.
#
# </details>

# %% [markdown]
# ## Quiz 1 · A terrible draft
#
# Your draft was trained on another language and proposes nonsense. You use `verify`. What happens?
#
# - **A** The text gets worse, because some of the nonsense is accepted.
# - **B** The text follows the target as before. It is written slowly.
# - **C** The text is a mixture of the target's and the draft's.

# %% quiz="terrible_draft" points=1
terrible_draft = "B"

# %% [markdown]
# ## Quiz 2 · Two temperatures
#
# To get more tokens accepted, an engineer lets the draft sample at T = 0.5, so that it proposes likelier tokens. The q
# that goes into `verify` is still the draft's softmax at T = 1. The target stays at T = 1. What follows?
#
# - **A** Nothing is wrong: `verify` keeps the target's distribution whatever the draft does.
# - **B** The output no longer follows the target, because q is not the distribution that the tokens were drawn from.
# - **C** The output is right, and fewer tokens are accepted.

# %% quiz="two_temperatures" points=1
two_temperatures = "B"

# %% [markdown]
# The same happens in quieter ways: a draft that samples in bfloat16 while q is computed in float32; a draft that
# takes its most likely token (then q is 1 for this token and 0 for all others, and `verify` needs *that* q); top-k or
# top-p in the target and not in the p that is compared. The proof needs one thing: each drafted token was drawn from
# its q.

# %% [markdown]
# ## How many tokens does a round give?
#
# A drafted token is accepted with a probability of 0.8, and γ is 4.

# %%
predict("at_eighty", "How many tokens does a round give on average?", unit="tokens")

# %% [markdown]
# ## Exercise 4 · Tokens in a round
#
# ●●○○○ difficulty · ●●●○○ importance · about 8 minutes
#
# Suppose that each drafted token is accepted with the same probability $a$, independently of the others. The round
# gives its first token always, a second one with probability $a$, a third with $a^2$, and so on up to $a^\gamma$:
#
# $$1 + a + a^2 + \dots + a^\gamma = \frac{1 - a^{\gamma + 1}}{1 - a}$$
#
# Write `expected_tokens`. For $a = 1$ the answer is γ + 1. Raise a `ValueError` if acceptance lies outside [0, 1], or
# if gamma is below 0.
#
# <details><summary>Hint 1: where to start</summary>
#
# Either the sum on the left, over the exponents from 0 to γ, or the fraction on the right.
#
# </details>
#
# <details><summary>Hint 2: where a is 1</summary>
#
# The fraction is 0 / 0 there. The sum has no such problem.
#
# </details>
#
# <details><summary>Hint 3: a test</summary>
#
# With γ = 0 the answer is 1, whatever a is: the target writes one token by itself. With a = 0 it is 1 too.
#
# </details>


# %% exercise="expected_tokens"
def expected_tokens(acceptance, gamma):
    """Return the expected number of tokens in a round.

    acceptance: a, how likely a drafted token is accepted. gamma: γ, a whole number.
    Raises ValueError if acceptance is outside [0, 1] or gamma is below 0.
    """
    if not 0 <= acceptance <= 1:
        raise ValueError(f"acceptance is {acceptance}; it must lie between 0 and 1")
    if gamma < 0:
        raise ValueError(f"gamma is {gamma}; it must be at least 0")
    return float(sum(acceptance**n for n in range(gamma + 1)))


# %% check="expected_tokens" points=2
check(expected_tokens)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **`ZeroDivisionError`**: at a = 1 the fraction is 0 / 0. Return γ + 1 there, or add up the terms.
# - **Exactly 1 less than expected**: you count the drafted tokens. Every round gives one token more.
# - **1 + γ · a**: a token counts only if all tokens before it were accepted, so the powers of a shrink.
#
# </details>

# %%
reveal("at_eighty", expected_tokens(0.8, 4))

# %% [markdown]
# ## Exercise 5 · Speed-up
#
# ●○○○○ difficulty · ●●●●○ importance · about 5 minutes
#
# A warm-up. A round takes one call of the target and γ calls of the draft. Let `cost` be the time of one call of the
# draft, measured in calls of the target. Write `speed_up`: tokens for each unit of the target's time. Plain generation
# gives 1. If cost is below 0, raise a `ValueError`, and for the other two inputs as in `expected_tokens`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Tokens of a round, divided by the time of a round.
#
# </details>
#
# <details><summary>Hint 2: the time of a round</summary>
#
# One for the target, and `cost` for each of the γ tokens of the draft.
#
# </details>
#
# <details><summary>Hint 3: a test</summary>
#
# With γ = 0 the speed-up is 1. If everything is accepted, γ is 4 and the cost is 0.5, it is 5 / 3.
#
# </details>


# %% exercise="speed_up"
def speed_up(acceptance, gamma, cost):
    """Return the tokens that a round gives in the time of one call of the target.

    acceptance, gamma: as in `expected_tokens`. cost: time of a draft's call, in calls
    of the target.
    Raises ValueError as `expected_tokens` does, and if cost is below 0.
    """
    if cost < 0:
        raise ValueError(f"cost is {cost}; it must not be below 0")
    return expected_tokens(acceptance, gamma) / (1 + gamma * cost)


# %% check="speed_up" points=1
check(speed_up)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **Numbers that are too large**: you leave out the draft's time, or count one call of it instead of γ.
# - **Numbers below 1 for a good draft**: you divide time by tokens. Speed is tokens divided by time.
# - **"Bad input must raise a ValueError"**: test the cost yourself; `expected_tokens` tests the other two.
#
# </details>

# %% [markdown]
# ## Quiz 3 · Three tokens, three times as fast?
#
# A tutorial says: "Our draft has half the size of the target, so a call of it takes half as long. With γ = 4, three
# tokens come out of each call of the target on average. Generation is three times as fast." What is the speed-up
# really?
#
# - **A** Three times, as it says.
# - **B** One and a half times, since the draft takes half the time of the target.
# - **C** None at all: a round takes as long as three plain tokens.

# %% quiz="three_times" points=1
three_times = "C"

# %% [markdown]
# ## Exercise 6 · A round with models
#
# ●●●○○ difficulty · ●●●●○ importance · about 15 minutes
#
# Write `speculate`: one round with real models. Draw in this order, so that your tokens can be compared: first the γ
# tokens of the draft, one at a time, each with `torch.multinomial(probabilities, 1, generator=generator)`; then all
# γ + 1 uniforms with one `torch.rand(gamma + 1, generator=generator)`. Call the target once. Return only the new
# tokens.
#
# Both models are called with `input_ids` and `attention_mask`, `(1, S)`, and return an object with `logits` `(1, S,
# V)`. Neither is trained here: no gradients. (In practice both models keep the keys and values of what they have
# read. That is left out here; it changes the time and not the tokens.)
#
# <details><summary>Hint 1: where to start</summary>
#
# Write a small function that turns a model and `(S,)` tokens into `(S, V)` probabilities: add the dimension of the row,
# call the model, take `logits[0]`, apply the softmax.
#
# </details>
#
# <details><summary>Hint 2: the draft</summary>
#
# In a loop, take the last row of the draft's probabilities, draw a token from it, and append the token to the text.
# Keep the rows: stacked, they are q. With γ = 0 there is nothing to stack; `p[:0]` is an empty q.
#
# </details>
#
# <details><summary>Hint 3: which rows of p</summary>
#
# The distribution of the first new token stands at the last token of the prefix, in row `len(prefix) - 1`. From there
# on you need γ + 1 rows, which is all that are left.
#
# </details>


# %% exercise="speculate"
@torch.no_grad()
def speculate(target, draft, prefix, gamma, generator):
    """Return the new tokens of one round, `(n,)` long, n from 1 to γ + 1.

    target, draft: models. prefix: `(S,)` long, the tokens so far. gamma: γ, how many
    tokens the draft proposes; may be 0. generator: for all draws, in the order that the
    text says.
    """

    def distributions(model, tokens):
        row = tokens[None]
        logits = model(row, attention_mask=torch.ones_like(row)).logits[0]
        return logits.float().softmax(dim=-1)

    tokens, rows = prefix, []
    for _ in range(gamma):
        rows.append(distributions(draft, tokens)[-1])
        drafted = torch.multinomial(rows[-1], 1, generator=generator)
        tokens = torch.cat([tokens, drafted])
    p = distributions(target, tokens)[len(prefix) - 1 :]
    q = torch.stack(rows) if rows else p[:0]
    uniforms = torch.rand(gamma + 1, generator=generator)
    return verify(p, q, tokens[len(prefix) :], uniforms)


# %% check="speculate" points=4
check(speculate)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **Other tokens than expected**: the order of the draws differs. First the draft's tokens, one call of
#   `torch.multinomial` each, then all uniforms in one call.
# - **`RuntimeError: stack expects a non-empty TensorList`**: γ is 0. Use an empty q.
# - **A `ValueError` from your own `verify`**: p has one row too many or too few. It starts at the last token of the
#   prefix.
#
# </details>

# %% [markdown]
# ## A draft for the tiny teacher
#
# Now everything together. The target is the tiny teacher, with two layers. The draft is the tiny student, with one. You
# train a copy of it with the teacher alone, at T = 3, for 300 steps, and compare it with the untrained one.
#
# With γ = 4 a round gives between 1 and 5 tokens.

# %%
predict("trained", "How many tokens does a round give after training?", unit="tokens")

# %%
graded = "NBGRADER_EXECUTION" in os.environ  # while grading, the runs are only tried
teacher = freeze(load_teacher("tiny"))
student, distilled = load_student("tiny").eval(), load_student("tiny")
config = DistillConfig(
    steps=4 if graded else 300,
    temperature=3.0,
    alpha=1.0,
    learning_rate=2e-2,
)
torch.manual_seed(0)
distill(distilled, teacher, load_batches("tiny")[0], config)
distilled = distilled.eval()


# %%
def agreement(model, rows=50):
    """Mean acceptance of a model's tokens, over the positions of some stories."""
    text = KnownLanguage.stories().sample(rows, 64, seed=8)
    with torch.no_grad():
        ones = torch.ones_like(text)
        both = [each(text, attention_mask=ones) for each in (teacher, model)]
    return acceptance(*(each.logits.softmax(dim=-1) for each in both)).mean().item()


def generate(model, gamma, stories=1 if graded else 12):
    """Continue stories in rounds: tokens a round, and seconds a token."""
    source = torch.Generator().manual_seed(0)
    rounds = written = 0
    began = time.process_time()
    for row in KnownLanguage.stories().sample(stories, 4, seed=9):
        while len(row) <= 64 - 9:
            more = speculate(teacher, model, row, gamma, source)
            row = torch.cat([row, more])
            rounds, written = rounds + 1, written + len(more)
    return written / rounds, (time.process_time() - began) / written


# %%
def compare_drafts(**models):
    """Print what each draft gives, beside the formula; return tokens a round."""
    given = {}
    for name, model in models.items():
        agreed, (given[name], _) = agreement(model), generate(model, 4)
        due = expected_tokens(min(1.0, agreed), 4)
        print(f"{name:10} acceptance {agreed:.2f}: ", end="")
        print(f"{given[name]:.2f} tokens a round, the formula says {due:.2f}")
    return given


rounds_gave = compare_drafts(untrained=student, distilled=distilled)
reveal("trained", round(rounds_gave["distilled"], 2))

# %% [markdown]
# <details><summary>What you should see</summary>
#
# The untrained student agrees in about two thirds of the cases, and a round gives between 2 and 3 tokens. After
# training it agrees in well over 90 %, and a round gives more than 4. The formula comes close, although its
# assumption is wrong: acceptance is not equal at all positions. After “once upon a” both models are certain, after
# “his name is” they are not.
#
# </details>

# %% [markdown]
# ## Which training makes the best draft?
#
# That was a single run. We trained drafts in five ways, with three seeds each, for 300 steps on the same text. The
# learning rate of each is the best of four, tried on other seeds. Acceptance is 1 − total variation to the target,
# averaged over text that the target wrote itself, which is the text that a draft works on.
#
# The last one is trained on the quantity that counts: its loss *is* the total variation.

# %%
TRAININGS = [
    "hard labels only",
    "labels and teacher",
    "teacher only",
    "total variation",
]
predict("best_draft", "Which training gives the best draft?", choices=TRAININGS)

# %% fold=true
# what our runs gave: acceptance and tokens a round of each seed
RUNS = {
    "before training": [(0.661, 2.59), (0.661, 2.44), (0.661, 2.64)],
    "hard labels only": [(0.877, 3.98), (0.89, 4.04), (0.889, 3.91)],
    "labels and teacher": [(0.959, 4.63), (0.951, 4.62), (0.93, 4.25)],
    "teacher only": [(0.978, 4.74), (0.978, 4.82), (0.977, 4.72)],
    "teacher only, T = 1": [(0.962, 4.65), (0.941, 4.6), (0.94, 4.46)],
    "total variation": [(0.895, 4.05), (0.872, 3.86), (0.885, 4.02)],
}
plots.tokens_by_acceptance(RUNS, [expected_tokens(n / 100, 4) for n in range(101)])
reveal("best_draft", "teacher only")

# %% [markdown]
# <details><summary>What was measured</summary>
#
# Means over three seeds (the untrained draft is the same each time), γ = 4:
#
# | draft | 1 − total variation | share accepted | tokens a round | formula |
# | --- | ---: | ---: | ---: | ---: |
# | before training | 0.661 | 0.652 | 2.56 | 2.58 |
# | hard labels only | 0.886 | 0.884 | 3.97 | 3.98 |
# | labels and teacher | 0.946 | 0.944 | 4.50 | 4.49 |
# | teacher only, T = 3 | 0.978 | 0.977 | 4.76 | 4.78 |
# | teacher only, T = 1 | 0.948 | 0.952 | 4.57 | 4.50 |
# | total variation | 0.884 | 0.883 | 3.98 | 3.97 |
#
# *Share accepted* is computed over the drafted tokens that were checked. A round stops at its first rejection, so
# tokens after it are not counted. It agrees with 1 − total variation, as the theory says it should.
#
# The temperature matters as much as the choice of loss: with T = 3 the soft targets gave 0.978, with T = 1 0.948.
# Training on the total variation itself ended at 0.884, no better than hard labels, although it is exactly what is
# measured. A likely reason is that its gradient hardly depends on tokens that both models consider unlikely, and does
# not grow when the draft is badly wrong. We have not measured that. Another target, longer training or the target's own
# text may give another order (DistillSpec finds that the best divergence depends on the task).
#
# </details>

# %% [markdown]
# ## A simpler rule: the tokens are equal
#
# There is a rule that needs no q and no residual. At each drafted position, draw a token from the *target*. While it
# equals the drafted one, go on. At the first difference, keep the target's token and end the round.
#
# This rule keeps the target's distribution too: every token that comes out was drawn from p. But two independent draws
# are equal with probability $\sum_x p(x) q(x)$, which is smaller than $\sum_x \min(p(x), q(x))$. Even a draft that is
# *identical* to the target gets rejected, unless the target is certain.
#
# A round of the best draft gives 4.76 tokens with `verify`.

# %%
predict(
    "equal_rule",
    "How many does it give if the tokens have to be equal?",
    unit="tokens",
)

# %% fold=true
# what our runs gave
reveal("equal_rule", 1.90)

# %% [markdown]
# <details><summary>What was measured</summary>
#
# | draft | Σ p q | share accepted | tokens a round |
# | --- | ---: | ---: | ---: |
# | before training | 0.357 | 0.347 | 1.53 |
# | hard labels only | 0.447 | 0.438 | 1.76 |
# | labels and teacher | 0.462 | 0.457 | 1.82 |
# | teacher only, T = 3 | 0.484 | 0.485 | 1.90 |
# | teacher only, T = 1 | 0.456 | 0.460 | 1.82 |
# | total variation | 0.434 | 0.433 | 1.74 |
#
# Look at the rows of the good drafts: distillation can hardly raise Σ p q any further, because the target's own
# randomness limits it. For *greedy* decoding, where p puts everything on one token, both rules are the same.
#
# </details>

# %% [markdown]
# ## Wall-clock
#
# Tokens a round are not speed. For the tiny models a call of the draft costs 0.40 of a call of the target: it has less
# than a third of the weights, but every call of a tiny model is mostly overhead. So the best that is possible with γ =
# 4 is 5 / (1 + 4 · 0.40) = 1.92 times.
#
# Draw the speed-up over γ for a distilled draft (teacher only, T = 1).

# %%
predict(
    "speed_curve",
    "How fast is generation, compared with plain?",
    curve={"x": ("γ", 1, 8), "y": ("speed-up", 0, 3)},
)

# %% fold=true
# what our runs gave, mean of three seeds
GAMMAS = [1, 2, 4, 8]
SPEEDS = {
    "by the formula": [1.39, 1.58, 1.73, 1.75],
    "measured": [1.15, 1.19, 1.32, 1.23],
}
plots.speed_by_gamma(GAMMAS, SPEEDS)
reveal("speed_curve", (GAMMAS, SPEEDS["measured"]))

# %% [markdown]
# <details><summary>How to read this</summary>
#
# | γ | tokens a round | speed-up by the formula | measured |
# | ---: | ---: | ---: | ---: |
# | 1 | 1.94 | 1.39 | 1.15 |
# | 2 | 2.82 | 1.58 | 1.19 |
# | 4 | 4.57 | 1.73 | 1.32 |
# | 8 | 7.32 | 1.75 | 1.23 |
#
# The formula is too optimistic at every γ. It counts calls only. It leaves out drawing tokens, comparing them, and the
# Python code between the calls, which matters for such a tiny model. A round of γ = 8 also drafts more tokens than are
# used. The best of these was γ = 4, 1.32 times as fast as plain generation. The untrained draft, with 2.56 tokens a
# round at γ = 4, was *slower* than plain generation: 0.71 times.
#
# </details>

# %% [markdown]
# ## A real target
#
# On the laptop tier the target is SmolLM2-135M-Instruct. It continues passages of the Python language reference. Its
# drafts are cut from itself: 15 of its 30 layers, or 4 of them, trained for 20 steps of 4 rows with the target's
# predictions at T = 1. That is a *short* training. The head and the embeddings, 28 of the 135 million weights, stay in
# each draft, so a draft with 4 layers is not eight times cheaper.
#
# Then there is a draft that costs nothing. *Prompt look-up* searches the text so far for the last two tokens and
# proposes what followed them there. It has no weights and knows no language.
#
# Sampling at T = 1, γ = 4, on one thread of a CPU.

# %%
REAL = ["15 layers", "4 layers", "n-gram look-up", "plain generation"]
predict("real_winner", "Which is fastest?", choices=REAL)

# %% fold=true
# what our runs gave: speed-up over plain generation
REAL_SPEEDS = {
    "sampling at T = 1": {
        "15 layers, before training": 0.29,
        "15 layers": 0.39,
        "4 layers": 0.32,
        "n-gram look-up": 0.84,
    },
    "greedy decoding": {
        "15 layers, before training": 0.30,
        "15 layers": 0.50,
        "4 layers": 0.34,
        "n-gram look-up": 1.24,
    },
}
plots.real_speeds(REAL_SPEEDS)
reveal("real_winner", "plain generation")

# %% [markdown]
# <details><summary>What was measured</summary>
#
# Four prompts of 96 tokens, 32 new tokens each, γ = 4. Sampling with three seeds, greedy decoding once, and a draft
# that was trained on 80 rows of 128 tokens.
#
# | sampling at T = 1 | 1 − total variation | share accepted | tokens a round | tokens/s | speed-up |
# | --- | ---: | ---: | ---: | ---: | ---: |
# | plain generation | – | – | 1.00 | 23.4 | 1.00 |
# | 15 layers, before training | 0.24 | 0.23 | 1.30 | 6.8 | 0.29 |
# | 15 layers | 0.45 | 0.48 | 1.89 | 9.0 | 0.39 |
# | 4 layers | 0.14 | 0.13 | 1.15 | 7.4 | 0.32 |
# | n-gram look-up | 0.39 | 0.35 | 1.05 | 19.7 | 0.84 |
#
# | greedy decoding | share accepted | tokens a round | tokens/s | speed-up |
# | --- | ---: | ---: | ---: | ---: |
# | plain generation | – | 1.00 | 23.4 | 1.00 |
# | 15 layers, before training | 0.24 | 1.31 | 7.1 | 0.30 |
# | 15 layers | 0.59 | 2.28 | 11.8 | 0.50 |
# | 4 layers | 0.08 | 1.08 | 8.0 | 0.34 |
# | n-gram look-up | 0.75 | 1.45 | 29.0 | 1.24 |
#
# The same with `generate` of the transformers library, whose *assisted generation* is this method, decoding greedily:
#
# | transformers | tokens/s | speed-up |
# | --- | ---: | ---: |
# | plain generation | 17.7 | 1.00 |
# | 15 layers | 9.2 | 0.52 |
# | 4 layers | 6.9 | 0.39 |
# | n-gram look-up | 16.6 | 0.94 |
#
# Tokens/s count processor time, which other programs on the machine hardly change.
#
# **No trained draft pays here.** Distillation works as before: 20 steps take the 15 layers from 0.24 to 0.45, and from
# 1.30 to 1.89 tokens a round. But the price is too high. A call of the 15 layers costs 0.57 of a call of the target,
# and of the 4 layers 0.29, while they have 0.61 and 0.32 of its weights. Another assumption fails, too: on this CPU a
# call that checks five tokens takes 1.73 times as long as a call for one, so even a free draft has to bring 1.73 tokens
# a round before it gains anything in the rounds in which it proposes four.
#
# The free draft wins in greedy decoding, with 1.24 times plain generation in our implementation. It proposes rarely,
# and when it does it is right 75 % of the time, since greedy text repeats itself. In the transformers library it
# gains nothing (0.94). When sampling, plain generation is the fastest of all.
#
# What this does not show: these drafts were trained for 20 steps of 4 rows, on one seed, and the target is small. With
# a target of 70 billion weights on a GPU, checking five tokens should cost hardly more than writing one (see the
# calculation at the top), and a draft can be a hundredth of its size. That is where speculative decoding is used. The
# order of the drafts here holds for this target, this text and this machine.
#
# </details>

# %% [markdown]
# If you are on the laptop tier, run it with **your** `verify`, the untrained draft and the look-up: two prompts, half
# the length. On the tiny tier the next cell only says what to do. On the gpu tier the models are GPT-2-medium and
# DistilGPT-2; we have not measured that.

# %%
from helpers.cached_decoding import compare_real_drafts

compare_real_drafts(verify)

# %% [markdown]
# ## Quiz 4 · What is missing?
#
# A report says: "We distilled a draft for our code model, with 4 layers and 2,000 GPU hours. 72 % of its tokens are
# accepted, and on our benchmark of bug fixes, where most of a file is repeated, generation is 1.8 times as fast as
# plain generation. Distillation pays." Which run does the claim need most?
#
# - **A** More seeds, so that the 72 % get an interval.
# - **B** The same benchmark with a draft that needs no training, such as prompt look-up.
# - **C** The same draft with a larger target, where its cost weighs less.
# - **D** A test that the text is as good as before.

# %% quiz="free_control" points=1
free_control = "B"

# %% [markdown]
# ## Self-check
#
# **A claim about speed.** (a) A report says: "80 % of the draft's tokens are accepted with γ = 4, so generation is 3.4
# times as fast, and the quality is unchanged." Which of the two conclusions follows, and from what? What does the other
# one leave out, and what would you measure? (b) Draft A has an acceptance of 0.9 and costs 0.5 of a call of the target.
# Draft B has 0.6 and costs nothing. Which is faster with γ = 4, and what does that say about training drafts?
#
# *Four to six sentences, about 6 minutes.*

# %% [markdown] answer="speed_claim" points=2
# (a) "The quality is unchanged" follows from the rule of acceptance with the residual, whatever the draft is,
# provided that each drafted token was drawn from the q that is compared. "3.4 times" does not follow: 3.4 is the
# number of tokens a round, for equal and independent acceptance. It leaves out the time of four calls of the draft,
# and that a call that checks five tokens may take longer than a call for one. Measure tokens per second beside plain
# generation with the same implementation, on the same machine and prompts.
#
# (b) A: 4.10 tokens in 1 + 4 · 0.5 = 3 units, 1.37 times. B: 2.31 tokens in one unit, 2.31 times. The free draft wins
# although it agrees far less. Agreement is worth only what it saves beyond its cost, so compare a trained draft with a
# free one.

# %% [markdown]
# ## What to take away
#
# - Accept with probability min(1, p / q), replace from max(p − q, 0): the output follows the target exactly, whatever
#   the draft. The draft decides only the speed.
# - Acceptance is Σ min(p, q) = 1 − total variation. Distillation raises it.
# - A wrong rule neither crashes nor looks wrong. Test the distribution of the output where the truth is known.
# - A round gives (1 − a^(γ+1)) / (1 − a) tokens, in the time of one call of the target and γ calls of the draft.
# - Tokens a round are not speed. Measure tokens per second, against plain generation in the same implementation.
# - **The control for a trained draft is a free one.**

# %% [markdown]
# ## Reading list
#
# **Required**
#
# - Leviathan, Kalman and Matias 2023, [Fast Inference from Transformers via Speculative
#   Decoding](https://arxiv.org/abs/2211.17192), sections 2 and 3: the rule, its proof, and the formula.
#
# **Optional**
#
# - Chen et al. 2023, [Accelerating Large Language Model Decoding with Speculative
#   Sampling](https://arxiv.org/abs/2302.01318): the same rule, found independently, with a large target.
# - Zhou et al. 2024, [DistillSpec](https://arxiv.org/abs/2310.08461): which divergence and whose text to distil drafts
#   with.
# - Xia et al. 2024, [Unlocking Efficiency in Large Language Model Inference](https://arxiv.org/abs/2401.07851): a
#   survey of drafts and rules.
#
# **Reference**
#
# - Hugging Face, [Generation strategies: speculative
#   decoding](https://huggingface.co/docs/transformers/generation_strategies): `assistant_model` and
#   `prompt_lookup_num_tokens`.
# - Saxena 2023, [Prompt Lookup Decoding](https://github.com/apoorvumang/prompt-lookup-decoding).

# %% [markdown]
# ## Stretch goals
#
# - Let draft and target draw with the *same* uniform number (inverse transform) and accept while the tokens are equal.
#   How often are they, compared with Σ p q and with Σ min(p, q)? Does the output keep its distribution?
# - Choose γ in each round from the draft's entropy: stop drafting where it is unsure.
# - Train the draft on text that the *target* wrote instead of the stories. Does the acceptance on such text rise?
# - Let the draft propose two alternatives at the first position, and work out a rule that keeps the distribution.
