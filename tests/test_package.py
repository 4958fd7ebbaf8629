"""What is distributed: one version everywhere, labs that travel, archives that do not depend on the day."""

import io
import re
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

from helpers import cli
from helpers.setup.launcher import course_or_own
from scripts.package import normalised
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_one_version_stands_everywhere():
    version = PROJECT["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (version, PROJECT["project"]["license"])
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[1] == version


def test_the_command_says_its_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert re.fullmatch(r"distillab \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_the_course_that_came_with_the_package_serves_where_no_other_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (course_or_own(Path(".")) / "labs" / "01_temperature").is_dir()
    assert course_or_own(tmp_path) == tmp_path, "a course that was named is never replaced"
    (tmp_path / "labs").mkdir()
    assert course_or_own(Path(".")) == Path(".")


def test_every_data_file_of_the_package_is_named_by_a_pattern():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    shipped = {
        path
        for package, globs in patterns.items()
        for one in globs
        for path in (ROOT / package.replace(".", "/")).glob(one)
    }
    here = {path for path in (ROOT / "helpers").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert {path.relative_to(ROOT).as_posix() for path in here - shipped if "__pycache__" not in path.parts} == set()


def archive(*names: str, mtime: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname = len(name), mtime, f"user{mtime}"
            made.addfile(member, io.BytesIO(name.encode()))
    return buffer.getvalue()


def test_an_archive_is_the_same_whenever_and_by_whomever_it_was_built():
    first, second = archive("a", "b", mtime=1), archive("b", "a", mtime=2)
    assert normalised(first, 5) == normalised(second, 5) != normalised(first, 6)
    assert normalised(archive("a", "c", mtime=1), 5) != normalised(first, 5)
