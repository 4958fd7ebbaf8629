"""The command `distillab`: open the labs, release them, grade a class, run the demo, download a tier's teacher.

Errors that the user can fix are printed as one line on standard error, with exit status 1 (2 for invalid options, 130
after Ctrl-C). What needs the extra `grader` is imported only by the commands that use it.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from helpers.interrupt import never_lost

if TYPE_CHECKING:
    from helpers.grader.reports.totals import Totals
    from helpers.grader.run.grading_run import GradingResult

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

GRADER_PACKAGES = ("nbgrader", "jupytext", "nbconvert", "nbformat")
RESUMABLE = "stopped; run the same command again to continue"


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = parser().parse_args(arguments)
    missing = [name for name in GRADER_PACKAGES if find_spec(name) is None] if options.needs_grader else []
    if missing:
        return _fail(f"this needs {', '.join(missing)} from the extra “grader”: pip install 'distillab[grader]'")
    try:
        with never_lost():
            return options.run(options)
    except KeyboardInterrupt:
        return _fail(options.stopped, status=130)
    except Exception as problem:
        explanation = _explain(problem) if options.needs_grader else ""
        if not explanation:
            raise
        return _fail(explanation)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line. Each command sets `run`, and may override the defaults below."""
    top = argparse.ArgumentParser(prog="distillab", description="Labs on knowledge distillation, and their grader.")
    top.set_defaults(needs_grader=True, stopped="stopped")
    commands: Commands = top.add_subparsers(
        dest="command", required=True, metavar="{lab,release,grade,feedback,doctor,demo,fetch}"
    )
    for add in (_add_lab, _add_release, _add_grade, _add_feedback, _add_doctor, _add_demo, _add_fetch):
        add(commands)
    return top


def _add_course(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--course", type=Path, default=Path("."), metavar="DIR", help="folder that contains labs/ and solutions/"
    )


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _fail(message: str, status: int = 1) -> int:
    print(f"distillab: {message}", file=sys.stderr)
    return status


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


# --------------------------------------------------------------------------------------------------------------- lab


def _add_lab(commands: Commands) -> None:
    lab = commands.add_parser("lab", help="copy the labs into a working folder and open them in JupyterLab")
    lab.add_argument(
        "--folder", type=Path, default=Path("my_labs"), metavar="DIR", help="working folder (default: my_labs)"
    )
    _add_course(lab)
    lab.set_defaults(run=_lab, needs_grader=False)


def _lab(options: argparse.Namespace) -> int:
    from helpers.setup.launcher import copy_labs, write

    labs, folder = options.course / "labs", options.folder
    if not labs.is_dir():
        return _fail(f"there is no folder {labs}. Run this in the course's folder, or name that folder with --course")
    if find_spec("jupyterlab") is None:
        return _fail("this needs jupyterlab from the extra “lecture”: pip install 'distillab[lecture]'")
    try:
        copied = copy_labs(labs, folder)
        start = write(folder)
    except (OSError, ValueError) as problem:
        return _fail(str(problem))
    print(f"{len(copied)} new files in {folder}; existing files were not changed")
    _open(folder, start.name)
    return 0


def _open(folder: Path, name: str) -> None:
    """Run JupyterLab in a folder, with one of its notebooks open, until the user quits it."""
    from jupyterlab.labapp import main as jupyterlab

    jupyterlab([f"--notebook-dir={folder}", f"--LabApp.default_url=/lab/tree/{name}"])


# ----------------------------------------------------------------------------------------------------------- release


def _add_release(commands: Commands) -> None:
    release = commands.add_parser("release", help="generate the student notebooks in labs/ from solutions/")
    release.add_argument("--lab", nargs="+", metavar="NAME", help="release only these labs (default: all)")
    _add_course(release)
    release.set_defaults(run=_release)


def _release(options: argparse.Namespace) -> int:
    from helpers.grader.release import release

    for path, outcome in release(options.course, options.lab).items():
        kept = "kept as it is, because someone has worked in it since its release"
        print(f"{path}: {kept if outcome == 'kept' else outcome}")
    return 0


# ------------------------------------------------------------------------------------------------------------- grade


def _add_grade(commands: Commands) -> None:
    grade = commands.add_parser("grade", help="grade a class's submissions")
    grade.add_argument(
        "--submissions", type=Path, required=True, metavar="DIR", help="holds <student>/<lab>/<lab>.ipynb or zips"
    )
    grade.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for marks and feedback")
    grade.add_argument("--lab", nargs="+", metavar="NAME", help="grade only these labs (default: every released lab)")
    grade.add_argument("--workers", type=_positive, metavar="N", help="notebooks to judge at once (default: cores + 1)")
    grade.add_argument("--db", metavar="URL", help="gradebook (default: gradebook.db in the output folder)")
    grade.add_argument(
        "--unsafe", action="store_true", help="run notebooks without a sandbox, with your own permissions"
    )
    grade.add_argument(
        "--cluster", metavar="URL", help="judge on a Dask cluster, given its scheduler's tcp://… address"
    )
    grade.add_argument(
        "--again", action="store_true", help="judge everything again, even what has not changed since the last run"
    )
    _add_course(grade)
    grade.set_defaults(run=_grade, stopped=RESUMABLE)


