"""A working copy of the labs, and the notebook that opens first: the labs, their prerequisites, and your progress.

`distillab lab` (which `make lab` runs) makes both and starts JupyterLab there. In a notebook, `overview()` shows the
same. Progress is recorded by your own checks, on your machine only.
"""

from __future__ import annotations

import base64
import json
import platform
import re
import shutil
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from helpers.atomic import replace_file, write_text
from helpers.checks.progress import progress_file, read_progress
from helpers.paths import PACKAGE
from helpers.setup.preflight import Preflight, preflight

NAME, GLOSSARY = "start.ipynb", "glossary.ipynb"
WELCOME = """# Distillab

{picture}Small language models that learn from large ones: open a lab by its name, and work from top to bottom.
"""
PICTURE_ALT = (
    "A sentence goes into a large, frozen teacher, which gives a probability to every next token. A small student "
    "learns from these probabilities and from the token that really came next. Afterwards only the student is run."
)
TROUBLE = """<details><summary>When something does not work</summary>

- *The kernel died, or a cell never ends*: choose Kernel → Restart Kernel, then Run → Run All Above Selected Cell. If it
  dies again in the same cell, the machine is out of memory: close other notebooks and programs.
- *No module named helpers*: the notebook runs in another Python. Choose Kernel → Change Kernel → Python 3, in a
  JupyterLab that was started with `make lab` or `distillab lab`.
- *An explorer says “model not found”*: the notebook was opened again. Run the cells above it and its own cell.
- *An explorer shows only text*: your browser is older than 2024, or this viewer shows no widgets. Everything in the
  labs can be done without it; Chrome 116, Firefox 124, Safari 17.4 or newer show it.
- *A model is missing*: the labs run in the tier `tiny`, which needs no download. Others say above what they lack.

</details>
"""
CODE = "from helpers.setup.launcher import overview\n\noverview()"

_CHECK = re.compile(r"""check\(["']?(\w+)["']?\)""")
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_MINUTES = re.compile(r"\*\*Time:\*\* about (\d+) minutes")
_CODE = re.compile("`([^`]+)`")


@dataclass(frozen=True)
class LabCard:
    """What the launcher says about a lab: title, minutes, prerequisites and exercises."""

    name: str
    title: str
    minutes: str
    needs: str
    exercises: tuple[str, ...]


def cards(folder: Path) -> list[LabCard]:
    """Return a card for each lab in `folder`, in order; files that are not lab notebooks are left out."""
    labs = []
    for file in sorted(folder.glob("[0-9][0-9]_*/[0-9][0-9]_*.ipynb")):
        try:
            cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        except (ValueError, KeyError):
            continue  # damaged or still being written: the launcher opens without it
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        checks = (_CHECK.match("".join(c["source"])) for c in cells if c["cell_type"] == "code")
        labs.append(
            LabCard(
                name=file.parent.name,
                title=_first(_TITLE, text) or file.stem,
                minutes=_first(_MINUTES, text),
                needs=text.partition("**You need:** ")[2].partition("\n\n")[0].strip().replace("\n", " "),
                exercises=tuple(dict.fromkeys(match[1] for match in checks if match)),
            )
        )
    return labs


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1].strip() if match else ""


class Overview:
    """The labs with the student's progress; displays itself as a table in a notebook and as text elsewhere."""

    def __init__(self, labs: list[LabCard], folder: Path, ready: Preflight | None = None) -> None:
        self.labs, self.folder, self.ready, self.progress = labs, folder, ready, read_progress(folder)

    def left(self, lab: LabCard) -> list[str]:
        """Return the exercises of a lab that are not right yet, those that were skipped last."""
        left = [name for name in lab.exercises if not self.progress.get(name, {}).get("passed")]
        return sorted(left, key=lambda name: bool(self.progress.get(name, {}).get("skipped")))

    def standing(self, lab: LabCard) -> str:
        """Say how many of a lab's exercises are right, and which one comes next."""
        left, count = self.left(lab), len(lab.exercises)
        skipped = sum(bool(self.progress.get(name, {}).get("skipped")) for name in left)
        if not lab.exercises:
            return "no exercises"
        if not left:
            return f"all {count} exercises right"
        also = f", {skipped} skipped" if skipped else ""
        return f"{count - len(left)} of {count} exercises right{also}; next: {left[0]}"

    def following(self) -> tuple[LabCard, str] | None:
        """Return what to do next: the first lab that is begun and not done, else the first that is not done."""
        open_labs = [(lab, left) for lab in self.labs if (left := self.left(lab))]
        begun = [(lab, left) for lab, left in open_labs if len(left) < len(lab.exercises)]
        return next(((lab, left[0]) for lab, left in begun or open_labs), None)

    def next_step(self) -> str:
        """Say what to do next, across all labs."""
        step = self.following()
        return f"Next: {step[1]} in {step[0].title}." if step else "Every exercise of every lab is right."

    def tier(self) -> str:
        """Say whether the chosen tier is ready, or what it lacks."""
        if self.ready is None:
            return ""
        if self.ready.ready:
            return f"The tier “{self.ready.tier.name}” is ready."
        lacks = "; ".join(self.ready.problems)
        return f"The tier “{self.ready.tier.name}” is not ready: {lacks}. Until then, use DISTILLAB_TIER=tiny make lab."

    def __repr__(self) -> str:
        rows = [
            f"{lab.title} ({lab.minutes} minutes): {self.standing(lab)}\n    needs {lab.needs}" for lab in self.labs
        ]
        return "\n".join(filter(None, [self.next_step(), *rows, self.tier()]))

    def _repr_html_(self) -> str:
        left = 'style="text-align:left"'
        heads = "".join(f'<th scope="col" {left}>{head}</th>' for head in ("lab", "minutes", "you need", "you"))
        rows = ""
        for lab in self.labs:
            needs = _CODE.sub(r"<code>\1</code>", escape(lab.needs))
            link = f'<a href="{lab.name}/{lab.name}.ipynb">{escape(lab.title)}</a>'
            rows += f'<tr><th scope="row" {left}>{link}</th><td>{lab.minutes}</td>'
            rows += f"<td {left}>{needs}</td><td {left}>{escape(self.standing(lab))}</td></tr>"
        table = f"<table><caption>The labs, and how far you are</caption><thead><tr>{heads}</tr></thead>"
        table += f"<tbody>{rows}</tbody></table>"
        if step := self.following():
            link = f'<a href="{step[0].name}/{step[0].name}.ipynb">{escape(step[0].title)}</a>'
            table = f"<p><strong>Next:</strong> <code>{escape(step[1])}</code> in {link}</p>{table}"
        else:
            table = f"<p><strong>{escape(self.next_step())}</strong></p>{table}"
        kept = progress_file(self.folder)
        note = f"Your progress is what your checks showed. It is kept with this copy of the labs, in {kept}."
        details = f"<p>{escape(self.tier())}</p><p>{escape(note)}</p>"
        return f"{table}<details><summary>Tier and progress</summary>{details}</details>"


