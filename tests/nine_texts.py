"""A class of a hundred whose written answers come in nine texts, for the tests of marking."""

from __future__ import annotations

import shutil
from pathlib import Path

from nbgrader.api import Gradebook

from helpers.grader.course.lab import Lab
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.marking.desk import MarkingDesk, NewMark
from helpers.grader.release import generate
from helpers.grader.run.grading_run import GradingRun
from helpers.grader.run.publish import default_database

RUBRIC = """
[[why]]
points = 1.5
text = "It is twice as much."
example = "two times"

[[why]]
points = 0.5
text = "With the reason."

[[why]]
points = -1
text = "A wrong reason."
"""
KEY = "00_mini/answer_why"
HOSTILE = (
    "<script>window.acted = true</script> <img src=x onerror='window.acted = true'> **bold** [go](javascript:acted)"
)
TEXTS = {
    "Because it is twice as much, and doubling adds the value to itself once more.": 40,
    "Because it is twice as much.": 20,
    "Because it is not twice as much, and doubling adds the value to itself once more.": 12,
    "It adds every value to itself.": 9,
    "No idea.": 8,
    "The mean, times the weight.\n\nSee above.": 5,
    HOSTILE: 3,
    "A loop over all the values.": 2,
    "I asked a friend.": 1,
}


def answers() -> dict[str, str]:
    """Student → answer. Every third answer has other white space."""
    texts = [text for text, count in TEXTS.items() for _ in range(count)]
    return {
        f"student{number:03}": text if number % 3 else f"{text.replace(' ', '  ')}\n"
        for number, text in enumerate(texts)
    }


def hand_in(course: Path, output: Path, texts: dict[str, str]) -> None:
    """Grade submissions with these answers as a run does, with a stand-in for the judge."""

    def judged(waiting):
        for submission in waiting:
            text = texts[submission.student]
            rows = [
                Row("double", "plain", 4.0, 4.0, "correct"),
                Row("Average", "module", 3.0, 3.0, "correct"),
                Row("answer_why", "", None, 2.0, "manual"),
            ]
            yield submission, Judgement("00_mini", rows, answers={"answer_why": text} if text else {})

    with Gradebook(default_database(output)) as gradebook:
        run = GradingRun(course, output, gradebook, judged, "key", 0)
        assert not run.run([Submission(student, "00_mini") for student in texts], regrade=True).failures


def course_with_rubric(course: Path, root: Path) -> Path:
    """Copy the small course to `root`, and give its written answer a rubric."""
    shutil.copytree(course, root)
    (root / "solutions" / "00_mini" / "rubrics.toml").write_text(RUBRIC)
    return root


def grade_class(course: Path, output: Path) -> None:
    """Grade the class into `output`."""
    generate(Lab(course / "solutions" / "00_mini"), output / "scratch", default_database(output))
    hand_in(course, output, answers())


def mark(desk: MarkingDesk, *groups: dict, marker: str = "me", **values) -> int:
    """Mark groups as the desk has shown them."""
    return desk.mark(KEY, NewMark(marker, {group["id"]: group["version"] for group in groups}, **values))


def mark_in_formgrader(output: Path, student: str, score: float | None, comment: str | None = None) -> None:
    """Mark one answer as formgrader does."""
    with Gradebook(default_database(output)) as gradebook:
        grade = gradebook.find_grade("answer_why", "00_mini", "00_mini", student)
        grade.manual_score, grade.needs_manual_grade = score, score is None
        gradebook.find_comment("answer_why", "00_mini", "00_mini", student).manual_comment = comment
        gradebook.db.commit()
