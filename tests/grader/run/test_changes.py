"""Before a regrade changes marks, it is said whose, from what to what and why; a case can be dropped for everyone."""

import csv
from dataclasses import replace

import pytest
from nbgrader.api import Gradebook

from helpers.cli import main
from helpers.grader.course.lab import Lab, forget_changed_labs, load_lab
from helpers.grader.course.settings import case_weights
from helpers.grader.errors import GraderError
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.release import generate
from helpers.grader.reports.marked_work import Mark, MarkedCell
from helpers.grader.reports.points import weighed
from helpers.grader.run import changes
from helpers.grader.run.grading_run import GradingRun
from helpers.grader.run.publish import default_database


def judged(double="return 2 * values", answers=None, **verdicts):
    """A judgement of the small lab: `plain="wrong"` says which cases of `double` are not right."""
    worth = {"plain": 1.0, "gradient": 1.0, "one": 1.0, "validation_empty": 1.0}
    rows = [
        Row("double", case, points if verdicts.get(case, "correct") == "correct" else 0.0, points,
            verdicts.get(case, "correct"), about=case)
        for case, points in worth.items()
    ]  # fmt: skip
    rows.append(Row("Average", "module", 3.0, 3.0, "correct"))
    return Judgement("00_mini", rows, code={"double": double}, answers=answers or {})


def found(lab, before, now, lifted=(), marked=()):
    return [str(change) for change in changes.changes(lab, "ada", before, now, lifted, marked)]


def test_nothing_is_said_where_nothing_changes(mini):
    assert found(mini, judged(plain="wrong"), judged(plain="wrong")) == []


def test_a_new_hand_in_a_new_case_a_new_weight_and_another_verdict_are_told_apart(mini):
    wrong = judged(plain="wrong")
    assert found(mini, wrong, judged(double="return values + values")) == ["double 3 → 4 of 4 (new hand-in)"]
    assert found(mini, wrong, judged()) == ["double 3 → 4 of 4 (judged anew: plain was wrong and is correct)"]
    with_case = judged(plain="wrong", one="wrong")
    before = replace(with_case, rows=[row for row in with_case.rows if row.case != "one"])
    assert found(mini, before, judged(plain="wrong")) == ["double 2 → 3 of 4 (new case: one)"]
    heavier = judged(plain="wrong")
    heavier.rows[0].max_points, heavier.rows[1].points, heavier.rows[1].max_points = 0.5, 1.5, 1.5
    assert found(mini, wrong, heavier) == ["double 3 → 3.5 of 4 (new weight: gradient, plain)"]


def test_a_mark_of_a_person_is_what_counts_before_and_after(mini):
    cell = MarkedCell("ada", "00_mini", "double", "digest", 4.0, Mark(3.25, None, None))
    other = judged(double="pass", plain="wrong")
    assert found(mini, judged(), other, marked=["double"]) == []
    assert found(mini, judged(), other, lifted=[cell]) == [
        "double 3.25 → 3 of 4 (new hand-in; a person's mark was for earlier work)"
    ]
    answer = replace(cell, name="answer_why", max_points=2.0)
    assert found(mini, judged(), judged(), lifted=[answer]) == [
        "answer_why 3.25 → not marked yet of 2 (new hand-in; the mark was for earlier work)"
    ]


def test_the_record_goes_on_and_holds_no_formula(tmp_path):
    change = changes.Change("=ada", "00_mini", "double", 3.0, None, 4.0, "new hand-in")
    changes.keep(tmp_path, [change])
    changes.keep(tmp_path, [replace(change, after=3.5)])
    changes.keep(tmp_path, [])
    rows = list(csv.DictReader((tmp_path / "changes.csv").open()))
    assert [(row["student"], row["before"], row["after"]) for row in rows] == [
        ("'=ada", "3", "not marked yet"),
        ("'=ada", "3", "3.5"),
    ]
    assert changes.summary([change]) == "1 mark of 1 student changed (new hand-in 1)"


