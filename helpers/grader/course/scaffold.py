"""Make a course (`distillab init`) and a lab in it (`distillab new`) that can be released and graded as they are.

The files are in `templates/`. Nothing that exists is ever overwritten.
"""

from __future__ import annotations

import re
from pathlib import Path

from helpers.atomic import write_text
from helpers.grader.course.settings import FILE as CONFIG
from helpers.grader.errors import GraderError

TEMPLATES = Path(__file__).parent / "templates"
LAB_NAME = re.compile(r"[0-9]{2}_[a-z][a-z0-9_]{0,40}")
COURSE_FILES = {"nbgrader_config.txt": CONFIG, "gitignore.txt": ".gitignore", "readme.txt": "README.md"}
LAB_FILES = {
    "lab.txt": "{name}.py",
    "cases.txt": "cases.py",
    "misconceptions.txt": "misconceptions.py",
    "rubrics.txt": "rubrics.toml",
}


def init_course(folder: Path) -> list[Path]:
    """Make a course in a folder, new or without a course; return its files. Raises GraderError if there is one."""
    folder = Path(folder)
    there = [name for name in (*COURSE_FILES.values(), "solutions") if (folder / name).exists()]
    if there:
        raise GraderError(f"{folder} holds {', '.join(there)} already. Nothing was changed. Name another folder.")
    texts = {folder / target: (TEMPLATES / name).read_text(encoding="utf-8") for name, target in COURSE_FILES.items()}
    (folder / "solutions").mkdir(parents=True)
    return _write(texts)


def new_lab(course: Path, name: str) -> list[Path]:
    """Make a lab in a course; return its files. Raises GraderError for an unfit name, or if there is no course."""
    course = Path(course)
    if not (course / "solutions").is_dir():
        raise GraderError(
            f"{course.resolve()} is no course: it has no folder solutions/. Make one: distillab init FOLDER"
        )
    if not LAB_NAME.fullmatch(name):
        raise GraderError(f"{name!r} is no name of a lab. Write two digits, _ and small letters: 01_averages")
    folder = course / "solutions" / name
    if folder.exists():
        raise GraderError(f"{folder} exists already. Nothing was changed. Choose another name.")
    values = {"NN_name": name, "NN": name[:2], "TITLE": name[3:].replace("_", " ").capitalize()}
    texts = {}
    for template, target in LAB_FILES.items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        for word, value in values.items():
            text = text.replace(f"<{word}>", value)
        texts[folder / target.format(name=name)] = text
    return _write(texts)


def _write(texts: dict[Path, str]) -> list[Path]:
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)
