"""One way to count points: what has been judged or marked, and what is left to mark."""

import pytest

from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.reports.feedback import feedback_page
from helpers.grader.reports.marks import ManualMarks
from helpers.grader.reports.totals import Total, to_mark_line, total
from helpers.grader.run.class_table import class_table

ROWS = [
    Row("double", "plain", 2.08, 4.0, "wrong"),
    Row("Average", "module", 3.0, 3.0, "correct"),
    Row("answer_why", "", None, 2.0, "manual"),
]
ANSWERED = Judgement("00_mini", ROWS, answers={"answer_why": "Because."})
UNANSWERED = Judgement("00_mini", ROWS)


@pytest.mark.parametrize(
    ("judgement", "marks", "text"),
    [
        (ANSWERED, ManualMarks(), "5.08 of 7 judged, 2 to mark"),
        (ANSWERED, ManualMarks({"answer_why": 1.5}), "6.58 of 9"),
        (ANSWERED, ManualMarks({"check_double": 4.0}), "7 of 7 judged, 2 to mark"),
        (ANSWERED, ManualMarks({"answer_why": 0.0}, {"answer_why": 0.5}, penalty=1.0), "4.58 of 9"),
        (UNANSWERED, ManualMarks(), "5.08 of 9"),
        (UNANSWERED, ManualMarks(to_mark=frozenset({"check_double"})), "5.08 of 9, 1 exercise to mark again"),
        (UNANSWERED, ManualMarks(penalty=10.0), "0 of 9"),
    ],
)
def test_the_terminal_and_the_feedback_page_say_the_same(mini, judgement, marks, text):
    counted = total(mini, judgement, marks)
    table = class_table([("ada", judgement)], [mini], {("ada", "00_mini"): counted})
    assert f" {text}  " in table and f"<strong>{text}</strong>" in feedback_page(mini, "ada", judgement, marks)


def test_what_is_left_to_mark_is_counted_by_lab():
    totals = {
        ("ada", "02_b"): Total(1, 1, 2, 4.0),
        ("ben", "02_b"): Total(1, 1, 1, 2.0),
        ("ada", "01_a"): Total(1, 1, 1, 2.0),
        ("ada", "03_c"): Total(1, 1),
    }
    assert to_mark_line(totals) == "4 written answers to mark (01_a: 1, 02_b: 3)"
    assert to_mark_line({("ada", "03_c"): Total(1, 1)}) == ""
    again = {("ada", "03_c"): Total(1, 1, exercises_to_mark=1)}
    assert to_mark_line(again) == "1 exercise to mark again, with new work (03_c: 1)"
