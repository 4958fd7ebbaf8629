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
# # Lab 06: A teacher behind an API, and LoRA
#
# So far the teacher was a model in memory: you read its logits and asked as often as you liked. Most strong teachers
# are not like that. They sit behind an API that charges for each token, refuses when it is busy, and returns text, or a
# few log-probabilities at most. In this lab you write a client that can deal with such a teacher, find out how much of
# it a student can still learn, and train with LoRA where memory is short.
#
# **After this lab you can**
#
# - call an API thousands of times without paying for anything twice;
# - retry what may pass, fail at once where it will not, and keep a fixed number of requests in flight;
# - filter what comes back, and say what it cost;
# - learn from the top k log-probabilities, and say what happens to the rest of the distribution;
# - adapt a linear layer with LoRA by hand, and merge it again;
# - read a provider's terms before you train on its output.
#
# **Time:** about 140 minutes (64 for reading, figures and questions, 76 for the exercises).
#
# **You need:** the losses (lab 02) and the training loop (lab 03). New here: `async` and `await`. If you have never
# used them, read the first page of the asyncio tutorial in the reading list.
#
# Work from top to bottom. Under each exercise there is a check, which you can run as often as you like. The badges
# say how hard and how important an exercise is. In a hurry, skip exercises 4 and 5.
#
# If you are stuck, `solution(ask)` shows how we write that exercise, once you have passed its check or failed it three
# times. `skip(ask)` lets you go on with ours, for no points.

# %% setup=true
import asyncio
import hashlib
import json
import math

import torch
import torch.nn.functional as F
from torch import nn

from helpers.api.errors import ApiError

REFUSALS = ("i'm sorry", "i cannot", "i can't", "as an ai")

# %%
import copy
import os
import time
from pathlib import Path

from helpers import plots
from helpers.api.fine_tuning import copy_adapters, nats_of_replies, peft_adapter
from helpers.api.fine_tuning import train_on_replies, train_with_trl
from helpers.api.learning import text_loss, train_on_rows
from helpers.api.purchase import Client, Terms, buy
from helpers.api.replies import ReplyCache, choices_of, rows_of
from helpers.api.served_model import start_served_teacher
from helpers.api.service import is_installed, start_teacher
from helpers.api.terms import print_terms
from helpers.checks import check, predict, reveal, skip, solution
from helpers.data.known_language import KnownLanguage
from helpers.data.python_questions import WORDS, question, request_about
from helpers.evaluation import distance_to_truth
from helpers.experiments.tiny import held_out_batches
from helpers.linear_layers import ATTENTION_AND_MLP, PROJECTIONS, replace_layers
from helpers.linear_layers import training_memory, use_linear_layers
from helpers.models import load_student, load_tokenizer

graded = "NBGRADER_EXECUTION" in os.environ  # while grading, the runs are only tried

# %% [markdown]
# ## Why a black box
#
# There are three kinds of access to a teacher, and each has its own loss.
#
# - **White box:** the weights are yours to run. You have all logits, and use the KL divergence of lab 02.
# - **Log-probabilities:** an API returns, for each token it wrote, the log-probabilities of the k likeliest tokens.
#   OpenAI's API returns at most 20. The loss is the one of exercise 6.
# - **Black box:** an API returns text. The loss is the ordinary cross-entropy on that text, so distillation becomes
#   supervised fine-tuning (SFT) on data that the teacher wrote. Kim and Rush (2016) call it *sequence-level*
#   distillation.
#
# Text is also what people choose when they could have more: it works across tokenizers, it is small to store (a
# sentence against a table of numbers for each token), and it can be filtered and read.
#
# ![A teacher behind a wall. Through it come, from narrow to wide: text, one token at each place; the log-probabilities
# of the k likeliest tokens; all logits. Each leads to its own loss and to the
# student.](../../docs/figures/black_box.svg)
#
# The teacher of this lab is the tiny teacher of labs 03 and 04 behind a real server. It speaks the protocol of OpenAI's
# chat completions, so that the client is the `openai` package and the code works with any compatible provider.

# %%
teacher = start_teacher()

# %% [markdown]
# `teacher.send` is a *coroutine function*: calling it makes a coroutine, and `await` runs it and gives its result. A
# notebook can await directly in a cell. A request is a dictionary. The reply holds the choices, and what was read and
# written, in tokens.

# %%
first_story = {"messages": [{"role": "user", "content": "Tell a story."}], "seed": 1}
told = await teacher.send({**first_story, "logprobs": True, "top_logprobs": 3})
print(told["choices"][0]["text"])
print("finish_reason:", told["choices"][0]["finish_reason"], "  usage:", told["usage"])
for name, chosen, top in told["choices"][0]["tokens"][:3]:
    print(
        f"{name:8} {chosen:6.2f}   top 3:", {key: round(v, 2) for key, v in top.items()}
    )

# %% [markdown]
# <details><summary>What you should see</summary>
#
# A short story, `stop` as its finish reason, and the first tokens with their log-probabilities. This server counts the
# end-of-text token as a written token and lists its log-probabilities too. OpenAI's API does not list it, so there the
# decision to stop can be learned from the text alone.
#
# </details>

# %% [markdown]
# ## Pay once
#
# Every call costs money and time, and runs get interrupted: a laptop sleeps, a connection drops, you find a typo. So
# keep every reply in a file, under a key that is computed from the request, and look there before you ask. The key must
# be equal for equal requests. It must differ as soon as anything differs that could change the reply: the model, the
# messages and their order, the temperature, the seed, or a setting that does not exist yet.
#
# Python's `json.dumps` writes a dictionary in the order in which its keys were added.

# %%
predict(
    "same_key",
    'Are json.dumps({"a": 1, "b": 2}) and json.dumps({"b": 2, "a": 1}) equal?',
    choices=["yes", "no"],
)

# %%
one_way, other_way = json.dumps({"a": 1, "b": 2}), json.dumps({"b": 2, "a": 1})
print(one_way, other_way, "the dictionaries:", {"a": 1, "b": 2} == {"b": 2, "a": 1})
reveal("same_key", "yes" if one_way == other_way else "no")

