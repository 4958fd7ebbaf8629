"""Five thousand damaged notebooks at the intake: none stops a run, and each that is refused gets a readable reason."""

from __future__ import annotations

import copy
import json
import random

import pytest

from helpers.grader.align import align
from helpers.grader.intake import Refused, collect, read_notebook
from tests.conftest import AVERAGE, DOUBLE

HOW_MANY = 5000
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
