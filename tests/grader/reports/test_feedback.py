"""Feedback pages: what a student reads, by the outcome of each exercise."""

import re

import pytest

from helpers.grader.course.lab import Lab
from helpers.grader.formulas import drawn
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.reports.feedback import exercise_feedback, feedback_page, question_before
from helpers.grader.reports.marks import ManualMarks
from tests.conftest import ROOT

CAUSE = "You square the values. Multiply each by two."


def case(name, verdict="wrong", seen="its values differ from the right ones", **more):
    return Row("double", name, 1.0 if verdict == "correct" else 0.0, 1.0, verdict, seen=seen, about=f"<{name}>", **more)


def refused(name="validation_empty"):
    return case(name, seen="bad input must raise ValueError, and it raised nothing")


def judged(*rows):
    return Judgement(
        "00_mini", [*rows, Row("Average", "module", 3.0, 3.0, "correct")], code={"Average": "class Average: …"}
    )


def double_feedback(mini, *rows):
    return exercise_feedback(mini, mini.exercises["double"], judged(*rows), ManualMarks())


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index("<main>") :]))


def test_only_missing_validation_is_told_as_that(mini):
    item = double_feedback(mini, case("one", "correct"), refused())
    assert item.advice.startswith("Your values are right.") and item.causes == ()
    assert item.verdict == "partly right: bad input not rejected"


@pytest.mark.parametrize("misconception", ["squared", ""])
def test_the_advice_never_says_that_wrong_values_are_right(mini, misconception):
    item = double_feedback(mini, case("one", misconception=misconception), case("two", "correct"), refused())
    assert "values are right" not in item.advice.removeprefix("Once the values are right")
    assert [cause.diagnosis for cause in item.causes] == ([CAUSE] if misconception else [])
    assert item.verdict == "partly right: wrong values"


def test_advice_on_values_that_the_cause_leaves_unexplained_refers_to_the_cause(mini):
    explained = double_feedback(mini, case("one", misconception="squared"), case("two"))
    assert explained.advice.startswith("Correct this first")
    unexplained = double_feedback(mini, case("one"), case("two"))
    assert "“Double it”" in unexplained.advice


def test_a_cause_that_explains_everything_needs_no_other_advice(mini):
    assert double_feedback(mini, case("one", misconception="squared")).advice == ""


def test_failures_that_look_the_same_are_one_item_with_a_line_for_each_kind(mini):
    item = double_feedback(mini, *(case(f"kind {number}") for number in range(14)), case("right", "correct"), refused())
    values, validation = item.failures
    assert (
        values.cases == 14 and values.points_lost == 14 and values.kinds[13] == "<kind 13>" and len(values.kinds) == 14
    )
    assert validation.verdict == "bad input not rejected" and validation.kinds == ("<validation_empty>",)
    page = feedback_page(mini, "ada", judged(*(case(f"kind {number}") for number in range(14)), refused()))
    assert page.count("<li>&lt;kind ") == 14 and "or with" not in page


def test_an_exercise_that_is_not_written_lists_no_cases(mini):
    rows = [case(name, "missing", "the exercise is not written yet") for name in ("one", "two")]
    (failure,) = double_feedback(mini, *rows).failures
    assert failure.kinds == () and failure.cases == 2


def test_a_right_exercise_is_one_line_of_the_overview_and_its_code_is_folded(mini):
    page = feedback_page(mini, "ada", judged(case("one")))
    row = next(row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if "Average" in row)
    assert text_of(f"<main>{row}").split() == ["Average", "✓", "right", "3", "of", "3"]
    assert 'aria-labelledby="title-Average"' not in page and 'aria-labelledby="title-double"' in page
    assert page.count("class Average: …") == 1 and page.index("<details>") < page.index("class Average: …")
    assert 'id="code"' in page and 'id="code-Average"' in page


def test_a_right_exercise_with_a_comment_is_shown_in_full(mini):
    page = feedback_page(mini, "ada", judged(case("one")), ManualMarks(comments={"Average": "Elegant."}))
    assert 'aria-labelledby="title-Average"' in page and "Elegant." in page


