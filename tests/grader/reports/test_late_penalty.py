"""Late hand-ins: the same penalties as `nbgrader autograde`, from nbgrader's own due dates, extensions and plugin."""

import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from helpers.cli import main
from helpers.grader.intake.timestamp import parse_time, read_timestamp
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.notes import Note, NoteCode
from helpers.grader.release import generate
from helpers.grader.reports.gradebook import record
from helpers.grader.reports.pages import format_duration
from helpers.grader.run.judgement_store import JudgementStore
from helpers.grader.run.publish import default_database
from tests.conftest import AVERAGE, DOUBLE

pytestmark = pytest.mark.sandbox

DUE = datetime(2026, 3, 1, 12, 0)
HANDED_IN = {
    "early": "2026-03-01 11:59:59 UTC",
    "early_elsewhere": "2026-03-01 12:30:00 +0100",  # half an hour before, in another zone
    "late": "2026-03-01 13:30:00 +01:00\n",  # half an hour after
    "later": "2026-03-03 12:00:00 UTC",
    "extended": "2026-03-03 12:00:00 UTC",
    "undated": "",
}
PLUGIN = """
from nbgrader.plugins import BasePlugin

class PerDay(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return 1.25 * -(-total_seconds_late // 86400)

c.AssignLatePenalties.plugin_class = PerDay
"""


@pytest.fixture(scope="module")
def late_course(course, tmp_path_factory):
    """The course with a due date, an extension and a penalty of 1.25 points a day, and its hand-ins."""
    root = tmp_path_factory.mktemp("late") / "course"
    shutil.copytree(course, root)
    with open(root / "nbgrader_config.py", "a") as config:
        config.write(PLUGIN)
    made = nbformat.read(root / "labs" / "00_mini" / "00_mini.ipynb", as_version=4)
    for cell in made.cells:
        cell.source = {"double": DOUBLE, "Average": AVERAGE}.get(cell.id, cell.source)
    for student, time in HANDED_IN.items():
        folder = root / "submitted" / student / "00_mini"
        folder.mkdir(parents=True)
        nbformat.write(made, folder / "00_mini.ipynb")
        if time:
            (folder / "timestamp.txt").write_text(time)
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        gradebook.update_or_create_assignment("00_mini", duedate=DUE)
        gradebook.add_student("extended")
        gradebook.add_submission("00_mini", "extended", extension=timedelta(days=7))
    return root


def penalties(database):
    with Gradebook(f"sqlite:///{database}") as gradebook:
        return {
            entry.student_id: (entry.score, entry.late_submission_penalty, entry.timestamp, entry.extension)
            for entry in gradebook.assignment_submissions("00_mini")
        }


def test_late_penalties_equal_those_of_nbgrader_autograde(late_course, tmp_path):
    output = tmp_path / "graded"
    arguments = ["--submissions", str(late_course / "submitted"), "--output", str(output), "--workers", "2"]
    assert main(["grade", *arguments, "--course", str(late_course)]) == 0
    ours = penalties(output / "gradebook.db")
    assert {student: found[1] for student, found in ours.items()} == {
        "early": 0,
        "early_elsewhere": 0,
        "late": 1.25,
        "later": 2.5,
        "extended": 0,
        "undated": 0,
    }
    environment = {**os.environ, "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]}
    command = [str(Path(sys.executable).parent / "nbgrader"), "autograde", "00_mini"]
    done = subprocess.run(command, cwd=late_course, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert penalties(late_course / "gradebook.db") == ours
    page = (output / "feedback" / "later" / "00_mini" / "00_mini.html").read_text()
    assert "<strong>4.5 of 9</strong>" in page and "2.5 taken off because it came late" in page
    assert "later,later,,4.5" in (output / "lms_moodle.csv").read_text()


@pytest.fixture
def dated(course, mini, tmp_path):
    """A course whose lab is due, and an output folder with ada, an hour late, and ben, two days late."""
    root, output = tmp_path / "course", tmp_path / "graded"
    shutil.copytree(course, root)
    with open(root / "nbgrader_config.py", "a") as config:
        config.write(PLUGIN)
    output.mkdir()
    generate(mini, tmp_path / "scratch", default_database(output))
    judgement = Judgement("00_mini", [Row("double", "plain", 4.0, 4.0, "correct")])
    with Gradebook(default_database(output)) as gradebook:
        for student, late in (("ada", timedelta(hours=1)), ("ben", timedelta(days=2))):
            record(gradebook, mini, student, judgement, timestamp=DUE + late)
            JudgementStore(output).save(student, judgement, "digest")
    set_due(root, DUE)
    return root, output


def set_due(folder, date):
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        gradebook.update_or_create_assignment("00_mini", duedate=date)


def set_extension(folder, student, extension):
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission("00_mini", student, extension=extension)


def taken_off(dated, capsys):
    """What each student loses after `distillab feedback`, and the notes that it printed."""
    root, output = dated
    assert main(["feedback", "--output", str(output), "--course", str(root)]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    return [found[1] or 0 for _, found in sorted(penalties(output / "gradebook.db").items())], notes


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("2026-03-01 13:30:00 +0100", 30),
        ("2026-03-01 13:30:00 +01:00", 30),
        ("2026-03-01T13:30:00+01:00", 30),
        ("2026-03-01 07:30:00 -0500", 30),
        ("2026-03-01 18:15:00 +0545", 30),
        ("2026-03-01T12:30:00Z", 30),
        ("2026-03-01 12:30:00.000000 UTC", 30),
        ("2026-03-01 12:30:00 GMT", 30),
        ("2026-03-01 12:30:00", 30),
        ("2026-03-01 12:30:00 +0100", -30),
    ],
)
def test_a_time_is_read_with_its_offset(text, minutes):
    assert parse_time(text) == DUE + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text", ["2026-03-01 12:30:00 CET", "1 March", "0001-01-01 00:00 +0500", "2026-03-01 12:30 +2500"]
)
def test_a_time_that_cannot_be_read_is_not_guessed(text, tmp_path):
    (tmp_path / "timestamp.txt").write_text(text)
    time, note = read_timestamp(tmp_path / "timestamp.txt")
    assert time is None and note.code == NoteCode.TIMESTAMP_UNREADABLE


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1 min"), (3600, "1 h"), (4.5 * 3600, "4 h 30 min"), (86400, "1 day"), (200_000, "2 days 7 h")],
)
def test_lateness_is_told_in_its_two_largest_units(seconds, text):
    assert format_duration(seconds) == text


