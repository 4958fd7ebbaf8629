"""Buy replies: what is in the cache costs nothing, what comes is kept at once, and a bar says what it costs so far."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

from helpers.api.replies import ReplyCache

Send = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Client:
    """The parts of a client, as lab 06 writes them: `request_key`, `ask`, `ask_all` and `cost`."""

    request_key: Callable[[Mapping[str, Any]], str]
    ask: Callable[..., Awaitable[Any]]
    ask_all: Callable[..., Awaitable[list[Any]]]
    cost: Callable[..., float]


@dataclass(frozen=True)
class Terms:
    """How replies are bought.

    Attributes:
        price_in, price_out: dollars for a million tokens read and written.
        limit: requests in flight.
        attempts: for each request.
        sleep: how to wait between attempts.
    """

    price_in: float
    price_out: float
    limit: int = 4
    attempts: int = 5
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def buy(
    client: Client, send: Send, requests: Sequence[Mapping[str, Any]], cache: ReplyCache, terms: Terms
) -> list[Any]:
    """Return the replies in the requests' order; where a request failed for good, its error.

    Only what is not in the cache is sent, equal requests once. Each reply is in the cache before the next is waited
    for, so a run that is stopped and started again pays for nothing twice.
    """
    keys = [client.request_key(request) for request in requests]
    missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in cache}
    usages: list[Mapping[str, int]] = []
    with tqdm(total=len(requests), initial=len(requests) - sum(key in missing for key in keys), unit="request") as bar:

        async def one(item: tuple[str, Mapping[str, Any]]) -> None:
            key, request = item
            try:
                reply = await client.ask(send, request, terms.attempts, terms.sleep)
            except Exception:
                bar.update(keys.count(key))  # this request is done with; where the whole run ends, none is
                raise
            cache.add(key, reply)
            usages.append(reply["usage"])
            spent = client.cost(usages, terms.price_in, terms.price_out)
            bar.set_postfix_str(f"${spent:.4f} so far", refresh=False)
            bar.update(keys.count(key))

        outcomes = await client.ask_all(one, list(missing.items()), terms.limit)
    failed = {
        key: outcome for key, outcome in zip(missing, outcomes, strict=True) if isinstance(outcome, BaseException)
    }
    for outcome in failed.values():
        if not isinstance(outcome, Exception):
            raise outcome  # no failure of a request, but the end of the whole run
    return [failed[key] if key in failed else cache[key] for key in keys]
