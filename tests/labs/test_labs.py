"""Every lab: released from its source, gives nothing away, runs, catches every mistake, accepts every right answer."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import nbformat
import pytest
import torch

from helpers.checks import compare
from helpers.checks.diagnosis import diagnose
from helpers.checks.encoding import decode, encode
from helpers.checks.observers import observe
from helpers.grader.course.lab import Lab, find_labs, seed_of
from helpers.grader.course.source import BEGIN, END
from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.limits import Limits
from helpers.grader.release import instructor_notebook

ROOT = Path(__file__).parents[2]
LABS = find_labs(ROOT)
SEEDS = (1_204_881_719_320_663_281, 7)  # of two runs


@cache
def lab_of(name: str) -> Lab:
    return Lab(ROOT / "solutions" / name)


@cache
def drawn(name: str, seed: int) -> Lab:
    """A lab as a run with this seed judges with it."""
    return lab_of(name).drawn(seed)


@cache
def released(name: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "labs" / name / f"{name}.ipynb", as_version=4)


EXERCISES = [(name, exercise) for name in LABS for exercise in lab_of(name).exercises]
MISCONCEPTIONS = [
    pytest.param(name, exercise, known, id=f"{name}-{exercise}-{known.name}")
    for name, exercise in EXERCISES
    for known in lab_of(name).exercises[exercise].misconceptions
]


# --------------------------------------------------------------------------------------------------------- the release


def test_a_release_changes_nothing(tmp_path):
    """Also on a processor with fewer instructions: the checks' numbers do not hang on the last bits."""
    code = (
        "import shutil, sys; from pathlib import Path; from helpers.grader.release import release\n"
        "root, scratch = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "for folder in ('solutions', 'labs'): shutil.copytree(root / folder, scratch / folder)\n"
        "shutil.copytree(root / 'helpers' / 'assets' / 'checks', scratch / 'helpers' / 'assets' / 'checks')\n"
        "print({path: what for path, what in release(scratch).items() if what != 'unchanged'})"
    )
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    command = [sys.executable, "-c", code, str(ROOT), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "{}", f"run `make release` and commit what it changes: {done.stdout}{done.stderr}"


def test_labs_hold_notebooks_and_nothing_else():
    files = {path.relative_to(ROOT / "labs").as_posix() for path in (ROOT / "labs").rglob("*") if path.is_file()}
    assert files == {f"{name}/{name}.ipynb" for name in LABS}


@pytest.mark.parametrize("name", LABS)
def test_no_line_of_a_solution_is_given_away(name):
    lab = lab_of(name)
    given = (ROOT / "labs" / name / f"{name}.ipynb").read_text() + checks_of(name)
    cells = " ".join(" ".join((cell.source + "\n" + reformatted(cell.source)).split()) for cell in released(name).cells)
    for cell in instructor_notebook(lab).cells:
        role = cell.metadata.get("nbgrader", {})
        if not role.get("solution"):
            continue
        for line in cell.source.splitlines() if role.get("grade") else statements(_between_markers(cell.source)):
            text = " ".join(line.split())
            if len(text) >= 20 and not text.startswith(("#", "def ", "super().__init__")):
                assert text not in cells, text
    for word in ("SOLUTION", "HIDDEN TESTS", "misconceptions.py", "cases.py"):
        assert word not in given
    for exercise in lab.exercises.values():
        for case in exercise.cases:
            assert case.name not in cells or case.name in ("plain",)


def _between_markers(source: str) -> str:
    return "\n".join(textwrap.dedent(part.split(END)[0]) for part in source.split(BEGIN)[1:])


def reformatted(source: str) -> str:
    """Python with one statement on each line, however it was wrapped; nothing where it is not Python."""
    try:
        return ast.unparse(ast.parse(source))
    except SyntaxError:
        return ""


def statements(source: str) -> list[str]:
    """The statements of a solution, one in each line, and those lines of it that are a statement as they stand."""
    return reformatted(source).splitlines() + [line for line in source.splitlines() if reformatted(line.strip())]


def checks_of(name: str) -> str:
    """The numbers for a lab's checks as released; `test_a_release_changes_nothing` shows that they are up to date."""
    return (ROOT / "helpers" / "assets" / "checks" / f"{name}.json").read_text()


@pytest.mark.parametrize(("name", "exercise"), EXERCISES)
def test_every_exercise_has_its_stub_hints_and_check(name, exercise):
    cells = released(name).cells
    place = next(place for place, cell in enumerate(cells) if cell.id == exercise)
    assert f'raise NotImplementedError("{exercise} is not written yet")' in cells[place].source
    assert ast.get_docstring(ast.parse(cells[place].source).body[0])
    assert cells[place + 1].source == f"check({exercise})"
    before = cells[place - 1].source
    assert re.findall(r"<summary>Hint (\d)", before) == ["1", "2", "3"], "three hints stand before an exercise"
    assert before.startswith("## ") and before.count("<details>") == before.count("</details>") == 3


@pytest.mark.parametrize("name", LABS)
def test_every_image_has_alt_text_and_every_cell_is_clean(name):
    for cell in released(name).cells:
        assert set(cell.metadata) <= {"nbgrader", "deletable", "editable"}
        if cell.cell_type == "markdown":
            assert not re.search(r"!\[\s*\]\(|<img(?![^>]*alt=\"[^\"]+\")", cell.source)
            continue
        assert cell.outputs == [] and cell.execution_count is None
        assert "plt.show" not in cell.source
        for call in (node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)):
            if getattr(call.func, "id", "") == "show":
                assert len(call.args) == 2 or any(word.arg == "alt" for word in call.keywords), cell.source


