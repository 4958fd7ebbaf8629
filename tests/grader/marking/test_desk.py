"""Marking by question: few marks for many answers, nothing overwritten, everything in nbgrader's own gradebook."""

import csv
import json

import pytest
from filelock import FileLock
from nbgrader.api import Gradebook

from helpers.cli import main
from helpers.grader.errors import GraderError
from helpers.grader.marking.desk import MarkingDesk
from helpers.grader.marking.marks import AnswerMarks, MarkChanged
from helpers.grader.marking.questions import Question
from helpers.grader.run import publish
from helpers.grader.run.publish import default_database
from tests.nine_texts import KEY, TEXTS, answers, hand_in, mark, mark_in_formgrader

TWICE, REASON, WRONG = "It is twice as much.", "With the reason.", "A wrong reason."


def in_gradebook(output):
    """Student → points, comment and whether formgrader lists the answer as waiting."""
    with Gradebook(default_database(output)) as gradebook:
        entries = {}
        for submission in gradebook.assignment_submissions("00_mini"):
            (notebook,) = submission.notebooks
            grade = next(grade for grade in notebook.grades if grade.name == "answer_why")
            comment = next(comment for comment in notebook.comments if comment.name == "answer_why")
            entries[submission.student_id] = (grade.manual_score, comment.manual_comment, grade.needs_manual_grade)
        return entries


def test_a_hundred_answers_in_nine_texts_take_nine_marks(desk, output, marking_course):
    groups = desk.groups(KEY)
    assert [group["count"] for group in groups] == sorted(TEXTS.values(), reverse=True) and len(groups) == 9
    marks = [mark(desk, group, points=0.25 * number) for number, group in enumerate(groups)]
    assert sum(marks) == 100 and desk.overview()[0]["groups_left"] == 0
    entered = in_gradebook(output)
    assert len(entered) == 100 and not any(waits for _, _, waits in entered.values())
    assert entered["student000"][0] == 0 and entered["student099"][0] == 2
    publish.publish(marking_course, output)
    rows = {row["Username"]: row for row in csv.DictReader((output / "lms_moodle.csv").open())}
    assert rows["student000"]["00_mini (Real)"] == "7" and rows["student099"]["00_mini (Real)"] == "9"


def test_the_page_knows_no_names_until_it_asks(desk):
    shown = json.dumps([desk.overview(), desk.question(KEY), desk.group(KEY, desk.groups(KEY)[0]["id"])])
    assert "student0" not in shown
    last = desk.groups(KEY)[-1]
    assert desk.names(KEY, last["id"]) == [{"student": "student099", "points": None}]


def test_what_stands_beside_the_answers_comes_from_the_lab(desk):
    question = desk.question(KEY)
    assert question["title"] == "Think" and "Why?" in question["text"] and "Because." in question["model_answer"]
    assert [item["text"] for item in question["rubric"]] == [TWICE, REASON, WRONG] and question["max_points"] == 2


def test_the_students_read_what_cost_points_and_the_markers_words(desk, output, marking_course):
    first, second, *_ = desk.groups(KEY)
    mark(desk, first, items=(TWICE, WRONG), note=" Look at <b>the mean</b>. ")
    mark(desk, second, items=(TWICE, REASON))
    score, comment, _ = in_gradebook(output)["student000"]
    assert score == 0.5
    assert comment == (
        "Not in your answer:\n• With the reason. (0.5 points)\n\nPoints taken off:\n• A wrong reason. (1 point)\n\n"
        "Look at <b>the mean</b>."
    )
    assert in_gradebook(output)["student040"][:2] == (2.0, None)
    publish.publish(marking_course, output)
    page = (output / "feedback" / "student000" / "00_mini" / "00_mini.html").read_text()
    assert "With the reason. (0.5 points)" in page and "&lt;b&gt;the mean&lt;/b&gt;" in page
    shown = desk.groups(KEY)[0]["mark"]  # the marker finds the items ticked
    assert (shown["items"], shown["note"], shown["points"]) == ((TWICE, WRONG), "Look at <b>the mean</b>.", None)


QUESTION = Question("00_mini", "answer_why", "", "", "", 2.0, ())


