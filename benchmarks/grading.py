"""How fast a class is graded, beside stock `nbgrader autograde`, and what a submission costs when there are many.

    python -m benchmarks.grading                              → results/grading.json
    python -m benchmarks.grading --stock 8                    stock nbgrader on the first 8 students only: it is slow
    python -m benchmarks.grading --scale 50 1000              → results/grading_scale.json

The class is honest: right answers and known mistakes, one a student and lab. For stock nbgrader each hidden case
becomes a test cell with an assert, worth the same points, in the same lab; both graders get the same answers and must
give the same marks, so marks do not carry through here. Its notebooks run in the kernel `python3`, ours in the sandbox.

The second command grades on a Dask cluster of real processes on this machine; in the larger class a worker is killed
half-way, and its nanny starts another.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from benchmarks.measure import describe_machine
from helpers.checks.encoding import encode
from helpers.experiments.machine import write_result
from helpers.grader.course.cases import Case
from helpers.grader.course.lab import Lab, load_lab, seed_of
from helpers.grader.course.settings import FILE
from helpers.grader.demo import handed_in, misconception_cell, right_answers
from helpers.grader.release import instructor_notebook, put_environment_first

COURSE = Path(__file__).parents[1]
LABS = ("01_temperature", "02_loss")
TEST = """import json as _json
from helpers.checks.compare import differs as _differs
from helpers.checks.encoding import decode as _decode
from helpers.checks.observers import observe as _observe
_case = _json.loads({case!r})
_arguments = [_decode(item) for item in _case["arguments"]]
_seen = _observe(_case["observe"], {name}, _arguments, _decode(_case["options"]), _case["seed"])
assert "values" in _seen, _seen
_right, _values = _case["right"], _seen["values"]
_right, _values = ({{label: _decode(item) for label, item in side.items()}} for side in (_right, _values))
assert not _differs(_right, _values, _case["absolute"], _case["relative"])
"""


# ---------------------------------------------------------------------------------------------------------- the class


def answers_of(lab: Lab, student: int) -> dict[str, str]:
    """Return a student's answers: every third is right, the others have one known mistake, all of them in turn."""
    right = right_answers(lab)
    if student % 3 == 0:
        return right
    written = [exercise for exercise in lab.exercises.values() if not exercise.quiz]
    known = [(exercise.name, item.name) for exercise in written for item in exercise.misconceptions]
    exercise, name = known[student % len(known)]
    return right | {exercise: misconception_cell(lab, exercise, name)}


def write_class(folder: Path, labs: list[Lab], students: int, released: Callable[[Lab], Path]) -> None:
    """Write the hand-ins of a class in nbgrader's layout; `released` says where a lab's released notebook lies."""
    for lab in labs:
        empty = nbformat.read(released(lab), as_version=4)
        for student in range(students):
            path = folder / f"student{student:04}" / lab.name / f"{lab.name}.ipynb"
            path.parent.mkdir(parents=True)
            nbformat.write(handed_in(empty, answers_of(lab, student)), path)


# -------------------------------------------------------------------------------------------------------------- stock


def stock_notebook(lab: Lab) -> nbformat.NotebookNode:
    """Return the lab with a test cell a case where our check stands, as a stock instructor would write it."""
    notebook, cells = instructor_notebook(lab), []
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if not grade_id.startswith("check_"):
            cells.append(cell)
            continue
        exercise = lab.exercises[grade_id.removeprefix("check_")]
        for case in exercise.cases:
            test = nbformat.v4.new_code_cell(test_source(lab, case))
            role = dict(cell.metadata.nbgrader) | {"grade_id": f"test_{case.exercise}_{case.name}"}
            test.metadata["nbgrader"] = role | {"points": exercise.case_points[case.name]}
            cells.append(test)
    notebook.cells = cells
    return notebook


