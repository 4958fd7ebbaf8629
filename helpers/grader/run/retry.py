"""Judge many submissions: several at a time on this machine, and each again where the grader itself fell over.

What goes wrong in the grader says nothing about a notebook, so it is nobody's mark: such a submission comes back with
the error in place of a judgement, and the next run judges it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing

from helpers.grader.errors import RunStopped
from helpers.grader.intake.collect import Submission
from helpers.grader.judging.judgement import Judgement
from helpers.grader.sandbox.zygote_client import ZYGOTE

Outcomes = Iterator[tuple[Submission, Judgement | BaseException]]


def judge_all(judge_here: Callable[[list[Submission]], Outcomes], submissions: list[Submission]) -> Outcomes:
    """Yield every submission with its judgement, or with what went wrong in the grader at the second try too.

    Raises RunStopped where what went wrong concerns every submission alike.
    """
    waiting = submissions
    for last_try in (False, True):
        if not waiting:
            return
        failed: list[Submission] = []
        with closing(judge_here(waiting)) as outcomes:
            for submission, outcome in outcomes:
                if isinstance(outcome, RunStopped):
                    raise outcome
                if isinstance(outcome, Judgement) or last_try:
                    yield submission, outcome
                else:
                    failed.append(submission)
        waiting = failed


def judge_in_threads(
    submissions: list[Submission], judge_one: Callable[[Submission], Judgement], workers: int
) -> Outcomes:
    """Judge several at a time on this machine, each in a thread that mostly waits for its kernel."""
    with ThreadPoolExecutor(min(workers, len(submissions)) or 1) as pool:
        futures: dict[Future, Submission] = {
            pool.submit(judge_one, submission): submission for submission in submissions
        }
        try:
            for future in as_completed(futures):
                submission = futures.pop(future)  # which frees the judgement when it has been used
                yield submission, future.exception() or future.result()
        except BaseException:  # Ctrl-C, too: what has not begun is left alone, what runs loses its kernel
            pool.shutdown(wait=False, cancel_futures=True)
            ZYGOTE.stop()
            raise
