"""Keep a person's marks together with the work that they were given for.

nbgrader's gradebook holds marks, extra credit and comments by cell, but not the work that they were given for. A run
keeps that in `marked_work.json` in its output folder. When a student hands in something else, the mark is taken out of
the gradebook, so that the cell counts as not marked; if the marked work comes back, so does its mark.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nbgrader.api import Comment, Grade, Gradebook, MissingEntry, SubmittedNotebook

from helpers.atomic import write_text
from helpers.grader.course.lab import Lab
from helpers.grader.judging.judgement import Judgement

FILE = "marked_work.json"
CHECK, ANSWER = "check_", "answer_"


@dataclass(frozen=True)
class Mark:
    """What a person gave for one exercise or written answer."""

    score: float | None
    extra: float | None
    comment: str | None

    def __bool__(self) -> bool:
        return self != Mark(None, None, None)


@dataclass(frozen=True)
class MarkedCell:
    """A person's mark, and what it was given for.

    Attributes:
        student: the student's id.
        lab: the lab's name.
        name: the exercise, or the id of the written answer.
        work: digest of what the student had written.
        max_points: what the exercise or answer was worth; None if that is not known.
        mark: what the person gave.
        is_lifted: whether the student has handed in something else, so that the mark does not count.
    """

    student: str
    lab: str
    name: str
    work: str
    max_points: float | None
    mark: Mark
    is_lifted: bool = False

    @property
    def text(self) -> str:
        """The mark in words, for the instructor."""
        score = f"{self.mark.score:g}" if self.mark.score is not None else ""
        of = f" of {self.max_points:g}" if score and self.max_points is not None else ""
        extra = f"{self.mark.extra:g} extra" if self.mark.extra else ""
        comment = f"“{self.mark.comment}”" if self.mark.comment else ""
        return ", ".join(part for part in (f"{score}{of}", extra, comment) if part)

    def fits(self, work: str, max_points: float | None) -> bool:
        """Return whether the mark was given for this work, on this scale."""
        return self.work == work and (None in (self.max_points, max_points) or self.max_points == max_points)


class MarkedWork:
    """The marks in one output folder, with the work that each was given for."""

    def __init__(self, output: Path) -> None:
        self._path = Path(output) / FILE
        self._cells: dict[tuple[str, str, str], MarkedCell] = {}
        if self._path.is_file():
            for entry in json.loads(self._path.read_text(encoding="utf-8")):
                cell = MarkedCell(**(entry | {"mark": Mark(**entry["mark"])}))
                self._cells[cell.student, cell.lab, cell.name] = cell
        self._saved = dict(self._cells)

    def save(self) -> None:
        """Write the file, if anything has changed."""
        if self._cells != self._saved:
            entries = [asdict(cell) for _, cell in sorted(self._cells.items())]
            write_text(self._path, json.dumps(entries, ensure_ascii=True, indent=1))
            self._saved = dict(self._cells)

    def to_mark_again(self) -> list[MarkedCell]:
        """Return the marks that do not count, because the student has handed in something else since."""
        return [cell for _, cell in sorted(self._cells.items()) if cell.is_lifted]

    def not_given_for(self, lab: Lab, student: str, judgement: Judgement) -> list[MarkedCell]:
        """Return a student's marks that count now and will not count for the work in `judgement`."""
        return [cell for cell in self._counting(lab, student) if not self._fits(cell, lab, judgement)]

    def given_for(self, lab: Lab, student: str, judgement: Judgement) -> list[MarkedCell]:
        """Return a student's marks that count for the work in `judgement`, and did before."""
        return [cell for cell in self._counting(lab, student) if self._fits(cell, lab, judgement)]

    def _counting(self, lab: Lab, student: str) -> list[MarkedCell]:
        cells = (cell for _, cell in sorted(self._cells.items()) if (cell.student, cell.lab) == (student, lab.name))
        return [cell for cell in cells if not cell.is_lifted and cell.mark.score is not None]

    @staticmethod
    def _fits(cell: MarkedCell, lab: Lab, judgement: Judgement) -> bool:
        return cell.fits(_work(judgement, cell.name), _points(lab)[cell.name])

    def note(self, gradebook: Gradebook, student: str, judgement: Judgement) -> None:
        """Note which marks are in the gradebook; those not seen before were given for the work in `judgement`."""
        try:
            notebook = gradebook.find_submission_notebook(judgement.lab, judgement.lab, student)
        except MissingEntry:
            return
        for name, grade, comment in _graded_cells(notebook):
            key, mark = (student, judgement.lab, name), _mark(grade, comment)
            known = self._cells.get(key)
            if mark and (known is None or known.is_lifted or known.mark != mark):
                max_points = _max_points(judgement, name)
                self._cells[key] = MarkedCell(*key, _work(judgement, name), max_points, mark)
            elif not mark and known is not None and not (known.is_lifted and grade.needs_manual_grade):
                del self._cells[key]  # a person has removed the mark, or looked at the new work and added nothing

    def apply(self, notebook: SubmittedNotebook, lab: Lab, student: str, judgement: Judgement) -> None:
        """Lift the marks that were not given for the work in `judgement`, and restore those that were.

        Saves the file, and leaves the gradebook to be committed by the caller. A lifted mark is named in the automatic
        comment, which formgrader shows in the empty field of the new comment.
        """
        for name, grade, comment in _graded_cells(notebook):
            cell = self._cells.get((student, lab.name, name))
            if cell is None:
                continue
            is_lifted = not self._fits(cell, lab, judgement)
            if is_lifted:
                _enter(Mark(None, None, None), grade, comment)
                comment.auto_comment = "\n".join(
                    [*filter(None, [comment.auto_comment]), f"Mark of earlier work, which does not count: {cell.text}"]
                )
            elif cell.is_lifted:
                _enter(cell.mark, grade, comment)
            grade.needs_manual_grade = is_lifted or (grade.needs_manual_grade and grade.manual_score is None)
            self._cells[student, lab.name, name] = replace(cell, is_lifted=is_lifted)
        self.save()


