"""Coroutines run on a virtual clock with scripted replies; whatever they do wrong is said, and nothing sleeps."""

from __future__ import annotations

import asyncio
import gc
import time

import nbformat
import pytest

from helpers.api.errors import ApiError
from helpers.checks.coroutines import BLOCKS, ENDINGS, NOT_AWAITABLE, NOT_AWAITED
from helpers.checks.encoding import decode, encode
from helpers.checks.error_causes import explain_error
from helpers.checks.fixtures import ModelSpec
from helpers.checks.observers import observe
from helpers.checks.result import show
from helpers.checks.visible_check import check_examples
from helpers.grader.judging.student_kernel import StudentKernel, TimeUp
from helpers.grader.limits import Limits

WATCH = ["calls", "waits", "most in flight", "finished at"]
SCRIPT = [
    ["busy", [{"after": 1.0, "status": 429, "retry_after": 3.0}, {"after": 0.5, "reply": "at last"}]],
    ["slow", [{"after": 2.0, "reply": "slow reply"}]],
    ["lost", [{"never": True}]],
    ["late", [{"after": 4.0, "fails": "timeout"}]],
]
SEND, SLEEP = ModelSpec("send", script=SCRIPT), ModelSpec("sleep")
WAITS_FOREVER, GOES_ON, LEAVES_TASKS = ENDINGS


def seen_by(answer, *arguments, watch=WATCH):
    reply = observe("coroutine", answer, [decode(encode(item)) for item in arguments], {"watch": watch})
    return {label: decode(item) for label, item in reply["values"].items()} if "values" in reply else reply["error"]


async def again(send, sleep):
    try:
        return await send("busy")
    except ApiError as error:
        await sleep(error.retry_after)
        return await send("busy")


def test_calls_waits_and_the_clock_are_exact():
    began = time.monotonic()
    assert seen_by(again, SEND, SLEEP) == {
        "ended": "it returns or raises",
        "value": "at last",
        "calls": [(1, 0.0), (1, 4.0)],
        "waits": [3.0],
        "most in flight": 1,
        "finished at": 4.5,
    }
    assert time.monotonic() - began < 2, "nothing slept for 4.5 seconds"


def test_the_last_outcome_repeats_and_replies_come_out_of_order():
    async def both(send):
        first, second = asyncio.create_task(send("slow")), asyncio.create_task(again(send, asyncio.sleep))
        done, _ = await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
        return [first in done, await second, await send("busy"), await first]

    seen = seen_by(both, SEND)
    assert seen["value"] == [True, "at last", "at last", "slow reply"] and seen["most in flight"] == 2


def test_errors_of_the_script_are_told_apart_and_others_are_raised():
    async def gathered(send):
        return await asyncio.gather(send("busy"), send("late"), return_exceptions=True)

    async def raised(send):
        await send("late")

    async def own(send):
        raise KeyError("x")

    assert seen_by(gathered, SEND)["value"] == [
        "error 1: ApiError: HTTP status 429, retry after 3 s",
        "error 2: TimeoutError: no reply came in time",
    ]
    assert seen_by(raised, SEND)["value"] == "raises error 1: TimeoutError: no reply came in time"
    assert seen_by(own, SEND)["type"] == "KeyError"
    assert seen_by(lambda send: send("another"), SEND)["type"] == "ValueError"


async def waits_for_the_lost(send):
    return await asyncio.gather(send("slow"), send("lost"))


async def spins(send):
    while True:
        await asyncio.sleep(0)


async def tries_forever(send):
    while True:
        try:
            await send("late")
        except TimeoutError:
            await asyncio.sleep(1)


async def forgets_a_task(send):
    asyncio.create_task(send("slow"))
    return 1


async def refuses_to_be_cancelled(send):
    async def stay():
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                pass

    asyncio.create_task(stay())


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (waits_for_the_lost, WAITS_FOREVER),
        (spins, GOES_ON),
        (tries_forever, GOES_ON),
        (forgets_a_task, LEAVES_TASKS),
        (refuses_to_be_cancelled, LEAVES_TASKS),
    ],
)
def test_how_a_coroutine_ends_is_observed(answer, ending, capfd):
    assert seen_by(answer, SEND)["ended"] == ending
    assert seen_by(again, SEND, SLEEP)["value"] == "at last", "and the next one is not disturbed"
    gc.collect()
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_was_cancelled_is_no_task_left_behind():
    async def with_worker(send):
        worker = asyncio.create_task(send("lost"))
        value = await send("slow")
        worker.cancel()
        return value

    assert seen_by(with_worker, SEND)["ended"] == "it returns or raises"


