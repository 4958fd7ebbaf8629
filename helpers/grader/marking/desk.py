"""The marking desk: what is there to mark in an output folder, and one person's or several persons' work on it.

Answers come from the run's judgements, marks from nbgrader's gradebook. Marks are written while holding the lock on the
folder and only if the answers are still those that the marker saw, so no mark lands on work that was handed in later.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook

from helpers.grader.course.lab import find_labs, load_lab
from helpers.grader.errors import GraderError
from helpers.grader.marking.answers import AnswerGroup, group_answers, near_identical
from helpers.grader.marking.marks import AnswerMarks, Change, Mark, MarkChanged
from helpers.grader.marking.questions import Question, questions_of
from helpers.grader.marking.records import MarkingRecords, MarkRecord, QuestionRecords
from helpers.grader.run.judgement_store import JudgementStore
from helpers.grader.run.output_lock import OutputInUse, one_run_at_a_time
from helpers.grader.run.publish import NOTHING_GRADED

LOCK_SECONDS = 5.0  # to wait for another marker's save
OPEN_SECONDS = 600.0  # for which a group counts as open on a marker's page

Answers = Mapping[str, Mapping[str, str]]  # by the question's key and the student


@dataclass(frozen=True)
class NewMark:
    """What a marker saves: the same mark for one or more groups of answers.

    Attributes:
        marker: id of the marker's page, for undo.
        groups: the id of each group, with the version of its marks that the marker saw.
        items: the texts of the ticked rubric items.
        points: points instead of the rubric's sum, or None.
        note: the marker's own words to the student.
    """

    marker: str
    groups: Mapping[str, str]
    items: tuple[str, ...] = ()
    points: float | None = None
    note: str = ""


@dataclass(frozen=True)
class _Done:
    """What one save changed, to take it back."""

    question: Question
    changes: list[Change]
    records: dict[str, MarkRecord | None] = field(default_factory=dict)


class MarkingDesk:
    """The written answers in one output folder.

    Raises GraderError if nothing has been graded there, or if there is no written answer.
    """

    def __init__(self, course: Path, output: Path, database: str, labs: Sequence[str] = ()) -> None:
        self.output, self.has_changed = Path(output), False
        self._store, self._records = JudgementStore(self.output), MarkingRecords(self.output)
        self._seen: object = None
        self._known: Answers = {}
        self._done: dict[str, list[_Done]] = defaultdict(list)  # by marker
        self._open: dict[str, tuple[str, str, float]] = {}  # by marker: the question, the group and when
        judged = {judgement.lab for _, judgement in self._store if judgement.lab}
        if not judged:
            raise GraderError(NOTHING_GRADED.format(output))
        if missing := set(labs or judged) - (judged & set(find_labs(course))):
            raise GraderError(f"{output} holds no graded submissions to {', '.join(sorted(missing))} of this course.")
        found = [question for name in sorted(labs or judged) for question in questions_of(load_lab(course, name))]
        self.by_key = {question.key: question for question in found}
        if not any(self._answers().get(key) for key in self.by_key):
            raise GraderError(f"{output} holds no written answers to {', '.join(sorted(labs or judged))}.")
        self._gradebook = Gradebook(database)
        if not self.overview():
            raise GraderError(
                f"The answers in {output} are not in the gradebook {database}. Use --db to name the gradebook that the "
                "run wrote to."
            )

    def close(self) -> None:
        """Close the gradebook."""
        self._gradebook.close()

    # ------------------------------------------------------------------------------------------------------- reading

    def overview(self) -> list[dict[str, Any]]:
        """Return the questions that somebody has answered, and how many groups and answers are left to mark."""
        entries = []
        for question in self.by_key.values():
            marks, groups = self._marked_groups(question)
            if not groups:
                continue
            left = [sum(marks[student].score is None for student in group.students) for group in groups]
            entries.append(
                {
                    "key": question.key,
                    "lab": question.lab,
                    "title": question.title,
                    "answers": sum(len(group.students) for group in groups),
                    "groups": len(groups),
                    "answers_left": sum(left),
                    "groups_left": sum(map(bool, left)),
                }
            )
        return entries

    def question(self, key: str, marker: str = "") -> dict[str, Any]:
        """Return a question with its groups of answers and all that a marker needs beside them."""
        question = self._question(key)
        shown = {name: value for name, value in asdict(question).items() if name != "cell"}
        return shown | {"key": key, "comments": self.comments(key), "groups": self.groups(key, marker)}

    def comments(self, key: str) -> list[str]:
        """Return the comments that can be used again on a question, the last used first."""
        question = self._question(key)
        return self._records.of(question.lab, question.cell).comments

    def groups(self, key: str, marker: str = "") -> list[dict[str, Any]]:
        """Return the groups of answers to a question, the largest first, without names."""
        question = self._question(key)
        marks, groups = self._marked_groups(question)
        records, now = self._records.of(question.lab, question.cell), time.monotonic()
        elsewhere = {
            group
            for other, (opened, group, since) in self._open.items()
            if other != marker and opened == key and now - since < OPEN_SECONDS
        }
        return [_shown(group, marks, records) | {"elsewhere": group.id in elsewhere} for group in groups]

    def group(self, key: str, group: str, marker: str = "") -> list[dict[str, Any]]:
        """Return the groups that are nearly the same as this one, with the differences, and note who has it open."""
        groups = {item.id: item for item in self._marked_groups(self._question(key))[1]}
        if marker:
            self._open[marker] = (key, group, time.monotonic())
        if group not in groups:
            return []
        return [
            {"id": near.group.id, "share": near.share, "pieces": [asdict(piece) for piece in near.pieces]}
            for near in near_identical(groups[group], groups.values())
        ]

    def names(self, key: str, group: str) -> list[dict[str, Any]]:
        """Return who has written the answers of a group, and what each has got."""
        marks, groups = self._marked_groups(self._question(key))
        students = next((item.students for item in groups if item.id == group), ())
        return [{"student": student, "points": marks[student].score} for student in students]

    # ------------------------------------------------------------------------------------------------------- writing

    def mark(self, key: str, new: NewMark) -> int:
        """Give the same mark to all answers of some groups, and return how many these are.

        Raises:
            MarkChanged: an answer or its mark is no longer what the marker saw.
            GraderError: the mark is not possible, or a grading run is using the folder.
        """
        question = self._question(key)
        ticked, note = question.items(new.items), new.note.strip()
        score = question.score(ticked, new.points)
        comment = question.comment(ticked, score, note)
        record = MarkRecord(new.items, note, new.points, score, comment)
        with self._changing(question) as records:
            marks, groups = self._marked_groups(question)
            members = {group.id: group.students for group in groups}
            if any(seen != marks.version(members.get(group, ())) for group, seen in new.groups.items()):
                raise MarkChanged
            students = [student for group in new.groups for student in members[group]]
            changes = [Change(name, marks[name], Mark(score, comment, waits=False)) for name in students]
            marks.write(changes)
            self._done[new.marker].append(_Done(question, changes, {id: records.marks.get(id) for id in new.groups}))
            records.marks |= dict.fromkeys(new.groups, record)
            if note:
                records.keep_comment(note)
        self.has_changed = True
        return len(changes)

    def undo(self, marker: str) -> tuple[str, list[str]] | None:
        """Take back the last mark that this marker has saved. Return the question's key and the groups; None if none.

        Raises MarkChanged if somebody has changed one of the marks since; it then cannot be taken back.
        """
        if not self._done[marker]:
            return None
        done = self._done[marker][-1]
        question = done.question
        with self._changing(question) as records:
            self._done[marker].pop()
            AnswerMarks(self._gradebook, question.lab, question.cell).write(item.undone() for item in done.changes)
            for group, record in done.records.items():
                records.marks.pop(group, None)
                records.marks |= {group: record} if record else {}
        self.has_changed = True
        return question.key, list(done.records)

    def forget_comment(self, key: str, text: str) -> None:
        """Remove a comment from the bank."""
        with self._changing(self._question(key)) as records:
            records.comments = [known for known in records.comments if known != text]

    @contextmanager
    def _changing(self, question: Question) -> Iterator[QuestionRecords]:
        try:
            with (
                one_run_at_a_time(self.output, wait=LOCK_SECONDS),
                self._records.change(question.lab, question.cell) as records,
            ):
                yield records
        except OutputInUse:
            raise GraderError("A grading run is using the folder. Save again when it has finished.") from None

    # ------------------------------------------------------------------------------------------------------- answers

    def _question(self, key: str) -> Question:
        if key not in self.by_key:
            raise GraderError(f"There is no question {key!r}.")
        return self.by_key[key]

    def _marked_groups(self, question: Question) -> tuple[AnswerMarks, list[AnswerGroup]]:
        """Return a question's marks and its groups of answers, without answers that are not in the gradebook."""
        marks = AnswerMarks(self._gradebook, question.lab, question.cell)
        answers = self._answers().get(question.key, {})
        return marks, group_answers({student: text for student, text in answers.items() if student in marks})

    def _answers(self) -> Answers:
        """Return all written answers, read again if a file has changed."""
        files = sorted((path.as_posix(), path.stat()) for path in self._store.folder.glob("*/*.json"))
        seen = [(name, status.st_ino, status.st_mtime_ns, status.st_size) for name, status in files]
        if seen != self._seen:
            answers: dict[str, dict[str, str]] = defaultdict(dict)
            for student, judgement in self._store:
                for cell, text in judgement.answers.items():
                    answers[f"{judgement.lab}/{cell}"][student] = text
            self._seen, self._known = seen, answers
        return self._known


def _shown(group: AnswerGroup, marks: AnswerMarks, records: QuestionRecords) -> dict[str, Any]:
    """Return a group as the page shows it."""
    given = Counter((marks[student].score, marks[student].comment) for student in group.students)
    (score, comment), _ = given.most_common(1)[0]
    record = records.marks.get(group.id)
    if record is None or (record.score, record.comment) != (score, comment):  # marked elsewhere, such as in formgrader
        record = MarkRecord((), comment or "", score, score or 0.0, comment)
    return {
        "id": group.id,
        "text": group.text,
        "count": len(group.students),
        "left": sum(count for (points, _), count in given.items() if points is None),
        "version": marks.version(group.students),
        "mark": asdict(record) if len(given) == 1 and score is not None else None,
        "given": [{"points": points, "count": count} for (points, _), count in given.most_common()],
    }
