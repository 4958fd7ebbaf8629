"""Find answers that are nearly the same code in disguise: a reason to look, never a verdict.

The method is MOSS (Schleimer, Wilkerson and Aiken, "Winnowing", SIGMOD 2003) on the normal form of the code
(`judging/normal_code.py`), which is cut into runs of `RUN_TOKENS` tokens. A run counts as evidence only if it is
*rare*: not in the stub, the reference or a known mistake, and not in more than a tenth of the class (two students are
always allowed). So a line that everybody writes proves nothing, however many write it. Two students are named if at
least `MIN_SHARED_RUNS` rare runs of a lab agree and these make up `MIN_SHARE` of the rare runs of the one who has more.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from helpers.grader.course.lab import Lab
from helpers.grader.judging.normal_code import normal_tokens

RUN_TOKENS = 10  # about one statement
MIN_SHARED_RUNS = 40
MIN_SHARE = 0.8
MAX_CLASS_SHARE = 0.1  # of the class may hold a run that counts as rare

Run = tuple[str, ...]


@dataclass(frozen=True)
class SimilarAnswers:
    """Students whose answers to a lab agree, in which exercises, and the smallest share of rare runs of any two."""

    students: tuple[str, ...]
    exercises: tuple[str, ...]
    share: float


def near_identical(answers: Mapping[str, Mapping[str, str]], known: set[Run]) -> list[SimilarAnswers]:
    """Return the groups of students with nearly the same answers.

    Args:
        answers: student → exercise → tokens of the code, from `normal_tokens`.
        known: runs that prove nothing, from `known_runs`.
    """
    runs = {
        student: {(name, run) for name, tokens in code.items() for run in runs_of(tokens) if run not in known}
        for student, code in answers.items()
    }
    holders: dict[tuple[str, Run], list[str]] = defaultdict(list)
    for student in sorted(runs):
        for run in runs[student]:
            holders[run].append(student)
    limit = max(2, int(MAX_CLASS_SHARE * len(answers)))
    rare = {student: sum(len(holders[run]) <= limit for run in student_runs) for student, student_runs in runs.items()}
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (exercise, _), students in holders.items():
        if len(students) <= limit:
            for pair in combinations(students, 2):
                shared[pair].append(exercise)
    pairs = {}
    for (one, other), exercises in shared.items():
        share = len(exercises) / max(rare[one], rare[other])
        if len(exercises) >= MIN_SHARED_RUNS and share >= MIN_SHARE:
            pairs[one, other] = (share, set(exercises))
    return _groups(pairs)


def _groups(pairs: Mapping[tuple[str, str], tuple[float, set[str]]]) -> list[SimilarAnswers]:
    """Return groups in which every two students agree, starting from the closest pairs."""
    groups: list[set[str]] = []
    for pair, _ in sorted(pairs.items(), key=lambda item: (-item[1][0], item[0])):
        candidates = (group for group in groups if group & set(pair))
        match = next((group for group in candidates if _all_agree(group | set(pair), pairs)), None)
        if match is None:
            groups.append(set(pair))
        else:
            match |= set(pair)
    similar = []
    for group in groups:
        members = [pairs[pair] for pair in combinations(sorted(group), 2)]
        exercises = sorted(set().union(*(names for _, names in members)))
        similar.append(SimilarAnswers(tuple(sorted(group)), tuple(exercises), min(share for share, _ in members)))
    return similar


def _all_agree(group: set[str], pairs: Mapping[tuple[str, str], object]) -> bool:
    return all(pair in pairs for pair in combinations(sorted(group), 2))


def known_runs(lab: Lab) -> set[Run]:
    """Return the runs of a lab's own code: setup, reference and known mistakes."""
    sources = [cell.source for cell in lab.notebook.cells if cell.cell_type == "code"]
    sources.append((lab.folder / "misconceptions.py").read_text(encoding="utf-8"))
    return {run for source in sources for piece in _pieces(source) for run in runs_of(normal_tokens(piece))}


def _pieces(source: str) -> list[str]:
    """Return the statements of a module one by one, since a student's cell holds a single function or class."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return []
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            node.decorator_list = []
    return [ast.unparse(node) for node in body]


def runs_of(tokens: str) -> set[Run]:
    """Return the runs of tokens of one answer in the form that `normal_tokens` gives it."""
    words = tokens.split("\n")
    return {tuple(words[start : start + RUN_TOKENS]) for start in range(len(words) - RUN_TOKENS + 1)}
