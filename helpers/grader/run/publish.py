"""Write what people read, from the stored judgements and the gradebook: feedback, marks and the class report.

`distillab grade` ends with this step, and `distillab feedback` repeats it after someone has marked in formgrader or
changed a due date.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry

from helpers.atomic import write_text
from helpers.grader.course.lab import Lab, find_labs, load_lab
from helpers.grader.course.settings import course_config
from helpers.grader.errors import GraderError
from helpers.grader.intake.roster import Roster
from helpers.grader.judging.judgement import Judgement
from helpers.grader.reports.class_list import attendance
from helpers.grader.reports.class_report import class_report
from helpers.grader.reports.feedback import feedback_page
from helpers.grader.reports.gradebook import csv_text, read_manual_marks
from helpers.grader.reports.lab_page import lab_page
from helpers.grader.reports.late_penalty import assign_penalty, take_over_dates
from helpers.grader.reports.lms_export import MarkTable, canvas_csv, mark_table, marks, moodle_csv
from helpers.grader.reports.marked_work import MarkedCell, MarkedWork
from helpers.grader.reports.marks import ManualMarks
from helpers.grader.reports.totals import Totals, total
from helpers.grader.run.judgement_store import FOLDER, JudgementStore
from helpers.grader.run.output_lock import one_run_at_a_time
from helpers.grader.run.scale import require_one_scale

NO_PAGE = "{}'s feedback on {} could not be written ({}: {}). Marks and everyone else's pages are not affected."
NOTHING_GRADED = "Nothing has been graded into {0} yet. Grade with: distillab grade --output {0} …"


def default_database(output: Path) -> str:
    """Return the URL of the gradebook that a run keeps in its output folder."""
    return f"sqlite:///{Path(output).resolve()}/gradebook.db"


@dataclass(frozen=True)
class Published:
    """What was written: how many submissions, remarks for the instructor, and each submission's total."""

    submissions: int
    remarks: list[str]
    totals: Totals


def publish(course: Path, output: Path, database: str | None = None) -> Published:
    """Call `write_reports` while holding the lock on `output`."""
    if not Path(output).is_dir():
        raise GraderError(NOTHING_GRADED.format(output))
    with one_run_at_a_time(output):
        return write_reports(course, output, database)


def write_reports(course: Path, output: Path, database: str | None = None) -> Published:
    """Write `grades.csv`, the files for Canvas and Moodle, the class report and each student's feedback into `output`.

    Raises GraderError if nothing has been graded into `output`, or if its judgements do not match the course or the
    gradebook.
    """
    course, output = Path(course).resolve(), Path(output)
    roster, judgements = Roster.load(output), list(JudgementStore(output))
    judgements, remarks = of_the_class(judgements, roster)
    if not judgements:
        raise GraderError(NOTHING_GRADED.format(output))
    labs = _labs(course, output, judgements)
    require_one_scale(course, judgements)
    config, database = course_config(course), database or default_database(output)
    remarks += take_over_dates(course, config, database, list(labs), output / FOLDER / "dates.json")
    marked = MarkedWork(output)
    manual_marks: dict[tuple[str, str], ManualMarks] = {}
    names = {person.student: person.name for person in roster or ()}
    with Gradebook(database) as gradebook:
        for student, judgement in judgements:
            if judgement.lab:
                try:
                    assign_penalty(gradebook, database, config, judgement.lab, student)
                    marked.note(gradebook, student, judgement)
                    own = manual_marks[student, judgement.lab] = read_manual_marks(gradebook, judgement.lab, student)
                except MissingEntry:
                    raise GraderError(
                        f"{student}'s {judgement.lab} is not in the gradebook {database}. Use --db to name the "
                        "gradebook that the run wrote to."
                    ) from None
                path = output / "feedback" / student / judgement.lab / f"{judgement.lab}.html"
                try:
                    write_text(
                        path, feedback_page(labs[judgement.lab], student, judgement, own, names.get(student, ""))
                    )
                except (ArithmeticError, LookupError, RuntimeError, StopIteration, TypeError, ValueError) as problem:
                    path.unlink(missing_ok=True)  # an earlier page would show earlier marks
                    remarks.append(NO_PAGE.format(student, judgement.lab, type(problem).__name__, problem))
        table = _mark_table(gradebook, judgements, roster)
    marked.save()
    absent = attendance(roster, labs, {(student, judgement.lab) for student, judgement in judgements})
    remarks += [entry.remark for entry in absent.values() if entry.remark]
    remarks += [_to_mark_again(cell) for cell in marked.to_mark_again()]
    totals = {
        (student, judgement.lab): total(labs[judgement.lab], judgement, manual_marks[student, judgement.lab])
        for student, judgement in judgements
        if judgement.lab
    }
    released = {name: course / "labs" / name / f"{name}.ipynb" for name in labs}
    lab_pages = {name: f"labs/{name}.html" for name, path in released.items() if path.is_file()}
    texts = {lab_pages[name]: lab_page(released[name]) for name in lab_pages} | {
        "grades.csv": csv_text(
            judgements, manual_marks, {(person.student, lab) for lab in absent for person in absent[lab].excused}
        ),
        "lms_canvas.csv": canvas_csv(table),
        "lms_moodle.csv": moodle_csv(table),
        "class_report.html": class_report(
            judgements, labs, lab_pages, manual_marks, marked.to_mark_again(), absent, names
        ),
    }
    for name, text in texts.items():
        write_text(output / name, text)
    for name in labs:
        (output / "source" / name).mkdir(parents=True, exist_ok=True)  # formgrader's menu lists what is in source/
    return Published(len(judgements), remarks, totals)


