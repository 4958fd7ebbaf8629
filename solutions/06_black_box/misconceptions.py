"""Common mistakes in lab 06, each with the explanation that a student gets.

Each makes one mistake and is otherwise correct; none validates its input. Its source could be in a student's notebook:
it uses only the names of the lab's setup cell and of earlier exercises, which are defined correctly below. Students
never see this file.
"""

import asyncio
import hashlib
import json
import math
import time

import torch
import torch.nn.functional as F
from torch import nn

from helpers.api.errors import ApiError
from helpers.grader.course.cases import misconception

PAY_ONCE, KEY = "Pay once", "Exercise 1 · A key for each request"
PATIENCE, ASK = "Errors that pass, and errors that stay", "Exercise 2 · Ask again"
FLIGHT, ALL = "Many requests at a time", "Exercise 3 · All requests, a few in flight"
KEEP, COST = "Exercise 4 · Which replies to keep", "Exercise 5 · What it cost"
TOP, LOSS = "What a few log-probabilities say", "Exercise 6 · The top-k loss"
FEW, LORA = "Training a few weights", "Exercise 7 · A linear layer with LoRA"


# What the lab's setup cell defines.

REFUSALS = ("i'm sorry", "i cannot", "i can't", "as an ai")


def canonical(request):
    return json.dumps(request, sort_keys=True)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


# ------------------------------------------------------------------------------------------------------- request_key


@misconception(
    "request_key",
    "The order of the keys changes your key. Two equal dictionaries can hold their keys in different order.",
    read=PAY_ONCE,
)
def key_in_the_given_order(request):
    return digest(json.dumps(request))


@misconception(
    "request_key",
    "You sort the outer keys only. The messages are dictionaries too, and theirs can be in another order.",
    read=KEY,
)
def key_sorted_outside_only(request):
    return digest(str(sorted(request.items(), key=lambda item: item[0])))


@misconception(
    "request_key",
    "Only the messages are in your key. The same question at another temperature or seed has another answer.",
    read=PAY_ONCE,
)
def key_of_the_messages(request):
    return digest(canonical(request.get("messages", sorted(request.items()) if "messages" not in request else [])))


@misconception(
    "request_key",
    "The seed is not in your key, so all samples of one question get the same reply from the cache.",
    read=PAY_ONCE,
)
def key_without_the_seed(request):
    return digest(canonical({name: item for name, item in request.items() if name != "seed"}))


@misconception(
    "request_key",
    "You list the fields that you know: model, messages, temperature, seed and max_tokens. Whatever else a request "
    "holds is missing from the key.",
    read=KEY,
)
def key_of_known_fields(request):
    known = ("model", "messages", "temperature", "seed", "max_tokens")
    return digest(canonical([request.get(name) for name in known]))


@misconception(
    "request_key",
    "You change the text before you hash it. A capital letter or a space makes another request.",
    read=KEY,
)
def key_of_tidied_text(request):
    return digest(canonical(request).lower().replace(" ", ""))


@misconception(
    "request_key",
    "You sort the messages. Their order is the conversation, so it has to change the key.",
    read=KEY,
)
def key_with_sorted_messages(request):
    def sort(value):
        if isinstance(value, dict):
            return {name: sort(item) for name, item in value.items()}
        return sorted(map(canonical, value)) if isinstance(value, list) else value

    return digest(canonical(sort(request)))


@misconception(
    "request_key",
    "You join values without their names, so different requests can give the same text.",
    read=KEY,
)
def key_of_joined_values(request):
    return digest("".join(canonical(request[name]) for name in sorted(request)))


@misconception(
    "request_key",
    "Your key is too short: with a few hundred requests two of them share a key.",
    read=KEY,
)
def key_cut_short(request):
    return digest(canonical(request))[:1]


@misconception(
    "request_key",
    "Your key is not a string. A cache file needs one: bytes or numbers do not come back from JSON as they were.",
    read=KEY,
)
def key_that_is_no_text(request):
    return hashlib.sha256(canonical(request).encode()).digest()


@misconception(
    "request_key",
    "Only the last message is in your key. Earlier messages and all settings change the answer too.",
    read=PAY_ONCE,
)
def key_of_the_last_message(request):
    return digest(canonical(request["messages"][-1] if "messages" in request else request))


# --------------------------------------------------------------------------------------------------------------- ask


