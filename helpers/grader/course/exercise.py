"""One exercise of a lab, and the values that its cases are judged by."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from helpers.checks.relations.kinds import claimable
from helpers.grader.course.cases import Case, Misconception, shares


class Cause(NamedTuple):
    """What explains wrong values: what to tell the student, and the section to read again."""

    diagnosis: str
    read: str


@dataclass
class Exercise:
    """One exercise: the section it is in, what it is worth, and how it is judged."""

    name: str
    points: float
    heading: str
    cases: list[Case] = field(default_factory=list)
    examples: list[Case] = field(default_factory=list)
    misconceptions: list[Misconception] = field(default_factory=list)
    quiz: dict[str, str] = field(default_factory=dict)  # of a quiz, what each letter means

    @cached_property
    def case_points(self) -> dict[str, float]:
        """What each case is worth, by name; together, the exercise's points."""
        return {name: share * self.points for name, share in shares(self.cases).items()}

    @property
    def argument_names(self) -> list[str]:
        return next((case.options["names"] for case in self.cases if case.options.get("names")), [])

    @cached_property
    def causes(self) -> dict[str, Cause]:
        """What can explain wrong values, by the name that a judgement holds: known mistakes, then relations."""
        relations = {} if self.quiz else claimable(self.argument_names)
        causes = {name: Cause(diagnosis, self.heading) for name, diagnosis in relations.items()}
        return causes | {known.name: Cause(known.diagnosis, known.read) for known in self.misconceptions}


class CaseKey(NamedTuple):
    """The values of one case: the right ones by label, and by misconception those that it gives where they differ."""

    expected: dict[str, Any]
    known_wrong: dict[str, dict[str, Any]]


AnswerKey = dict[str, CaseKey]  # by the name of the case


@dataclass(frozen=True)
class Failed:
    """That an implementation raised on a case: the error's type, message and line."""

    error: dict[str, str]
