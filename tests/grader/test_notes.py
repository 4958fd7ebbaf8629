"""Every note is made by some submission, keeps its text in the table of marks, and reaches the report by its code."""

import json
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from helpers.grader.intake.collect import collect
from helpers.grader.intake.extra_files import extra_files
from helpers.grader.intake.submission import Submission
from helpers.grader.intake.timestamp import read_timestamp
from helpers.grader.judging import judge
from helpers.grader.judging.alignment import align
from helpers.grader.judging.cell_outcomes import CellOutcomes
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.limits import Limits
from helpers.grader.notes import Note, NoteCode
from helpers.grader.reports.class_report import DOUBTFUL, class_report
from helpers.grader.reports.feedback import feedback_page
from helpers.grader.reports.gradebook import csv_text
from helpers.grader.run.judgement_store import from_plain, to_plain
from helpers.grader.run.retry import judge_with_retry

LAB = "00_mini"
TEXTS = {
    NoteCode.MOODLE_PARTICIPANT: "Moodle's participant 7: Ann Lee_7_assignsubmission_file_",
    NoteCode.TAKEN_FROM_ARCHIVE: "taken from the archive: the loose one is refused "
    "(no 00_mini.ipynb in the folder, and 2 others)",
    NoteCode.EARLIER_LEFT_ASIDE: "handed in more than once: the latest counts, and 00_mini.ipynb was left aside",
    NoteCode.REFUSED_LEFT_ASIDE: "also handed in: eve_9_1003_x.zip, which cannot be used (the archive cannot be read "
    "(File is not a zip file): pack the notebook into a new zip file, without a password, and hand that in)",
    NoteCode.LATE_IN_CANVAS: "handed in late, according to Canvas",
    NoteCode.CANVAS_USER: "Canvas's user 9: eve_LATE_9_1002_00_mini-1.ipynb",
    NoteCode.ARCHIVE_LEFT_ASIDE: "also handed in as an archive, which was left aside",
    NoteCode.OTHER_FILE_NAME: "taken from mine.ipynb",
    NoteCode.OUTSIDE_LAB_FOLDER: "taken from 00_mini.ipynb, which lay outside the lab's folder",
    NoteCode.TIMESTAMP_LEFT_ASIDE: "the student's own timestamp.txt was left aside",
    NoteCode.TIMESTAMP_UNREADABLE: "timestamp.txt holds no time; taken as handed in on time",
    NoteCode.FILES_LEFT_OUT: "left out, since the files beside a notebook may have 20 MiB each and 1 MiB together: "
    "large.bin",
    NoteCode.CELL_FOUND_BY_DEFINITION: "the cell of double had lost its id and was recognised by what it defines",
    NoteCode.CELL_FOUND_BY_QUESTION: "the cell of answer_why had lost its id and was recognised by its question",
    NoteCode.CELL_REPEATED: "there is more than one cell check_double; the first one was graded",
    NoteCode.CELL_STOPPED: "the cell “while True:” was left out after the verdict timeout",
    NoteCode.CELL_SLOW: "the cell “import torch” took more than 15 s",
    NoteCode.CHECK_PUT_BACK: "the check of double was missing and was put back",
    NoteCode.COMPUTER_BUSY: "a time limit passed while other programs were using the computer, in two attempts; grade "
    "it again on an idle one",
}


