"""Judge one submission from its file to its judgement.

`distillab grade`, a cluster's workers and `nbgrader autograde` (see `preprocessor.py`) all come through
`judge_notebook`, so all give the same marks.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nbformat import NotebookNode

from helpers.grader.course.lab import Lab, load_lab
from helpers.grader.errors import Refused
from helpers.grader.intake.extra_files import copy_extra_files
from helpers.grader.intake.notebook import read_notebook
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.judge import judge
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.limits import Limits
from helpers.grader.sandbox.doctor import require_isolation
from helpers.grader.sandbox.kernelspecs import GPU_KERNEL, SANDBOX_KERNEL, install_kernels
from helpers.grader.sandbox.zygote_client import ZYGOTE


def judge_notebook(lab: Lab, notebook: NotebookNode, beside: Path, limits: Limits, kernel_name: str) -> Judgement:
    """Judge a notebook in a scratch folder of its own, with copies of the files that lie in the folder `beside`."""
    with tempfile.TemporaryDirectory(prefix="distillab-", dir=ZYGOTE.scratch()) as scratch:
        left_out = copy_extra_files(beside, Path(scratch), limits)
        judgement = judge(lab, notebook, Path(scratch), limits, kernel_name)
    judgement.notes += left_out
    judgement.guesses = notebook.metadata.get("guesses", {})
    return judgement


def prepare(kernel_name: str) -> None:
    """Make sure that kernels of this name can run, and let the zygote start while the grader goes on with its own work.

    Raises GraderError where they would have to be locked in and this host cannot do it.
    """
    if kernel_name in (SANDBOX_KERNEL, GPU_KERNEL):
        require_isolation()
        install_kernels()
        ZYGOTE.start()


def refused(lab: str, reason: str, verdict: str) -> Judgement:
    """Return the judgement of a submission that was not run: one row that says why, and no points of no lab."""
    return Judgement(lab, [Row("", "", 0.0 if lab else None, None, verdict, note=reason)])


def judge_submission(course: Path, submission: Submission, limits: Limits, kernel_name: str, seed: int) -> Judgement:
    """Judge one submission with the run's secret seed; a refused one gets a row that says why."""
    if submission.refusal or submission.path is None:
        return _with_notes(refused(submission.lab, submission.refusal, submission.verdict), submission)
    lab = load_lab(course, submission.lab, seed)
    try:
        notebook = read_notebook(submission.path, limits.file)
    except Refused as refusal:
        return _with_notes(refused(lab.name, str(refusal), refusal.verdict), submission)
    return _with_notes(judge_notebook(lab, notebook, submission.path.parent, limits, kernel_name), submission)


def _with_notes(judgement: Judgement, submission: Submission) -> Judgement:
    judgement.notes[:0] = submission.notes
    return judgement
