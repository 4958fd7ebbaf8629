"""The class report: one HTML page for the instructor. A first screen says what to teach again and what is open; below
it, folded tables list every submission and every exercise.

All figures are computed from the judgements alone, so the same judgements give the same figures. Its links are relative
and stay inside the output folder, so the folder can be moved or sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from helpers.grader.course.lab import Lab
from helpers.grader.judging.judgement import Judgement
from helpers.grader.notes import NoteCode
from helpers.grader.reports import class_statistics as statistics
from helpers.grader.reports.advice import VERDICT_WORDS
from helpers.grader.reports.class_list import Attendance
from helpers.grader.reports.class_statistics import ExerciseStatistics, Marks, RankedMisconception, Times
from helpers.grader.reports.marked_work import MarkedCell
from helpers.grader.reports.marks import AllMarks
from helpers.grader.reports.pages import format_percent, render
from helpers.grader.reports.predictions import RankedPrediction, ranked_predictions
from helpers.grader.reports.similarity import SimilarAnswers, known_runs, near_identical
from helpers.grader.reports.submission_list import State, SubmissionLine, submission_list
from helpers.grader.reports.teach_again import teach_again

ALARMING_VERDICTS = ("crash", "denied", "timeout", "memory")
DOUBTFUL = (  # notes on what may have been taken for the wrong exercise, or has to do with time
    NoteCode.CELL_FOUND_BY_DEFINITION,
    NoteCode.CELL_FOUND_BY_QUESTION,
    NoteCode.CELL_REPEATED,
    NoteCode.CELL_STOPPED,
    NoteCode.CELL_SLOW,
    NoteCode.CHECK_PUT_BACK,
    NoteCode.COMPUTER_BUSY,
)
SLOWEST_SHOWN = 5
STATE_TEXTS = {
    State.NOT_JUDGED: "could not be judged",
    State.NOT_MARKED: "with answers that are not marked yet",
    State.MARK_AGAIN: "with marks to give again",
    State.LATE: "late",
    State.OVERRIDDEN: "with a mark that a person changed",
    State.MISSING: "missing",
    State.EXCUSED: "excused",
}

Graded = tuple[str, Judgement]  # student, judgement


@dataclass(frozen=True)
class FlaggedSubmission:
    """A submission that a person should look at, and why."""

    student: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class OpenCount:
    """How many submissions want something, and the table and the words under which they are found."""

    count: int
    text: str
    table: str
    search: str


@dataclass(frozen=True)
class LabSection:
    """The part of the report about one lab."""

    lab: str
    lab_page: str  # link to the lab's text; empty if there is none
    judged: int
    refused: int
    max_points: float
    written_answers: int
    flagged: list[FlaggedSubmission]
    any_similar: bool
    marks: Marks | None  # None, with `times`, if no submission was judged
    times: Times | None
    exercises: list[ExerciseStatistics]
    misconceptions: list[RankedMisconception]
    predictions: list[RankedPrediction]


def class_report(
    graded: Iterable[Graded],
    labs: Mapping[str, Lab],
    lab_pages: Mapping[str, str],
    marks: AllMarks = MappingProxyType({}),
    to_mark_again: Sequence[MarkedCell] = (),
    attendance: Mapping[str, Attendance] = MappingProxyType({}),
    names: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the report's HTML.

    Args:
        graded: (student, judgement) pairs.
        labs: the labs by name.
        lab_pages: for each lab, the link from the report to a page with the lab's text.
        marks: what a person and the late penalty add to a submission's marks, by student and lab.
        to_mark_again: marks that do not count, because the student has handed in something else since.
        attendance: who handed in nothing and who is excused, by lab; empty without a roster.
        names: students' names by id, as far as a roster has them.
    """
    graded = list(graded)
    by_lab: dict[str, list[Graded]] = defaultdict(list)
    for student, judgement in graded:
        by_lab[judgement.lab].append((student, judgement))
    unplaced = [FlaggedSubmission(student, (_refusal(judgement),)) for student, judgement in by_lab.pop("", [])]
    sections = [lab_section(labs[name], by_lab[name], lab_pages.get(name, "")) for name in sorted(by_lab)]
    judged = {name: [entry for entry in by_lab[name] if not _refusal(entry[1])] for name in sorted(by_lab)}
    lines = submission_list(graded, labs, marks, to_mark_again, attendance)
    return render(
        "class_report.html",
        teach_again=teach_again(labs, {name: entries for name, entries in judged.items() if entries}),
        lines=lines,
        open_counts=_open_counts(lines, sections, len(unplaced)),
        sections=sections,
        lab_pages=lab_pages,
        unplaced=unplaced,
        to_mark_again=list(to_mark_again),
        students=len({line.student for line in lines}),
        submissions=len(graded),
        words=VERDICT_WORDS,
        statistics=statistics,
        names=names,
    )