def test_source(lab: Lab, case: Case) -> str:
    """Return the code of one stock test cell."""
    right, case = lab.key(case.exercise)[case.name].expected, case.as_called()
    plain = {
        "observe": case.observe,
        "arguments": [encode(argument) for argument in case.arguments],
        "options": encode(case.options),
        "seed": seed_of(case),
        "right": {label: encode(item) for label, item in right.items()},
        "absolute": case.absolute,
        "relative": case.relative,
    }
    return TEST.format(case=json.dumps(plain), name=case.exercise)


def grade_stock(folder: Path, labs: list[Lab], students: int) -> tuple[float, dict[tuple[str, str], float]]:
    """Grade the class with stock nbgrader. Return the seconds and the points by student and lab."""
    nbgrader = str(Path(sys.executable).parent / "nbgrader")
    for lab in labs:
        path = folder / "source" / lab.name / f"{lab.name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(stock_notebook(lab), path)
        _run([nbgrader, "generate_assignment", lab.name], folder)
    write_class(folder / "submitted", labs, students, lambda lab: folder / "release" / lab.name / f"{lab.name}.ipynb")
    began = time.perf_counter()
    for lab in labs:
        _run([nbgrader, "autograde", lab.name], folder)
    seconds = time.perf_counter() - began
    points = {}
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        for lab in labs:
            for submission in gradebook.assignment_submissions(lab.name):
                points[submission.student_id, lab.name] = submission.code_score
    return seconds, points


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")


# --------------------------------------------------------------------------------------------------------------- ours


def course_for_comparison(folder: Path) -> Path:
    """Return a course like ours in the new folder `folder`; it charges a mistake each time, as stock nbgrader does."""
    for name in ("solutions", "labs"):  # not links, which would lead to our own settings
        shutil.copytree(COURSE / name, folder / name)
    (folder / "docs").symlink_to(COURSE / "docs")  # the labs' pictures
    config = (COURSE / FILE).read_text(encoding="utf-8")
    (folder / FILE).write_text(f"{config}\nc.Judge.carry_through = False\n", encoding="utf-8")
    return folder


def grade_ours(submissions: Path, output: Path, *more: str, course: Path = COURSE) -> subprocess.Popen:
    """Start `distillab grade`."""
    command = [sys.executable, "-m", "helpers.cli", "grade", "--submissions", str(submissions)]
    command += ["--output", str(output), "--course", str(course), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=COURSE)


def finish(grader: subprocess.Popen) -> float:
    """Wait for the grader's end; return its peak memory in MB."""
    _, status, usage = os.wait4(grader.pid, 0)
    grader.returncode = os.waitstatus_to_exitcode(status)
    if grader.returncode:
        raise SystemExit(f"distillab grade ended with {grader.returncode}")
    return usage.ru_maxrss * 1024 / 1e6


