"""The demo's class, made for the labs as they are now. `.ci/run` runs the whole demo."""

from __future__ import annotations

import ast

import nbformat

from helpers.grader.demo import WITH_A_MISCONCEPTION, make_class
from tests.conftest import ROOT
from tests.labs.common import LABS, lab_of


def test_each_of_six_students_makes_one_mistake_in_one_lab(tmp_path):
    labs = [lab_of(name) for name in LABS[:2]]
    assert make_class(ROOT, labs, tmp_path) == 22
    for place, student in enumerate(WITH_A_MISCONCEPTION):
        wrong = []
        for lab in labs:
            cells = nbformat.read(tmp_path / student / lab.name / f"{lab.name}.ipynb", as_version=4).cells
            known = {item.name: item for item in lab.exercises.values() if not item.quiz}
            right = nbformat.read(tmp_path / "ada" / lab.name / f"{lab.name}.ipynb", as_version=4).cells
            wrong += [cell.id for cell, other in zip(cells, right, strict=True) if cell.source != other.source]
            assert all(ast.parse(cell.source) for cell in cells if cell.id in known)
        assert len(wrong) == 1 and wrong[0] in lab_of(LABS[place // 3]).exercises
