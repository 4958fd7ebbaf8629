"""What Gradescope runs for a submission: judge the notebook in the sandbox, and write `results/results.json`.

One test for each exercise's values, and one for its bad input. A student sees what a feedback page would say, and
nothing of a hidden case. Where the host cannot isolate the notebook, nothing is run and the result says so. Source:
Gradescope's documentation, “Autograder Specifications”.
"""

from __future__ import annotations

import json
import math
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.atomic import write_text
from helpers.grader.course.lab import Exercise, Lab, load_lab
from helpers.grader.errors import GraderError, Refused
from helpers.grader.intake.student_folder import LabNames, StudentFolder, inner_folder
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.judging.submission import judge_submission, prepare
from helpers.grader.notes import FOR_INSTRUCTORS
from helpers.grader.preprocessor import Judge
from helpers.grader.release import put_environment_first
from helpers.grader.reports.feedback import exercise_feedback
from helpers.grader.reports.marks import ManualMarks
from helpers.grader.reports.pages import render
from helpers.grader.reports.points import judged_points, max_judged_points
from helpers.grader.run.publish import course_config
from helpers.grader.run.secret_seed import BITS
from helpers.grader.sandbox.doctor import isolates, report

STUDENT = "student"
NOT_GRADED = (
    "This submission was not graded, and the 0 points are not a mark. The computer that Gradescope runs the autograder "
    "on cannot isolate notebooks, and Distillab runs no student's code without isolation. Nothing in your notebook can "
    "change that: please tell your instructor."
)


def main(root: Path, name: str) -> None:
    """Judge the one submission under Gradescope's folder `root`, and write its results."""
    start = time.monotonic()
    course = root / "source" / "course"
    lab = load_lab(course, name, secrets.randbits(BITS))
    if isolates():
        try:
            judgement = _judge(course, lab, root / "submission")
            results = results_of(lab, judgement)
        except GraderError as problem:
            results = _without_tests(lab, f"{NOT_GRADED.split('.')[0]}. The grader itself failed.", str(problem))
    else:
        results = _without_tests(lab, NOT_GRADED, report())
    results["execution_time"] = round(time.monotonic() - start, 1)
    write_text(root / "results" / "results.json", json.dumps(results, indent=1))


def _judge(course: Path, lab: Lab, folder: Path) -> Judgement:
    put_environment_first()
    judge = Judge(config=course_config(course))
    labs = LabNames([lab.name], set())
    try:
        handed_in = StudentFolder(STUDENT, inner_folder(folder, labs), labs, lab=lab.name, is_download=True)
        submissions, _ = replace(handed_in, written_by_student=True).submissions()
        submission = submissions[0]
    except (Refused, OSError) as problem:
        submission = Submission.refused(STUDENT, lab.name, problem)
    prepare(judge.kernel_name, apart=True)
    return judge_submission(course, submission, judge.limits, judge.kernel_name, lab.seed)


def results_of(lab: Lab, judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as Gradescope's results: a test for each group of cases, and the points of the exercises."""
    refusal = next((row.note for row in judgement.rows if not row.exercise), "")
    if refusal:
        return _without_tests(lab, f"This submission could not be graded: {refusal}")
    texts = [note.text for note in judgement.notes if note.code not in FOR_INSTRUCTORS]
    if lab.answers:
        texts.append("Your written answers are marked by a person; their points are not in this score.")
    tests = [test for exercise in lab.exercises.values() for test in _tests(lab, exercise, judgement)]
    return _results(round(judged_points(lab, judgement), 6), "\n".join(texts), tests)


def _results(score: float, output: str, tests: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "score": score,
        "output": output,
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def _without_tests(lab: Lab, reason: str, for_instructors: str = "") -> dict[str, Any]:
    """Return the results of a submission that was not judged: one failed test, and details that students do not see."""
    tests = [_test("The submission could be graded", 0.0, max_judged_points(lab), reason)]
    if for_instructors:
        tests.append(_test("For instructors", 0.0, 0.0, for_instructors) | {"visibility": "hidden"})
    return _results(0.0, reason, tests)


def _tests(lab: Lab, exercise: Exercise, judgement: Judgement) -> Iterator[dict[str, Any]]:
    """Yield one test for an exercise's values and one for its bad input, with what a feedback page says of each."""
    rows = judgement.of(exercise.name)
    bad_input = [row for row in rows if row.case.startswith("validation")]
    values = [row for row in rows if row not in bad_input]
    for title, group in ((exercise.name, values), (f"{exercise.name}: bad input is rejected", bad_input)):
        if group:
            item = exercise_feedback(lab, exercise, replace(judgement, rows=group), ManualMarks())
            points = math.fsum(_points(exercise, row) for row in group)
            max_points = math.fsum(exercise.case_points[row.case] for row in group)
            _, _, details = render("check_output.txt", item=item).partition(
                "\n"
            )  # the first line has the points of both
            yield _test(title, points, max_points, f"{item.verdict}\n{details}")


def _points(exercise: Exercise, row: Row) -> float:
    """Return the exact points of a case; a row has them rounded."""
    return exercise.case_points[row.case] * (row.points or 0.0) / row.max_points if row.max_points else 0.0


def _test(name: str, points: float, max_points: float, output: str) -> dict[str, Any]:
    return {
        "name": name,
        "score": round(points, 6),
        "max_score": round(max_points, 6),
        "status": "passed" if points >= max_points else "failed",
        "output": output.strip(),
        "output_format": "text",
        "visibility": "visible",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
