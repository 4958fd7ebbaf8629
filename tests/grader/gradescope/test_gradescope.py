"""Gradescope's autograder: what is in the archive, and what it says of a submission in a folder like Gradescope's."""

import json
import os
import stat
import subprocess
import sys
import zipfile

import nbformat
import pytest

from helpers.cli import main
from helpers.grader.gradescope import autograder
from helpers.grader.gradescope.archive import make_wheel, pinned_requirements, write_autograder
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.notes import Note, NoteCode
from tests.conftest import AVERAGE

SECRET = "looked for by value in tests"  # why a hidden case of the test course is what it is
HALF = "def double(values):\n    return values * 2\n"  # right values, and bad input is not rejected


@pytest.fixture(scope="module")
def archive(course, tmp_path_factory):
    path = tmp_path_factory.mktemp("gradescope") / "00_mini_autograder.zip"
    write_autograder(course, "00_mini", path)
    return path


@pytest.fixture
def root(archive, tmp_path):
    """Gradescope's /autograder before a run: the archive in source/, and the script beside it."""
    root = tmp_path / "autograder"
    for name in ("source", "submission", "results"):
        (root / name).mkdir(parents=True)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(root / "source")
    (root / "run_autograder").write_bytes((root / "source" / "run_autograder").read_bytes())
    (root / "run_autograder").chmod(0o755)
    return root


def test_the_archive_has_what_gradescope_needs_and_of_the_course_one_lab(course, archive, tmp_path):
    with zipfile.ZipFile(archive) as opened:
        modes = {member.filename: member.external_attr >> 16 for member in opened.infolist()}
        setup = opened.read("setup.sh").decode()
        requirements = opened.read("requirements.txt").decode().splitlines()
    assert {"setup.sh", "run_autograder", "course/solutions/00_mini/cases.py"} <= set(modes)
    assert {"course/labs/00_mini/00_mini.ipynb", "course/nbgrader_config.py"} <= set(modes)
    assert all(modes[name] & stat.S_IXUSR for name in ("setup.sh", "run_autograder"))
    assert subprocess.run(["bash", "-n"], input=setup, text=True).returncode == 0
    assert "-m pip install" in setup and requirements == pinned_requirements()
    assert {"torch", "nbgrader"} <= {line.split("==")[0] for line in requirements}
    assert not any("+" in line or line.startswith("distillab") for line in requirements)
    write_autograder(course, "00_mini", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_the_wheel_installs_the_package_with_its_command_and_its_sandbox(tmp_path):
    name, content = make_wheel()
    (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target"]
    done = subprocess.run([*command, tmp_path / "there", tmp_path / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (info,) = (tmp_path / "there").glob("*.dist-info")
    assert "distillab-sandbox" in (info / "entry_points.txt").read_text()
    assert (tmp_path / "there" / "helpers" / "grader" / "reports" / "templates" / "feedback.html").is_file()
    assert (tmp_path / "there" / "bin" / "distillab").is_file()


@pytest.mark.sandbox
@pytest.mark.slow
def test_run_autograder_judges_a_submission_and_gives_no_hidden_case_away(root, notebook, kernel_name):
    nbformat.write(notebook(HALF, AVERAGE, answer="Because."), root / "submission" / "my lab.ipynb")
    environment = os.environ | {"DISTILLAB_AUTOGRADER": str(root), "DISTILLAB_PYTHON": sys.executable}
    done = subprocess.run([root / "run_autograder"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (root / "results" / "results.json").read_text()
    results = json.loads(text)
    if not autograder.isolates():
        assert results["output"] == autograder.NOT_GRADED
        return
    tests = {test["name"]: (test["score"], test["max_score"], test["status"]) for test in results["tests"]}
    assert tests == {
        "double": (3.0, 3.0, "passed"),
        "double: bad input is rejected": (0.0, 1.0, "failed"),
        "Average": (3.0, 3.0, "passed"),
    }
    assert results["score"] == 6.0 and "written answers are marked by a person" in results["output"]
    assert "ValueError" in results["tests"][1]["output"] and SECRET not in text and "3.5" not in text


def test_where_the_host_cannot_isolate_nothing_runs_and_the_result_says_so(root, monkeypatch):
    (root / "submission" / "00_mini.ipynb").write_text("{}")
    monkeypatch.setattr(autograder, "isolates", lambda: False)
    monkeypatch.setattr(autograder, "report", lambda: "NO   the whole sandbox")
    monkeypatch.setattr(autograder, "judge_submission", lambda *arguments: pytest.fail("a notebook was run"))
    autograder.main(root, "00_mini")
    results = json.loads((root / "results" / "results.json").read_text())
    first, second = results["tests"]
    assert results["score"] == 0 and "cannot isolate notebooks" in results["output"]
    assert (first["status"], first["max_score"]) == ("failed", 7.0) and first["output"] == results["output"]
    assert second["visibility"] == "hidden" and second["output"] == "NO   the whole sandbox"


def test_results_add_up_exactly_and_withhold_what_is_for_instructors(mini):
    rows = [
        Row("double", case.name, round(mini.exercises["double"].case_points[case.name], 6), 1.0, "correct")
        for case in mini.exercises["double"].cases
    ]
    rows = [Row(row.exercise, row.case, row.points, row.points, row.verdict) for row in rows]
    notes = [
        Note.of(NoteCode.CELL_SLOW, line="import os", seconds=15),
        Note.of(NoteCode.OTHER_FILE_NAME, name="a.ipynb"),
    ]
    results = autograder.results_of(mini, Judgement("00_mini", rows, notes=notes))
    double = [test for test in results["tests"] if test["name"].startswith("double")]
    assert [(test["score"], test["max_score"]) for test in double] == [(3.0, 3.0), (1.0, 1.0)]
    assert results["score"] == 4.0 and "taken from a.ipynb" in results["output"] and "import os" not in str(results)


def test_what_cannot_be_read_gets_the_reason(mini):
    results = autograder.results_of(mini, Judgement("00_mini", [Row("", "", 0.0, None, "error", note="cut short")]))
    assert results["score"] == 0 and results["tests"][0]["output"].endswith("could not be graded: cut short")


def test_a_lab_that_does_not_exist_is_said(course, tmp_path, capsys):
    arguments = ["gradescope", "99_none", "--course", str(course), "--zip", str(tmp_path / "a.zip")]
    assert main(arguments) == 1 and "There is no lab '99_none'" in capsys.readouterr().err
    assert not (tmp_path / "a.zip").exists()
