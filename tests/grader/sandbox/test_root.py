"""The file system of a sandbox: what is copied into it, and what of the host is not shown in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from helpers.grader.sandbox import root
from tests.grader.sandbox.conftest import in_a_new_root, needs_sandbox


@pytest.fixture
def source(tmp_path):
    """A working folder of the host with a file, a folder and two links."""
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder" / "data.csv").write_text("1,2\n")
    (source / "program").write_text("#!/bin/sh")
    (source / "program").chmod(0o6755)
    os.utime(source / "program", (1000, 2000))
    (source / "link").symlink_to("/etc/passwd")
    (source / "way_out").symlink_to("/etc")
    os.mkfifo(source / "pipe")
    return source


@pytest.fixture
def target(tmp_path):
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def test_a_folder_is_copied_with_links_as_links(source, target):
    root.copy_folder(str(source), str(target), -1)
    assert sorted(os.listdir(target)) == ["folder", "link", "program", "way_out"]
    assert os.readlink(target / "link") == "/etc/passwd" and os.readlink(target / "way_out") == "/etc"
    assert (target / "folder" / "data.csv").read_text() == "1,2\n"
    status = (target / "program").stat()
    assert stat.S_IMODE(status.st_mode) == 0o755 and status.st_mtime == 2000, "its time, but not its set-uid bit"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_every_copy_belongs_to_the_sandbox_and_no_original_does(source, target):
    root.copy_folder(str(source), str(target), root.NOBODY)
    copies = [path for path in target.rglob("*") if not path.parent.is_symlink()]
    assert {os.lstat(path).st_uid for path in copies} == {root.NOBODY} and len(copies) == 5
    assert {os.lstat(path).st_uid for path in source.rglob("*")} == {0} and os.stat("/etc/passwd").st_uid == 0


@needs_sandbox
def test_our_solutions_are_not_shown(tmp_path):
    solutions = Path(root.SOLUTIONS)
    assert list(solutions.glob("*.json")), "the course releases its solutions"

    def look() -> None:
        assert (solutions.parent / "checks").is_dir() and list((solutions.parent / "checks").glob("*.json"))
        assert os.listdir(solutions) == [] and os.listdir(os.path.realpath(solutions)) == []
        with pytest.raises(OSError):
            (solutions / "new").write_text("x")

    assert in_a_new_root(tmp_path, look) == ""