def _open_counts(lines: Sequence[SubmissionLine], sections: Sequence[LabSection], unplaced: int) -> list[OpenCount]:
    """Return what a person still has to do or to know, each with where it is listed."""
    flagged = sum(len(section.flagged) for section in sections) + unplaced
    counts = [OpenCount(flagged, "to look at", "look", "")]
    for state, text in STATE_TEXTS.items():
        count = sum(any(kind == state for kind, _ in line.states) for line in lines)
        counts.append(OpenCount(count, text, "submissions", str(state)))
    return [count for count in counts if count.count]


def lab_section(lab: Lab, graded: Sequence[Graded], lab_page: str) -> LabSection:
    """Return what the report says about one lab."""
    judged = [(student, judgement) for student, judgement in graded if not _refusal(judgement)]
    judgements = [judgement for _, judgement in judged]
    similar = near_identical({student: judgement.tokens for student, judgement in judged}, known_runs(lab))
    return LabSection(
        lab=lab.name,
        lab_page=lab_page,
        judged=len(judged),
        refused=len(graded) - len(judged),
        max_points=sum(exercise.points for exercise in lab.exercises.values()),
        written_answers=sum(len(judgement.answers) for judgement in judgements),
        flagged=flagged_submissions(lab, graded, similar),
        any_similar=bool(similar),
        marks=statistics.marks(lab, judgements) if judgements else None,
        times=statistics.times(judged, SLOWEST_SHOWN) if judged else None,
        exercises=statistics.exercise_statistics(lab, judgements) if judgements else [],
        misconceptions=statistics.ranked_misconceptions(lab, judgements),
        predictions=ranked_predictions(judgements),
    )


def _refusal(judgement: Judgement) -> str:
    return next((f"{row.verdict}: {row.note}" for row in judgement.rows if not row.exercise), "")


def flagged_submissions(
    lab: Lab, graded: Iterable[Graded], similar: Iterable[SimilarAnswers]
) -> list[FlaggedSubmission]:
    """Return the submissions that a person should look at, by student."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for student, judgement in graded:
        reasons[student] += _own_reasons(lab, judgement)
    for group in similar:
        for student in group.students:
            others = ", ".join(other for other in group.students if other != student)
            where = f"{format_percent(group.share)} of the rare code in {', '.join(group.exercises)}"
            reasons[student].append(f"nearly the same answers as {others} ({where})")
    return [FlaggedSubmission(student, tuple(texts)) for student, texts in sorted(reasons.items()) if texts]


def _own_reasons(lab: Lab, judgement: Judgement) -> list[str]:
    """Return the reasons that lie in the submission alone."""
    refusal = _refusal(judgement)
    reasons = [f"could not be judged – {refusal}"] if refusal else []
    for name in lab.exercises:
        verdicts = {row.verdict for row in judgement.of(name)}
        reasons += [f"{name} {VERDICT_WORDS[verdict]}" for verdict in ALARMING_VERDICTS if verdict in verdicts]
    return reasons + list(dict.fromkeys(note.text for note in judgement.notes if note.code in DOUBTFUL))
