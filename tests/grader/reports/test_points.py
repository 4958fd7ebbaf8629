"""All cases right is the maximum exactly, although each case's points are rounded to six decimals."""

import pytest
from nbgrader.api import Gradebook

from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.release import generate
from helpers.grader.reports.feedback import exercise_feedback
from helpers.grader.reports.gradebook import csv_text, record
from helpers.grader.reports.lms_export import marks
from helpers.grader.reports.marks import ManualMarks
from helpers.grader.reports.points import earned_points, judged_points, max_judged_points
from helpers.grader.run.publish import default_database

THIRD = 1.333333  # of 4 points, as the judge rounds it: three of them are 3.999999


def judged(*verdicts):
    """A judgement of the small lab with three equal cases of `double`, and all of `Average` right."""
    rows = [
        Row("double", f"case {number}", THIRD if verdict == "correct" else 0.0, THIRD, verdict)
        for number, verdict in enumerate(verdicts)
    ]
    return Judgement("00_mini", [*rows, Row("Average", "module", 3.0, 3.0, "correct")])


FULL = judged("correct", "correct", "correct")


def test_full_marks_are_the_maximum_in_the_gradebook_and_for_the_lms(mini, tmp_path):
    generate(mini, tmp_path / "scratch", default_database(tmp_path))
    with Gradebook(default_database(tmp_path)) as gradebook:
        record(gradebook, mini, "ada", FULL)
        grade = gradebook.find_grade("check_double", "00_mini", "00_mini", "ada")
        assert grade.auto_score == grade.max_score == 4
        assert not grade.failed_tests
        assert not gradebook.find_submission_notebook("00_mini", "00_mini", "ada").failed_tests
        assert marks(gradebook, ["00_mini"])[0].points == 7


def test_full_marks_are_the_maximum_in_the_feedback_and_in_totals(mini):
    assert exercise_feedback(mini, mini.exercises["double"], FULL, ManualMarks()).score.points == 4
    assert judged_points(mini, FULL) == max_judged_points(mini) == 7


def test_the_csv_keeps_the_rounded_points_of_each_case():
    assert csv_text([("ada", FULL)]).count("1.333333,1.333333,correct") == 3


@pytest.mark.parametrize(
    ("verdicts", "points"),
    [
        (("correct", "correct", "wrong"), 2 * THIRD),
        (("wrong", "wrong", "wrong"), 0),
        ((), 0),
    ],
)
def test_partial_marks_stay_the_sum_of_the_right_cases(mini, verdicts, points):
    judgement = judged(*verdicts)
    assert earned_points(mini.exercises["double"], judgement.of("double")) == points


def test_a_case_worth_little_is_not_rounded_away(mini):
    rows = [Row("double", "large", 3.9999, 3.9999, "correct"), Row("double", "small", 0.0, 0.0001, "wrong")]
    assert earned_points(mini.exercises["double"], rows) == 3.9999