def _grade(options: argparse.Namespace) -> int:
    announce("Starting the grader")  # before the imports, which take seconds
    from helpers.grader.preprocessor import Judge
    from helpers.grader.run.grade import GradingOptions, grade
    from helpers.grader.run.publish import course_config
    from helpers.grader.sandbox.kernelspecs import UNSAFE_KERNEL

    judge = Judge(config=course_config(options.course))
    grading_options = GradingOptions(
        labs=options.lab,
        workers=options.workers,
        database=options.db,
        limits=judge.limits,
        kernel_name=UNSAFE_KERNEL if options.unsafe else judge.kernel_name,
        regrade=options.again,
        cluster=options.cluster,
    )
    result = grade(options.course, options.submissions, options.output, grading_options, announce)
    _print_result(result, options)
    if not result.failures:
        return 0
    for failure in result.failures:
        print(f"not judged: {failure.student} {failure.lab}: {failure.reason}", file=sys.stderr)
    return _fail(
        f"the grader itself failed on {len(result.failures)} of {len(result.failures) + len(result.judgements)} "
        "submissions (listed above). This says nothing about the submissions, and they have no new mark. Fix the cause "
        "(distillab doctor may help) and run the same command again; it judges only these"
    )


def announce(step: str) -> None:
    """Say on standard error what a command is doing now."""
    print(f"{step} …", file=sys.stderr, flush=True)


def _print_result(result: GradingResult, options: argparse.Namespace) -> None:
    """Print the class as a table, remarks for the instructor, and where everything was written."""
    from helpers.grader.course.lab import load_lab
    from helpers.grader.run.class_table import class_table

    labs = {judgement.lab for _, judgement in result.judgements if judgement.lab}
    output = options.output
    print(class_table(result.judgements, [load_lab(options.course, name) for name in sorted(labs)], result.totals))
    for remark in result.remarks:
        print(f"note: {remark}")
    print()
    _print_to_mark(result.totals)
    print(f"Marks: {output / 'grades.csv'} and {options.db or output / 'gradebook.db'}")
    print(f"For the LMS: {output / 'lms_canvas.csv'} and {output / 'lms_moodle.csv'}")
    print(f"Feedback: {output / 'feedback'}; class report: {output / 'class_report.html'}")


def _print_to_mark(totals: Totals) -> None:
    from helpers.grader.reports.totals import to_mark_line

    if line := to_mark_line(totals):
        print(line)


# ---------------------------------------------------------------------------------------------------------- feedback


def _add_feedback(commands: Commands) -> None:
    feedback = commands.add_parser("feedback", help="update feedback and marks after marking in formgrader")
    feedback.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder that `grade` wrote to")
    feedback.add_argument("--db", metavar="URL", help="gradebook, if `grade` was given one")
    _add_course(feedback)
    feedback.set_defaults(run=_feedback)


def _feedback(options: argparse.Namespace) -> int:
    from helpers.grader.release import put_environment_first
    from helpers.grader.run.publish import publish

    put_environment_first()
    published = publish(options.course, options.output, options.db)
    for remark in published.remarks:
        print(f"note: {remark}")
    print(f"Updated feedback, marks and class report for {published.submissions} submissions in {options.output}")
    _print_to_mark(published.totals)
    return 0


# ------------------------------------------------------------------------------------------------ doctor, demo, fetch


def _add_doctor(commands: Commands) -> None:
    doctor = commands.add_parser("doctor", help="show which protections this computer offers for grading")
    doctor.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from helpers.grader.sandbox.doctor import isolates, report
    from helpers.grader.sandbox.kernelspecs import install_kernels

    print(report())
    if isolates():
        install_kernels()
    return 0


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="release the labs, grade a synthetic class and distil a teacher")
    demo.add_argument("--output", type=Path, default=Path("demo"), metavar="DIR", help="output folder (default: demo)")
    _add_course(demo)
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from helpers.grader.demo import demo

    demo(options.course, options.output)
    return 0


def _add_fetch(commands: Commands) -> None:
    fetch = commands.add_parser("fetch", help="download a tier's teacher; later runs find it on disk")
    fetch.add_argument("tier", choices=["laptop"], help="laptop: SmolLM2-135M-Instruct, 93 MB")
    fetch.set_defaults(run=_fetch, needs_grader=False, stopped=RESUMABLE)


def _fetch(options: argparse.Namespace) -> int:
    from helpers.fetch import FetchError, fetch_laptop

    try:
        fetch_laptop()
    except FetchError as problem:
        return _fail(str(problem))
    return 0


if __name__ == "__main__":
    sys.exit(main())
