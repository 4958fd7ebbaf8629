"""Our solutions open after a pass or three different tries; a skipped exercise lets the lab go on and is not done."""

import json

import pytest
import torch

from helpers.checks import check, skip, solution, solutions
from helpers.checks.progress import read_progress
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILLAB_PROGRESS", str(tmp_path / "kept"))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


def entropy(probs):
    return -(probs * probs.log()).sum(dim=-1)


def wrong(number):
    space = {}
    exec(f"def entropy(probs):\n    return probs.sum(dim=-1) + {number}", space)
    return space["entropy"]


def test_it_opens_after_three_failed_checks_of_changed_code():
    assert "so far there are 0" in repr(solution(entropy))
    for number in (2, 2, 3, 3):
        assert not check(wrong(number))
    assert "so far there are 2" in repr(solution("entropy")) and "torch.where" not in repr(solution("entropy"))
    assert "solution(entropy)" not in check(wrong(3)).message
    assert "solution(entropy) shows ours" in check(wrong(4)).message
    assert "```python\ndef entropy(probs):" in repr(solution(entropy)) and "torch.where" in repr(solution(entropy))
    assert "BEGIN SOLUTION" not in repr(solution(entropy))


def test_spaces_comments_and_names_of_variables_are_no_change():
    for text in ("    return probs.sum(dim=-1)", "    # one\n\n    return probs.sum(dim=-1)"):
        space = {}
        exec(f"def entropy(probs):\n{text}", space)
        check(space["entropy"])
    exec("def entropy(p):\n    return p.sum(dim=-1)", space)
    check(space["entropy"])
    assert len(read_progress()["entropy"]["failed"]) == 1


def test_it_opens_after_a_pass_and_stays_open():
    def non_top_mass(probs):
        return 1 - probs.amax(dim=-1)

    assert check(non_top_mass)
    assert "def non_top_mass" in repr(solution(non_top_mass))

    def non_top_mass(probs):
        return probs.amax(dim=-1)

    assert not check(non_top_mass)
    assert "def non_top_mass" in repr(solution(non_top_mass))


def test_a_skipped_exercise_works_for_the_rest_and_counts_as_not_done():
    space = {"skip": skip, "check": check}
    exec("shown = skip('kl_divergence')", space)
    assert "counts as not done" in repr(space["shown"])
    exec("skip('soft_targets'); skip('soft_log_predictions')", space)
    source = """
import torch
def distillation_loss(student, teacher, labels, temperature=3.0, alpha=0.5):
    targets = soft_targets(teacher, temperature)
    return kl_divergence(targets, soft_log_predictions(student, temperature), labels != -100)
loss = distillation_loss(torch.randn(2, 3, 5), torch.randn(2, 3, 5), torch.ones(2, 3).long())
"""
    exec(source, space)
    assert torch.isfinite(space["loss"]) and space["loss"] > 0
    result = check(space["kl_divergence"])
    assert not result.passed and "our solution" in result.message
    assert read_progress()["kl_divergence"]["skipped"] and not read_progress()["kl_divergence"]["passed"]
    assert "kl_divergence" in check(space["distillation_loss"]).message
    assert "Grading will not find" in check(space["distillation_loss"]).message


def test_ours_calls_ours_whatever_the_student_wrote():
    space = {"skip": skip, "kl_divergence": None}
    exec("skip('distillation_loss')", space)
    loss = space["distillation_loss"](torch.randn(1, 2, 4), torch.randn(1, 2, 4), torch.ones(1, 2).long())
    assert torch.isfinite(loss)


@pytest.mark.parametrize("call", [solution, skip])
def test_neither_is_there_while_a_class_is_graded(call, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(RuntimeError, match="not available while a notebook is graded"):
        call("entropy")


@pytest.mark.parametrize("call", [solution, skip])
def test_a_course_can_switch_them_off(call, monkeypatch):
    off = {"lab": "01_temperature", "exercises": ["entropy"], "setup": "", "solutions": {}}
    monkeypatch.setattr(solutions, "_labs", lambda: {"entropy": off})
    assert "switched off" in repr(call("entropy"))
    assert "skip(" not in check(wrong(1)).message


@pytest.mark.parametrize("call", [solution, skip])
def test_an_unknown_name_is_said(call):
    assert "no exercise called `nothing`" in repr(call("nothing"))
    with pytest.raises(TypeError, match="takes an exercise or its name"):
        call(3.0)


def test_every_exercise_has_its_solution_and_no_quiz_has():
    for file in sorted((ROOT / "helpers" / "assets" / "solutions").glob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        checks = json.loads((ROOT / "helpers" / "assets" / "checks" / file.name).read_text(encoding="utf-8"))
        exercises = [name for name, entry in checks["exercises"].items() if "quiz" not in entry]
        assert list(content["solutions"]) == content["exercises"] == exercises
