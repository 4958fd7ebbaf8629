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

from helpers.checks.visible_check import explain_error
from helpers.grader.course.lab import Exercise, Lab
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.reports.gradebook import ManualMarks, exercise_verdict
from helpers.grader.reports.sanitize import make_harmless

TEMPLATES = Environment(loader=PackageLoader("helpers.grader.reports"), autoescape=True, trim_blocks=True)
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


def feedback_page(lab: Lab, student: str, judgement: Judgement, given: ManualMarks | None = None) -> str:
    """Return the page for one student and lab as the text of an HTML file, with what a person added in formgrader."""
    given = given or ManualMarks()
    refused = next((row.note for row in judgement.rows if not row.exercise), "")
    exercises = [_exercise(lab, exercise, judgement) for exercise in lab.exercises.values() if not refused]
    for item in exercises:
        _add_persons_part(item, f"check_{item['name']}", given)
        item["comment"] = given.comments.get(item["name"], "")
    answers = [_answer(row, judgement, given) for row in judgement.rows if row.verdict == "manual"]
    waiting = [answer for answer in answers if answer["waiting"]]
    counted = [item["counts"] for item in exercises] + [answer["counts"] for answer in answers]
    page = TEMPLATES.get_template("feedback.html").render(
        lab=judgement.lab or lab.name,
        student=student,
        refusal=refused,
        exercises=exercises,
        points=number(max(0.0, sum(counted) - given.penalty)),
        max_points=number(sum(row.max_points or 0.0 for row in judgement.rows)),
        waiting=number(sum(answer["most"] for answer in waiting)) if waiting else "",
        penalty=number(given.penalty) if given.penalty else "",
        answers=answers,
        notes=[note.text for note in judgement.notes],
    )
    return clean(page)


def clean(page: str) -> str:
    """Return a page without the control characters and terminal colours that a message may hold."""
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
        "counts": sum(row.points for row in rows),
        "points": number(sum(row.points for row in rows)),
        "max_points": number(exercise.points),
        "agreed": agreed,
        "total": len(rows),
        "causes": [{"diagnosis": known[name].diagnosis, "read": known[name].read} for name in named if name in known],
        "advice": _advice(failed),
        "failures": _grouped(failed),
        "code": judgement.code.get(exercise.name, "")[:20_000],
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
        return " ".join(explain_error({"type": kind, "message": message, "line": row.line}))
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
            "lost": number(sum(row.max_points - row.points for row in rows)),
        }
        for (verdict, seen, line), rows in groups.items()
    ]


def _add_persons_part(item: dict[str, Any], cell: str, given: ManualMarks) -> None:
    """Put a mark that a person gave in place of the judged one, and the extra credit on top."""
    item["by_person"] = cell in given.scores
    extra = given.extra.get(cell, 0.0)
    item["counts"] = given.scores.get(cell, item["counts"]) + extra
    item["points"], item["extra"] = number(item["counts"]), number(extra) if extra else ""


def _answer(row: Row, judgement: Judgement, given: ManualMarks) -> dict[str, Any]:
    text = judgement.answers.get(row.exercise, "")
    item = {
        "name": row.exercise,
        "title": row.exercise.removeprefix("answer_").replace("_", " "),
        "text": text[:20_000],
        "most": row.max_points,
        "max_points": number(row.max_points),
        "waiting": bool(text) and row.exercise not in given.scores,
        "comment": given.comments.get(row.exercise, ""),
        "counts": 0.0,
    }
    _add_persons_part(item, row.exercise, given)
    return item


def number(points: float) -> str:
    """Return points as people write them: at most two decimals."""
    return f"{round(points, 2):g}"


def graded_notebook(lab: Lab, judgement: Judgement) -> NotebookNode:
    """Return the student's notebook, made harmless, with the outcome in each check cell, as formgrader shows it."""
    if judgement.notebook is None:
        text = "This notebook could not be graded: " + "; ".join(row.note for row in judgement.rows)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(escape(text))])
        notebook.cells[0]["id"] = "refusal"
        return make_harmless(notebook)
    for cell in judgement.notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix("check_")
        if name in lab.exercises and cell.metadata.nbgrader.get("grade"):
            text = _plain(_exercise(lab, lab.exercises[name], judgement))
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
    return make_harmless(judgement.notebook)


def _plain(item: dict[str, Any]) -> str:
    lines = [f"{item['mark']} {item['name']}: {item['verdict']}, {item['points']} of {item['max_points']} points"]
    lines += [f"Likely cause: {cause['diagnosis']} Read again: {cause['read']}." for cause in item["causes"]]
    lines += [f"What to do: {item['advice']}"] if item["advice"] else []
    for failure in item["failures"]:
        about = f" with {failure['about']}" if failure["about"] else ""
        at = f" (at: {failure['line']})" if failure["line"] else ""
        lines.append(f"- {item['call']}{about}: {failure['verdict']}. {failure['seen']}{at}")
    return "\n".join(lines) + "\n"
