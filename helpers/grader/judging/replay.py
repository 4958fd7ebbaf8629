"""Call a student's answer on chosen hidden cases once more, in the sandbox, and keep what came back.

For an instructor who asks about one mark (`distillab explain`). What is kept here holds hidden inputs, and what a
notebook sent; it goes into no report for students.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from helpers.grader.course.cases import Case
from helpers.grader.course.lab import Lab
from helpers.grader.judging.alignment import Aligned, align
from helpers.grader.judging.cell_outcomes import CellOutcomes
from helpers.grader.judging.exercise import request_of
from helpers.grader.judging.settle import CaseOutcome, settle
from helpers.grader.judging.skippable_cells import skippable_cells
from helpers.grader.judging.student_kernel import KernelDied, StudentKernel, TimeUp
from helpers.grader.limits import Limits


@dataclass(frozen=True)
class Replayed:
    """What came of a case when it was called again.

    Attributes:
        case: the case, with its hidden inputs.
        expected: the right values, by label.
        outcome: the verdict, and the values that came back.
        error: the type, message and line of the error that came back; empty if none did.
    """

    case: Case
    expected: dict[str, Any]
    outcome: CaseOutcome
    error: dict[str, str] = field(default_factory=dict)


def replay(
    lab: Lab, notebook: NotebookNode, folder: Path, limits: Limits, kernel_name: str, wanted: Sequence[Case]
) -> list[Replayed]:
    """Run a notebook's cells up to the checks of the wanted cases, and call the answers on them.

    Args:
        lab: the lab, drawn with the seed of the run that is asked about.
        notebook: the student's notebook.
        folder: a scratch folder of its own.
        limits: on the notebook.
        kernel_name: the kernel that runs it.
        wanted: the cases, of one exercise or several.
    """
    aligned = align(lab, notebook)
    cells = CellOutcomes(aligned, folder)
    replayed: dict[str, Replayed] = {}
    while waiting := [case for case in wanted if _key(case) not in replayed]:
        cells.ended |= _run(lab, aligned, cells, limits, kernel_name, waiting, replayed)
    return [replayed[_key(case)] for case in wanted]


def _key(case: Case) -> str:
    return f"{case.exercise}/{case.name}"


def _run(
    lab: Lab,
    aligned: Aligned,
    cells: CellOutcomes,
    limits: Limits,
    kernel_name: str,
    waiting: Sequence[Case],
    replayed: dict[str, Replayed],
) -> dict[int, str]:
    """Go through the cells in one kernel and add what comes of the waiting cases.

    Returns the cell that ended the kernel, with its verdict, if one did; the others then run without it.
    """
    skipped = skippable_cells(lab, aligned)
    with StudentKernel(kernel_name, cells.folder, limits) as kernel:
        kernel.install_probe(lab.forbidden_closure, lab.uses_model_specs)
        for index, cell in enumerate(aligned.notebook.cells):
            exercise = aligned.checks.get(index)
            if exercise is not None:
                for case in (case for case in waiting if case.exercise == exercise):
                    replayed[_key(case)] = _ask(kernel, lab, case, cells, limits.exercise)
                    if replayed[_key(case)].outcome.note == ENDED:
                        return {}
            elif cell.cell_type == "code" and cell.source.strip() and index not in cells.ended.keys() | skipped:
                try:
                    ran = kernel.run(cell.source, limits.cell)
                except KernelDied as death:
                    return {index: death.verdict}
                if ran.timed_out:
                    cells.ended[index] = "timeout"
                elif ran.error:
                    cells.add_error(index, *ran.error)
    return {}


ENDED = "the kernel ended while this case ran"


def _ask(kernel: StudentKernel, lab: Lab, case: Case, cells: CellOutcomes, seconds: float) -> Replayed:
    expected = lab.key(case.exercise)[case.name].expected
    began = time.monotonic()
    try:
        reply = kernel.ask(request_of(case), seconds)
    except TimeUp:
        note = f"stopped after {time.monotonic() - began:.0f} s"
        return Replayed(case, expected, CaseOutcome("timeout", note, note))
    except KernelDied as death:
        return Replayed(case, expected, CaseOutcome(death.verdict, ENDED, ENDED))
    outcome = settle(case, expected, reply, cells)
    error = reply.get("error")
    texts = {key: text for key, text in error.items() if isinstance(text, str)} if isinstance(error, dict) else {}
    return Replayed(case, expected, outcome, texts)
