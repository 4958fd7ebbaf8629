"""What this course's own style asks of every lab, beyond what a release needs; docs/authoring.md lists it.

A course that wants it sets `c.CheckCourse.house_style = True` in its `nbgrader_config.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from helpers.checks.encoding import encode
from helpers.grader.course.cases import Case
from helpers.grader.course.exercise import Exercise
from helpers.grader.course.lab import Lab
from helpers.grader.course.lab_files import line_of, slip
from helpers.grader.course.source import cell_id

HINTS = ["1", "2", "3"]
_HINT = re.compile(r"<summary>Hint (\d)")
_WHOLE_LAB = (  # what is looked for in all text cells, and what to do if it is missing
    (
        re.compile(r"\*\*Time:\*\* about \d+ minutes"),
        "say how long the lab takes, in the form “**Time:** about 45 minutes”",
    ),
    (re.compile(r"^## .*take away", re.IGNORECASE | re.MULTILINE), "add a section “## What to take away”"),
    (re.compile(r"^## .*stretch", re.IGNORECASE | re.MULTILINE), "add a section “## Stretch goals”"),
)
_SEEDS = (1, 2)


def house_style(lab: Lab) -> list[str]:
    """Return what a lab lacks of the house style, each in one line with file and line; empty if nothing."""
    text = "\n".join(cell.source for cell in lab.notebook.cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in lab.notebook.cells if cell.cell_type == "code")
    missing = [advice for pattern, advice in _WHOLE_LAB if not pattern.search(text)]
    if "predict(" not in code and "**Predict first" not in text:
        missing.append('add a prediction before something that surprises: predict("name", "Question?", choices=[…])')
    found = [str(slip(lab.source_path, None, f"{advice}.")) for advice in missing]
    for exercise in lab.exercises.values():
        if not exercise.quiz:
            found += [*_hints(lab, exercise), *_cases(lab, exercise)]
    return found


def _hints(lab: Lab, exercise: Exercise) -> Iterator[str]:
    """Yield what the text before an exercise lacks: a heading and three hints."""
    cells = lab.notebook.cells
    place = next(place for place, cell in enumerate(cells) if cell.id == cell_id(exercise.name))
    before = cells[place - 1].source if place else ""
    where = line_of(lab.source_path, exercise.name)
    if not before.startswith("## "):
        yield str(slip(lab.source_path, where, f"the text cell before {exercise.name} starts with a heading, “## …”."))
    folded = before.count("<details>") == before.count("</details>") == len(HINTS)
    if _HINT.findall(before) != HINTS or not folded:
        said = f"before {exercise.name} stand three hints: <details><summary>Hint 1: …</summary> … </details>."
        yield str(slip(lab.source_path, where, said))


def _cases(lab: Lab, exercise: Exercise) -> Iterator[str]:
    """Yield the cases that do not say what they vary, or why their inputs are the same in every run."""
    path = lab.folder / "cases.py"
    for case in [*exercise.examples, *exercise.cases]:
        if not case.about:
            said = f"{exercise.name}/{case.name} does not say what it varies. Add about=“…”, which feedback shows."
            yield str(slip(path, line_of(path, case.name), said))
    one, other = ({case.name: case for case in lab.drawn(seed).exercises[exercise.name].cases} for seed in _SEEDS)
    for name in one.keys() & other.keys():
        same = _inputs(one[name]) == _inputs(other[name])
        if same != bool(one[name].fixed):
            advice = "Draw its inputs from the seed, or say why not with fixed=“…”" if same else "Leave out fixed="
            inputs = "the same inputs" if same else "other inputs"
            said = f"{exercise.name}/{name} has {inputs} for every seed. {advice}."
            yield str(slip(path, line_of(path, name.removeprefix("validation_")), said))


def _inputs(case: Case) -> str:
    return json.dumps(encode([list(case.arguments), case.options]))
