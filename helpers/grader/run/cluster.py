"""Judge on a Dask cluster (`--cluster tcp://…`): submissions go out as plain data, judgements come back the same way.

The workers need this package and the course's folder at the same path (a shared file system, or the same container
image); each judges in the same sandbox that one machine would use. Scheduler, workers and grader have to trust each
other, because Dask pickles what it sends; students' code never sees those pickles, and its results cross as text only.
If a worker is killed, its submissions are tried again on another one. Only the grader itself writes to the gradebook.
"""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import nbformat

from helpers.grader.course import digest
from helpers.grader.course.lab import forget_changed_labs
from helpers.grader.errors import GraderError, RunStopped
from helpers.grader.intake.extra_files import extra_files
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.submission import judge_submission, prepare
from helpers.grader.limits import Limits
from helpers.grader.notes import Note
from helpers.grader.run.judgement_store import from_plain, to_plain
from helpers.grader.run.retry import Outcomes
from helpers.grader.run.secret_seed import SecretSeed

if TYPE_CHECKING:  # an optional dependency, imported only when a cluster is used
    from distributed import Client

TASKS_PER_THREAD = 3  # submissions sent ahead: enough to keep every thread busy, few enough to fit into memory
CONNECT_SECONDS = 30.0  # for reaching the scheduler, and again for a first worker

_preparing = threading.Lock()


class PackedSubmission(TypedDict):
    """A submission as plain data, with the bytes of its files."""

    student: str
    lab: str
    notes: list[dict[str, str]]
    refusal: str
    verdict: str
    notebook: str  # the notebook's file name, "" for a refused submission
    files: dict[str, bytes]  # the notebook and the files beside it, by name


# -------------------------------------------------------------------------------------------------------- the grader


def judge_on_cluster(
    address: str, course: Path, submissions: list[Submission], limits: Limits, kernel_name: str, key: str, seed: int
) -> Outcomes:
    """Yield every submission with its judgement, or with the error that ended it, in the order of completion.

    Args:
        address: of the Dask scheduler.
        course: the course's folder, at the same path on every worker.
        submissions: what to judge.
        limits: for each notebook.
        kernel_name: the kernel that runs students' code.
        key: the grader's `judge_digest`, which each worker compares with its own.
        seed: the run's secret seed.

    Raises:
        GraderError: Dask is not installed, or there is no scheduler with a worker at the address.
    """
    try:
        from distributed import Future, as_completed
    except ImportError:
        raise GraderError("--cluster needs the extra “cluster”: pip install 'distillab[cluster]'") from None

    with _connected(address) as client:
        waiting = deque(submissions)
        running: dict[Future, Submission] = {}
        completed = as_completed(loop=client.loop)
        while waiting or running:
            capacity = TASKS_PER_THREAD * max(1, sum(client.nthreads().values()))
            while waiting and len(running) < capacity:
                submission = waiting.popleft()
                try:
                    packed = pack(submission, limits)
                except OSError as problem:  # the files are gone or unreadable, so no worker would fare better
                    yield submission, problem
                    continue
                task = (str(course), packed, asdict(limits), kernel_name, key, SecretSeed(seed))
                future = client.submit(judge_packed, *task, pure=False)
                running[future] = submission
                completed.add(future)
            if running:
                future = next(completed)
                submission = running.pop(future)
                try:
                    plain = future.result()
                except Exception as problem:  # whatever ended the task on its worker; the caller tries once more
                    yield submission, problem
                else:
                    yield submission, from_plain(plain)
                future.release()


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    """Connect to a scheduler that has a worker. Raises GraderError if there is none."""
    from distributed import Client

    with ExitStack() as stack:
        try:
            client = stack.enter_context(Client(address, timeout=CONNECT_SECONDS, set_as_default=False))
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (OSError, TimeoutError, ValueError) as problem:
            raise GraderError(
                f"There is no cluster with a worker at {address} ({problem}). Start one with: dask scheduler, and "
                "dask worker ADDRESS --nthreads 1 on each machine; see docs/instructors.md."
            ) from None
        yield client


def pack(submission: Submission, limits: Limits | None = None) -> PackedSubmission:
    """Return a submission as plain data. Raises OSError if its files cannot be read."""
    packed = PackedSubmission(
        student=submission.student,
        lab=submission.lab,
        notes=[],
        refusal=submission.refusal,
        verdict=submission.verdict,
        notebook="",
        files={},
    )
    notes = submission.notes
    if submission.path is not None:
        fitting, left_out = extra_files(submission.path.parent, limits or Limits())
        packed["notebook"], notes = submission.path.name, notes + left_out
        packed["files"] = {path.name: path.read_bytes() for path in [*fitting, submission.path]}
    packed["notes"] = [note.to_plain() for note in notes]
    return packed


# -------------------------------------------------------------------------------------------------------- the worker


def judge_packed(
    course: str, packed: PackedSubmission, limits: dict[str, Any], kernel_name: str, key: str, seed: SecretSeed
) -> dict[str, Any]:
    """Judge a packed submission on a worker and return the judgement as plain data.

    Raises RunStopped if the worker's course or code is not the grader's.
    """
    worker_limits = Limits(**limits)
    with _preparing:
        prepare(kernel_name, apart=True)
        _require_same_judge(Path(course), worker_limits, kernel_name, key)
        forget_changed_labs()
    with tempfile.TemporaryDirectory(prefix="distillab-") as folder:
        submission = _unpack(packed, Path(folder))
        judgement = judge_submission(Path(course), submission, worker_limits, kernel_name, seed.value)
    plain = to_plain(judgement) | {"graded": judgement.graded}
    plain["notebook"] = nbformat.writes(judgement.notebook) if judgement.notebook is not None else None
    return plain


def _require_same_judge(course: Path, limits: Limits, kernel_name: str, key: str) -> None:
    """Raise RunStopped if this worker would not judge exactly as the grader does."""
    if digest.judge_digest(course, limits, kernel_name) != key:
        raise RunStopped(
            f"A worker of the cluster has another version of {course} or of distillab than the grader. Install the "
            "same version on all machines, restart the workers, and grade again."
        )
    if digest.code_on_disk() != digest.CODE_AT_START:
        raise RunStopped(
            "A worker of the cluster is still running an older version of distillab than the one on its disk. Restart "
            "the workers, and grade again."
        )


def _unpack(packed: PackedSubmission, folder: Path) -> Submission:
    """Write a submission's files into a folder and return the submission."""
    for name, content in packed["files"].items():
        (folder / name).write_bytes(content)
    path = folder / packed["notebook"] if packed["notebook"] else None
    notes = [Note.from_plain(note) for note in packed["notes"]]
    return Submission(packed["student"], packed["lab"], path, notes, packed["refusal"], packed["verdict"])
