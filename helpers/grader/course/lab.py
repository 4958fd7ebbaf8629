"""One lab as the judge sees it: its source, exercises, reference, hidden cases and known mistakes.

Everything here is trusted code from `solutions/`; it runs in the judge's own process, never in a student's.
"""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from nbformat import NotebookNode

from helpers.checks.compare import differs
from helpers.checks.encoding import decode, encode
from helpers.checks.observers import argument_names, observe
from helpers.grader.course import lab_files
from helpers.grader.course.cases import Case, Misconception
from helpers.grader.course.digest import digest_of
from helpers.grader.course.exercise import AnswerKey, CaseKey, Exercise, Failed
from helpers.grader.course.forbidden_imports import forbidden_closure
from helpers.grader.course.quiz import quiz_case, quiz_explanations, wrong_letters
from helpers.grader.course.settings import carries_through, case_weights
from helpers.grader.course.source import read_source
from helpers.grader.errors import GraderError

PUBLIC_SEED = 0  # for a lab that is released, reported on or tested, and not judged with


class Lab:
    """A lab's source folder, read once, with hidden cases drawn from a seed."""

    def __init__(self, folder: Path, seed: int = PUBLIC_SEED) -> None:
        self.folder, self.name, self.seed = Path(folder), Path(folder).name, seed
        if not self.source_path.is_file():
            raise GraderError(f"There is no lab {self.name!r}: {self.source_path} does not exist.")
        self.digest = digest_of(self.folder.glob("*.py"))  # of what is read from here on
        self.notebook: NotebookNode = read_source(self.source_path)
        self.weights, self.carries_through = _settings(self)
        self._cases_path = self.folder / "cases.py"
        self._cases = lab_files.load_module(self._cases_path)
        self.forbidden = lab_files.forbidden_modules(self._cases_path, self._cases)
        self.exercises = self._read_exercises()
        self.answers = self._ids("answer_")
        self._keys: dict[str, AnswerKey] = {}
        self._mistaken: dict[tuple[Any, ...], dict[str, Any] | None] = {}  # what `with_mistakes` has returned

    def drawn(self, seed: int) -> Self:
        """Return this lab with hidden cases drawn from another seed; what does not depend on it is shared."""
        other = copy.copy(self)
        other.seed, other._keys, other._mistaken = seed, {}, {}
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
        path, mistakes = self._cases_path, lab_files.load_module(self.folder / "misconceptions.py")
        self._add_quizzes(exercises, getattr(mistakes, "QUIZZES", {}))
        hidden = lab_files.weighed(lab_files.hidden_cases(path, self._cases, self.seed), self.weights)
        hidden = [replace(case, seed=self.seed) for case in hidden]
        for kind, cases in (("cases", hidden), ("examples", lab_files.examples(path, self._cases))):
            for case in cases:
                lab_files.require_known(path, case.exercise, exercises, "exercise of this lab")
                getattr(exercises[case.exercise], kind).append(self._with_names(case))
            lab_files.check_cases(path, {name: getattr(item, kind) for name, item in exercises.items()}, kind)
        headings = {cell.metadata.distillab.heading for cell in self.notebook.cells}
        for known in lab_files.misconceptions(mistakes, exercises, sorted(headings)):
            exercises[known.exercise].misconceptions.append(known)
        return exercises

    def _add_quizzes(self, exercises: Mapping[str, Exercise], quizzes: Mapping[str, Mapping[str, str]]) -> None:
        """Give each quiz its one case and what its letters mean."""
        for name in {cell.metadata.distillab.quiz for cell in self.notebook.cells} - {""}:
            quiz, letter = exercises[name], self.reference[name]
            quiz.quiz = quiz_explanations(self.name, name, letter, quizzes)
            quiz.cases, quiz.examples = [quiz_case(name)], [quiz_case(name)]
            quiz.misconceptions = wrong_letters(name, letter, quiz.quiz, quiz.heading)

    def fitting(
        self, exercise: Exercise, values: Mapping[str, dict[str, Any] | None], correct: Collection[str]
    ) -> dict[str, list[str]]:
        """Return the known mistakes that fit what an answer gave on each case, as `diagnose` takes them."""
        fitting = {}
        for case in (case for case in exercise.cases if not case.is_validation):
            seen, known_wrong = values.get(case.name), self.key(exercise.name)[case.name].known_wrong
            fitting[case.name] = [
                name
                for name, wrong in known_wrong.items()
                if case.name in correct or (seen is not None and not differs(wrong, seen, case.absolute, case.relative))
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
                lab_files.run_cell(self.source_path, cell, namespace)
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
        return self._key(exercise, self.exercises[exercise].cases)

    def example_key(self, exercise: str) -> AnswerKey:
        """Return the same for the visible examples."""
        return self._key(f"examples of {exercise}", self.exercises[exercise].examples)

    def _key(self, label: str, cases: Iterable[Case]) -> AnswerKey:
        with _OBSERVING:
            if label not in self._keys:
                self._keys[label] = {case.name: CaseKey(self.expected(case), self.known_wrong(case)) for case in cases}
            return self._keys[label]

    def expected(self, case: Case) -> dict[str, Any]:
        """Return the values that the reference gives on a case, decoded."""
        values = self.observed(case, self.reference[case.exercise])
        if isinstance(values, Failed):
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
        values = {item.name: self.observed(case, item.implementation, arguments) for item in known}
        return {
            name: seen
            for name, seen in values.items()
            if not isinstance(seen, Failed) and differs(expected, seen, case.absolute, case.relative)
        }

    def with_mistakes(self, case: Case, mistakes: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the values that the reference gives on a case if other exercises are answered with known mistakes.

        Args:
            case: a hidden case.
            mistakes: the name of a misconception, by exercise.

        Returns:
            The values by label; None if the reference raises with these mistakes.
        """
        known = {
            (name, item.name): item.implementation for name in mistakes for item in self.exercises[name].misconceptions
        }
        wrong = {name: known[name, mistake] for name, mistake in mistakes.items() if name != case.exercise}
        label = (case.exercise, case.name, *sorted((name, mistakes[name]) for name in wrong))
        with _OBSERVING:
            if label not in self._mistaken:
                right = {name: self.reference[name] for name in wrong}
                self.reference.update(wrong)  # the reference's functions find each other here
                try:
                    values = self.observed(case, self.reference[case.exercise])
                finally:
                    self.reference.update(right)
                self._mistaken[label] = None if isinstance(values, Failed) else values
            return self._mistaken[label]

    def is_right(self, known: Misconception) -> bool:
        """Return whether a misconception gives the right value in every case and example that compares values."""
        exercise = self.exercises[known.exercise]
        for case in (case for case in [*exercise.examples, *exercise.cases] if not case.is_validation):
            values = self.observed(case, known.implementation)
            if isinstance(values, Failed) or differs(self.expected(case), values, case.absolute, case.relative):
                return False
        return True

    def observed(self, case: Case, answer: Any, arguments: list[Any] | None = None) -> dict[str, Any] | Failed:
        """Return what is observed of an answer on a case, by label, decoded.

        Inputs go through `encode` and `decode`, so that both sides see the same copies; `arguments` are such copies.
        """
        case = case.as_called()
        if arguments is None:
            arguments = [decode(encode(argument)) for argument in case.arguments]
        else:
            arguments = copy.deepcopy(arguments)
        seen = observe(case.observe, answer, arguments, decode(encode(case.options)), seed_of(case))
        if "error" in seen:
            if seen["error"]["type"] == KeyboardInterrupt.__name__:  # Ctrl-C, which `observe` reports like any error
                raise KeyboardInterrupt
            return Failed(seen["error"])
        return {label: decode(item) for label, item in seen["values"].items()}


_OBSERVING, _LOADING = threading.Lock(), threading.Lock()


def seed_of(case: Case) -> int:
    """Return the seed of random numbers while a case runs, from the run's seed: the same on every machine."""
    run = "" if case.seed is None else f"{case.seed}/"
    return int.from_bytes(hashlib.sha256(f"{run}{case.exercise}/{case.name}".encode()).digest()[:4], "big")


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
            if lab is None or (digest_of(lab.folder.glob("*.py")), *_settings(lab)) != (
                lab.digest,
                lab.weights,
                lab.carries_through,
            ):
                del _LABS[key]


def _settings(lab: Lab) -> tuple[dict[str, float], bool]:
    """Return what the course's settings say of a lab: weights of cases, and whether marks carry through."""
    course = lab.folder.resolve().parents[1]
    return case_weights(course, lab.name), carries_through(course)


def find_labs(course: Path) -> list[str]:
    """Return the names of the labs in a course's folder, in order."""
    solutions = Path(course) / "solutions"
    if not solutions.is_dir():
        raise GraderError(
            f"There is no folder solutions/ in {Path(course).resolve()}. Run this in the course's folder, "
            "or name it with --course."
        )
    return sorted(path.name for path in solutions.iterdir() if (path / f"{path.name}.py").is_file())
