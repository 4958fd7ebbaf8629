"""An OpenAI-compatible server over a chat: `POST /v1/chat/completions` and `GET /v1/models`.

It asks for a key, limits the rate, streams, and fails in the ways that `Faults` says, which can be changed while it
runs. It needs the extra "api" (FastAPI and uvicorn).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from helpers.api.chat import MODEL, BadRequest, ChatTeacher


@dataclass
class Faults:
    """What goes wrong, counted over the requests: 0 is never, 5 is every fifth request.

    Attributes:
        busy_every: requests that get status 429.
        retry_after: what such a reply says, in seconds; None says nothing.
        error_every: requests that get status 500.
        cut_every: requests whose replies are cut in the middle, with finish_reason "length".
        slow_every: requests that wait `slow_seconds` first.
        slow_seconds: see there.
    """

    busy_every: int = 0
    retry_after: float | None = None
    error_every: int = 0
    cut_every: int = 0
    slow_every: int = 0
    slow_seconds: float = 0.0


@dataclass
class RateLimit:
    """At most `requests` in any `seconds`; 0 requests means no limit."""

    requests: int = 0
    seconds: float = 1.0
    clock: Callable[[], float] = time.monotonic
    _times: deque[float] = field(default_factory=deque)

    def wait_for_next(self) -> float:
        """Count a request and return 0, or how many seconds are left until there is room for it."""
        now = self.clock()
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        if self.requests and len(self._times) >= self.requests:
            return self._times[0] + self.seconds - now
        self._times.append(now)
        return 0.0


@dataclass
class State:
    """What a server holds besides its teacher.

    Attributes:
        key: what a request has to carry as its bearer token.
        faults: see `Faults`.
        limit: see `RateLimit`.
        served: how many requests with a right key came.
    """

    key: str = field(default_factory=lambda: f"sk-{secrets.token_hex(12)}")
    faults: Faults = field(default_factory=Faults)
    limit: RateLimit = field(default_factory=RateLimit)
    served: int = 0


def make_app(teacher: ChatTeacher, state: State) -> FastAPI:
    """Return the server's application."""
    app = FastAPI(title="A teacher behind an API")

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "distillab"}]}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        if not secrets.compare_digest(
            request.headers.get("authorization", "").encode(), f"Bearer {state.key}".encode()
        ):
            return _error(401, "the API key is missing or wrong")
        state.served += 1
        refusal = await _fault(state)
        if refusal is not None:
            return refusal
        try:
            body = json.loads(await request.body())
            reply = await asyncio.to_thread(teacher.complete, body)
        except BadRequest as problem:
            return _error(problem.status, str(problem))
        except ValueError:
            return _error(400, "the body is not JSON")
        if _due(state.faults.cut_every, state.served):
            _cut(reply)
        if body.get("stream"):
            usage = (body.get("stream_options") or {}).get("include_usage")
            return StreamingResponse(_events(reply, usage), media_type="text/event-stream")
        return JSONResponse(reply)

    return app


def _due(every: int, count: int) -> bool:
    return every > 0 and count % every == 0


async def _fault(state: State) -> Response | None:
    """Return the failure that is due, after the wait that is due; None if the request goes on."""
    faults, count = state.faults, state.served
    if _due(faults.slow_every, count):
        await asyncio.sleep(faults.slow_seconds)
    wait = state.limit.wait_for_next()
    if wait > 0:
        return _error(429, "too many requests", wait)
    if _due(faults.busy_every, count):
        return _error(429, "too many requests", faults.retry_after)
    if _due(faults.error_every, count):
        return _error(500, "the server failed")
    return None


def _error(status: int, message: str, retry_after: float | None = None) -> Response:
    kind = "invalid_request_error" if status < 429 else "rate_limit_error" if status == 429 else "server_error"
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    content = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return JSONResponse(content, status_code=status, headers=headers)


def _cut(reply: Mapping[str, Any]) -> None:
    """Cut each choice to half of its words, as if the tokens had run out."""
    for choice in reply["choices"]:
        words = (choice["message"]["content"] or "").split(" ")
        choice["message"]["content"] = " ".join(words[: len(words) // 2])
        choice["finish_reason"] = "length"
        if choice["logprobs"]:
            content = choice["logprobs"]["content"]
            choice["logprobs"]["content"] = content[: len(content) // 2]


async def _events(reply: Mapping[str, Any], usage: bool | None) -> AsyncIterator[str]:
    """Yield a reply in pieces, one word of each choice at a time, as server-sent events."""
    head = {"id": reply["id"], "object": "chat.completion.chunk", "created": reply["created"], "model": reply["model"]}

    def event(index: int, delta: dict[str, Any], reason: str | None = None) -> str:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"

    for choice in reply["choices"]:
        index, message = choice["index"], choice["message"]
        yield event(index, {"role": "assistant", "content": "", "refusal": message["refusal"]})
        for number, word in enumerate((message["content"] or "").split(" ")):
            yield event(index, {"content": word if number == 0 else f" {word}"})
        yield event(index, {}, choice["finish_reason"])
    if usage:
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': reply['usage']})}\n\n"
    yield "data: [DONE]\n\n"
