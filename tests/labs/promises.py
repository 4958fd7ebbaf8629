"""What the text of each exercise promises, and the cases that hold it: `solutions/NN_name/promises.toml`.

An entry has the words of the lab, a mutant that breaks only this promise (a part of the reference, and what stands in
its place), and the hidden cases that such an answer fails.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache

from helpers.checks import compare
from helpers.checks.encoding import decode, encode
from helpers.checks.observers import observe
from helpers.grader.course.lab import Lab, seed_of
from tests.conftest import ROOT
from tests.labs.common import LABS, defined

MARGIN = re.compile(r"(?:\n# ?|\s)+")  # line ends of text cells and docstrings


@dataclass(frozen=True)
class Promise:
    """One promise of one exercise."""

    lab: str
    exercise: str
    text: str
    change: tuple[str, str]
    cases: tuple[str, ...]

    def mutant(self, lab: Lab):
        """Return the reference with the change. Raises AssertionError unless its first part stands there."""
        source, (old, new) = source_of(lab, self.exercise), self.change
        assert old in source, f"{self.lab}/{self.exercise}: {old!r} is not in the solution"
        return defined(lab, self.exercise, source.replace(old, new))


@cache
def words_of(lab: str) -> str:
    """Return a lab's text, with one space for each line end."""
    return MARGIN.sub(" ", (ROOT / "solutions" / lab / f"{lab}.py").read_text())


def source_of(lab: Lab, exercise: str) -> str:
    return next(
        cell.source for cell in lab.notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id", "") == exercise
    )


def failed_cases(lab: Lab, exercise: str, answer) -> set[str]:
    """Return the names of the hidden cases that an answer fails."""
    failed = set()
    for case in (case.as_called() for case in lab.exercises[exercise].cases):
        arguments = [decode(encode(argument)) for argument in case.arguments]
        reply = observe(case.observe, answer, arguments, decode(encode(case.options)), seed_of(case))
        values = {label: decode(item) for label, item in reply.get("values", {}).items()}
        expected = lab.key(exercise)[case.name].expected
        if "error" in reply or compare.differs(expected, values, case.absolute, case.relative):
            failed.add(case.name)
    return failed


def _read(lab: str) -> list[Promise]:
    path = ROOT / "solutions" / lab / "promises.toml"
    entries = tomllib.loads(path.read_text()) if path.is_file() else {}
    return [
        Promise(lab, exercise, item["text"], tuple(item["change"]), tuple(item["cases"]))
        for exercise, items in entries.items()
        for item in items
    ]


PROMISES = [promise for lab in LABS for promise in _read(lab)]