@pytest.mark.parametrize("points", [-0.5, 2.5])
def test_impossible_points_are_refused(points):
    with pytest.raises(GraderError, match="between 0 and 2"):
        QUESTION.score([], points)


def test_nothing_chosen_is_no_mark(desk):
    with pytest.raises(GraderError, match="Choose rubric items or enter points"):
        mark(desk, desk.groups(KEY)[0])
    with pytest.raises(GraderError, match="no item “invented”"):
        mark(desk, desk.groups(KEY)[0], items=("invented",))


def test_nearly_identical_answers_are_proposed_and_marked_only_when_confirmed(desk, output):
    first, *others = desk.groups(KEY)
    (near,) = desk.group(KEY, first["id"])
    assert any(piece["kind"] != "same" and "not" in piece["text"] for piece in near["pieces"])
    assert mark(desk, first, items=(TWICE, REASON)) == 40
    other = next(group for group in desk.groups(KEY) if group["id"] == near["id"])
    assert other["mark"] is None and other["left"] == 12
    assert mark(desk, desk.groups(KEY)[0], other, points=1) == 52
    assert {score for score, _, _ in in_gradebook(output).values()} == {1.0, None}


def test_a_mark_of_somebody_else_is_shown_and_not_overwritten(desk, output):
    first = desk.groups(KEY)[0]
    mark_in_formgrader(output, "student007", 1.5, "Mine.")
    with pytest.raises(MarkChanged):
        mark(desk, first, points=0)
    assert in_gradebook(output)["student007"] == (1.5, "Mine.", False)
    assert in_gradebook(output)["student000"][0] is None, "all of a group or none"
    now = desk.groups(KEY)[0]
    assert now["left"] == 39 and {"points": 1.5, "count": 1} in now["given"] and now["mark"] is None
    assert mark(desk, now, points=0) == 40  # the marker has seen it, and saves again


@pytest.mark.parametrize(("score", "comment"), [(2.0, None), (None, "Wait.")])
def test_two_markers_who_save_at_the_same_moment(desk, output, monkeypatch, score, comment):
    """Between reading and writing, formgrader is faster: the database itself compares."""
    real_write = AnswerMarks.write

    def late(self, changes):
        mark_in_formgrader(output, "student039", score, comment)
        real_write(self, changes)

    monkeypatch.setattr(AnswerMarks, "write", late)
    with pytest.raises(MarkChanged):
        mark(desk, desk.groups(KEY)[0], points=0)
    entered = in_gradebook(output)
    assert entered["student039"][:2] == (score, comment) and entered["student000"] == (None, None, True)
    assert not (output / "marking.json").exists()


def test_two_desks_on_one_folder(desk, marking_course, output):
    other = MarkingDesk(marking_course, output, default_database(output))
    seen = other.groups(KEY)
    mark(desk, desk.groups(KEY)[0], points=2)
    with pytest.raises(MarkChanged):
        mark(other, seen[0], marker="you", points=0)
    mark(other, seen[1], marker="you", points=1)
    assert desk.overview() == other.overview() and desk.groups(KEY)[1]["mark"]["score"] == 1
    other.close()


def test_a_group_that_is_open_elsewhere_says_so(desk):
    first = desk.groups(KEY)[0]["id"]
    desk.group(KEY, first, marker="you")
    assert [group["elsewhere"] for group in desk.groups(KEY, "me")] == [True] + [False] * 8
    assert not any(group["elsewhere"] for group in desk.groups(KEY, "you"))


def test_undo_takes_back_only_ones_own_last_mark(desk, output):
    before = in_gradebook(output)
    first, second, *_ = desk.groups(KEY)
    mark(desk, first, items=(TWICE,), note="Why?")
    mark(desk, second, marker="you", points=1)
    assert desk.undo("me") == (KEY, [first["id"]])
    entered = in_gradebook(output)
    assert entered["student000"] == before["student000"] == (None, None, True)
    assert entered["student040"][0] == 1 and desk.undo("me") is None