def may_pass(error):
    return isinstance(error, TimeoutError) or error.status == 429 or 500 <= error.status < 600


def told_by(error):
    return getattr(error, "retry_after", None)


@misconception(
    "ask",
    "You ask again after every error. Status 400 or 401 will not pass: the same request fails again.",
    read=PATIENCE,
)
async def ask_again_whatever_happens(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if attempt == attempts - 1:
                raise
            told = told_by(error)
        await sleep(2**attempt if told is None else told)


@misconception(
    "ask",
    "A time-out ends your function. It may pass, so ask again.",
    read=PATIENCE,
)
async def ask_gives_up_after_a_time_out(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except ApiError as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            told = told_by(error)
        await sleep(2**attempt if told is None else told)


@misconception(
    "ask",
    "You ask again after status 429 only. The server's own failures, 500 to 599, may pass too.",
    read=PATIENCE,
)
async def ask_again_after_429_only(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if getattr(error, "status", 429) != 429 or attempt == attempts - 1:
                raise
            told = told_by(error)
        await sleep(2**attempt if told is None else told)


@misconception(
    "ask",
    "You ignore retry_after. The server says when it will answer again: earlier attempts are wasted, "
    "later ones too slow.",
    read=ASK,
)
async def ask_ignores_retry_after(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
        await sleep(2**attempt)


@misconception(
    "ask",
    "You take retry_after = 0 for “not said”: zero counts as false in Python. Compare with None.",
    read=ASK,
)
async def ask_takes_zero_for_nothing(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            told = told_by(error)
        await sleep(told or 2**attempt)


@misconception(
    "ask",
    "You always wait one second. Double the wait after each failure, or a busy server never gets less to do.",
    read=PATIENCE,
)
async def ask_waits_one_second(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            told = told_by(error)
        await sleep(1 if told is None else told)


@misconception(
    "ask",
    "Your first wait is 2 s, not 1 s: the waits are 1, 2, 4 …, so the exponent starts at 0.",
    read=ASK,
)
async def ask_starts_at_two_seconds(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            told = told_by(error)
        await sleep(2 ** (attempt + 1) if told is None else told)


@misconception(
    "ask",
    "Your waits grow by one second each time. They should double: 1, 2, 4 …",
    read=ASK,
)
async def ask_waits_in_even_steps(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            told = told_by(error)
        await sleep(attempt + 1 if told is None else told)


@misconception(
    "ask",
    "You wait after the last attempt too, although nothing is sent after it.",
    read=ASK,
)
async def ask_waits_before_giving_up(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error):
                raise
            last, told = error, told_by(error)
        await sleep(2**attempt if told is None else told)
    raise last


@misconception(
    "ask",
    "You send once more than `attempts`. It counts all attempts, the first one among them.",
    read=ASK,
)
async def ask_sends_once_more(send, request, attempts, sleep):
    for attempt in range(attempts + 1):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts:
                raise
            told = told_by(error)
        await sleep(2**attempt if told is None else told)


@misconception(
    "ask",
    "After all attempts you raise the first error. Raise the last one: it says how things are now.",
    read=ASK,
)
async def ask_raises_the_first_error(send, request, attempts, sleep):
    first = None
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            first = first or error
            if not may_pass(error):
                raise
            if attempt == attempts - 1:
                raise first from None
            told = told_by(error)
        await sleep(2**attempt if told is None else told)


@misconception(
    "ask",
    "After all attempts you return None, so the failure goes unnoticed. Raise the last error.",
    read=ASK,
)
async def ask_returns_nothing(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error):
                raise
            told = told_by(error)
        if attempt < attempts - 1:
            await sleep(2**attempt if told is None else told)
    return None


@misconception(
    "ask",
    "You return the error. Raise it, so that nobody takes it for a reply.",
    read=ASK,
)
async def ask_returns_the_error(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                return error
            told = told_by(error)
        await sleep(2**attempt if told is None else told)


@misconception(
    "ask",
    "You wait with asyncio.sleep. Use the sleep that is passed to you, so that the waiting can be tested.",
    read=ASK,
)
async def ask_sleeps_by_itself(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            told = told_by(error)
        await asyncio.sleep(2**attempt if told is None else told)


@misconception(
    "ask",
    "You never wait: sleep(seconds) only makes a coroutine. Write await sleep(seconds).",
    read=ASK,
)
async def ask_forgets_to_await_the_sleep(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            told = told_by(error)
        sleep(2**attempt if told is None else told).close()


@misconception(
    "ask",
    "You return send(request) without await. That is a coroutine, not the reply, and its errors come too late.",
    read=ASK,
)
async def ask_forgets_to_await_the_reply(send, request, attempts, sleep):
    for _ in range(attempts):
        try:
            return send(request)
        except (ApiError, TimeoutError):
            await sleep(1)


@misconception(
    "ask",
    "Your doubling counts only the failures without retry_after. After the n-th failure of any kind it "
    "is 2 ** (n − 1).",
    read=ASK,
)
async def ask_counts_silent_failures_only(send, request, attempts, sleep):
    pause = 1
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            told = told_by(error)
        await sleep(pause if told is None else told)
        if told is None:
            pause *= 2


@misconception(
    "ask",
    "You wait at least as long as the doubling says. Where the server names a time, wait exactly that.",
    read=ASK,
)
async def ask_takes_the_longer_wait(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            told = told_by(error)
        await sleep(max(2**attempt, told or 0))


@misconception(
    "ask",
    "time.sleep stops everything else in the program. Wait with await sleep(seconds).",
    read=PATIENCE,
)
async def ask_blocks(send, request, attempts, sleep):
    for attempt in range(attempts):
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            told = told_by(error)
        time.sleep(2**attempt if told is None else told)


# ------------------------------------------------------------------------------------------------------------ ask_all


@misconception(
    "ask_all",
    "All requests are in flight at once. Hold a semaphore while you await the reply, not only while you make the task.",
    read=FLIGHT,
)
async def all_at_once(send, requests, limit):
    return await asyncio.gather(*(send(request) for request in requests), return_exceptions=True)


@misconception(
    "ask_all",
    "You wait for each reply before you send the next request, so only one is ever in flight.",
    read=FLIGHT,
)
async def one_after_the_other(send, requests, limit):
    replies = []
    for request in requests:
        try:
            replies.append(await send(request))
        except (ApiError, TimeoutError) as error:
            replies.append(error)
    return replies


@misconception(
    "ask_all",
    "You send in groups of `limit` and wait for a whole group. One slow reply holds up the rest: send the next request "
    "as soon as one comes back.",
    read=FLIGHT,
)
async def in_groups(send, requests, limit):
    replies = []
    for start in range(0, len(requests), limit):
        group = requests[start : start + limit]
        replies += await asyncio.gather(*(send(request) for request in group), return_exceptions=True)
    return replies


async def caught(send, request, free):
    async with free:
        try:
            return await send(request)
        except (ApiError, TimeoutError) as error:
            return error


@misconception(
    "ask_all",
    "The replies are in the order in which they came. Put each in its request's place.",
    read=ALL,
)
async def in_order_of_arrival(send, requests, limit):
    free = asyncio.Semaphore(limit)
    tasks = [asyncio.create_task(caught(send, request, free)) for request in requests]
    return [await reply for reply in asyncio.as_completed(tasks)]


@misconception(
    "ask_all",
    "One failure ends everything, and the other replies, which are paid for, are lost. Let its error "
    "stand in its place.",
    read=ALL,
)
async def one_failure_loses_all(send, requests, limit):
    free = asyncio.Semaphore(limit)

    async def one(request):
        async with free:
            return await send(request)

    tasks = [asyncio.create_task(one(request)) for request in requests]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


@misconception(
    "ask_all",
    "You leave failures out, so the replies move up and no longer belong to their requests.",
    read=ALL,
)
async def failures_left_out(send, requests, limit):
    free = asyncio.Semaphore(limit)
    replies = await asyncio.gather(*(caught(send, request, free) for request in requests))
    return [reply for reply in replies if not isinstance(reply, Exception)]


@misconception(
    "ask_all",
    "None stands where a request failed. Put the error there: it says why, and whether asking again makes sense.",
    read=ALL,
)
async def none_for_a_failure(send, requests, limit):
    free = asyncio.Semaphore(limit)
    replies = await asyncio.gather(*(caught(send, request, free) for request in requests))
    return [None if isinstance(reply, Exception) else reply for reply in replies]


@misconception(
    "ask_all",
    "The error's text stands where a request failed. A text looks like a reply; put the error itself there.",
    read=ALL,
)
async def text_for_a_failure(send, requests, limit):
    free = asyncio.Semaphore(limit)
    replies = await asyncio.gather(*(caught(send, request, free) for request in requests))
    return [str(reply) if isinstance(reply, Exception) else reply for reply in replies]


@misconception(
    "ask_all",
    "One request more than the limit is in flight.",
    read=FLIGHT,
)
async def one_too_many(send, requests, limit):
    free = asyncio.Semaphore(limit + 1)
    return await asyncio.gather(*(caught(send, request, free) for request in requests))


@misconception(
    "ask_all",
    "You start tasks and do not wait for them: await each one, for example with asyncio.gather.",
    read=ALL,
)
async def tasks_left_behind(send, requests, limit):
    free, replies = asyncio.Semaphore(limit), [None] * len(requests)

    async def fill(place, request):
        replies[place] = await caught(send, request, free)

    for place, request in enumerate(requests):
        asyncio.create_task(fill(place, request))
    return replies


@misconception(
    "ask_all",
    "Equal requests share one reply. Send each: with sampling, the same request asked twice is two samples.",
    read=ALL,
)
async def equal_requests_once(send, requests, limit):
    free, different = asyncio.Semaphore(limit), []
    for request in requests:
        if request not in different:
            different.append(request)
    replies = await asyncio.gather(*(caught(send, request, free) for request in different))
    return [replies[different.index(request)] for request in requests]


@misconception(
    "ask_all",
    "You send the last request first. Send them in their order, so that a stopped run has the first part.",
    read=ALL,
)
async def last_first(send, requests, limit):
    free = asyncio.Semaphore(limit)
    replies = await asyncio.gather(*(caught(send, request, free) for request in reversed(requests)))
    return replies[::-1]


# --------------------------------------------------------------------------------------------------------- keep_reply


def refuses(reply):
    return (reply["text"] or "").strip().lower().replace("’", "'").startswith(REFUSALS)


def is_empty(reply):
    return not (reply["text"] or "").strip()


@misconception(
    "keep_reply",
    "You keep replies that were cut. With finish_reason “length” the text breaks off, and a student "
    "learns to break off.",
    read=KEEP,
)
def keep_what_was_cut(reply):
    ended = reply["finish_reason"] in ("stop", "length")
    return ended and not reply["refusal"] and not is_empty(reply) and not refuses(reply)


@misconception(
    "keep_reply",
    "You drop only replies with finish_reason “length”. Keep only “stop”: there are other ways not to finish.",
    read=KEEP,
)
def keep_unless_cut(reply):
    return reply["finish_reason"] != "length" and not reply["refusal"] and not is_empty(reply) and not refuses(reply)


@misconception(
    "keep_reply",
    "You keep replies without text. A blank is no text either.",
    read=KEEP,
)
def keep_blanks(reply):
    return reply["finish_reason"] == "stop" and not reply["refusal"] and bool(reply["text"]) and not refuses(reply)


@misconception(
    "keep_reply",
    "You look at the text only. The API marks a refusal in `refusal`.",
    read=KEEP,
)
def keep_marked_refusals(reply):
    return reply["finish_reason"] == "stop" and not is_empty(reply) and not refuses(reply) or (
        reply["finish_reason"] == "stop" and bool(reply["refusal"])
    )


@misconception(
    "keep_reply",
    "You trust the API's mark alone. Many models refuse in plain text; compare it with REFUSALS.",
    read=KEEP,
)
def keep_refusals_in_text(reply):
    return reply["finish_reason"] == "stop" and not reply["refusal"] and not is_empty(reply)


@misconception(
    "keep_reply",
    "Capital letters hide a refusal from you. Compare the text in small letters.",
    read=KEEP,
)
def keep_refusals_in_capitals(reply):
    text = (reply["text"] or "").strip().replace("’", "'")
    shown = tuple(item[0].upper() + item[1:] for item in REFUSALS) + ("I'm", "As an AI")
    return reply["finish_reason"] == "stop" and not reply["refusal"] and bool(text) and not text.startswith(
        tuple(item for item in shown if item != "As an ai")
    )


@misconception(
    "keep_reply",
    "The curly apostrophe hides a refusal from you: “I’m sorry” and “I'm sorry” are different characters.",
    read=KEEP,
)
def keep_curly_refusals(reply):
    text = (reply["text"] or "").strip().lower()
    return reply["finish_reason"] == "stop" and not reply["refusal"] and bool(text) and not text.startswith(REFUSALS)


@misconception(
    "keep_reply",
    "You look for the phrases anywhere. Somebody in a story may say “I'm sorry”; only the beginning counts.",
    read=KEEP,
)
def drop_stories_with_the_words(reply):
    text = (reply["text"] or "").lower().replace("’", "'")
    return reply["finish_reason"] == "stop" and not reply["refusal"] and not is_empty(reply) and not any(
        phrase in text for phrase in REFUSALS
    )


@misconception(
    "keep_reply",
    "You return the opposite: True means that the reply is kept.",
    read=KEEP,
)
def keep_the_bad_ones(reply):
    ended = reply["finish_reason"] == "stop"
    return not (ended and not reply["refusal"] and not is_empty(reply) and not refuses(reply))


@misconception(
    "keep_reply",
    "You drop short replies. Nothing here says that a short text is a bad one.",
    read=KEEP,
)
def drop_short_replies(reply):
    long = len((reply["text"] or "").strip()) > 3
    return reply["finish_reason"] == "stop" and not reply["refusal"] and long and not refuses(reply)


@misconception(
    "keep_reply",
    "A blank before it hides a refusal from you. Strip the text first.",
    read=KEEP,
)
def keep_refusals_after_a_blank(reply):
    text = (reply["text"] or "").lower().replace("’", "'")
    ended = reply["finish_reason"] == "stop"
    return ended and not reply["refusal"] and not is_empty(reply) and not text.startswith(REFUSALS)


# ---------------------------------------------------------------------------------------------------------------- cost


def totals(usages):
    return sum(usage["prompt_tokens"] for usage in usages), sum(usage["completion_tokens"] for usage in usages)


@misconception("cost", "The prices are for a million tokens: divide by 1,000,000.", read=COST)
def cost_for_a_thousand(usages, price_in, price_out):
    read, written = totals(usages)
    return (read * price_in + written * price_out) / 1000


@misconception("cost", "You do not divide: the prices are for a million tokens.", read=COST)
def cost_not_divided(usages, price_in, price_out):
    read, written = totals(usages)
    return read * price_in + written * price_out


@misconception("cost", "The prices are swapped: price_in is for what the model reads, the prompt tokens.", read=COST)
def cost_prices_swapped(usages, price_in, price_out):
    read, written = totals(usages)
    return (read * price_out + written * price_in) / 1e6


@misconception("cost", "You count only what the model wrote. What it reads is paid for too.", read=COST)
def cost_of_writing_only(usages, price_in, price_out):
    return totals(usages)[1] * price_out / 1e6


@misconception("cost", "You use the total with one price. Reading and writing have different prices.", read=COST)
def cost_of_the_total(usages, price_in, price_out):
    return sum(totals(usages)) * price_out / 1e6


@misconception("cost", "The total already holds both counts, so you pay for reading twice.", read=COST)
def cost_reading_twice(usages, price_in, price_out):
    read, written = totals(usages)
    return (read * price_in + (read + written) * price_out) / 1e6


@misconception("cost", "You round to cents. A request costs far less than a cent, so everything becomes 0.", read=COST)
def cost_rounded(usages, price_in, price_out):
    read, written = totals(usages)
    return round((read * price_in + written * price_out) / 1e6, 2)


@misconception("cost", "You return the mean. Return the sum over all replies.", read=COST)
def cost_mean(usages, price_in, price_out):
    read, written = totals(usages)
    return (read * price_in + written * price_out) / 1e6 / max(len(usages), 2)


@misconception("cost", "Only the first reply counts: the return stands inside the loop.", read=COST)
def cost_of_the_first(usages, price_in, price_out):
    for usage in usages:
        return (usage["prompt_tokens"] * price_in + usage["completion_tokens"] * price_out) / 1e6
    return 0.0


# ---------------------------------------------------------------------------------------------------------- top_k_loss


def parts(values, ids, student_logits, mask):
    log_q = F.log_softmax(student_logits, dim=-1)
    return values.exp(), log_q.gather(-1, ids), log_q, mask


def mean_of(per_token, mask):
    return torch.where(mask.bool(), per_token, torch.zeros_like(per_token)).sum() / mask.sum().clamp(min=1)


def rest_of(p, ids, log_q):
    """What the bucket for the rest adds to each position."""
    others = log_q.scatter(-1, ids, -math.inf).logsumexp(dim=-1)
    others = torch.where(others.isinf(), torch.zeros_like(others), others)
    return -(1 - p.sum(dim=-1)).clamp(min=0) * others


def right(values, ids, student_logits, mask, tail=True):
    p, listed, log_q, mask = parts(values, ids, student_logits, mask)
    if not tail:
        p = p / p.sum(dim=-1, keepdim=True)
    per_token = -(p * listed).sum(dim=-1)
    return per_token + rest_of(p, ids, log_q) if tail else per_token


@misconception(
    "top_k_loss",
    "The rest is missing. With tail=True, what the k probabilities leave is one more outcome.",
    read=TOP,
)
def top_without_the_rest(values, ids, student_logits, mask, tail=True):
    p, listed, log_q, mask = parts(values, ids, student_logits, mask)
    if not tail:
        p = p / p.sum(dim=-1, keepdim=True)
    return mean_of(-(p * listed).sum(dim=-1), mask)


@misconception(
    "top_k_loss",
    "With tail=False you do not divide by the sum: the k probabilities have to add up to 1.",
    read=LOSS,
)
def top_not_renormalised(values, ids, student_logits, mask, tail=True):
    p, listed, log_q, _ = parts(values, ids, student_logits, mask)
    per_token = -(p * listed).sum(dim=-1)
    return mean_of(per_token + rest_of(p, ids, log_q) if tail else per_token, mask)


@misconception(
    "top_k_loss",
    "You divide by the sum although the rest is asked for. Then nothing is left for it.",
    read=LOSS,
)
def top_always_renormalised(values, ids, student_logits, mask, tail=True):
    return mean_of(right(values, ids, student_logits, mask, False), mask)


@misconception(
    "top_k_loss",
    "Your student's softmax runs over the k tokens only. It has to run over the whole vocabulary: "
    "otherwise the student "
    "may give all other tokens anything.",
    read=TOP,
)
def top_softmax_over_k(values, ids, student_logits, mask, tail=True):
    listed = F.log_softmax(student_logits.gather(-1, ids), dim=-1)
    p = values.exp()
    return mean_of(-(p / p.sum(dim=-1, keepdim=True) * listed).sum(dim=-1), mask)


@misconception(
    "top_k_loss",
    "You take the student's first k logits. `ids` says which tokens the values belong to: use gather.",
    read=LOSS,
)
def top_first_k_logits(values, ids, student_logits, mask, tail=True):
    places = torch.arange(ids.shape[-1]).expand_as(ids)
    return mean_of(right(values, places, student_logits, mask, tail), mask)


@misconception(
    "top_k_loss",
    "You use the log-probabilities as probabilities. Take exp(values) first.",
    read=LOSS,
)
def top_values_as_probabilities(values, ids, student_logits, mask, tail=True):
    _, listed, log_q, _ = parts(values, ids, student_logits, mask)
    return mean_of(-(values * listed).sum(dim=-1) + (rest_of(values.exp(), ids, log_q) if tail else 0), mask)


@misconception(
    "top_k_loss",
    "You take the mean over all positions. Divide by the number of those that count.",
    read=LOSS,
)
def top_mean_over_everything(values, ids, student_logits, mask, tail=True):
    return torch.where(mask.bool(), right(values, ids, student_logits, mask, tail), 0.0).mean()


@misconception(
    "top_k_loss",
    "You ignore the mask: padding counts like text.",
    read=LOSS,
)
def top_without_the_mask(values, ids, student_logits, mask, tail=True):
    return right(values, ids, student_logits, mask, tail).mean()


@misconception(
    "top_k_loss",
    "You return the sum over the positions. Divide by the number of those that count.",
    read=LOSS,
)
def top_sum(values, ids, student_logits, mask, tail=True):
    return mean_of(right(values, ids, student_logits, mask, tail), mask) * mask.sum()


@misconception(
    "top_k_loss",
    "The rest gets the weight 1. Its weight is the probability that is left, 1 − Σ p.",
    read=LOSS,
)
def top_rest_unweighted(values, ids, student_logits, mask, tail=True):
    per_token = right(values, ids, student_logits, mask, False)
    if tail:
        p, listed, log_q, _ = parts(values, ids, student_logits, mask)
        others = log_q.scatter(-1, ids, -math.inf).logsumexp(dim=-1)
        per_token = -(p * listed).sum(dim=-1) - torch.where(others.isinf(), 0.0, others)
    return mean_of(per_token, mask)


@misconception(
    "top_k_loss",
    "For the rest you add up logarithms of the student. Add up its probabilities, then take the logarithm.",
    read=LOSS,
)
def top_rest_from_sums_of_logs(values, ids, student_logits, mask, tail=True):
    p, listed, log_q, _ = parts(values, ids, student_logits, mask)
    if not tail:
        return mean_of(right(values, ids, student_logits, mask, False), mask)
    rest = (1 - p.sum(dim=-1)).clamp(min=0)
    return mean_of(-(p * listed).sum(dim=-1) - rest * log_q.scatter(-1, ids, 0.0).sum(dim=-1), mask)


@misconception(
    "top_k_loss",
    "You subtract the teacher's own entropy. That is the KL divergence; the exercise asks for the cross-entropy.",
    read=LOSS,
)
def top_kl(values, ids, student_logits, mask, tail=True):
    p = values.exp()
    rest = (1 - p.sum(dim=-1)).clamp(min=0)
    if not tail:
        p = p / p.sum(dim=-1, keepdim=True)
    entropy = -torch.special.xlogy(p, p).sum(dim=-1)
    if tail:
        entropy = entropy - torch.special.xlogy(rest, rest)
    return mean_of(right(values, ids, student_logits, mask, tail) - entropy, mask)


@misconception(
    "top_k_loss",
    "Only the most likely token counts. The other log-probabilities are what you pay for.",
    read=TOP,
)
def top_one_only(values, ids, student_logits, mask, tail=True):
    best = values.argmax(dim=-1, keepdim=True)
    return mean_of(-F.log_softmax(student_logits, dim=-1).gather(-1, ids.gather(-1, best))[..., 0], mask)


@misconception(
    "top_k_loss",
    "Where all tokens are listed nothing is left for the rest, and 0 · log 0 gives NaN or infinity. Treat it as 0.",
    read=LOSS,
)
def top_nan_where_nothing_is_left(values, ids, student_logits, mask, tail=True):
    p, listed, log_q, _ = parts(values, ids, student_logits, mask)
    if not tail:
        return mean_of(right(values, ids, student_logits, mask, False), mask)
    q_rest = torch.log1p(-log_q.gather(-1, ids).exp().sum(dim=-1).clamp(max=1))
    per_token = -(p * listed).sum(dim=-1) - (1 - p.sum(dim=-1)) * q_rest
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


@misconception(
    "top_k_loss",
    "The weights come from the student, so it is its own teacher. Weigh the student's log-probabilities "
    "by exp(values).",
    read=TOP,
)
def top_weights_of_the_student(values, ids, student_logits, mask, tail=True):
    log_q = F.log_softmax(student_logits, dim=-1).gather(-1, ids)
    return mean_of(-(log_q.exp() * values).sum(dim=-1), mask)


# ---------------------------------------------------------------------------------------------------------- LoRALinear


class Adapter(nn.Module):
    """LoRA without a mistake; each misconception below changes one thing."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear, self.scale = linear.requires_grad_(False), alpha / rank
        self.A = nn.Parameter(torch.randn(rank, linear.in_features, dtype=linear.weight.dtype) / rank)
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank, dtype=linear.weight.dtype))

    def forward(self, x):
        return self.linear(x) + self.scale * (x @ self.A.T @ self.B.T)

    def merge(self):
        linear = self.linear
        merged = nn.Linear(linear.in_features, linear.out_features, linear.bias is not None, dtype=linear.weight.dtype)
        with torch.no_grad():
            merged.weight.copy_(linear.weight + self.scale * self.B @ self.A)
            if linear.bias is not None:
                merged.bias.copy_(linear.bias)
        return merged


@misconception(
    "LoRALinear",
    "The layer's own weights are still trained. Freeze them: that is what saves the optimizer's memory.",
    read=FEW,
)
class NotFrozen(Adapter):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.linear.requires_grad_(True)


@misconception(
    "LoRALinear",
    "The bias is still trained. Freeze the whole layer, not only its weight.",
    read=LORA,
)
class BiasNotFrozen(Adapter):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        if linear.bias is not None:
            linear.bias.requires_grad_(True)


@misconception(
    "LoRALinear",
    "The scale is missing: multiply B A by alpha / rank.",
    read=LORA,
)
class NotScaled(Adapter):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.scale = 1.0


@misconception(
    "LoRALinear",
    "You scale by alpha, without dividing by the rank.",
    read=LORA,
)
class ScaledByAlpha(Adapter):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.scale = float(alpha)


@misconception(
    "LoRALinear",
    "B does not start at zero, so the model changes before the first step. Only A starts at random.",
    read=FEW,
)
class BAtRandom(Adapter):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        nn.init.normal_(self.B)


@misconception(
    "LoRALinear",
    "A and B both start at zero. Then both gradients are zero, and nothing is ever learned.",
    read=FEW,
)
class BothZero(Adapter):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        nn.init.zeros_(self.A)


@misconception(
    "LoRALinear",
    "A starts at zero and B at random. It trains too, but the exercise asks for the usual way: B zero, A random.",
    read=LORA,
)
class AZeroInstead(Adapter):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        nn.init.zeros_(self.A)
        nn.init.normal_(self.B)


@misconception(
    "LoRALinear",
    "merge() leaves out the scale, which forward() has.",
    read=LORA,
)
class MergedWithoutScale(Adapter):
    def merge(self):
        merged = super().merge()
        with torch.no_grad():
            merged.weight.copy_(self.linear.weight + self.B @ self.A)
        return merged


@misconception(
    "LoRALinear",
    "merge() loses the bias.",
    read=LORA,
)
class MergedWithoutBias(Adapter):
    def merge(self):
        merged = super().merge()
        if merged.bias is not None:
            nn.init.zeros_(merged.bias)
        return merged


@misconception(
    "LoRALinear",
    "merge() changes the frozen layer itself, so from then on the adapter counts twice. Make a new layer.",
    read=LORA,
)
class MergedInPlace(Adapter):
    def merge(self):
        with torch.no_grad():
            self.linear.weight += self.scale * self.B @ self.A
        return self.linear


@misconception(
    "LoRALinear",
    "merge() returns the layer as it was, without the adapter.",
    read=LORA,
)
class MergedWithoutAdapter(Adapter):
    def merge(self):
        merged = super().merge()
        with torch.no_grad():
            merged.weight.copy_(self.linear.weight)
        return merged


@misconception(
    "LoRALinear",
    "merge() does not return a plain nn.Linear. After merging nothing of the adapter should be left.",
    read=LORA,
)
class MergedIntoItself(Adapter):
    def merge(self):
        merged = super().merge()

        class Merged(nn.Linear):
            pass

        merged.__class__ = Merged
        return merged


@misconception(
    "LoRALinear",
    "A and B are plain tensors, not nn.Parameter, so no optimizer finds them.",
    read=LORA,
)
class NotParameters(Adapter):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        first, second = self.A.detach(), self.B.detach()
        del self.A, self.B
        self.register_buffer("A", first)
        self.register_buffer("B", second)


@misconception(
    "LoRALinear",
    "The adapter reads the layer's output. It reads the same input as the layer: W x + scale · B A x.",
    read=FEW,
)
class ReadsTheOutput(Adapter):
    def forward(self, x):
        out = self.linear(x)
        if out.shape[-1] != x.shape[-1]:
            return super().forward(x)
        return out + self.scale * (out @ self.A.T @ self.B.T)


# What each letter of a quiz means.
QUIZZES = {
    "retry_which": {
        "A": "Status 401 says that the key is wrong. The same request with the same key fails again.",
        "B": "Right. 503 is the server's own failure, and such failures often pass.",
        "C": "Status 400 says that the request itself is wrong. Sending it again changes nothing.",
    },
    "missing_run": {
        "A": "More seeds would show whether the gain is chance. They would not show what caused it.",
        "B": "A larger student answers another question.",
        "C": "Right. The student with log-probabilities also read four times as much text. The control is "
        "the same amount of text alone.",
        "D": "Perplexity against distance changes the unit, not the comparison.",
    },
    "read_a_term": {
        "A": "The term says “models that compete”, and nothing about research. Whether a product like yours competes "
        "is exactly the question.",
        "B": "A term on outputs binds whoever agreed to it. That the text is “only data” is no answer.",
        "C": "Right. What “competes” means for your product is a question for a lawyer, and the date of the "
        "terms belongs in your notes.",
    },
    "cheap_enough": {
        "A": "Dividing the price of one request by another leaves out what the student cost to make.",
        "B": "Right. The saving of each request has to pay for data and training first: 30 dollars at 0.003 a request "
        "are 10,000 requests.",
        "C": "Training is paid once, not per request.",
    },
}
