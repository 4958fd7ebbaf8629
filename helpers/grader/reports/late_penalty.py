"""Late hand-ins, by nbgrader's own settings and code: due dates, extensions and the penalty plugin.

The due date of a lab and a student's extension stand in nbgrader's gradebook; where a run has a gradebook of its own,
they are taken over from the course's, changes too. The penalty is what nbgrader's `AssignLatePenalties` makes of them,
with the plugin that `nbgrader_config.py` names.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties
from traitlets.config import Config

from helpers.atomic import write_text


def take_over_dates(course: Path, config: Config, database: str, labs: list[str], memory: Path) -> list[str]:
    """Bring due dates and extensions in the run's gradebook up to the course's; return remarks on those that differ.

    What a person has set in the run's own gradebook stays: it is another than what was last taken over, which the file
    `memory` holds. Where nothing is set there, the course's counts.
    """
    settings = CourseDirectory(config=config)
    if "root" not in config.CourseDirectory:
        settings.root = str(Path(course).resolve())
    own, remarks = settings.db_url, []
    if own == database or (own.startswith("sqlite:///") and not os.path.isfile(own.removeprefix("sqlite:///"))):
        return []
    taken = json.loads(memory.read_text(encoding="utf-8")) if memory.is_file() else {}
    with Gradebook(own) as theirs, Gradebook(database) as ours:
        entered = {assignment.name for assignment in ours.assignments}
        for lab in sorted({assignment.name for assignment in theirs.assignments} & entered & set(labs)):
            known, assignment = theirs.find_assignment(lab), ours.find_assignment(lab)
            extended = {entry.student_id: entry.extension for entry in known.submissions}
            dates = [(assignment, "duedate", known.duedate, f"{lab}, due date")]
            for entry in assignment.submissions:
                about = f"{lab}, extension of {entry.student_id}"
                dates.append((entry, "extension", extended.get(entry.student_id), about))
            for holder, name, date, about in dates:
                here = getattr(holder, name)
                if here is None or str(here) == taken.get(about):
                    setattr(holder, name, date)
                elif here != date:
                    remarks.append(
                        f"{about}: {here} counts, as set in the output folder's own gradebook, and not the course's "
                        f"({date or 'none'}); clear it there to go by the course's again"
                    )
                taken[about] = str(date)
        ours.db.commit()
    write_text(memory, json.dumps(taken, indent=1))
    return remarks


def assign_penalty(gradebook: Gradebook, database: str, config: Config, lab: str, student: str) -> None:
    """Have nbgrader set the late penalty of one submission, where it is late or was before."""
    submission = gradebook.find_submission(lab, student)
    if submission.total_seconds_late > 0 or submission.late_submission_penalty:
        where = {"notebook": lab, "assignment": lab, "student": student, "db_url": database}
        gradebook.db.commit()  # so that nothing is locked: nbgrader opens the gradebook itself
        assigner = AssignLatePenalties(config=config)
        assigner.log.setLevel(logging.ERROR)  # it would write over the progress line
        assigner.preprocess(nbformat.v4.new_notebook(), {"nbgrader": where})
        gradebook.db.expire_all()
