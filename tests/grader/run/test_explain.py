"""An instructor asks about one mark: what was called, what came back, what was expected, and a script that shows it."""

import stat
import subprocess
import sys

import nbformat
import pytest

from helpers.cli import main
from helpers.grader.course.lab import load_lab
from helpers.grader.reports.explanation import HIDDEN
from helpers.grader.run.secret_seed import secret_seed
from tests.conftest import AVERAGE

SQUARED = "def double(values):\n    return values ** 2"
RAISES = "def double(values):\n    raise TypeError('<b>no</b>')"
ENDS = "import os\ndef double(values):\n    os._exit(1)"
FROM_BESIDE = "from mine import squared\ndef double(values):\n    return squared(values)"

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def graded(course, tmp_path_factory):
    folder, output = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    for student, double in (("ada", SQUARED), ("ben", RAISES), ("cem", ENDS), ("dan", FROM_BESIDE)):
        made = nbformat.read(course / "labs" / "00_mini" / "00_mini.ipynb", as_version=4)
        for cell in made.cells:
            cell.source = {"double": double, "Average": AVERAGE}.get(cell.id, cell.source)
        path = folder / student / "00_mini" / "00_mini.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(made, path)
    (folder / "dan" / "00_mini" / "mine.py").write_text("def squared(values):\n    return values ** 2")
    assert main(["grade", "--submissions", str(folder), "--output", str(output), "--course", str(course)]) == 0
    return output


@pytest.fixture
def ask(course, graded, capsys):
    """A function that runs the command and returns its status, what it printed, and what it said of errors."""

    def run(*arguments):
        capsys.readouterr()
        status = main(["explain", "--output", str(graded), "--course", str(course), *map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def hidden_values(course, graded):
    lab = load_lab(course, "00_mini", secret_seed(graded))
    return lab.exercises["double"].cases[0].arguments[0]


def test_it_shows_the_hidden_call_what_came_back_and_what_was_expected(ask, course, graded):
    values = hidden_values(course, graded)
    status, out, _ = ask("ada", "00_mini", "double", "plain")
    assert status == 0 and out.startswith(HIDDEN)
    for text in (
        "ada, 00_mini, double, case plain",
        "wrong; 0 of 1 points",
        "You square the values.",
        f"values = {[round(value, 4) for value in values.tolist()]}",
        str([round(value, 4) for value in (values**2).tolist()]),
        str([round(value, 4) for value in (2 * values).tolist()]),
    ):
        assert text in out


def test_what_lay_beside_the_notebook_is_there_again(ask, graded):
    out = ask("dan", "00_mini", "double", "plain")[1]
    assert "wrong; 0 of 1 points" in out and "You square the values." in out and "The run recorded" not in out
    assert [path.name for path in (graded / "extra_files").rglob("*.*")] == ["mine.py"]


def test_without_a_case_everything_that_failed_is_explained(ask):
    out = ask("ada", "00_mini")[1]
    titles = [line for line in out.splitlines() if line.startswith("ada, ")]
    assert titles == [f"ada, 00_mini, double, case {case}" for case in ("plain", "gradient", "one", "validation_empty")]
    assert "which must raise ValueError: double(values)" in out and "which must return: double(values)" in out


def test_an_error_is_quoted_in_full_and_escaped_on_the_page(ask, tmp_path):
    assert "TypeError: <b>no</b>\n" in ask("ben", "00_mini", "double", "plain")[1]
    page = tmp_path / "page.html"
    assert ask("ben", "00_mini", "double", "plain", "--html", page)[0] == 0
    assert HIDDEN in page.read_text() and "&lt;b&gt;no&lt;/b&gt;" in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


def test_an_answer_that_ends_its_kernel_is_explained_case_by_case(ask):
    status, out, error = ask("cem", "00_mini")
    assert status == 0, error
    assert out.count("the kernel ended while this case ran") >= 4 and out.count("\n\ncem, ") == 4


def test_the_snippet_gives_the_same_values(ask, course, graded, tmp_path):
    script = tmp_path / "case.py"
    assert ask("ada", "00_mini", "double", "plain", "--snippet", script)[0] == 0
    assert script.read_text().startswith(f"# {HIDDEN}\n") and stat.S_IMODE(script.stat().st_mode) == 0o600
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    values = hidden_values(course, graded)
    assert done.returncode == 0, done.stderr
    assert str(values**2) in done.stdout and str(2 * values) in done.stdout


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (("adda", "00_mini"), "There is no student with a submission to 00_mini called 'adda'. Did you mean ada?"),
        (("ada", "00_mni"), "There is no lab called '00_mni'. Did you mean 00_mini?"),
        (("ada", "00_mini", "dubble"), "There is no exercise of 00_mini called 'dubble'. Did you mean double?"),
        (("ada", "00_mini", "double", "plan"), "There is no case of double called 'plan'. Did you mean plain?"),
        (("ada", "00_mini", "Average"), "Nothing failed in ada's Average. Name a case to see what was called: module."),
    ],
)
def test_what_is_not_there_is_said_in_a_line(ask, question, said):
    status, out, error = ask(*question)
    assert status == 1 and out == "" and said in error and "Traceback" not in error


def test_a_folder_without_a_run_is_said(ask, course, tmp_path, capsys):
    assert main(["explain", "--output", str(tmp_path), "--course", str(course), "ada", "00_mini"]) == 1
    assert "holds no run" in capsys.readouterr().err
