"""`distillab init`, `new` and `check-course`: make a course and its labs, and say what is not right in them yet."""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.commands.common import Commands, add_course


def add_init(commands: Commands) -> None:
    init = commands.add_parser("init", help="make a course of your own in a folder")
    init.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder, or one without a course")
    init.set_defaults(run=_init)


def _init(options: argparse.Namespace) -> int:
    from helpers.grader.course.scaffold import init_course

    for path in init_course(options.folder):
        print(f"{path}: written")
    print(f"\nThe next steps:\n  cd {options.folder}\n  distillab new 01_name")
    return 0


def add_new(commands: Commands) -> None:
    new = commands.add_parser("new", help="make a lab that can be released and graded as it is")
    new.add_argument("name", metavar="NN_name", help="two digits, an underscore and a name: 01_averages")
    add_course(new)
    new.set_defaults(run=_new)


def _new(options: argparse.Namespace) -> int:
    from helpers.grader.course.scaffold import new_lab

    for path in new_lab(options.course, options.name):
        print(f"{path}: written")
    print("\nChange these files into your lab, then:\n  distillab check-course\n  distillab release")
    return 0


def add_check_course(commands: Commands) -> None:
    check = commands.add_parser("check-course", help="say what an author has to change in the labs, by file and line")
    check.add_argument("--lab", nargs="+", metavar="NAME", help="only these labs (default: all)")
    add_course(check)
    check.set_defaults(run=_check_course)


def _check_course(options: argparse.Namespace) -> int:
    from helpers.grader.course.house_style import house_style
    from helpers.grader.course.lab import Lab, find_labs
    from helpers.grader.course.lint import slips
    from helpers.grader.course.settings import asks_house_style

    names = options.lab or find_labs(options.course)
    count = exercises = 0
    for name in names:
        folder = options.course / "solutions" / name
        found = slips(folder)
        if not found:
            lab = Lab(folder)
            exercises += len(lab.exercises)
            if asks_house_style(options.course):
                found = [f"{line} (house style)" for line in house_style(lab)]
        for line in found:
            print(line)
        count += len(found)
    if count:
        print(f"\n{count} to change in {_counted(len(names), 'lab')}.")
        return 1
    print(f"{_counted(len(names), 'lab')}, {_counted(exercises, 'exercise')}: nothing to change.")
    return 0


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
