"""How many hostile submissions end as they should: this grader beside stock nbgrader.

    python -m benchmarks.attacks        → results/attacks.json

The submissions are those of `tests/attacks/table.py`. Stock nbgrader gets the same lab with asserts for checks; right
is a run that ends, the right points, nothing written outside and nothing left running. Stock has no sandbox: what would
harm this computer (bombs, floods, signals to others) is not run on it, and not counted.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from benchmarks.measure import describe_machine
from helpers.experiments.machine import write_result
from helpers.grader.release import put_environment_first, release
from helpers.grader.run.grade import GradingOptions, grade
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from tests.attacks.table import ATTACKS, EXPECTED, MARKER, Place, notebook, put_beside, shortcomings
from tests.attacks.test_attacks import HONEST, LIMITS
from tests.conftest import AVERAGE, CASES, DOUBLE, MISCONCEPTIONS, ROOT, SOURCE

HARMFUL = ("r03", "r20_signals", "r20_writes_a_library", "r21", "r22", "r23", "r24", "r25", "r26", "r34")
HARMFUL += ("r45", "r49", "r50", "r54_a_file")  # memory, page tables, processes without end, a copy of a terabyte
CHECKS = {
    "double": (4, """values = torch.tensor([1.5, -2.0, 0.0])
assert torch.allclose(double(values), values * 2)
try:
    double(torch.empty(0))
    raise RuntimeError("no ValueError")
except ValueError:
    pass"""),
    "Average": (3, "assert torch.allclose(Average(2.0)(torch.tensor([1.0, 3.0])), torch.tensor(4.0))"),
}  # fmt: skip


def stock_course(folder: Path) -> nbformat.NotebookNode:
    """Make a course of stock nbgrader in `folder`; return its one notebook as students get it."""
    cells = [nbformat.v4.new_code_cell("import torch", id="setup")]
    for name, source in (("double", DOUBLE), ("Average", AVERAGE)):
        points, check = CHECKS[name]
        own = {"grade": False, "solution": True, "locked": False, "grade_id": name, "schema_version": 3}
        test = own | {"grade": True, "solution": False, "locked": True, "grade_id": f"check_{name}", "points": points}
        cells.append(nbformat.v4.new_code_cell(source, id=name, metadata={"nbgrader": own}))
        cells.append(nbformat.v4.new_code_cell(check, id=f"check_{name}", metadata={"nbgrader": test}))
    asked = {
        "grade": True,
        "solution": True,
        "locked": False,
        "grade_id": "answer_why",
        "schema_version": 3,
        "points": 2,
    }
    answer = nbformat.v4.new_markdown_cell("Because it is twice as much.", id="answer_why")
    answer.metadata["nbgrader"] = asked | {"grade_id": "answer_why", "points": 2}
    cells.append(answer)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    (folder / "source" / "00_mini").mkdir(parents=True)
    nbformat.write(made, folder / "source" / "00_mini" / "00_mini.ipynb")
    _nbgrader(folder, "generate_assignment", "00_mini")
    return made


def _nbgrader(folder: Path, *arguments: str) -> bool:
    command = [sys.executable, "-m", "nbgrader", *arguments, "--ExecutePreprocessor.timeout=5"]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, timeout=120).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def stock_is_right(course: Path, name: str, place: Place) -> bool:
    """Have stock nbgrader grade one submission in a copy of the course."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "course"
        shutil.copytree(course, folder)
        outside = Path(scratch) / "outside"
        outside.mkdir()
        listener, gradebook = f"{scratch}/listener", str(folder / "gradebook.db")
        here = Place(place.released, str(folder), gradebook, place.neighbour, str(outside), listener, os.getpid())
        path = folder / "submitted" / name / "00_mini" / "00_mini.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(ATTACKS[name](here), path)
        put_beside(name, path.parent)
        with closing(_listening(listener)) as heard:
            ended = _nbgrader(folder, "autograde", "00_mini", "--student", name)
            reached = _has_heard(heard)
        if not ended or reached or list(outside.iterdir()):
            return False
        with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
            score = gradebook.find_submission("00_mini", name).score
        expected = EXPECTED[name].points
        return 0 <= score <= 7 if expected is None else abs(score - expected) < 1e-6


def ours(root: Path) -> dict[str, bool]:
    """Grade the whole class with this grader; say of each submission whether its outcome is right."""
    course = root / "course"
    folder = course / "solutions" / "00_mini"
    folder.mkdir(parents=True)
    for name, text in (("00_mini.py", SOURCE), ("cases.py", CASES), ("misconceptions.py", MISCONCEPTIONS)):
        (folder / name).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "nbgrader_config.py", course)
    release(course)
    released = nbformat.read(course / "labs" / "00_mini" / "00_mini.ipynb", as_version=4)
    (root / "outside").mkdir()
    neighbour = str(root / "submitted" / "a_honest" / "00_mini" / "00_mini.ipynb")
    gradebook = str(root / "graded" / "gradebook.db")
    listener = str(root / "listener")
    place = Place(released, str(course), gradebook, neighbour, str(root / "outside"), listener, os.getpid())
    made = {student: notebook(place) for student in HONEST} | {name: make(place) for name, make in ATTACKS.items()}
    for student, submission in made.items():
        path = root / "submitted" / student / "00_mini" / "00_mini.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(submission, path)
        put_beside(student, path.parent)
    options = GradingOptions(limits=LIMITS, kernel_name=SANDBOX_KERNEL)
    with closing(_listening(listener)) as heard:
        graded = dict(grade(course, root / "submitted", root / "graded", options).judgements)
        reached = _has_heard(heard)
    whole = all(sum(row.points or 0 for row in graded[student].rows) == 7 for student in HONEST)
    clean = not reached and not list((root / "outside").iterdir())
    return {name: whole and clean and not shortcomings(graded[name], EXPECTED[name]) for name in ATTACKS}


def _listening(path: str) -> socket.socket:
    """Return a socket at `path`, to which nothing that is graded may connect."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    return listener


def _has_heard(listener: socket.socket) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


def _end_leftovers() -> None:
    """End what an attack on stock left running; it is known by its marker."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if MARKER in path.read_bytes().decode(errors="replace"):
                os.kill(int(path.parent.name), signal.SIGKILL)
        except OSError:
            continue  # it ended in between


def main() -> None:
    """Run both and write the result."""
    parser = argparse.ArgumentParser(description="How many hostile submissions end as they should.")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    put_environment_first()
    with tempfile.TemporaryDirectory() as scratch:
        right = ours(Path(scratch))
    with tempfile.TemporaryDirectory() as scratch:
        released = stock_course(Path(scratch))
        neighbour = str(Path(scratch) / "source" / "00_mini" / "00_mini.ipynb")
        place = Place(released, "", "", neighbour, "", "", os.getpid())
        tried = [name for name in ATTACKS if not name.startswith(HARMFUL)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            stock = dict(
                zip(tried, pool.map(lambda name: stock_is_right(Path(scratch), name, place), tried), strict=True)
            )
        _end_leftovers()
    result = {
        "machine": describe_machine(),
        "submissions": {name: {"distillab": right[name], "stock nbgrader": stock.get(name)} for name in ATTACKS},
        "distillab": {"right": sum(right.values()), "of": len(right)},
        "stock nbgrader": {"right": sum(stock.values()), "of": len(stock)},
    }
    write_result("attacks", result, chosen.results)
    for grader in ("distillab", "stock nbgrader"):
        print(f"{grader}: {result[grader]['right']} of {result[grader]['of']} hostile submissions end as they should")


if __name__ == "__main__":
    main()