def points_of(output: Path) -> dict[tuple[str, str], float]:
    """Return the points from `grades.csv` by student and lab, written answers left out."""
    points: dict[tuple[str, str], float] = {}
    with open(output / "grades.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["case"]:
                where = row["student"], row["lab"]
                points[where] = points.get(where, 0.0) + float(row["points"])
    return points


def compare(students: int, stock: int, workers: int | None) -> dict:
    """Grade the same class with both graders."""
    labs = [load_lab(COURSE, name) for name in LABS]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_class(folder / "in", labs, students, lambda lab: COURSE / "labs" / lab.name / f"{lab.name}.ipynb")
        course = course_for_comparison(folder / "course")
        began = time.perf_counter()
        at_once = [] if workers is None else ["--workers", str(workers)]
        memory = finish(grade_ours(folder / "in", folder / "out", *at_once, "--lab", *LABS, course=course))
        ours, ours_points = time.perf_counter() - began, points_of(folder / "out")
        print(f"distillab grade: {len(ours_points)} submissions in {ours:.0f} s", flush=True)
        (folder / "stock").mkdir()
        theirs, stock_points = grade_stock(folder / "stock", labs, stock)
        print(f"nbgrader autograde: {len(stock_points)} submissions in {theirs:.0f} s", flush=True)
    same = [where for where, points in stock_points.items() if abs(points - ours_points[where]) < 1e-3]
    rates = {"ours": 60 * len(ours_points) / ours, "stock": 60 * len(stock_points) / theirs}
    return {
        "labs": LABS,
        "workers": workers or "the default",
        "ours": {"submissions": len(ours_points), "seconds": round(ours, 1), "per_minute": round(rates["ours"], 1)}
        | {"peak_memory_mb": round(memory)},
        "stock": {"submissions": len(stock_points), "seconds": round(theirs, 1)}
        | {"per_minute": round(rates["stock"], 2)},
        "ratio": round(rates["ours"] / rates["stock"], 1),
        "same_marks": f"{len(same)} of {len(stock_points)}",
        "different": sorted(
            [*where, points, ours_points[where]] for where, points in stock_points.items() if where not in same
        ),
    }


# -------------------------------------------------------------------------------------------------------------- scale


def scale(sizes: list[int], workers: int) -> dict:
    """Grade classes of several sizes on a cluster; in the largest a worker is killed half-way."""
    lab = load_lab(COURSE, LABS[0])
    runs = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            write_class(folder / "in", [lab], size, lambda lab: COURSE / "labs" / lab.name / f"{lab.name}.ipynb")
            runs.append(_on_cluster(folder, size, workers, kill=size == max(sizes) and len(sizes) > 1))
            print(json.dumps(runs[-1]), flush=True)
    per_submission = [run["seconds"] / run["submissions"] for run in runs]
    return {
        "lab": lab.name,
        "workers": workers,
        "runs": runs,
        "cost_ratio": round(per_submission[-1] / per_submission[0], 3),
    }


def _on_cluster(folder: Path, size: int, workers: int, kill: bool) -> dict:
    from distributed import Client

    file, quiet = folder / "scheduler.json", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    dask, place = [sys.executable, "-m", "dask"], ["--scheduler-file", str(file), "--no-dashboard"]
    scheduler = subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *place], **quiet)
    options = ["--nworkers", str(workers), "--nthreads", "1", "--local-directory", str(folder / "dask")]
    crew = subprocess.Popen([*dask, "worker", *place, *options], **quiet)
    try:
        while not (file.exists() and file.read_text().strip().endswith("}")):
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=120)
            began = time.perf_counter()
            grader = grade_ours(folder / "in", folder / "out", "--cluster", address, "--lab", LABS[0])
            killed = 0
            ended = partial(os.waitid, os.P_PID, grader.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            while kill and not killed and ended() is None:
                if len(list((folder / "out" / "judgements").glob("*/*.json"))) >= size // 2:
                    killed = next(iter(client.run(os.getpid).values()))
                    os.kill(killed, signal.SIGKILL)
                time.sleep(0.5)
            memory = finish(grader)
            seconds = time.perf_counter() - began
    finally:
        for running in (crew, scheduler):
            running.terminate()
            running.wait()
    points = points_of(folder / "out")
    return {
        "submissions": size,
        "judged": len(points),
        "worker_killed": bool(killed),
        "seconds": round(seconds, 1),
        "seconds_per_submission": round(seconds / size, 3),
        "peak_memory_of_the_grader_mb": round(memory),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description="Grade a class; compare with stock nbgrader, or with a larger class.")
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--stock", type=int, help="students that stock nbgrader grades (default: all)")
    parser.add_argument(
        "--workers", type=int, help="judged at once (default: the grader's own; a cluster's: the cores)"
    )
    parser.add_argument(
        "--scale", type=int, nargs="+", metavar="N", help="class sizes to grade on a Dask cluster instead"
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    put_environment_first()
    if chosen.scale:
        name, result = "grading_scale", scale(chosen.scale, chosen.workers or os.cpu_count() or 1)
    else:
        stock = chosen.students if chosen.stock is None else min(chosen.stock, chosen.students)
        name, result = "grading", compare(chosen.students, stock, chosen.workers)
    write_result(name, {"machine": describe_machine()} | result, chosen.results)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
