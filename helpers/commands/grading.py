"""`distillab grade` and `feedback`: judge a class, and update what people read."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.commands.common import RESUMABLE, Commands, add_course, announce, fail, one_thread, positive

if TYPE_CHECKING:
    from helpers.grader.reports.totals import Totals
    from helpers.grader.run.grading_run import GradingResult


def add_grade(commands: Commands) -> None:
    grade = commands.add_parser("grade", help="grade a class's submissions")
    grade.add_argument(
        "--submissions",
        type=Path,
        required=True,
        metavar="PATH",
        help="holds <student>/<lab>/<lab>.ipynb, zips, or downloads of Canvas or Moodle; or one downloaded zip",
    )
    grade.add_argument(
        "--roster", type=Path, metavar="CSV", help="the class: an export of Canvas or Moodle, or id,name,email,section"
    )
    grade.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for marks and feedback")
    grade.add_argument("--lab", nargs="+", metavar="NAME", help="grade only these labs (default: every released lab)")
    grade.add_argument("--workers", type=positive, metavar="N", help="notebooks to judge at once (default: cores + 1)")
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
    add_course(grade)
    grade.set_defaults(run=_grade, stopped=RESUMABLE)


def _grade(options: argparse.Namespace) -> int:
    announce("Starting the grader")  # before the imports, which take seconds
    one_thread()
    from helpers.grader.course.settings import course_config
    from helpers.grader.preprocessor import Judge
    from helpers.grader.run.grade import GradingOptions, grade
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
        roster=options.roster,
    )
    result = grade(options.course, options.submissions, options.output, grading_options, announce)
    _print_result(result, options)
    if not result.failures:
        return 0
    for failure in result.failures:
        print(f"not judged: {failure.student} {failure.lab}: {failure.reason}", file=sys.stderr)
    return fail(
        f"the grader itself failed on {len(result.failures)} of {len(result.failures) + len(result.judgements)} "
        "submissions (listed above). This says nothing about the submissions, and they have no new mark. Fix the cause "
        "(distillab doctor may help) and run the same command again; it judges only these"
    )


def _print_result(result: GradingResult, options: argparse.Namespace) -> None:
    """Print the class as a table, remarks for the instructor, and where everything was written."""
    from helpers.grader.course.lab import load_lab
    from helpers.grader.run.changes import FILE, summary
    from helpers.grader.run.class_table import class_table

    labs = {judgement.lab for _, judgement in result.judgements if judgement.lab}
    output = options.output
    print(class_table(result.judgements, [load_lab(options.course, name) for name in sorted(labs)], result.totals))
    for remark in result.remarks:
        print(f"note: {remark}")
    if said := summary(result.changes):
        print(f"note: {said}; they are listed above and in {output / FILE}")
    print()
    _print_to_mark(result.totals, output)
    print(f"Marks: {output / 'grades.csv'} and {options.db or output / 'gradebook.db'}")
    print(f"For the LMS: {output / 'lms_canvas.csv'} and {output / 'lms_moodle.csv'}")
    print(f"Feedback: {output / 'feedback'}; class report: {output / 'class_report.html'}")


def _print_to_mark(totals: Totals, output: Path) -> None:
    from helpers.grader.reports.totals import to_mark_line

    if line := to_mark_line(totals):
        print(f"{line}: distillab mark --output {output}")
        print("Until then, the files for the LMS hold only what has been judged and marked.")


def add_feedback(commands: Commands) -> None:
    feedback = commands.add_parser("feedback", help="update feedback and marks after marking")
    feedback.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder that `grade` wrote to")
    feedback.add_argument("--db", metavar="URL", help="gradebook, if `grade` was given one")
    add_course(feedback)
    feedback.set_defaults(run=update_feedback)


def update_feedback(options: argparse.Namespace) -> int:
    """Publish marks and feedback anew; `options` has `course`, `output` and `db`."""
    one_thread()
    from helpers.grader.release import put_environment_first
    from helpers.grader.run.publish import publish

    put_environment_first()
    published = publish(options.course, options.output, options.db)
    for remark in published.remarks:
        print(f"note: {remark}")
    print(f"Updated feedback, marks and class report for {published.submissions} submissions in {options.output}")
    _print_to_mark(published.totals, options.output)
    return 0
