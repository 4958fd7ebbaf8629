"""The server speaks OpenAI's protocol to the `openai` package, asks for its key, limits the rate, and fails when told.

It is called in this process, without a socket, but for one test that starts it on the loopback.
"""

from __future__ import annotations

import asyncio

import httpx
import openai
import pytest

from helpers.api.chat import MODEL, ChatTeacher
from helpers.api.errors import ApiError
from helpers.api.openai_client import make_send
from helpers.api.server import Faults, RateLimit, State, make_app
from helpers.api.service import start_teacher
from helpers.models import load_teacher, load_tokenizer

STORY = {"messages": [{"role": "user", "content": "Tell a story."}], "seed": 1}


@pytest.fixture(scope="module")
def teacher() -> ChatTeacher:
    return ChatTeacher(load_teacher("tiny"), load_tokenizer("tiny"))


@pytest.fixture
def state() -> State:
    return State()


def client_of(teacher, state, key=None):
    transport = httpx.ASGITransport(app=make_app(teacher, state))
    http = httpx.AsyncClient(transport=transport)
    return openai.AsyncOpenAI(base_url="http://teacher/v1", api_key=key or state.key, http_client=http)


def test_a_request_with_log_probabilities(teacher, state):
    send = make_send(client_of(teacher, state), MODEL)
    reply = asyncio.run(send({**STORY, "n": 2, "logprobs": True, "top_logprobs": 3}))
    assert len(reply["choices"]) == 2 and reply["usage"]["prompt_tokens"] == 4 and state.served == 1
    first = reply["choices"][0]
    assert first["finish_reason"] == "stop" and first["refusal"] is None and first["text"].endswith(".")
    name, value, top = first["tokens"][0]
    assert first["text"].startswith(name) and value < 0 and len(top) == 3


def test_a_streamed_reply_is_the_same_text(teacher, state):
    async def both():
        client = client_of(teacher, state)
        whole = await client.chat.completions.create(model=MODEL, **STORY)
        stream = await client.chat.completions.create(
            model=MODEL, **STORY, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        return whole, chunks

    whole, chunks = asyncio.run(both())
    written = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in written) == whole.choices[0].message.content
    assert written[-1].finish_reason == "stop" and len(written) > 10
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_wrong_key_gets_no_answer(teacher, state):
    with pytest.raises(ApiError) as caught:
        asyncio.run(make_send(client_of(teacher, state, key="sk-wrong"), MODEL)(STORY))
    assert caught.value.status == 401 and state.served == 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [({**STORY, "n": 0}, 400), ({**STORY, "model": "gpt-x"}, 404), ({"messages": "hello"}, 400)],
)
def test_bad_requests_get_their_status(teacher, state, request_, status):
    with pytest.raises(ApiError) as caught:
        asyncio.run(make_send(client_of(teacher, state), MODEL)(request_))
    assert caught.value.status == status and caught.value.retry_after is None


def test_a_body_that_is_no_json_is_said(teacher, state):
    async def post():
        transport = httpx.ASGITransport(app=make_app(teacher, state))
        async with httpx.AsyncClient(transport=transport, base_url="http://teacher") as http:
            headers = {"Authorization": f"Bearer {state.key}"}
            return await http.post("/v1/chat/completions", content=b"{", headers=headers)

    reply = asyncio.run(post())
    assert reply.status_code == 400 and reply.json()["error"]["message"] == "the body is not JSON"


def test_faults_come_when_they_are_due(teacher, state):
    async def outcomes(count):
        send, seen = make_send(client_of(teacher, state), MODEL), []
        for _ in range(count):
            try:
                seen.append((await send(STORY))["choices"][0]["finish_reason"])
            except ApiError as error:
                seen.append((error.status, error.retry_after))
        return seen

    state.faults = Faults(busy_every=3, retry_after=0.5, error_every=4, cut_every=5)
    assert asyncio.run(outcomes(6)) == ["stop", "stop", (429, 0.5), (500, None), "length", (429, 0.5)]
    state.faults = Faults()
    assert asyncio.run(outcomes(2)) == ["stop", "stop"]


def test_the_rate_limit_says_when_to_come_back():
    now = [100.0]
    limit = RateLimit(requests=2, seconds=10.0, clock=lambda: now[0])
    assert [limit.wait_for_next(), limit.wait_for_next()] == [0.0, 0.0]
    now[0] = 104.0
    assert limit.wait_for_next() == 6.0
    now[0] = 110.0
    assert limit.wait_for_next() == 0.0
    assert RateLimit().wait_for_next() == 0.0


def test_the_rate_limit_reaches_the_client(teacher):
    state = State(limit=RateLimit(requests=1, seconds=60.0, clock=lambda: 0.0))

    async def twice():
        send = make_send(client_of(teacher, state), MODEL)
        await send(STORY)
        await send(STORY)

    with pytest.raises(ApiError) as caught:
        asyncio.run(twice())
    assert caught.value.status == 429 and caught.value.retry_after == 60.0


def test_a_time_out_and_a_date_in_retry_after():
    def handle(request):
        if request.url.host == "slow":
            raise httpx.ReadTimeout("slow")
        return httpx.Response(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})

    def send_to(host):
        http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
        return make_send(openai.AsyncOpenAI(base_url=f"http://{host}/v1", api_key="k", http_client=http), MODEL)

    with pytest.raises(TimeoutError):
        asyncio.run(send_to("slow")(STORY))
    with pytest.raises(ApiError) as caught:
        asyncio.run(send_to("busy")(STORY))
    assert caught.value.retry_after is None


@pytest.mark.slow
def test_the_server_answers_on_the_loopback_and_stops(monkeypatch, capsys):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    teacher = start_teacher()
    assert teacher.address.startswith("http://127.0.0.1:") and teacher.address in capsys.readouterr().out

    async def talk():
        reply = await teacher.send(STORY)
        assert reply["choices"][0]["text"] and teacher.served == 1
        teacher.set_faults(error_every=1)
        with pytest.raises(ApiError, match="500"):
            await teacher.send(STORY)
        teacher.stop()
        with pytest.raises(openai.APIConnectionError):
            await teacher.send(STORY)

    asyncio.run(talk())


def test_a_graded_notebook_gets_the_same_teacher_without_a_server(monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    teacher = start_teacher()
    assert "without a server" in capsys.readouterr().out and teacher.address == ""
    reply = asyncio.run(teacher.send({**STORY, "logprobs": True, "top_logprobs": 2}))
    assert reply["choices"][0]["tokens"][0][2] and teacher.served == 0
    with pytest.raises(ApiError, match="400"):
        asyncio.run(teacher.send({**STORY, "n": 0}))
