"""One exercise of a lab, and the values that its cases are judged by."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from helpers.grader.course.cases import Case, Misconception, shares


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


class CaseKey(NamedTuple):
    """The values of one case: the right ones by label, and by misconception those that it gives where they differ."""

    expected: dict[str, Any]
    known_wrong: dict[str, dict[str, Any]]


AnswerKey = dict[str, CaseKey]  # by the name of the case


@dataclass(frozen=True)
class Failed:
    """That an implementation raised on a case: the error's type, message and line."""

    error: dict[str, str]
