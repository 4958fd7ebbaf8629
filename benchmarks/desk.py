"""The instructor's way from a download to marks in the LMS: a class of 68, 191 hand-ins, damaged as real ones are.

    python -m benchmarks.desk                → results/desk.json
    python -m benchmarks.desk --make FOLDER  only writes the two downloads and the class lists into FOLDER
    python -m benchmarks.desk --lms canvas   only Canvas's way

Canvas's download is one archive for each lab, with everyone's files in it; Moodle's has a folder for each student. The
class lists are the LMS's own exports. Every command that is timed stands in docs/instructors.md.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import shlex
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from benchmarks.grading import answers_of
from benchmarks.measure import describe_machine
from helpers.experiments.machine import write_result
from helpers.grader.course.lab import Lab, load_lab
from helpers.grader.demo import handed_in
from helpers.grader.intake.names import letters

COURSE = Path(__file__).parents[1]
HAND_INS = {"01_temperature": 66, "02_loss": 64, "03_training": 61}  # 191 together
STUDENTS = 68
FIRST = "Ann Ben Chloé Daniel Eva François Grace Hana Ivo Jörg Kofi Lee Marta Núria Olga Pat Quentin Wei Zoë".split()
LAST = "Lee Müller O'Brien Smith-Jones García Łukasik Okafor van_Dam Nguyen Sørensen Wang İnce Doe".split()
OTHER_SCRIPTS = ["李 小龙", "王 伟", "Иванова Анна", "محمد علي", "מזרחי נועה"]  # last name first
EVERY = 5  # of the hand-ins, one is damaged
DAMAGE = (
    "other name", "upper case", "second try", "in an archive", "cut short", "empty", "damaged archive", "no notebook",
    "lab's number", "older copy beside it",
)  # fmt: skip
STRANGERS = 3  # hand-ins of people who are not on the class list, such as a dropped student
# Clicks in the LMS for three labs: counted from the menus that docs/instructors.md names, not measured.
CLICKS = {
    "canvas": {"download each lab's submissions": 9, "export the gradebook": 3, "import the marks": 5, "feedback": 12},
    "moodle": {"download each lab's submissions": 9, "export the grades": 4, "import the marks": 9, "feedback": 15},
}
# What is in desk.json and is not made here: the walk with an earlier version, and the keys that marking takes today.
COUNTED = ("before", "marking_today")


@dataclass(frozen=True)
class Student:
    """One student of the made-up class, with what either LMS calls them."""

    first: str
    last: str
    number: int

    @property
    def login(self) -> str:
        return f"s{self.number}"

    @property
    def canvas_name(self) -> str:
        """As Canvas runs it together: last and first name, letters only, in lower case."""
        return letters(self.last + self.first) or self.login

    @property
    def moodle_name(self) -> str:
        return f"{self.first} {self.last}".replace("_", " ")


def make_students() -> list[Student]:
    """Return the class: names as people have them, and a pair of the same name."""
    draw, names = random.Random(14), []
    for name in OTHER_SCRIPTS:
        last, first = name.split()
        names.append((first, last))
    while len(names) < STUDENTS - 1:
        name = (draw.choice(FIRST), draw.choice(LAST).replace("_", " "))
        if name not in names:
            names.append(name)
    names.append(names[-1])
    return [Student(first, last, 40_000 + 7 * place) for place, (first, last) in enumerate(names)]


def hand_ins(lab: Lab, students: list[Student]) -> Iterator[tuple[Student, dict[str, bytes], bool]]:
    """Yield who handed in what for a lab, as files by name, and whether it was late."""
    draw = random.Random(lab.name)
    released = nbformat.read(COURSE / "labs" / lab.name / f"{lab.name}.ipynb", as_version=4)
    for place, student in enumerate(draw.sample(students, HAND_INS[lab.name])):
        notebook = nbformat.writes(handed_in(released, answers_of(lab, place))).encode()
        damage = DAMAGE[place // EVERY % len(DAMAGE)] if place % EVERY == 0 else ""
        yield student, _files(lab.name, notebook, damage), draw.random() < 0.1


def _files(lab: str, notebook: bytes, damage: str) -> dict[str, bytes]:
    """Return a hand-in's files, damaged in one of the ways in which real ones are."""
    name = f"{lab}.ipynb"
    return {
        "": {name: notebook},
        "other name": {f"my {lab} final.ipynb": notebook},
        "upper case": {f"{lab.title()}.IPYNB": notebook},
        "second try": {name: notebook[: len(notebook) // 2], f"{lab}-1.ipynb": notebook},
        "in an archive": {"homework.zip": _zip({f"homework/{name}": notebook, "homework/mine.py": b"x = 1\n"})},
        "cut short": {name: notebook[: len(notebook) // 2]},
        "empty": {name: b""},
        "damaged archive": {"homework.zip": _zip({name: notebook})[:-40]},
        "no notebook": {"screenshot.png": b"\x89PNG"},
        "lab's number": {f"Lab {int(lab[:2])}.ipynb": notebook},
        "older copy beside it": {f"{lab} (1).ipynb": notebook, "notes.txt": b"done"},
    }[damage]


def _zip(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, (name, content) in enumerate(members.items()):
            when = (2026, 3, 1, 10 + place // 900, place // 15 % 60, place % 15 * 4)
            archive.writestr(zipfile.ZipInfo(name, when), content)
    return sink.getvalue()


def make_desk(folder: Path) -> None:
    """Write both downloads and both class lists into a folder."""
    students = make_students()
    strangers = [Student("Nobody", f"Known{place}", 90_000 + place) for place in range(STRANGERS)]
    attachment = 700_000
    for place, lab in enumerate(load_lab(COURSE, name) for name in HAND_INS):
        canvas: dict[str, bytes] = {}
        moodle: dict[str, bytes] = {}
        work = list(hand_ins(lab, students))
        work += [(stranger, work[0][1], False) for stranger in (strangers if lab.name == "01_temperature" else [])]
        for student, files, is_late in work:
            late = "LATE_" if is_late else ""
            for name, content in files.items():
                attachment += 1
                canvas[f"{student.canvas_name}_{late}{student.number}_{attachment}_{name}"] = content
                participant = 7_000 + 1_000 * place + student.number % 1_000  # another one in each assignment
                moodle[f"{student.moodle_name}_{participant}_assignsubmission_file/{name}"] = content
        for lms, members in (("canvas", canvas), ("moodle", moodle)):
            path = folder / lms / lab.name / ("submissions.zip" if lms == "canvas" else f"CS1-{lab.name}-4711.zip")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_zip(members))
    _write_lists(folder, students)


def _write_lists(folder: Path, students: list[Student]) -> None:
    """Write what Canvas's gradebook export and Moodle's grade export say of the class."""
    canvas = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section"], ["    Points Possible", "", "", "", ""]]
    moodle = [["First name", "Last name", "ID number", "Username", "Email address"]]
    for place, student in enumerate(students):
        name = f"{student.last}, {student.first}"
        canvas.append([name, str(student.number), f"m{student.number}", student.login, f"Group {place % 3}"])
        email = f"{student.login}@example.org"
        moodle.append([student.first, student.last, f"m{student.number}", student.login, email])
    for lms, rows, separator in (("canvas", canvas, ","), ("moodle", moodle, ";")):
        with open(folder / f"{lms}.csv", "w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file, delimiter=separator).writerows(rows)


# ----------------------------------------------------------------------------------------------------------- the walk


def commands(folder: Path, lms: str) -> list[list[str]]:
    """Return what an instructor types, from the download to what the LMS takes."""
    output = f"graded-{lms}"
    grade = ["grade", "--submissions", str(folder / lms), "--roster", str(folder / f"{lms}.csv"), "--output", output]
    zips = [["feedback-zip", "--for", lms, "--output", output, "--lab", lab] for lab in HAND_INS]
    return [grade, ["feedback", "--output", output], *zips]


def walk(folder: Path, lms: str) -> dict:
    """Run the commands for one LMS; return seconds, keys and clicks, and what became of the hand-ins."""
    steps = []
    for command in commands(folder, lms):
        course = ["--course", str(COURSE)] if command[0] != "feedback-zip" else []
        whole = [sys.executable, "-m", "helpers.cli", *command, *course]
        began = time.perf_counter()
        done = subprocess.run(whole, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        seconds = round(time.perf_counter() - began, 1)
        typed = shlex.join(["distillab", *command]).replace(f"{folder}/", "")
        steps.append({"command": typed, "keys": len(typed) + 1, "seconds": seconds})
        print(f"{seconds:7.1f} s  {typed}", flush=True)
    return {
        "steps": steps,
        "commands": len(steps),
        "keys": sum(step["keys"] for step in steps),
        "clicks_counted_from_menus": CLICKS[lms],
        "seconds": round(sum(step["seconds"] for step in steps), 1),
        "outcome": outcome(folder / f"graded-{lms}", lms),
    }


def outcome(output: Path, lms: str) -> dict:
    """Return how many hand-ins were judged, refused or nobody's, and whether both marks files agree."""
    with open(output / "grades.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    judged = {(row["student"], row["lab"]) for row in rows if row["exercise"]}
    refused = {(row["student"], row["lab"]) for row in rows if not row["exercise"] and row["verdict"]} - judged
    sums: dict[tuple[str, str], float] = {}
    for row in rows:
        if row["lab"]:
            key = row["student"], row["lab"]
            sums[key] = sums.get(key, 0.0) + float(row["points"] or 0)
    with open(output / f"lms_{lms}.csv", encoding="utf-8", newline="") as file:
        table = [row for row in csv.DictReader(file) if row.get("SIS User ID") or row.get("ID number")]
    marks = {}
    for row in table:
        for lab in HAND_INS:
            if text := row[lab if lms == "canvas" else f"{lab} (Real)"]:
                marks[row.get("SIS User ID") or row["ID number"], lab] = float(text)
    with open(output / "unmatched.csv", encoding="utf-8", newline="") as file:
        unmatched = list(csv.DictReader(file))
    return {
        "judged": len(judged),
        "refused_with_a_reason": len(refused),
        "without_a_student": len(unmatched),
        "of_which_with_a_suggestion": sum(bool(row["suggested_name"]) for row in unmatched),
        "students_in_the_lms_file": len(table),
        "cells_without_a_hand_in": STUDENTS * len(HAND_INS) - len(marks),
        "marks_that_disagree": sum(abs(marks.get(key, -1.0) - value) > 1e-3 for key, value in sums.items()),
    }


def main() -> None:
    """Make the class and walk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", type=Path, metavar="FOLDER", help="only write downloads and class lists")
    parser.add_argument("--lms", nargs="+", choices=sorted(CLICKS), default=sorted(CLICKS))
    parser.add_argument("--results", type=Path, default=COURSE / "results", metavar="FOLDER")
    options = parser.parse_args()
    if options.make:
        make_desk(options.make)
        return
    with tempfile.TemporaryDirectory(prefix="desk-") as scratch:
        make_desk(Path(scratch))
        before = options.results / "desk.json"
        known = json.loads(before.read_text(encoding="utf-8")) if before.is_file() else {}
        walks = {lms: walk(Path(scratch), lms) for lms in options.lms}
    students = {"students": STUDENTS, "hand_ins": sum(HAND_INS.values()), "strangers": STRANGERS}
    kept = {name: known[name] for name in (*CLICKS, *COUNTED) if name in known}
    write_result("desk", {"machine": describe_machine(), "class": students} | kept | walks, options.results)


if __name__ == "__main__":
    main()