def put(path, text="{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def from_intake(folder):
    """The notes on submissions that lie in odd places, under odd names, or with odd files beside them."""
    put(folder / "in" / "Ann Lee_7_assignsubmission_file_" / f"{LAB}.ipynb")
    put(folder / "in" / "Ann Lee_7_assignsubmission_file_" / "timestamp.txt", "2020-01-01 00:00:00 UTC")
    put(folder / "in" / "ben" / LAB / "one.ipynb")
    put(folder / "in" / "ben" / LAB / "two.ipynb")
    put(folder / "in" / "cem" / LAB / f"{LAB}.ipynb")
    put(folder / "in" / "cem" / LAB / "timestamp.txt", "yesterday")
    put(folder / "in" / "dee" / LAB / "mine.ipynb")
    for student in ("ben", "cem"):
        with zipfile.ZipFile(folder / "in" / f"{student}.zip", "w") as archive:
            archive.writestr(f"{LAB}/{LAB}.ipynb", json.dumps({}))
    put(folder / "in" / "fay" / f"{LAB}.ipynb")
    put(folder / "in" / "eve_9_1001_00_mini.ipynb")
    put(folder / "in" / "eve_LATE_9_1002_00_mini-1.ipynb")
    put(folder / "in" / "eve_9_1003_x.zip")
    (folder / "in" / "dee" / LAB / "large.bin").touch()
    os.truncate(folder / "in" / "dee" / LAB / "large.bin", 2 * 2**20)
    submissions = collect(folder / "in", [LAB], folder / "scratch").submissions
    unreadable = read_timestamp(folder / "in" / "cem" / LAB / "timestamp.txt")[1]
    left_out = extra_files(folder / "in" / "dee" / LAB, Limits(files=2 * 2**20))[1]
    return [note for submission in submissions for note in submission.notes] + [unreadable, *left_out]


def from_alignment(mini, notebook):
    """The notes on a notebook that lost its ids and one check, and on one that has a check twice."""
    lost = notebook("def double(values):\n    return values * 2", answer="Because of this.")
    lost.cells = [cell for cell in lost.cells if cell.id != "check_double"]
    for number, cell in enumerate(lost.cells):
        cell.metadata, cell["id"] = nbformat.NotebookNode(), f"x{number}"
    repeated = notebook()
    repeated.cells.append(next(cell for cell in repeated.cells if cell.id == "check_double"))
    return align(mini, lost).notes + align(mini, repeated).notes


def from_running(mini, notebook):
    """The notes on a notebook with an endless cell and a slow one."""
    aligned = align(mini, notebook(before="while True:\n    pass"))
    sources = [cell.source for cell in aligned.notebook.cells]
    endless = next(index for index, source in enumerate(sources) if source.startswith("while"))
    slow = next(index for index, source in enumerate(sources) if source.startswith("import torch"))
    outcomes = CellOutcomes(aligned, Path(), ended={endless: "timeout"}, slow={slow, endless})
    return outcomes.notes(30.0)


def from_a_busy_computer():
    """The note on a submission whose time ran out twice while others used the processors."""

    def judge_batch(submissions):
        yield submissions[0], Judgement(LAB, starved=True)

    return [note for _, late in judge_with_retry(judge_batch, [Submission("ada", LAB)]) for note in late.notes]


def test_every_note_is_made_by_some_submission(mini, notebook, tmp_path):
    notes = from_intake(tmp_path) + from_alignment(mini, notebook) + from_running(mini, notebook)
    notes += from_a_busy_computer()
    texts = {note.text for note in notes}
    assert {note.code for note in notes} == set(NoteCode) == set(TEXTS)
    assert not set(TEXTS.values()) - texts, texts


@pytest.mark.parametrize(("seconds", "is_slow"), [(14.0, False), (16.0, True)])
def test_a_cell_that_takes_half_of_its_time_is_slow(mini, notebook, tmp_path, monkeypatch, seconds, is_slow):
    now = [100.0]
    monkeypatch.setattr(judge, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def run(source, limit):
        now[0] += seconds
        return SimpleNamespace(outputs=[], timed_out=False, error=None)

    running = judge._Run(mini, align(mini, notebook()), tmp_path, Limits(cell=30.0), "", judge.ALONE)
    index, cell = next(entry for entry in enumerate(running.aligned.notebook.cells) if entry[1].cell_type == "code")
    running._run_cell(SimpleNamespace(run=run, processor_time=lambda: None), index, cell)
    assert running.cells.slow == ({index} if is_slow else set())


@pytest.fixture
def judgement():
    """A function that returns a judgement of the small lab with one note."""

    def make(code):
        return Judgement(LAB, [Row("double", "plain", 4.0, 4.0, "correct", note="row")], [Note(code, TEXTS[code])])

    return make


@pytest.mark.parametrize("code", NoteCode)
def test_a_note_keeps_its_code_and_its_text(judgement, code):
    stored = json.loads(json.dumps(to_plain(judgement(code))))
    assert from_plain(stored) == judgement(code)
    assert f"{TEXTS[code]}; row" in csv_text([("ada", judgement(code))]).replace('"', "")


@pytest.mark.parametrize("code", NoteCode)
def test_notes_on_what_is_doubtful_reach_the_class_report_whatever_their_text(mini, code):
    page = class_report([("ada", Judgement(LAB, [], [Note(code, "any text")]))], {LAB: mini}, {})
    doubtful = code.startswith("cell_") or code in (NoteCode.CHECK_PUT_BACK, NoteCode.COMPUTER_BUSY)
    assert ("any text" in page) == (code in DOUBTFUL) == doubtful


@pytest.mark.parametrize("code", NoteCode)
def test_students_read_all_notes_but_those_on_how_long_something_took(mini, code):
    page = feedback_page(mini, "ada", Judgement(LAB, [], [Note(code, "any text")]))
    assert ("any text" in page) == (code not in (NoteCode.CELL_STOPPED, NoteCode.CELL_SLOW, NoteCode.COMPUTER_BUSY))


def test_the_same_note_six_times_stands_once_in_the_class_report(mini):
    notes = [Note(NoteCode.CELL_REPEATED, "there is more than one cell double; the first one was graded")] * 6
    page = class_report([("ada", Judgement(LAB, [], notes))], {LAB: mini}, {})
    assert page.count("more than one cell double") == 1
