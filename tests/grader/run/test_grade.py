"""A class from folder to marks: the same through `distillab grade` and through `nbgrader autograde`."""

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from helpers.cli import main
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.notes import Note, NoteCode
from helpers.grader.reports.gradebook import COLUMNS, csv_text, escape_csv_formula
from helpers.grader.reports.marks import exercise_verdict
from tests.conftest import AVERAGE, DOUBLE

pytestmark = pytest.mark.sandbox

SQUARED = "def double(values):\n    return values ** 2"
ENDLESS = "def double(values):\n    while True: pass"


@pytest.fixture(scope="module")
def handed_in(course, tmp_path_factory):
    """Five submissions: all right; a misconception; untouched; endless; cut in the middle."""
    folder = tmp_path_factory.mktemp("handed_in")
    released = course / "labs" / "00_mini" / "00_mini.ipynb"
    answers = {
        "ada": {"double": DOUBLE, "Average": AVERAGE, "answer_why": "Because I say so."},
        "ben": {"double": SQUARED, "Average": AVERAGE},
        "cem": {},
        "dua": {"double": ENDLESS, "Average": AVERAGE},
    }
    for student, sources in answers.items():
        made = nbformat.read(released, as_version=4)
        for cell in made.cells:
            cell.source = sources.get(cell.id, cell.source)
        path = folder / student / "00_mini" / "00_mini.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(made, path)
    cut = folder / "eve" / "00_mini" / "00_mini.ipynb"
    cut.parent.mkdir(parents=True)
    cut.write_text(released.read_text()[:700])
    return folder


@pytest.fixture(scope="module")
def graded(course, handed_in, tmp_path_factory):
    """The folder that `distillab grade` wrote for the class."""
    output = tmp_path_factory.mktemp("graded")
    arguments = ["--submissions", str(handed_in), "--output", str(output), "--course", str(course), "--workers", "2"]
    assert main(["grade", *arguments]) == 0
    return output


def rows_of(folder):
    return list(csv.DictReader(io.StringIO((folder / "grades.csv").read_text())))


def test_every_submission_got_its_verdict(graded):
    found = {}
    for row in rows_of(graded):
        found.setdefault(row["student"], []).append((row["exercise"], row["verdict"], row["misconception"]))
    assert {verdict for _, verdict, _ in found["ada"]} == {"correct", "manual"}
    assert ("double", "wrong", "squared") in found["ben"] and ("Average", "correct", "") in found["ben"]
    assert {verdict for _, verdict, _ in found["cem"]} == {"missing", "manual"}
    assert ("double", "timeout", "") in found["dua"] and ("Average", "correct", "") in found["dua"]
    assert found["eve"] == [("", "error", "")]


def test_the_csv_has_its_columns_and_a_row_a_case(graded):
    rows = rows_of(graded)
    assert tuple(rows[0]) == COLUMNS
    ada = [row for row in rows if row["student"] == "ada"]
    assert [row["case"] for row in ada] == ["plain", "gradient", "one", "validation_empty", "module", ""]
    assert sum(float(row["points"] or 0) for row in ada) == 7
    assert ada[-1]["verdict"] == "manual" and ada[-1]["points"] == "" and ada[-1]["max_points"] == "2"


def scores(database):
    with Gradebook(f"sqlite:///{database}") as gradebook:
        found = {}
        for submission in gradebook.find_assignment("00_mini").submissions:
            for grade in submission.notebooks[0].grades:
                found[submission.student_id, grade.name] = (grade.auto_score, grade.needs_manual_grade)
            for comment in submission.notebooks[0].comments:
                found[submission.student_id, comment.name, "comment"] = comment.auto_comment
        return found


