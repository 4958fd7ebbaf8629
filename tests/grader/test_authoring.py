"""The tutorial of docs/authoring.md, executed as it stands, and the course on statistics, graded in the same run."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers.checks import lab_data
from helpers.cli import main
from helpers.grader.course.lab import Lab, find_labs
from helpers.grader.course.scaffold import init_course, new_lab
from helpers.grader.demo import handed_in, misconception_cell, right_answers
from helpers.grader.errors import GraderError
from helpers.grader.gradescope.archive import own_requirements, pinned_requirements
from helpers.grader.sandbox.kernelspecs import UNSAFE_KERNEL
from helpers.paths import PACKAGE
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "authoring.md"
STATISTICS = ROOT / "examples" / "statistics"
_FENCE = re.compile(r"^```(?P<words>.*)\n(?P<body>(?:.*\n)*?)```$", re.MULTILINE)
_WORD = re.compile(r"(\w+)=(\S+)")
RELEASED = "labs/01_averages/01_averages.ipynb"


class Reader:
    """Someone who does what the page says: writes its files, types its commands, and compares what is printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture, more: list[str]) -> None:
        self.folder, self.capsys, self.more = folder, capsys, more
        self.printed, self.shown = "", 0

    def follow(self, text: str) -> None:
        for block in _FENCE.finditer(text):
            kind, _, rest = block["words"].partition(" ")
            words = dict(_WORD.findall(rest))
            if kind == "sh":
                self._type(block["body"], fails="fails" in rest.split())
            elif kind == "text":
                self._compare(block["body"])
            elif "title" in words:
                path = self.folder / words["title"]
                before = path.read_text() if words.get("mode") == "append" else ""
                path.write_text(before + block["body"])

    def _type(self, commands: str, fails: bool) -> None:
        for command in commands.splitlines():
            program, *arguments = command.split()
            if program == "cd":
                self.folder = self.folder / arguments[0]
            elif program == "python":
                subprocess.run([sys.executable, *arguments], cwd=self.folder, check=True)
            else:
                assert program == "distillab", command
                more = self.more if arguments[0] == "grade" else []
                os.chdir(self.folder)
                assert main(arguments + more) == (1 if fails else 0), command
                captured = self.capsys.readouterr()
                self.printed = captured.out + captured.err

    def _compare(self, shown: str) -> None:
        self.shown += 1
        lines = {" ".join(line.split()) for line in self.printed.splitlines()}
        assert [line for line in shown.splitlines() if " ".join(line.split()) not in lines] == [], self.printed


def hand_in(course: Path, folder: Path, lab: Lab, student: str, answers: dict[str, str]) -> None:
    released = nbformat.read(course / "labs" / lab.name / f"{lab.name}.ipynb", as_version=4)
    path = folder / student / lab.name / f"{lab.name}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(handed_in(released, answers), path)


def rows_of(output: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((output / "grades.csv").open()))


# --------------------------------------------------------------------------------------- one run: tutorial, statistics


@pytest.fixture(scope="module")
def package_before() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*") if path.suffix != ".pyc")


@pytest.mark.slow
def test_the_tutorial_leads_from_nothing_to_a_graded_class(
    tmp_path, tmp_path_factory, capsys, monkeypatch, kernel_name, package_before
):
    monkeypatch.chdir(tmp_path)
    statistics = tmp_path_factory.getbasetemp() / "statistics"
    more = ["--unsafe"] if kernel_name == UNSAFE_KERNEL else []
    reader = Reader(tmp_path, capsys, more)
    tutorial = PAGE.read_text(encoding="utf-8").partition("## Reference")[0]
    before, grade, after = tutorial.partition("```sh\npython class.py")
    reader.follow(before)
    course = tmp_path / "mycourse"
    add_statistics(course, capsys)
    reader.follow(grade + after)
    assert reader.shown == 3
    shutil.copytree(course / "graded", statistics)
    assert sorted(path.name for path in (course / "graded" / "feedback").iterdir()) == sorted(
        ["ada", "ben", "cleo", "dana", "emil"]
    )
    for name in ("class_report.html", "lms_canvas.csv", "lms_moodle.csv", "gradebook.db"):
        assert (course / "graded" / name).is_file()
    assert sorted(path for path in PACKAGE.rglob("*") if path.suffix != ".pyc") == package_before
    assert not [path for path in course.rglob("helpers")]
    check_statistics(rows_of(course / "graded"))


def add_statistics(course: Path, capsys) -> None:
    """Put the labs on statistics beside the tutorial's, and hand them in: once right, once with a mistake in each."""
    for name in find_labs(STATISTICS):
        new = f"1{name[1:]}"
        folder = course / "solutions" / new
        shutil.copytree(STATISTICS / "solutions" / name, folder, ignore=shutil.ignore_patterns("*.ipynb"))
        (folder / f"{name}.py").rename(folder / f"{new}.py")
    names = [name for name in find_labs(course) if name.startswith("1")]
    assert main(["release", "--lab", *names, "--course", str(course)]) == 0
    capsys.readouterr()
    for lab in (Lab(course / "solutions" / name) for name in names):
        right = right_answers(lab)
        wrong = {
            name: misconception_cell(lab, name, exercise.misconceptions[-1].name)
            for name, exercise in lab.exercises.items()
        }
        hand_in(course, course / "submitted", lab, "dana", right)
        hand_in(course, course / "submitted", lab, "emil", {**right, **wrong})


