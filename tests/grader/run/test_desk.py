"""A run with a roster: what it leaves in the output folder, and how the next run goes on from there."""

import csv
import json
import zipfile

import pytest

from helpers.grader.errors import GraderError
from helpers.grader.run.desk import handed_in, only_lab
from helpers.grader.run.grade import GradingOptions, grade
from helpers.grader.sandbox.kernelspecs import UNSAFE_KERNEL

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section
    Points Possible,,,,
"Lovelace, Ada",101,m1,ada,Tue
"Ode, Ben",102,m2,ben,Tue
"Müller, Zoë",103,m3,zoe,Wed
"""
DOWNLOAD = {  # none of these can be read, so no kernel is needed
    "lovelaceada_101_5001_00_mini.ipynb": "{",
    "odeben_LATE_102_5002_00_mini.ipynb": "{",
    "muellerzoe_999_5003_00_mini.ipynb": "{",
}


@pytest.fixture
def desk(course, tmp_path):
    """A function that grades Canvas's download into one output folder, and returns the run's result."""
    (tmp_path / "in").mkdir()
    (tmp_path / "class.csv").write_text(CANVAS, encoding="utf-8-sig")
    with zipfile.ZipFile(tmp_path / "in" / "submissions.zip", "w") as archive:
        for name, text in DOWNLOAD.items():
            archive.writestr(name, text)

    def run(with_roster=True):
        options = GradingOptions(kernel_name=UNSAFE_KERNEL, roster=tmp_path / "class.csv" if with_roster else None)
        return grade(course, tmp_path / "in", tmp_path / "out", options)

    return run


def marks(output):
    return {row["ID"]: row["00_mini"] for row in list(csv.DictReader((output / "lms_canvas.csv").open()))[1:]}


def test_what_is_nobodys_is_listed_and_graded_by_the_next_run_once_it_is_answered(desk, tmp_path):
    output = tmp_path / "out"
    result = desk()
    assert [student for student, _ in result.judgements] == ["m1", "m2"]
    assert any("1 submission matches no student of the roster and was not graded: see" in one for one in result.remarks)
    assert any("1 student handed in nothing (Zoë Müller)" in one for one in result.remarks)
    assert "muellerzoe_999_5003_00_mini.ipynb" in (output / "unmatched.html").read_text()
    assert marks(output) == {"101": "0", "102": "0", "103": ""}
    (row,) = csv.DictReader((output / "unmatched.csv").open())
    assert row["suggestion"] == "m3" and row["student"] == ""
    with (output / "unmatched.csv").open("w") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row | {"student": "zoe"})
    result = desk(with_roster=False)  # the roster of the first run is kept
    assert [student for student, _ in result.judgements] == ["m1", "m2", "m3"]
    assert marks(output) == {"101": "0", "102": "0", "103": "0"}
    assert not (output / "unmatched.html").exists() and "zoe" in (output / "unmatched.csv").read_text()
    assert handed_in(output) == {
        "00_mini": dict(zip(["m1", "m2", "m3"], DOWNLOAD, strict=True)),
    }
    report = (output / "class_report.html").read_text()
    assert "late, according to Canvas" in report and "handed in nothing" not in report


def test_a_download_in_which_nobody_is_on_the_roster_is_an_error_in_words(desk, tmp_path):
    (tmp_path / "class.csv").write_text("id,name\nx1,Somebody Else\n")
    with pytest.raises(GraderError, match="No submission has a student on the roster. 3 submissions match no student"):
        desk()
    assert (tmp_path / "out" / "unmatched.html").is_file()


def test_the_only_lab_is_meant_if_none_is_named():
    assert only_lab(["02_loss"], None) == only_lab({"02_loss": 1, "01_a": 2}, "02_loss") == "02_loss"
    with pytest.raises(GraderError, match="Several labs were graded there. Use --lab with one of: 01_a, 02_loss"):
        only_lab(["02_loss", "01_a"], None)
    with pytest.raises(GraderError, match="Nothing has been graded"):
        only_lab([], None)


def test_names_from_outside_stand_in_json_as_they_are(desk, tmp_path):
    desk()
    assert json.loads((tmp_path / "out" / "roster.json").read_text())["people"][2]["name"] == "Zoë Müller"
