"""The command `distillab`: open the labs, release them, grade a class, show all in a demo, fetch a tier's teacher.

Whatever a person can mend is said in one line on standard error, with exit status 1 (2 for a wrong option). Everything
that needs the extra `grader` is imported only when it is used.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    top = argparse.ArgumentParser(prog="distillab", description="Labs on knowledge distillation, and their grader.")
    commands = top.add_subparsers(
        dest="command", required=True, metavar="{lab,release,grade,feedback,doctor,demo,fetch}"
    )

    lab = commands.add_parser("lab", help="copy the labs to work in, and open them in JupyterLab")
    lab.add_argument("--folder", type=Path, default=Path("my_labs"), metavar="DIR", help="where (default: my_labs)")

    release = commands.add_parser("release", help="make the student notebooks in labs/ from solutions/")
    release.add_argument("--lab", nargs="+", metavar="NAME", help="only these labs (default: all)")

    grade = commands.add_parser("grade", help="grade a class's submissions")
    grade.add_argument(
        "--submissions", type=Path, required=True, metavar="DIR", help="<student>/<lab>/<lab>.ipynb or zips"
    )
    grade.add_argument("--output", type=Path, required=True, metavar="DIR", help="where marks and feedback go")
    grade.add_argument("--lab", nargs="+", metavar="NAME", help="only these labs (default: every released lab)")
    grade.add_argument("--workers", type=_positive, metavar="N", help="notebooks judged at once (default: cores + 1)")
    grade.add_argument("--db", metavar="URL", help="the gradebook (default: gradebook.db in the output folder)")

    grade.add_argument("--unsafe", action="store_true", help="run notebooks without a sandbox, with your own rights")
    grade.add_argument("--cluster", metavar="URL", help="judge on a Dask cluster: its scheduler's address, tcp://…")
    grade.add_argument(
        "--again", action="store_true", help="judge all anew, also what did not change since the last run"
    )

    feedback = commands.add_parser("feedback", help="write feedback and marks anew after marking in formgrader")
    feedback.add_argument("--output", type=Path, required=True, metavar="DIR", help="what `grade` wrote into")
    feedback.add_argument("--db", metavar="URL", help="the gradebook, if `grade` was given one")

    commands.add_parser("doctor", help="say which protections this computer offers for grading")

    demo = commands.add_parser("demo", help="release, grade a synthetic class, distil a teacher")
    demo.add_argument("--output", type=Path, default=Path("demo"), metavar="DIR", help="where it goes (default: demo)")

    fetch = commands.add_parser("fetch", help="download the teacher of a tier, once")
    fetch.add_argument("tier", choices=["laptop"], help="laptop: SmolLM2-135M-Instruct, 93 MB")

    for command in (lab, release, grade, feedback, demo):
        command.add_argument(
            "--course", type=Path, default=Path("."), metavar="DIR", help="folder that holds labs/ and solutions/"
        )
    return top


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = parser().parse_args(arguments)
    if options.command == "fetch":
        return _fetch()
    if options.command == "lab":
        return _lab(options)
    missing = [name for name in ("nbgrader", "jupytext", "nbconvert", "nbformat") if find_spec(name) is None]
    if missing:
        return _fail(
            f"this needs {', '.join(missing)}, which the extra “grader” brings: pip install 'distillab[grader]'"
        )
    from helpers.grader.errors import GraderError

    try:
        return {"release": _release, "grade": _grade, "feedback": _feedback, "doctor": _doctor, "demo": _demo}[
            options.command
        ](options)
    except GraderError as problem:
        return _fail(str(problem))
    except KeyboardInterrupt:
        return _fail("stopped; the same command goes on from here" if options.command == "grade" else "stopped", 130)
    except Exception as problem:
        said = _known(problem)
        if not said:
            raise
        return _fail(said)


def _known(problem: Exception) -> str:
    """Say in a line what went wrong in the computer or in nbgrader, and what to do; "" for anything else."""
    from nbgrader.api import InvalidEntry, MissingEntry
    from nbgrader.converters.base import NbGraderException
    from sqlalchemy.exc import SQLAlchemyError

    again = "then run the same command again"
    if isinstance(problem, OSError):
        return f"the operating system says: {problem}. Make room, or give your user the right to it; {again}"
    if isinstance(problem, SQLAlchemyError):
        said = " ".join(str(getattr(problem, "orig", None) or problem).split())
        return f"the gradebook's database says: {said}. Close what else uses it, see that you may write to it; {again}"
    if isinstance(problem, (InvalidEntry, MissingEntry)):
        return f"the gradebook holds something else than this course: {problem}. Name the right one with --db; {again}"
    if isinstance(problem, NbGraderException):
        return f"nbgrader could not do its part; what it said stands above. {problem}"
    return ""


def _fail(message: str, status: int = 1) -> int:
    print(f"distillab: {message}", file=sys.stderr)
    return status


def _fetch() -> int:
    from helpers.fetch import FetchError, fetch_laptop

    try:
        fetch_laptop()
    except FetchError as problem:
        return _fail(str(problem))
    except KeyboardInterrupt:
        return _fail("stopped; the same command goes on from here", status=130)
    return 0


def _lab(options: argparse.Namespace) -> int:
    from helpers.setup.launcher import copy_labs, write

    labs, folder = options.course / "labs", options.folder
    if not labs.is_dir():
        return _fail(f"there is no folder {labs}. Run this in the course's folder, or name it with --course")
    if find_spec("jupyterlab") is None:
        return _fail("this needs jupyterlab, which the extra “lecture” brings: pip install 'distillab[lecture]'")
    try:
        copied = copy_labs(labs, folder)
        start = write(folder)
    except (OSError, ValueError) as problem:
        return _fail(str(problem))
    print(f"{len(copied)} new files in {folder}; what was there is as it was")
    _open(folder, start.name)
    return 0


def _open(folder: Path, name: str) -> None:
    """Be JupyterLab from here on, in a folder and with one of its notebooks open."""
    from jupyterlab.labapp import main as jupyterlab

    jupyterlab([f"--notebook-dir={folder}", f"--LabApp.default_url=/lab/tree/{name}"])


def _release(options: argparse.Namespace) -> int:
    from helpers.grader.release import release

    outcomes = release(options.course, options.lab)
    for path, outcome in outcomes.items():
        said = "kept as it is: somebody has worked in it since its release" if outcome == "kept" else outcome
        print(f"{path}: {said}")
    return 0


def _grade(options: argparse.Namespace) -> int:
    from helpers.grader.course.lab import load_lab
    from helpers.grader.preprocessor import Judge
    from helpers.grader.run.grade import grade, table
    from helpers.grader.run.publish import course_config
    from helpers.grader.sandbox.kernelspecs import UNSAFE_KERNEL

    judge = Judge(config=course_config(options.course))
    graded = grade(
        options.course,
        options.submissions,
        options.output,
        labs=options.lab,
        workers=options.workers,
        database=options.db,
        limits=judge.limits,
        kernel_name=UNSAFE_KERNEL if options.unsafe else judge.kernel_name,
        again=options.again,
        cluster=options.cluster,
    )
    labs = {judgement.lab for _, judgement in graded.judgements if judgement.lab}
    print(table(graded, [load_lab(options.course, name) for name in sorted(labs)]))
    for remark in graded.remarks:
        print(f"note: {remark}")
    print(f"\nMarks: {options.output / 'grades.csv'} and {options.db or options.output / 'gradebook.db'}")
    print(f"For the LMS: {options.output / 'lms_canvas.csv'} and {options.output / 'lms_moodle.csv'}")
    print(f"Feedback: {options.output / 'feedback'}; the class: {options.output / 'class_report.html'}")
    for failure in graded.failures:
        print(f"not judged: {failure.student} {failure.lab}: {failure.reason}", file=sys.stderr)
    if graded.failures:
        return _fail(
            f"the grader itself failed on {len(graded.failures)} of {len(graded.failures) + len(graded.judgements)} "
            "submissions (listed above), which says nothing about them: they have no new mark. Mend what it says, see "
            "distillab doctor, and run the same command again; it judges just these"
        )
    return 0


def _feedback(options: argparse.Namespace) -> int:
    from helpers.grader.release import put_environment_first
    from helpers.grader.run.publish import publish

    put_environment_first()
    count, remarks = publish(options.course, options.output, options.db)
    for remark in remarks:
        print(f"note: {remark}")
    print(f"{count} submissions: feedback, marks and class report in {options.output} written anew")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from helpers.grader.sandbox.doctor import isolates, report
    from helpers.grader.sandbox.kernelspecs import install_kernels

    print(report())
    if isolates():
        install_kernels()
    return 0


def _demo(options: argparse.Namespace) -> int:
    from helpers.grader.demo import demo

    demo(options.course, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
