"""Late submissions, by nbgrader's own settings and code: due dates, extensions and the penalty plugin.

nbgrader's gradebook holds a lab's due date and a student's extension. A run with a gradebook of its own copies them,
and later changes of them, from the course's gradebook. The penalty is computed by nbgrader's `AssignLatePenalties` with
the plugin that `nbgrader_config.py` names.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
from nbgrader.api import Assignment, Gradebook, SubmittedAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties
from traitlets.config import Config

from helpers.atomic import write_text


@dataclass(frozen=True)
class _Date:
    """A due date or an extension: where the run's gradebook keeps it, and what the course's gradebook says."""

    label: str
    owner: Assignment | SubmittedAssignment
    attribute: str
    in_course: datetime | timedelta | None

    @property
    def in_run(self) -> datetime | timedelta | None:
        return getattr(self.owner, self.attribute)


def take_over_dates(course: Path, config: Config, database: str, labs: list[str], memory: Path) -> list[str]:
    """Copy due dates and extensions from the course's gradebook into the run's, and return remarks on differences.

    A date that a person has set in the run's own gradebook is kept. It is recognised because it differs from the one
    that was last copied. Where the run's gradebook has none, the course's is copied.

    Args:
        course: the course's folder.
        config: the course's nbgrader configuration.
        database: URL of the run's gradebook.
        labs: names of the labs whose dates count.
        memory: the file that holds what was last copied.
    """
    course_database = _course_database(course, config)
    if course_database is None or course_database == database:
        return []
    copied = json.loads(memory.read_text(encoding="utf-8")) if memory.is_file() else {}
    remarks = []
    with Gradebook(course_database) as theirs, Gradebook(database) as ours:
        for date in _dates(theirs, ours, labs):
            if date.in_run is None or str(date.in_run) == copied.get(date.label):
                setattr(date.owner, date.attribute, date.in_course)
            elif date.in_run != date.in_course:
                remarks.append(
                    f"{date.label}: {date.in_run} counts, as set in the output folder's own gradebook, and not the "
                    f"course's ({date.in_course or 'none'}); clear it there to use the course's again"
                )
            copied[date.label] = str(date.in_course)
        ours.db.commit()
    write_text(memory, json.dumps(copied, indent=1))
    return remarks


def _course_database(course: Path, config: Config) -> str | None:
    """Return the URL of the course's gradebook; None if it is a file that does not exist."""
    course_directory = CourseDirectory(config=config)
    if "root" not in config.CourseDirectory:
        course_directory.root = str(Path(course).resolve())
    url = str(course_directory.db_url)
    return None if url.startswith("sqlite:///") and not os.path.isfile(url.removeprefix("sqlite:///")) else url


def _dates(theirs: Gradebook, ours: Gradebook, labs: list[str]) -> Iterator[_Date]:
    """Yield the due date and the extensions of each lab that both gradebooks hold."""
    in_both = {item.name for item in theirs.assignments} & {item.name for item in ours.assignments}
    for lab in sorted(in_both & set(labs)):
        in_course, in_run = theirs.find_assignment(lab), ours.find_assignment(lab)
        extensions = {submission.student_id: submission.extension for submission in in_course.submissions}
        yield _Date(f"{lab}, due date", in_run, "duedate", in_course.duedate)
        for submission in in_run.submissions:
            student = submission.student_id
            yield _Date(f"{lab}, extension of {student}", submission, "extension", extensions.get(student))


def assign_penalty(gradebook: Gradebook, database: str, config: Config, lab: str, student: str) -> None:
    """Have nbgrader set the late penalty of one submission, if it is late or had a penalty before."""
    submission = gradebook.find_submission(lab, student)
    if submission.total_seconds_late > 0 or submission.late_submission_penalty:
        resources = {"notebook": lab, "assignment": lab, "student": student, "db_url": database}
        gradebook.db.commit()  # releases the lock: nbgrader opens the gradebook itself
        assigner = AssignLatePenalties(config=config)
        assigner.log.setLevel(logging.ERROR)  # a warning would overwrite the progress bar
        assigner.preprocess(nbformat.v4.new_notebook(), {"nbgrader": resources})
        gradebook.db.expire_all()
