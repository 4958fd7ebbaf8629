"""A submission whose time ran out while others used the computer is judged again at the end, alone."""

from __future__ import annotations

from helpers.grader.intake.submission import Submission
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.notes import NoteCode
from helpers.grader.run.retry import judge_with_retry

LAB = "00_mini"
LATE = Judgement(LAB, [Row("double", "plain", 0.0, 4.0, "timeout", seconds=10.0)], seconds=12.0, starved=True)


def right() -> Judgement:
    return Judgement(LAB, [Row("double", "plain", 4.0, 4.0, "correct", seconds=0.1)], seconds=2.0)


class Batches(list):
    """Judges batches, and keeps which students were in each."""

    def __init__(self, **outcomes: list) -> None:
        super().__init__()
        self.outcomes = outcomes

    def __call__(self, submissions):
        self.append([submission.student for submission in submissions])
        for submission in submissions:
            yield submission, self.outcomes[submission.student].pop(0)


def judged(batches: Batches) -> list[tuple[str, object]]:
    submissions = [Submission(student, LAB) for student in batches.outcomes]
    return [(submission.student, outcome) for submission, outcome in judge_with_retry(batches, submissions)]


def test_starved_submissions_are_judged_again_one_at_a_time_after_all_others():
    again = right()
    batches = Batches(ada=[LATE, again], ben=[OSError("disk"), right()], cem=[LATE, right()], dee=[right()])
    outcomes = judged(batches)
    assert batches == [["ada", "ben", "cem", "dee"], ["ben"], ["ada"], ["cem"]]
    assert [student for student, _ in outcomes] == ["dee", "ben", "ada", "cem"]
    assert dict(outcomes)["ada"] is again, "with its marks and its times"


def test_a_second_time_out_holds_and_says_that_the_computer_was_still_busy():
    late = Judgement(LAB, LATE.rows, seconds=11.0, starved=True)
    batches = Batches(ada=[LATE, late])
    assert judged(batches) == [("ada", late)] and batches == [["ada"], ["ada"]]
    assert [note.code for note in late.notes] == [NoteCode.COMPUTER_BUSY] and LATE.notes == []


def test_where_the_grader_fails_the_second_time_there_is_no_judgement():
    problem = OSError("disk")
    assert judged(Batches(ada=[LATE, problem, problem])) == [("ada", problem)]


def test_a_time_out_on_an_idle_computer_holds_at_once():
    late = Judgement(LAB, LATE.rows)
    batches = Batches(ada=[late])
    assert judged(batches) == [("ada", late)] and batches == [["ada"]] and late.notes == []