def test_a_known_mistake_is_shown_with_one_call_and_its_numbers(mini):
    item = double_feedback(mini, case("one", misconception="squared"))
    values = mini.exercises["double"].examples[0].arguments[0]
    assert item.example.call.startswith("double(values)\nvalues = [")
    assert item.example.mistaken.startswith(str([round(value, 4) for value in (values**2).tolist()]))
    assert item.example.expected.startswith(str([round(value, 4) for value in (2 * values).tolist()]))
    page = feedback_page(mini, "ada", judged(case("one", misconception="squared")))
    assert item.example.mistaken in page and "The mistake gives" in page


def test_without_a_known_mistake_the_example_is_of_the_kind_that_failed(mini):
    rows = [case("one", "correct"), case("two")]
    rows[1].about = "a gradient"
    item = double_feedback(mini, *rows)
    assert item.example.about == "a gradient" and item.example.mistaken == ""
    assert double_feedback(mini, case("one", "correct"), refused()).example.expected == "a ValueError"
    assert double_feedback(mini, case("one", "missing")).example is None


def test_the_example_holds_no_hidden_input(mini):
    page = feedback_page(mini, "ada", judged(case("one", misconception="squared"), case("two")))
    shown, hidden = (
        str([round(value, 4) for value in cases[0].arguments[0].tolist()])[1:-1]
        for cases in (mini.exercises["double"].examples, mini.exercises["double"].cases)
    )
    assert shown in page and hidden not in page


def test_a_dropped_case_is_not_told(mini):
    dropped = Row("double", "two", 0.0, 0.0, "wrong", seen="its values differ from the right ones", about="dropped")
    item = double_feedback(mini, case("one", "correct"), dropped)
    assert item.outcome == "right" and item.cases == 1 and item.failures == ()


def test_new_work_under_an_old_mark_is_not_marked_yet(mini):
    marks = ManualMarks(to_mark=frozenset({"check_Average"}))
    page = feedback_page(mini, "ada", judged(case("one", "correct")), marks)
    assert "✓ right, not marked yet" in page and "that mark does not count for what you have handed in now" in page
    assert "1 exercise to mark again" in page


def test_formulas_are_drawn_in_question_answer_and_comment(mini):
    judgement = judged(case("one"))
    judgement.rows.append(Row("answer_why", "", None, 2.0, "manual"))
    judgement.answers = {"answer_why": "Since $T^2$ <script>x</script> and $5."}
    judgement.formulas = drawn(judgement.answers.values())
    page = feedback_page(mini, "ada", judgement, ManualMarks(comments={"answer_why": r"Why not \(\frac{1}{T}\)?"}))
    assert page.count("<math") == 2 and "&lt;script&gt;x&lt;/script&gt; and $5." in page and r"\frac" not in page
    judgement.formulas = {}
    assert "Since $T^2$ &lt;" in feedback_page(mini, "ada", judgement), "a student's TeX is not read here"


@pytest.mark.parametrize(
    ("lab", "answer", "title", "start"),
    [
        ("02_loss", "answer_kl_direction", "2. Which direction?", "Your student is much too small"),
        (
            "01_temperature",
            "answer_why_soft_targets",
            "Question 1 · Why soft targets help",
            "Why is the teacher's whole",
        ),
    ],
)
def test_a_written_answer_has_its_questions_title_and_text(lab, answer, title, start):
    found = question_before(Lab(ROOT / "solutions" / lab), answer)
    assert found[0] == title and found[1].startswith(start)


def test_every_written_answer_of_the_course_has_a_question_and_a_title_of_its_own():
    for folder in sorted(path.parent for path in (ROOT / "solutions").glob("*/cases.py")):
        lab = Lab(folder)
        questions = [question_before(lab, f"answer_{name}") for name in lab.answers]
        assert len({title for title, _ in questions}) == len(questions), folder.name
        assert all(len(text) > 40 and not title.islower() for title, text in questions), folder.name


def test_the_question_stands_above_the_answer(mini):
    judgement = judged(case("one"))
    judgement.rows.append(Row("answer_why", "", None, 2.0, "manual"))
    judgement.answers = {"answer_why": "Because."}
    text = text_of(feedback_page(mini, "ada", judgement))
    assert (
        "Think Your instructor will read this written answer; it is worth up to 2 points. Why? Your answer Because."
        in text
    )
