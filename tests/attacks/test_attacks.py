"""Every row of the list of attacks, in one class with honest students before, between and after, on the real grader."""

from __future__ import annotations

import csv
import json
import os
import socket
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbgrader.api import Gradebook

from helpers.grader.judging.judgement import Judgement
from helpers.grader.limits import Limits
from helpers.grader.run.grade import GradingOptions, grade
from helpers.grader.sandbox.doctor import isolates, report
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from tests.attacks.table import (
    ATTACKS,
    EXPECTED,
    FORMULA,
    LEAKED,
    MARKER,
    REFUSED,
    Place,
    notebook,
    put_beside,
    shortcomings,
)

LIMITS = Limits(cell=3, exercise=6, notebook=25, memory=700 * 2**20, processes=64, files=32 * 2**20, output=200_000)
GROWTH = 500 * 2**20  # bytes that the grader may take up, besides what it holds already; 1200 MiB are sent to it
NOTICES = 10_000  # characters that the grader itself adds: results of checks, and what was cut or not run
HONEST = ("a_honest", "r15_in_between", "z_honest")

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(not isolates(), reason=f"this host cannot build the sandbox:\n{report()}"),
]


class Graded(NamedTuple):
    """The graded class."""

    root: Path
    judgements: dict[str, Judgement]
    growth: int  # bytes of memory that the grader took up at most
    listener: socket.socket


@pytest.fixture(scope="module")
def graded(course, tmp_path_factory):
    """One class with every attack in it, and honest students."""
    root = tmp_path_factory.mktemp("class")
    outside = root / "outside"
    outside.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(root / "listener"))
    listener.listen()
    place = Place(
        released=nbformat.read(course / "labs" / "00_mini" / "00_mini.ipynb", as_version=4),
        course=str(course),
        gradebook=str(root / "graded" / "gradebook.db"),
        neighbour=str(root / "submitted" / "a_honest" / "00_mini" / "00_mini.ipynb"),
        outside=str(outside),
        listener=str(root / "listener"),
        process=os.getpid(),
    )
    made = {student: notebook(place) for student in HONEST} | {name: make(place) for name, make in ATTACKS.items()}
    for student, submission in made.items():
        path = root / "submitted" / student / "00_mini" / "00_mini.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(submission, path)
        put_beside(student, path.parent)
    for _, put in REFUSED.values():
        put(root / "submitted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", "a-secret-token")
        options = GradingOptions(limits=LIMITS, kernel_name=SANDBOX_KERNEL)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = own_memory("VmRSS")
        judged = grade(course, root / "submitted", root / "graded", options)
    with listener:
        listener.setblocking(False)
        yield Graded(root, dict(judged.judgements), own_memory("VmHWM") - before, listener)


def own_memory(name: str) -> int:
    """Bytes of this process's memory: VmRSS, or VmHWM for the peak."""
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) * 1024


@pytest.mark.parametrize("student", HONEST)
def test_honest_students_keep_all_their_points(graded, student):
    judgements = graded.judgements
    assert sum(row.points or 0 for row in judgements[student].rows) == 7
    assert not judgements[student].notes


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_has_its_right_outcome(graded, name):
    judgements = graded.judgements
    assert shortcomings(judgements[name], EXPECTED[name]) == []
    if name.startswith("r40_public"):
        assert sum(row.points or 0 for row in judgements[name].rows) < 7


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_a_reason(graded, name):
    (row,) = graded.judgements[name].rows
    assert row.verdict == REFUSED[name][0] and row.note.isprintable() and len(row.note) > 10


def test_marks_in_the_gradebook_are_those_that_were_given(graded):
    root, judgements = graded[:2]
    with Gradebook(f"sqlite:///{root}/graded/gradebook.db") as gradebook:
        for student, judgement in judgements.items():
            if student in REFUSED:
                continue
            submission = gradebook.find_submission("00_mini", student)
            assert submission.score == pytest.approx(sum(row.points or 0 for row in judgement.rows)), student


def test_every_row_of_the_table_of_marks_has_a_verdict(graded):
    root, judgements = graded[:2]
    rows = list(csv.DictReader((root / "graded" / "grades.csv").open()))
    assert {row["student"] for row in rows} == {*judgements, f"'{FORMULA}"} - {FORMULA}, "no name is a formula"
    assert all(row["verdict"] for row in rows)


def test_nothing_was_written_and_nothing_runs_on(graded):
    root = graded.root
    assert list((root / "outside").iterdir()) == []
    running = [path for path in Path("/proc").glob("[0-9]*/cmdline") if MARKER in _read(path)]
    assert running == []


def test_r45_the_graders_memory_stays_what_it_was(graded):
    assert graded.growth < GROWTH


def test_r46_nothing_is_led_to_a_socket_outside(graded):
    with pytest.raises(BlockingIOError):
        graded.listener.accept()


def test_output_is_cut_at_the_limit(graded):
    root = graded.root
    kept = {path.parents[1].name: _size_of_outputs(path) for path in (root / "graded" / "autograded").rglob("*.ipynb")}
    assert {student: size for student, size in kept.items() if size > LIMITS.output + NOTICES} == {}
    assert kept["r25_flood_in_small_pieces"] > 0.9 * LIMITS.output, "what comes before the limit is kept"
    assert kept["a_honest"] < NOTICES


def _size_of_outputs(path: Path) -> int:
    """The number of characters of all outputs in a stored notebook."""
    cells = nbformat.read(path, as_version=4).cells
    return sum(len(json.dumps(cell.outputs)) for cell in cells if cell.cell_type == "code")


def test_feedback_is_escaped(graded):
    root = graded.root
    for path in (root / "graded" / "feedback").rglob("*.html"):
        text = path.read_text()
        assert "<script>alert" not in text and "\x1b" not in text


def test_no_hidden_input_comes_back(graded):
    root, judgements = graded[:2]
    students = [name for name in judgements if name.startswith("r48")]
    texts = {"grades.csv": (root / "graded" / "grades.csv").read_text()}
    for student in students:
        for folder, ending in (("autograded", "ipynb"), ("feedback", "html")):
            path = root / "graded" / folder / student / "00_mini" / f"00_mini.{ending}"
            texts[str(path)] = path.read_text()
        texts[student] = str(judgements[student].rows)
    assert len(texts) == 1 + 3 * len(students) > 1
    assert [name for name, text in texts.items() if LEAKED in text] == []


@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith("r51")])
def test_validation_marks_need_a_look_at_the_input(graded, name):
    judgements = graded.judgements
    assert [row.points for row in judgements[name].rows if row.case.startswith("validation")] == [0]


def test_a_written_answer_loads_nothing_by_itself(graded):
    root = graded.root
    folder = root / "graded" / "autograded" / "r52_pictures_that_tell_when_they_are_seen" / "00_mini"
    cells = nbformat.read(folder / "00_mini.ipynb", as_version=4).cells
    text = next(cell.source for cell in cells if "seen.png" in cell.source)
    assert "![" not in text and "<img" not in text


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""  # the process ended in between
