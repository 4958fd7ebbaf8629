"""Marks carry through: one early mistake is charged once, and nothing wrong is paid for."""

import copy
from functools import cache

import nbformat
import pytest

from helpers.checks.compare import differs
from helpers.checks.encoding import decode, encode
from helpers.checks.observers import observe
from helpers.grader.course.lab import Lab, seed_of
from helpers.grader.demo import handed_in, misconception_cell, right_answers
from helpers.grader.judging.carry_through import carried_through, named_mistakes
from helpers.grader.judging.judge import judge
from helpers.grader.judging.judgement import Row
from helpers.grader.judging.settle import CaseOutcome
from helpers.grader.limits import Limits
from helpers.grader.reports.points import earned_points
from tests.conftest import ROOT

IGNORED = "targets_temperature_ignored"


@cache
def loss_lab():
    return Lab(ROOT / "solutions" / "02_loss", seed=11)


def student(mistakes=(), **cells):
    """A student's namespace: the reference's answers, known mistakes by exercise, and cells of their own."""
    lab, space = loss_lab(), {}
    known = {name: misconception_cell(lab, name, mistake) for name, mistake in mistakes}
    for cell in lab.notebook.cells:
        role = cell.metadata.get("nbgrader", {})
        if cell.metadata.distillab.setup or (role.get("solution") and not role.get("grade")):
            exec((cells | known).get(role.get("grade_id"), cell.source), space)
    return space


def outcomes(exercise, answer):
    """What the judge would see of an answer, computed in this process."""
    lab, found = loss_lab(), {}
    for case in lab.exercises[exercise].cases:
        called = case.as_called()
        arguments = [decode(encode(argument)) for argument in called.arguments]
        reply = observe(called.observe, answer, arguments, decode(encode(called.options)), seed_of(case))
        values = {label: decode(item) for label, item in reply.get("values", {}).items()}
        expected = lab.key(exercise)[case.name].expected
        right = bool(values) and not differs(expected, values, case.absolute, case.relative)
        found[case.name] = CaseOutcome("correct" if right else "wrong" if values else "error", values=values or None)
    return found


def carried(exercise, space, mistakes):
    lab = loss_lab()
    before = outcomes(exercise, space[exercise])
    return before, carried_through(lab, lab.exercises[exercise], before, dict(mistakes))


@pytest.mark.parametrize("exercise", ["distillation_loss", "DistillationLoss"])
def test_a_right_answer_that_calls_a_wrong_one_gets_its_points(exercise):
    mistakes = [("soft_targets", IGNORED)]
    before, after = carried(exercise, student(mistakes), mistakes)
    wrong = [name for name, outcome in before.items() if outcome.verdict == "wrong"]
    assert len(wrong) >= 5
    left = [name for name in wrong if after[name].verdict != "correct"]
    assert all(name.startswith("validation") for name in left)
    settled = {after[name].calls for name in wrong if name not in left}
    assert settled == {"soft_targets"}
    assert all(after[name] is before[name] for name in before if name not in wrong)


def test_the_same_mistake_written_into_the_answer_itself_is_charged():
    """`soft_targets` is right, and the answer leaves the temperature out by itself."""
    own = misconception_cell(loss_lab(), "distillation_loss", "loss_without_t_squared")
    space = student(distillation_loss=own)
    before, after = carried("distillation_loss", space, [])
    assert after == before and any(outcome.verdict == "wrong" for outcome in before.values())


def test_a_mistake_of_its_own_is_charged_beside_an_earlier_one():
    own = misconception_cell(loss_lab(), "distillation_loss", "loss_without_t_squared")
    mistakes = [("soft_targets", IGNORED)]
    before, after = carried("distillation_loss", student(mistakes, distillation_loss=own), mistakes)
    values = [name for name, outcome in before.items() if outcome.verdict == "wrong" and name != "validation"]
    still = [name for name in values if after[name].verdict == "wrong" and not name.startswith("validation")]
    assert len(still) >= 5


def test_an_answer_that_gives_nothing_is_not_paid_for_an_earlier_mistake():
    nothing = "def distillation_loss(student_logits, *others, **more):\n    return student_logits.sum() * 0"
    mistakes = [("soft_targets", IGNORED)]
    before, after = carried("distillation_loss", student(mistakes, distillation_loss=nothing), mistakes)
    assert after == before


def test_two_earlier_mistakes_are_both_named():
    names = {name: loss_lab().exercises[name].misconceptions for name in ("soft_targets", "hard_loss")}
    hard = next(item.name for item in names["hard_loss"])
    mistakes = [("soft_targets", IGNORED), ("hard_loss", hard)]
    before, after = carried("distillation_loss", student(mistakes), mistakes)
    found = {after[name].calls for name in before if after[name].calls}
    assert "soft_targets, hard_loss" in found


def test_mistakes_are_those_that_the_judge_has_named_and_a_course_can_choose_otherwise():
    rows = {
        "soft_targets": [Row("soft_targets", "a", 0, 1, "wrong", misconception=IGNORED)] * 2,
        "hard_loss": [Row("hard_loss", "a", 0, 1, "wrong")],
    }
    lab = copy.copy(loss_lab())
    assert named_mistakes(lab, rows) == {"soft_targets": IGNORED}
    lab.carries_through = False
    assert named_mistakes(lab, rows) == {}


@pytest.mark.sandbox
@pytest.mark.slow
def test_one_early_mistake_costs_its_own_exercise_and_no_other(kernel_name, tmp_path):
    lab = loss_lab()
    released = nbformat.read(ROOT / "labs" / lab.name / f"{lab.name}.ipynb", as_version=4)
    wrong = {"soft_targets": misconception_cell(lab, "soft_targets", IGNORED)}
    judgement = judge(lab, handed_in(released, right_answers(lab) | wrong), tmp_path, Limits(), kernel_name)
    points = {name: earned_points(item, judgement.of(name)) for name, item in lab.exercises.items()}
    lost = {name for name, item in lab.exercises.items() if points[name] < item.points}
    assert lost <= {"soft_targets", "distillation_loss", "DistillationLoss"} and points["soft_targets"] < 2
    for name in ("distillation_loss", "DistillationLoss"):
        rows = judgement.of(name)
        assert {row.verdict for row in rows if not row.case.startswith("validation")} == {"correct"}
        assert {row.calls for row in rows} == {"", "soft_targets"} and not any(row.misconception for row in rows)
        assert "right but for soft_targets, which it calls and which is wrong" in {row.note for row in rows}
