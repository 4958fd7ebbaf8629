"""The launcher notebook: every lab, what it needs, the student's own progress, and never over somebody's file."""

import shutil
from pathlib import Path

import nbformat
import pytest

from helpers.launcher import cards, overview, write
from helpers.progress import record
from helpers.tiers import Preflight, tier_of

ROOT = Path(__file__).parents[1]


@pytest.fixture
def labs(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILLAB_PROGRESS", str(tmp_path / "kept"))
    monkeypatch.setenv("DISTILLAB_TIER", "tiny")
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    shutil.copytree(ROOT / "labs", tmp_path / "my_labs")
    return tmp_path / "my_labs"


def test_every_lab_has_its_title_minutes_needs_and_exercises(labs):
    found = cards(labs)
    assert [card.name for card in found] == sorted(path.name for path in (ROOT / "labs").iterdir())
    first = found[0]
    assert (first.title, first.minutes) == ("Lab 01: Temperature", "60")
    assert first.needs.startswith("Python, and PyTorch's tensors")
    assert first.exercises == ("softmax_with_temperature", "entropy", "non_top_mass")
    assert all(card.title and card.minutes and card.needs and card.exercises for card in found)


def test_progress_shows_and_names_the_next_exercise(labs):
    record("softmax_with_temperature", "01_temperature", 4, 4)
    record("entropy", "01_temperature", 1, 3)
    assert "Lab 01: Temperature (60 minutes): 1 of 3 exercises right; next: entropy" in repr(overview(labs))
    record("entropy", "01_temperature", 3, 3)
    record("non_top_mass", "01_temperature", 3, 3)
    assert "all 3 exercises right" in overview(labs)._repr_html_()


def test_a_tier_that_is_not_ready_says_what_it_lacks(labs):
    shown = overview(labs)
    assert "The tier “tiny” is ready." in repr(shown)
    shown.ready = Preflight(tier_of("laptop"), {"download": "98 MB"}, ["the teacher is not here: run distillab fetch"])
    assert "not ready: the teacher is not here: run distillab fetch" in repr(shown)


def test_the_notebook_is_valid_and_links_to_labs_that_are_there(labs):
    notebook = nbformat.read(write(labs), as_version=4)
    nbformat.validate(notebook)
    html = notebook.cells[1].outputs[0].data["text/html"]
    assert "<code>max</code>" in html and "`" not in html
    for card in cards(labs):
        assert f'href="{card.name}/{card.name}.ipynb"' in html and (labs / card.name / f"{card.name}.ipynb").exists()


def test_it_is_written_anew_but_never_over_another_notebook(labs):
    path = write(labs)
    record("entropy", "01_temperature", 3, 3)
    assert "1 of 3" in write(labs).read_text(encoding="utf-8")
    nbformat.write(nbformat.v4.new_notebook(), path)
    with pytest.raises(FileExistsError, match="not the launcher"):
        write(labs)


def test_a_broken_notebook_does_not_keep_the_launcher_from_opening(labs):
    (labs / "02_loss" / "02_loss.ipynb").write_text("{")
    assert "02_loss" not in [card.name for card in cards(labs)]
    assert "Lab 01" in repr(overview(labs))
