"""Every lab's hidden cases: each misconception fails one and is named, each right variant passes all."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from helpers.checks import compare
from helpers.checks.diagnosis import diagnose
from helpers.checks.encoding import decode, encode
from helpers.checks.observers import observe
from helpers.checks.visible_check import check_examples
from helpers.grader.course.lab import Lab, seed_of
from tests.conftest import ROOT
from tests.labs.common import (
    EXERCISES,
    LABS,
    MISCONCEPTIONS,
    RIGHT,
    SEEDS,
    checks_of,
    defined,
    drawn,
    lab_of,
    variants,
)

pytestmark = pytest.mark.slow


def outcomes(lab: Lab, exercise: str, answer) -> tuple[dict[str, str], dict]:
    """Return verdict and decoded values of an answer on every hidden case, judged in this process."""
    verdicts, values = {}, {}
    for case in (case.as_called() for case in lab.exercises[exercise].cases):
        arguments = [decode(encode(argument)) for argument in case.arguments]
        reply = observe(case.observe, answer, arguments, decode(encode(case.options)), seed_of(case))
        if "error" in reply:
            verdicts[case.name] = f"error: {reply['error']}"
            continue
        values[case.name] = {label: decode(item) for label, item in reply["values"].items()}
        expected = lab.key(exercise)[case.name].expected
        wrong = compare.differs(expected, values[case.name], case.absolute, case.relative)
        verdicts[case.name] = "wrong" if wrong else "correct"
    return verdicts, values


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_the_reference_passes_its_own_cases_and_check(name, exercise):
    for seed in SEEDS:
        lab = drawn(name, seed)
        assert set(outcomes(lab, exercise, lab.reference[exercise])[0].values()) == {"correct"}


@pytest.mark.parametrize(("name", "exercise", "known"), MISCONCEPTIONS)
def test_every_misconception_fails_a_case_and_is_named(name, exercise, known):
    for seed in SEEDS:
        lab = drawn(name, seed)
        verdicts, values = outcomes(lab, exercise, known.implementation)
        failed = [case for case, verdict in verdicts.items() if verdict != "correct"]
        assert failed and any(not case.startswith("validation") for case in failed)
        correct = {case for case, verdict in verdicts.items() if verdict == "correct"}
        named = diagnose(lab.fitting(lab.exercises[exercise], values, correct), correct)
        if any(verdicts[case] == "wrong" and not case.startswith("validation") for case in failed):
            assert known.name in named.values(), f"taken for {set(named.values())}"
    assert known.read in {cell.metadata.distillab.heading for cell in lab.notebook.cells}, "no such section to read"


UNCHECKED = [
    pytest.param(name, exercise, source, id=f"{name}-{exercise}")
    for name in LABS
    for exercise, source in getattr(variants(name), "VARIANTS_WITHOUT_VALIDATION", {}).items()
]


@pytest.mark.parametrize(("name", "exercise", "source"), RIGHT)
def test_every_right_variant_passes_every_case(name, exercise, source):
    for seed in SEEDS:
        lab = drawn(name, seed)
        verdicts, _ = outcomes(lab, exercise, defined(lab, exercise, source))
        assert {case: verdict for case, verdict in verdicts.items() if verdict != "correct"} == {}


@pytest.mark.parametrize(("name", "exercise", "source"), UNCHECKED)
def test_missing_validation_costs_its_share_and_no_more(name, exercise, source):
    for seed in SEEDS:
        lab = drawn(name, seed)
        verdicts, _ = outcomes(lab, exercise, defined(lab, exercise, source))
        lost = [case for case, verdict in verdicts.items() if verdict != "correct"]
        assert lost and all(case.startswith("validation") for case in lost)
        points = lab.exercises[exercise].case_points
        assert sum(points[case] for case in lost) <= lab.exercises[exercise].points / 4 + 1e-9


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_another_seed_draws_other_inputs_except_in_fixed_cases(name, exercise):
    first, second = (drawn(name, seed).exercises[exercise].cases for seed in SEEDS)
    assert [(case.name, case.weight, case.about) for case in first] == [
        (case.name, case.weight, case.about) for case in second
    ]
    same = {case.name for case, other in zip(first, second, strict=True) if inputs(case) == inputs(other)}
    assert same == {case.name for case in first if case.fixed} == {case.name for case in second if case.fixed}


@pytest.mark.parametrize("name", LABS)
def test_any_seed_can_be_drawn(name):
    """A run's seed is secret and random: what one seed in eight cannot draw stops the grading of a class."""
    lab = lab_of(name)
    for seed in (340530, 411801, *range(1, 11)):
        assert sum(len(exercise.cases) for exercise in lab.drawn(seed).exercises.values()) >= len(lab.exercises)


def inputs(case) -> str:
    return json.dumps(encode([list(case.arguments), case.options]))


def test_the_same_seed_draws_the_same_inputs_in_every_process():
    code = (
        "from helpers.grader.course.lab import seed_of\n"
        "from tests.labs.common import LABS, SEEDS, drawn\n"
        "from tests.labs.test_answers import inputs\n"
        "for name in LABS:\n"
        "    for exercise in drawn(name, SEEDS[0]).exercises.values():\n"
        "        for case in exercise.cases:\n"
        "            print(name, case.exercise, case.name, inputs(case), seed_of(case))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    labs = [drawn(name, SEEDS[0]) for name in LABS]
    cases = [(lab.name, case) for lab in labs for exercise in lab.exercises.values() for case in exercise.cases]
    expected = [f"{name} {case.exercise} {case.name} {inputs(case)} {seed_of(case)}" for name, case in cases]
    assert ran.stdout.splitlines() == expected and len(expected) > 200, ran.stderr[-2000:]


@pytest.mark.parametrize("name", LABS)
def test_every_exercise_has_eight_right_variants(name):
    written = getattr(variants(name), "VARIANTS", {})
    exercises = [exercise for lab, exercise in EXERCISES if lab == name]
    few = [exercise for exercise in exercises if len(written.get(exercise, [])) < 8]
    where = f"tests/labs/variants/{name}.py"
    assert not few, f"{where}: VARIANTS needs at least 8 right answers, each as source, to {', '.join(few)}"
    assert set(written) == set(exercises), f"{where}: VARIANTS names exercises that the lab has not"


def test_the_counts(capsys):
    with capsys.disabled():
        print(f"\n{len(MISCONCEPTIONS)} misconceptions, all caught; {len(RIGHT)} right variants, none rejected")


@pytest.mark.parametrize("name", LABS)
def test_the_checks_pass_on_the_reference_and_never_show_hidden_inputs(name):
    lab, content = lab_of(name), json.loads(checks_of(name))
    for exercise, entry in content["exercises"].items():
        if "quiz" in entry:
            continue  # see tests/labs/test_quizzes.py
        shown = {"lab": name, "forbidden": [], "examples": entry["examples"]}
        assert check_examples(lab.reference[exercise], shown).passed, exercise
    visible = {str(encode(case.arguments)) for item in lab.exercises.values() for case in item.examples
               if case.observe != "validation"}  # fmt: skip
    hidden = [case for item in lab.exercises.values() for case in item.cases if case.observe != "validation"]
    floats = [case for case in hidden if any(torch.is_tensor(x) and x.is_floating_point() for x in case.arguments)]
    assert not [case.name for case in floats if str(encode(case.arguments)) in visible]
