"""One lab as the judge sees it: its source, exercises, reference, hidden cases and known mistakes.

Everything here is trusted code from `solutions/`; it runs in the judge's own process, never in a student's.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Self

from nbformat import NotebookNode

from helpers.checks.compare import differs
from helpers.checks.encoding import decode, encode
from helpers.checks.observers import argument_names, observe
from helpers.grader.course.cases import Case, Misconception, shares
from helpers.grader.course.digest import digest_of
from helpers.grader.course.forbidden_imports import forbidden_closure
from helpers.grader.course.quiz import quiz_case, quiz_explanations, wrong_letters
from helpers.grader.course.source import read_source
from helpers.grader.errors import GraderError


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
class _Failed:
    """That an implementation raised on a case: the error's type, message and line."""

    error: dict[str, str]


PUBLIC_SEED = 0  # for a lab that is released, reported on or tested, and not judged with


class Lab:
    """A lab's source folder, read once, with hidden cases drawn from a seed."""

    def __init__(self, folder: Path, seed: int = PUBLIC_SEED) -> None:
        self.folder, self.name, self.seed = Path(folder), Path(folder).name, seed
        if not self.source_path.is_file():
            raise GraderError(f"There is no lab {self.name!r}: {self.source_path} does not exist.")
        self.digest = digest_of(self.folder.glob("*.py"))  # of what is read from here on
        self.notebook: NotebookNode = read_source(self.source_path)
        self._cases = _load(self.folder / "cases.py")
        self.forbidden: list[str] = list(self._cases.FORBIDDEN)
        self.exercises = self._read_exercises()
        self.answers = self._ids("answer_")
        self._keys: dict[str, AnswerKey] = {}

    def drawn(self, seed: int) -> Self:
        """Return this lab with hidden cases drawn from another seed; what does not depend on it is shared."""
        other = copy.copy(self)
        other.seed, other._keys = seed, {}
        other.exercises = other._read_exercises()
        return other

    @property
    def source_path(self) -> Path:
        return self.folder / f"{self.name}.py"

    def _ids(self, prefix: str) -> dict[str, NotebookNode]:
        """Return the cells whose nbgrader id has the prefix, by the rest of the id."""
        ids = ((cell.metadata.get("nbgrader", {}).get("grade_id", ""), cell) for cell in self.notebook.cells)
        return {grade_id.removeprefix(prefix): cell for grade_id, cell in ids if grade_id.startswith(prefix)}

    def _read_exercises(self) -> dict[str, Exercise]:
        exercises = {
            name: Exercise(name, cell.metadata.nbgrader.points, cell.metadata.distillab.heading)
            for name, cell in self._ids("check_").items()
        }
        mistakes = _load(self.folder / "misconceptions.py")
        self._add_quizzes(exercises, getattr(mistakes, "QUIZZES", {}))
        for kind, cases in (("cases", self._hidden_cases()), ("examples", self._cases.examples())):
            for case in cases:
                if case.exercise not in exercises:
                    raise GraderError(f"{self.name}: the case {case.name} is for {case.exercise}, which has no check.")
                getattr(exercises[case.exercise], kind).append(self._with_names(case))
        for item in vars(mistakes).values():
            known = getattr(item, "misconception", None)
            if isinstance(known, Misconception):
                exercises[known.exercise].misconceptions.append(known)
        for exercise in exercises.values():
            names = [case.name for case in exercise.cases]
            if len(set(names)) != len(names) or not exercise.examples:
                raise GraderError(f"{self.name}: {exercise.name} needs examples, and cases with different names.")
        return exercises

    def _add_quizzes(self, exercises: Mapping[str, Exercise], quizzes: Mapping[str, Mapping[str, str]]) -> None:
        """Give each quiz its one case and what its letters mean."""
        for name in {cell.metadata.distillab.quiz for cell in self.notebook.cells} - {""}:
            quiz, letter = exercises[name], self.reference[name]
            quiz.quiz = quiz_explanations(self.name, name, letter, quizzes)
            quiz.cases, quiz.examples = [quiz_case(name)], [quiz_case(name)]
            quiz.misconceptions = wrong_letters(name, letter, quiz.quiz, quiz.heading)

    def _hidden_cases(self) -> list[Case]:
        draw_cases = getattr(self._cases, "cases", None)
        if draw_cases is None or len(inspect.signature(draw_cases).parameters) != 1:
            raise GraderError(
                f"{self.name}: cases.py needs a function “def cases(seed):” that draws the hidden inputs from the seed "
                "and returns the cases."
            )
        return [replace(case, seed=self.seed) for case in draw_cases(self.seed)]

    def fitting(
        self, exercise: Exercise, values: Mapping[str, dict[str, Any] | None], correct: Collection[str]
    ) -> dict[str, list[str]]:
        """Return the known mistakes that fit what an answer gave on each case, as `diagnose` takes them."""
        fitting = {}
        for case in exercise.cases:
            seen, known_wrong = values.get(case.name), self.key(exercise.name)[case.name].known_wrong
            if seen is not None:
                fitting[case.name] = [
                    name
                    for name, wrong in known_wrong.items()
                    if case.name in correct or not differs(wrong, seen, case.absolute, case.relative)
                ]
        return fitting

    def _with_names(self, case: Case) -> Case:
        """Give the case the argument names of the reference, so that students may name theirs differently."""
        answer = self.reference[case.exercise]
        names = argument_names(getattr(answer, "forward", answer))  # a class is called through its forward()
        return replace(case, options={**case.options, "names": [name for name in names if name != "self"]})

    @cached_property
    def reference(self) -> dict[str, Any]:
        """The namespace in which the setup cells and the solution cells have run."""
        namespace: dict[str, Any] = {"__name__": f"reference_{self.name}"}
        for cell in self.notebook.cells:
            role = cell.metadata.get("nbgrader", {})
            if cell.metadata.distillab.setup or (role.get("solution") and not role.get("grade")):
                exec(compile(cell.source, f"{self.name}:{cell.id}", "exec"), namespace)
        return namespace

    @cached_property
    def forbidden_closure(self) -> list[str]:
        """The helper modules that students may not import in this lab, with all that import one of those."""
        return forbidden_closure(self.forbidden)

    @cached_property
    def uses_model_specs(self) -> bool:
        """Whether there are models or tokenizers among the arguments of the cases."""
        cases = [encode([case.arguments, case.options]) for item in self.exercises.values() for case in item.cases]
        return '"model_spec": {' in json.dumps(cases)

    def key(self, exercise: str) -> AnswerKey:
        """Return an exercise's right values and its misconceptions' values, by the name of the hidden case.

        It is computed once, when the exercise is first judged, and by one thread at a time, since observing sets seeds.
        """
        with _OBSERVING:
            if exercise not in self._keys:
                cases = self.exercises[exercise].cases
                self._keys[exercise] = {
                    case.name: CaseKey(self.expected(case), self.known_wrong(case)) for case in cases
                }
            return self._keys[exercise]

    def expected(self, case: Case) -> dict[str, Any]:
        """Return the values that the reference gives on a case, decoded."""
        values = self._values(case, self.reference[case.exercise])
        if isinstance(values, _Failed):
            raise GraderError(f"{self.name}: the reference fails on {case.exercise}/{case.name}: {values.error}")
        values.pop("errors", None)  # of calls that should raise: no answer has to say the same
        return values

    def known_wrong(self, case: Case) -> dict[str, dict[str, Any]]:
        """Return the values that each misconception gives on a case, by name, where they differ from the right ones.

        A misconception that raises has no value to recognise it by. On validation cases most mistakes look alike, so
        none is recognised.
        """
        if case.is_validation:
            return {}
        expected, known = self.expected(case), self.exercises[case.exercise].misconceptions
        arguments = [decode(encode(argument)) for argument in case.arguments]  # copying is quicker than building models
        values = {item.name: self._values(case, item.implementation, arguments) for item in known}
        return {
            name: seen
            for name, seen in values.items()
            if not isinstance(seen, _Failed) and differs(expected, seen, case.absolute, case.relative)
        }

    def _values(self, case: Case, answer: Any, arguments: list[Any] | None = None) -> dict[str, Any] | _Failed:
        # Through encode and decode, so that both sides see the same copies of the inputs.
        case = case.as_called()
        if arguments is None:
            arguments = [decode(encode(argument)) for argument in case.arguments]
        else:
            arguments = copy.deepcopy(arguments)
        seen = observe(case.observe, answer, arguments, decode(encode(case.options)), seed_of(case))
        if "error" in seen:
            if seen["error"]["type"] == KeyboardInterrupt.__name__:  # Ctrl-C, which `observe` reports like any error
                raise KeyboardInterrupt
            return _Failed(seen["error"])
        return {label: decode(item) for label, item in seen["values"].items()}


