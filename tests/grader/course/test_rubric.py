"""Rubrics: what the labs' own files hold, and what is said about a file that breaks a rule."""

import math
import re
import shutil
from pathlib import Path

import pytest

from helpers.grader.course.rubric import RubricItem, read_rubrics
from helpers.grader.course.source import read_source
from helpers.grader.errors import GraderError
from helpers.grader.release import release

ROOT = Path(__file__).parents[3]
LABS = sorted(path.parent for path in (ROOT / "solutions").glob("*/rubrics.toml"))

GOOD = """
[[why]]
points = 1.5
text = "Twice."
example = "two times"

[[why]]
points = 0.5
text = "With the reason."

[[why]]
points = -1
text = "A wrong reason."
"""


def read(tmp_path, text):
    folder = tmp_path / "00_mini"
    folder.mkdir()
    (folder / "rubrics.toml").write_text(text)
    return read_rubrics(folder, {"why": 2.0})


def test_items_are_read_in_order(tmp_path):
    assert read(tmp_path, GOOD) == {
        "why": (
            RubricItem("Twice.", 1.5, "two times"),
            RubricItem("With the reason.", 0.5),
            RubricItem("A wrong reason.", -1.0),
        )
    }


def test_a_lab_may_have_no_rubric(tmp_path):
    assert read_rubrics(tmp_path, {"why": 2.0}) == {}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[[why]]", "[[who]]", "no written answer called who. Its answers are: why"),
        ("points = 1.5", "points = 1", "add up to 1.5 points, but the answer is worth 2"),
        ("points = 1.5", "points = 0", "item 1: an item needs text, and points other than 0"),
        ("points = 1.5", 'points = "1.5"', "item 1: points must be a number"),
        ("points = 1.5", "points = nan", "item 1: an item needs text, and points other than 0"),
        ('text = "Twice."', "", "item 1: an item needs text"),
        ('text = "Twice."', "text = 2", "item 1: text must be text"),
        ("example", "exmaple", "item 1: unknown word exmaple"),
        ("With the reason.", "Twice.", "two items have the same text"),
        ("points = 1.5", "points = ", "at line 3"),
        ("[[why]]\npoints = 1.5", "[why]\npoints = 1.5", "line"),
    ],
)
def test_a_slip_is_named_with_file_and_item(tmp_path, old, new, says):
    with pytest.raises(GraderError, match=re.escape("00_mini/rubrics.toml") + f".*{re.escape(says)}"):
        read(tmp_path, GOOD.replace(old, new))


def test_one_item_needs_two_brackets(tmp_path):
    with pytest.raises(GraderError, match="with two brackets"):
        read(tmp_path, '[why]\npoints = 2\ntext = "Twice."\n')


@pytest.mark.parametrize("folder", LABS, ids=lambda folder: folder.name)
def test_every_written_answer_of_a_lab_has_a_rubric_worth_its_points(folder):
    metadata = (cell.metadata.get("nbgrader", {}) for cell in read_source(folder / f"{folder.name}.py").cells)
    points = {
        entry["grade_id"].removeprefix("answer_"): entry["points"]
        for entry in metadata
        if entry.get("grade_id", "").startswith("answer_")
    }
    rubrics = read_rubrics(folder, points)
    assert {name: math.fsum(item.points for item in rubric) for name, rubric in rubrics.items()} == points
    assert all(item.example for rubric in rubrics.values() for item in rubric)


def test_rubrics_of_all_labs_are_tested_and_none_is_released():
    assert len(LABS) >= 5
    assert '"rubrics.toml"' in (ROOT / "nbgrader_config.py").read_text()  # nbgrader would copy it beside the notebook
    assert list((ROOT / "labs").rglob("*.toml")) == []


def test_a_release_says_a_slip(course, tmp_path):
    shutil.copytree(course, tmp_path / "course")
    (tmp_path / "course" / "solutions" / "00_mini" / "rubrics.toml").write_text('[[who]]\npoints = 2\ntext = "I."\n')
    with pytest.raises(GraderError, match="no written answer called who"):
        release(tmp_path / "course")
