"""A lab is drawn from a seed: its hidden inputs, its answer keys and the random numbers while it is judged."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from helpers.checks.encoding import encode
from helpers.grader.course import lab as lab_module
from helpers.grader.course.lab import MAX_SEEDS, Lab, load_lab, seed_of
from helpers.grader.errors import GraderError


def plain(lab):
    return lab.exercises["double"].cases[0]


def test_a_seed_decides_inputs_keys_and_random_numbers(mini):
    one, same, other = mini.drawn(5), mini.drawn(5), mini.drawn(6)
    assert torch.equal(plain(one).arguments[0], plain(same).arguments[0])
    assert not torch.equal(plain(one).arguments[0], plain(other).arguments[0])
    for lab in (one, other):
        assert torch.equal(lab.key("double")["plain"].expected["value"], 2 * plain(lab).arguments[0])
    assert seed_of(plain(one)) == seed_of(plain(same)) != seed_of(plain(other))


def test_what_is_released_depends_on_no_seed(mini):
    def released(lab):
        examples = [case for item in lab.exercises.values() for case in item.examples]
        return [(json.dumps(encode(list(case.arguments))), seed_of(case)) for case in examples]

    assert released(mini.drawn(5)) == released(mini.drawn(6))


def test_a_case_does_not_show_the_runs_seed(mini):
    seed = 4_730_219_385_617_204_981
    assert plain(mini.drawn(seed)).seed == seed and str(seed) not in repr(plain(mini.drawn(seed)))


@pytest.mark.parametrize("signature", ["cases()", "cases(seed, other)", "hidden_cases(seed)"])
def test_a_lab_whose_cases_are_not_drawn_is_refused_in_a_line(course, tmp_path, signature):
    folder = tmp_path / "00_mini"
    shutil.copytree(course / "solutions" / "00_mini", folder)
    text = (folder / "cases.py").read_text()
    (folder / "cases.py").write_text(text.replace("def cases(seed):", f"def {signature}:"))
    with pytest.raises(GraderError, match=r"cases.py[^\n]*: cases.py needs a function “def cases\(seed\):”[^\n]*$"):
        Lab(folder)


def test_labs_are_kept_for_a_few_seeds(course, monkeypatch):
    monkeypatch.setattr(lab_module, "_LABS", {})
    public = load_lab(course, "00_mini")
    first = load_lab(course, "00_mini", 1)
    assert load_lab(course, "00_mini", 1) is first and first.seed == 1 and first.reference is public.reference
    for seed in range(2, 2 + MAX_SEEDS):
        load_lab(course, "00_mini", seed)
    assert load_lab(course, "00_mini") is public and load_lab(course, "00_mini", 1) is not first


def interrupted(values):
    raise KeyboardInterrupt


def test_ctrl_c_in_the_reference_is_no_failure_of_the_lab(course):
    lab = Lab(course / "solutions" / "00_mini")
    lab.reference["double"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        lab.expected(lab.exercises["double"].cases[0])


def test_ctrl_c_in_a_misconception_does_not_drop_it_from_the_key(course):
    lab = Lab(course / "solutions" / "00_mini")
    double = lab.exercises["double"]
    double.misconceptions = [replace(double.misconceptions[0], implementation=interrupted)]
    with pytest.raises(KeyboardInterrupt):
        lab.known_wrong(double.cases[0])