def current_marks(output: Path, database: str | None = None) -> MarkTable:
    """Return the marks as the files for Canvas and Moodle show them, with what has been marked since.

    Raises GraderError if nothing has been graded into `output`.
    """
    roster = Roster.load(output)
    judgements, _ = of_the_class(JudgementStore(output), roster)
    if not judgements:
        raise GraderError(NOTHING_GRADED.format(output))
    with Gradebook(database or default_database(output)) as gradebook:
        return _mark_table(gradebook, judgements, roster)


def _mark_table(gradebook: Gradebook, judgements: list[tuple[str, Judgement]], roster: Roster | None) -> MarkTable:
    graded = {(student, judgement.lab) for student, judgement in judgements}
    labs = sorted({lab for _, lab in graded if lab})
    own = [mark for mark in marks(gradebook, labs) if (mark.student, mark.lab) in graded]
    return mark_table(own, roster, also={student for student, _ in graded})


def of_the_class(
    judgements: Iterable[tuple[str, Judgement]], roster: Roster | None
) -> tuple[list[tuple[str, Judgement]], list[str]]:
    """Return the judgements of students on the roster, and a remark on the others."""
    judgements = list(judgements)
    if roster is None:
        return judgements, []
    others = sorted({student for student, _ in judgements if roster.get(student) is None})
    remark = f"graded before, but not on the roster, and left out of all reports: {', '.join(others)}"
    own = [(student, judgement) for student, judgement in judgements if roster.get(student) is not None]
    return own, [remark] if others else []


def _to_mark_again(cell: MarkedCell) -> str:
    return (
        f"to mark again: {cell.student}, {cell.lab}, {cell.name}: the mark ({cell.text}) was given for earlier "
        "work and does not count"
    )


def _labs(course: Path, output: Path, judgements: list[tuple[str, Judgement]]) -> dict[str, Lab]:
    """Return the labs that were judged, by name. Raises GraderError if the course does not have one of them."""
    names = {judgement.lab for _, judgement in judgements if judgement.lab}
    missing = names - set(find_labs(course))
    if missing:
        raise GraderError(
            f"{output} holds judgements of labs that this course does not have: {', '.join(sorted(missing))}."
        )
    return {name: load_lab(course, name) for name in sorted(names)}
