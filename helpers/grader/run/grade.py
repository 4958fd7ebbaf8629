"""Grade a class: every submission in its own judge, marks and feedback written by one process.

Whatever one submission does, the others are graded.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook
from sqlalchemy.exc import SQLAlchemyError

from helpers.grader.course.digest import judge_digest
from helpers.grader.course.lab import Lab, find_labs, forget_changed_labs, load_lab
from helpers.grader.errors import GraderError
from helpers.grader.intake.collect import Submission, collect
from helpers.grader.intake.timestamp import read_timestamp
from helpers.grader.judging.judgement import Judgement
from helpers.grader.judging.submission import judge_submission, prepare
from helpers.grader.limits import Limits
from helpers.grader.release import generate, put_environment_first
from helpers.grader.reports.feedback import graded_notebook
from helpers.grader.reports.gradebook import exercise_verdict, record
from helpers.grader.run.cluster import judge_on_cluster
from helpers.grader.run.judgement_store import Store
from helpers.grader.run.output_lock import one_run_at_a_time
from helpers.grader.run.progress_bar import Progress
from helpers.grader.run.publish import default_database, write_out
from helpers.grader.run.retry import Outcomes, judge_all, judge_in_threads
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from helpers.grader.sandbox.zygote_client import ZYGOTE


@dataclass
class Failure:
    """A submission that has no judgement, since the grader itself failed on it. The next run judges it."""

    student: str
    lab: str
    reason: str


@dataclass
class Graded:
    """What a run of the grader gave."""

    judgements: list[tuple[str, Judgement]] = field(default_factory=list)  # student, judgement
    remarks: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def failed(self, submission: Submission, problem: BaseException) -> None:
        said = " ".join(f"{type(problem).__name__}: {problem}".split())[:300]
        self.failures.append(Failure(submission.student, submission.lab, said))


def grade(
    course: Path,
    submissions: Path,
    output: Path,
    labs: list[str] | None = None,
    workers: int | None = None,
    database: str | None = None,
    limits: Limits | None = None,
    kernel_name: str = SANDBOX_KERNEL,
    again: bool = False,
    cluster: str | None = None,
) -> Graded:
    """Grade the submissions in a folder and write marks, feedback and the gradebook into `output`.

    What an earlier run into the same folder has judged is kept where nothing changed, unless `again`. `cluster` is the
    address of a Dask scheduler to judge on. Raises GraderError where there is nothing to grade, a lab was never
    released, this host cannot isolate, another run is at work in `output`, or not one submission could be judged.
    """
    course, limits, output = Path(course).resolve(), limits or Limits(), Path(output)
    names = _released(course, labs)
    forget_changed_labs()
    if not cluster:
        prepare(kernel_name)
    put_environment_first()
    with tempfile.TemporaryDirectory(prefix="intake-", dir=ZYGOTE.scratch()) as scratch:
        found, remarks = collect(submissions, names, Path(scratch), find_labs(course))
        output.mkdir(parents=True, exist_ok=True)
        database = database or default_database(output)
        with one_run_at_a_time(output):
            for name in sorted({submission.lab for submission in found if submission.lab}):
                _enter_lab(load_lab(course, name), database)
            key = judge_digest(course, limits, kernel_name)
            if cluster:
                judge_here = partial(judge_on_cluster, cluster, course, limits=limits, kernel_name=kernel_name, key=key)
            else:
                judge_one = partial(judge_submission, course, limits=limits, kernel_name=kernel_name)
                at_once = workers or (os.cpu_count() or 1) + 1  # one more: a kernel that starts mostly waits
                judge_here = partial(judge_in_threads, judge_one=judge_one, workers=at_once)
            graded = Graded(remarks=remarks)
            _grade_all(graded, found, judge_here, course, output, database, key, again)
            if not graded.judgements:
                raise GraderError(f"No submission could be judged: {graded.failures[0].reason}. See: distillab doctor.")
            graded.remarks += write_out(course, output, database)[1]
    return graded


def _enter_lab(lab: Lab, database: str) -> None:
    """Enter a lab in the gradebook and compute its answer keys, while the zygote still imports."""
    with tempfile.TemporaryDirectory(prefix="lab-", dir=ZYGOTE.scratch()) as folder:
        generate(lab, Path(folder), database)
    for exercise in lab.exercises:
        lab.key(exercise)


def _grade_all(
    graded: Graded,
    found: list[Submission],
    judge_here: Callable[[list[Submission]], Outcomes],
    course: Path,
    output: Path,
    database: str,
    key: str,
    again: bool,
) -> None:
    """Judge what has no judgement that holds, and enter each outcome before the next."""
    store = Store(output)
    with Progress(len(found)) as progress, Gradebook(database) as gradebook:
        labs = {submission.lab for submission in found if submission.lab}
        entered = {(lab, entry.student_id) for lab in labs for entry in gradebook.assignment_submissions(lab)}
        waiting: dict[tuple[str, str], tuple[Submission, str]] = {}
        for submission in found:
            where = (submission.lab, submission.student)
            try:
                digest = submission.digest(key)
            except OSError as problem:
                graded.failed(submission, problem)
                continue
            kept = None if again else store.load(submission.student, submission.lab, digest)
            if kept is not None and (where in entered or not submission.lab):
                graded.judgements.append((submission.student, kept))
                progress.add(kept, kept=True)
            else:
                waiting[where] = (submission, digest)
        for submission, outcome in judge_all(judge_here, [submission for submission, _ in waiting.values()]):
            where = (submission.lab, submission.student)
            try:
                if not isinstance(outcome, Judgement):
                    raise outcome
                if submission.lab:
                    lab = load_lab(course, submission.lab)
                    record(gradebook, lab, submission.student, outcome, **_times(submission, outcome))
                    _write_notebook(output, lab, submission.student, outcome)
                    if ("", submission.student) not in waiting:
                        store.forget(submission.student, "")  # what stood in the way of an earlier hand-in
                outcome.notebook = None  # it lies on disk now, and a class of them would fill the memory
                store.save(submission.student, outcome, waiting[where][1])  # last: from here on it counts as done
            except Exception as problem:
                if isinstance(outcome, Judgement) and isinstance(problem, (OSError, SQLAlchemyError)):
                    raise  # a full disk or a locked gradebook: the next one would not fare better
                graded.failed(submission, problem)
                continue
            graded.judgements.append((submission.student, outcome))
            progress.add(outcome)
    graded.judgements.sort(key=lambda entry: (entry[0], entry[1].lab))


def _times(submission: Submission, judgement: Judgement) -> dict[str, Any]:
    """Return when a submission was handed in, where that is known."""
    if submission.path is None:
        return {}
    timestamp, note = read_timestamp(submission.timestamp) if submission.timestamp else (None, None)
    judgement.notes += [note] if note else []
    return {} if timestamp is None else {"timestamp": timestamp}


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
