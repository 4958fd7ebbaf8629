"""The class of `tests/nine_texts.py`, graded once, and a copy of it for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.grader.marking.desk import MarkingDesk
from helpers.grader.run.publish import default_database
from tests.nine_texts import course_with_rubric, grade_class


@pytest.fixture(scope="session")
def marking_course(course, tmp_path_factory) -> Path:
    """The small course, with a rubric."""
    return course_with_rubric(course, tmp_path_factory.mktemp("marking") / "course")


@pytest.fixture(scope="session")
def graded_class(marking_course, tmp_path_factory) -> Path:
    """The output folder of the graded class; do not write to it."""
    output = tmp_path_factory.mktemp("graded_class")
    grade_class(marking_course, output)
    return output


@pytest.fixture
def output(graded_class, tmp_path) -> Path:
    """A copy of the graded class to write to."""
    shutil.copytree(graded_class, tmp_path / "graded")
    return tmp_path / "graded"


@pytest.fixture
def desk(marking_course, output):
    desk = MarkingDesk(marking_course, output, default_database(output))
    yield desk
    desk.close()