def test_blocking_and_plain_functions_are_refused_in_words():
    async def blocks(send):
        time.sleep(1000)

    def plain(send):
        return 3

    async def not_awaited(send):
        return send("slow")

    sleep = time.sleep
    assert seen_by(blocks, SEND)["message"] == BLOCKS and time.sleep is sleep
    assert "await sleep(seconds)" in explain_error(seen_by(blocks, SEND))[1]
    assert seen_by(plain, SEND)["message"] == NOT_AWAITABLE
    assert "async def" in explain_error(seen_by(plain, SEND))[1]
    assert seen_by(not_awaited, SEND)["value"] == NOT_AWAITED


def test_a_running_loop_is_left_as_it_was():
    async def notebook():
        ticks = []

        async def tick():
            while len(ticks) < 3:
                ticks.append(asyncio.get_running_loop())
                await asyncio.sleep(0)

        other, me = asyncio.create_task(tick()), asyncio.current_task()
        seen = seen_by(again, SEND, SLEEP)
        assert asyncio.current_task() is me
        await other
        assert set(ticks) == {asyncio.get_running_loop()}
        return seen["finished at"]

    assert asyncio.run(notebook()) == 4.5


def test_an_interrupt_reaches_the_coroutine_and_the_loop_is_put_away():
    async def interrupted(send):
        raise KeyboardInterrupt

    assert seen_by(interrupted, SEND)["type"] == "KeyboardInterrupt"
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_send_and_sleep_refuse_what_they_cannot_time():
    async def in_another_loop(send, sleep):
        return await asyncio.wait_for(sleep(-1), 1)

    assert "number of seconds" in seen_by(in_another_loop, SEND, SLEEP)["message"]
    with pytest.raises(RuntimeError, match="in no other loop"):
        asyncio.run(decode(encode(SLEEP))(1.0))


def test_the_check_shows_the_script_and_says_how_it_ended():
    example = {
        "about": "a reply that never comes", "observe": "coroutine", "arguments": [encode(SEND)],
        "options": encode({"names": ["send"], "watch": ["calls"]}), "absolute": 1e-5, "relative": 1e-4,
        "expected": {"ended": "it returns or raises", "value": {"list": []}}, "misconceptions": [],
    }  # fmt: skip
    result = check_examples(waits_for_the_lost, {"lab": "x", "forbidden": [], "examples": [example]})
    assert result.findings[0].cause == ENDINGS[WAITS_FOREVER][0]
    assert "'busy': after 1 s status 429 with retry_after=3; then after 0.5 s the reply" in result.findings[0].call
    assert "no reply, ever" in show("value", decode(encode(SEND)))


HOSTILE = """
import asyncio, time
from time import sleep as nap
real_sleep, asyncio.sleep, asyncio.all_tasks = asyncio.sleep, None, None
import helpers.checks.coroutines, helpers.api.errors
helpers.checks.coroutines.VirtualLoop = helpers.api.errors.ApiError = None
async def right(send):
    return await send("slow")
async def blocks(send):
    nap(1000)
async def jumps(send):
    asyncio.get_running_loop()._seconds = -1e300
    return await send("slow")
async def closes(send):
    asyncio.get_running_loop().stop()
    return await send("slow")
"""


@pytest.mark.sandbox
def test_in_the_kernel_an_answer_can_harm_only_itself(tmp_path):
    request = {
        "observe": "coroutine", "seed": 0, "arguments": [encode(SEND)], "options": encode({"watch": ["finished at"]}),
    }  # fmt: skip
    with StudentKernel("python3", tmp_path, Limits()) as kernel:
        kernel.install_probe([], model_specs=True)
        cell = nbformat.v4.new_code_cell("async def right(send):\n    return await send('slow')\nright_too = right")
        assert kernel.run(cell.source, 30).error is None
        assert kernel.ask(request | {"name": "right_too"}, 30)["values"]["finished at"] == 2.0
        assert kernel.run(HOSTILE, 30).error is None
        with pytest.raises(TimeUp):
            kernel.ask(request | {"name": "blocks"}, 1)
        for name in ("jumps", "closes"):
            reply = kernel.ask(request | {"name": name}, 30)
            assert reply.get("error") or decode(reply["values"]["finished at"]) != 2.0
        assert kernel.ask(request | {"name": "right"}, 30)["values"]["value"] == "slow reply"
        assert kernel.run("await real_sleep(0)\nprint('alive')", 30).outputs[0].text == "alive\n"
