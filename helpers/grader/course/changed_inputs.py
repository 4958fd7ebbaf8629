"""What the reference gives on changed inputs of a case: two exchanged, one left out of account, another dimension."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from helpers.checks.compare import as_tensor, differs
from helpers.checks.relations.inputs import changes_of
from helpers.grader.course.cases import Case
from helpers.grader.course.exercise import Failed
from helpers.grader.course.lab import Lab

RERUN = ("value", "gradient", "module")  # observers of cases whose inputs can be changed one by one
OnChangedInputs = dict[str, dict[str, Any]]  # the values of each change of inputs, by its name


def on_changed_inputs(lab: Lab, case: Case) -> OnChangedInputs:
    """Return the values that the reference gives on changed inputs of a case, by the change's name.

    Left out are changes that do not apply, on which the reference raises, or that make no difference.
    """
    return dict(_on_changed_inputs(lab, case)) if case.observe in RERUN else {}


def _is_finite(value: Any) -> bool:
    tensor = as_tensor(value)
    return tensor is None or bool(tensor.isfinite().all())


def _on_changed_inputs(lab: Lab, case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
    expected = lab.expected(case)
    names = case.options["names"][: len(case.arguments)]  # the others have their defaults
    for change in changes_of(tuple(names)):
        changed = change.change(case.arguments)
        if changed is None:
            continue
        values = lab.observed(replace(case, arguments=tuple(changed)), lab.reference[case.exercise])
        if isinstance(values, Failed):
            continue
        values.pop("changed inputs", None)
        values = change.undo(values)
        if not all(_is_finite(item) for item in values.values()):
            continue  # many mistakes give NaN, so it tells nothing
        if any(label in values and differs({label: right}, values, case.absolute, case.relative)
               for label, right in expected.items()):  # fmt: skip
            yield change.name, values
