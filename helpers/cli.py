"""The command `distillab`: release the labs, grade a class, show the whole in a demo, fetch a tier's teacher.

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
    commands = top.add_subparsers(dest="command", required=True, metavar="{release,grade,feedback,doctor,demo,fetch}")

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

    for command in (release, grade, feedback, demo):
        command.add_argument(
            "--course", type=Path, default=Path("."), metavar="DIR", help="folder that holds solutions/"
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
        return _fail("stopped", status=130)


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


def _release(options: argparse.Namespace) -> int:
    from helpers.grader.build import release

    outcomes = release(options.course, options.lab)
    for path, outcome in outcomes.items():
        said = "kept as it is: somebody has worked in it since its release" if outcome == "kept" else outcome
        print(f"{path}: {said}")
    return 0


def _grade(options: argparse.Namespace) -> int:
    from helpers.grader.grade import grade, table
    from helpers.grader.lab import load_lab
    from helpers.grader.preprocessor import Judge
    from helpers.grader.provisioner import UNSAFE_KERNEL
    from helpers.grader.publish import course_config

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
    return 0


def _feedback(options: argparse.Namespace) -> int:
    from helpers.grader.build import put_environment_first
    from helpers.grader.publish import publish

    put_environment_first()
    count = publish(options.course, options.output, options.db)
    print(f"{count} submissions: feedback, marks and class report in {options.output} written anew")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from helpers.grader.doctor import isolates, report
    from helpers.grader.provisioner import install_kernels

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