class Class_:
    """An output folder in which `ada` has been graded, with a stand-in for the judge."""

    def __init__(self, course, output):
        self.course, self.output, self.judged = course, output, 0
        generate(load_lab(course, "00_mini"), output / "scratch", default_database(output))

    def grade(self, judgement, regrade=False):
        def judge(waiting):
            for submission in waiting:
                self.judged += 1
                yield submission, judgement

        forget_changed_labs()
        with Gradebook(default_database(self.output)) as gradebook:
            run = GradingRun(self.course, self.output, gradebook, judge, "key", 0)
            result = run.run([Submission("ada", "00_mini")], regrade)
        assert not result.failures
        return result

    @property
    def mark(self):
        with Gradebook(default_database(self.output)) as gradebook:
            return gradebook.find_grade("check_double", "00_mini", "00_mini", "ada").auto_score


@pytest.fixture
def weighing(course, tmp_path, monkeypatch):
    """A copy of the course, and a function that writes weights into its settings."""
    import shutil

    copied = tmp_path / "course"
    shutil.copytree(course, copied)
    settings = (copied / "nbgrader_config.py").read_text()

    def weigh(text):
        (copied / "nbgrader_config.py").write_text(f"{settings}\n{text}\n")

    return copied, weigh


def test_a_case_is_dropped_for_everyone_without_judging_anew(weighing, tmp_path, capsys):
    course, weigh = weighing
    output = tmp_path / "graded"
    output.mkdir()
    lab = load_lab(course, "00_mini")
    wrong = judged(plain="wrong")
    for row in wrong.rows[:4]:
        worth = round(lab.exercises["double"].case_points[row.case], 6)
        row.max_points, row.points = worth, worth if row.verdict == "correct" else 0.0
    desk = Class_(course, output)
    assert desk.grade(wrong).changes == [] and desk.mark == pytest.approx(3.0)
    weigh('c.Judge.case_weights = {"00_mini/double/plain": 0}')
    capsys.readouterr()
    result = desk.grade(wrong)
    assert desk.judged == 1 and desk.mark == 4
    assert "changed: ada, 00_mini: double 3 → 4 of 4 (dropped: plain)" in capsys.readouterr().out
    assert [str(change) for change in result.changes] == ["double 3 → 4 of 4 (dropped: plain)"]
    assert desk.grade(wrong).changes == [] and desk.judged == 1
    assert main(["feedback", "--output", str(output), "--course", str(course)]) == 0
    page = (output / "feedback" / "ada" / "00_mini" / "00_mini.html").read_text()
    assert "<strong>7 of 7</strong>" in page and "4 of 4" in page and "✗" not in page and "◐" not in page
    weigh("")
    assert [str(change) for change in desk.grade(wrong).changes] == [
        "double 4 → 3 of 4 (new weight: gradient, one, plain)"
    ]
    assert len((output / "changes.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'c.Judge.case_weights = {"00_mini/double/plan": 0}',
            "“double/plan” is no case of this lab",
        ),
        ('c.Judge.case_weights = {"00_mni/double/plain": 0}', "'00_mni/double/plain': 0. Write the names"),
        ('c.Judge.case_weights = {"00_mini/double/plain": -1}', "a number of at least 0"),
        (
            'c.Judge.case_weights = {"00_mini/Average/module": 0}',
            "Average needs cases that judge a value",
        ),
    ],
)
def test_a_wrong_weight_is_said_in_a_line(weighing, text, said):
    course, weigh = weighing
    weigh(text)
    with pytest.raises(GraderError, match=said):
        Lab(course / "solutions" / "00_mini")


def test_weights_are_read_however_they_are_written(weighing):
    course, weigh = weighing
    weigh('c.Judge.case_weights = {"00_mini/double/one": 2, "00_mini/double/validation_empty": 0}')
    assert case_weights(course, "00_mini") == {"double/one": 2, "double/validation_empty": 0}
    points = Lab(course / "solutions" / "00_mini").exercises["double"].case_points
    assert points["one"] == 2 * points["plain"] and points["validation_empty"] == 0
    assert sum(points.values()) == pytest.approx(4)


def test_a_judgement_is_the_same_object_where_no_weight_changes(mini):
    exercise = mini.exercises["double"]
    rows = [Row("double", case, worth, round(worth, 6), "correct") for case, worth in exercise.case_points.items()]
    judgement = Judgement("00_mini", rows)
    assert weighed(mini.exercises, judgement) is judgement
