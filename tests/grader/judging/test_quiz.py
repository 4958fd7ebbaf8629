"""A quiz is judged like an exercise: the letter counts, an empty one is missing, a wrong one is named."""

import nbformat
import pytest

from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError
from helpers.grader.judging.judge import judge
from helpers.grader.judging.submission import prepare
from helpers.grader.limits import Limits
from helpers.grader.release import generate
from helpers.grader.reports.feedback import feedback_page
from tests.conftest import CASES, MISCONCEPTIONS, RUN_SEED, SOURCE
from tests.grader.course.test_source import QUIZ

QUIZZES = '\nQUIZZES = {"which": {"A": "This is that.", "B": "Right."}}\n'


def write(folder, quizzes=QUIZZES):
    folder.mkdir(parents=True)
    (folder / "00_mini.py").write_text(SOURCE + QUIZ)
    (folder / "cases.py").write_text(CASES)
    (folder / "misconceptions.py").write_text(MISCONCEPTIONS + quizzes)
    return folder


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(write(tmp_path_factory.mktemp("course") / "00_mini"), RUN_SEED)


@pytest.fixture(scope="module")
def released(lab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    return generate(lab, folder, f"sqlite:///{folder}/gradebook.db")


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("written", "verdict", "points", "known"),
    [
        ('which = "B"', "correct", 1, ""),
        ('which = " b"', "correct", 1, ""),
        ('which = "A"', "wrong", 0, "A"),
        ('which = "AB"', "wrong", 0, ""),
        ('which = ""', "missing", 0, ""),
        ("which = ['B']", "error", 0, ""),
        ("class Any(str):\n    def __eq__(self, other): return True\nwhich = Any('A')", "error", 0, ""),
        ("pass", "missing", 0, ""),
    ],
)
def test_a_letter_is_judged(lab, released, kernel_name, tmp_path, written, verdict, points, known):
    made = nbformat.reads(released, as_version=4)
    next(cell for cell in made.cells if cell.id == "which").source = written
    prepare(kernel_name)
    judgement = judge(lab, made, tmp_path, Limits(cell=3, exercise=2, notebook=60), kernel_name)
    (row,) = judgement.of("which")
    assert (row.verdict, row.points, row.misconception) == (verdict, points, known)
    if known:
        assert "This is that." in feedback_page(lab, "a student", judgement)


def test_the_released_notebook_does_not_hold_the_letter(released):
    assert 'which = \\"\\"' in released and 'which = \\"B\\"' not in released and "Right." not in released


@pytest.mark.parametrize(
    "quizzes", ["", '\nQUIZZES = {"which": {"A": "x", "C": "y"}}\n', '\nQUIZZES = {"which": {"B": "x"}}\n']
)
def test_a_quiz_without_its_explanations_is_refused(tmp_path, quizzes):
    with pytest.raises(GraderError, match="misconceptions.py needs QUIZZES"):
        Lab(write(tmp_path / "00_mini", quizzes))
