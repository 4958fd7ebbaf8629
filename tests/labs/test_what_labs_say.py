"""What labs 01 and 02 say in numbers is what their own data and results/ give; their demonstrations leave no traps."""

from __future__ import annotations

import ast
import math
from statistics import stdev

import nbformat
import pytest
import torch

from helpers.data.teacher_logits import load_teacher_logits, readable
from helpers.grader.course.lab import Lab
from helpers.losses import distillation_loss
from helpers.widgets import DivergenceExplorer, LossExplorer
from tests.committed import result
from tests.conftest import ROOT

LABS = ["01_temperature", "02_loss"]
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


# -------------------------------------------------------------------------------------------------------------- lab 02

EXAMPLE = torch.tensor([5.0, 3.9, 3.2, 3.1, -1.0])  # the teacher's logits: happy, glad, joyful, sad, table


def test_lab_02_says_what_a_temperature_does_to_the_gaps():
    one, three = softmax(EXAMPLE, 1.0).tolist(), softmax(EXAMPLE, 3.0).tolist()
    text = text_of("02_loss")
    assert f"shrinks from {one[1] - one[2]:.2f} to {three[1] - three[2]:.2f}, and the gap" in text
    assert f'"sad" from {one[2] - one[3]:.3f} to {three[2] - three[3]:.3f}' in text
    level = f'"joyful" goes from {one[2] / one[0]:.0%} to {three[2] / three[0]:.0%} of it'
    assert level.replace("%", " %") in text


def test_lab_02_says_how_far_the_gradient_falls():
    source = torch.Generator().manual_seed(1)
    teacher = 2 * torch.randn(2, 8, 1000, generator=source)
    student = (teacher + torch.randn(2, 8, 1000, generator=source)).requires_grad_()

    def length(t):  # of the soft term's gradient with T², relative to T = 1
        loss = distillation_loss(student, teacher, torch.zeros(2, 8, dtype=torch.long), t, 1.0)
        return torch.autograd.grad(loss, student)[0].norm().item()

    falls = {t: length(t) / length(1.0) for t in (2.0, 3.0, 4.0, 20.0)}
    text = text_of("02_loss")
    two, three, four, twenty = (f"{fall:.2f}" for fall in falls.values())
    assert f"from 1 at T = 1 to {two} at T = 2, {three} at T = 3 and {four} at T = 4" in text
    assert f"at {twenty} for T = 20" in text
    without = {t: t**2 / fall for t, fall in falls.items()}
    assert f"at T = 4 it is {without[4.0]:.0f} times smaller than at T = 1" in text
    assert f"T = 4 is {without[4.0]:.0f} times smaller than at T = 1" in text
    assert 1950 < without[20.0] < 2050 and 3.5 < 1 / falls[3.0] < 4.5 and 3.5 < 1 / falls[4.0] < 4.5


def test_lab_02_says_what_the_common_recipe_gives():
    def terms(seed):
        source = torch.Generator().manual_seed(seed)
        student, teacher = torch.randn(2, 2, 10, 50257, generator=source)
        labels = torch.randint(50257, (2, 10), generator=source)
        return [distillation_loss(student, teacher, labels, 3.0, alpha).item() for alpha in (1.0, 0.0)]

    text = text_of("02_loss")
    seeds = [terms(seed) for seed in range(10)]
    losses = [(soft + hard) / 2 for soft, hard in seeds]
    assert f"Per token the loss is about {sum(losses) / 10:.1f} on average" in text
    assert f"this seed gives {losses[0]:.2f}" in text and 0.05 < stdev(losses) < 0.2  # "a tenth or two"
    assert all(10 < 0.5 * 10 * soft + 0.5 * hard < 11.2 for soft, hard in seeds)
    assert all(f"{n / (n + 1):.2f} at S = {n}" in text for n in (10, 128))


def test_lab_02_answers_the_questions_about_the_divergence():
    def centres(distance):
        return [DivergenceExplorer(fit=fit, distance=distance).student_centre for fit in ("forward", "reverse")]

    assert abs(centres(15.0)[0] - centres(15.0)[1]) < 0.5 and centres(16.0)[0] - centres(16.0)[1] > 5
    assert "From a distance of 15 on" in text_of("02_loss")
    below, above = (DivergenceExplorer(fit="jsd", beta=beta).student_centre for beta in (0.35, 0.36))
    assert below > 27 and above < 19
    assert "Between β = 0.35 and β = 0.36" in text_of("02_loss")


def test_lab_02_answers_the_questions_about_the_loss():
    text = text_of("02_loss")
    ratios = []
    for t in (1.0, 6.0):
        gradients = LossExplorer(alpha=0.5, temperature=t).gradients
        ratios.append(math.hypot(*gradients["soft without T²"]) / math.hypot(*gradients["hard"]))
    assert "About {:.2f} at T = 1 and {:.2f} at T = 6".format(*ratios) in text

    copy = LossExplorer(alpha=0.5, temperature=3.0, student_logits=EXAMPLE)
    assert copy.losses["soft"] == pytest.approx(0, abs=1e-9)
    assert [slope < 0 for slope in copy.gradients["total"]] == [False, True, False, False, False]

    teacher, label = EXAMPLE.double().view(1, 1, -1), torch.tensor([[1]])
    student = teacher.clone().requires_grad_()
    for _ in range(2000):
        (slope,) = torch.autograd.grad(distillation_loss(student, teacher, label, 3.0, 0.5), student)
        student = (student - 0.5 * slope).detach().requires_grad_()
    happy, glad = student.detach().flatten().softmax(-1)[:2].tolist()
    best = distillation_loss(student, teacher, label, 3.0, 0.5).item()
    assert f'it gives "glad" {glad:.2f} and "happy" {happy:.2f}' in text
    assert "teacher gives {1:.2f} and {0:.2f}".format(*softmax(EXAMPLE, 1.0)[:2].tolist()) in text
    assert f"Its total is {best:.2f} nats; a copy of the teacher has {copy.losses['total']:.2f}" in text
