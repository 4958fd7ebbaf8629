"""The demo's class, made for the labs as they are now. `.ci/run` runs the whole demo."""

from __future__ import annotations

import ast
import re

import nbformat

from helpers.commands.demo_page import write_demo_page
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


def test_the_demos_page_links_to_what_is_there_and_says_what_its_plot_shows(tmp_path):
    for name in ("graded/class_report.html", "graded/grades.csv", "graded/feedback/gus/02_loss/02_loss.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    measured = {
        name: {"perplexity": {"value": value}} for name, value in (("truth", 3.2), ("teacher", 3.3), ("before", 9.5))
    }
    measured["arms"] = {"labels <and> teacher": {"perplexity": {"mean": 3.46}}}
    page = write_demo_page(tmp_path, tmp_path / "graded/feedback/gus/02_loss/02_loss.html", measured)
    text = page.read_text(encoding="utf-8")
    links = re.findall(r'(?:href|src)="([^"]+)"', text)
    assert len(links) == 5 and all((tmp_path / link).exists() for link in links)
    assert "student, labels &lt;and&gt; teacher 3.46" in text and "<and>" not in text
