"""Read a lab as its author wrote it, and say in one line each, with file and line, what has to change.

`distillab check-course` prints these lines, and a release refuses with the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from helpers.checks.compare import differs
from helpers.checks.encoding import Opaque
from helpers.checks.observers import OBSERVERS
from helpers.grader.course import lab_files
from helpers.grader.course.cases import Case
from helpers.grader.course.check_values import is_short
from helpers.grader.course.exercise import Exercise
from helpers.grader.course.forbidden_imports import module_imports
from helpers.grader.course.lab import Lab
from helpers.grader.course.rubric import rubrics_of
from helpers.grader.course.source import read_source
from helpers.grader.errors import GraderError
from helpers.paths import PACKAGE


def slips(folder: Path) -> list[str]:
    """Return what an author has to change in a lab before it can be released; empty if nothing."""
    try:
        lab = Lab(folder)
    except GraderError as problem:
        return _slips_of_files(Path(folder), str(problem))
    except Exception as problem:  # whatever an author's files make of this package
        return [str(lab_files.slip(Path(folder), None, f"{type(problem).__name__}: {problem}"))]
    found = [*_caught(lambda: rubrics_of(lab)), *_forbidden(lab)]
    for exercise in lab.exercises.values():
        found += _slips_of_exercise(lab, exercise)
    return found


def _caught(check: Callable[[], object]) -> list[str]:
    """Return the message of what a check raises, as a list."""
    try:
        check()
    except GraderError as problem:
        return [str(problem)]
    return []


def _slips_of_files(folder: Path, first: str) -> list[str]:
    """Return the slips that keep a lab from being read, of all its files: the first alone would hide the others."""
    source = folder / f"{folder.name}.py"
    if not source.is_file():
        return [first]
    found = _caught(lambda: read_source(source))
    for name in ("cases.py", "misconceptions.py"):
        found += _caught(partial(lab_files.load_module, folder / name))
    return found if first in found else [*found, first]


def _forbidden(lab: Lab) -> list[str]:
    known, path = sorted(module_imports(PACKAGE)), lab.folder / "cases.py"
    found = []
    for name in (name for name in lab.forbidden if name.startswith("helpers")):
        found += _caught(partial(lab_files.require_known, path, name, known, "module (FORBIDDEN)"))
    return found


def _slips_of_exercise(lab: Lab, exercise: Exercise) -> list[str]:
    path, mistakes = lab.folder / "cases.py", lab.folder / "misconceptions.py"
    cases = [*exercise.examples, *exercise.cases]
    found = [line for case in cases for line in _slips_of_case(lab, path, case)]
    if not exercise.misconceptions:
        advice = f'Add a wrong answer that students give, under @misconception("{exercise.name}", "…", read="…").'
        found.append(str(lab_files.slip(mistakes, None, f"{exercise.name} has no misconception. {advice}")))
    if found:
        return found  # what follows runs the cases
    for case in cases:
        found += _slips_of_reference(lab, path, case)
    if not found:
        for known in exercise.misconceptions:
            found += _caught(partial(lab_files.require_wrong, mistakes, known, lab.is_right))
    return found


def _slips_of_case(lab: Lab, path: Path, case: Case) -> Iterator[str]:
    yield from _caught(lambda: lab_files.require_known(path, case.observe, OBSERVERS, "observer (observe=)"))
    where, name = lab_files.line_of(path, case.name.removeprefix("validation_")), f"{case.exercise}/{case.name}"
    if not case.weight > 0 and name not in lab.weights:
        said = f"the case {name} has the weight {case.weight:g}, so it is worth no points. Give it a weight above 0."
        yield str(lab_files.slip(path, where, said))
    if not isinstance(case.arguments, tuple):
        said = f"the arguments of {name} are no tuple. Write one argument as (value,), with a comma."
        yield str(lab_files.slip(path, where, said))
    elif case.seed is None and not is_short(case.arguments):
        said = f"the example {name} has inputs with more than three decimals, which nobody can read. Round them."
        yield str(lab_files.slip(path, where, said))


def _slips_of_reference(lab: Lab, path: Path, case: Case) -> Iterator[str]:
    """Yield what is wrong with the solution on a case: that it fails, or gives what cannot be compared."""
    source, name = lab.source_path, f"{case.exercise}/{case.name}"
    where = lab_files.line_of(source, case.exercise)
    try:
        expected = lab.expected(case)
    except GraderError as problem:
        yield str(lab_files.slip(source, where, f"the solution fails on a case. {problem}"))
        return
    if case.is_validation:
        raised = expected["raised"]
        if set([raised] if isinstance(raised, str) else raised) - {"nothing"} != {"ValueError"}:
            said = f"the solution does not raise ValueError on {name}. Correct one of the two."
            yield str(lab_files.slip(source, where, said))
        return
    odd = next((value for value in expected.values() if isinstance(value, Opaque)), None)
    if odd is not None:
        said = f"on {name}, the solution gives {odd.description}, which no answer can be compared with."
        yield str(lab_files.slip(source, where, f"{said} Return numbers, text, arrays, tables or containers of these."))
    elif differs(expected, expected, case.absolute, case.relative):
        said = f"on {name}, the right value does not agree with itself; look at absolute= and relative=."
        yield str(lab_files.slip(path, lab_files.line_of(path, case.name), said))
