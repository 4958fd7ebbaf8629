"""An archive is unpacked in a process of its own to the same files and refusals as in this one."""

from __future__ import annotations

import io
import os
import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from helpers.grader.errors import GraderError, Refused
from helpers.grader.intake.archive import Archives
from helpers.grader.judging import archives_apart as apart
from helpers.grader.judging.archives_apart import ArchivesApart
from helpers.grader.judging.server_client import SERVER
from tests.grader.sandbox.conftest import needs_sandbox

pytestmark = [needs_sandbox, pytest.mark.sandbox]


def zipped(*members: tuple[str, bytes], kind: int = stat.S_IFREG, method: int = zipfile.ZIP_STORED) -> bytes:
    sink = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(sink, "w", method) as archive:  # of a name twice
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = kind << 16, method
            archive.writestr(info, content)
    return sink.getvalue()


NOTEBOOK = ("00_mini/00_mini.ipynb", b"{}" * 100_000)
DEFLATED = zipped(NOTEBOOK, method=zipfile.ZIP_DEFLATED)
ARCHIVES = {
    "plain": zipped(NOTEBOOK, ("00_mini/mine.py", b"x = 1"), ("empty", b"")),
    "compressed": zipped(NOTEBOOK, ("a/b/L\xf6sung.txt", b"x"), method=zipfile.ZIP_LZMA),
    "no file": zipped(),
    "climbing": zipped(("../out", b"x")),
    "absolute": zipped(("/tmp/out", b"x")),
    "a link": zipped(("00_mini/link", b"/etc/passwd"), kind=stat.S_IFLNK),
    "a bomb": zipped(("zeros", bytes(101 * 2**20)), method=zipfile.ZIP_DEFLATED),
    "many": zipped(*((str(number), b"") for number in range(1001))),
    "deep": zipped(("a/" * 25 + "b", b"x")),
    "twice": zipped(("one", b"1"), ("one", b"2")),
    "file and folder": zipped(("one", b"1"), ("one/two", b"2")),
    "damaged": DEFLATED[:100] + b"\xff" * 8 + DEFLATED[108:],
    "cut": DEFLATED[:-10],
    "no archive": b"not a zip",
}


def outcome(archives: Archives, archive: Path, target: Path, only=None) -> dict[str, tuple] | tuple[str, str]:
    """Return the files that came out with their times, or the refusal."""
    try:
        archives.unpack(archive, target, only)
    except Refused as refusal:
        assert not target.exists()
        return str(refusal), refusal.verdict
    files = [path for path in target.rglob("*") if path.is_file()]
    return {str(path.relative_to(target)): (path.read_bytes(), path.stat().st_mtime) for path in files}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_has_the_same_outcome_apart(name, tmp_path):
    archive = tmp_path / "ada.zip"
    archive.write_bytes(ARCHIVES[name])
    here, there = (outcome(how, archive, tmp_path / type(how).__name__) for how in (Archives(), ArchivesApart()))
    assert there == here
    assert isinstance(here, dict) == (name in ("plain", "compressed", "no file"))
    assert ArchivesApart().names(archive) == Archives().names(archive)


def test_some_files_of_an_archive_can_be_asked_for(tmp_path):
    archive = tmp_path / "class.zip"
    archive.write_bytes(ARCHIVES["plain"])
    only = {"00_mini/mine.py", "not there"}
    here, there = (outcome(how, archive, tmp_path / type(how).__name__, only) for how in (Archives(), ArchivesApart()))
    assert there == here and set(here) == {"00_mini/mine.py"}


def test_a_process_that_hangs_is_killed_and_its_archive_refused(tmp_path, monkeypatch):
    archive = tmp_path / "ada.zip"
    archive.write_bytes(ARCHIVES["plain"])
    hand_over = apart._hand_over
    monkeypatch.setattr(apart, "_hand_over", lambda connection, archive, asked, deadline: None)  # so that it waits
    monkeypatch.setattr(apart, "SECONDS", 0.2)
    reason, verdict = outcome(ArchivesApart(), archive, tmp_path / "out")
    assert "too much time or memory" in reason and verdict == "denied"
    assert ArchivesApart().names(archive) == []
    handles = (os.path.realpath(f"/proc/self/fd/{handle}") for handle in os.listdir("/proc/self/fd"))
    assert str(archive) not in handles
    monkeypatch.setattr(apart, "_hand_over", hand_over)


def test_a_server_that_ends_is_the_graders_failure_and_is_started_again(tmp_path, monkeypatch):
    archive = tmp_path / "ada.zip"
    archive.write_bytes(ARCHIVES["plain"])
    hand_over = apart._hand_over

    def end_server(*arguments):
        SERVER.stop()
        hand_over(*arguments)

    monkeypatch.setattr(apart, "_hand_over", end_server)
    with pytest.raises(GraderError, match="says nothing about the submissions"):
        ArchivesApart().unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(apart, "_hand_over", hand_over)
    assert len(ArchivesApart().names(archive)) == 3


MESSAGES = {
    "a path that climbs": [("file", b'["..", "out"]'), ("data", b"x"), ("done", b"")],
    "no path": [("file", b"{}"), ("done", b"")],
    "a path of numbers": [("file", b"[1]"), ("done", b"")],
    "a path with a slash": [("file", b'["a/../../out"]'), ("done", b"")],
    "nested": [("file", b"[" * 100_000), ("done", b"")],
    "data first": [("data", b"x")],
    "too much": [("file", b'[["a"]]'), *[("data", bytes(2**20))] * 101, ("done", b"")],
    "too many": [*(("file", b'[["%d"]]' % number) for number in range(1001)), ("done", b"")],
    "nonsense": [("file", b'[["a"]]'), ("more", b"")],
    "another verdict": [("refused", b'["well", "correct"]')],
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_such_a_process_may_not_send_refuses_the_archive(name, tmp_path, monkeypatch):
    target, archives = tmp_path / "in" / "out", ArchivesApart()
    monkeypatch.setattr(archives, "members", lambda archive, only: apart.files_in(iter(MESSAGES[name])))
    with pytest.raises(Refused) as refusal:
        archives.unpack(tmp_path / "ada.zip", target)
    assert refusal.value.verdict in ("error", "denied") and str(refusal.value) != "well"
    assert not target.exists() and os.listdir(tmp_path / "in") == []


def test_a_time_that_is_none_is_left_out(tmp_path, monkeypatch):
    archives = ArchivesApart()
    sent = [("file", b'[["a"], 2020, "x"]'), ("data", b"1"), ("file", b'[["b"], 1e99, 1, 1, 1, 1, 1]'), ("done", b"")]
    monkeypatch.setattr(archives, "members", lambda archive, only: apart.files_in(iter(sent)))
    archives.unpack(tmp_path / "ada.zip", tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["a", "b"]
