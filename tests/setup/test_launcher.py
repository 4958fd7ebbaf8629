"""The launcher notebook: every lab, what it needs, the student's own progress, and never over somebody's file."""

import json
import logging
import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from jupyter_server.serverapp import ServerApp
from jupyterlab.labapp import LabApp

from helpers import cli
from helpers.checks.progress import record, record_skip
from helpers.commands import labs as commands_labs
from helpers.setup.launcher import cards, copy_labs, overview, write
from helpers.setup.preflight import Preflight
from helpers.tiers import tier_of
from tests.conftest import ROOT
from tests.labs.common import lab_of

EXERCISES = tuple(lab_of("01_temperature").exercises)
COUNT = len(EXERCISES)
MINUTES = re.search(r"\*\*Time:\*\* about (\d+)", lab_of("01_temperature").source_path.read_text())[1]


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
    assert (first.title, first.minutes) == ("Lab 01: Temperature", MINUTES)
    assert first.needs.startswith("Python and PyTorch tensors")
    assert first.exercises == EXERCISES
    assert all(card.title and card.minutes and card.needs and card.exercises for card in found)


def test_progress_shows_and_names_the_next_exercise(labs):
    record("softmax_with_temperature", "01_temperature", 4, 4)
    record("entropy", "01_temperature", 1, 3)
    said = f"Lab 01: Temperature ({MINUTES} minutes): 1 of {COUNT} exercises right; next: other_tokenizer"
    assert said in repr(overview(labs))
    record("entropy", "01_temperature", 3, 3)
    record("non_top_mass", "01_temperature", 3, 3)
    for name in EXERCISES:
        record(name, "01_temperature", 1, 1)
    assert f"all {COUNT} exercises right" in overview(labs)._repr_html_()


def test_a_skipped_exercise_is_counted_as_such_and_asked_for_last(labs):
    record_skip("softmax_with_temperature", "01_temperature")
    assert f"0 of {COUNT} exercises right, 1 skipped; next: other_tokenizer" in repr(overview(labs))
    record("entropy", "01_temperature", 3, 3)
    record("non_top_mass", "01_temperature", 3, 3)
    assert "1 skipped; next: " in repr(overview(labs))


def test_a_tier_that_is_not_ready_says_what_it_lacks(labs):
    shown = overview(labs)
    assert "The tier “tiny” is ready." in repr(shown)
    shown.ready = Preflight(tier_of("laptop"), {"download": "98 MB"}, ["the teacher is not here: run distillab fetch"])
    assert "not ready: the teacher is not here: run distillab fetch" in repr(shown)


def test_the_notebook_is_valid_and_links_to_labs_that_are_there(labs):
    notebook = nbformat.read(write(labs), as_version=4)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells] == ["welcome", "overview", "trouble"]
    assert notebook.cells[2].source.startswith("<details>") and notebook.cells[1].metadata.jupyter.source_hidden
    html = notebook.cells[1].outputs[0].data["text/html"]
    assert "<code>max</code>" in html and "`" not in html
    for card in cards(labs):
        assert f'href="{card.name}/{card.name}.ipynb"' in html and (labs / card.name / f"{card.name}.ipynb").exists()


def test_it_is_written_anew_but_never_over_another_notebook(labs):
    path = write(labs)
    record("entropy", "01_temperature", 3, 3)
    assert "1 of 7" in write(labs).read_text(encoding="utf-8")
    nbformat.write(nbformat.v4.new_notebook(), path)
    with pytest.raises(FileExistsError, match="not the launcher"):
        write(labs)


def test_labs_are_copied_once_and_never_over_a_file_that_is_there(tmp_path, monkeypatch, capsys):
    course, opened = tmp_path / "course", []
    shutil.copytree(ROOT / "labs", course / "labs")
    monkeypatch.setattr(commands_labs, "_open", lambda folder, name: opened.append((folder, name)))
    command = ["lab", "--course", str(course), "--folder", str(tmp_path / "mine")]
    assert cli.main(command) == 0
    mine = tmp_path / "mine" / "02_loss" / "02_loss.ipynb"
    assert mine.read_bytes() == (course / "labs" / "02_loss" / "02_loss.ipynb").read_bytes()
    mine.write_text("{}")
    (tmp_path / "mine" / "02_loss" / "own.py").write_text("x = 1")
    (tmp_path / "mine" / "03_training" / "03_training.ipynb").unlink()
    (course / "labs" / "02_loss" / "new.txt").write_text("new")
    assert cli.main(command) == 0
    assert mine.read_text() == "{}" and (mine.parent / "own.py").exists() and (mine.parent / "new.txt").exists()
    assert (tmp_path / "mine" / "03_training" / "03_training.ipynb").exists()
    assert opened == [(tmp_path / "mine", "start.ipynb")] * 2 and not list((tmp_path / "mine").rglob("*.part"))
    assert "2 new files" in capsys.readouterr().out


