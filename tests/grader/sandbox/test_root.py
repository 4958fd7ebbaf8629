"""The file system of a sandbox: what is copied into it, and what of the host is not shown in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from nbgrader.exchange.default.exchange import Exchange

from helpers.grader.sandbox import host_probe, isolation, root
from helpers.grader.sandbox.launch_request import LaunchRequest
from tests.grader.sandbox.conftest import needs_sandbox


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


@pytest.mark.parametrize("name", ["program", "folder"])
def test_a_link_that_appears_after_the_look_is_not_followed(source, target, tmp_path, monkeypatch, name):
    """Whoever may write to the host's folder exchanges a file or folder between the look at it and its opening."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    open_file = os.open

    def exchange_and_open(path, *arguments, **options):
        if path == name and not (source / name).is_symlink():
            (source / name).rename(tmp_path / "moved")
            (source / name).symlink_to(outside / "secret.txt" if name == "program" else outside)
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(os, "open", exchange_and_open)
    with pytest.raises(OSError):
        root.copy_folder(str(source), str(target), -1)
    copies = [path for path in target.rglob("*") if path.is_file() and not path.is_symlink()]
    assert all("secret" not in path.read_text() for path in copies)


def in_a_new_root(tmp_path: Path, look) -> str:
    """Build a root, enter it in a child process and look around there; return the error if there is one."""
    for name in ("root", "work", "sockets"):
        (tmp_path / name).mkdir()
    request = LaunchRequest(str(tmp_path / "work"), str(tmp_path / "sockets"), [], {}, files=2**20)

    def build() -> None:
        isolation.leave_namespaces()
        root.build_root(request, str(tmp_path / "root"))

        def enter() -> None:
            root.enter_root(str(tmp_path / "root"))
            look()

        if error := host_probe._try_in_child(enter):
            raise OSError(error)

    return host_probe._try_in_child(build)


@needs_sandbox
def test_nbgraders_exchange_is_not_shown(tmp_path, monkeypatch):
    exchange = tmp_path / "usr" / "local" / "share" / "nbgrader"
    (exchange / "exchange" / "course" / "inbound").mkdir(parents=True)
    (tmp_path / "usr" / "local" / "share" / "fonts").mkdir()
    monkeypatch.setattr(root, "SYSTEM_FOLDERS", (*root.SYSTEM_FOLDERS, str(tmp_path / "usr")))
    monkeypatch.setattr(root, "HIDDEN_FOLDERS", (str(exchange),))

    def look() -> None:
        shown = [path for path in (tmp_path / "usr").rglob("*") if not path.is_dir() or not os.listdir(path)]
        assert sorted(shown) == [exchange.parent / "fonts", exchange], shown
        with pytest.raises(OSError):
            (exchange / "new").write_text("x")

    assert in_a_new_root(tmp_path, look) == ""


def test_the_exchange_is_where_nbgrader_has_it_by_default():
    assert set(map(Path, root.HIDDEN_FOLDERS)) & set(Path(Exchange().root).parents)


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