def test_lateness_is_shown_where_it_costs_nothing(dated, capsys):
    root, output = dated
    config = root / "nbgrader_config.py"
    config.write_text(config.read_text().replace("c.AssignLatePenalties.plugin_class = PerDay", ""))
    assert taken_off(dated, capsys)[0] == [0, 0]
    page = (output / "feedback" / "ben" / "00_mini" / "00_mini.html").read_text()
    assert "handed in 2 days late" in page and "taken off" not in page
    report = (output / "class_report.html").read_text()
    assert "<strong>2</strong> late" in report and ">1 h</td><td>late</td>" in report
    assert ">2 days</td><td>late</td>" in report


def test_a_due_date_that_changes_in_the_course_counts_from_then_on(dated, capsys):
    root, _ = dated
    assert taken_off(dated, capsys) == ([1.25, 2.5], [])
    set_due(root, DUE + timedelta(days=1))
    assert taken_off(dated, capsys) == ([0, 1.25], [])
    set_due(root, None)
    assert taken_off(dated, capsys) == ([0, 0], [])
    set_due(root, DUE - timedelta(days=1))
    assert taken_off(dated, capsys) == ([2.5, 3.75], [])


def test_a_due_date_set_by_hand_in_the_output_stays_and_is_said(dated, capsys):
    root, output = dated
    assert taken_off(dated, capsys) == ([1.25, 2.5], [])
    set_due(output, DUE + timedelta(days=7))
    penalty, (note,) = taken_off(dated, capsys)
    assert penalty == [0, 0] and "00_mini, due date: 2026-03-08 12:00:00 counts" in note and str(DUE) in note
    set_due(root, DUE + timedelta(days=1))
    assert taken_off(dated, capsys)[0] == [0, 0]
    set_due(output, None)
    assert taken_off(dated, capsys) == ([0, 1.25], [])


def test_an_extension_that_changes_in_the_course_counts_and_one_by_hand_stays(dated, capsys):
    root, output = dated
    set_extension(root, "ben", timedelta(days=3))
    assert taken_off(dated, capsys) == ([1.25, 0], [])
    set_extension(root, "ben", timedelta(days=1))
    assert taken_off(dated, capsys) == ([1.25, 1.25], [])
    set_extension(output, "ada", timedelta(days=1))
    penalty, (note,) = taken_off(dated, capsys)
    assert penalty == [0, 1.25] and "00_mini, extension of ada: 1 day, 0:00:00 counts" in note
    set_extension(root, "ben", None)
    assert taken_off(dated, capsys)[0] == [0, 2.5]


def test_a_timestamp_that_is_none_and_one_that_is_a_link(tmp_path):
    assert read_timestamp(tmp_path / "timestamp.txt") == (None, None)
    (tmp_path / "timestamp.txt").write_text("yesterday, honestly")
    unreadable = Note.of(NoteCode.TIMESTAMP_UNREADABLE, name="timestamp.txt")
    assert read_timestamp(tmp_path / "timestamp.txt") == (None, unreadable)
    (tmp_path / "secret").write_text("2026-03-01 11:59:59 UTC")
    (tmp_path / "timestamp.txt").unlink()
    (tmp_path / "timestamp.txt").symlink_to("secret")
    assert read_timestamp(tmp_path / "timestamp.txt") == (None, None)
