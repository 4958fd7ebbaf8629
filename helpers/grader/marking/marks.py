"""Read and change the marks of one written answer in nbgrader's gradebook, so that nobody overwrites another's.

A change names the mark that it replaces, and is made only where the gradebook still holds that: the database compares
and sets in one statement. So it does not matter who else writes, another marker or formgrader.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import aliased


class MarkChanged(Exception):
    """Somebody else has changed a mark since it was read; nothing was written."""


@dataclass(frozen=True)
class Mark:
    """What the gradebook says about one answer: a person's points and comment, and whether it waits for them."""

    score: float | None = None
    comment: str | None = None
    waits: bool = True


@dataclass(frozen=True)
class Change:
    """One student's mark, before and after."""

    student: str
    before: Mark
    after: Mark

    def undone(self) -> Change:
        """Return the change that takes this one back."""
        return Change(self.student, self.after, self.before)


@dataclass(frozen=True)
class _Entry:
    """A mark with the keys of its rows."""

    grade: str
    comment: str
    mark: Mark


class AnswerMarks:
    """The marks of one written answer, by student, as they are in the gradebook when this is made."""

    def __init__(self, gradebook: Gradebook, lab: str, cell: str) -> None:
        self._db = gradebook.db
        self._db.rollback()  # forget what was read before: another process may have written since
        grade_cell, comment_cell = aliased(BaseCell.__table__), aliased(BaseCell.__table__)
        found = (
            select(
                SubmittedAssignment.student_id,
                Grade.id,
                Comment.id,
                Grade.manual_score,
                Comment.manual_comment,
                Grade.needs_manual_grade,
            )
            .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
            .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
            .join(grade_cell, and_(Grade.cell_id == grade_cell.c.id, grade_cell.c.name == cell))
            .join(Comment, Comment.notebook_id == SubmittedNotebook.id)
            .join(comment_cell, and_(Comment.cell_id == comment_cell.c.id, comment_cell.c.name == cell))
            .where(Assignment.name == lab)
        )
        self._entries = {
            student: _Entry(grade, comment, Mark(score, text or None, waits))
            for student, grade, comment, score, text, waits in self._db.execute(found)
        }
        self._db.rollback()  # no open transaction may hold up others while a person thinks

    def __getitem__(self, student: str) -> Mark:
        return self._entries[student].mark

    def __contains__(self, student: str) -> bool:
        return student in self._entries

    def version(self, students: Iterable[str]) -> str:
        """Return a digest of these students' marks: it is another one as soon as any of them has changed."""
        marks = [[student, self[student].score, self[student].comment] for student in sorted(students)]
        return hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:16]

    def write(self, changes: Iterable[Change]) -> None:
        """Make all of these changes, or none.

        Raises MarkChanged if the gradebook holds another mark than a change expects.
        """
        try:
            for change in changes:
                self._swap(change)
        except BaseException:
            self._db.rollback()
            raise
        self._db.commit()

    def _swap(self, change: Change) -> None:
        entry, before, after = self._entries.get(change.student), change.before, change.after
        if entry is None:
            raise MarkChanged
        grade = (
            update(Grade)
            .where(Grade.id == entry.grade, Grade.manual_score.is_not_distinct_from(before.score))
            .values(manual_score=after.score, needs_manual_grade=after.waits)
        )
        comment = (
            update(Comment)
            # formgrader leaves "" where a comment has been deleted
            .where(Comment.id == entry.comment, func.coalesce(Comment.manual_comment, "") == (before.comment or ""))
            .values(manual_comment=after.comment)
        )
        for statement in (grade, comment):
            if self._db.execute(statement.execution_options(synchronize_session=False)).rowcount != 1:
                raise MarkChanged
