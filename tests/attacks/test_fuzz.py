"""Damaged notebooks and archives at the intake: none stops a run, and each that is refused gets a readable reason."""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import random
import zipfile

import nbformat
import pytest
from nbgrader.api import Gradebook

from helpers.grader.errors import Refused
from helpers.grader.intake.collect import collect
from helpers.grader.intake.notebook import read_notebook
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.alignment import align
from helpers.grader.limits import Limits
from helpers.grader.notes import NoteCode
from helpers.grader.run.grade import GradingOptions, grade
from tests.conftest import AVERAGE, DOUBLE

LIMIT = 2**20  # bytes of a notebook
JUNK = [
    None,
    True,
    -1,
    10**400,
    1.5,
    "",
    "x",
    "\ud800",
    "=cmd()",
    "\x00",
    [],
    [[]],
    [None],
    {},
    {"a": {"b": []}},
    ["\n"] * 3,
]
TEXTS = ["nbformat", "cells", "metadata", "source", "cell_type", "nbgrader", "grade_id", "id", "outputs", "double"]


# --------------------------------------------------------------------------------------------------- damaged notebooks


def paths_in(value: object, path: tuple = ()) -> list[tuple]:
    """Return the paths to everything inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [inner for key, item in items for inner in (path + (key,), *paths_in(item, path + (key,)))]


def replace(parent, key, draw: random.Random) -> None:
    parent[key] = copy.deepcopy(draw.choice(JUNK))


def delete(parent, key, draw: random.Random) -> None:
    del parent[key]


def duplicate(parent, key, draw: random.Random) -> None:
    if isinstance(parent, list):
        parent.insert(key, copy.deepcopy(parent[key]))
    else:
        parent[draw.choice(TEXTS)] = parent[key]


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def insert_noise(data: bytes, draw: random.Random) -> bytes:
    position = draw.randrange(len(data))
    return data[:position] + draw.randbytes(draw.randint(1, 8)) + data[position:]


def add_byte_order_mark(data: bytes, draw: random.Random) -> bytes:
    return b"\xef\xbb\xbf" + data


def break_quotes(data: bytes, draw: random.Random) -> bytes:
    return data.replace(b'"', draw.choice([b"'", b"", b"\x00"]), draw.randint(1, 3))


def keep(data: bytes, draw: random.Random) -> bytes:
    return data


STRUCTURE = (replace, delete, duplicate, duplicate)
BYTES = (cut, insert_noise, add_byte_order_mark, break_quotes, keep, keep, keep, keep)


def mutated(notebook: dict, draw: random.Random) -> bytes:
    """Return a notebook with up to four changes to its structure, and perhaps one to its bytes."""
    changed = copy.deepcopy(notebook)
    for _ in range(draw.randint(0, 4)):
        paths = paths_in(changed)
        if not paths:
            break
        *outer, key = draw.choice(paths)
        parent = changed
        for step in outer:
            parent = parent[step]
        draw.choice(STRUCTURE)(parent, key, draw)
    return draw.choice(BYTES)(json.dumps(changed).encode(), draw)


@pytest.mark.slow
def test_no_damaged_notebook_stops_a_run(mini, notebook, tmp_path, fuzz_count):
    whole = json.loads(json.dumps(notebook(DOUBLE, AVERAGE, answer="Because.")))
    draw, reasons, aligned_count = random.Random(20), set(), 0
    path = tmp_path / "00_mini.ipynb"
    for number in range(fuzz_count):
        path.write_bytes(mutated(whole, draw))
        try:
            read = read_notebook(path, LIMIT)
        except Refused as refusal:
            reason = str(refusal)
            assert 10 < len(reason) <= 400 and reason.isprintable() and "Traceback" not in reason, (number, reason)
            reasons.add(reason.split(":")[0])
            continue
        aligned = align(mini, read)
        assert sorted(aligned.checks.values()) == sorted(mini.exercises), number
        aligned_count += 1
    assert aligned_count > fuzz_count / 4 and len(reasons) >= 4, (aligned_count, reasons)


# --------------------------------------------------------------------------------------------------------- odd folders

BAD_ID = "a student id has letters, digits and . _ - @ + ' , or spaces, first a letter or digit, at most 128"
NO_LAB = "no lab's notebook was handed in"
# What a student's folder holds → the submission's lab, and the code of its note or its refusal; None: no submission
CONTENTS = {
    "00_mini/00_mini.ipynb": ("00_mini", ""),
    "00_mini/other.ipynb": ("00_mini", NoteCode.OTHER_FILE_NAME),
    "00_mini/notes.txt": ("00_mini", "no 00_mini.ipynb in the folder"),
    "99_none/00_mini.ipynb": ("", NO_LAB),
    "99_none/other.ipynb": ("", NO_LAB),
    "99_none/notes.txt": None,
    "deep/00_mini/00_mini.ipynb": None,
    "00_mini.ipynb": ("00_mini", NoteCode.OUTSIDE_LAB_FOLDER),
    "other.ipynb": ("", NO_LAB),
    "notes.txt": None,
}
# A folder's name → the student, and the refusal if the name alone decides; None: skipped silently
NAMES = {
    "ann": ("ann", ""),
    "Ann": ("Ann", ""),
    "a@b.org": ("a@b.org", ""),
    "=cmd": ("=cmd", BAD_ID),
    "b c": ("b c", ""),
    "-dash": ("-dash", BAD_ID),
    "é": ("é", ""),
    "a;b": ("a;b", BAD_ID),
    "a" * 200: ("a" * 128, BAD_ID),
    "x.zip": ("x", ""),
    "..hidden": None,
}


def said_of(submission: Submission) -> str:
    """Return what is said of a submission: its refusal without the details, or else the codes of its notes."""
    assert submission.refusal or submission.path.is_file()
    return submission.refusal.split(":")[0] or " ".join(note.code for note in submission.notes)


@pytest.mark.parametrize("seed", range(20))
def test_every_odd_folder_has_its_outcome(tmp_path, seed):
    draw, expected, expected_remarks = random.Random(seed), {}, set()
    for name in sorted(draw.sample(list(NAMES), 6)):
        content = draw.choice(list(CONTENTS))
        path = tmp_path / name / content
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        if NAMES[name] is None:
            continue
        student, refusal = NAMES[name]
        if name == "ann" and "Ann" in {earlier for earlier, _ in expected}:
            refusal = "the student id differs from Ann only in upper and lower case"
        outcome = ("", refusal) if refusal else CONTENTS[content]
        if outcome is not None:
            expected[student, outcome[0]] = outcome[1]
        elif "/" in content:
            expected_remarks.add(f"{student}/{content.split('/')[0]}: no released lab has this name; ignored")
    (tmp_path / "broken.zip").write_bytes(b"no archive")
    expected["broken", ""] = "the archive cannot be read (File is not a zip file)"
    collected = collect(tmp_path, ["00_mini"], tmp_path / ".scratch")
    submissions, remarks = collected.submissions, collected.remarks
    assert {(item.student, item.lab): said_of(item) for item in submissions} == expected
    assert set(remarks) == expected_remarks and len(remarks) == len(expected_remarks)


# ---------------------------------------------------------------------------------------------------- damaged archives


def archives() -> list[bytes]:
    """Whole archives in every kind of packing."""
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", method) as archive:
            archive.writestr("00_mini/00_mini.ipynb", json.dumps({"cells": list(range(300))}))
            archive.writestr("00_mini/mine.py", "x = 1\n" * 20)
        made.append(sink.getvalue())
    return made


def test_no_damaged_archive_stops_a_class(tmp_path, fuzz_count):
    draw, whole, reasons, count = random.Random(5), archives(), set(), fuzz_count // 5
    for number in range(count):
        data = bytearray(draw.choice(whole))
        for _ in range(draw.randint(0, 3)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        (tmp_path / f"s{number}.zip").write_bytes(data[: draw.choice([len(data)] * 9 + [draw.randrange(len(data))])])
    found = collect(tmp_path, ["00_mini"], tmp_path / ".scratch").submissions
    assert len(found) == count
    for item in found:
        assert item.path or (10 < len(item.refusal) <= 500 and item.refusal.isprintable()), item
        reasons.add(item.refusal.split(":")[0])
    assert sum(item.path is not None for item in found) > count / 10 and len(reasons) > 8, reasons


# ------------------------------------------------------------------------------------------ text that cannot be encoded

FORGES = """import json
get_ipython().kernel.session.pack = lambda item: json.dumps(item, default=str).encode()
print("half a pair: \\ud800")"""
RAISES = "def double(values):\n    raise RuntimeError('half a pair: \\ud800')"


def test_what_no_text_can_hold_costs_nobody_else_a_mark(course, notebook, tmp_path, kernel_name):
    def hand_in(student: str, made: dict, name: str = "00_mini.ipynb"):
        folder = tmp_path / "in" / student / "00_mini"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(made))
        return folder

    right = notebook(DOUBLE, AVERAGE)
    hand_in("a_honest", right)
    half = notebook(DOUBLE, AVERAGE, answer="Because \ud800.")
    half.cells.insert(0, nbformat.v4.new_markdown_cell("half a pair: \ud800"))
    hand_in("half_in_a_cell", half)
    hand_in("half_in_outputs", notebook(RAISES, AVERAGE, before=FORGES))
    hand_in("latin_name", right, os.fsdecode(b"L\xf6sung.ipynb"))
    os.symlink("/etc", hand_in("latin_link", right) / os.fsdecode(b"L\xf6sung"))
    large = hand_in("large_beside", right)
    for number in range(4):
        (large / f"{number}.bin").write_bytes(b"")
        os.truncate(large / f"{number}.bin", 12 * 2**20)
    (tmp_path / "in" / "broken.zip").write_bytes(archives()[1].replace(b"00_mini/mine.py", b"00_mini/mine.p\xff"))
    with zipfile.ZipFile(tmp_path / "in" / "z_honest.zip", "w") as archive:
        archive.writestr("00_mini.ipynb", json.dumps(right))
        archive.writestr("timestamp.txt", "2020-01-01 00:00:00 UTC")
    limits = Limits(cell=4, exercise=4, files=32 * 2**20)
    graded = grade(course, tmp_path / "in", tmp_path / "out", GradingOptions(kernel_name=kernel_name, limits=limits))
    points = {student: sum(row.points or 0 for row in judged.rows) for student, judged in graded.judgements}
    whole = dict.fromkeys(["a_honest", "half_in_a_cell", "latin_name", "large_beside", "z_honest"], 7)
    assert points == whole | {"half_in_outputs": 3, "latin_link": 0, "broken": 0}
    notes = {student: " ".join(note.text for note in judged.notes) for student, judged in graded.judgements}
    assert "L\ufffdsung" in notes["latin_name"] and "2.bin, 3.bin" in notes["large_beside"]
    printed = "half a pair: \ufffd"
    feedback = (tmp_path / "out" / "feedback" / "half_in_outputs" / "00_mini" / "00_mini.html").read_text()
    assert printed not in feedback, "what an answer raised on a hidden case is not quoted"
    assert printed in (tmp_path / "out" / "autograded" / "half_in_outputs" / "00_mini" / "00_mini.ipynb").read_text()
    with Gradebook(f"sqlite:///{tmp_path}/out/gradebook.db") as gradebook:
        assert gradebook.find_submission("00_mini", "z_honest").timestamp is None
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "grades.csv").read_text())))
    assert {row["student"] for row in rows} == set(points)