def _graded_cells(notebook: SubmittedNotebook) -> Iterator[tuple[str, Grade, Comment]]:
    """Yield the name, grade and comment of each exercise and written answer."""
    comments = {comment.name: comment for comment in notebook.comments}
    for grade in notebook.grades:
        name = grade.name.removeprefix(CHECK)
        if name in comments:
            yield name, grade, comments[name]


def _mark(grade: Grade, comment: Comment) -> Mark:
    return Mark(grade.manual_score, grade.extra_credit or None, comment.manual_comment or None)


def _enter(mark: Mark, grade: Grade, comment: Comment) -> None:
    grade.manual_score, grade.extra_credit, comment.manual_comment = mark.score, mark.extra, mark.comment


def _work(judgement: Judgement, name: str) -> str:
    """Return the digest of what the student wrote for an exercise or as an answer."""
    written: Mapping[str, str] = judgement.answers if name.startswith(ANSWER) else judgement.code
    return hashlib.sha256(written.get(name, "").strip().encode("utf-8", "backslashreplace")).hexdigest()


def _max_points(judgement: Judgement, name: str) -> float | None:
    """Return what an exercise or answer was worth when it was judged; None for a submission that was refused."""
    points = [row.max_points or 0.0 for row in judgement.of(name)]
    return round(sum(points), 3) if points else None


def _points(lab: Lab) -> dict[str, float]:
    """Return what each exercise and written answer of a lab is worth."""
    exercises = {name: round(float(exercise.points), 3) for name, exercise in lab.exercises.items()}
    answers = {f"{ANSWER}{name}": round(float(cell.metadata.nbgrader.points), 3) for name, cell in lab.answers.items()}
    return exercises | answers
