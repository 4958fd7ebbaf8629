"""The release: the same bytes every time, stubs that say what to do, nothing of the solution, nobody's work lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.grader.course.check_values import is_short
from helpers.grader.course.lab import Lab, find_labs
from helpers.grader.errors import GraderError
from helpers.grader.release import digest, release, untouched


def released(course):
    return course / "labs" / "00_mini" / "00_mini.ipynb"


def test_stubs_keep_signature_and_docstring_and_name_the_exercise(course):
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(released(course).read_text())["cells"]}
    assert cells["double"].startswith('def double(values):\n    """Return twice the values')
    assert 'raise NotImplementedError("double is not written yet")' in cells["double"]
    assert cells["Average"].count('raise NotImplementedError("Average is not written yet")') == 2
    assert cells["answer_why"] == "YOUR ANSWER HERE"


def test_nothing_of_the_solution_is_released(course):
    text = released(course).read_text() + (course / "helpers/assets/checks/00_mini.json").read_text()
    for hidden in ("values * 2.0", "a comment that belongs", "values.mean()", "Because.", "SOLUTION", "squared"):
        assert hidden not in text


def test_a_second_release_changes_nothing(course):
    before = released(course).read_bytes()
    assert set(release(course).values()) == {"unchanged"}
    assert released(course).read_bytes() == before


def test_an_older_release_is_replaced(course, tmp_path):
    shutil.copytree(course, tmp_path / "course")
    source = tmp_path / "course" / "solutions" / "00_mini" / "00_mini.py"
    source.write_text(source.read_text().replace("the end", "a new end"))
    assert release(tmp_path / "course")["labs/00_mini/00_mini.ipynb"] == "written"
    assert "a new end" in released(tmp_path / "course").read_text()


def test_work_in_a_released_lab_is_kept(course):
    path = released(course)
    before = path.read_text()
    assert untouched(path)
    try:
        path.write_text(before.replace("the end", "my own words"))
        assert not untouched(path)
        assert release(course)["labs/00_mini/00_mini.ipynb"] == "kept"
        assert "my own words" in path.read_text()
    finally:
        path.write_text(before)


def test_a_lab_with_outputs_only_is_kept_too(course, tmp_path):
    notebook = json.loads(released(course).read_text())
    notebook["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "mine"}]
    (tmp_path / "lab.ipynb").write_text(json.dumps(notebook))
    assert not untouched(tmp_path / "lab.ipynb")


def test_the_digest_leaves_itself_out(course):
    notebook = json.loads(released(course).read_text())
    assert notebook["metadata"]["distillab"]["release"] == digest(notebook)


def test_nbgrader_itself_releases_the_same_bytes(course):
    before = released(course).read_bytes()
    environment = {**os.environ, "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]}
    command = [str(Path(sys.executable).parent / "nbgrader"), "generate_assignment", "00_mini", "--force"]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert released(course).read_bytes() == before


def test_long_inputs_are_no_examples():
    import torch

    assert is_short((torch.tensor([0.125]), 3)) and not is_short((torch.tensor([1 / 3]),))


def test_a_folder_without_a_course_is_said(tmp_path):
    with pytest.raises(GraderError, match="no folder solutions/"):
        find_labs(tmp_path)
    with pytest.raises(GraderError, match="no lab '07_none'"):
        Lab(tmp_path / "solutions" / "07_none")


def test_a_course_that_shows_no_solutions_releases_none(course, tmp_path):
    shutil.copytree(course, tmp_path / "course")
    path = tmp_path / "course" / "helpers" / "assets" / "solutions" / "00_mini.json"
    shown = json.loads(path.read_text())
    assert "return values * 2.0" in shown["solutions"]["double"] and "SOLUTION" not in shown["solutions"]["double"]
    assert shown["setup"].startswith("import torch") and list(shown["solutions"]) == ["double", "Average"]
    config = tmp_path / "course" / "nbgrader_config.py"
    assert "c.Release.show_solutions = True" in config.read_text()
    config.write_text(config.read_text().replace("show_solutions = True", "show_solutions = False"))
    release(tmp_path / "course")
    hidden = json.loads(path.read_text())
    assert (hidden["solutions"], hidden["setup"], hidden["exercises"]) == ({}, "", ["double", "Average"])
