"""Our solutions: read one after a pass or three failed tries, or go on with ours for no points.

    solution(kl_divergence)     # shows how we write it
    skip(kl_divergence)         # the cells below use ours

The texts are in `helpers/assets/solutions/<lab>.json`, which `make release` writes, or in the notebook itself
(`lab_data.py`); a course that sets `c.Release.show_solutions = False` releases none. Both functions refuse in a kernel
that grades, which cannot see the files either.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from helpers.checks.lab_data import opened
from helpers.checks.progress import attempts, being_graded, has_passed, record_skip
from helpers.paths import PACKAGE

FAILED_CHECKS = 3  # of changed code, after which a solution opens
OURS = "distillab_solutions"  # the module that our solutions say they come from
FOLDER = PACKAGE / "assets" / "solutions"


@dataclass(frozen=True)
class Text:
    """A text for the student: Markdown in a notebook, plain elsewhere."""

    markdown: str

    def __repr__(self) -> str:
        return self.markdown

    def _repr_markdown_(self) -> str:
        return self.markdown


def solution(name: Callable[..., Any] | str) -> Text:
    """Show our solution of an exercise, given as its function or class or as its name.

    It opens once the exercise has passed its check, or after three failed checks of changed code. Raises RuntimeError
    in a kernel that grades.
    """
    name = _name_of(name, "solution")
    if (refusal := _unavailable(name)) is not None:
        return refusal
    failed = attempts(name)
    if not has_passed(name) and failed < FAILED_CHECKS:
        return Text(
            f"The solution of `{name}` opens when your answer passes its check, or after {FAILED_CHECKS} failed checks "
            f"of changed code; so far there {'is 1' if failed == 1 else f'are {failed}'}. To go on without it, "
            f"run `skip({name})`."
        )
    source = _lab_of(name)["solutions"][name]
    return Text(f"**One way to write `{name}`**, ours. Other ways are just as right.\n\n```python\n{source}\n```")


def skip(name: Callable[..., Any] | str) -> Text:
    """Go on with our solution of an exercise, given as its function or class or as its name: no points, none lost.

    From here on, the name means ours in the notebook. Raises RuntimeError in a kernel that grades.
    """
    name = _name_of(name, "skip")
    if (refusal := _unavailable(name)) is not None:
        return refusal
    lab = _lab_of(name)
    sys._getframe(1).f_globals[name] = vars(_module(lab["lab"], lab["setup"], tuple(lab["solutions"].items())))[name]
    problem = record_skip(name, lab["lab"])
    return Text(
        f"The cells below now use our `{name}`. The exercise counts as not done. You can still write your own: run its "
        f"cell, and yours takes the place of ours. {problem}".strip()
    )


def is_ours(answer: Any) -> bool:
    """Return whether an answer is our own solution, put in place by `skip`."""
    return getattr(answer, "__module__", None) == OURS


def skipped_by(answer: Any) -> list[str]:
    """Return the names of our solutions that an answer calls: grading will not find them."""
    return [name for name, called in called_by(answer).items() if is_ours(called)]


def called_by(answer: Any) -> dict[str, Callable[..., Any]]:
    """Return the functions and classes outside of an answer, a function or class, whose names its code uses."""
    inside = vars(answer).values() if isinstance(answer, type) else [answer]
    functions = [item for item in inside if isinstance(item, FunctionType)]
    used = {name: function.__globals__.get(name) for function in functions for name in function.__code__.co_names}
    return {name: item for name, item in used.items() if callable(item) and hasattr(item, "__name__")}


def is_offered(name: str) -> bool:
    """Return whether this course shows the solution of an exercise."""
    return name in _labs() and name in _lab_of(name)["solutions"]


def _name_of(named: Callable[..., Any] | str, called: str) -> str:
    if being_graded():
        raise RuntimeError(
            f"{called}() is not available while a notebook is graded. What you skip counts as not written."
        )
    name = named if isinstance(named, str) else getattr(named, "__name__", None)
    if not isinstance(name, str):
        raise TypeError(f"{called}() takes an exercise or its name, as in {called}(hard_loss), not {named!r:.80}")
    return name


def _labs() -> dict[str, dict[str, Any]]:
    """Return each lab's solutions by the names of its exercises: what the notebook carries, else this package's."""
    return {name: lab for lab in opened("solutions") or _own_labs() for name in lab["exercises"]}


@cache
def _own_labs() -> list[dict[str, Any]]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json"))]


def _lab_of(name: str) -> dict[str, Any]:
    return _labs()[name]


def _unavailable(name: str) -> Text | None:
    """Return why there is no solution to show or to use, or None if there is one."""
    if name not in _labs():
        known = ", ".join(f"`{exercise}`" for exercise in sorted(_labs())) or "none here"
        return Text(f"There is no exercise called `{name}` with a solution. The exercises are: {known}.")
    if name not in _lab_of(name)["solutions"]:
        return Text("Your instructor has switched off `solution()` and `skip()` for this course.")
    return None


@cache
def _module(lab: str, setup: str, solutions: tuple[tuple[str, str], ...]) -> ModuleType:
    """Return a module in which all solutions of a lab have run, so that ours call ours."""
    module = ModuleType(OURS)
    for name, source in [("setup", setup), *solutions]:
        exec(compile(source, f"<our {name} of {lab}>", "exec"), vars(module))
    return module