def test_what_keeps_the_labs_from_opening_is_said_in_a_line(tmp_path, capsys):
    assert cli.main(["lab", "--course", str(tmp_path), "--folder", str(tmp_path / "mine")]) == 1
    assert "there is no folder" in capsys.readouterr().err
    (tmp_path / "labs").mkdir()
    (tmp_path / "mine").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "mine" / "start.ipynb")
    assert cli.main(["lab", "--course", str(tmp_path), "--folder", str(tmp_path / "mine")]) == 1
    assert "is not the launcher's; rename it" in capsys.readouterr().err


def test_a_broken_notebook_does_not_keep_the_launcher_from_opening(labs):
    (labs / "02_loss" / "02_loss.ipynb").write_text("{")
    assert "02_loss" not in [card.name for card in cards(labs)]
    assert "Lab 01" in repr(overview(labs))


def test_the_launcher_opens_with_the_picture_and_leads_to_the_glossary(labs):
    notebook = nbformat.read(write(labs, ROOT), as_version=4)
    assert re.search(r"!\[[^]]{60,}\]\(data:image/png;base64,\w", notebook.cells[0].source)
    assert "**Logit** (01)" in nbformat.read(labs / "glossary.ipynb", as_version=4).cells[0].source
    assert "data:image" not in nbformat.read(write(labs), as_version=4).cells[0].source


def test_a_copy_never_takes_progress_with_it(tmp_path):
    (tmp_path / "labs" / "01_temperature").mkdir(parents=True)
    (tmp_path / "labs" / "01_temperature" / "01_temperature.ipynb").write_text("{}")
    (tmp_path / "labs" / ".distillab").mkdir()
    (tmp_path / "labs" / ".distillab" / "progress.json").write_text("{}")
    copied = copy_labs(tmp_path / "labs", tmp_path / "mine")
    assert [path.name for path in copied] == ["01_temperature.ipynb"]


def test_students_see_a_students_jupyterlab(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("jupyterlab.labapp.main", started.append)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/elsewhere")
    commands_labs._open(tmp_path, "start.ipynb")
    lab = LabApp()
    lab.parse_command_line(started[0])
    server = ServerApp(config=lab.config)  # raises where a setting is not one of its own
    assert server.log_level == logging.WARNING
    assert lab.default_url == "/lab/tree/start.ipynb"
    ours, other = os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    page = json.loads((Path(ours) / "labconfig" / "page_config.json").read_text())
    assert page["disabledExtensions"] == {"@jupyter/nbgrader": True} and other == "/elsewhere"
    (news,) = json.loads((Path(ours) / "labconfig" / "default_setting_overrides.json").read_text()).values()
    assert news == {"fetchNews": "false", "checkForUpdates": False}


def test_a_new_copy_starts_anew_wherever_it_is_made(labs, tmp_path, monkeypatch):
    monkeypatch.delenv("DISTILLAB_PROGRESS")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert record("entropy", "01_temperature", 3, 3) == ""  # kept in the home folder
    assert f"0 of {COUNT} exercises right" in write(labs).read_text(encoding="utf-8")
    monkeypatch.chdir(labs / "01_temperature")
    record("entropy", "01_temperature", 3, 3)
    monkeypatch.chdir(tmp_path)
    assert f"1 of {COUNT} exercises right" in write(labs).read_text(encoding="utf-8")


def test_the_command_says_what_is_done_and_what_to_do_next_in_this_copy(labs, capsys, monkeypatch):
    record("freeze", "03_training", 3, 3)
    monkeypatch.chdir(labs.parent)
    assert cli.main(["progress"]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"^Lab 01: Temperature +0 of {COUNT} exercises right; next: other_tokenizer$", said, re.MULTILINE)
    assert said.rstrip().endswith("Next: count_parameters in Lab 03: Training the student."), "the lab that is begun"
    assert cli.main(["progress", "--folder", str(labs.parent / "kept")]) == 1
    assert "there are no labs in" in capsys.readouterr().err


def test_the_start_page_says_what_to_do_next_and_when_all_is_done(labs):
    html = overview(labs)._repr_html_()
    assert '<code>other_tokenizer</code> in <a href="01_temperature/01_temperature.ipynb">' in html
    for card in cards(labs):
        for exercise in card.exercises:
            record(exercise, card.name, 1, 1)
    assert "Every exercise of every lab is right." in overview(labs)._repr_html_()


def test_labs_are_copied_alone_where_nothing_is_to_be_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands_labs, "missing_extra", lambda *_names: "no JupyterLab")
    monkeypatch.setattr(commands_labs, "_open", lambda *_options: pytest.fail("it opened something"))
    assert cli.main(["lab"]) == 1
    assert cli.main(["lab", "--copy-only"]) == 0
    assert (tmp_path / "my_labs" / "start.ipynb").exists()
