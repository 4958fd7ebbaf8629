"""Explain a mark: judge chosen cases of one submission anew in the sandbox, with the seed that the run has kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import nbformat

from helpers.grader.course.cases import Case
from helpers.grader.course.lab import Lab, find_labs, load_lab
from helpers.grader.errors import GraderError
from helpers.grader.intake.extra_files import KEPT_IN, copy_extra_files
from helpers.grader.judging.apart import replay_apart
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.judging.replay import Replayed, key_of, replay
from helpers.grader.judging.submission import is_sandboxed, prepare
from helpers.grader.limits import Limits
from helpers.grader.run.judgement_store import JudgementStore
from helpers.grader.run.secret_seed import FILE as SEED_FILE
from helpers.grader.run.secret_seed import secret_seed


@dataclass(frozen=True)
class Question:
    """Which mark is asked about; without an exercise or a case, everything that failed."""

    student: str
    lab: str
    exercise: str = ""
    case: str = ""


@dataclass(frozen=True)
class Answer:
    """The lab with the run's seed, what the run recorded, and what came of each case that was judged anew."""

    lab: Lab
    judgement: Judgement
    replayed: list[tuple[Case, Replayed]]

    def row(self, case: Case) -> Row | None:
        """Return what the run recorded of a case."""
        return next((row for row in self.judgement.of(case.exercise) if row.case == case.name), None)


def explain(course: Path, output: Path, question: Question, limits: Limits, kernel_name: str) -> Answer:
    """Judge the cases that are asked about anew.

    Raises GraderError if the run knows no such student, lab, exercise or case, or if nothing failed.
    """
    if not (Path(output) / SEED_FILE).is_file():
        raise GraderError(f"{output} holds no run. Name the folder that “distillab grade” wrote to with --output.")
    _require(question.lab, find_labs(course), "lab")
    store = JudgementStore(output)
    judgement = store.latest(question.student, question.lab)
    if judgement is None:
        students = sorted({student for student, stored in store if stored.lab == question.lab})
        _require(question.student, students, f"student with a submission to {question.lab}")
        raise GraderError(f"{question.student}'s {question.lab} was judged by another version. Grade again first.")
    lab = load_lab(course, question.lab, secret_seed(output))
    wanted = _wanted(lab, judgement, question)
    path = Path(output) / "autograded" / question.student / lab.name / f"{lab.name}.ipynb"
    refusal = next((row.note for row in judgement.rows if not row.exercise), "")
    if refusal or not path.is_file():
        raise GraderError(f"{question.student}'s {lab.name} could not be judged: {refusal or f'{path} is missing'}.")
    prepare(kernel_name, apart=is_sandboxed(kernel_name))
    beside = Path(output) / KEPT_IN / question.student / lab.name
    keys = [key_of(case) for case in wanted]
    replay_one = replay_apart if is_sandboxed(kernel_name) else _replay_here
    try:
        replayed = replay_one(lab, path, beside, limits, kernel_name, keys)
    except GraderError:  # a kernel that did not start says nothing about the notebook; a run tries twice, too
        replayed = replay_one(lab, path, beside, limits, kernel_name, keys)
    return Answer(lab, judgement, list(zip(wanted, replayed, strict=True)))


def _replay_here(
    lab: Lab, path: Path, beside: Path, limits: Limits, kernel_name: str, wanted: Sequence[str]
) -> list[Replayed]:
    with tempfile.TemporaryDirectory(prefix="explain-") as scratch:
        if beside.is_dir():
            copy_extra_files(beside, Path(scratch), limits)
        return replay(lab, nbformat.read(path, as_version=4), Path(scratch), limits, kernel_name, wanted)


def _wanted(lab: Lab, judgement: Judgement, question: Question) -> list[Case]:
    if question.exercise:
        _require(question.exercise, lab.exercises, f"exercise of {lab.name}")
    exercises = [lab.exercises[question.exercise]] if question.exercise else list(lab.exercises.values())
    if question.case:
        cases = {case.name: case for case in exercises[0].cases}
        _require(question.case, cases, f"case of {question.exercise}")
        return [cases[question.case]]
    failed = {(row.exercise, row.case) for row in judgement.rows if row.verdict not in ("correct", "manual")}
    wanted = [case for exercise in exercises for case in exercise.cases if (case.exercise, case.name) in failed]
    if not wanted:
        raise GraderError(
            f"Nothing failed in {question.student}'s {question.exercise or lab.name}. Name a case to see what was "
            f"called: {', '.join(case.name for exercise in exercises[:1] for case in exercise.cases)}."
        )
    return wanted


def _require(name: str, known: Iterable[str], what: str) -> None:
    names = list(known)
    if name not in names:
        close = get_close_matches(name, names, n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"There are: {', '.join(names[:20]) or 'none'}."
        raise GraderError(f"There is no {what} called {name!r}. {hint}")
