"""Feedback that a student can act on, as one self-contained HTML page a submission.

It says of each exercise what was called and with what kind of input, what came back, the likely cause and what to read
again; never a hidden case's numbers. Every text is escaped by jinja2.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

import nbformat
from jinja2 import Environment, PackageLoader
from nbformat import NotebookNode

from helpers.checks import explain_error
from helpers.grader.gradebook import exercise_verdict
from helpers.grader.judge import Judgement, Row
from helpers.grader.lab import Exercise, Lab

_TEMPLATES = Environment(loader=PackageLoader("helpers.grader"), autoescape=True, trim_blocks=True)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")

WORDS = {
    "correct": "right",
    "wrong": "wrong values",
    "error": "ends in an error",
    "missing": "not written",
    "timeout": "took too long",
    "memory": "took too much memory",
    "crash": "ended the kernel",
    "denied": "refused by the sandbox",
}
ADVICE = {
    "missing": "Write the function in its own cell, run the check below it, then hand the notebook in again.",
    "timeout": "Look for a loop that never ends, or for work that grows with the vocabulary times the sequence.",
    "memory": "Look for a tensor that grows in a loop, or for one of shape vocabulary times vocabulary.",
    "crash": "Something in this answer ends the whole Python process: look for exit() or os._exit().",
    "denied": "The answer reached for a file or the network. It needs neither: compute from the arguments alone.",
}


def feedback_page(lab: Lab, student: str, judgement: Judgement) -> str:
    """Return the page for one student and lab as the text of an HTML file."""
    refused = next((row.note for row in judgement.rows if not row.exercise), "")
    exercises = [_exercise(lab, exercise, judgement) for exercise in lab.exercises.values() if not refused]
    page = _TEMPLATES.get_template("feedback.html").render(
        lab=judgement.lab or lab.name,
        student=student,
        refusal=refused,
        exercises=exercises,
        points=_number(sum(row.points or 0 for row in judgement.rows)),
        max_points=_number(sum(row.max_points for row in judgement.rows if row.case)),
        waiting=_number(sum(row.max_points for row in judgement.rows if row.verdict == "manual")),
        answers=[_answer(row, judgement) for row in judgement.rows if row.verdict == "manual"],
        notes=judgement.notes,
    )
    return _ANSI.sub("", page)


def _exercise(lab: Lab, exercise: Exercise, judgement: Judgement) -> dict[str, Any]:
    rows = judgement.of(exercise.name)
    failed = [row for row in rows if row.verdict != "correct"]
    verdict, agreed = exercise_verdict(rows), len(rows) - len(failed)
    known = {item.name: item for item in exercise.misconceptions}
    named = dict.fromkeys(row.misconception for row in failed if row.misconception)
    return {
        "name": exercise.name,
        "call": _call(lab, exercise),
        "verdict": "right" if not failed else f"partly right: {WORDS[verdict]}" if agreed else WORDS[verdict],
        "kind": "right" if not failed else "partly" if agreed else "wrong",
        "mark": "✓" if not failed else "◐" if agreed else "✗",
        "points": _number(sum(row.points for row in rows)),
        "max_points": _number(exercise.points),
        "agreed": agreed,
        "total": len(rows),
        "causes": [{"diagnosis": known[name].diagnosis, "read": known[name].read} for name in named if name in known],
        "advice": _advice(failed),
        "failures": _grouped(failed),
        "code": _code(exercise.name, judgement),
    }


def _call(lab: Lab, exercise: Exercise) -> str:
    names = exercise.cases[0].options["names"]
    return f"{exercise.name}({', '.join(names)})"


def _advice(failed: list[Row]) -> str:
    """Return what to do next about the first failure that no misconception explains."""
    unexplained = [row for row in failed if not row.misconception]
    if not unexplained:
        return ""
    row = unexplained[0]
    if row.verdict == "error":
        kind, _, message = row.seen.partition(": ")
        return " ".join(explain_error({"type": kind, "message": message}))
    if all(item.case.startswith("validation") for item in unexplained):
        only = "The values are right; what is missing is" if len(unexplained) == len(failed) else "There must also be"
        return f"{only} a ValueError for bad input, raised before anything is computed."
    return ADVICE.get(row.verdict, "Run the lab's check on your machine, then try inputs of the kinds named below.")


def _grouped(failed: list[Row]) -> list[dict[str, Any]]:
    """Return the failures, those that look the same in one line."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in failed:
        groups.setdefault((row.verdict, row.seen or row.note, row.line), []).append(row)
    return [
        {
            "about": ", or with ".join(dict.fromkeys(row.about for row in rows if row.about)),
            "verdict": WORDS[verdict],
            "seen": seen,
            "line": line,
            "lost": _number(sum(row.max_points - row.points for row in rows)),
        }
        for (verdict, seen, line), rows in groups.items()
    ]


def _code(name: str, judgement: Judgement) -> str:
    cells = judgement.notebook.cells if judgement.notebook is not None else []
    sources = (cell.source for cell in cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)
    return next(sources, "")[:20_000]


def _answer(row: Row, judgement: Judgement) -> dict[str, Any]:
    title = row.exercise.removeprefix("answer_").replace("_", " ")
    text = judgement.answers.get(row.exercise, "")
    return {"name": row.exercise, "title": title, "text": text[:20_000], "max_points": _number(row.max_points)}


def _number(points: float) -> str:
    return f"{round(points, 2):g}"


def graded_notebook(lab: Lab, judgement: Judgement) -> NotebookNode:
    """Return the student's notebook with the outcome in each check cell, as formgrader shows it."""
    if judgement.notebook is None:
        text = "This notebook could not be graded: " + "; ".join(row.note for row in judgement.rows)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(escape(text))])
        notebook.cells[0]["id"] = "refusal"
        return notebook
    for cell in judgement.notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix("check_")
        if name in lab.exercises and cell.metadata.nbgrader.get("grade"):
            text = _plain(_exercise(lab, lab.exercises[name], judgement))
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
    return judgement.notebook


def _plain(item: dict[str, Any]) -> str:
    lines = [f"{item['mark']} {item['name']}: {item['verdict']}, {item['points']} of {item['max_points']} points"]
    lines += [f"Likely cause: {cause['diagnosis']} Read again: {cause['read']}." for cause in item["causes"]]
    lines += [f"What to do: {item['advice']}"] if item["advice"] else []
    for failure in item["failures"]:
        about = f" with {failure['about']}" if failure["about"] else ""
        at = f" (at: {failure['line']})" if failure["line"] else ""
        lines.append(f"- {item['call']}{about}: {failure['verdict']}. {failure['seen']}{at}")
    return "\n".join(lines) + "\n"
