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
from helpers.grader.judging.alignment import align
from helpers.grader.limits import Limits
from helpers.grader.run.grade import GradingOptions, grade
from tests.conftest import AVERAGE, DOUBLE

HOW_MANY = 5000
ARCHIVES = 600
LIMIT = 2**20
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


def places(item: object, path: tuple = ()) -> list[tuple]:
    """The paths to everything inside a JSON value."""
    inner = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    return [found for key, value in inner for found in (path + (key,), *places(value, path + (key,)))]


def mutated(notebook: dict, draw: random.Random) -> bytes:
    """A notebook with one to four changes of its structure, then perhaps some of its bytes."""
    changed = copy.deepcopy(notebook)
    for _ in range(draw.randint(0, 4)):
        path = draw.choice(places(changed))
        parent = changed
        for key in path[:-1]:
            parent = parent[key]
        kind = draw.randrange(4)
        if kind == 0:
            parent[path[-1]] = copy.deepcopy(draw.choice(JUNK))
        elif kind == 1:
            del parent[path[-1]]
        elif kind == 2 and isinstance(parent, list):
            parent.insert(path[-1], copy.deepcopy(parent[path[-1]]))
        elif isinstance(parent, dict):
            parent[draw.choice(TEXTS)] = parent[path[-1]]
        if not places(changed):
            break
    data = json.dumps(changed).encode()
    kind = draw.randrange(8)
    if kind == 0:
        return data[: draw.randrange(len(data))]
    if kind == 1:
        at = draw.randrange(len(data))
        return data[:at] + draw.randbytes(draw.randint(1, 8)) + data[at:]
    if kind == 2:
        return b"\xef\xbb\xbf" + data
    if kind == 3:
        return data.replace(b'"', draw.choice([b"'", b"", b"\x00"]), draw.randint(1, 3))
    return data


def test_no_damaged_notebook_stops_a_run(mini, notebook, tmp_path):
    whole = json.loads(json.dumps(notebook(DOUBLE, AVERAGE, answer="Because.")))
    draw, reasons, judged = random.Random(20), set(), 0
    path = tmp_path / "00_mini.ipynb"
    for number in range(HOW_MANY):
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
        judged += 1
    assert judged > HOW_MANY / 4 and len(reasons) >= 4, (judged, reasons)


@pytest.mark.parametrize("seed", range(20))
def test_odd_folders_are_collected_with_a_word_on_each(mini, tmp_path, seed):
    draw = random.Random(seed)
    names = ["ann", "Ann", "=cmd", "..hidden", "a" * 200, "b c", "00_mini", "x.zip", "é", "-dash", "a@b.org"]
    for name in draw.sample(names, 6):
        folder = tmp_path / name
        folder.mkdir()
        inner = draw.choice(["00_mini", "99_none", "deep/00_mini", ""])
        (folder / inner).mkdir(parents=True, exist_ok=True)
        (folder / inner / draw.choice(["00_mini.ipynb", "other.ipynb", "notes.txt"])).write_text("{}")
    (tmp_path / "broken.zip").write_bytes(draw.randbytes(50))
    found, remarks = collect(tmp_path, ["00_mini"], tmp_path / "scratch")
    assert all(item.path or item.refusal for item in found) and all(isinstance(text, str) for text in remarks)


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


def test_no_damaged_archive_stops_a_class(tmp_path):
    draw, whole, reasons = random.Random(5), archives(), set()
    for number in range(ARCHIVES):
        data = bytearray(draw.choice(whole))
        for _ in range(draw.randint(0, 3)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        (tmp_path / f"s{number}.zip").write_bytes(data[: draw.choice([len(data)] * 9 + [draw.randrange(len(data))])])
    found, _ = collect(tmp_path, ["00_mini"], tmp_path / ".scratch")
    assert len(found) == ARCHIVES
    for item in found:
        assert item.path or (10 < len(item.refusal) <= 500 and item.refusal.isprintable()), item
        reasons.add(item.refusal.split(":")[0])
    assert sum(item.path is not None for item in found) > ARCHIVES / 10 and len(reasons) > 8, reasons


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
    limits = Limits(cell=10, exercise=10, files=32 * 2**20)
    graded = grade(course, tmp_path / "in", tmp_path / "out", GradingOptions(kernel_name=kernel_name, limits=limits))
    points = {student: sum(row.points or 0 for row in judged.rows) for student, judged in graded.judgements}
    whole = dict.fromkeys(["a_honest", "half_in_a_cell", "latin_name", "large_beside", "z_honest"], 7)
    assert points == whole | {"half_in_outputs": 3, "latin_link": 0, "broken": 0}
    notes = {student: " ".join(note.text for note in judged.notes) for student, judged in graded.judgements}
    assert "L\ufffdsung" in notes["latin_name"] and "2.bin, 3.bin" in notes["large_beside"]
    printed = "half a pair: \ufffd"
    assert printed in (tmp_path / "out" / "feedback" / "half_in_outputs" / "00_mini" / "00_mini.html").read_text()
    assert printed in (tmp_path / "out" / "autograded" / "half_in_outputs" / "00_mini" / "00_mini.ipynb").read_text()
    with Gradebook(f"sqlite:///{tmp_path}/out/gradebook.db") as gradebook:
        assert gradebook.find_submission("00_mini", "z_honest").timestamp is None
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "grades.csv").read_text())))
    assert {row["student"] for row in rows} == set(points)
