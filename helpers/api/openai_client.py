"""`send` over HTTP with the `openai` package: a request in, a short reply out, failures as `ApiError`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import openai

from helpers.api.errors import ApiError
from helpers.api.replies import short_reply

Send = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


def make_send(client: openai.AsyncOpenAI, model: str) -> Send:
    """Return `send(request)`: a request holds `messages` and any settings; the client's own retries are off.

    The reply is {"choices": [{"text", "finish_reason", "refusal", "tokens"}], "usage"}; "tokens" holds the log-probs
    that the request asked for: (token, log-probability, {token: log-probability of the k likeliest}).
    """
    patient = client.with_options(max_retries=0)

    async def send(request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            reply = await patient.chat.completions.create(**{"model": model, **request})
        except openai.APITimeoutError:
            raise TimeoutError("no reply came in time") from None
        except openai.APIStatusError as error:
            raise ApiError(error.status_code, _seconds(error.response.headers.get("retry-after"))) from None
        return short_reply(reply.model_dump())

    return send


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:  # a date, which HTTP allows too: then the usual waits have to do
        return None
