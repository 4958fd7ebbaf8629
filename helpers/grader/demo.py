"""The demo: release the labs, grade a synthetic class, distil a teacher.

The class is made from the labs: right answers are the reference solutions, wrong ones are known misconceptions, and two
submissions are broken. Every mark in the table comes from running the notebooks through the judge.
"""

from __future__ import annotations

import ast
import copy
import shutil
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from helpers.experiments.tiny import CONTROL, MIXED, compare_students
from helpers.grader.course.lab import Lab, find_labs, load_lab
from helpers.grader.course.source import BEGIN, END
from helpers.grader.errors import GraderError
from helpers.grader.limits import Limits
from helpers.grader.release import release
from helpers.grader.run.class_table import class_table
from helpers.grader.run.grade import GradingOptions, grade
from helpers.grader.sandbox.doctor import isolates
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL, UNSAFE_KERNEL

CELL_SECONDS = 8.0  # instead of 30, so that the endless cell does not hold up the demo
ENDLESS_CELL = "# I wanted to see it learn\nwhile True:\n    pass"
MARKER = ".distillab-demo"  # marks a folder that the demo made and may therefore clear
STUDENTS_PER_LAB = 3  # with one misconception each, for each of the two labs
WITH_A_MISCONCEPTION = ("dan", "eli", "fay", "gus", "hana", "ivo")


def right_answers(lab: Lab) -> dict[str, str]:
    """Return the reference's cells by id: exercises without solution markers, and model answers to the questions."""
    answers = {}
    for cell in lab.notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            lines = [line for line in cell.source.split("\n") if line.strip() not in (BEGIN, END)]
            answers[cell.id] = "\n".join(lines)
    return answers


def misconception_cell(lab: Lab, exercise: str, name: str) -> str:
    """Return a misconception as the cell that a student would have written: renamed, without its decorator."""
    for node in ast.parse((lab.folder / "misconceptions.py").read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
            node.name, node.decorator_list = exercise, []
            return ast.unparse(node)
    raise GraderError(f"{lab.name}: misconceptions.py defines no {name}.")


def handed_in(released: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    """Return a copy of a released notebook with `answers`, by cell id, filled in."""
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    return notebook


def make_class(course: Path, labs: list[Lab], folder: Path) -> int:
    """Write eleven students' submissions for each lab into `folder`; return the number of notebooks."""
    count = 0
    for lab in labs:
        released = nbformat.read(course / "labs" / lab.name / f"{lab.name}.ipynb", as_version=4)
        right = right_answers(lab)
        half = dict(list(right.items())[: len(right) // 2])
        students = {"ada": right, "ben": {}, "cleo": half}
        students |= _with_misconceptions(lab, labs, right)
        endless = {**right, next(reversed(lab.exercises)): ENDLESS_CELL} if lab is labs[-1] else right
        students |= {"nils": endless, "olga": right}
        for student, answers in students.items():
            path = folder / student / lab.name / f"{lab.name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            text = nbformat.writes(handed_in(released, answers))
            if student == "olga" and lab is labs[0]:
                text = text[: len(text) // 2]  # as if the upload had been cut off
            path.write_text(text, encoding="utf-8")
            count += 1
    return count


def _with_misconceptions(lab: Lab, labs: list[Lab], right: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the answers of six students, each with one misconception in one lab and right answers in the other."""
    names = iter(WITH_A_MISCONCEPTION)
    students = {}
    for other in labs[-2:]:
        written = [exercise for exercise in other.exercises.values() if not exercise.quiz]
        for exercise in written[:STUDENTS_PER_LAB]:
            known = exercise.misconceptions[0].name
            wrong = {exercise.name: misconception_cell(other, exercise.name, known)} if other is lab else {}
            students[next(names)] = {**right, **wrong}
    return students


def demo(course: Path, output: Path) -> tuple[Path, dict[str, Any]]:
    """Run the demo and print its results. Except for labs/, everything it writes goes into `output`.

    Returns the page of one student's feedback, and what `compare_students` found.
    """
    course = Path(course).resolve()
    if output.exists() and any(output.iterdir()) and not (output / MARKER).exists():
        raise GraderError(f"{output} already contains something else. Choose another folder with --output.")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    (output / MARKER).touch()

    names = find_labs(course)[:2]
    _title("1. Release the labs that the class hands in")
    for path, outcome in release(course, names).items():
        print(f"   {path}: {outcome}")
    print("   make release does the same for all labs")
    labs = [load_lab(course, name) for name in names]

    _title("2. Grade a class")
    count = make_class(course, labs, output / "submitted")
    print(f"   {count} submissions; a cell may take {CELL_SECONDS:g} s here (30 s otherwise)")
    limits = replace(Limits(), cell=CELL_SECONDS)
    kernel = SANDBOX_KERNEL if isolates() else UNSAFE_KERNEL
    if kernel == UNSAFE_KERNEL:
        print("   This computer cannot isolate notebooks (see: distillab doctor). The demo runs only its own.")
    options = GradingOptions(labs=names, limits=limits, kernel_name=kernel)
    result = grade(course, output / "submitted", output / "graded", options)
    print(textwrap.indent(class_table(result.judgements, labs, result.totals), "   "))

    _title("3. Distil a teacher")
    distilled = distil()

    _title("Where to find the results")
    feedback = output / "graded" / "feedback" / "gus" / labs[-1].name / f"{labs[-1].name}.html"
    print(f"   marks     {output / 'graded' / 'grades.csv'} and {output / 'graded' / 'gradebook.db'}")
    print(f"   feedback  {output / 'graded' / 'feedback'}, for example {feedback}")
    print(f"   class     {output / 'graded' / 'class_report.html'}, with marks for Canvas and Moodle next to it")
    print("   labs      make lab opens a working copy in JupyterLab")
    return feedback, distilled


def distil() -> dict[str, Any]:
    """Distil the tiny teacher into the tiny student for one seed; print perplexities and distances from the truth.

    Returns what `compare_students` found.
    """
    result = compare_students(seeds=(0,), arms=(CONTROL, MIXED))
    print(f"   {'':<34}{'perplexity':>11}{'nats from the truth':>21}")
    for name, label in (("truth", "truth (the floor)"), ("teacher", "teacher"), ("before", "student before")):
        entry = result[name]
        print(f"   {label:<34}{entry['perplexity']['value']:>11.3f}{entry['distance']['value']:>21.3f}")
    for arm, label in ((CONTROL, "student, hard labels only"), (MIXED, "student, distilled")):
        entry = result["arms"][arm.name]
        print(f"   {label:<34}{entry['perplexity']['mean']:>11.3f}{entry['distance']['mean']:>21.3f}")
    setting = result["setting"]
    print(
        f"   Both students took {setting['steps']} steps on the same {setting['training_tokens']:,} tokens. "
        "One seed here, five in results/tiny_distillation.json."
    )
    return result


def _title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)
