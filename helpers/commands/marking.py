"""`distillab mark`: mark written answers by question, in the browser."""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

from helpers.commands.common import Commands, add_course, announce
from helpers.commands.grading import update_feedback


def add_mark(commands: Commands) -> None:
    mark = commands.add_parser("mark", help="mark written answers by question, on a page in the browser")
    mark.add_argument("labs", nargs="*", metavar="LAB", help="mark only these labs (default: every graded lab)")
    mark.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder that `grade` wrote to")
    mark.add_argument("--db", metavar="URL", help="gradebook, if `grade` was given one")
    mark.add_argument("--port", type=int, default=0, metavar="N", help="port on this computer (default: a free one)")
    mark.add_argument("--no-browser", action="store_true", help="only print the page's address")
    add_course(mark)
    mark.set_defaults(run=_mark)


def _mark(options: argparse.Namespace) -> int:
    announce("Looking for written answers")
    from helpers.grader.marking.desk import MarkingDesk
    from helpers.grader.marking.session import serve
    from helpers.grader.run.publish import default_database

    database = options.db or default_database(options.output)
    desk = MarkingDesk(options.course, options.output, database, options.labs)
    try:
        with tempfile.TemporaryDirectory(prefix="distillab-") as folder:
            serve(desk, options.port, partial(_opened, browser_folder=None if options.no_browser else Path(folder)))
    finally:
        desk.close()
    if not desk.has_changed:
        return 0
    announce("Updating feedback and marks")
    return update_feedback(options)


def _opened(address: str, browser_folder: Path | None) -> None:
    """Say where the page is, and open it unless `browser_folder` is None."""
    from helpers.grader.marking.session import open_in_browser

    print(f"Mark here: {address}", flush=True)
    print("The address works only on this computer, until you press Ctrl-C. Feedback and marks are then updated.")
    if browser_folder is not None:
        open_in_browser(address, browser_folder)
