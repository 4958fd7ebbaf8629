"""Call a student's answer on chosen hidden cases once more, in the sandbox, and keep what came back, as text.

For an instructor who asks about one mark (`distillab explain`). What is kept here holds hidden inputs, and what a
notebook sent; it goes into no report for students. In a sandbox, this runs in the submission's own process
(`child.py`), which hands it to the grader as JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fastjsonschema
from nbformat import NotebookNode

from helpers.checks.result import show
from helpers.grader.course.cases import Case
from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError
from helpers.grader.judging.alignment import Aligned, align
from helpers.grader.judging.cell_outcomes import CellOutcomes
from helpers.grader.judging.exercise import request_of
from helpers.grader.judging.judgement import VERDICTS
from helpers.grader.judging.settle import CaseOutcome, settle
from helpers.grader.judging.skippable_cells import skippable_cells
from helpers.grader.judging.student_kernel import Kernel, KernelDied, StudentKernel, TimeUp, start_kernel
from helpers.grader.limits import Limits

MAX_TEXT = 100_000  # characters of what came back from one case
MAX_REPLAYED_BYTES = 16 * 2**20
ENDED = "the kernel ended while this case ran"
CUT = "… [cut]"
NOT_CASES = "What came back of this notebook is not what was asked for."


@dataclass(frozen=True)
class Replayed:
    """What came of a case when it was called again.

    Attributes:
        verdict: the verdict now.
        note: what an instructor should know about it.
        came_back: the values that came back, or the error.
    """

    verdict: str
    note: str
    came_back: str


Start = Callable[[str, Path, Limits], Kernel]


def replay(
    lab: Lab,
    notebook: NotebookNode,
    folder: Path,
    limits: Limits,
    kernel_name: str,
    wanted: Sequence[str],
    start: Start = start_kernel,
) -> list[Replayed]:
    """Run a notebook's cells up to the checks of the wanted cases, and call the answers on them.

    Args:
        lab: the lab, drawn with the seed of the run that is asked about.
        notebook: the student's notebook.
        folder: a scratch folder of its own.
        limits: on the notebook.
        kernel_name: the kernel that runs it.
        wanted: the cases, of one exercise or several, as `key_of` names them.
        start: starts a kernel.
    """
    aligned = align(lab, notebook)
    cells = CellOutcomes(aligned, folder)
    cases = {key_of(case): case for exercise in lab.exercises.values() for case in exercise.cases}
    replayed: dict[str, Replayed] = {}
    while waiting := [cases[key] for key in wanted if key not in replayed]:
        with StudentKernel(kernel_name, folder, limits, start) as kernel:
            cells.ended |= _run(kernel, lab, aligned, cells, waiting, replayed)
    return [replayed[key] for key in wanted]


def key_of(case: Case) -> str:
    """Return the name of a case within its lab."""
    return f"{case.exercise}/{case.name}"


def _run(
    kernel: StudentKernel,
    lab: Lab,
    aligned: Aligned,
    cells: CellOutcomes,
    waiting: Sequence[Case],
    replayed: dict[str, Replayed],
) -> dict[int, str]:
    """Go through the cells in one kernel and add what comes of the waiting cases.

    Returns the cell that ended the kernel, with its verdict, if one did; the others then run without it.
    """
    skipped = skippable_cells(lab, aligned)
    kernel.install_probe(lab.forbidden_closure, lab.uses_model_specs)
    for index, cell in enumerate(aligned.notebook.cells):
        exercise = aligned.checks.get(index)
        if exercise is not None:
            for case in (case for case in waiting if case.exercise == exercise):
                replayed[key_of(case)] = _ask(kernel, lab, case, cells)
                if replayed[key_of(case)].note == ENDED:
                    return {}
        elif cell.cell_type == "code" and cell.source.strip() and index not in cells.ended.keys() | skipped:
            try:
                ran = kernel.run(cell.source, kernel.limits.cell)
            except KernelDied as death:
                return {index: death.verdict}
            if ran.timed_out:
                cells.ended[index] = "timeout"
            elif ran.error:
                cells.add_error(index, *ran.error)
    return {}


def _ask(kernel: StudentKernel, lab: Lab, case: Case, cells: CellOutcomes) -> Replayed:
    expected = lab.key(case.exercise)[case.name].expected
    began = time.monotonic()
    try:
        reply = kernel.ask(request_of(case), kernel.limits.exercise)
    except TimeUp:
        note = f"stopped after {time.monotonic() - began:.0f} s"
        return Replayed("timeout", note, note)
    except KernelDied as death:
        return Replayed(death.verdict, ENDED, ENDED)
    outcome = settle(case, expected, reply, cells)
    return Replayed(outcome.verdict, outcome.note, _cut(_came_back(outcome, reply.get("error"), expected)))


def _came_back(outcome: CaseOutcome, error: object, expected: Mapping[str, Any]) -> str:
    if isinstance(error, dict):
        texts = {key: text for key, text in error.items() if isinstance(text, str)}
        line = f"\nat: {texts['line']}" if texts.get("line") else ""
        return f"{texts.get('type', '')}: {texts.get('message', '')}{line}"
    if outcome.values is None:
        return outcome.seen or outcome.note
    return values_text(outcome.values, expected)


def values_text(values: Mapping[str, Any], labels: Mapping[str, Any]) -> str:
    """Return values by label as text."""
    return "\n".join(show(label, values.get(label)) for label in labels)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - len(CUT)] + CUT


# ---------------------------------------------------------------------------------------------------- from the process


_check_shape = fastjsonschema.compile(
    {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "verdict": {"enum": list(VERDICTS)},
                "note": {"type": "string", "maxLength": MAX_TEXT},
                "came_back": {"type": "string", "maxLength": MAX_TEXT},
            },
            "required": ["verdict", "note", "came_back"],
            "additionalProperties": False,
        },
    }
)


def write_replayed(replayed: Sequence[Replayed]) -> bytes:
    """Return what came of cases, for `read_replayed`."""
    return json.dumps([asdict(item) for item in replayed]).encode()


def read_replayed(payload: bytes, number: int) -> list[Replayed]:
    """Return what a submission's process hands back of so many cases. Raises GraderError if it is anything else."""
    if len(payload) > MAX_REPLAYED_BYTES:
        raise GraderError(NOT_CASES)
    try:
        content = _check_shape(json.loads(payload))
    except (ValueError, RecursionError, fastjsonschema.JsonSchemaException):
        raise GraderError(NOT_CASES) from None
    if len(content) != number:
        raise GraderError(NOT_CASES)
    return [Replayed(**item) for item in content]
