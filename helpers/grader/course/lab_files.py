"""Read a lab's own Python files, and say in one line, with file and line, what an author has to change in them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, TypeVar

from nbformat import NotebookNode

from helpers.grader.course.cases import Case, Misconception
from helpers.grader.course.settings import FILE
from helpers.grader.errors import GraderError

T = TypeVar("T")


def load_module(path: Path) -> ModuleType:
    """Import one of a lab's own Python files by its path.

    It is read as text, since Python would take a compiled file for up to date after a change within the same second.

    Raises:
        GraderError: there is no such file, or it cannot be run.
    """
    if not path.is_file():
        raise GraderError(f"The lab {path.parent.name} has no {path.name}.")
    module = ModuleType(f"solutions_{path.parent.name}_{path.stem}")
    module.__file__ = str(path)
    called(path, lambda: exec(compile(path.read_text(encoding="utf-8"), path, "exec"), module.__dict__))
    return module


def called(path: Path, function: Callable[[], T]) -> T:
    """Return what a function gives that runs an author's file. Raises GraderError with the line that failed."""
    try:
        return function()
    except GraderError:
        raise
    except SyntaxError as problem:
        raise slip(path, problem.lineno or 1, f"{problem.msg}: {(problem.text or '').strip()}") from None
    except Exception as problem:
        lines = [frame.lineno for frame in extract_tb(problem.__traceback__) if frame.filename == str(path)]
        raise slip(path, lines[-1] if lines else None, f"{type(problem).__name__}: {problem}") from None


def run_cell(path: Path, cell: NotebookNode, namespace: dict[str, Any]) -> None:
    """Run a setup or solution cell of a lab's source. Raises GraderError with the line that failed."""
    try:
        exec(compile(cell.source, f"{path.stem}:{cell.id}", "exec"), namespace)
    except Exception as problem:
        frames = [frame for frame in extract_tb(problem.__traceback__) if frame.filename == f"{path.stem}:{cell.id}"]
        line = frames[-1].lineno if frames else getattr(problem, "lineno", None)
        text = cell.source.splitlines()[line - 1].strip() if line else ""
        said = f"the cell {cell.id} fails at “{text}”: {type(problem).__name__}: {problem}"
        raise slip(path, _line_like(path, text), said) from None


def _line_like(path: Path, text: str) -> int | None:
    """Return the first line of a file that consists of a text, besides spaces."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if text and line.strip() == text), None)


def require_wrong(path: Path, known: Misconception, is_right: Callable[[Misconception], bool]) -> None:
    """Raise GraderError if a misconception is a right answer, so that no student could be told of it."""
    if is_right(known):
        raise slip(
            path,
            line_of(path, known.name),
            f"{known.name} gives the right value in every case and example of {known.exercise}. Correct it, or add a "
            "case that it fails.",
        )


def slip(path: Path, line: int | None, message: str) -> GraderError:
    """Return the error that names a file, a line if it is known, and what is wrong."""
    where = Path(*path.parts[-3:])  # solutions/02_loss/cases.py
    return GraderError(f"{where}, line {line}: {message}" if line else f"{where}: {message}")


def required(path: Path, module: ModuleType, name: str, advice: str) -> Any:
    """Return what a module defines by a name. Raises GraderError with advice if it defines nothing."""
    if not hasattr(module, name):
        raise slip(path, None, f"{name} is missing. {advice}")
    return getattr(module, name)


def require_known(path: Path, name: str, known: Iterable[str], what: str) -> None:
    """Raise GraderError unless a name that an author wrote is known; `what` says what it should name."""
    names = list(known)
    if name not in names:
        close = get_close_matches(name, names, n=1)
        hint = f"Did you mean “{close[0]}”?" if close else f"There are: {', '.join(names)}."
        raise slip(path, line_of(path, name), f"“{name}” is no {what}. {hint}")


def line_of(path: Path, text: str) -> int | None:
    """Return the first line on which a text stands between quotes, or on which a function or class has that name."""
    definitions = (f"def {text}(", f"class {text}(", f"class {text}:")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next(
        (
            number
            for number, line in enumerate(lines, 1)
            if f'"{text}"' in line or f"'{text}'" in line or line.startswith(definitions)
        ),
        None,
    )


def hidden_cases(path: Path, module: ModuleType, seed: int) -> list[Case]:
    """Return the hidden cases that `cases.py` draws from a seed."""
    draw_cases = getattr(module, "cases", None)
    if draw_cases is None or len(inspect.signature(draw_cases).parameters) != 1:
        raise slip(
            path,
            line_of(path, "cases"),
            "cases.py needs a function “def cases(seed):” that draws the hidden inputs from the seed and returns the "
            "cases.",
        )
    return called(path, lambda: list(draw_cases(seed)))


def weighed(cases: list[Case], weights: Mapping[str, float]) -> list[Case]:
    """Return cases with the weights that the course gives them. Raises GraderError for a weight of no case."""
    names = [f"{case.exercise}/{case.name}" for case in cases]
    for name in weights:
        require_known(Path(FILE), name, names, "case of this lab (c.Judge.case_weights)")
    return [replace(case, weight=weights.get(name, case.weight)) for name, case in zip(names, cases, strict=True)]


def examples(path: Path, module: ModuleType) -> list[Case]:
    """Return the visible examples of `cases.py`."""
    advice = "Add a function “def examples():” that returns the cases of the visible check."
    make = required(path, module, "examples", advice)
    return called(path, lambda: list(make()))


def forbidden_modules(path: Path, module: ModuleType) -> list[str]:
    """Return the helper modules that hold a lab's answers."""
    advice = (
        'List the helper modules that hold this lab\'s answers, for example FORBIDDEN = ("helpers.losses",), or write '
        "FORBIDDEN = () if there are none."
    )
    return list(required(path, module, "FORBIDDEN", advice))


def misconceptions(module: ModuleType, exercises: Iterable[str], headings: Iterable[str]) -> list[Misconception]:
    """Return the known mistakes of `misconceptions.py`, in order."""
    path = Path(module.__file__ or "")
    found = [getattr(item, "misconception", None) for item in vars(module).values()]
    known = [item for item in found if isinstance(item, Misconception)]
    for item in known:
        require_known(path, item.exercise, exercises, "exercise of this lab")
        require_known(path, item.read, headings, "section of this lab (read=)")
    return known


def check_cases(path: Path, cases: Mapping[str, list[Case]], kind: str) -> None:
    """Raise GraderError if an exercise has no cases of a kind, or two of one name."""
    for exercise, own in cases.items():
        names = [case.name for case in own]
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            raise slip(path, line_of(path, twice), f"two {kind} of {exercise} are called “{twice}”. Rename one.")
        if not any(case.weight for case in own if not case.is_validation):
            said = f"{exercise} needs {kind} that judge a value, with a weight above 0."
            raise slip(path, line_of(path, exercise), f'{said} Add Case("{exercise}", …) to {kind}().')
