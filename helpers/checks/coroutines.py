"""Run a student's coroutine on a virtual clock, with scripted replies, and observe what it does and when.

Nothing sleeps: where the coroutine waits, the clock jumps to the next moment at which something happens. The loop is a
private one, so it works where another loop is already running, as in Jupyter; everything stays in one thread, where the
judge's time limit and a student's interrupt can stop it. Like `helpers.checks.observers`, this file is sent to the
kernel as text, so it imports no other helper at its top.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

MAX_TURNS = 20_000  # of the loop; a right answer to a case needs some dozens
LAST_TURNS = 200  # for what a coroutine does when it is cancelled

# How a coroutine can end, with the likely cause and the next step.
RETURNED = "it returns or raises"
ENDINGS = {
    "it waits forever": (
        "Your coroutine waits for something that never comes, and nothing else is left to do.",
        "Look for an await on something that nobody completes, and for one reply that holds up all the others.",
    ),
    "it goes on forever": (
        "Your coroutine never ends: it goes on and on without coming to a result.",
        "Look at the condition that ends your loop, and count the attempts.",
    ),
    "it leaves tasks behind": (
        "Your coroutine returns while tasks that it started are still running.",
        "Await every task that you create, for example with asyncio.gather.",
    ),
}
WAITS_FOREVER, GOES_ON, LEAVES_TASKS = ENDINGS
BLOCKS = "time.sleep blocks the event loop: nothing else can happen meanwhile"
NOT_AWAITABLE = "the call gives no coroutine: define it with async def"
NOT_AWAITED = "a coroutine that nobody awaited"

# Saved before the student's first cell runs, so that replacing them later changes nothing here.
_wait, _all_tasks, _Future = asyncio.sleep, asyncio.all_tasks, asyncio.Future
_running_loop, _set_running_loop = asyncio._get_running_loop, asyncio._set_running_loop
_current_task, _enter_task, _leave_task = asyncio.current_task, asyncio.tasks._enter_task, asyncio.tasks._leave_task
_is_awaitable, _is_coroutine = inspect.isawaitable, inspect.iscoroutine


class LoopStopped(Exception):
    """Nothing can happen any more, or too much has; its argument is one of `ENDINGS`."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose clock jumps to the next timer when nothing else is left to do; it opens no socket."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self  # BaseEventLoop asks it to wait for sockets, and there are none
        self._seconds, self._turns, self._allowed = 0.0, 0, MAX_TURNS

    def time(self) -> float:
        return self._seconds

    def select(self, timeout: float | None) -> list[Any]:
        """Wait, as a selector would, until a timer is due. Raises LoopStopped where there is none."""
        self._turns += 1
        if timeout is None:
            raise LoopStopped(WAITS_FOREVER)
        if self._turns > self._allowed:
            raise LoopStopped(GOES_ON)
        self._seconds += timeout
        return []

    def allow(self, turns: int) -> None:
        """Let the loop take so many more turns."""
        self._allowed = self._turns + turns

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        raise RuntimeError("no threads are needed here: await send and sleep in the coroutine itself")

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        pass  # a task that failed and was never asked, or was dropped: what matters of it is observed


class ScriptedSend:
    """`await send(request)` gives what the script says for this request, and records when it was called.

    script: pairs of a request and its outcomes, one for each attempt; the last one repeats. An outcome is a dictionary:
    {"after": seconds, "reply": value}, {"after": seconds, "status": 429, "retry_after": seconds or None},
    {"after": seconds, "fails": "timeout"}, or {"never": True}.
    """

    def __init__(self, script: Sequence[Sequence[Any]], error: Callable[..., Exception]) -> None:
        self.script, self._error = [(request, list(outcomes)) for request, outcomes in script], error
        self.calls: list[tuple[int, float]] = []  # the request's number in the script, from 1 on, and when
        self.raised: list[Exception] = []
        self.in_flight = self.most_in_flight = 0

    async def __call__(self, request: Any) -> Any:
        number = next((n for n, (known, _) in enumerate(self.script, 1) if known == request), None)
        if number is None:
            raise ValueError("send was called with a request that was never given to you")
        attempt = sum(called == number for called, _ in self.calls)
        self.calls.append((number, _now()))
        outcomes = self.script[number - 1][1]
        outcome = outcomes[min(attempt, len(outcomes) - 1)]
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if outcome.get("never"):
                await _Future()
            await _wait(outcome["after"])
        finally:
            self.in_flight -= 1
        if "reply" in outcome:
            return outcome["reply"]
        timed_out = outcome.get("fails") == "timeout"
        status = () if timed_out else (outcome["status"], outcome.get("retry_after"))
        self.raised.append(TimeoutError("no reply came in time") if timed_out else self._error(*status))
        raise self.raised[-1]

    def __repr__(self) -> str:
        lines = (f"{request!r}: {'; then '.join(map(_in_words, outcomes))}" for request, outcomes in self.script)
        return "a scripted send\n  " + "\n  ".join(lines)


