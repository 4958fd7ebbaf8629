"""Settle one case: from the kernel's reply to a verdict, with what feedback may say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helpers.checks import compare
from helpers.checks.encoding import decode
from helpers.checks.error_causes import NOT_WRITTEN
from helpers.grader.course.cases import Case
from helpers.grader.judging.cell_outcomes import CellOutcomes
from helpers.grader.judging.error_verdicts import classify_error
from helpers.grader.judging.error_words import error_words
from helpers.grader.judging.redaction import in_kind

NOT_PLAIN_DATA = "what came back is not plain data"


@dataclass(frozen=True)
class CaseOutcome:
    """What came of calling an answer on one case.

    Attributes:
        verdict: one of `VERDICTS`.
        seen: how the value that came back differs, or the class of the error and words of ours on it.
        note: what an instructor should know about it.
        line: the line of the answer that raised.
        values: what was observed, by label; None where no values came back.
        calls: the wrong exercises that a right answer calls; see `carry_through.py`.
    """

    verdict: str
    seen: str = ""
    note: str = ""
    line: str = ""
    values: dict[str, Any] | None = None
    calls: str = ""


def settle(case: Case, expected: dict[str, Any], reply: dict[str, Any], cells: CellOutcomes) -> CaseOutcome:
    """Return the outcome of a case.

    Args:
        case: the case.
        expected: the right values, by label.
        reply: what the kernel sent: values, an error, or that the name is undefined. A notebook can send anything.
        cells: what became of the notebook's cells.
    """
    if "undefined" in reply:
        verdict, seen = cells.why_undefined(case.exercise)
        return CaseOutcome(verdict, seen)
    if isinstance(reply.get("error"), dict):
        return _settle_error(case, reply["error"], cells)
    try:
        values = {label: decode(item, hostile=True) for label, item in reply["values"].items()}
    except Exception:  # a notebook can send anything at all in the probe's place
        return CaseOutcome("wrong", NOT_PLAIN_DATA)
    if case.is_validation:
        return _settle_validation(case, expected["raised"], values, cells)
    for label, right in expected.items():
        mismatch = compare.mismatch(right, values.get(label), case.absolute, case.relative)
        if mismatch is not None:
            return CaseOutcome("wrong", in_kind(label, values.get(label), mismatch), values=values)
    return CaseOutcome("correct", values=values)


def _settle_validation(case: Case, expected: list[str], values: dict[str, Any], cells: CellOutcomes) -> CaseOutcome:
    """Return the outcome of a case whose calls should each raise ValueError or, with good input, nothing."""
    raised, errors = values.get("raised"), values.get("errors")
    if not isinstance(raised, list) or not isinstance(errors, list) or not len(raised) == len(errors) == len(expected):
        return CaseOutcome("wrong", NOT_PLAIN_DATA)
    raised = [kind if isinstance(kind, str) else "" for kind in raised]
    for right, kind, error in zip(expected, raised, errors, strict=True):
        if right == "nothing" and kind != "nothing":
            return _settle_error(case, error if isinstance(error, dict) else {}, cells)
    wrong = [kind for right, kind in zip(expected, raised, strict=True) if kind != right]
    if not wrong:
        return CaseOutcome("correct", values=values)
    return CaseOutcome("wrong", in_kind("raised", wrong[0], compare.Mismatch(compare.MismatchKind.TEXT)), values=values)


def _settle_error(case: Case, error: dict[str, Any], cells: CellOutcomes) -> CaseOutcome:
    texts = (error.get(key) for key in ("type", "message", "line"))
    kind, message, line = (text[:500] if isinstance(text, str) else "" for text in texts)
    line = line if cells.has_line(line) else ""
    if kind == "NotImplementedError" and message == f"{case.exercise} {NOT_WRITTEN}":
        return CaseOutcome("missing", "the exercise is not written yet")
    verdict, note = classify_error(kind, message, str(cells.folder))
    if kind == "NameError":
        verdict = next((end for name, end in cells.lost_names().items() if f"'{name}'" in message), verdict)
    return CaseOutcome(verdict, error_words(kind, message, line, cells.aligned.solutions), note, line)
