"""One grading run in three steps: plan what has to be judged, judge it, and record each judgement as it arrives."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from sqlalchemy.exc import SQLAlchemyError

from helpers.atomic import replace_file
from helpers.grader.course.lab import Lab, load_lab
from helpers.grader.intake.extra_files import KEPT_IN, keep_extra_files
from helpers.grader.intake.submission import Submission
from helpers.grader.intake.timestamp import read_timestamp
from helpers.grader.judging.apart import weighed_apart
from helpers.grader.judging.judgement import Judgement
from helpers.grader.judging.submission import is_sandboxed
from helpers.grader.limits import Limits
from helpers.grader.reports import points
from helpers.grader.reports.feedback import graded_text
from helpers.grader.reports.gradebook import record as record_marks
from helpers.grader.reports.marked_work import MarkedWork
from helpers.grader.reports.totals import Totals
from helpers.grader.run import changes
from helpers.grader.run.changes import Change
from helpers.grader.run.judgement_store import JudgementStore
from helpers.grader.run.progress_bar import ProgressBar
from helpers.grader.run.retry import JudgeBatch, Outcomes, judge_with_retry
from helpers.grader.sandbox.kernelspecs import UNSAFE_KERNEL
from helpers.interrupt import raise_if_requested

MAX_REASON = 300  # characters of an exception that a failure quotes


@dataclass(frozen=True)
class Failure:
    """A submission without a judgement because the grader itself failed on it. The next run judges it again."""

    student: str
    lab: str
    reason: str

    @classmethod
    def of(cls, submission: Submission, problem: BaseException) -> Failure:
        """Describe in one line what went wrong with a submission."""
        reason = " ".join(f"{type(problem).__name__}: {problem}".split())[:MAX_REASON]
        return cls(submission.student, submission.lab, reason)


@dataclass
class GradingResult:
    """What a grading run produced."""

    judgements: list[tuple[str, Judgement]] = field(default_factory=list)  # (student, judgement)
    remarks: list[str] = field(default_factory=list)  # on files and dates, for the instructor
    failures: list[Failure] = field(default_factory=list)
    totals: Totals = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)  # of marks from an earlier run


@dataclass
class Plan:
    """What a run has to do: reuse some judgements and make the others."""

    kept: list[tuple[str, Judgement]] = field(default_factory=list)  # (student, judgement) of an earlier run
    waiting: list[Submission] = field(default_factory=list)
    digests: dict[tuple[str, str], str] = field(default_factory=dict)  # (student, lab) → what its judgement depends on
    refused: set[str] = field(default_factory=set)  # students with a submission whose lab is unknown
    failures: list[Failure] = field(default_factory=list)  # submissions that cannot be read


@dataclass(frozen=True)
class Where:
    """Under which limits and in which kernel notebooks run on this computer."""

    limits: Limits = Limits()
    kernel_name: str = UNSAFE_KERNEL


class GradingRun:
    """A run over one class, which can be interrupted at any point and resumed.

    Args:
        course: the folder that holds `solutions/`.
        output: an existing folder, locked for this run.
        gradebook: nbgrader's gradebook, in which every lab has already been entered.
        judge_batch: judges several submissions at once, here or on a cluster.
        key: the digest of the labs, the grader's code and the limits (`judge_digest`).
        seed: the secret seed from which `judge_batch` draws hidden inputs.
        where: under which limits and in which kernel notebooks run.
    """

    def __init__(
        self,
        course: Path,
        output: Path,
        gradebook: Gradebook,
        judge_batch: JudgeBatch,
        key: str,
        seed: int,
        where: Where | None = None,
    ) -> None:
        self.course, self.output, self.gradebook = course, output, gradebook
        self.judge_batch, self.key, self.where = judge_batch, key, where or Where()
        self.seed, self.store = seed, JudgementStore(output, seed)
        self.marked = MarkedWork(output)

    def run(self, submissions: list[Submission], regrade: bool = False) -> GradingResult:
        """Grade the submissions and record each judgement before the next is awaited.

        Raises OSError or SQLAlchemyError if a judgement cannot be written because of the disk or the database.
        """
        # A student may have several refused submissions whose lab is unknown; the last one stands for all of them.
        submissions = list({(submission.student, submission.lab): submission for submission in submissions}.values())
        plan = self.plan(submissions, regrade)
        result = GradingResult(failures=list(plan.failures))
        with ProgressBar(len(submissions)) as progress, closing(self.judge(plan)) as outcomes:
            for student, judgement in plan.kept:
                weighed = self.weigh(student, judgement, plan, progress, result)
                result.judgements.append((student, weighed))
                progress.add(weighed, kept=True)
            for submission, outcome in outcomes:
                raise_if_requested()
                try:
                    if not isinstance(outcome, Judgement):
                        raise outcome
                    self.announce_changes(submission.student, submission.lab, outcome, progress, result)
                    self.record(submission, outcome, plan)
                except Exception as problem:
                    if isinstance(outcome, Judgement) and isinstance(problem, (OSError, SQLAlchemyError)):
                        raise  # a full disk or a locked gradebook would stop the next submission too
                    result.failures.append(Failure.of(submission, problem))
                else:
                    result.judgements.append((submission.student, outcome))
                    progress.add(outcome)
        result.judgements.sort(key=lambda entry: (entry[0], entry[1].lab))
        return result

    def plan(self, submissions: list[Submission], regrade: bool = False) -> Plan:
        """Decide which submissions have a judgement that still holds, and which have to be judged.

        A judgement holds if it was made from the same files by the same judge with the same seed, and its marks are in
        the gradebook.
        """
        plan = Plan(refused={submission.student for submission in submissions if not submission.lab})
        labs = {submission.lab for submission in submissions if submission.lab}
        entered = {(entry.student_id, lab) for lab in labs for entry in self.gradebook.assignment_submissions(lab)}
        for submission in submissions:
            student, lab = submission.student, submission.lab
            try:
                digest = submission.digest(self.key)
            except OSError as problem:
                plan.failures.append(Failure.of(submission, problem))
                continue
            judgement = None if regrade else self.store.load(student, lab, digest)
            plan.digests[student, lab] = digest
            if judgement is not None and (not lab or (student, lab) in entered):
                plan.kept.append((student, judgement))
            else:
                plan.waiting.append(submission)
        return plan

    def judge(self, plan: Plan) -> Outcomes:
        """Yield each waiting submission with its judgement, or with the grader's error if it failed twice."""
        return judge_with_retry(self.judge_batch, plan.waiting)

    def weigh(
        self, student: str, judgement: Judgement, plan: Plan, progress: ProgressBar, result: GradingResult
    ) -> Judgement:
        """Return a kept judgement with what its cases are worth now, and enter it if that changes marks."""
        if not judgement.lab:
            return judgement
        lab = load_lab(self.course, judgement.lab)
        weighed = points.weighed(lab.exercises, judgement)
        if weighed is not judgement:
            self.announce_changes(student, lab.name, weighed, progress, result)
            record_marks(self.gradebook, lab, student, weighed, marked=self.marked)
            path = self._autograded(student, lab.name)
            if path.is_file():
                shown = self._shown(load_lab(self.course, lab.name, self.seed), path, weighed)
                with replace_file(path) as temporary:
                    temporary.write_bytes(shown)
            self.store.save(student, weighed, plan.digests[student, lab.name])
        return weighed

    def _shown(self, lab: Lab, path: Path, weighed: Judgement) -> bytes:
        """Return a judged notebook with what its cases are worth now, made where notebooks are judged."""
        if is_sandboxed(self.where.kernel_name):
            return weighed_apart(lab, path, weighed)
        return graded_text(lab, replace(weighed, notebook=nbformat.read(path, as_version=4)))

    def announce_changes(
        self, student: str, lab_name: str, judgement: Judgement, progress: ProgressBar, result: GradingResult
    ) -> None:
        """Say and keep which marks a judgement will change, before it is entered."""
        earlier = self.store.latest(student, lab_name) if lab_name else None
        if earlier is None:
            return
        lab = load_lab(self.course, lab_name)
        self.marked.note(self.gradebook, student, earlier)  # what the marks were given for, unless it knows better
        lifted = self.marked.not_given_for(lab, student, judgement)
        marked = [cell.name for cell in self.marked.given_for(lab, student, judgement)]
        found = changes.changes(lab, student, earlier, judgement, lifted, marked)
        for line in changes.lines(found):
            progress.write(line)
        changes.keep(self.output, found)
        result.changes += found

    def record(self, submission: Submission, judgement: Judgement, plan: Plan) -> None:
        """Write a judgement: marks to the gradebook, the graded notebook to disk, and last the judgement itself.

        A stored judgement is what marks a submission as done, so a run that is killed earlier judges it again.
        """
        student = submission.student
        if submission.lab:
            lab = load_lab(self.course, submission.lab)
            timestamp = _timestamp(submission, judgement)
            record_marks(self.gradebook, lab, student, judgement, timestamp, self.marked)
            with replace_file(self._autograded(student, lab.name)) as temporary:
                temporary.write_bytes(judgement.graded or graded_text(lab, judgement))
            if submission.path is not None:
                keep_extra_files(submission.path.parent, self.output / KEPT_IN / student / lab.name, self.where.limits)
            if student not in plan.refused:
                self.store.forget(student, "")  # the refusal of an earlier submission, which this one replaces
        judgement.notebook = judgement.graded = (
            None  # already on disk; a whole class of notebooks would fill the memory
        )
        self.store.save(student, judgement, plan.digests[student, submission.lab])

    def _autograded(self, student: str, lab: str) -> Path:
        return self.output / "autograded" / student / lab / f"{lab}.ipynb"


def _timestamp(submission: Submission, judgement: Judgement) -> datetime | None:
    """Return when a submission was handed in, if that is known; adds a note to the judgement if it is unreadable."""
    if submission.path is None or submission.timestamp is None:
        return None
    timestamp, note = read_timestamp(submission.timestamp)
    if note:
        judgement.notes.append(note)
    return timestamp