def check_statistics(rows: list[dict[str, str]]) -> None:
    """Right answers get all points; of the others, each mistake is recognised by its arrays, Series and frames."""
    dana = [row for row in rows if row["student"] == "dana"]
    assert {row["verdict"] for row in dana} == {"correct"} and len(dana) > 10
    emil = [row for row in rows if row["student"] == "emil"]
    named = {row["exercise"]: row["misconception"] for row in emil if row["misconception"]}
    assert named == {
        "standard_deviation": "mean_distance",
        "standardize": "only_centred",
        "group_means": "frame_returned",
        "shares": "of_the_columns",
    }


# ------------------------------------------------------------------------------------------------- what a student needs


STUDENT = """
import json, sys
from pathlib import Path
sys.modules["torch"] = None  # as where PyTorch is not installed
space = {}
for cell in json.loads(Path(sys.argv[1]).read_text())["cells"]:
    source = "".join(cell["source"])
    if source.startswith("def average"):
        source = "def average(values):\\n    return sum(values)"
    if cell["cell_type"] == "code":
        exec(source.replace("check(average)", "print(check(average))"), space)
"""


def test_a_student_needs_the_notebook_and_the_package_alone(tmp_path, monkeypatch):
    init_course(tmp_path / "course")
    new_lab(tmp_path / "course", "01_averages")
    assert main(["release", "--course", str(tmp_path / "course")]) == 0
    alone = tmp_path / "alone" / "lab.ipynb"
    alone.parent.mkdir()
    shutil.move(tmp_path / "course" / "labs" / "01_averages" / "01_averages.ipynb", alone)
    shutil.rmtree(tmp_path / "course")
    done = subprocess.run(
        [sys.executable, "-c", STUDENT, str(alone)], cwd=alone.parent, capture_output=True, text=True, check=True
    )
    assert "average: not right yet" in done.stdout and "You return the sum. Divide it" in done.stdout
    text = "".join("".join(cell["source"]) for cell in json.loads(alone.read_text())["cells"])
    assert "math.fsum" not in text and "torch" not in text


def test_solutions_travel_in_the_notebook_if_the_course_shows_them(tmp_path, monkeypatch):
    monkeypatch.setattr(lab_data, "_OPENED", {})
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    init_course(tmp_path)
    new_lab(tmp_path, "01_averages")
    config = tmp_path / "nbgrader_config.py"
    config.write_text(config.read_text().replace("show_solutions = False", "show_solutions = True"))
    assert main(["release", "--course", str(tmp_path)]) == 0
    notebook = nbformat.read(tmp_path / RELEASED, as_version=4)
    carries = next(cell.source for cell in notebook.cells if cell.id == "what-the-checks-need")
    assert "fsum" not in carries
    space: dict = {}
    exec(carries + '\nfrom helpers.checks import skip\nskip("average")', space)
    assert space["average"]([1.0, 3.0]) == 2.0
    with pytest.raises(ValueError, match="This cell was changed"):
        exec(carries.replace('open_lab("', 'open_lab("?'), {})


# ------------------------------------------------------------------------------------------------------- init and new


def test_nothing_that_exists_is_overwritten(tmp_path):
    init_course(tmp_path / "course")
    with pytest.raises(GraderError, match=r"holds nbgrader_config.py, .gitignore, README.md, solutions already"):
        init_course(tmp_path / "course")
    new_lab(tmp_path / "course", "01_averages")
    with pytest.raises(GraderError, match="exists already"):
        new_lab(tmp_path / "course", "01_averages")


@pytest.mark.parametrize("name", ["averages", "1_a", "01_Averages", "01-averages", "01_a/../b", ""])
def test_an_unfit_name_is_said(tmp_path, name):
    init_course(tmp_path / "course")
    with pytest.raises(GraderError, match="Write two digits, _ and small letters"):
        new_lab(tmp_path / "course", name)


def test_commands_say_where_a_course_is_missing_or_empty(tmp_path, capsys):
    assert main(["new", "01_a", "--course", str(tmp_path)]) == 1
    assert "distillab init FOLDER" in capsys.readouterr().err
    assert main(["init", str(tmp_path / "course")]) == 0
    assert main(["release", "--course", str(tmp_path / "course")]) == 1
    assert "holds no lab yet. Make one with: distillab new 01_name" in capsys.readouterr().err


def test_the_course_on_statistics_and_a_new_lab_follow_the_house_style(tmp_path, capsys):
    assert main(["check-course", "--course", str(STATISTICS)]) == 0
    assert "2 labs, 4 exercises: nothing to change." in capsys.readouterr().out
    init_course(tmp_path)
    new_lab(tmp_path, "01_averages")
    config = tmp_path / "nbgrader_config.py"
    config.write_text(config.read_text().replace("house_style = False", "house_style = True"))
    assert main(["check-course", "--course", str(tmp_path)]) == 0


def test_an_autograder_gets_the_packages_of_its_course(tmp_path):
    assert own_requirements(tmp_path) == []
    assert own_requirements(STATISTICS) == ["numpy", "pandas"]
    pinned = {line.split("==")[0] for line in pinned_requirements(more=["scipy"])}
    assert {"scipy", "numpy"} <= pinned
    for line, said in (("--hash", "names no package"), ("no-such-package-here", "is not installed here")):
        (tmp_path / "requirements.txt").write_text(f"numpy\n{line}\n")
        with pytest.raises(GraderError, match=f"line 2: .*{said}"):
            own_requirements(tmp_path)
