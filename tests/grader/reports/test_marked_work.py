"""A person's mark counts for the work that it was given for, and for no other."""

import csv
import json
import os

import pytest
from nbgrader.api import Gradebook

from helpers.cli import main
from helpers.grader.course.lab import Lab
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.release import generate
from helpers.grader.reports.marked_work import FILE, MarkedWork
from helpers.grader.run.grading_run import GradingRun
from helpers.grader.run.publish import default_database

pytestmark = pytest.mark.sandbox

WORK = {"double": "def double(values): return values * 2", "answer_why": "Because."}


class Desk:
    """An output folder: what ada handed in, what a person marks, and what is published."""

    def __init__(self, course, lab, output):
        self.course, self.lab, self.output = course, lab, output
        generate(lab, output / "scratch", default_database(output))

    def hand_in(self, double=WORK["double"], answer=WORK["answer_why"], right=True):
        """Grade a submission as a run does, with a stand-in for the judge, and publish. Returns what was said."""
        points = self.lab.exercises["double"].points
        rows = [
            Row("double", "plain", points if right else 0.0, points, "correct" if right else "wrong"),
            Row("Average", "module", 3.0, 3.0, "correct"),
            Row("answer_why", "", None, 2.0, "manual"),
        ]
        answers = {"answer_why": answer} if answer else {}
        judgement = Judgement("00_mini", rows, answers=answers, code={"double": double})
        with Gradebook(default_database(self.output)) as gradebook:
            run = GradingRun(
                self.course, self.output, gradebook, lambda waiting: self._judge(waiting, judgement), "key", 0
            )
            assert not run.run([Submission("ada", "00_mini")], regrade=True).failures
        self.publish()

    @staticmethod
    def _judge(waiting, judgement):
        for submission in waiting:
            yield submission, judgement

    def mark(self, cell, score, comment=None, extra=None):
        """Mark as formgrader does."""
        with Gradebook(default_database(self.output)) as gradebook:
            grade = gradebook.find_grade(cell, "00_mini", "00_mini", "ada")
            grade.manual_score, grade.extra_credit = score, extra
            grade.needs_manual_grade = score is None and grade.auto_score is None
            name = cell.removeprefix("check_")
            gradebook.find_comment(name, "00_mini", "00_mini", "ada").manual_comment = comment
            gradebook.db.commit()

    def publish(self):
        assert main(["feedback", "--output", str(self.output), "--course", str(self.course)]) == 0

    def cell(self, cell):
        """A cell's mark, whether formgrader lists it as waiting, its comment, and what an empty comment field shows."""
        with Gradebook(default_database(self.output)) as gradebook:
            grade = gradebook.find_grade(cell, "00_mini", "00_mini", "ada")
            comment = gradebook.find_comment(cell.removeprefix("check_"), "00_mini", "00_mini", "ada")
            return grade.manual_score, grade.needs_manual_grade, comment.manual_comment, comment.auto_comment

    @property
    def page(self):
        return (self.output / "feedback" / "ada" / "00_mini" / "00_mini.html").read_text()

    @property
    def report(self):
        return (self.output / "class_report.html").read_text()

    @property
    def lms(self):
        rows = csv.DictReader((self.output / "lms_canvas.csv").open())
        return next(row["00_mini"] for row in rows if row["SIS Login ID"] == "ada")


@pytest.fixture
def desk(course, mini, tmp_path):
    desk = Desk(course, mini, tmp_path)
    desk.hand_in()
    return desk


def test_a_mark_stays_on_the_same_work(desk):
    desk.mark("answer_why", 1.5, "Nearly.")
    desk.mark("check_double", 3.25, "Right idea.")
    for _ in range(2):
        desk.hand_in()
        assert desk.cell("answer_why")[:3] == (1.5, False, "Nearly.")
        assert desk.cell("check_double")[:3] == (3.25, False, "Right idea.")
    assert desk.lms == "7.75" and "To mark again" not in desk.report