def overview(folder: Path | str = ".") -> Overview:
    """Return the labs in `folder` with the progress so far, and what is missing for the chosen tier."""
    return Overview(cards(Path(folder)), Path(folder), preflight())


def standing(folder: Path) -> str:
    """Return, as text, what is done in a copy of the labs and what to do next; no tier is looked at."""
    shown = Overview(cards(folder), folder)
    rows = [(lab.title, shown.standing(lab)) for lab in shown.labs]
    width = max(len(title) for title, _ in rows)
    lines = [f"{title:<{width}}  {text}" for title, text in rows]
    return "\n".join([*lines, "", shown.next_step()])


def course_or_own(course: Path) -> Path:
    """Return the course's folder; where none was named and there are no labs here, the one that came with the package.

    It travels in the wheel; in a clone it is the clone itself.
    """
    if course != Path(".") or (course / "labs").is_dir():
        return course
    own = (PACKAGE / "assets" / "course", PACKAGE.parent)
    return next((folder for folder in own if any((folder / "labs").glob("*/*.ipynb"))), course)


def copy_labs(labs: Path, folder: Path) -> list[Path]:
    """Copy the released labs in `labs` that `folder` does not have yet; return the new files.

    Existing files are never overwritten. A file is complete once it appears; after an interruption, the next call
    copies the rest.
    """
    copied = []
    for source in sorted(path for path in Path(labs).rglob("*") if path.is_file()):
        target = Path(folder) / source.relative_to(labs)
        if {".ipynb_checkpoints", ".distillab"} & set(source.parts) or target.exists():
            continue
        with replace_file(target) as temporary:
            shutil.copyfile(source, temporary)
        copied.append(target)
    return copied


def write(folder: Path, course: Path | None = None) -> Path:
    """Write the launcher, with its current table, into `folder`, and return its path.

    course: the course's folder; its picture and its glossary are added, if it has them. Raises FileExistsError if
    another notebook has the launcher's name.
    """
    shown = overview(folder)
    data = {"text/html": shown._repr_html_(), "text/plain": repr(shown)}
    output = {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data}
    table = {
        "cell_type": "code",
        "id": "overview",
        "metadata": {"jupyter": {"source_hidden": True}},
        "execution_count": 1,
        "outputs": [output],
        "source": CODE,
    }
    if course is not None and (glossary := course / "docs" / "glossary.md").is_file():
        _write_notebook(folder / GLOSSARY, [_markdown("glossary", glossary.read_text(encoding="utf-8"))])
    welcome = _markdown("welcome", WELCOME.format(picture=_picture(course)))
    return _write_notebook(folder / NAME, [welcome, table, _markdown("trouble", TROUBLE)])


def _picture(course: Path | None) -> str:
    """Return the picture of a teacher and a student as Markdown; empty if the course has none."""
    file = course / "docs" / "figures" / "teacher_student.png" if course is not None else None
    if file is None or not file.is_file():
        return ""
    return f"![{PICTURE_ALT}](data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()})\n\n"


def _markdown(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def _write_notebook(path: Path, cells: list[dict[str, Any]]) -> Path:
    """Write a notebook of ours. Raises FileExistsError where another one has its name."""
    if path.exists() and not json.loads(path.read_text(encoding="utf-8")).get("metadata", {}).get("distillab"):
        raise FileExistsError(f"{path} is not the launcher's; rename it and run the command again")
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    language = {  # as the kernel says it, so that JupyterLab has nothing to add and shows no unsaved change
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": platform.python_version(),
    }
    metadata = {"distillab": {"launcher": True}, "kernelspec": kernel, "language_info": language}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    write_text(path, json.dumps(notebook, indent=1) + "\n")
    return path
