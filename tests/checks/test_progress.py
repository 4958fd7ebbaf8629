"""A student's progress: kept from real checks, never while grading, never in a check's way."""

import json

import pytest
import torch

from helpers.checks import check, visible_check
from helpers.checks.progress import progress_file, read_progress, record


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILLAB_PROGRESS", str(tmp_path / "kept"))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setattr(visible_check, "_reported", set())
    return tmp_path / "kept"


def non_top_mass(probs):
    return 1 - probs.amax(dim=-1)


def test_a_check_is_kept_with_what_it_showed(folder):
    assert check(non_top_mass)
    kept = read_progress()["non_top_mass"]
    assert kept["passed"] and kept["agreed"] == kept["examples"] > 0 and kept["lab"] == "01_temperature"
    assert [file.name for file in folder.iterdir()] == ["progress.json"]


def test_a_wrong_answer_is_kept_as_wrong_and_others_stay():
    def entropy(probs):
        return torch.zeros(probs.shape[:-1])

    check(non_top_mass)
    assert not check(entropy)
    assert read_progress()["non_top_mass"]["passed"] and not read_progress()["entropy"]["passed"]


def test_what_is_not_written_yet_is_not_kept():
    def entropy(probs):
        raise NotImplementedError("entropy is not written yet")

    check(entropy)
    assert not progress_file().exists()


def test_nothing_is_kept_while_grading(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert check(non_top_mass)
    assert not progress_file().exists()


def test_where_it_cannot_be_kept_the_check_still_passes_and_says_so_once(tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("DISTILLAB_PROGRESS", str(tmp_path / "a file"))
    first, second = check(non_top_mass), check(non_top_mass)
    assert first.passed and second.passed
    assert "could not be saved" in first.message and "a file" in repr(first)
    assert "could not be saved" not in second.message


def test_a_file_that_was_cut_off_is_written_anew():
    record("entropy", "01_temperature", 1, 2)
    progress_file().write_text('{"entropy": {"la')
    assert read_progress() == {}
    assert record("non_top_mass", "01_temperature", 2, 2) == ""
    assert list(json.loads(progress_file().read_text())) == ["non_top_mass"]


def test_each_copy_of_the_labs_has_its_own_progress(tmp_path, monkeypatch):
    monkeypatch.delenv("DISTILLAB_PROGRESS")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for copy in ("first", "second"):
        lab = tmp_path / copy / "01_temperature"
        lab.mkdir(parents=True)
        (lab / "01_temperature.ipynb").write_text("{}")
        monkeypatch.chdir(lab)
        assert read_progress() == {} and progress_file() == tmp_path / copy / ".distillab" / "progress.json"
        record("entropy", "01_temperature", 3, 3)
        monkeypatch.chdir(lab.parent)
        assert read_progress()["entropy"]["passed"]
    monkeypatch.chdir(tmp_path)
    assert progress_file() == tmp_path / "home" / ".distillab" / "progress.json", "a notebook that lies alone"


@pytest.mark.parametrize("content", ['{"entropy": 3}', '{"entropy": {"failed": [1, {}]}}', "[]", '{"entropy": null}'])
def test_a_file_with_other_contents_is_no_obstacle(content):
    progress_file().parent.mkdir(parents=True, exist_ok=True)
    progress_file().write_text(content)
    assert record("entropy", "01_temperature", 1, 2, "abc") == ""
    assert read_progress()["entropy"]["failed"] == ["abc"]
