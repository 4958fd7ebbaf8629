"""Judge one submission from its file to its judgement.

`distillab grade` and a cluster's workers judge a sandboxed notebook in a process of its own (`apart.py`). Under
`nbgrader autograde` (see `preprocessor.py`), which has read the notebook already, and without a sandbox it is judged in
this process. Both come to `judge`, so both give the same marks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from nbformat import NotebookNode

from helpers.grader.course.lab import Lab, load_lab
from helpers.grader.errors import Refused
from helpers.grader.intake.extra_files import copy_extra_files
from helpers.grader.intake.notebook import read_notebook
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.apart import judge_apart, load_apart
from helpers.grader.judging.judge import judge
from helpers.grader.judging.judgement import Judgement, refused
from helpers.grader.judging.server_client import SERVER, receive_answer
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
    return judgement


def is_sandboxed(kernel_name: str) -> bool:
    """Return whether kernels of this name run in a sandbox."""
    return kernel_name in (SANDBOX_KERNEL, GPU_KERNEL)


def prepare(kernel_name: str, apart: bool = False) -> None:
    """Make sure that kernels of this name can run, and let the zygote start while the grader goes on with its own work.

    Args:
        kernel_name: the name.
        apart: whether to start the judging server too, in which `judge_submission` judges.

    Raises:
        GraderError: they would have to be locked in and this host cannot do it.
    """
    if is_sandboxed(kernel_name):
        require_isolation()
        install_kernels()
        ZYGOTE.start()
        if apart:
            SERVER.start()


def compute_answers(course: Path, labs: Iterable[str], seed: int, kernel_name: str) -> Iterator[str]:
    """Compute the answer keys of labs where submissions will be judged; yield the name of each lab before waiting.

    Raises GraderError if a reference fails.
    """
    drawn = [load_lab(course, name, seed) for name in labs]
    loading = [load_apart(lab) for lab in drawn] if is_sandboxed(kernel_name) else []
    for index, lab in enumerate(drawn):
        yield lab.name
        if loading:
            with loading[index] as connection:
                receive_answer(connection)
        else:
            for exercise in lab.exercises:
                lab.key(exercise)


def judge_submission(course: Path, submission: Submission, limits: Limits, kernel_name: str, seed: int) -> Judgement:
    """Judge one submission with the run's secret seed; a refused one gets a row that says why."""
    if submission.refusal or submission.path is None:
        judgement = refused(submission.lab, submission.refusal, submission.verdict)
    else:
        judge_one = judge_apart if is_sandboxed(kernel_name) else _judge_here
        judgement = judge_one(load_lab(course, submission.lab, seed), submission.path, limits, kernel_name)
    judgement.notes[:0] = submission.notes
    return judgement


def _judge_here(lab: Lab, path: Path, limits: Limits, kernel_name: str) -> Judgement:
    try:
        notebook = read_notebook(path, limits.file)
    except Refused as refusal:
        return refused(lab.name, str(refusal), refusal.verdict)
    return judge_notebook(lab, notebook, path.parent, limits, kernel_name)
