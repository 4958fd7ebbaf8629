"""One case of one student, for an instructor: what was called, what came back, what was expected, and a snippet to run.

All of this holds hidden inputs, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.checks.encoding import decode, encode
from helpers.checks.fixtures import SGD, ModelSpec
from helpers.checks.kinds import is_array, is_table
from helpers.checks.optional_torch import torch
from helpers.checks.visible_check import call_text
from helpers.grader.course.cases import Case
from helpers.grader.course.lab import Lab, seed_of
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.judging.replay import Replayed, values_text
from helpers.grader.reports.pages import format_points, render, without_control_characters

HIDDEN = "HIDDEN INPUTS: for instructors only. Do not pass this on."


@dataclass(frozen=True)
class Explanation:
    """What is known of one case of one student.

    Attributes:
        title: student, lab, exercise and case.
        about: what the case varies.
        outcome: the verdict now and the points.
        cause: the known mistake that the judge has named, if any.
        call: what was called, with the hidden inputs.
        came_back: what came back from the student's answer.
        expected: what a right answer gives.
    """

    title: str
    about: str
    outcome: str
    cause: str
    call: str
    came_back: str
    expected: str

    @property
    def parts(self) -> list[tuple[str, str]]:
        """The texts with their headings."""
        named = [("What it varies", self.about), ("Outcome", self.outcome), ("Likely cause", self.cause)]
        values = [("Called", self.call), ("Came back", self.came_back), ("Expected", self.expected)]
        return [(heading, text) for heading, text in named + values if text]


def explanation(lab: Lab, student: str, case: Case, replayed: Replayed, row: Row | None) -> Explanation:
    """Return what is known of a case; `row` is what the run recorded of it."""
    expected = lab.key(case.exercise)[case.name].expected
    judged = f"{replayed.verdict}" + (f" ({replayed.note})" if replayed.note else "")
    causes = lab.exercises[case.exercise].causes
    if row is not None:
        judged += f"; {format_points(row.points or 0.0)} of {format_points(row.max_points or 0.0)} points"
        if row.verdict != replayed.verdict:
            judged += f". The run recorded “{row.verdict}”: the answer does not give the same each time"
    return Explanation(
        title=f"{student}, {lab.name}, {case.exercise}, case {case.name}",
        about=case.about,
        outcome=judged,
        cause=causes[row.misconception].diagnosis if row is not None and row.misconception in causes else "",
        call=_call(case, expected),
        came_back=replayed.came_back,
        expected=values_text(expected, expected),
    )


def _call(case: Case, expected: Mapping[str, Any]) -> str:
    called = case.as_called()
    if case.observe == "letter":
        return f"the letter in {case.exercise}"
    if called is case:
        return call_text(case.exercise, _copies(case.arguments), decode(encode(case.options)))
    texts = []
    for number, ((construct, arguments), raised) in enumerate(
        zip(called.options["calls"], expected["raised"], strict=True), 1
    ):
        options = {**called.options, **({} if construct is None else {"construct": construct})}
        owed = "must return" if raised == "nothing" else f"must raise {raised}"
        texts.append(f"{number}, which {owed}: {call_text(case.exercise, _copies(arguments), options)}")
    return "\n".join(texts)


def _copies(arguments: Sequence[Any]) -> list[Any]:
    return [decode(encode(argument)) for argument in arguments]


def as_text(explanations: Sequence[Explanation]) -> str:
    """Return explanations for a terminal."""
    blocks = [HIDDEN]
    for item in explanations:
        indented = (f"  {heading + ':':<16}{text.replace(chr(10), chr(10) + ' ' * 18)}" for heading, text in item.parts)
        blocks.append("\n".join([item.title, *indented]))
    return without_control_characters("\n\n".join(blocks))


def as_page(explanations: Sequence[Explanation]) -> str:
    """Return explanations as an HTML page."""
    return render("explanation.html", hidden=HIDDEN, explanations=explanations)


# ---------------------------------------------------------------------------------------------------------- the snippet


def snippet(lab: Lab, student: str, judgement: Judgement, asked: Case) -> str:
    """Return a Python script that calls the student's answer on one case and prints what comes back."""
    case, expected = asked.as_called(), lab.key(asked.exercise)[asked.name].expected
    exercises = list(lab.exercises)
    wanted = exercises[: exercises.index(case.exercise) + 1]
    setup = [cell.source for cell in lab.notebook.cells if cell.metadata.distillab.setup]
    parts = [
        f"# {HIDDEN}\n# It runs the code of {ascii(student)} with your permissions, without a sandbox: read it first.",
        "import torch\n\nfrom helpers.checks.encoding import decode\nfrom helpers.checks.fixtures import SGD, build\n"
        "from helpers.checks.observers import observe",
        "# ---- the lab's setup\n\n" + "\n\n".join(setup),
        *(f"# ---- the student's {name}\n\n{judgement.code[name]}" for name in wanted if name in judgement.code),
        f"# ---- the call: {case.exercise}, case {case.name}",
        f"arguments = {_source(list(case.arguments))}",
        f"options = {_source(case.options)}",
        f"seen = observe({case.observe!r}, {case.exercise}, arguments, options, {seed_of(case)})",
        'values = {label: decode(item) for label, item in seen.get("values", {}).items()}',
        'print("came back:", values or seen)',
        f'print("expected: ", {_source(expected)})',
    ]
    return "\n\n".join(parts) + "\n"


def _source(value: Any) -> str:
    """Return Python source that gives a value of a case again, to the last bit."""
    if isinstance(value, torch.Tensor):
        numbers = f"torch.tensor({_source(value.tolist())}, dtype={value.dtype})"
        return numbers if value.is_contiguous() else f"torch.stack([{numbers}] * 2, dim=-1)[..., 0]"
    if is_array(value) or is_table(value):
        return f"decode({encode(value)!r})"
    if isinstance(value, ModelSpec):
        return f"build({value.name!r}, {_source(value.settings)})"
    if isinstance(value, SGD):
        return f"SGD({value.of}, {value.learning_rate!r})"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_source(key)}: {_source(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_source, value)) + "]"
    if isinstance(value, tuple):
        return "(" + "".join(f"{_source(item)}, " for item in value) + ")"
    return repr(value)
