"""Judge many submissions, several at once, and try again where the outcome says nothing about the notebook.

A failure of the grader says nothing about the notebook, so it must not cost marks: the submission comes back with the
error instead of a judgement, and the next run judges it again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing

from helpers.grader.errors import RunStopped
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.judgement import Judgement
from helpers.grader.judging.server_client import SERVER
from helpers.grader.notes import Note, NoteCode
from helpers.grader.sandbox.zygote_client import ZYGOTE

# A generator, so that whoever stops early can close it and end the judging.
Outcomes = Generator[tuple[Submission, Judgement | BaseException], None, None]
JudgeBatch = Callable[[list[Submission]], Outcomes]


def judge_with_retry(judge_batch: JudgeBatch, submissions: list[Submission]) -> Outcomes:
    """Yield every submission with its judgement, or with the grader's error if it failed twice.

    Where a time limit passed while others were using the processors, the submission is judged again at the end, when
    nothing else is, and that judgement holds.

    Raises RunStopped as soon as an error affects all submissions alike.
    """
    starved: list[Submission] = []
    with closing(_judge_twice_at_most(judge_batch, submissions)) as outcomes:
        for submission, outcome in outcomes:
            if isinstance(outcome, Judgement) and outcome.starved:
                starved.append(submission)
            else:
                yield submission, outcome
    for alone in starved:
        for submission, outcome in _judge_twice_at_most(judge_batch, [alone]):
            if isinstance(outcome, Judgement) and outcome.starved:
                outcome.notes.append(Note.of(NoteCode.COMPUTER_BUSY))
            yield submission, outcome


def _judge_twice_at_most(judge_batch: JudgeBatch, submissions: list[Submission]) -> Outcomes:
    waiting = submissions
    for last_try in (False, True):
        if not waiting:
            return
        failed: list[Submission] = []
        with closing(judge_batch(waiting)) as outcomes:
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
    """Judge several submissions at once on this machine, each in a thread that mostly waits for its kernel."""
    with ThreadPoolExecutor(min(workers, len(submissions)) or 1) as pool:
        futures: dict[Future[Judgement], Submission] = {
            pool.submit(judge_one, submission): submission for submission in submissions
        }
        try:
            for future in as_completed(futures):
                submission = futures.pop(future)  # drops the last reference to the judgement once it has been used
                yield submission, future.exception() or future.result()
        except BaseException:  # Ctrl-C too: drop what has not started, and end the kernels that are running
            pool.shutdown(wait=False, cancel_futures=True)
            SERVER.stop()
            ZYGOTE.stop()
            raise
