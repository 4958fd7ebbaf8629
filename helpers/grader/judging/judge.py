"""Judge one notebook: run the student's cells in their own kernel, call the answers, compare outside it.

The judge's process holds the hidden cases, the reference and the expected values; the kernel gets inputs and sends back
data. Credit needs a value that agrees. Whatever a notebook does, it ends in a definite verdict for every case.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.grader.course.lab import Lab
from helpers.grader.formulas import drawn
from helpers.grader.judging.alignment import Aligned, align
from helpers.grader.judging.busy import Watch
from helpers.grader.judging.carry_through import named_mistakes
from helpers.grader.judging.cell_outcomes import SLOW_SHARE, CellOutcomes
from helpers.grader.judging.exercise import TimeBudget, judge_exercise, rows_without_a_call
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.judging.normal_code import normal_tokens
from helpers.grader.judging.skippable_cells import skippable_cells
from helpers.grader.judging.student_kernel import Kernel, KernelDied, StudentKernel, start_kernel
from helpers.grader.limits import Limits

ANSWER_STUB = "YOUR ANSWER HERE"  # what nbgrader puts in place of a model answer
NOT_KEPT = "[Not kept: this cell ran after a hidden case, and could show it.]"
SKIPPED = "[Not run while grading: no mark depends on this cell.]"


class Reason(Enum):
    """Why the cells run once more from the top, in a fresh kernel."""

    KERNEL_ENDED = "a cell or an answer ended the kernel"
    CELLS_WERE_SKIPPED = "a cell raised an error, and a cell that was skipped may be to blame"
    MEMORY_WAS_HELD = "an earlier cell still held the memory that something later needed"


@dataclass(frozen=True)
class Restart:
    """That the cells have to run once more, and why; for MEMORY_WAS_HELD, the index of the cell that held it."""

    reason: Reason
    cell: int | None = None


@dataclass(frozen=True)
class Surroundings:
    """What the judge needs from the process that it works in.

    Attributes:
        start_kernel: starts a kernel.
        keep: is told what is settled so far: after reading the notebook, and after each exercise.
    """

    start_kernel: Callable[[str, Path, Limits], Kernel] = start_kernel
    keep: Callable[[Judgement], None] = lambda judgement: None


ALONE = Surroundings()


def judge(
    lab: Lab,
    submitted: NotebookNode,
    folder: Path,
    limits: Limits,
    kernel_name: str,
    around: Surroundings = ALONE,
) -> Judgement:
    """Run and judge a notebook in `folder`, a scratch folder of its own that holds the files handed in beside it."""
    judgement = _Run(lab, align(lab, submitted), folder, limits, kernel_name, around).judgement()
    judgement.guesses = submitted.metadata.get("guesses", {})
    return judgement


class _Run:
    """One notebook's way through as many kernels as it takes."""

    def __init__(
        self, lab: Lab, aligned: Aligned, folder: Path, limits: Limits, kernel_name: str, around: Surroundings
    ) -> None:
        self.lab, self.aligned, self.folder, self.limits, self.kernel_name = lab, aligned, folder, limits, kernel_name
        self.around = around
        for name in lab.exercises:
            lab.key(name)  # computed once for a lab, and outside of any student's time
        self.began = time.monotonic()
        self.deadline = self.began + limits.notebook
        self.rows: dict[str, list[Row]] = {}  # of the exercises that are judged
        self.cells = CellOutcomes(aligned, folder)
        self.skipped = skippable_cells(lab, aligned)  # indices of cells that are not run
        self.exhausted: int | None = None  # the first cell that ran out of memory in this kernel and left it alive
        self.starved = False  # a time limit passed while others were using the processors

    def judgement(self) -> Judgement:
        """Run the notebook to its end and return everything that is known of it."""
        self._keep_what_is_settled()
        while (restart := self._run_in_kernel()) is not None:
            self._prepare(restart)
        for name, exercise in self.lab.exercises.items():
            if name not in self.rows:
                note = f"the notebook's {self.limits.notebook:g} s were used up"
                self.rows[name] = rows_without_a_call(exercise, "timeout", note)
        answers, code = _written_answers(self.aligned), _code(self.aligned)
        return Judgement(
            self.lab.name,
            rows=in_order(self.lab, self.rows, answers),
            notes=list(dict.fromkeys(self.aligned.notes + self.cells.notes(self.limits.cell))),
            notebook=self.aligned.notebook,
            answers=answers,
            code=code,
            tokens={name: tokens for name, source in code.items() if (tokens := normal_tokens(source))},
            formulas=drawn(answers.values()),
            seconds=round(time.monotonic() - self.began, 3),
            starved=self.starved,
        )

    def _keep_what_is_settled(self) -> None:
        rows = [row for rows in self.rows.values() for row in rows]
        answers, code = _written_answers(self.aligned), _code(self.aligned)
        self.around.keep(Judgement(self.lab.name, rows, list(self.aligned.notes), answers=answers, code=code))

    def _run_in_kernel(self) -> Restart | None:
        """Run the cells from the top in a fresh kernel. Return why they have to run again; None if they are done."""
        self.exhausted = None
        with StudentKernel(self.kernel_name, self.folder, self.limits, self.around.start_kernel) as kernel:
            kernel.install_probe(self.lab.forbidden_closure, self.lab.uses_model_specs)
            watch = Watch(kernel)
            for index, cell in enumerate(self.aligned.notebook.cells):
                if time.monotonic() >= self.deadline:
                    self.starved |= watch.starved()
                    return None
                restart = self._run_or_judge(kernel, index, cell)
                if restart is not None:
                    done = len(self.rows) == len(self.lab.exercises)
                    return None if done and restart.reason is Reason.KERNEL_ENDED else restart
        return None

    def _prepare(self, restart: Restart) -> None:
        """Change what the next kernel runs, so that it gets further than the last."""
        if restart.reason is Reason.CELLS_WERE_SKIPPED:
            for index in self.skipped:
                self.aligned.notebook.cells[index].outputs = []
            self.skipped = set()
        if restart.cell is not None:
            self._leave_out(restart.cell, "memory", "This cell used up the memory. The rest ran without it.")

    def _run_or_judge(self, kernel: StudentKernel, index: int, cell: NotebookNode) -> Restart | None:
        exercise = self.aligned.checks.get(index)
        if exercise is not None:
            return self._judge_exercise(kernel, exercise) if exercise not in self.rows else None
        if index in self.skipped:
            cell.outputs = [_notice(SKIPPED)]
        elif cell.cell_type == "code" and cell.source.strip() and index not in self.cells.ended:
            return self._run_cell(kernel, index, cell)
        return None

    def _judge_exercise(self, kernel: StudentKernel, name: str) -> Restart | None:
        budget = TimeBudget(self.limits.exercise, self.deadline)
        self.cells.quotes = False
        watch, mistakes = Watch(kernel), named_mistakes(self.lab, self.rows)
        judged = judge_exercise(kernel, self.lab, self.lab.exercises[name], self.cells, budget, mistakes)
        if any(self._memory_was_held(row.verdict) for row in judged.rows):
            return Restart(Reason.MEMORY_WAS_HELD, self.exhausted)
        self.starved |= any(row.verdict == "timeout" for row in judged.rows) and watch.starved()
        self.rows[name] = judged.rows
        self._keep_what_is_settled()
        return Restart(Reason.KERNEL_ENDED) if judged.kernel_ended else None

    def _run_cell(self, kernel: StudentKernel, index: int, cell: NotebookNode) -> Restart | None:
        began, watch = time.monotonic(), Watch(kernel)
        seconds = min(self.limits.cell, self.deadline - began)
        try:
            ran = kernel.run(cell.source, max(seconds, 0.1))
        except KernelDied as death:
            if self._memory_was_held(death.verdict):
                return Restart(Reason.MEMORY_WAS_HELD, self.exhausted)
            self.starved |= death.verdict == "timeout" and watch.starved()
            self._leave_out(
                index, death.verdict, f"This cell ended the kernel ({death.verdict}). The rest ran without it."
            )
            return Restart(Reason.KERNEL_ENDED)
        self._keep_outputs(cell, ran.outputs)
        self.cells.errors.pop(index, None)
        if time.monotonic() - began > SLOW_SHARE * self.limits.cell:
            self.cells.slow.add(index)
        if ran.timed_out:
            self.cells.ended[index] = "timeout"
            self.starved |= watch.starved()
            cell.outputs.append(_notice(f"This cell was stopped after {seconds:.0f} s."))
        elif ran.error:
            self.cells.add_error(index, *ran.error)
            return self._after_error(index)
        return None

    def _keep_outputs(self, cell: NotebookNode, outputs: list[NotebookNode]) -> None:
        """Keep what a cell printed and showed, unless hidden inputs may stand in it.

        Not only what this kernel was sent counts: an earlier one may have left it in a file.
        """
        if self.cells.quotes:
            cell.outputs = outputs
        elif outputs and not cell.outputs:
            cell.outputs = [_notice(NOT_KEPT)]

    def _after_error(self, index: int) -> Restart | None:
        """Decide what an error in a cell means for the cells around it."""
        if self.skipped:
            return Restart(Reason.CELLS_WERE_SKIPPED)
        verdict = self.cells.errors[index].verdict
        if self._memory_was_held(verdict):
            del self.cells.errors[index]
            return Restart(Reason.MEMORY_WAS_HELD, self.exhausted)
        if verdict == "memory":
            self.exhausted = index
        return None

    def _memory_was_held(self, verdict: str) -> bool:
        """Return whether an earlier cell that filled the memory is to blame for this verdict.

        Such a cell goes on holding what it took, so that whatever comes after it fails, or does not, by a few bytes.
        """
        return self.exhausted is not None and verdict in ("memory", "crash")

    def _leave_out(self, index: int, verdict: str, notice: str) -> None:
        self.cells.ended[index] = verdict
        self.aligned.notebook.cells[index].outputs = [_notice(notice)]


