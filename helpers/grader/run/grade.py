"""Grade a class: find the submissions, judge them, then write marks, feedback and reports.

Each submission is judged in its own sandbox, and a single process writes to the gradebook. Nothing that one submission
does keeps the others from being graded.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from helpers.grader.course.digest import judge_digest
from helpers.grader.course.lab import Lab, find_labs, forget_changed_labs, load_lab
from helpers.grader.errors import GraderError
from helpers.grader.intake.archive import Archives
from helpers.grader.intake.collect import collect
from helpers.grader.intake.matching import read_answers
from helpers.grader.judging.archives_apart import ArchivesApart
from helpers.grader.judging.server_client import SERVER
from helpers.grader.judging.submission import compute_answers, is_sandboxed, judge_submission, prepare
from helpers.grader.limits import Limits
from helpers.grader.release import generate, put_environment_first
from helpers.grader.reports.gradebook import open_gradebook
from helpers.grader.run.cluster import judge_on_cluster
from helpers.grader.run.desk import class_roster, keep_desk
from helpers.grader.run.grading_run import GradingResult, GradingRun, Where
from helpers.grader.run.judgement_store import JudgementStore
from helpers.grader.run.output_lock import one_run_at_a_time
from helpers.grader.run.publish import default_database, of_the_class, write_reports
from helpers.grader.run.retry import JudgeBatch, judge_in_threads
from helpers.grader.run.scale import require_one_scale
from helpers.grader.run.secret_seed import secret_seed
from helpers.grader.sandbox.doctor import isolates
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL, UNSAFE_KERNEL
from helpers.grader.sandbox.zygote_client import ZYGOTE
from helpers.interrupt import raise_if_requested


@dataclass(frozen=True)
class GradingOptions:
    """What to grade, where to judge it, and under which limits."""

    labs: Sequence[str] | None = None  # None: every released lab
    workers: int | None = None  # notebooks judged at once on this machine; None: one more than there are cores
    database: str | None = None  # URL of the gradebook; None: gradebook.db in the output folder
    limits: Limits = Limits()
    kernel_name: str = SANDBOX_KERNEL
    regrade: bool = False  # judge everything again, even what has not changed since an earlier run
    cluster: str | None = None  # address of a Dask scheduler; None: judge on this machine
    roster: Path | None = None  # the class list; None: the one of an earlier run into the same folder, if there is one


def grade(
    course: Path,
    submissions: Path,
    output: Path,
    options: GradingOptions | None = None,
    announce: Callable[[str], None] = lambda step: None,
) -> GradingResult:
    """Grade the submissions in a folder and write marks, feedback and the gradebook into `output`.

    Judgements from an earlier run into the same folder are reused where nothing has changed, unless `options.regrade`
    is set. Hidden inputs are drawn from a secret seed that stays in `output`, so that a regrade gives the same marks.

    `announce` is told what is being done until the progress bar starts, and after it.

    Raises:
        GraderError: there is nothing to grade, a lab was never released, this computer cannot isolate notebooks,
            another run is using `output`, or no submission at all could be judged.
    """
    course, output, options = Path(course).resolve(), Path(output), options or GradingOptions()
    labs = _released_labs(course, options.labs)
    forget_changed_labs()
    if not options.cluster:
        prepare(options.kernel_name, apart=True)
    put_environment_first()
    with tempfile.TemporaryDirectory(prefix="intake-", dir=ZYGOTE.scratch()) as scratch:
        announce(f"Looking for submissions in {submissions}")
        known = find_labs(course)
        roster = class_roster(options.roster, output, known)
        # A cluster's workers isolate notebooks; this computer need not be able to.
        apart = is_sandboxed(options.kernel_name) and (not options.cluster or isolates())
        archives = ArchivesApart() if apart else Archives()
        found = collect(submissions, labs, Path(scratch), known, roster, read_answers(output), archives)
        if options.cluster:
            SERVER.stop()
        collected = found.submissions
        output.mkdir(parents=True, exist_ok=True)
        database = options.database or default_database(output)
        with one_run_at_a_time(output):
            remarks = found.remarks + keep_desk(output, roster, found)
            if not collected:
                raise GraderError(f"No submission has a student on the roster. {remarks[-1]}.")
            seed = secret_seed(output)
            graded_now = {(submission.student, submission.lab) for submission in collected}
            require_one_scale(course, of_the_class(JudgementStore(output).all_but(graded_now), roster)[0])
            names = sorted({submission.lab for submission in collected if submission.lab})
            # A cluster's workers compute their own; here it shows whether the references work.
            judged_by = UNSAFE_KERNEL if options.cluster else options.kernel_name
            for name in compute_answers(course, names, seed, judged_by):
                announce(f"Computing the right answers of {name}")
                raise_if_requested()
                _enter_lab(load_lab(course, name, seed), database)
            key = judge_digest(course, options.limits, options.kernel_name)
            announce(f"Comparing {len(collected)} submissions with the last run")
            with open_gradebook(database) as gradebook:
                judge_batch = _judge_batch(course, options, key, seed)
                where = Where(options.limits, judged_by)
                grading = GradingRun(course, output, gradebook, judge_batch, key, seed, where)
                result = grading.run(collected, options.regrade)
            if not result.judgements:
                raise GraderError(f"No submission could be judged: {result.failures[0].reason}. See: distillab doctor.")
            announce("Writing feedback and reports")
            published = write_reports(course, output, database)
            result.remarks, result.totals = remarks + published.remarks, published.totals
    return result


def _released_labs(course: Path, names: Sequence[str] | None) -> list[str]:
    """Return the labs to grade: the named ones, which must have been released, or else all released ones."""
    known = find_labs(course)
    released = [name for name in known if (course / "labs" / name / f"{name}.ipynb").is_file()]
    for name in names or []:
        if name not in known:
            raise GraderError(f"There is no lab {name!r}. The labs are: {', '.join(known)}.")
        if name not in released:
            raise GraderError(f"The lab {name!r} was never released. Release it with: distillab release --lab {name}")
    if not released:
        raise GraderError("No lab has been released yet. Release the labs with: distillab release")
    return list(names or released)


def _enter_lab(lab: Lab, database: str) -> None:
    """Enter a lab in the gradebook, while the zygote is still importing and the answer keys are being computed."""
    with tempfile.TemporaryDirectory(prefix="lab-", dir=ZYGOTE.scratch()) as folder:
        generate(lab, Path(folder), database)


def _judge_batch(course: Path, options: GradingOptions, key: str, seed: int) -> JudgeBatch:
    """Return the function that judges several submissions: on the cluster, or in threads on this machine."""
    limits, kernel_name = options.limits, options.kernel_name
    if options.cluster:
        return partial(
            judge_on_cluster, options.cluster, course, limits=limits, kernel_name=kernel_name, key=key, seed=seed
        )
    workers = options.workers or (os.cpu_count() or 1) + 1  # one extra: a kernel that is starting mostly waits
    judge_one = partial(judge_submission, course, limits=limits, kernel_name=kernel_name, seed=seed)
    return partial(judge_in_threads, judge_one=judge_one, workers=workers)