def test_the_gradebook_holds_marks_verdicts_and_waits_for_written_answers(graded):
    found = scores(graded / "gradebook.db")
    assert found["ada", "check_double"] == (4, False) and found["ben", "check_double"] == (0, False)
    assert found["ada", "answer_why"] == (None, True) and found["ben", "answer_why"] == (0, False)
    assert found["ben", "double", "comment"] == "wrong (squared): 0 of 4 cases right"
    assert found["dua", "double", "comment"].startswith("timeout") and found["eve", "check_double"] == (0, False)
    assert "cut short or damaged" in found["eve", "double", "comment"]


def test_feedback_says_cause_and_section_and_hides_the_cases(graded):
    page = (graded / "feedback" / "ben" / "00_mini" / "00_mini.html").read_text()
    assert "You square the values. Multiply each by two." in page and "“Double it”" in page
    assert "<code>double(values)</code>" in page and "<li>a few values</li>" in page and "<li>a gradient</li>" in page
    assert "plain" not in page and "3.5" not in page
    assert "could not be graded" in (graded / "feedback" / "eve" / "00_mini" / "00_mini.html").read_text()


def test_nbgrader_autograde_gives_the_same_marks(course, handed_in, graded, tmp_path):
    shutil.copytree(course, tmp_path / "course")
    shutil.copytree(handed_in, tmp_path / "course" / "submitted")
    environment = {**os.environ, "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]}
    command = [str(Path(sys.executable).parent / "nbgrader"), "autograde", "00_mini"]
    done = subprocess.run(command, cwd=tmp_path / "course", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # in both gradebooks an endless answer is a timeout; how far it came is the same too
    assert scores(tmp_path / "course" / "gradebook.db") == scores(graded / "gradebook.db")
    autograded = tmp_path / "course" / "autograded" / "ben" / "00_mini"
    text = (autograded / "00_mini.ipynb").read_text()
    assert "You square the values" in text and not (autograded / "cases.py").exists()


def test_a_regrade_gives_the_same_csv_but_for_the_seconds(course, handed_in, graded, tmp_path):
    arguments = ["--submissions", str(handed_in), "--output", str(tmp_path), "--course", str(course), "--workers", "1"]
    assert main(["grade", *arguments]) == 0
    without = [{**row, "seconds": ""} for row in rows_of(tmp_path)]
    assert without == [{**row, "seconds": ""} for row in rows_of(graded)]


def test_a_persons_mark_survives_a_regrade(course, handed_in, tmp_path):
    arguments = ["--submissions", str(handed_in), "--output", str(tmp_path), "--course", str(course)]
    shutil.copytree(handed_in / "ada", tmp_path / "in" / "ada")
    arguments[1] = str(tmp_path / "in")
    assert main(["grade", *arguments]) == 0
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
        grade = gradebook.find_grade("answer_why", "00_mini", "00_mini", "ada")
        grade.manual_score = 1.5
        gradebook.db.commit()
    assert main(["grade", *arguments]) == 0
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
        assert gradebook.find_grade("answer_why", "00_mini", "00_mini", "ada").score == 1.5


# ------------------------------------------------------------------------------------------------------------ pieces


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\tx"])
def test_no_text_is_a_formula(text):
    assert escape_csv_formula(text).startswith("'")


def test_text_stays_in_its_row():
    row = Row("f", "a", 1.0, 1.0, "correct", note='two\nlines, "quoted"')
    judgement = Judgement("00_mini", [row], [Note(NoteCode.OTHER_FILE_NAME, "=note")])
    (row,) = csv.DictReader(io.StringIO(csv_text([("ada", judgement)])))
    assert row["note"] == '\'=note; two lines, "quoted"'


def test_an_exercise_takes_the_verdict_of_its_first_failing_value_case():
    rows = [Row("f", "validation_a", 0, 1, "error"), Row("f", "a", 1, 1, "correct"), Row("f", "b", 0, 1, "timeout")]
    assert exercise_verdict(rows) == "timeout" and exercise_verdict(rows[:2]) == "error"
    assert exercise_verdict(rows[1:2]) == "correct"