def in_order(lab: Lab, rows: dict[str, list[Row]], answers: dict[str, str]) -> list[Row]:
    """Return all rows in the order of the lab's cells, with one row for each written answer."""
    ordered: list[Row] = []
    for cell in lab.notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id.startswith("check_"):
            ordered += rows[grade_id.removeprefix("check_")]
        elif grade_id.startswith("answer_"):
            note = "" if grade_id in answers else "no answer"
            ordered.append(Row(grade_id, "", None, cell.metadata.nbgrader.points, "manual", note=note))
    return ordered


def _code(aligned: Aligned) -> dict[str, str]:
    """Return what the student wrote for each exercise."""
    cells = aligned.notebook.cells
    return {
        name: "\n\n".join(cells[index].source for index in indices)
        for name, indices in aligned.solutions.items()
        if indices
    }


def _written_answers(aligned: Aligned) -> dict[str, str]:
    """Return the written answers by their cell's id, without those that nobody wrote."""
    by_id = ((cell.metadata.get("nbgrader", {}).get("grade_id", ""), cell) for cell in aligned.notebook.cells)
    answers = {grade_id: cell.source.strip() for grade_id, cell in by_id if grade_id.startswith("answer_")}
    return {grade_id: text for grade_id, text in answers.items() if text not in ("", ANSWER_STUB)}


def _notice(text: str) -> NotebookNode:
    return nbformat.v4.new_output("stream", name="stdout", text=text + "\n")
