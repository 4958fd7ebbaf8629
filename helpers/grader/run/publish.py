"""Everything that people read, made from what a run stored and what the gradebook holds: feedback, marks, class report.

`distillab grade` ends with it, and `distillab feedback` does it anew after a person has marked in formgrader or changed
a due date.
"""

from __future__ import annotations

from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from traitlets.config import Config, PyFileConfigLoader

from helpers.atomic import write_text
from helpers.grader.course.lab import find_labs, load_lab
from helpers.grader.errors import GraderError
from helpers.grader.reports.class_report import class_report, released_links
from helpers.grader.reports.feedback import feedback_page
from helpers.grader.reports.gradebook import csv_text, given
from helpers.grader.reports.late_penalty import assign_penalty, take_over_dates
from helpers.grader.reports.lms_export import canvas_csv, marks, moodle_csv
from helpers.grader.run.judgement_store import FOLDER, Store
from helpers.grader.run.output_lock import one_run_at_a_time

_NOTHING = "Nothing was graded into {0} yet. Grade with: distillab grade --output {0} …"


def default_database(output: Path) -> str:
    """Return the URL of the gradebook that a run keeps in its output folder."""
    return f"sqlite:///{Path(output).resolve()}/gradebook.db"


def course_config(course: Path) -> Config:
    """Return the course's `nbgrader_config.py`, or an empty configuration where there is none."""
    path = Path(course) / "nbgrader_config.py"
    return PyFileConfigLoader(path.name, path=str(path.parent)).load_config() if path.is_file() else Config()


def publish(course: Path, output: Path, database: str | None = None) -> tuple[int, list[str]]:
    """Do what `write_out` does, with no other run at work in `output`."""
    if not Path(output).is_dir():
        raise GraderError(_NOTHING.format(output))
    with one_run_at_a_time(output):
        return write_out(course, output, database)


def write_out(course: Path, output: Path, database: str | None = None) -> tuple[int, list[str]]:
    """Write `grades.csv`, the files for Canvas and Moodle, the class report and each student's feedback into `output`.

    Returns how many submissions there are, and remarks. Raises GraderError where nothing was graded into `output`.
    """
    course, output, config = Path(course).resolve(), Path(output), course_config(course)
    graded = list(Store(output))
    if not graded:
        raise GraderError(_NOTHING.format(output))
    missing = {judgement.lab for _, judgement in graded if judgement.lab} - set(find_labs(course))
    if missing:
        raise GraderError(f"{output} holds judgements of {', '.join(sorted(missing))}, which this course has not.")
    labs = {name: load_lab(course, name) for name in sorted({judgement.lab for _, judgement in graded}) if name}
    database = database or default_database(output)
    remarks = take_over_dates(course, config, database, list(labs), output / FOLDER / "dates.json")
    with Gradebook(database) as gradebook:
        for student, judgement in graded:
            if judgement.lab:
                try:
                    assign_penalty(gradebook, database, config, judgement.lab, student)
                    added = given(gradebook, judgement.lab, student)
                except MissingEntry:
                    raise GraderError(
                        f"{student}'s {judgement.lab} is not in the gradebook {database}. "
                        "Name the one that the run wrote to with --db."
                    ) from None
                page = output / "feedback" / student / judgement.lab / f"{judgement.lab}.html"
                write_text(page, feedback_page(labs[judgement.lab], student, judgement, added))
        found = marks(gradebook, labs)
    texts = {
        "grades.csv": csv_text(graded),
        "lms_canvas.csv": canvas_csv(found),
        "lms_moodle.csv": moodle_csv(found),
        "class_report.html": class_report(graded, labs, released_links(course, output, labs)),
    }
    for name, text in texts.items():
        write_text(output / name, text)
    return len(graded), remarks
