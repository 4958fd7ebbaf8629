"""What labs 01 and 02 say in numbers is what their own data and results/ give; their demonstrations leave no traps."""

from __future__ import annotations

import ast
import math

import nbformat
import pytest
import torch

from helpers.data.teacher_logits import load_teacher_logits, readable
from helpers.grader.course.lab import Lab
from tests.committed import result
from tests.conftest import ROOT

LABS = ["01_temperature"]
TEACHER = load_teacher_logits()
DRINK = TEACHER["She drank a cup of hot"]
EARTH = TEACHER["The Earth revolves around the"]


def released(name: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "labs" / name / f"{name}.ipynb", as_version=4)


def text_of(name: str) -> str:
    """All text of a lab with its model answers, each run of white space as one space."""
    cells = Lab(ROOT / "solutions" / name).notebook.cells
    return " ".join(" ".join(cell.source.split()) for cell in cells if cell.cell_type == "markdown")


def softmax(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    return (logits.double() / temperature).softmax(-1)


def entropy(probabilities: torch.Tensor) -> float:
    return -torch.xlogy(probabilities, probabilities).sum(-1).item()


def crossing(rising, target: float) -> float:
    """The temperature at which a rising function reaches a value, by bisection."""
    low, high = 0.1, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return low


# ------------------------------------------------------------------------------------------------------ demonstrations


@pytest.mark.parametrize("name", LABS)
def test_demonstrations_leave_no_name_that_hides_a_typo_in_an_exercise(name):
    """A global `logit` makes a student's misspelt `logits` run, and fail far away."""
    tempting, left = set(), set()
    for cell in released(name).cells:
        if cell.cell_type != "code":
            continue
        role = cell.metadata.get("nbgrader", {})
        for node in ast.walk(ast.parse(cell.source)):
            if role.get("solution") and isinstance(node, ast.arg) and node.arg != "self":
                tempting |= {node.arg, node.arg + "s", node.arg.removesuffix("s")}
        if not role.get("solution"):
            left |= {target.id for target in _module_level_targets(ast.parse(cell.source))}
    assert tempting >= ({"logits", "probs"} if name == "01_temperature" else {"mask", "labels", "alpha"})
    assert left & (tempting | {"token", "word", "p", "q", "z"}) == set()


def _module_level_targets(tree: ast.Module):
    """Names that statements outside of functions bind; a comprehension keeps its own to itself."""
    skipped = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, skipped):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node
        waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("name", LABS)
def test_code_fits_beside_the_file_browser(name):
    code = [line for cell in released(name).cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    assert [line for line in code if len(line) > 88] == []


# -------------------------------------------------------------------------------------------------------------- lab 01


def test_lab_01_says_what_happens_to_cocoa():
    cocoa = DRINK.tokens.index(" cocoa")
    one, two = (softmax(DRINK.logits, t)[cocoa].item() for t in (1.0, 2.0))
    assert f"Cocoa itself falls from {one:.3f} to {two:.3f}" in text_of("01_temperature")
    ratios = [(softmax(DRINK.logits, t)[0] / softmax(DRINK.logits, t)[cocoa]).item() for t in (1.0, 2.0)]
    assert 3.5 < ratios[0] < 4 and 1.9 < ratios[1] < 2.1  # "nearly four times", "about twice"
    at_five = softmax(DRINK.logits, 5.0)
    assert DRINK.tokens[4] == " black" and at_five[0] < 2 * at_five[4]


def test_lab_01_says_what_the_fifty_hold():
    def share(entry, t):
        return torch.sigmoid(torch.logsumexp(entry.logits / t, dim=-1) - entry.rest[t]).item()

    prompts = [EARTH, TEACHER["The opposite of hot is"], DRINK, TEACHER["Once upon a time there was a"]]
    assert all(share(entry, 3.0) < 0.1 for entry in prompts)  # "at least nine tenths … outside"
    assert 0.32 < 1 - share(prompts[-1], 1.0) < 0.35  # "loses a third"
    text = text_of("01_temperature")
    inside, whole = entropy(softmax(DRINK.logits, 5.0)), DRINK.full_entropy[5.0]
    assert f"the entropy is {inside:.2f} nats, close to log 50 = {math.log(50):.2f}" in text
    assert f"it is {whole:.2f}, close to log 49,152 = {math.log(49_152):.2f}" in text and DRINK.vocabulary == 49_152
    assert f"with {1 - share(DRINK, 5.0):.0%} of the probability outside".replace("%", " %") in text
    assert f"practical purpose ({DRINK.full_entropy[20.0]:.2f} nats)" in text


def test_lab_01_says_what_the_sweep_of_temperatures_gave():
    arms = result("tiny_sweep")["arms"]
    distance = {t: arms[f"alpha 0.5, T {t}"]["distance"] for t in (1, 3, 5, 10)}
    means = [f"{each['mean']:.3f}" for each in distance.values()]
    text = text_of("01_temperature")
    assert "was {} nats per token at T = 1, {} at T = 3, {} at T = 5 and {} at T = 10".format(*means) in text
    low, high = distance[3]["low"], distance[3]["high"]
    assert f"The five seeds at T = 3 range from {low:.3f} to {high:.3f}" in text


def test_lab_01_answers_the_explorers_questions():
    text = text_of("01_temperature")
    drink = entropy(softmax(DRINK.logits, 1.0))
    reached = crossing(lambda t: entropy(softmax(EARTH.logits, t)), drink)
    assert f"At T ≈ {reached:.1f}. The hot drink has {math.exp(drink):.1f} effective choices" in text

    def gain(entry):
        return math.exp(entropy(softmax(entry.logits, 2.0))) - math.exp(entropy(softmax(entry.logits, 1.0)))

    most = max(TEACHER.values(), key=gain)
    assert f'"{most.prompt}", which gains {gain(most):.1f}' in text
    passed, failed = (TEACHER[f"I {verb} the exam and felt so"].tokens for verb in ("passed", "failed"))
    assert [readable(token) for token in passed[:10] if token in failed[:10]] == ["much"]
    assert len(set(passed) & set(failed)) == 12
    falls = crossing(lambda t: -softmax(torch.tensor([5.0, 2.0, 0.5]), t)[0].item(), -0.6)
    assert f"Above T ≈ {falls:.1f}" in text


def test_lab_01_has_an_order_among_the_tiny_probabilities():
    names = [readable(token) for token in EARTH.tokens]
    assert 1 - softmax(EARTH.logits, 1.0)[0] < 0.01
    assert names[1] == "sun" and {"Earth", "Moon"} <= set(names[:6])