def test_a_mark_does_not_count_for_another_answer(desk, capsys):
    desk.mark("answer_why", 1.5, "Nearly.", extra=0.5)
    desk.publish()
    assert desk.lms == "9" and "Nearly." in desk.page
    capsys.readouterr()
    desk.hand_in(answer="Dunno.")
    assert desk.lms == "7" and "not marked yet" in desk.page and "Nearly." not in desk.page
    score, waits, comment, hint = desk.cell("answer_why")
    assert (score, waits, comment) == (None, True, None)
    assert hint == "Mark of earlier work, which does not count: 1.5 of 2, 0.5 extra, “Nearly.”"
    assert "To mark again" in desk.report and "1.5 of 2, 0.5 extra, “Nearly.”" in desk.report
    assert "note: to mark again: ada, 00_mini, answer_why" in capsys.readouterr().out


def test_an_override_does_not_count_for_other_code_and_other_marks_stay(desk):
    desk.mark("check_double", 3.25, "Right idea.")
    desk.mark("answer_why", 1.5, "Nearly.")
    desk.hand_in(double="def double(values): return values", right=False)
    assert desk.lms == "4.5" and "Right idea." not in desk.page and "Nearly." in desk.page
    assert desk.cell("check_double")[:3] == (None, True, None)
    assert desk.cell("check_double")[3].startswith("wrong: 0 of 1 cases right\nMark of earlier work")
    assert desk.cell("answer_why")[:3] == (1.5, False, "Nearly.")


def test_the_old_mark_is_remembered_until_there_is_a_new_one(desk):
    desk.mark("answer_why", 1.5, "Nearly.")
    for answer in ("Dunno.", "Dunno.", "Still not."):
        desk.hand_in(answer=answer)
        assert "1.5 of 2, “Nearly.”" in desk.report
    desk.mark("answer_why", 1.5)  # the same mark again, now for the new work
    desk.publish()
    assert desk.lms == "8.5" and "To mark again" not in desk.report
    desk.hand_in(answer="Still not.")
    assert desk.cell("answer_why")[0] == 1.5 and desk.cell("answer_why")[3] is None


def test_the_mark_comes_back_with_the_work(desk):
    desk.mark("answer_why", 1.5, "Nearly.")
    desk.hand_in(answer="Dunno.")
    desk.hand_in()
    assert desk.cell("answer_why")[:3] == (1.5, False, "Nearly.") and desk.lms == "8.5"
    assert "To mark again" not in desk.report


def test_a_mark_that_a_person_removed_does_not_come_back(desk):
    desk.mark("answer_why", 1.5, "Nearly.")
    desk.publish()
    desk.mark("answer_why", None)
    desk.hand_in()
    assert desk.cell("answer_why")[:3] == (None, True, None) and json.loads((desk.output / FILE).read_text()) == []


def test_an_override_that_a_person_does_not_renew_leaves_the_list(desk):
    desk.mark("check_double", 3.25)
    desk.hand_in(double="def double(values): return 2 * values")
    assert "3.25 of 4" in desk.report
    desk.mark("check_double", None)
    desk.publish()
    assert "To mark again" not in desk.report and desk.lms == "7"


def test_a_mark_given_on_another_scale_does_not_count(desk, course, tmp_path, monkeypatch):
    desk.mark("check_double", 3.25)
    desk.hand_in()
    twice = Lab(course / "solutions" / "00_mini")
    twice.exercises["double"].points = 8
    judgement = Judgement("00_mini", code={"double": WORK["double"]})
    with Gradebook(default_database(desk.output)) as gradebook:
        notebook = gradebook.find_submission_notebook("00_mini", "00_mini", "ada")
        MarkedWork(desk.output).apply(notebook, twice, "ada", judgement)
        gradebook.db.commit()
    assert desk.cell("check_double")[0] is None


def test_a_run_killed_before_the_gradebook_was_written_loses_no_mark(desk, monkeypatch):
    desk.mark("answer_why", 1.5, "Nearly.")

    def die(self):
        real_save(self)
        raise KeyboardInterrupt

    real_save = MarkedWork.save
    with monkeypatch.context() as patch:
        patch.setattr(MarkedWork, "save", die)
        with pytest.raises(KeyboardInterrupt):
            desk.hand_in(answer="Dunno.")
    assert desk.cell("answer_why")[0] == 1.5
    desk.hand_in(answer="Dunno.")
    assert desk.cell("answer_why")[0] is None and "1.5 of 2, “Nearly.”" in desk.report
    assert os.listdir(desk.output).count(FILE) == 1