def test_undo_brings_the_mark_before_back_with_its_items(desk):
    mark(desk, desk.groups(KEY)[0], items=(TWICE,), note="Why?")
    mark(desk, desk.groups(KEY)[0], points=0)
    desk.undo("me")
    shown = desk.groups(KEY)[0]["mark"]
    assert (shown["items"], shown["note"], shown["score"]) == ((TWICE,), "Why?", 1.5)


def test_a_mark_that_somebody_has_changed_since_is_not_taken_back(desk, output):
    mark(desk, desk.groups(KEY)[0], points=2)
    mark_in_formgrader(output, "student001", 1.0)
    with pytest.raises(MarkChanged):
        desk.undo("me")
    assert in_gradebook(output)["student001"][0] == 1.0 and in_gradebook(output)["student000"][0] == 2.0
    assert desk.undo("me") is None


def test_a_mark_never_lands_on_work_that_was_handed_in_later(desk, marking_course, output):
    seen = desk.groups(KEY)
    hand_in(marking_course, output, {"student000": "Something new."})
    with pytest.raises(MarkChanged):
        mark(desk, seen[0], points=2)
    assert in_gradebook(output)["student000"][0] is None
    assert [group["count"] for group in desk.groups(KEY)][0] == 39


def test_marks_stay_with_the_work(desk, marking_course, output):
    mark(desk, desk.groups(KEY)[0], items=(TWICE,))
    hand_in(marking_course, output, {"student000": "Something new.", "student001": answers()["student001"]})
    entered = in_gradebook(output)
    assert entered["student000"] == (None, None, True) and entered["student001"][0] == 1.5


def test_marks_of_formgrader_count_and_are_shown(desk, output):
    mark(desk, desk.groups(KEY)[-1], items=(TWICE,))
    mark_in_formgrader(output, "student099", 1.25, "Good.")
    last = desk.groups(KEY)[-1]
    shown = (last["mark"]["items"], last["mark"]["points"], last["mark"]["note"])
    assert last["left"] == 0 and shown == ((), 1.25, "Good."), "the rubric's ticks are no longer what the student got"
    mark_in_formgrader(output, "student099", 1.25, "")  # formgrader leaves "" where a comment is deleted
    assert mark(desk, desk.groups(KEY)[-1], points=1) == 1


def test_comments_can_be_used_again(desk, marking_course, output):
    for group, note in zip(desk.groups(KEY), ["One.", "Two.", "One."], strict=False):
        mark(desk, group, points=1, note=note)
    assert desk.question(KEY)["comments"] == ["One.", "Two."]
    other = MarkingDesk(marking_course, output, default_database(output))
    other.forget_comment(KEY, "Two.")
    other.close()
    assert desk.question(KEY)["comments"] == ["One."]


def test_no_mark_while_a_grading_run_uses_the_folder(desk, output, monkeypatch):
    monkeypatch.setattr("helpers.grader.marking.desk.LOCK_SECONDS", 0.01)
    with FileLock(output / ".lock"), pytest.raises(GraderError, match="A grading run is using the folder"):
        mark(desk, desk.groups(KEY)[0], points=1)
    assert mark(desk, desk.groups(KEY)[0], points=1) == 40


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--output", "{nothing}"], "Nothing has been graded into"),
        (["--output", "{output}", "01_other"], "no graded submissions to 01_other"),
        (["--output", "{output}", "--db", "sqlite:///{nothing}/other.db"], "Use --db to name the gradebook"),
    ],
)
def test_mistakes_are_said_in_one_line(capsys, marking_course, output, tmp_path, arguments, says):
    (tmp_path / "nothing").mkdir()
    places = {"output": output, "nothing": tmp_path / "nothing"}
    command = ["mark", "--no-browser", "--course", str(marking_course), *(text.format(**places) for text in arguments)]
    assert main(command) == 1
    assert says in capsys.readouterr().err


def test_a_class_without_written_answers_has_nothing_to_mark(marking_course, output):
    hand_in(marking_course, output, dict.fromkeys(answers(), ""))
    with pytest.raises(GraderError, match="holds no written answers"):
        MarkingDesk(marking_course, output, default_database(output))


def test_a_damaged_record_is_named(desk, output):
    (output / "marking.json").write_text('{"a": 1}')
    with pytest.raises(GraderError, match="marking.json is damaged"):
        desk.groups(KEY)