class VirtualSleep:
    """`await sleep(seconds)` waits on the virtual clock, and records for how long."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        if type(seconds) not in (int, float) or not 0 <= seconds < 1e9:
            raise ValueError(f"sleep takes a number of seconds, not {seconds!r:.80}")
        _now()
        self.waits.append(seconds)
        await _wait(seconds)

    def __repr__(self) -> str:
        return "a sleep on a virtual clock"


def _now() -> float:
    loop = _running_loop()
    if type(loop) is not VirtualLoop:
        raise RuntimeError("send and sleep are awaited in the coroutine that is being run, in no other loop or thread")
    return loop.time()


def _in_words(outcome: Mapping[str, Any]) -> str:
    if outcome.get("never"):
        return "no reply, ever"
    if "reply" in outcome:
        what = f"the reply {outcome['reply']!r}"
    elif outcome.get("fails"):
        what = "TimeoutError"
    else:
        retry = outcome.get("retry_after")
        what = f"status {outcome['status']}" + ("" if retry is None else f" with retry_after={retry:g}")
    return f"after {outcome['after']:g} s {what}"


def coroutine(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Call the answer, run its coroutine on a virtual clock, and observe how it ends, what it gives, sends and waits.

    The arguments hold one `ScriptedSend` and perhaps a `VirtualSleep`. `watch` lists the labels to observe besides
    "ended" and "value": "calls" (each request's number and the virtual second), "waits" (in seconds, in order),
    "most in flight" and "finished at" (in virtual seconds). An error of the script's counts as a value, by its number;
    any other is raised.
    """
    send = next(argument for argument in arguments if type(argument) is ScriptedSend)
    sleep = next((argument for argument in arguments if type(argument) is VirtualSleep), VirtualSleep())
    ended, value, seconds = run_virtually(lambda: answer(*arguments), send.raised)
    seen = {
        "ended": ended,
        "value": value,
        "calls": list(send.calls),
        "waits": list(sleep.waits),
        "most in flight": send.most_in_flight,
        "finished at": seconds,
    }
    return {label: seen[label] for label in ("ended", "value", *options.get("watch", ()))}


def run_virtually(call: Callable[[], Awaitable[Any]], scripted: Sequence[Exception]) -> tuple[str, Any, float]:
    """Run what `call` gives to its end on a loop of its own.

    Args:
        call: returns a coroutine.
        scripted: errors that may come out of it, or stand in its value; they become text.

    Returns how it ended (`RETURNED` or one of `ENDINGS`), its value (None where there is none), and the virtual second.
    Raises what the coroutine raises, unless it is in `scripted`.
    """

    async def main() -> Any:
        given = call()
        if not _is_awaitable(given):
            raise TypeError(NOT_AWAITABLE)
        return await given

    loop = VirtualLoop()
    with _no_loop_running(), _no_blocking():
        try:
            task = loop.create_task(main())
            try:
                ended, value = RETURNED, _as_data(loop.run_until_complete(task), scripted)
            except LoopStopped as stopped:
                ended, value = str(stopped), None
            except Exception as error:
                if not any(error is known for known in scripted):
                    raise
                ended, value = RETURNED, f"raises {_error_text(error, scripted)}"
            seconds = loop.time()
            if ended == RETURNED and _still_running(loop):
                ended = LEAVES_TASKS
        finally:
            _clear(loop)
    return ended, value, seconds


def _as_data(value: Any, scripted: Sequence[Exception]) -> Any:
    """Return a value with the script's errors, and coroutines, as text."""
    if type(value) in (list, tuple):
        return type(value)(_as_data(item, scripted) for item in value)
    if _is_coroutine(value):
        value.close()
        return NOT_AWAITED
    return _error_text(value, scripted) if any(value is known for known in scripted) else value


def _error_text(error: Exception, scripted: Sequence[Exception]) -> str:
    """Return which of the script's errors this is: the same failure twice is two errors."""
    number = next(number for number, known in enumerate(scripted, 1) if known is error)
    return f"error {number}: {type(error).__name__}: {error}"


def _still_running(loop: VirtualLoop) -> bool:
    """Return whether tasks are left that do not end by themselves at once."""
    for _ in range(3):  # a task that was cancelled but not awaited ends in these turns
        loop.call_soon(loop.stop)
        loop.run_forever()
    return bool(_all_tasks(loop))


def _clear(loop: VirtualLoop) -> None:
    """Cancel what is left, let it end, and close the loop; what refuses to end is dropped."""
    loop.allow(LAST_TURNS)
    with contextlib.suppress(BaseException):
        for task in _all_tasks(loop):
            task.cancel()
        while _all_tasks(loop):
            loop.call_later(0, loop.stop)
            loop.run_forever()
    for task in _all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()


@contextlib.contextmanager
def _no_loop_running() -> Iterator[None]:
    """Hide the loop that is running in this thread, as Jupyter's is; afterwards it goes on as if nothing had been."""
    outer = _running_loop()
    task = None if outer is None else _current_task(outer)
    if outer is not None and task is not None:
        _leave_task(outer, task)
    _set_running_loop(None)
    try:
        yield
    finally:
        _set_running_loop(outer)
        if outer is not None and task is not None:
            _enter_task(outer, task)


@contextlib.contextmanager
def _no_blocking() -> Iterator[None]:
    """Make time.sleep raise in this thread, where it would hold up everything else."""
    sleep, here = time.sleep, threading.get_ident()

    def refuse(seconds: Any) -> None:
        if threading.get_ident() == here:
            raise RuntimeError(BLOCKS)
        sleep(seconds)

    time.sleep = refuse
    try:
        yield
    finally:
        time.sleep = sleep
