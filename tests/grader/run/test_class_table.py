"""The table that `distillab grade` prints: points, verdicts and misconceptions, and refusals with their reason."""

from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.reports.marks import ManualMarks
from helpers.grader.reports.totals import total
from helpers.grader.run.class_table import class_table


def test_each_student_has_a_line_and_each_misconception_one_of_its_own(mini):
    rows = [
        Row("double", "plain", 0.0, 1.0, "wrong", misconception="squared"),
        Row("double", "gradient", 0.0, 1.0, "wrong", misconception="squared"),
        Row("double", "validation_empty", 1.0, 2.0, "correct"),
        Row("Average", "module", 1.5, 3.0, "correct"),
        Row("answer_why", "", None, 2.0, "manual"),  # not counted until a person has marked it
    ]
    refused = Judgement("", [Row("", "", 0.0, None, "denied", note="a link that is not followed")])
    judgement = Judgement("00_mini", rows, answers={"answer_why": "Because."})
    totals = {("ada", "00_mini"): total(mini, judgement, ManualMarks())}
    text = class_table([("ada", judgement), ("eve", refused)], [mini], totals)
    assert [line.split() for line in text.splitlines()] == [
        ["student", "lab", "points", "verdicts"],
        ["ada", "00_mini", "2.5", "of", "7", "judged,", "2", "to", "mark", "1", "wrong,", "1", "correct"],
        ["double:", "wrong,", "squared"],
        ["eve", "-", "denied:", "a", "link", "that", "is", "not", "followed"],
    ]
