"""`distillab push`, `feedback-zip` and `gradescope`: marks and feedback into the LMS, and judging in it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from helpers.commands.common import RESUMABLE, Commands, add_course, fail, missing_extra, positive


def add_push(commands: Commands) -> None:
    """Add `distillab push canvas`."""
    push = commands.add_parser("push", help="send marks to an LMS; shows what would change, and sends it with --send")
    push.add_argument("lms", choices=["canvas"], help="the LMS")
    push.add_argument("--course", type=positive, required=True, metavar="N", help="Canvas's number of the course")
    push.add_argument(
        "--assignment", type=positive, required=True, metavar="N", help="Canvas's number of the assignment"
    )
    _add_output(push)
    push.add_argument("--url", metavar="URL", help="Canvas's address (default: the environment's CANVAS_API_URL)")
    push.add_argument("--comments", action="store_true", help="attach the feedback page to each mark that is sent")
    push.add_argument("--send", action="store_true", help="send the marks; without it, nothing is changed")
    push.set_defaults(run=_push, stopped=RESUMABLE)


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder that `grade` wrote to")
    command.add_argument("--lab", metavar="NAME", help="the lab, if several were graded")
    command.add_argument("--db", metavar="URL", help="gradebook, if `grade` was given one")


def _push(options: argparse.Namespace) -> int:
    if missing := missing_extra("canvas", "canvasapi"):
        return fail(missing)
    from helpers.grader.errors import GraderError
    from helpers.grader.lms.canvas import CanvasAssignment
    from helpers.grader.run.desk import handed_in, only_lab
    from helpers.grader.run.publish import current_marks

    table = current_marks(options.output, options.db)
    lab = only_lab(table.max_points, options.lab)
    assignment = CanvasAssignment(options.course, options.assignment, options.url)
    plan = assignment.plan(table, lab, handed_in(options.output).get(lab, {}))
    print("\n".join(plan.lines))
    if waiting := sum(name == lab for _, name in table.unmarked):
        print(f"{waiting} submissions have answers to mark; their marks do not include these yet")
    if not options.send:
        print("Dry run: nothing was sent. Add --send to send it.")
        return 0
    failed = 0
    for change in plan.changes:
        page = options.output / "feedback" / change.student / lab / f"{lab}.html"
        try:
            assignment.send(change, page if options.comments and page.is_file() else None)
        except GraderError as problem:
            failed += 1
            print(f"not sent: {change.name}: {problem}", file=sys.stderr)
    print(f"Sent {len(plan.changes) - failed} of {len(plan.changes)} marks")
    return fail("some marks were not sent; the same command sends what is missing") if failed else 0


def add_feedback_zip(commands: Commands) -> None:
    """Add `distillab feedback-zip`."""
    command = commands.add_parser("feedback-zip", help="pack the feedback of a lab for upload to Canvas or Moodle")
    command.add_argument("--for", dest="lms", choices=["canvas", "moodle"], required=True, help="the LMS")
    _add_output(command)
    command.add_argument("--zip", type=Path, metavar="FILE", help="archive (default: in the output folder)")
    command.set_defaults(run=_feedback_zip)


def _feedback_zip(options: argparse.Namespace) -> int:
    from helpers.grader.lms.feedback_zip import write_feedback_zip
    from helpers.grader.run.desk import handed_in, only_lab

    names = handed_in(options.output)
    lab = only_lab(names, options.lab)
    target = options.zip or options.output / f"{lab}_feedback_{options.lms}.zip"
    left_out = write_feedback_zip(options.output, lab, options.lms, names[lab], target)
    print(f"Feedback of {len(names[lab]) - len(left_out)} students: {target}")
    if left_out:
        print(f"note: not handed in through {options.lms.title()}, so not in it: {', '.join(left_out)}")
    return 0


def add_gradescope(commands: Commands) -> None:
    """Add `distillab gradescope`."""
    command = commands.add_parser("gradescope", help="make the archive that Gradescope takes as a lab's autograder")
    command.add_argument("lab", metavar="LAB", help="the lab")
    command.add_argument("--zip", type=Path, metavar="FILE", help="archive (default: LAB_autograder.zip)")
    add_course(command)
    command.set_defaults(run=_gradescope)


def _gradescope(options: argparse.Namespace) -> int:
    from helpers.grader.gradescope.archive import write_autograder

    target = options.zip or Path(f"{options.lab}_autograder.zip")
    write_autograder(options.course, options.lab, target)
    print(f"{target}: upload it to Gradescope as the autograder. It holds the hidden cases; keep it from students.")
    return 0
