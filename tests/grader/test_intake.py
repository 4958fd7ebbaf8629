"""What is handed in: good layouts are found, forbidden forms refused with a reason, unreadable notebooks explained."""

import json
import os
import stat
import zipfile

import nbformat
import pytest

from helpers.grader.errors import GraderError
from helpers.grader.intake import Refused, collect, copy_files_beside, read_notebook

LABS = ["00_mini", "01_other"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def put(path, content="{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def zipped(path, *members, kind=stat.S_IFREG):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | 0o644) << 16
            archive.writestr(info, content)


def taken(folder, tmp_path):
    submissions, remarks = collect(folder, LABS, tmp_path / "scratch")
    return {(entry.student, entry.lab): entry for entry in submissions}, remarks


def test_folders_and_archives_are_found(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "00_mini.ipynb")
    put(folder / "ada" / "01_other" / "01_other.ipynb")
    zipped(folder / "ben.zip", ("00_mini/00_mini.ipynb", "{}"))
    zipped(folder / "cem.zip", ("cem/00_mini/00_mini.ipynb", "{}"))
    found, remarks = taken(folder, tmp_path)
    assert sorted(found) == [("ada", "00_mini"), ("ada", "01_other"), ("ben", "00_mini"), ("cem", "00_mini")]
    assert all(entry.path.is_file() and not entry.refusal for entry in found.values()) and not remarks


def test_loose_wins_over_zipped_with_a_note(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "00_mini.ipynb", '{"loose": 1}')
    zipped(folder / "ada.zip", ("00_mini/00_mini.ipynb", "{}"), ("01_other/01_other.ipynb", "{}"))
    found, _ = taken(folder, tmp_path)
    assert "loose" in found["ada", "00_mini"].path.read_text() and "archive" in found["ada", "00_mini"].notes[0]
    assert ("ada", "01_other") in found


def test_a_readable_archive_stands_in_for_a_loose_form_that_is_refused(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "draft.ipynb")
    put(folder / "ada" / "00_mini" / "final.ipynb")
    zipped(folder / "ada.zip", ("00_mini/00_mini.ipynb", '{"zipped": 1}'))
    submissions, _ = collect(folder, LABS, tmp_path / "scratch")
    (only,) = submissions
    assert "zipped" in only.path.read_text() and not only.refusal and "and 2 others" in only.notes[0]


def test_one_notebook_under_another_name_is_taken(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "my lab (1).ipynb")
    found, _ = taken(folder, tmp_path)
    assert found["ada", "00_mini"].notes == ["taken from my lab (1).ipynb"]


def test_two_under_other_names_are_not(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "a.ipynb")
    put(folder / "ada" / "00_mini" / "b.ipynb")
    found, _ = taken(folder, tmp_path)
    assert "no 00_mini.ipynb in the folder, and 2 others" in found["ada", "00_mini"].refusal


def test_wrong_depth_and_unknown_labs_are_remarked(folder, tmp_path):
    put(folder / "ada" / "00_mini.ipynb")
    put(folder / "ada" / "09_none" / "09_none.ipynb")
    put(folder / "notes.txt")
    put(folder / "ben" / "00_mini" / "00_mini.ipynb")
    found, remarks = taken(folder, tmp_path)
    assert list(found) == [("ben", "00_mini")] and len(remarks) == 3


@pytest.mark.parametrize("name", ["-rf", "a b", "ü", "x" * 129, "=cmd()", "a;b"])
def test_bad_student_ids_are_refused(folder, tmp_path, name):
    put(folder / name / "00_mini" / "00_mini.ipynb")
    found, _ = taken(folder, tmp_path)
    (entry,) = found.values()
    assert entry.verdict == "denied" and "student id" in entry.refusal and entry.path is None


def test_ids_that_differ_in_case_only_are_refused(folder, tmp_path):
    put(folder / "Ada" / "00_mini" / "00_mini.ipynb")
    put(folder / "ada" / "00_mini" / "00_mini.ipynb")
    found, _ = taken(folder, tmp_path)
    assert not found["Ada", "00_mini"].refusal and "upper and lower case" in found["ada", ""].refusal


def links(folder, outside):
    put(outside / "00_mini.ipynb")
    lab = folder / "ada" / "00_mini"
    yield lambda: (lab.mkdir(parents=True), (lab / "00_mini.ipynb").symlink_to(outside / "00_mini.ipynb"))
    yield lambda: (lab.mkdir(parents=True), os.link(outside / "00_mini.ipynb", lab / "00_mini.ipynb"))
    yield lambda: (lab.parent.mkdir(), lab.symlink_to(outside))
    yield lambda: (lab.mkdir(parents=True), os.mkfifo(lab / "00_mini.ipynb"))
    yield lambda: (put(lab / "00_mini.ipynb"), (lab / "extra").symlink_to("/etc"))


@pytest.mark.parametrize("which", range(5))
def test_links_and_pipes_are_denied(folder, tmp_path, which):
    list(links(folder, tmp_path / "outside"))[which]()
    found, _ = taken(folder, tmp_path)
    assert found["ada", "00_mini"].verdict == "denied"


def test_a_student_folder_that_is_a_link_is_denied(folder, tmp_path):
    put(tmp_path / "outside" / "00_mini" / "00_mini.ipynb")
    (folder / "ada").symlink_to(tmp_path / "outside")
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "denied"


@pytest.mark.parametrize("name", ["../evil.ipynb", "/etc/evil", "a/../../evil", "..\\evil", "c:/evil", "a//b"])
def test_an_archive_that_climbs_is_denied(folder, tmp_path, name):
    zipped(folder / "ada.zip", (name, "x"))
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "denied" and not list(tmp_path.rglob("evil*"))


def test_an_archive_with_a_link_is_denied(folder, tmp_path):
    zipped(folder / "ada.zip", ("00_mini/00_mini.ipynb", "/etc/passwd"), kind=stat.S_IFLNK)
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "denied"


def test_an_archive_that_swells_is_denied(folder, tmp_path):
    with zipfile.ZipFile(folder / "ada.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("00_mini/00_mini.ipynb", b"\0" * (101 * 2**20))
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "denied" and "too large" in found["ada", ""].refusal


def test_a_damaged_archive_is_explained(folder, tmp_path):
    put(folder / "ada.zip", "not a zip")
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "error" and "cannot be read" in found["ada", ""].refusal


def test_nothing_to_grade_is_an_error_in_words(folder, tmp_path):
    with pytest.raises(GraderError, match="no submissions in .*expected <student>/<lab>/<lab>.ipynb"):
        collect(folder, LABS, tmp_path / "scratch")
    with pytest.raises(GraderError, match="There is no folder"):
        collect(folder / "none", LABS, tmp_path / "scratch")


def test_files_beside_are_copied_but_not_followed(folder, tmp_path):
    put(folder / "mine.py", "x = 1")
    put(folder / "lab.ipynb")
    (folder / "link").symlink_to("/etc/hostname")
    (tmp_path / "out").mkdir()
    copy_files_beside(folder, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.py"]


# ------------------------------------------------------------------------------------------------ reading notebooks


def test_a_notebook_is_stripped_to_what_counts(notebook, folder):
    made = notebook()
    made.cells[1].outputs = [nbformat.v4.new_output("stream", text="forged")]
    made.cells[1].metadata["tags"] = ["skip-execution"]
    nbformat.write(made, folder / "a.ipynb")
    cell = read_notebook(folder / "a.ipynb", 2**20).cells[1]
    assert cell.outputs == [] and "tags" not in cell.metadata


def test_older_formats_and_a_byte_order_mark_are_read(folder):
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"metadata": {}, "cells": [
        {"cell_type": "code", "input": ["x = 1"], "outputs": [], "language": "python", "collapsed": False,
         "metadata": {}}]}]}  # fmt: skip
    (folder / "a.ipynb").write_bytes(b"\xef\xbb\xbf" + json.dumps(old).encode())
    assert read_notebook(folder / "a.ipynb", 2**20).cells[0].source == "x = 1"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"cells": [{"cell_', "cut short or damaged"),
        (b"", "cut short or damaged"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"\x00\x00", "cut short or damaged"),
        (b"[1, 2]", "not a notebook"),
        (b'{"nbformat": "4"}', "not a notebook"),
        (b'{"nbformat": 4, "cells": [3]}', "cells cannot be read"),
        (b'{"nbformat": 4}', "cells cannot be read"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 7}]}', "text is not text"),
        (b'{"nbformat": 3, "worksheets": 1}', "cells cannot be read"),
        (b"[" * 100_000, "cut short or damaged"),
        (b'{"nbformat": 4, "cells": [' + b" " * 2**20 + b"]}", "is the limit"),
    ],
)
def test_what_cannot_be_read_is_explained(folder, content, says):
    (folder / "a.ipynb").write_bytes(content)
    with pytest.raises(Refused, match=says):
        read_notebook(folder / "a.ipynb", 2**20)
