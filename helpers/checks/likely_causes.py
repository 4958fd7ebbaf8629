"""The likely cause of each wrong value that a visible check finds: a known mistake, a relation, or changed inputs.

The judge does the same in `helpers.grader.judging.causes`, with hidden cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helpers.checks import compare
from helpers.checks.diagnosis import diagnose
from helpers.checks.encoding import decode
from helpers.checks.relations.find import changed_inputs, lacking_properties, related
from helpers.checks.relations.relation import Observed
from helpers.checks.result import Finding


def explain_all(findings: list[Finding], examples: list[Mapping[str, Any]]) -> None:
    """Name the known mistake behind each wrong value."""
    sections: dict[str, str] = {}
    fitting: dict[str, list[str]] = {}
    for number, (finding, example) in enumerate(zip(findings, examples, strict=True)):
        if example["observe"] != "validation":
            known = _fitting(example, finding)
            sections |= known
            fitting[str(number)] = list(known)
    correct = {str(number) for number, finding in enumerate(findings) if finding.passed}
    named = diagnose(fitting, correct)
    for index, cause in named.items():
        finding = findings[int(index)]
        finding.cause, finding.next_step = cause, f"Read the section “{sections[cause]}” again."
    left = {index: examples[int(index)] for index in fitting if index not in named}
    for index, (diagnosis, next_step) in _related({i: findings[int(i)] for i in left}, left, correct).items():
        findings[int(index)].cause, findings[int(index)].next_step = diagnosis, next_step


def _related(
    findings: Mapping[str, Finding], examples: Mapping[str, Mapping[str, Any]], correct: set[str]
) -> dict[str, tuple[str, str]]:
    """Return what relates wrong values to right ones where no known mistake does, and what to do next, by example."""
    observed = {
        index: Observed(
            [decode(argument) for argument in example["arguments"]],
            decoded(example["expected"]),
            findings[index].values,
            example["absolute"],
        )
        for index, example in examples.items()
    }
    names: list[str] = next((decode(example["options"]).get("names", []) for example in examples.values()), [])
    told = {index: relation.diagnosis for index, relation in related(observed, correct, names).items()}
    rest = {index: example for index, example in examples.items() if index not in told}
    fitting = {index: _changes(example, findings[index]) for index, example in rest.items()}
    told |= {index: change.diagnosis for index, change in changed_inputs(fitting, correct, names).items()}
    left = {index: item for index, item in observed.items() if index not in told}
    told |= {index: relation.diagnosis for index, relation in lacking_properties(left, correct).items()}
    return {index: (diagnosis, "Look for the step that does this.") for index, diagnosis in told.items()}


def _changes(example: Mapping[str, Any], finding: Finding) -> list[str]:
    """Return the changes of inputs that give what was seen; if that is right, all that make a difference."""
    return [
        name
        for name, values in example.get("on_changed_inputs", {}).items()
        if finding.passed
        or finding.values is not None
        and not compare.differs(decoded(values), finding.values, example["absolute"], example["relative"])
    ]


def _fitting(example: Mapping[str, Any], finding: Finding) -> dict[str, str]:
    """Return diagnosis and section of the mistakes that give what was seen; if that is right, of all that fail here."""
    return {
        known["diagnosis"]: known["read"]
        for known in example["misconceptions"]
        if finding.passed
        or finding.values is not None
        and not compare.differs(decoded(known["values"]), finding.values, example["absolute"], example["relative"])
    }


def decoded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {label: decode(item) for label, item in values.items()}
