"""Every lab: released from its source, complete, and giving nothing away."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap

import pytest

from helpers.grader.course.house_style import house_style
from helpers.grader.course.source import BEGIN, END, FOLDED
from helpers.grader.release import instructor_notebook
from tests.conftest import ROOT
from tests.labs.common import EXERCISES, LABS, checks_of, lab_of, released


@pytest.mark.slow
def test_a_release_changes_nothing(tmp_path):
    """Also on a processor with fewer instructions: the checks' numbers do not hang on the last bits."""
    code = (
        "import shutil, sys; from pathlib import Path; from helpers.grader.release import release\n"
        "root, scratch = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "for folder in ('solutions', 'labs', 'docs'): shutil.copytree(root / folder, scratch / folder)\n"
        "shutil.copy(root / 'nbgrader_config.py', scratch)\n"
        "for folder in ('checks', 'solutions'):\n"
        "    shutil.copytree(root / 'helpers' / 'assets' / folder, scratch / 'helpers' / 'assets' / folder)\n"
        "print({path: what for path, what in release(scratch).items() if what != 'unchanged'})"
    )
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    command = [sys.executable, "-c", code, str(ROOT), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "{}", f"run `make release` and commit what it changes: {done.stdout}{done.stderr}"


def test_labs_hold_notebooks_and_nothing_else():
    files = {path.relative_to(ROOT / "labs").as_posix() for path in (ROOT / "labs").rglob("*") if path.is_file()}
    assert files == {f"{name}/{name}.ipynb" for name in LABS}


@pytest.mark.parametrize("name", LABS)
def test_no_line_of_a_solution_is_given_away(name):
    lab = lab_of(name)
    given = (ROOT / "labs" / name / f"{name}.ipynb").read_text() + checks_of(name)
    cells = " ".join(" ".join((cell.source + "\n" + reformatted(cell.source)).split()) for cell in released(name).cells)
    for cell in instructor_notebook(lab).cells:
        role = cell.metadata.get("nbgrader", {})
        if not role.get("solution"):
            continue
        for line in cell.source.splitlines() if role.get("grade") else statements(_between_markers(cell.source)):
            text = " ".join(line.split())
            if len(text) >= 20 and not text.startswith(("#", "def ", "super().__init__")):
                assert text not in cells, text
    for word in ("SOLUTION", "HIDDEN TESTS", "misconceptions.py", "cases.py"):
        assert word not in given
    for exercise in lab.exercises.values():
        for case in exercise.cases:
            assert not re.search(rf"\b{case.name}\b", cells) or case.name in ("plain",), case.name


def _between_markers(source: str) -> str:
    return "\n".join(textwrap.dedent(part.split(END)[0]) for part in source.split(BEGIN)[1:])


def reformatted(source: str) -> str:
    """Python with one statement on each line, however it was wrapped; nothing where it is not Python."""
    try:
        return ast.unparse(ast.parse(source))
    except SyntaxError:
        return ""


def statements(source: str) -> list[str]:
    """The statements of a solution, one in each line, and those lines of it that are a statement as they stand."""
    return reformatted(source).splitlines() + [line for line in source.splitlines() if reformatted(line.strip())]


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_every_exercise_has_its_stub_and_check(name, exercise):
    cells = released(name).cells
    place = next(place for place, cell in enumerate(cells) if cell.id == exercise)
    assert f'raise NotImplementedError("{exercise} is not written yet")' in cells[place].source
    assert ast.get_docstring(ast.parse(cells[place].source).body[0])
    assert cells[place + 1].source == f"check({exercise})"


@pytest.mark.parametrize("name", LABS)
def test_every_image_has_alt_text_and_every_cell_is_clean(name):
    for cell in released(name).cells:
        assert set(cell.metadata) - {"nbgrader", "deletable", "editable"} <= set(FOLDED)
        if cell.cell_type == "markdown":
            assert not re.search(r"!\[\s*\]\(|<img(?![^>]*alt=\"[^\"]+\")", cell.source)
            continue
        assert cell.outputs == [] and cell.execution_count is None
        assert "plt.show" not in cell.source
        for call in (node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)):
            if getattr(call.func, "id", "") == "show":
                assert len(call.args) == 2 or any(word.arg == "alt" for word in call.keywords), cell.source


def test_an_exercise_or_quiz_has_its_name_alone():
    """A check finds what it is called for by its name, among those of all labs."""
    names = [exercise for name in LABS for exercise in lab_of(name).exercises]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", LABS)
def test_a_lab_follows_the_house_style(name):
    assert house_style(lab_of(name)) == []


@pytest.mark.parametrize("name", LABS)
def test_what_the_text_offers_to_those_who_are_stuck_is_imported(name):
    code = "\n".join(cell.source for cell in released(name).cells if cell.cell_type == "code")
    (imported,) = re.findall(r"from helpers\.checks import (.*)", code)
    assert {"check", "skip", "solution"} <= set(imported.split(", "))
