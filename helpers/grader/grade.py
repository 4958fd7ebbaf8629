"""Grade a class: every submission in its own judge, marks and feedback written by one process.

`distillab grade` and `nbgrader autograde` (see `preprocessor.py`) both come through `judge_notebook`, so both give the
same marks. Whatever one submission does, the others are graded.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook

from helpers.grader.beside import copy_files_beside
from helpers.grader.build import generate, put_environment_first
from helpers.grader.cluster import judge_on_cluster
from helpers.grader.doctor import require_isolation
from helpers.grader.errors import GraderError, Refused
from helpers.grader.gradebook import exercise_verdict, record
from helpers.grader.intake import Submission, collect
from helpers.grader.judge import Judgement, Row, judge
from helpers.grader.lab import Lab, find_labs, load_lab
from helpers.grader.late import assign_penalty, read_timestamp, take_over_dates
from helpers.grader.limits import Limits
from helpers.grader.progress import Progress
from helpers.grader.provisioner import GPU_KERNEL, KERNEL, ZYGOTE, install_kernels
from helpers.grader.publish import course_config, default_database, publish
from helpers.grader.reading import read_notebook
from helpers.grader.report import graded_notebook
from helpers.grader.store import Store


def judge_notebook(lab: Lab, notebook: NotebookNode, beside: Path, limits: Limits, kernel_name: str) -> Judgement:
    """Judge a notebook in a scratch folder of its own, with copies of the files that lie in the folder `beside`."""
    with tempfile.TemporaryDirectory(prefix="distillab-", dir=ZYGOTE.scratch()) as scratch:
        left_out = copy_files_beside(beside, Path(scratch), limits)
        judgement = judge(lab, notebook, Path(scratch), limits, kernel_name)
    judgement.notes += left_out
    return judgement


def prepare(kernel_name: str) -> None:
    """Make sure that kernels of this name can run, and let the zygote start while the grader goes on with its own work.

    Raises GraderError where they would have to be locked in and this host cannot do it.
    """
    if kernel_name in (KERNEL, GPU_KERNEL):
        require_isolation()
        install_kernels()
        ZYGOTE.start()


def refused(lab: str, reason: str, verdict: str) -> Judgement:
    """Return the judgement of a submission that was not run: one row that says why."""
    return Judgement(lab, [Row("", "", 0.0, None, verdict, note=reason)])


def judge_submission(course: Path, submission: Submission, limits: Limits, kernel_name: str) -> Judgement:
    """Judge one submission; a refused one gets a row that says why."""
    if submission.refusal:
        return refused(submission.lab, submission.refusal, submission.verdict)
    lab = load_lab(course, submission.lab)
    try:
        notebook = read_notebook(submission.path, limits.file)
    except Refused as refusal:
        return refused(lab.name, str(refusal), refusal.verdict)
    judgement = judge_notebook(lab, notebook, submission.path.parent, limits, kernel_name)
    judgement.notes[:0] = submission.notes
    return judgement


@dataclass
class Graded:
    """What a run of the grader gave."""

    judgements: list[tuple[str, Judgement]] = field(default_factory=list)  # student, judgement
    remarks: list[str] = field(default_factory=list)


def grade(
    course: Path,
    submissions: Path,
    output: Path,
    labs: list[str] | None = None,
    workers: int | None = None,
    database: str | None = None,
    limits: Limits | None = None,
    kernel_name: str = KERNEL,
    again: bool = False,
    cluster: str | None = None,
) -> Graded:
    """Grade the submissions in a folder and write marks, feedback and the gradebook into `output`.

    What an earlier run into the same folder has judged is kept where nothing changed, unless `again`. `cluster` is the
    address of a Dask scheduler to judge on. Raises GraderError where there is nothing to grade, a lab was never
    released or this host cannot isolate.
    """
    course, limits, output, config = Path(course).resolve(), limits or Limits(), Path(output), course_config(course)
    names = _released(course, labs)
    if not cluster:
        prepare(kernel_name)
    put_environment_first()
    with tempfile.TemporaryDirectory(prefix="intake-", dir=ZYGOTE.scratch()) as scratch:
        found, remarks = collect(submissions, names, Path(scratch), find_labs(course))
        output.mkdir(parents=True, exist_ok=True)
        database = database or default_database(output)
        present = sorted({submission.lab for submission in found if submission.lab})
        for name in present:
            lab = load_lab(course, name)
            with tempfile.TemporaryDirectory(prefix="lab-", dir=ZYGOTE.scratch()) as folder:
                generate(lab, Path(folder), database)
            for exercise in lab.exercises:
                lab.key(exercise)  # while the zygote still imports
        extensions = take_over_dates(course, config, database, present)
        graded, store, progress = Graded(remarks=remarks), Store(output), Progress(len(found))
        key = judged_by(course, limits, kernel_name)
        if cluster:
            judge_here = partial(judge_on_cluster, cluster, course, limits=limits, kernel_name=kernel_name, key=key)
        else:
            at_once = workers or (os.cpu_count() or 1) + 1  # one more than the cores: a kernel that starts mostly waits
            judge_here = partial(_judge_in_threads, course, limits=limits, kernel_name=kernel_name, workers=at_once)
        with progress, Gradebook(database) as gradebook:
            entered = {(lab, entry.student_id) for lab in present for entry in gradebook.assignment_submissions(lab)}
            for lab, student in entered & extensions.keys():
                gradebook.update_or_create_submission(lab, student, extension=extensions[lab, student])
            waiting: dict[tuple[str, str], tuple[Submission, str]] = {}
            for submission in found:
                where, digest = (submission.lab, submission.student), submission.digest(key)
                kept = None if again else store.load(submission.student, submission.lab, digest)
                if kept is not None and (where in entered or not submission.lab):
                    graded.judgements.append((submission.student, kept))
                    progress.add(kept, kept=True)
                else:
                    waiting[where] = (submission, digest)
            to_judge = [submission for submission, _ in waiting.values()]
            for submission, judgement in _judge_all(judge_here, to_judge):
                where = (submission.lab, submission.student)
                if submission.lab:
                    lab = load_lab(course, submission.lab)
                    times = _times(submission, judgement, extensions.get(where))
                    record(gradebook, lab, submission.student, judgement, **times)
                    assign_penalty(gradebook, database, config, *where)
                    _write_notebook(output, lab, submission.student, judgement)
                    if ("", submission.student) not in waiting:
                        store.forget(submission.student, "")  # what stood in the way of an earlier hand-in
                judgement.notebook = None  # it lies on disk now, and a class of them would fill the memory
                store.save(submission.student, judgement, waiting[where][1])  # last: from here on it counts as done
                graded.judgements.append((submission.student, judgement))
                progress.add(judgement)
    graded.judgements.sort(key=lambda entry: (entry[0], entry[1].lab))
    publish(course, output, database)
    return graded


def judged_by(course: Path, limits: Limits, kernel_name: str) -> str:
    """Return the digest of what judges: the labs' sources, this package's code, the limits and the kernel."""
    digest = hashlib.sha256(f"{limits}\0{kernel_name}".encode())
    package = Path(__file__).parents[1]
    for path in sorted([*(Path(course) / "solutions").glob("*/*.py"), *package.rglob("*.py")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _times(submission: Submission, judgement: Judgement, extension: timedelta | None) -> dict[str, Any]:
    """Return when a submission was handed in, and its extension, where they are known."""
    if submission.path is None:
        return {}
    timestamp, note = read_timestamp(submission.timestamp) if submission.timestamp else (None, "")
    judgement.notes += [note] if note else []
    known = {"timestamp": timestamp, "extension": extension}
    return {name: item for name, item in known.items() if item is not None}


def _released(course: Path, labs: list[str] | None) -> list[str]:
    known = find_labs(course)
    for name in labs or []:
        if name not in known:
            raise GraderError(f"There is no lab {name!r}. The labs are: {', '.join(known)}.")
        if not (Path(course) / "labs" / name / f"{name}.ipynb").is_file():
            raise GraderError(f"The lab {name!r} was never released. Release it with: distillab release --lab {name}")
    released = [name for name in labs or known if (Path(course) / "labs" / name / f"{name}.ipynb").is_file()]
    if not released:
        raise GraderError("No lab was released yet. Release the labs with: distillab release")
    return released


Outcomes = Iterator[tuple[Submission, Judgement | BaseException]]


def _judge_all(
    judge_here: Callable[[list[Submission]], Outcomes], submissions: list[Submission]
) -> Iterator[tuple[Submission, Judgement]]:
    """Judge every submission. What goes wrong in the grader itself costs a submission a second try, then a row that
    says so, never the run.
    """
    waiting = submissions
    for last_try in (False, True):
        if not waiting:
            return
        failed: list[Submission] = []
        with closing(judge_here(waiting)) as outcomes:
            for submission, outcome in outcomes:
                if isinstance(outcome, Judgement):
                    yield submission, outcome
                elif isinstance(outcome, GraderError):
                    raise outcome
                elif last_try:
                    reason = f"the grader itself failed on this notebook: {type(outcome).__name__}: {outcome}"[:300]
                    yield submission, refused(submission.lab, reason, "error")
                else:
                    failed.append(submission)
        waiting = failed


def _judge_in_threads(
    course: Path, submissions: list[Submission], limits: Limits, kernel_name: str, workers: int
) -> Outcomes:
    """Judge several at a time on this machine, each in a thread that mostly waits for its kernel."""
    with ThreadPoolExecutor(min(workers, len(submissions)) or 1) as pool:
        futures: dict[Future, Submission] = {
            pool.submit(judge_submission, course, submission, limits, kernel_name): submission
            for submission in submissions
        }
        try:
            for future in as_completed(futures):
                submission = futures.pop(future)  # which frees the judgement when it has been used
                yield submission, future.exception() or future.result()
        except BaseException:  # Ctrl-C, too: what has not begun is left alone, what runs loses its kernel
            pool.shutdown(wait=False, cancel_futures=True)
            ZYGOTE.stop()
            raise


def _write_notebook(output: Path, lab: Lab, student: str, judgement: Judgement) -> None:
    graded = output / "autograded" / student / lab.name / f"{lab.name}.ipynb"
    graded.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(graded_notebook(lab, judgement), graded)


def table(graded: Graded, labs: list[Lab]) -> str:
    """Return the class as a text table: a line a student and lab, with points, verdicts and misconceptions."""
    lines = [f"{'student':<22}{'lab':<16}{'points':>13}  verdicts"]
    exercises = {lab.name: lab.exercises for lab in labs}
    for student, judgement in graded.judgements:
        refusal = next((row for row in judgement.rows if not row.exercise), None)
        if refusal is not None:
            lines.append(f"{student:<22}{judgement.lab:<16}{'-':>13}  {refusal.verdict}: {refusal.note[:70]}")
            continue
        rows = [row for row in judgement.rows if row.case]
        points = f"{sum(row.points for row in rows):.4g} of {sum(row.max_points for row in rows):g}"
        verdicts = {name: exercise_verdict(judgement.of(name)) for name in exercises[judgement.lab]}
        lines.append(f"{student:<22}{judgement.lab:<16}{points:>13}  {_counted(verdicts)}")
        for name, verdict in verdicts.items():
            known = ", ".join(dict.fromkeys(row.misconception for row in judgement.of(name) if row.misconception))
            if known:
                lines.append(f"{'':<51}  {name}: {verdict}, {known}")
    return "\n".join(lines)


def _counted(verdicts: dict[str, str]) -> str:
    counts: dict[str, int] = {}
    for verdict in verdicts.values():
        counts[verdict] = counts.get(verdict, 0) + 1
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