# %% [markdown]
# ## Exercise 1 · A key for each request
#
# ●○○○○ difficulty · ●●●●○ importance · about 6 minutes
#
# Write `request_key`. It takes a request, a dictionary of JSON data, and returns a string. Equal requests have equal
# keys, whatever the order of the keys in any of their dictionaries, nested ones included. Requests that differ in
# anything have different keys. The key must be the same tomorrow, so Python's own `hash()` will not do: for strings it
# gives a different number in every session.
#
# <details><summary>Hint 1: where to start</summary>
#
# Turn the request into one string that does not depend on the order of the keys, then shorten that string with a hash.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `json.dumps` has a parameter that sorts the keys of all dictionaries, nested ones too. `hashlib.sha256` takes bytes,
# which `text.encode()` gives.
#
# </details>
#
# <details><summary>Hint 3: what goes in</summary>
#
# All of it: `json.dumps` takes the whole request, with `sort_keys=True`. Do not pick out the fields that you know: a
# new setting would be missing. A hash object's `hexdigest()` is a string.
#
# </details>


# %% exercise="request_key"
def request_key(request):
    """Return a string that is equal for equal requests and different for others.

    request: a dictionary of JSON data; the order of keys in its dictionaries does not
    matter, the order in its lists does.
    """
    canonical = json.dumps(request, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


# %% check="request_key" points=1
check(request_key)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **Different keys for equal requests**: the dictionaries inside `messages` are not sorted. `str(sorted(...))` sorts
#   only the outer ones.
# - **`TypeError: Strings must be encoded before hashing`**: call `.encode()` on the string first.
# - **"all are text" should be True**: `.digest()` gives bytes, `.hexdigest()` gives a string.
#
# </details>

# %% [markdown]
# ## Errors that pass, and errors that stay
#
# An API answers with an HTTP status. Some failures are *transient* and pass: 429 says that you sent too many requests,
# and its header `Retry-After` often says when to try again. 500 to 599 are the server's own failures. A reply that
# never comes ends in a time-out. All other failures are *permanent*: 400 (the request is wrong), 401 (the key is
# wrong), 404 (no such model). If you retry those, you wait for nothing.
#
# In this lab `send` raises `ApiError`, with `status` and `retry_after` (seconds, or None if the server did not say), or
# Python's `TimeoutError`.
#
# Between attempts you wait: as long as the server says, or else 1 second, then 2, then 4. Doubling the wait is called
# *exponential backoff*: a server that cannot keep up gets less and less to do. Wait with `await`: `time.sleep` would
# stop everything else, the other requests in flight included.

# %%
predict(
    "total_wait",
    "A request fails 5 times with status 500, then works. How long did you wait?",
    unit="seconds",
)

# %%
reveal("total_wait", sum(2**failure for failure in range(5)))

# %% [markdown]
# ## Exercise 2 · Ask again
#
# ●●●○○ difficulty · ●●●●● importance · about 14 minutes
#
# Write the coroutine function `ask`. It awaits `send(request)` and returns the reply.
#
# - After a `TimeoutError`, and after an `ApiError` with status 429 or 500 to 599, it asks again, at most `attempts`
#   times in all (`attempts` is at least 1).
# - Before the next attempt it awaits `sleep(seconds)`. If the error has a `retry_after` other than None, it waits
#   exactly that, 0 included. If not, after the n-th failed attempt, it waits $2^{n-1}$ seconds, whatever the earlier
#   waits were.
# - Any other `ApiError` is raised at once.
# - When all attempts have failed, the last error is raised, without another wait.
#
# `send` and `sleep` are given, so the check can run your coroutine on a *virtual clock*: nothing really waits.
#
# <details><summary>Hint 1: where to start</summary>
#
# A loop over `range(attempts)`. Inside it, `try` to await the reply and return it, with one `except` for both kinds of
# error.
#
# </details>
#
# <details><summary>Hint 2: what the except does</summary>
#
# It decides whether the error may pass and whether an attempt is left. If not, a bare `raise` raises it again. If so,
# remember its `retry_after`; a `TimeoutError` has none, which `getattr(error, "retry_after", None)` handles.
#
# </details>
#
# <details><summary>Hint 3: the wait</summary>
#
# If `told` is None, `2**attempt` seconds, with `attempt` from 0 on, else `told`. Not `told or 2**attempt`: 0 is a wait
# that the server named, and it counts as false.
#
# </details>


# %% exercise="ask"
async def ask(send, request, attempts, sleep):
    """Return the reply to a request, asking again after failures that may pass.

    send: `await send(request)` gives the reply, or raises ApiError (with `status` and
    `retry_after`) or TimeoutError. attempts: how often to send at most. sleep: `await
    sleep(seconds)` waits.
    Raises the error of the last attempt; one that will not pass at once.
    """
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            status = getattr(error, "status", None)
            may_pass = status is None or status == 429 or 500 <= status < 600
            if not may_pass or attempt == attempts - 1:
                raise
            told = getattr(error, "retry_after", None)
        await sleep(2**attempt if told is None else told)


# %% check="ask" points=4
check(ask)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **"a coroutine that nobody awaited"**: you return what `send(request)` gives. Put `await` before it.
# - **The right reply, but other waits**: compare "waits" with the expected list. Do you wait after the last attempt,
#   use `asyncio.sleep`, or start at 2 seconds?
# - **`UnboundLocalError` on `error`**: Python deletes the name at the end of the `except` block. Store what you need
#   from it in another variable.
#
# </details>

# %% [markdown]
# ## Quiz 1 · Which one to retry
#
# After which of these does it make sense to send the same request again?
#
# - **A** 401, the key is wrong.
# - **B** 503, the service is unavailable.
# - **C** 400, a parameter is out of range.

# %% quiz="retry_which" points=1
retry_which = "B"

# %% [markdown]
# Now let the real server fail: every second request gets status 429 with `Retry-After: 0.2`.

# %%
teacher.set_faults(busy_every=2, retry_after=0.2)
began, before = time.perf_counter(), teacher.served
for seed in range(3):
    await ask(teacher.send, {**first_story, "seed": seed}, 4, asyncio.sleep)
print(f"3 replies from {teacher.served - before} requests", end=", ")
print(f"in {time.perf_counter() - began:.1f} s")
teacher.set_faults()

# %% [markdown]
# ## Many requests at a time
#
# If you send one request after the other, you spend most of the time waiting. If you send them all at once, the server
# answers 429. So keep a fixed number *in flight*: as soon as one reply arrives, the next request goes out.
#
# The server takes 0.2 seconds for each request, and you have 12 requests.

# %%
predict(
    "in_flight",
    "How long do they take with 4 in flight?",
    unit="seconds",
    tolerance=0.4,
)

# %% [markdown]
# ## Exercise 3 · All requests, a few in flight
#
# ●●●●○ difficulty · ●●●●● importance · about 16 minutes
#
# Write the coroutine function `ask_all`. It awaits `send(request)` for every request, with at most `limit` in flight
# (`limit` is at least 1), and returns a list.
#
# - The replies are in the order of the requests, whatever the order in which they come.
# - Requests are sent in their order, each as soon as fewer than `limit` are in flight. Do not wait for whole groups:
#   one slow reply must not hold up the others.
# - If `send` raises an `ApiError` or a `TimeoutError`, that error object stands in the request's place, and the other
#   requests go on. There are no retries here.
# - Every request is sent, equal ones too: asked twice, a sampling model gives two samples.
# - No task is left running at the end. Without requests the list is empty.
#
# <details><summary>Hint 1: where to start</summary>
#
# Write an inner coroutine for one request. It waits for a free place, sends, and returns the reply. Then run one for
# each request at the same time.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `asyncio.Semaphore(limit)` with `async with` keeps the places. `asyncio.gather` runs coroutines together and returns
# their results in the order in which you passed them.
#
# </details>
#
# <details><summary>Hint 3: failures</summary>
#
# `asyncio.gather(*coroutines, return_exceptions=True)` puts an error in its place, instead of raising it and losing the
# rest. The `send` has to stand inside the `async with` block.
#
# </details>


# %% exercise="ask_all"
async def ask_all(send, requests, limit):
    """Return the replies in the order of the requests, at most `limit` in flight.

    send: as in `ask`. The error of a request that failed stands in its place.
    """
    free = asyncio.Semaphore(limit)

    async def one(request):
        async with free:
            return await send(request)

    coroutines = (one(request) for request in requests)
    return await asyncio.gather(*coroutines, return_exceptions=True)


# %% check="ask_all" points=4
check(ask_all)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **More in flight than the limit**: the semaphore is held while the task is made, but not during `await
#   send(request)`.
# - **Right replies, but "finished at" is too late**: you send in groups, and wait for the slowest of each.
# - **Calls in another order**: `asyncio.as_completed` starts coroutines in any order. Make tasks of them first.
# - **"It waits forever", where a reply never comes**: that is expected in this example. What counts is that all other
#   requests were sent.
#
# </details>

# %%
teacher.set_faults(slow_every=1, slow_seconds=0.2)
dozen = [{**first_story, "seed": seed} for seed in range(12)]
seconds = {}
for places in (1, 4, 12):
    began = time.perf_counter()
    await ask_all(teacher.send, dozen, places)
    seconds[places] = time.perf_counter() - began
    print(f"{places:2} in flight: {seconds[places]:.1f} s")
teacher.set_faults()
reveal("in_flight", round(seconds[4], 1))

# %% [markdown]
# <details><summary>What you should see</summary>
#
# Waiting alone would take 2.4 seconds one by one, and 12 / 4 · 0.2 = 0.6 seconds with 4 in flight. Whatever you measure
# above that is the teacher's own work and that of other programs, and asking for more at a time does not speed it up.
# While a class is being graded there is no server, and the times are near 0.
#
# </details>

# %% [markdown]
# ## Exercise 4 · Which replies to keep
#
# ●●○○○ difficulty · ●●●○○ importance · about 8 minutes
#
# A student learns whatever you feed it: half a sentence, an apology, an empty reply. Write `keep_reply`. It takes one
# choice, a dictionary with `text` (which may be None), `finish_reason` and `refusal` (None or a string), and returns
# True or False. It keeps a reply if all of these hold.
#
# - It ended by itself: `finish_reason` is "stop". With "length" it was cut off; other values are failures too.
# - It is not empty: its text holds more than white space.
# - The API has not marked it as a refusal: `refusal` is None or empty.
# - It does not *begin* like a refusal: none of `REFUSALS` (in the first cell) stands at the start of the text, in small
#   or capital letters, after any white space, with either apostrophe (' or ’).
#
# Short texts are fine.
#
# <details><summary>Hint 1: where to start</summary>
#
# Prepare the text once: `(reply["text"] or "").strip()`. Then test one condition after the other.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `text.lower().replace("’", "'")` makes strings comparable, and `startswith` takes a whole tuple of beginnings.
#
# </details>
#
# <details><summary>Hint 3: True or False</summary>
#
# `a and b` returns one of its operands, which may be a string or None. `bool(...)` or an `if` makes it True or False.
#
# </details>


# %% exercise="keep_reply"
def keep_reply(reply):
    """Return whether a reply is worth learning from.

    reply: a mapping with `text` (a string or None), `finish_reason` and `refusal`.
    """
    text = (reply["text"] or "").strip()
    if reply["finish_reason"] != "stop" or reply["refusal"] or not text:
        return False
    return not text.lower().replace("’", "'").startswith(REFUSALS)


# %% check="keep_reply" points=2
check(keep_reply)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **`AttributeError: 'NoneType' object has no attribute 'strip'`**: a refusal has no text.
# - **"it is a string, and it should be True or False"**: your last line returns an operand of `and`.
# - **Stories that disappear**: you look for the phrases anywhere in the text. Only the beginning counts.
#
# </details>
#
# A filter like this is crude: a story that begins with "I cannot believe my eyes" is lost. Look at what you drop before
# you drop it.

# %% [markdown]
# ## Exercise 5 · What it cost
#
# ●○○○○ difficulty · ●●○○○ importance · about 3 minutes
#
# Write `cost`. It takes the `usage` of any number of replies, and two prices in dollars per million tokens: one for the
# tokens that the model read (`prompt_tokens`), one for those that it wrote (`completion_tokens`). It returns dollars,
# not rounded; 0 if there is no reply.
#
# <details><summary>Hint 1: where to start</summary>
#
# Add up both kinds of token over all replies.
#
# </details>
#
# <details><summary>Hint 2: the unit</summary>
#
# The prices are per 1,000,000 tokens.
#
# </details>
#
# <details><summary>Hint 3: the formula</summary>
#
# (read · price_in + written · price_out) / 1,000,000. Leave `total_tokens` alone: it holds both already.
#
# </details>


# %% exercise="cost"
def cost(usages, price_in, price_out):
    """Return what replies cost in dollars.

    usages: mappings with `prompt_tokens` and `completion_tokens`. price_in, price_out:
    dollars per million tokens read and written.
    """
    read = sum(usage["prompt_tokens"] for usage in usages)
    written = sum(usage["completion_tokens"] for usage in usages)
    return (read * price_in + written * price_out) / 1e6


# %% check="cost" points=1
check(cost)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **0.0 everywhere**: you round to cents. One request costs far less.
# - **A thousand times too much**: some price lists are per thousand tokens; these are per million.
# - **`TypeError` on `usage.prompt_tokens`**: these are dictionaries; write `usage["prompt_tokens"]`.
#
# </details>

# %% [markdown]
# ## Buying a data set
#
# Your functions now work together in `buy`. It computes each request's key, leaves out what is in the cache, and sends
# the rest through your `ask_all` and `ask`. Each reply goes into the cache as soon as it arrives. The bar shows the
# cost so far and the time to go.
#
# The prices are made up: 0.15 dollars per million tokens read, 0.60 per million written. Each request asks for 16
# stories (`n=16`), so you pay only once for reading the prompt. First the run is stopped after 12 replies, as if the
# laptop had been closed.

# %%
PRICES = {"price_in": 0.15, "price_out": 0.60}
SHOWN = {"logprobs": True, "top_logprobs": 5, "n": 16, "max_tokens": 60}
orders = [{**first_story, **SHOWN, "seed": seed} for seed in range(4 if graded else 60)]
client = Client(request_key, ask, ask_all, cost)
cache_file = Path("replies.jsonl")
cache_file.unlink(missing_ok=True)


class LaptopClosed(BaseException):
    """Stops a run in the middle."""


def closing_after(calls):
    """A send that works so many times, and then stops the whole run."""
    done = []

    async def limited(order):
        if len(done) == calls:
            raise LaptopClosed
        done.append(order)
        return await teacher.send(order)

    return limited


try:
    await buy(
        client, closing_after(12), orders, ReplyCache(cache_file), Terms(**PRICES)
    )
except LaptopClosed:
    print("The laptop was closed.")

# %% [markdown]
# Now run the same purchase again, with the same cache. This time every tenth reply is cut off.

# %%
kept_before = len(ReplyCache(cache_file))
predict(
    "paid_again",
    f"{kept_before} of {len(orders)} replies are in the cache. How many are sent now?",
    unit="requests",
)

# %%
teacher.set_faults(cut_every=10)
before = teacher.served
bought = await buy(
    client, teacher.send, orders, ReplyCache(cache_file), Terms(**PRICES)
)
teacher.set_faults()
print(f"{teacher.served - before} requests were sent and paid for.")
reveal("paid_again", len(orders) - kept_before)

before = teacher.served
bought = await buy(
    client, teacher.send, orders, ReplyCache(cache_file), Terms(**PRICES)
)
print(f"Once more: {teacher.served - before} requests.")

# %%
stories = choices_of(bought)
good = [story for story in stories if keep_reply(story)]
paid = cost([each["usage"] for each in bought], **PRICES)
print(f"{len(stories)} stories, {len(good)} kept, {paid:.4f} dollars")
print("dropped:", next((s["text"] for s in stories if not keep_reply(s)), "none"))

# %% [markdown]
# ## What a few log-probabilities say
#
# For each token that it wrote, the API has returned five log-probabilities. How should a student learn from them? The
# five probabilities do not sum to 1: what is left belongs to all other tokens together.
#
# - **With the rest:** treat the rest as one more outcome, a bucket. The student's probabilities of all tokens that are
#   not listed are added up and compared with what the teacher left.
# - **Renormalised:** divide the five probabilities by their sum, as if nothing else were possible. It is the shorter
#   code.
#
# In both cases the loss is a cross-entropy, $-\sum_i p_i \log q_i$, and the student's $q$ is a softmax over the *whole*
# vocabulary.
#
# The teacher gives a token .5 and .3 for the two likeliest, and .2 to all others.

# %%
predict(
    "renormalised",
    "You renormalise. What does a perfect student give to all other tokens together?",
    unit="%",
)

# %%
reveal("renormalised", 0.0)

# %% [markdown]
# The renormalised loss is smallest where the student copies .625 and .375, and gives nothing to the others. So it
# teaches that everything outside the list is impossible. With the bucket, a perfect student gives .2 to the others, but
# nothing says how to divide it among them.

# %% [markdown]
# ## Exercise 6 · The top-k loss
#
# ●●●●○ difficulty · ●●●●● importance · about 15 minutes
#
# Write `top_k_loss`, in nats, as a mean over the positions that count.
#
# - `values` `(B, S, k)` are log-probabilities of the teacher, `ids` `(B, S, k)` their tokens, each token once,
#   `student_logits` `(B, S, V)`, and `mask` `(B, S)` is True or 1 where a position counts.
# - With `tail=True`, the probability that is left, $1 - \sum_i p_i$ (0 if rounding makes it negative), is one more
#   outcome. Where all V tokens are listed there is no rest, and it adds 0.
# - With `tail=False`, the k probabilities are divided by their sum.
# - If nothing counts, the loss is 0. Gradients reach the student's logits.
# - If the shapes do not fit together, raise a `ValueError`: `values` and `ids` have one shape, and without its last
#   dimension it is that of the mask, and that of the logits without theirs.
#
# <details><summary>Hint 1: where to start</summary>
#
# Compute the student's log-softmax over the vocabulary, then pick the listed tokens with `gather(-1, ids)`.
#
# </details>
#
# <details><summary>Hint 2: the student's rest</summary>
#
# Put minus infinity in the listed places with `scatter(-1, ids, -math.inf)`, and take the `logsumexp` over the
# vocabulary. This is stable where $\log(1 - \sum q_i)$ is not.
#
# </details>
#
# <details><summary>Hint 3: no rest at all</summary>
#
# Where all tokens are listed, that logsumexp is minus infinity, and 0 · ∞ is NaN. Replace infinite values by 0 with
# `torch.where` *before* you multiply.
#
# </details>


# %% exercise="top_k_loss"
def top_k_loss(values, ids, student_logits, mask, tail=True):
    """Return the cross-entropy against the teacher's top k, a mean over the mask.

    values, ids: log-probabilities and their tokens, `(B, S, k)`. student_logits: `(B,
    S, V)`. mask: `(B, S)`. tail: whether the rest is one more outcome; if not, the k
    probabilities are divided by their sum.
    Raises ValueError if the shapes do not fit together.
    """
    leading = student_logits.shape[:-1]
    if values.shape != ids.shape or not values.shape[:-1] == mask.shape == leading:
        raise ValueError("values, ids, student_logits and mask do not fit together")
    log_q = F.log_softmax(student_logits, dim=-1)
    p = values.exp()
    if tail:
        rest = (1 - p.sum(dim=-1)).clamp(min=0)
        others = log_q.scatter(-1, ids, -math.inf).logsumexp(dim=-1)
        of_the_rest = rest * torch.where(others.isinf(), 0.0, others)
    else:
        p = p / p.sum(dim=-1, keepdim=True)
        of_the_rest = 0.0
    per_token = -(p * log_q.gather(-1, ids)).sum(dim=-1) - of_the_rest
    return torch.where(mask.bool(), per_token, 0.0).sum() / mask.sum().clamp(min=1)


# %% check="top_k_loss" points=4
check(top_k_loss)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **NaN where all tokens are listed**: 0 times minus infinity. See hint 3.
# - **The right value for tail=False, a smaller one for tail=True**: the rest is missing.
# - **"Bad input must raise a ValueError"**: a mask of shape `(B, 1)` broadcasts silently. Compare the shapes.
#
# </details>

# %% [markdown]
# ## What the student learns from it
#
# Train three students on what you have bought: on the text alone, on the top five with the rest, and on the top five
# renormalised. Rows, order, steps and learning rate are the same. The distance to the truth is the KL divergence from
# the known language to the student, in nats per token.

# %%
ACCESS = ["text alone", "top 5 and the rest", "top 5, renormalised"]
predict(
    "worst", "Which of the three students is farthest from the truth?", choices=ACCESS
)

# %%
language, tokenizer = KnownLanguage.stories(), load_tokenizer("tiny")
rows = rows_of(good, tokenizer, length=64)
print(f"{len(rows['input_ids'])} rows of 64 tokens")


def listed_loss(tail):
    """A loss for `train_on_rows` that uses your top_k_loss."""

    def loss_of(logits, part):
        counted = torch.ones_like(part["ids"][..., 0])
        return top_k_loss(part["values"], part["ids"], logits[:, :-1], counted, tail)

    return loss_of


kinds = [text_loss, listed_loss(True), listed_loss(False)]
losses = dict(zip(ACCESS, kinds, strict=True))
held_out = held_out_batches(language)
distances = {}
for name, loss in losses.items():
    student = load_student("tiny")
    run = {"steps": 3 if graded else 200, "learning_rate": 1e-2, "seed": 0}
    train_on_rows(student, rows, loss, **run, progress=True)
    distances[name] = distance_to_truth(student, language, held_out)
    print(f"{name:22} {distances[name]:.3f} nats from the truth")
reveal("worst", max(distances, key=distances.get))

# %% [markdown]
# This is one seed and one learning rate. We ran every kind of access with three seeds, 300 rows and 300 steps, each
# with the learning rate that was best for it on other seeds and another text.

# %% fold=true
ACCESS_DISTANCES = {
    "all logits": [0.025, 0.031, 0.059],
    "top 20 and the rest": [0.026, 0.032, 0.059],
    "top 20, renormalised": [0.026, 0.031, 0.058],
    "text, T = 1": [0.109, 0.114, 0.106],
    "text, T = 0.7": [0.196, 0.182, 0.155],
    "top 5 and the rest": [0.255, 0.221, 0.275],
    "top 5, renormalised": [0.470, 0.483, 0.472],
    "text, greedy": [3.838, 3.843, 3.830],
}
plots.what_an_api_returns(ACCESS_DISTANCES)

# %% [markdown]
# | the API returns | distance | three seeds | bought: possible | distinct | student writes: possible | distinct |
# | --- | ---: | ---: | ---: | ---: | ---: | ---: |
# | all logits | 0.039 | 0.025 to 0.059 | 96 % | 100 % | 49 % | 100 % |
# | top 20 and the rest | 0.039 | 0.026 to 0.059 | 96 % | 100 % | 50 % | 100 % |
# | top 20, renormalised | 0.038 | 0.026 to 0.058 | 96 % | 100 % | 50 % | 100 % |
# | text, T = 1 | 0.110 | 0.106 to 0.114 | 96 % | 100 % | 20 % | 100 % |
# | text, T = 0.7 | 0.178 | 0.155 to 0.196 | 100 % | 100 % | 31 % | 100 % |
# | top 5 and the rest | 0.250 | 0.221 to 0.275 | 96 % | 100 % | 18 % | 100 % |
# | top 5, renormalised | 0.475 | 0.470 to 0.483 | 96 % | 100 % | 16 % | 100 % |
# | text, greedy | 3.837 | 3.830 to 3.843 | 100 % | 0.2 % | 94 % | 6 % |
#
# Distances to the truth are in nats per token. “Possible” and “distinct” are shares of whole stories: of those that
# were bought, and of 200 rows that the student writes.
#
# **Twenty are as good as all.** The twenty likeliest of 210 tokens hold nearly all of the probability, so the top 20
# with the rest (0.039), the top 20 renormalised (0.038) and all logits (0.039) differ less than their seeds do. No
# difference is shown.
#
# **At 300 rows, five are worse than none.** With the top five and the rest, the student is farther from the truth
# (0.250) than with the text alone (0.110), in every seed. The bucket says how much probability the other tokens have
# together, and nothing about how it is divided. Text says it, slowly: each token comes as often as the teacher thinks
# it likely. Renormalised, the five do more harm (0.475).
#
# **A lower temperature costs.** At T = 0.7 nearly all stories are possible, but they are not the language any more
# (0.178). Greedy text is the extreme: 100 % of its stories are possible and 0.2 % are distinct, because the prompt is
# always the same. The student learns that one story, and is 3.8 nats from the truth. It is tempting to look at the
# share of possible stories alone.
#
# All arms had the same number of steps and their own best learning rate out of three. The teacher is nearly an oracle
# (lab 04), which favours everything that is close to it.

# %% [markdown]
# ## At equal price
#
# All arms of the table bought the same 18,900 tokens, so with an API that charges by the token, and nothing extra for
# log-probabilities, the price is equal too. What if the money went into more text?

# %% [markdown]
# | rows bought | steps | text alone | top 5 and the rest |
# | ---: | ---: | ---: | ---: |
# | 75 | 300 | 0.590 | 0.282 |
# | 300 | 300 | 0.110 | 0.250 |
# | 1,200 | 300 | 0.101 | 0.251 |
# | 1,200 | 1,200 | 0.011 | 0.154 |
#
# Means over three seeds, in nats per token. What the rows cost is proportional to the first column. The first and the
# third row use the learning rate of the second; the last has its own.
#
# **With little text, the five help.** From 75 rows of text alone, the student learns the rows by heart (0.590). The top
# five keep it from that (0.282), since each token comes with alternatives.
#
# **More text pays only with more steps.** Four times the text in the same 300 steps brings little (0.110 to 0.101).
# With four times the steps as well, text alone comes to 0.011, while the top five stop at 0.154: more lists of five
# still do not show what a list of five leaves out.

# %% [markdown]
# ## Quiz 2 · The missing control
#
# A report says: "We bought 300 rows of text, and the student came within 0.11 nats of the truth. With the top 20
# log-probabilities of 1,200 rows, and the same number of steps for each row, it came within 0.03. So log-probabilities
# make students almost four times better." Which run is missing?
#
# - **A** The same two students with more seeds.
# - **B** A larger student with the log-probabilities.
# - **C** A student trained on the text alone of the same 1,200 rows, for as many steps.
# - **D** The same two students, measured by perplexity.

# %% quiz="missing_run" points=1
missing_run = "C"

# %% [markdown]
# ## Training a few weights
#
# Fine-tuning all weights with AdamW keeps, beside each weight, its gradient and two running means: four numbers for
# each. For a model of 7 billion weights in float32 that is 112 GB. *LoRA* (low-rank adaptation, Hu et al. 2021) freezes
# the weights and adds to a layer the product of two thin matrices, which are trained:
#
# $$y = W x + b + \frac{\alpha}{r} \, B A x$$
#
# A has shape (r, in), B has shape (out, r), and the *rank* r is small, such as 8. A starts at random and B at zero, so
# that the model begins exactly as it was. The factor α / r keeps the size of the change about the same when you try
# another rank. After training, $W + \frac{\alpha}{r} B A$ is one matrix again: the *merged* model has the old shape and
# costs nothing extra to run.
#
# A layer maps 576 numbers to 576, as in SmolLM2's attention. Its weight has 331,776 numbers.

# %%
predict(
    "lora_weights",
    "How many weights does LoRA with rank 8 train there?",
    unit="weights",
)

# %%
reveal("lora_weights", 8 * 576 + 576 * 8)

# %% [markdown]
# ## Exercise 7 · A linear layer with LoRA
#
# ●●●○○ difficulty · ●●●●○ importance · about 14 minutes
#
# Write the class `LoRALinear`, an `nn.Module`.
#
# - `LoRALinear(linear, rank, alpha)` takes an `nn.Linear`, with or without bias. It freezes all of it and does not
#   change it.
# - It trains exactly two weights: A of shape `(rank, in)`, at random at first, and B of shape `(out, rank)`, zero at
#   first, both in the layer's dtype.
# - Calling it gives $W x + b + \frac{\alpha}{r} B A x$, for x of shape `(…, in)`.
# - `merge()` returns a new plain `nn.Linear` of equal output, with a bias if the layer has one. It shares no memory
#   with the frozen layer, and calling `merge` changes nothing in this one.
#
# <details><summary>Hint 1: where to start</summary>
#
# Keep the layer as an attribute, and freeze it with `requires_grad_(False)`. What is trained is an `nn.Parameter`.
#
# </details>
#
# <details><summary>Hint 2: shapes</summary>
#
# x is a row here, so $A x$ becomes `x @ A.T`. `linear.in_features` and `linear.out_features` are the sizes, and
# `linear.weight.new_zeros(...)` makes a tensor of the same dtype.
#
# </details>
#
# <details><summary>Hint 3: merging</summary>
#
# Make a new `nn.Linear` with the same sizes and dtype, and copy $W + \frac{\alpha}{r} B A$ and the bias into it under
# `torch.no_grad()`.
#
# </details>


# %% exercise="LoRALinear"
class LoRALinear(nn.Module):
    """A frozen linear layer plus alpha / rank · B A, which is trained.

    linear: an nn.Linear, `out` by `in`. rank: rows of A `(rank, in)`, columns of B
    `(out, rank)`. B is zero at first.
    """

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.A = nn.Parameter(linear.weight.new_empty(rank, linear.in_features))
        self.B = nn.Parameter(linear.weight.new_zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale = alpha / rank

    def forward(self, x):
        return self.linear(x) + self.scale * (x @ self.A.T @ self.B.T)

    def merge(self):
        """Return a plain nn.Linear of equal output."""
        old, has_bias = self.linear, self.linear.bias is not None
        sizes = old.in_features, old.out_features
        merged = nn.Linear(*sizes, bias=has_bias, dtype=old.weight.dtype)
        merged.load_state_dict(old.state_dict())
        with torch.no_grad():
            merged.weight += self.scale * self.B @ self.A
        return merged


# %% check="LoRALinear" points=4
check(LoRALinear)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **`cannot assign module before Module.__init__() call`**: `super().__init__()` comes first.
# - **"original weights changed"**: `merge()` adds to the frozen weight itself. Work on a new layer.
# - **"shapes of what is trained" lists the weight or the bias**: freeze the whole layer, not only its weight.
#
# </details>

# %% [markdown]
# ## The same as PEFT's, and what it saves
#
# [PEFT](https://huggingface.co/docs/peft) is the library that most people use for this. Put your layer into the tiny
# student, put PEFT's into another copy, give both the same numbers, and compare. (A GPT-2 model keeps the weights of
# these layers transposed; `use_linear_layers` replaces them by plain `nn.Linear` layers of equal output.)

# %%
RANK, ALPHA = 4, 8
plain = use_linear_layers(load_student("tiny"))
adapted = replace_layers(copy.deepcopy(plain), lambda it: LoRALinear(it, RANK, ALPHA))
adapters = [part for part in adapted.modules() if isinstance(part, LoRALinear)]
for part in adapters:
    nn.init.normal_(part.B, std=0.1)  # as if it had been trained
merged = replace_layers(copy.deepcopy(adapted), lambda it: it.merge())
sample = rows["input_ids"][:4]


@torch.no_grad()
def largest_gap(one, other):
    """The largest difference between two models' logits."""
    whole = torch.ones_like(sample)
    gaps = one(sample, attention_mask=whole).logits
    gaps -= other(sample, attention_mask=whole).logits
    return gaps.abs().max().item()


print(f"adapted against plain   {largest_gap(adapted, plain):.3f}")
print(f"merged against adapted  {largest_gap(merged, adapted):.1e}")
if is_installed("lora"):
    reference = peft_adapter(copy.deepcopy(plain), ATTENTION_AND_MLP, RANK, ALPHA)
    copy_adapters(reference, [(part.A, part.B) for part in adapters])
    print(f"yours against PEFT's    {largest_gap(adapted, reference):.1e}")

# %%
for name, model_ in {
    "all weights": plain.requires_grad_(True),
    "LoRA": adapted,
}.items():
    needs = training_memory(model_)
    print(
        f"{name:12} trains {needs['trained_weights']:6,} weights; "
        f"AdamW keeps {needs['optimizer_bytes'] / 1e3:5.0f} kB for them"
    )

# %% [markdown]
# These models are small. For SmolLM2, the teacher of the laptop tier, with rank 8 in all attention and MLP layers, we
# measured (float32):
#
# | | weights trained | gradients | AdamW's state | to save |
# | --- | ---: | ---: | ---: | ---: |
# | all weights | 134,515,008 | 538 MB | 1,076 MB | 538 MB |
# | LoRA | 2,442,240 | 10 MB | 20 MB | 10 MB |
#
# That is 55 times less for gradients and optimizer. The frozen weights (538 MB) and the activations stay, so the total
# shrinks by less. And you can store an adapter of 10 MB for each task, beside one copy of the model.

# %% [markdown]
# In practice this is done with a trainer. TRL's `SFTTrainer` fine-tunes on rows of text, and trains every weight that
# requires a gradient. Let it train your adapters alone on the text that you have bought and then, as a control, all
# weights in the same number of steps.

# %%
if is_installed("lora") and not graded:
    settings = {"steps": 60, "learning_rate": 1e-2}
    everything = use_linear_layers(load_student("tiny"))
    tuned = copy.deepcopy(everything)
    tuned = replace_layers(tuned, lambda it: LoRALinear(it, 16, 32.0))
    print(
        f"untrained: {distance_to_truth(tuned, language, held_out):.2f} nats per token"
    )
    for name, model_ in {"LoRA": tuned, "all weights": everything}.items():
        course = train_with_trl(model_, tokenizer, rows["input_ids"], **settings)
        print(f"{name}: loss {course[0]:.2f} → {course[-1]:.2f}", end=", ")
        print(f"distance {distance_to_truth(model_, language, held_out):.2f}")


# %% [markdown]
# <details><summary>What you should see</summary>
#
# The distance starts at 0.59 nats per token. LoRA takes off 0.01 or 0.02, and training all weights brings it to about a
# third of a nat. The loss cannot reach 0, since it contains the text's own entropy.
#
# </details>
#
# LoRA is meant for models that already know a lot and need only a small change. This student has a whole language to
# learn, its embeddings included, and at this learning rate a few thin matrices hardly move it. That is one seed and one
# rate, so it says nothing about LoRA in general.

# %% [markdown]
# ## A real model behind the same protocol
#
# Your client knows an address and a protocol, and nothing of the model behind them. So it works with other servers too.
# The transformers library has one: `transformers serve` puts a model behind OpenAI's protocol. On the laptop tier, the
# next cells start it with SmolLM2-135M-Instruct, on a free port of your own machine. In the tiny tier they say what to
# do, and do nothing.
#
# *Compatible* means that a server understands the requests. Whether it does what they ask for is another question.
#
# Suppose you ask this server for four choices (`n=4`) with log-probabilities.

# %%
ANSWERS = ["an error", "four choices, with log-probabilities", "one choice, text alone"]
predict("compatible", "What does `transformers serve` return?", choices=ANSWERS)

# %%
served = start_served_teacher()
if served is not None:
    asked = {**request_about("yield"), "n": 4, "logprobs": True, "top_logprobs": 5}
    choices = (await served.send(asked))["choices"]
    print(len(choices), "choice,", len(choices[0]["tokens"]), "tokens with log-probs:")
    print(choices[0]["text"])

# %% fold=true
# what our run gave
reveal("compatible", "one choice, text alone")

# %% [markdown]
# <details><summary>What you should see</summary>
#
# Version 5.23 ignores `n`, `logprobs` and `top_logprobs`, and tells only its own log. With SmolLM2 it also ignores
# `temperature` and `seed`: the model's settings say nothing of sampling, so every reply is greedy, the text that taught
# so little above. Our requests therefore carry a field of this server alone, `generation_config`, with `do_sample` in
# it. Another version may refuse what it does not know. So try out each setting that you pay for: send it twice with two
# seeds, and look at what comes back.
#
# </details>
#
# Now buy some replies with **your** client. The requests name the model, so their keys differ from those of the tiny
# teacher. Then a student learns from the text: 15 of the teacher's 30 layers, with PEFT's adapters and TRL's trainer.
# This takes two to four minutes.

# %%
if served is not None:
    asked = [{"model": served.model, **request_about(word)} for word in WORDS[:12]]
    one_by_one = Terms(**PRICES, limit=1)  # the server writes one reply at a time
    sold = await buy(client, served.send, asked, ReplyCache(cache_file), one_by_one)
    pairs = [
        (question(word), choice["text"])
        for word, choice in zip(WORDS[:12], choices_of(sold), strict=True)
        if keep_reply(choice)
    ]
    print(f"{len(pairs)} of {len(sold)} replies kept,", end=" ")
    print(f"{cost([each['usage'] for each in sold], **PRICES):.5f} dollars")

# %%
if served is not None and is_installed("lora"):
    real_student = peft_adapter(load_student("laptop"), PROJECTIONS, 8, 16)
    chat = load_tokenizer("laptop")
    print(f"{nats_of_replies(real_student, chat, pairs):.2f} nats per token before")
    train_on_replies(real_student, chat, pairs, steps=8, learning_rate=1e-3)
    after_training = nats_of_replies(real_student, chat, pairs)
    print(f"{after_training:.2f} after, on the same replies")

# %% [markdown]
# <details><summary>What was measured</summary>
#
# We asked 40 questions. 30 replies ended by themselves and were kept. The student learned from 25 of them, in 16 steps
# of 4 replies. The table gives the cross-entropy of the teacher's replies to 5 other questions, in nats per token.
#
# | | weights trained | other replies | processor time |
# | --- | ---: | ---: | ---: |
# | the teacher | | 1.59 | |
# | the student before | | 5.27 | |
# | LoRA, rank 8 | 1,221,120 | 3.49 | 36 s |
# | all weights | 81,413,568 | 3.25 | 46 s |
#
# This is one seed, and the two rates were not tuned. It shows that the path works and what it costs, not which way of
# training is better. With equal adapters, the logits of our LoRA and of PEFT's differ by less than 1e-6 on this student
# too (in float64).
#
# Read what you have bought. This reply was kept: “The `def` keyword in Python is the definition of an integer literal.
# It creates a new value defined by a function.” `keep_reply` looks at the form of a reply, and cannot tell that it is
# wrong. The student learns it like the others.
#
# </details>

# %% [markdown]
# ## What a licence says
#
# Before you train on what another model wrote, read what you agreed to. Terms differ between providers, between the API
# and the app, between versions of one model, and over time. These are the passages that we read, each with its date and
# source. They say nothing about other versions.

# %%
print_terms()

# %% [markdown]
# Read them as you would read code. *Who* is bound: whoever agreed. *What* is forbidden or demanded: to "develop models
# that compete", or to put a name at the front. *What is not defined*: when does a model compete? And the licence of the
# *weights* is not the terms of the *service*: the same model can come under one when you run it, and under the other
# when you call it.

# %% [markdown]
# ## Quiz 3 · Reading a term
#
# Your company wants to sell a summariser for court files. You plan to train it on 50,000 summaries from an API whose
# terms say: "You may not use the Services to develop models that compete with the Services." What do you do?
#
# - **A** Go ahead: a summariser is research.
# - **B** Go ahead: the summaries are only data.
# - **C** Note which version of the terms you read and when, ask a lawyer what "compete" covers here, or take a teacher
#   whose licence explicitly allows it.

# %% quiz="read_a_term" points=1
read_a_term = "C"

# %% [markdown]
# ## What it saves
#
# Distillation costs once and saves with every request. Suppose the teacher costs 0.0034 dollars a request, and the
# student 0.0004. The data cost 20 dollars, and the training cost 10.

# %% [markdown]
# ## Quiz 4 · When it pays
#
# After how many requests have you earned back what the student cost?
#
# - **A** After the first one: the student is cheaper.
# - **B** After 10,000 requests.
# - **C** Never: training costs more than a request saves.

# %% quiz="cheap_enough" points=1
cheap_enough = "B"

# %% [markdown]
# The sum leaves out what is hard to price: your own time, checking that the student is good enough, and doing it again
# when the teacher changes. And it holds only as long as the requests look like the data.

# %% [markdown]
# ## Self-check
#
# **What may it learn?** (a) Explain why the student of the renormalised top five ended worse than the one that saw only
# text, although it was given more numbers. (b) A colleague trains a student on greedy text (T = 0) of the same prompt,
# because it has the fewest mistakes. What do the shares in the table say about that, and what would you do instead?
#
# *Five to seven sentences, about 6 minutes.*

# %% [markdown] answer="what_may_it_learn" points=2
# (a) Renormalising declares all tokens outside the list impossible, so the student is pushed to give them probability
# 0, at every position. That is false wherever the teacher spreads its probability over many tokens, such as names and
# places, and the KL divergence from the truth punishes it hard. Sampled text has noise, but no bias: each token appears
# as often as the teacher thinks it likely, so with enough text the average is right.
#
# (b) Nearly all greedy stories are possible in the language, but hardly any are distinct: the same story again and
# again. A share of correct text says nothing about coverage. I would sample at T = 1, or vary the prompts, and filter
# afterwards, and I would look at the share of distinct text beside the share of correct text.

# %% [markdown]
# ## What to take away
#
# - With a key, a cache, retries and a limit, you never pay twice for a reply, even if a run is interrupted.
# - Retry 429, 5xx and time-outs, wait as long as the server says, and fail at once otherwise.
# - Keep what ended by itself, and look at what you drop.
# - Sampled text is noisy but unbiased. A truncated list that is renormalised is biased: keep the rest as a bucket.
# - A share of correct text is not coverage. Put the share of distinct text beside it.
# - LoRA trains two thin matrices per layer. B starts at zero. Once merged, it costs nothing extra.
# - Terms change. Write down which version you read, and when.

# %% [markdown]
# ## Reading list
#
# **Required**
#
# - Kim and Rush 2016, [Sequence-Level Knowledge Distillation](https://arxiv.org/abs/1606.07947): learning from the
#   teacher's text.
# - Hu et al. 2021, [LoRA](https://arxiv.org/abs/2106.09685), sections 1 to 4.
#
# **Optional**
#
# - Python documentation, [Coroutines and tasks](https://docs.python.org/3/library/asyncio-task.html).
# - Amazon Builders' Library, [Timeouts, retries, and backoff with
#   jitter](https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
# - Taori et al. 2023, [Alpaca](https://crfm.stanford.edu/2023/03/13/alpaca.html): 52,000 instructions bought for under
#   500 dollars, and why the model may not be used commercially.
#
# **Reference**
#
# - OpenAI, [Chat completions](https://platform.openai.com/docs/api-reference/chat): the protocol of this lab.
# - PEFT, [LoRA](https://huggingface.co/docs/peft/main/en/conceptual_guides/lora).

# %% [markdown]
# ## Stretch goals
#
# - Add jitter to `ask`: multiply each wait by a random factor from 0.5 to 1.5. Why does that help when a hundred
#   clients fail at the same moment?
# - Buy greedy text with a different opening in each prompt ("Go on: One rainy day, Anna"). How does the share of
#   distinct stories change, and what does the student learn?
# - Divide the rest of the top five evenly among the tokens that are not listed, instead of using a bucket. Is the
#   student better or worse, and why?
# - Read a long reply as it is written (`stream=True`), and stop it as soon as it begins like a refusal. What do you
#   save?