_OBSERVING, _LOADING = threading.Lock(), threading.Lock()


def seed_of(case: Case) -> int:
    """Return the seed of random numbers while a case runs, from the run's seed: the same on every machine."""
    run = "" if case.seed is None else f"{case.seed}/"
    return int.from_bytes(hashlib.sha256(f"{run}{case.exercise}/{case.name}".encode()).digest()[:4], "big")


def _load(path: Path) -> ModuleType:
    """Import one of a lab's own Python files by its path.

    It is read as text, since Python would take a compiled file for up to date after a change within the same second.
    """
    if not path.is_file():
        raise GraderError(f"The lab {path.parent.name} has no {path.name}.")
    module = ModuleType(f"solutions_{path.parent.name}_{path.stem}")
    module.__file__ = str(path)
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), module.__dict__)
    return module


_LABS: dict[tuple[Path, str], dict[int, Lab]] = {}  # by course and name, then by seed
MAX_SEEDS = 4  # whose answer keys are kept for each lab: a cluster's worker may serve that many runs at once


def load_lab(course: Path, name: str, seed: int = PUBLIC_SEED) -> Lab:
    """Return a lab. It is read when it is first asked for, and again if `forget_changed_labs` saw it change.

    Args:
        course: the folder that holds `solutions/`.
        name: of the lab.
        seed: the run's secret seed, where submissions are judged.
    """
    root = Path(course).resolve()
    with _LOADING:
        by_seed = _LABS.setdefault((root, name), {})
        if PUBLIC_SEED not in by_seed:
            by_seed[PUBLIC_SEED] = Lab(root / "solutions" / name)
        if seed not in by_seed:
            by_seed[seed] = by_seed[PUBLIC_SEED].drawn(seed)
            for oldest in list(by_seed)[1:-MAX_SEEDS]:  # the first is PUBLIC_SEED
                del by_seed[oldest]
        return by_seed[seed]


def forget_changed_labs() -> None:
    """Forget the labs whose files have changed since they were read. Call it only where a run begins."""
    with _LOADING:
        for key, by_seed in list(_LABS.items()):
            lab = by_seed.get(PUBLIC_SEED)
            if lab is None or digest_of(lab.folder.glob("*.py")) != lab.digest:
                del _LABS[key]


def find_labs(course: Path) -> list[str]:
    """Return the names of the labs in a course's folder, in order."""
    solutions = Path(course) / "solutions"
    if not solutions.is_dir():
        raise GraderError(
            f"There is no folder solutions/ in {Path(course).resolve()}. Run this in the course's folder, "
            "or name it with --course."
        )
    return sorted(path.name for path in solutions.iterdir() if (path / f"{path.name}.py").is_file())
