"""The command says in one line what is wrong, without a traceback, and exits with a status other than 0."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers import cli
from helpers.commands import common
from helpers.grader.sandbox import doctor

ROOT = Path(__file__).parents[1]


def run(capsys, *arguments):
    status = cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr().err.splitlines(keepends=True)
    return status, "".join(line for line in said if not line.endswith(" …\n"))  # without the steps that are announced


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ada" / "00_mini").mkdir(parents=True)
    (tmp_path / "ada" / "00_mini" / "00_mini.ipynb").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--submissions", "{none}", "--course", "{course}"], "There is no folder"),
        (["--submissions", "{empty}", "--course", "{course}"], "There are no submissions in"),
        (["--submissions", "{folder}", "--course", "{empty}"], "There is no folder solutions/"),
        (["--submissions", "{folder}", "--course", "{course}", "--lab", "99_none"], "The labs are: 00_mini"),
    ],
)
def test_mistakes_are_said_in_one_line(capsys, course, folder, tmp_path_factory, arguments, says):
    empty = tmp_path_factory.mktemp("empty")
    places = {"course": course, "folder": folder, "empty": empty, "none": empty / "none"}
    status, said = run(capsys, "grade", "--output", empty / "out", *(text.format(**places) for text in arguments))
    assert status == 1 and said.startswith("distillab: ") and says in said and "Traceback" not in said


def test_a_lab_that_was_never_released_is_said(capsys, mini, folder, tmp_path):
    (tmp_path / "solutions").symlink_to(mini.folder.parent)
    arguments = ["grade", "--submissions", folder, "--output", tmp_path / "out", "--course", tmp_path]
    status, said = run(capsys, *arguments, "--lab", "00_mini")
    assert status == 1 and "never released" in said
    status, said = run(capsys, *arguments)
    assert status == 1 and "No lab has been released yet" in said


def test_a_missing_extra_is_said(capsys, monkeypatch):
    monkeypatch.setattr(common, "find_spec", lambda name: None if name == "nbgrader" else object())
    status, said = run(capsys, "release")
    assert status == 1 and "this needs nbgrader" in said and "pip install 'distillab[grader]'" in said


def test_the_labs_open_without_the_grader(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(common, "find_spec", lambda name: None)
    status, said = run(capsys, "lab", "--course", tmp_path)
    assert status == 1 and said.startswith(f"distillab: there is no folder {tmp_path / 'labs'}")
    (tmp_path / "labs").mkdir()
    status, said = run(capsys, "lab", "--course", tmp_path, "--folder", tmp_path / "mine")
    assert status == 1 and said == (
        "distillab: this needs jupyterlab from the extra “lecture”: pip install 'distillab[lecture]'; or copy the labs "
        "alone with --copy-only\n"
    )


@pytest.mark.parametrize(
    "command",
    [
        "lab",
        "progress",
        "release",
        "grade",
        "feedback",
        "push",
        "feedback-zip",
        "gradescope",
        "doctor",
        "demo",
        "fetch",
    ],
)
def test_every_command_explains_its_options(capsys, command):
    with pytest.raises(SystemExit) as exit:
        cli.main([command, "--help"])
    said = capsys.readouterr().out
    assert exit.value.code == 0 and said.startswith(f"usage: distillab {command}")
    options = set(re.findall(r"^  (--[\w-]+)", said, re.MULTILINE))
    expected = {
        "lab": {"--folder", "--copy-only", "--course"},
        "progress": {"--folder"},
        "release": {"--lab", "--course"},
        "grade": {
            "--submissions",
            "--roster",
            "--output",
            "--lab",
            "--workers",
            "--db",
            "--unsafe",
            "--cluster",
            "--again",
            "--course",
        },
        "feedback": {"--output", "--db", "--course"},
        "push": {"--course", "--assignment", "--output", "--lab", "--db", "--url", "--comments", "--send"},
        "feedback-zip": {"--for", "--output", "--lab", "--db", "--zip"},
        "gradescope": {"--zip", "--course"},
        "demo": {"--output", "--course"},
    }
    assert options == expected.get(command, set())


def test_grading_without_a_sandbox_has_to_be_asked_for(capsys, course, notebook, tmp_path, monkeypatch):
    path = tmp_path / "submitted" / "ada" / "00_mini" / "00_mini.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook("def double(values):\n    return values * 2"), path)
    arguments = ["grade", "--submissions", tmp_path / "submitted", "--output", tmp_path / "out", "--course", course]
    monkeypatch.setattr(doctor, "protections", lambda: (doctor.Protection("the whole sandbox", False, True, "x"),))
    status, said = run(capsys, *arguments)
    assert status == 1 and "cannot isolate students' code" in said and "--unsafe" in said
    assert run(capsys, *arguments, "--unsafe")[0] == 0
    rows = list(csv.DictReader((tmp_path / "out" / "grades.csv").open()))
    assert "correct" in {row["verdict"] for row in rows if row["exercise"] == "double"}


def test_doctor_says_what_this_computer_offers(capsys):
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in doctor.CONSEQUENCES)


@pytest.mark.parametrize("workers", ["0", "-2", "many"])
def test_a_bad_number_of_workers_is_a_usage_error(capsys, workers):
    with pytest.raises(SystemExit) as exit:
        cli.main(["grade", "--submissions", "a", "--output", "b", "--workers", workers])
    assert exit.value.code == 2 and "whole number of at least 1" in capsys.readouterr().err


BLOCKED = ("nbgrader", "jupytext", "nbconvert", "nbformat", "jupyterlab")
IMPORT_ALL = """
import importlib, sys, traceback


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r} or name.startswith("helpers.grader"):
            raise ImportError(name + " is not installed")


sys.meta_path.insert(0, Blocked())
failed = []
for name in {modules!r}:
    try:
        importlib.import_module(name)
    except ImportError:
        failed.append(name + ": " + traceback.format_exc().splitlines()[-1])
sys.exit("\\n".join(failed) or 0)
"""


def test_what_students_import_needs_neither_grader_nor_jupyterlab():
    paths = [path for path in (ROOT / "helpers").rglob("*.py") if "grader" not in path.relative_to(ROOT).parts]
    modules = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    modules = [name.removesuffix(".__init__") for name in modules]
    assert {"helpers.losses", "helpers.cli", "helpers.engine.checkpoint", "helpers.checks"} <= set(modules)
    code = IMPORT_ALL.format(blocked=BLOCKED, modules=modules)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
