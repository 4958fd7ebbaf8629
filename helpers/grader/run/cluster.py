"""Judge on a Dask cluster (`--cluster tcp://…`): submissions go out as plain data, judgements come back as JSON text.

The workers need this package and the course's folder at the same place (a shared file system, or the same container
image); each judges in the same sandbox as on one machine. Scheduler, workers and grader trust each other, as Dask's
pickles ask for: students' code never sees them, and what it computes crosses only as text. A worker that is killed
costs its submissions another try on another worker; nothing is judged into the gradebook but by the grader itself.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat

from helpers.grader.course import digest
from helpers.grader.course.lab import forget_changed_labs
from helpers.grader.errors import GraderError, RunStopped
from helpers.grader.intake.collect import Submission
from helpers.grader.intake.extra_files import files_beside
from helpers.grader.judging.judgement import Judgement
from helpers.grader.judging.submission import judge_submission, prepare
from helpers.grader.limits import Limits
from helpers.grader.notes import Note
from helpers.grader.run.judgement_store import from_plain, to_plain

AHEAD = 3  # submissions handed out for each thread of the cluster: enough to keep it busy, few enough for the memory
PATIENCE = 30  # seconds to wait for a scheduler and a first worker

_preparing = threading.Lock()


def judge_on_cluster(
    address: str, course: Path, submissions: list[Submission], limits: Limits, kernel_name: str, key: str
) -> Iterator[tuple[Submission, Judgement | BaseException]]:
    """Yield every submission with its judgement, or with what went wrong, in the order in which they get done.

    Raises GraderError where there is no cluster, or where its workers have another version of the course.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise GraderError("--cluster needs the extra “cluster”: pip install 'distillab[cluster]'") from None

    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(Client(address, timeout=PATIENCE, set_as_default=False))
            client.wait_for_workers(1, timeout=PATIENCE)
        except (OSError, TimeoutError, ValueError) as problem:
            raise GraderError(
                f"There is no cluster with a worker at {address} ({problem}). Start one with: dask scheduler, and "
                "dask worker ADDRESS --nthreads 1 on each machine; see docs/instructors.md."
            ) from None
        waiting, under_way, unread = iter(submissions), {}, []
        done = as_completed(loop=client.loop)

        def hand_out() -> None:
            while len(under_way) < AHEAD * max(1, sum(client.nthreads().values())):
                submission = next(waiting, None)
                if submission is None:
                    return
                try:
                    data = pack(submission, limits)
                except OSError as problem:  # it is gone, or may not be read: no worker would fare better
                    unread.append((submission, problem))
                    continue
                future = client.submit(judge_packed, str(course), data, asdict(limits), kernel_name, key, pure=False)
                under_way[future] = submission
                done.add(future)

        hand_out()
        while under_way or unread:
            if unread:
                yield unread.pop()
                continue
            future = next(done)
            submission = under_way.pop(future)
            outcome: Judgement | BaseException
            try:
                outcome = from_plain(future.result())
            except Exception as problem:  # whatever ended the task on its worker: `judge_all` tries once more
                outcome = problem
            future.release()
            hand_out()
            yield submission, outcome


def pack(submission: Submission, limits: Limits | None = None) -> dict[str, Any]:
    """Return a submission as plain data: its names, notes, and the bytes of its notebook and the files beside it."""
    packed = {name: item for name, item in asdict(submission).items() if name not in ("path", "timestamp")}
    packed["files"], packed["notebook"] = {}, ""
    notes = submission.notes
    if submission.path is not None:
        fitting, left_out = files_beside(submission.path.parent, limits or Limits())
        packed["notebook"], notes = submission.path.name, notes + left_out
        packed["files"] = {path.name: path.read_bytes() for path in [*fitting, submission.path]}
    return packed | {"notes": [note.to_plain() for note in notes]}


def judge_packed(
    course: str, packed: dict[str, Any], limits: dict[str, Any], kernel_name: str, key: str
) -> dict[str, Any]:
    """Judge a packed submission; this runs on a worker. Returns the judgement as plain data.

    Raises RunStopped where the worker's course or code is not the grader's.
    """
    bounds = Limits(**limits)
    with _preparing:
        prepare(kernel_name)
        if digest.judge_digest(Path(course), bounds, kernel_name) != key:
            raise RunStopped(
                f"A worker of the cluster has another version of {course} or of distillab than the grader: give all "
                "machines the same, restart the workers, and grade again."
            )
        if digest.code_on_disk() != digest.CODE_AT_START:
            raise RunStopped(
                "A worker of the cluster was started with an older version of distillab than the one on its disk: "
                "restart the workers, and grade again."
            )
        forget_changed_labs()
    with tempfile.TemporaryDirectory(prefix="distillab-") as folder:
        for name, content in packed["files"].items():
            (Path(folder) / name).write_bytes(content)
        path = Path(folder) / packed["notebook"] if packed["notebook"] else None
        names = ("student", "lab", "refusal", "verdict")
        notes = [Note.from_plain(note) for note in packed["notes"]]
        submission = Submission(path=path, notes=notes, **{name: packed[name] for name in names})
        judgement = judge_submission(Path(course), submission, bounds, kernel_name)
    plain = to_plain(judgement)
    plain["notebook"] = nbformat.writes(judgement.notebook) if judgement.notebook is not None else None
    return plain
