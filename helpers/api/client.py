"""The client's side of a paid API: keys for a cache, patience, a limit in flight, what to keep, what it cost.

Lab 06 writes these. `send` is any coroutine function that takes a request and returns a reply; it raises `ApiError`, or
TimeoutError where no reply came in time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from helpers.api.errors import ApiError

Send = Callable[[Any], Awaitable[Any]]
REFUSALS = ("i'm sorry", "i cannot", "i can't", "as an ai")


def request_key(request: Mapping[str, Any]) -> str:
    """Return a text that is equal for equal requests, whatever the order of their keys, and different for others."""
    canonical = json.dumps(request, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


async def ask(send: Send, request: Any, attempts: int, sleep: Callable[[float], Awaitable[None]]) -> Any:
    """Return the reply to a request, asking again after errors that may pass.

    Args:
        send: `await send(request)` gives the reply.
        request: what to ask.
        attempts: how often to send at most, at least once.
        sleep: `await sleep(seconds)` waits. After the n-th failure that is what the error's `retry_after` says, if it
            says anything, else 2 ** (n - 1) seconds.

    Raises:
        ApiError: at once, if its status is neither 429 nor 500 to 599; else the last one, after all attempts.
        TimeoutError: the last one, after all attempts.
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
    raise ValueError(f"attempts is {attempts}; it must be at least 1")


async def ask_all(send: Send, requests: Sequence[Any], limit: int) -> list[Any]:
    """Return the replies in the order of the requests, with at most `limit` requests in flight.

    The error of a request that failed stands in its place. Requests are sent in their order, each as soon as it can be.
    """
    free = asyncio.Semaphore(limit)

    async def one(request: Any) -> Any:
        async with free:
            return await send(request)

    return await asyncio.gather(*(one(request) for request in requests), return_exceptions=True)


def keep_reply(reply: Mapping[str, Any]) -> bool:
    """Return whether a reply is worth learning from: ended by itself, not empty, and not a refusal."""
    text = (reply["text"] or "").strip()
    if reply["finish_reason"] != "stop" or reply["refusal"] or not text:
        return False
    return not text.lower().replace("’", "'").startswith(REFUSALS)


def cost(usages: Iterable[Mapping[str, int]], price_in: float, price_out: float) -> float:
    """Return what requests cost in dollars, at prices for a million tokens read and a million written."""
    read = written = 0
    for usage in usages:
        read, written = read + usage["prompt_tokens"], written + usage["completion_tokens"]
    return (read * price_in + written * price_out) / 1e6
