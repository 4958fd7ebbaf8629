"""Atomic writes: a reader finds the old content or all of the new, and nothing temporary stays behind."""

import multiprocessing
import os

import pytest

from helpers.atomic import new_folder, replace_file, write_text


def test_the_file_appears_only_when_the_block_has_ended(tmp_path):
    path = tmp_path / "deep" / "marks.json"
    with replace_file(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new" and os.listdir(path.parent) == ["marks.json"]


@pytest.mark.parametrize("shared", [False, True])
def test_an_error_on_the_way_leaves_the_old_content_and_no_temporary_file(tmp_path, shared):
    path = tmp_path / "marks.json"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), replace_file(path, shared=shared) as temporary:
        temporary.write_text("half of the ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["marks.json"]


def test_what_a_killed_process_left_behind_is_overwritten(tmp_path):
    (tmp_path / "marks.json.part").write_text("a longer text than the new one")
    write_text(tmp_path / "marks.json", "né")
    assert (tmp_path / "marks.json").read_bytes() == "né".encode() and os.listdir(tmp_path) == ["marks.json"]


def _write_in_another_process(path):
    write_text(path, "theirs", shared=True)


def test_two_processes_that_write_a_shared_file_do_not_touch_each_others_temporary_file(tmp_path):
    path = tmp_path / "progress.json"
    with replace_file(path, shared=True) as temporary:
        temporary.write_text("ours")
        other = multiprocessing.get_context("spawn").Process(target=_write_in_another_process, args=(path,))
        other.start()
        other.join()
        assert other.exitcode == 0 and path.read_text() == "theirs" and temporary.read_text() == "ours"
    assert path.read_text() == "ours" and os.listdir(tmp_path) == ["progress.json"]


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path):
    (tmp_path / "cache.part").mkdir()
    (tmp_path / "cache.part" / "leftover").touch()
    with pytest.raises(ValueError), new_folder(tmp_path / "cache") as folder:
        (folder / "half").touch()
        raise ValueError
    assert os.listdir(tmp_path) == []
    with new_folder(tmp_path / "cache") as folder:
        (folder / "whole").touch()
        assert not (tmp_path / "cache").exists()
    assert os.listdir(tmp_path) == ["cache"] and os.listdir(tmp_path / "cache") == ["whole"]


def test_a_new_folder_never_replaces_one_that_holds_something(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "mine").touch()
    with pytest.raises(OSError), new_folder(tmp_path / "cache"):
        pass
    assert os.listdir(tmp_path / "cache") == ["mine"] and os.listdir(tmp_path) == ["cache"]
