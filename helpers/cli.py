"""The command `distillab`: open the labs, release them, grade a class, run the demo, download a tier's teacher.

Errors that the user can fix are printed as one line on standard error, with exit status 1 (2 for invalid options, 130
after Ctrl-C). What needs the extra `grader` is imported only by the commands that use it.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version

from helpers.commands import courses, explain, grading, labs, lms, machine, marking
from helpers.commands.common import Commands, fail, missing_extra
from helpers.interrupt import never_lost

GRADER = ("grader", "nbgrader", "jupytext", "nbconvert", "nbformat")  # the extra, and what it has to bring


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = None
    try:
        with never_lost():
            options = parser().parse_args(arguments)
            if options.needs_grader and (missing := missing_extra(*GRADER)):
                return fail(missing)
            return options.run(options)
    except KeyboardInterrupt:
        return fail(options.stopped if options else "stopped", status=130)
    except Exception as problem:
        explanation = _explain(problem) if options and options.needs_grader else ""
        if not explanation:
            raise
        return fail(explanation)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line. Each command sets `run`, and may override the defaults below."""
    top = argparse.ArgumentParser(prog="distillab", description="Labs on knowledge distillation, and their grader.")
    top.add_argument("--version", action="version", version=f"distillab {version('distillab')}")
    top.set_defaults(needs_grader=True, stopped="stopped")
    commands: Commands = top.add_subparsers(dest="command", required=True)
    for add in (
        labs.add_lab,
        labs.add_progress,
        courses.add_init,
        courses.add_new,
        courses.add_check_course,
        labs.add_release,
        grading.add_grade,
        marking.add_mark,
        grading.add_feedback,
        explain.add_explain,
        lms.add_push,
        lms.add_feedback_zip,
        lms.add_gradescope,
        machine.add_doctor,
        machine.add_demo,
        labs.add_fetch,
    ):
        add(commands)
    return top


def _explain(problem: Exception) -> str:
    """Return one line on what went wrong and what to do about it; "" for an unexpected error."""
    from nbgrader.api import InvalidEntry, MissingEntry
    from nbgrader.converters.base import NbGraderException
    from sqlalchemy.exc import SQLAlchemyError

    from helpers.grader.errors import GraderError

    again = "then run the same command again"
    if isinstance(problem, GraderError):
        return str(problem)
    if isinstance(problem, OSError):
        return f"the operating system says: {problem}. Free some space or fix the permissions, {again}"
    if isinstance(problem, SQLAlchemyError):
        said = " ".join(str(getattr(problem, "orig", None) or problem).split())
        return (
            f"the gradebook's database says: {said}. Close other programs that use it and check that you may write to "
            f"it, {again}"
        )
    if isinstance(problem, (InvalidEntry, MissingEntry)):
        return f"the gradebook does not match this course: {problem}. Name the right one with --db, {again}"
    if isinstance(problem, NbGraderException):
        return f"nbgrader failed; its own messages are above. {problem}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
