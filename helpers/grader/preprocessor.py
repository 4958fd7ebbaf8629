"""Judging inside nbgrader: the preprocessor that `nbgrader autograde` runs, as named in `nbgrader_config.py`.

It judges notebooks and records marks with the same functions as `distillab grade`; only the submissions are found by
nbgrader instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Dict, Float, Integer, Unicode

from helpers.grader.course.lab import load_lab
from helpers.grader.errors import Refused
from helpers.grader.intake.notebook import read_notebook
from helpers.grader.intake.timestamp import TIMESTAMP_FILE, read_timestamp
from helpers.grader.judging.judgement import refused
from helpers.grader.judging.submission import judge_notebook, prepare
from helpers.grader.limits import Limits
from helpers.grader.release import put_environment_first
from helpers.grader.reports.feedback import graded_notebook
from helpers.grader.reports.gradebook import record
from helpers.grader.run.secret_seed import secret_seed
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL

# Why a notebook was refused, by student, lab and name: nbgrader reads each notebook twice, and writes an empty one
# between. What a student's own metadata says is never read.
_REFUSALS: dict[tuple[str, str, str], tuple[Path, Refused]] = {}


def _key(resources: dict[str, Any] | None) -> tuple[str, str, str]:
    """Return what tells one notebook of nbgrader's run from the others."""
    of = (resources or {}).get("nbgrader", {})
    return of.get("student", ""), of.get("assignment", ""), of.get("notebook", "")


class ForgivingExporter(NotebookExporter):
    """Reads a submission as `distillab grade` does, so that an unreadable notebook gets a verdict like any other."""

    def from_filename(
        self, filename: str, resources: dict[str, Any] | None = None, **options: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Return the preprocessed notebook as text, and the resources.

        A refused notebook is replaced by an empty one, and the reason is kept for the second reading.
        """
        path = Path(filename)
        try:
            notebook = read_notebook(path, Judge(config=self.config).limits.file)
        except Refused as refusal:
            notebook = nbformat.v4.new_notebook()
            _REFUSALS[_key(resources)] = path, refusal
        else:
            if _REFUSALS.get(_key(resources), (None,))[0] == path:  # of an earlier run that ended between the readings
                del _REFUSALS[_key(resources)]
        resources = self._init_resources(resources)
        resources["metadata"] |= {"name": path.stem, "path": str(path.parent)}
        return self.from_notebook_node(notebook, resources=resources, **options)


class Judge(NbGraderPreprocessor):
    """Judges a notebook, enters the marks in the gradebook, and leaves the outcome in the check cells."""

    kernel_name = Unicode(SANDBOX_KERNEL, help="The kernel that runs students' code; python3 does not isolate it.").tag(
        config=True
    )
    cell_seconds = Float(30, help="Seconds of wall time for one cell.").tag(config=True)
    exercise_seconds = Float(10, help="Seconds of wall time for all cases of one exercise.").tag(config=True)
    notebook_seconds = Float(300, help="Seconds of wall time for a whole notebook, with kernel restarts.").tag(
        config=True
    )
    memory_mebibytes = Integer(4096, help="Memory of all processes of a notebook together, in MiB.").tag(config=True)
    processes = Integer(256, help="Number of processes and threads of a notebook.").tag(config=True)
    files_mebibytes = Integer(512, help="How much a notebook may write, in MiB.").tag(config=True)
    output_mebibytes = Integer(10, help="How much output of a notebook is kept, in MiB.").tag(config=True)
    carry_through = Bool(
        True, help="Whether what is wrong only because an earlier exercise is wrong gets its own points."
    ).tag(config=True)
    case_weights = Dict(
        help="Weights in place of a case's own, by “lab/exercise/case”; 0 drops the case for everyone."
    ).tag(config=True)
    notebook_mebibytes = Integer(20, help="Largest size of a notebook's file, in MiB.").tag(config=True)

    @property
    def limits(self) -> Limits:
        """The configured limits on one notebook."""
        return Limits(
            cell=self.cell_seconds,
            exercise=self.exercise_seconds,
            notebook=self.notebook_seconds,
            memory=self.memory_mebibytes * 2**20,
            processes=self.processes,
            files=self.files_mebibytes * 2**20,
            output=self.output_mebibytes * 2**20,
            file=self.notebook_mebibytes * 2**20,
        )

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Judge one notebook and record its marks; nbgrader calls this in the course's folder."""
        put_environment_first()
        prepare(self.kernel_name)
        submission = resources["nbgrader"]
        lab = load_lab(Path.cwd(), submission["assignment"], secret_seed(Path.cwd()))
        if _key(resources) in _REFUSALS:
            _, refusal = _REFUSALS.pop(_key(resources))
            judgement = refused(lab.name, str(refusal), refusal.verdict)
        else:
            judgement = judge_notebook(lab, nb, Path(resources["metadata"]["path"]), self.limits, self.kernel_name)
        with Gradebook(submission["db_url"]) as gradebook:
            # Again, since nbgrader has misread a time with an offset.
            timestamp, _ = read_timestamp(Path(resources["metadata"]["path"]) / TIMESTAMP_FILE)
            record(gradebook, lab, submission["student"], judgement, timestamp)
        return graded_notebook(lab, judgement), resources
