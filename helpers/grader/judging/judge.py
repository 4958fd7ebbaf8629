"""Judge one notebook: run the student's cells in their own kernel, call the answers, compare outside it.

The judge's process holds the hidden cases, the reference and the expected values; the kernel gets inputs and sends back
data. Credit needs a value that agrees. Whatever a notebook does, it ends in a definite verdict for every case.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from helpers.checks import compare
from helpers.checks.diagnosis import diagnose
from helpers.checks.observers import decode, encode
from helpers.checks.visible_check import NOT_WRITTEN
from helpers.grader.course.cases import Case
from helpers.grader.course.lab import Exercise, Lab, seed_of
from helpers.grader.judging.alignment import Aligned, align, names_bound
from helpers.grader.judging.error_verdicts import classify_error
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.judging.redaction import in_kind, without_numbers
from helpers.grader.judging.skippable_cells import idle_cells
from helpers.grader.judging.student_kernel import KernelDied, StudentKernel, TimeUp
from helpers.grader.limits import Limits

ANSWER_STUB = "YOUR ANSWER HERE"  # what nbgrader puts in place of a model answer


def judge(lab: Lab, submitted: NotebookNode, folder: Path, limits: Limits, kernel_name: str) -> Judgement:
    """Run and judge a notebook in `folder`, a scratch folder of its own that holds the files handed in beside it."""
    return _Run(lab, align(lab, submitted), folder, limits, kernel_name).judgement()


class _Run:
    """One notebook's way through as many kernels as it takes."""

    def __init__(self, lab: Lab, aligned: Aligned, folder: Path, limits: Limits, kernel_name: str) -> None:
        self.lab, self.aligned, self.folder, self.limits, self.kernel_name = lab, aligned, folder, limits, kernel_name
        for name in lab.exercises:
            lab.key(name)  # computed once for a lab, and on nobody's time
        self.began = time.monotonic()
        self.deadline = self.began + limits.notebook
        self.rows: dict[str, list[Row]] = {}
        self.ended: dict[int, str] = {}  # place of a cell that ended its kernel or its time → verdict
        self.errors: dict[int, tuple[str, str]] = {}  # place of a cell that raised → the error's name and message
        self.idle = idle_cells(lab, aligned)  # places of cells that are not run
        self.full: int | None = None  # place of the first cell in this kernel that ran out of memory and went on

    def judgement(self) -> Judgement:
        while self._one_kernel():
            pass
        for name, exercise in self.lab.exercises.items():
            if name not in self.rows:
                self.rows[name] = self._same(
                    exercise, "timeout", f"the notebook's {self.limits.notebook:g} s were used up"
                )
        rows: list[Row] = []
        for cell in self.lab.notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            if grade_id.startswith("check_"):
                rows += self.rows[grade_id.removeprefix("check_")]
            elif grade_id.startswith("answer_"):
                rows.append(self._manual(grade_id, cell))
        seconds = round(time.monotonic() - self.began, 3)
        aligned = self.aligned
        return Judgement(self.lab.name, rows, aligned.notes, aligned.notebook, self._answers(), self._code(), seconds)

    def _code(self) -> dict[str, str]:
        cells = self.aligned.notebook.cells
        places = self.aligned.solutions.items()
        return {name: "\n\n".join(cells[place].source for place in found) for name, found in places if found}

    def _answers(self) -> dict[str, str]:
        named = ((cell.metadata.get("nbgrader", {}).get("grade_id", ""), cell) for cell in self.aligned.notebook.cells)
        answers = {grade_id: cell.source.strip() for grade_id, cell in named if grade_id.startswith("answer_")}
        return {grade_id: text for grade_id, text in answers.items() if text not in ("", ANSWER_STUB)}

    def _manual(self, grade_id: str, source: NotebookNode) -> Row:
        note = "" if grade_id in self._answers() else "no answer"
        return Row(grade_id, "", None, source.metadata.nbgrader.points, "manual", note=note)

    def _one_kernel(self) -> bool:
        """Run the cells from the top in a fresh kernel. Return whether another kernel is needed."""
        self.full = None
        with StudentKernel(self.kernel_name, self.folder, self.limits) as kernel:
            kernel.install_probe(self.lab.closed, self.lab.uses_model_specs)
            for place, cell in enumerate(self.aligned.notebook.cells):
                if time.monotonic() >= self.deadline:
                    return False
                exercise = self.aligned.checks.get(place)
                try:
                    if exercise is not None:
                        if exercise not in self.rows:
                            self._judge_exercise(kernel, self.lab.exercises[exercise])
                            if any(self._for_want_of_room(row.verdict) for row in self.rows[exercise]):
                                del self.rows[exercise]
                                return True
                    elif place in self.idle:
                        cell.outputs = [_notice("[Not run while grading: no mark depends on this cell.]")]
                    elif cell.cell_type == "code" and place not in self.ended:
                        self._run_cell(kernel, place, cell)
                        if place in self.errors and self.idle:  # it may have missed what an idle cell does
                            self.idle = set()
                            return True
                        if place in self.errors and self._ran_out(place):
                            return True
                except KernelDied as death:
                    if self._for_want_of_room(death.verdict):
                        self.rows.pop(exercise or "", None)
                        self.ended.pop(place, None)
                    return len(self.rows) < len(self.lab.exercises)
        return False

    def _ran_out(self, place: int) -> bool:
        """Take note of a cell that raised for want of memory. Return whether an earlier one is to blame."""
        verdict, _ = classify_error(*self.errors[place], str(self.folder))
        if self._for_want_of_room(verdict):
            del self.errors[place]
            return True
        if verdict == "memory":
            self.full = place
        return False

    def _for_want_of_room(self, verdict: str) -> bool:
        """Return whether something failed in a kernel that an earlier cell filled up; that cell is then left out.

        Such a cell goes on holding what it took, so that whatever comes after it fails, or does not, by a few bytes.
        """
        if self.full is None or verdict not in ("memory", "crash"):
            return False
        self.ended[self.full] = "memory"
        notice = _notice("This cell used up the memory. The rest ran without it.")
        self.aligned.notebook.cells[self.full].outputs = [notice]
        return True

    def _run_cell(self, kernel: StudentKernel, place: int, cell: NotebookNode) -> None:
        if not cell.source.strip():
            return
        seconds = min(self.limits.cell, self.deadline - time.monotonic())
        try:
            ran = kernel.run(cell.source, max(seconds, 0.1))
        except KernelDied as death:
            self.ended[place] = death.verdict
            cell.outputs = [_notice(f"This cell ended the kernel ({death.verdict}). The rest ran without it.")]
            raise
        cell.outputs = ran.outputs
        self.errors.pop(place, None)
        if ran.timed_out:
            self.ended[place] = "timeout"
            cell.outputs.append(_notice(f"This cell was stopped after {seconds:.0f} s."))
        elif ran.error:
            self.errors[place] = ran.error

    # ------------------------------------------------------------------------------------------------- one exercise

    def _judge_exercise(self, kernel: StudentKernel, exercise: Exercise) -> None:
        """Call the answer on every case. The rows stand even where the kernel dies on the way."""
        rows, values = [], {}
        start, death, stop = time.monotonic(), None, None
        for case in exercise.cases:
            left = min(self.limits.exercise - (time.monotonic() - start), self.deadline - time.monotonic())
            if stop is None and left <= 0:
                stop = ("timeout", f"the exercise's {self.limits.exercise:g} s were used up")
            row = Row(exercise.name, case.name, 0.0, exercise.case_points[case.name], "wrong", about=case.about)
            if stop is None:
                try:
                    reply = kernel.ask(_request(case), left)
                    values[case.name] = self._settle(row, case, reply)
                except TimeUp:
                    row.verdict, row.note = "timeout", "stopped while this case ran"
                except KernelDied as end:
                    death = end
                    stop = (end.verdict, "the kernel ended while this exercise was called")
            if stop is not None:
                row.verdict, row.note = stop
            rows.append(row)
        correct = {row.case for row in rows if row.verdict == "correct"}
        named = diagnose(self.lab.fitting(exercise, values, correct), correct)
        seconds = round(time.monotonic() - start, 3)
        for row in rows:
            row.misconception = named.get(row.case, "")
            row.seconds = seconds
            row.points = round(row.max_points, 6) if row.verdict == "correct" else 0.0
            row.max_points = round(row.max_points, 6)
        self.rows[exercise.name] = rows
        if death is not None:
            raise death

    def _settle(self, row: Row, case: Case, reply: dict[str, Any]) -> dict[str, Any] | None:
        """Write the verdict of one reply into its row; return the decoded values where there are any."""
        if "undefined" in reply:
            row.verdict, row.seen = self._why_undefined(case.exercise)
            return None
        if isinstance(reply.get("error"), dict):
            self._settle_error(row, case, {key: str(item)[:500] for key, item in reply["error"].items()})
            return None
        try:
            values = {str(label): decode(item, hostile=True) for label, item in reply["values"].items()}
        except Exception:  # a notebook can send anything at all in the probe's place
            row.seen = "what came back is not plain data"
            return None
        for label, right in self.lab.key(case.exercise)[case.name][0].items():
            difference = compare.mismatch(right, values.get(label), case.absolute, case.relative)
            if difference is not None:
                row.seen = in_kind(label, values.get(label), difference)
                return values
        row.verdict = "correct"
        return values

    def _settle_error(self, row: Row, case: Case, error: dict[str, str]) -> None:
        kind, message = error.get("type", "Exception"), error.get("message", "")
        if kind == "NotImplementedError" and message == f"{case.exercise} {NOT_WRITTEN}":
            row.verdict, row.seen = "missing", "the exercise is not written yet"
            return
        row.verdict, row.note = classify_error(kind, message, str(self.folder))
        row.seen = kind + (": " + without_numbers(message) if message else "")
        row.line = self._own_line(error.get("line", ""))
        lost = self._lost_names()
        if kind == "NameError":
            row.verdict = next((end for name, end in lost.items() if f"'{name}'" in message), row.verdict)

    def _own_line(self, line: str) -> str:
        """The line where an error came up, if the notebook holds it: the kernel may say anything."""
        sources = (cell.source for cell in self.aligned.notebook.cells)
        return line if any(line[:200] == own.strip()[:200] for source in sources for own in source.split("\n")) else ""

    def _lost_names(self) -> dict[str, str]:
        """Return the names that only cells define which ended their kernel or their time, with that verdict."""
        cells = self.aligned.notebook.cells
        return {name: end for place, end in self.ended.items() for name in names_bound(cells[place])}

    def _why_undefined(self, exercise: str) -> tuple[str, str]:
        lost = self._lost_names()
        if exercise in lost:
            return lost[exercise], "the cell that defines it was stopped or ended the kernel"
        for place in self.aligned.solutions[exercise]:
            if place in self.ended:
                return self.ended[place], "its cell was stopped or ended the kernel"
            if place in self.errors:
                verdict, note = classify_error(*self.errors[place], str(self.folder))
                said = f"the cell that defines it ended in {': '.join(self.errors[place])}"[:400]
                return verdict, f"{said} ({note})" if note else said
        return "missing", "nothing of this name is defined where it is judged"

    def _same(self, exercise: Exercise, verdict: str, note: str) -> list[Row]:
        points = exercise.case_points
        return [
            Row(exercise.name, case.name, 0.0, round(points[case.name], 6), verdict, note=note, about=case.about)
            for case in exercise.cases
        ]


def _request(case: Case) -> dict[str, Any]:
    return {
        "name": case.exercise,
        "observe": case.observe,
        "arguments": [encode(argument) for argument in case.arguments],
        "options": encode(case.options),
        "seed": seed_of(case),
    }


def _notice(text: str) -> NotebookNode:
    return nbformat.v4.new_output("stream", name="stdout", text=text + "\n")