@pytest.mark.parametrize("name", LABS)
def test_a_lab_has_what_every_lab_has(name):
    text = "\n".join(cell.source for cell in released(name).cells if cell.cell_type == "markdown")
    assert re.search(r"\*\*Time:\*\* about \d+ minutes", text) and "**Predict first" in text
    assert re.search(r"^## .*take away", text, re.MULTILINE | re.IGNORECASE)
    assert re.search(r"^## .*stretch", text, re.MULTILINE | re.IGNORECASE)


# ------------------------------------------------------------------------------------------------------------- executed


def run_all(notebook: nbformat.NotebookNode, folder: Path) -> list[tuple[str, str]]:
    """Run a notebook's cells in a kernel and return the errors, as cell id and error."""
    errors = []
    with StudentKernel("python3", folder, Limits(output=50 * 2**20)) as kernel:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                ran = kernel.run(cell.source, 120)
                if ran.error and any("image/png" in output.get("data", {}) for output in ran.outputs):
                    errors.append((cell.id, "a half-drawn figure, which nobody gave an alt text"))
                if ran.error or ran.timed_out:
                    errors.append((cell.id, ": ".join(ran.error or ("timed out", ""))))
    return errors


@pytest.mark.parametrize("name", LABS)
def test_the_solved_lab_runs_from_top_to_bottom(name, tmp_path):
    assert run_all(instructor_notebook(lab_of(name)), tmp_path) == []


@pytest.mark.parametrize("name", LABS)
def test_the_released_lab_fails_only_where_an_answer_is_missing(name, tmp_path):
    errors = run_all(released(name), tmp_path)
    checks = {f"check_{exercise}" for exercise in lab_of(name).exercises}
    assert errors and not [cell for cell, _ in errors if cell in checks]
    for cell, error in errors:
        assert "is not written yet" in error or error.startswith("NameError"), f"{cell}: {error}"


# ----------------------------------------------------------------------------------------- mistakes and right answers


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


@cache
def variants(name: str):
    path = ROOT / "tests" / "labs" / "variants" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"variants_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RIGHT = [
    pytest.param(name, exercise, source, id=f"{name}-{exercise}-{number}")
    for name, exercise in EXERCISES
    for number, source in enumerate(variants(name).VARIANTS[exercise])
]
UNCHECKED = [
    pytest.param(name, exercise, source, id=f"{name}-{exercise}")
    for name in LABS
    for exercise, source in variants(name).VARIANTS_WITHOUT_VALIDATION.items()
]


def defined(lab: Lab, exercise: str, source: str):
    """Return what a student's cell defines, with the lab's setup and the other exercises around it."""
    space = {key: item for key, item in lab.reference.items() if key != exercise}
    exec(compile(source, "<variant>", "exec"), space)
    return space[exercise]


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


def inputs(case) -> str:
    return json.dumps(encode([list(case.arguments), case.options]))


def test_the_same_seed_draws_the_same_inputs_in_every_process():
    code = (
        "from helpers.grader.course.lab import seed_of\n"
        "from tests.labs.test_labs import LABS, SEEDS, drawn, inputs\n"
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


def test_the_counts(capsys):
    main = {name: {exercise: len(found) for exercise, found in variants(name).VARIANTS.items()} for name in LABS}
    assert all(count >= 8 for counts in main.values() for count in counts.values())
    assert all(set(main[name]) == set(lab_of(name).exercises) for name in LABS)
    with capsys.disabled():
        print(f"\n{len(MISCONCEPTIONS)} misconceptions, all caught; {len(RIGHT)} right variants, none rejected")


@pytest.mark.parametrize("name", LABS)
def test_the_checks_pass_on_the_reference_and_never_show_hidden_inputs(name):
    from helpers.checks.visible_check import check_examples

    lab, content = lab_of(name), json.loads(checks_of(name))
    for exercise, entry in content["exercises"].items():
        shown = {"lab": name, "forbidden": [], "examples": entry["examples"]}
        assert check_examples(lab.reference[exercise], shown).passed, exercise
    visible = {str(encode(case.arguments)) for item in lab.exercises.values() for case in item.examples
               if case.observe != "validation"}  # fmt: skip
    hidden = [case for item in lab.exercises.values() for case in item.cases if case.observe != "validation"]
    floats = [case for case in hidden if any(torch.is_tensor(x) and x.is_floating_point() for x in case.arguments)]
    assert not [case.name for case in floats if str(encode(case.arguments)) in visible]
