"""What labs say in numbers is what their own data and results/ give; their demonstrations leave no traps."""

from __future__ import annotations

import ast
import math
import re
from statistics import mean, stdev
from types import SimpleNamespace

import nbformat
import pytest
import torch

from helpers.data.known_language import KnownLanguage
from helpers.data.teacher_logits import load_teacher_logits, readable
from helpers.data.word_problems import NAMES, make_problems, problem_tokenizer
from helpers.grader.course.lab import Lab
from helpers.losses import distillation_loss
from helpers.reasoning.chain_of_thought import filter_traces
from helpers.reasoning.fine_tuning import FineTuneConfig, load_reasoner
from helpers.reasoning.generation import SamplingConfig, write_traces
from helpers.tiers import load_batches, tier_of
from helpers.widgets import DivergenceExplorer, LossExplorer
from tests.committed import result
from tests.conftest import ROOT

LABS = [
    "01_temperature",
    "02_loss",
    "03_training",
    "04_perplexity",
    "05_chain_of_thought",
    "06_black_box",
    "07_on_policy",
    "08_speculative",
    "09_student_shape",
]
# These labs are about these models; each exercise that uses one gets it as an argument.
LASTING = {
    "03_training": {"teacher", "student"},
    "04_perplexity": {"teacher"},
    "07_on_policy": {"teacher", "language"},
}
SUBJECTS = {
    "01_temperature": {"logits", "probs"},
    "02_loss": {"mask", "labels", "alpha"},
    "03_training": {"model", "labels", "batch"},
    "04_perplexity": {"model", "batches", "before"},
    "05_chain_of_thought": {"traces"},
    "06_black_box": {"requests", "usages", "linear"},
    "07_on_policy": {"student", "rows", "given", "length"},
    "08_speculative": {"drafted", "uniforms", "gamma", "cost"},
    "09_student_shape": {"model", "kept", "mask", "linear"},
}
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
    assert tempting >= SUBJECTS[name]
    assert left & (tempting | {"token", "word", "p", "q", "z"}) == LASTING.get(name, set())


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


@pytest.mark.parametrize("name", LABS)
def test_the_minutes_of_exercises_and_questions_add_up_to_those_of_the_lab(name):
    text = text_of(name)
    stated = re.search(
        r"\*\*Time:\*\* about (\d+) minutes \((\d+) for reading, figures and questions, (\d+) for the exercises\)", text
    )
    total, reading, exercises = map(int, stated.groups())
    badges = re.findall(r"[●○]{5} difficulty · [●○]{5} importance · about (\d+) minutes", text)
    assert len(badges) == len([each for each in Lab(ROOT / "solutions" / name).exercises.values() if not each.quiz])
    assert exercises == sum(map(int, badges)) and total == reading + exercises
    questions = sum(map(int, re.findall(r"\*[^*]*, about (\d+) minutes\.[^*]*\*", text)))
    words_a_minute = len(text.split()) / (reading - questions)
    assert questions and 80 < words_a_minute < 160, "reading takes longer where one predicts, runs and looks"


# -------------------------------------------------------------------------------------------------------------- lab 01


def test_lab_01_says_what_a_smaller_model_saves():
    seconds, cost = {}, {}
    for name, weights in (("teacher", 70e9), ("student", 8e9)):
        gpus = math.ceil(2 * weights / 80e9)
        seconds[name] = 300 * 2 * weights / (gpus * 3.35e12)
        cost[name] = gpus * seconds[name]
    text = text_of("01_temperature")
    assert f"at least {seconds['teacher']:.1f} seconds and the student {seconds['student']:.1f}" in text
    assert f"a *latency* {seconds['teacher'] / seconds['student']:.1f} times lower" in text
    assert f"*costs* {cost['teacher'] / cost['student']:.1f} times as much" in text
    assert cost["teacher"] / cost["student"] == pytest.approx(70 / 8)  # "just the ratio of the weights"
    assert f"takes {2 * DRINK.vocabulary / 1000:.0f} kB per token of text" in text


def test_lab_01_says_what_a_teacher_added():
    arms = result("tiny_distillation")["arms"]
    alone, both = (arms[name]["distance"]["mean"] for name in ("hard labels only", "labels and teacher"))
    text = text_of("01_temperature")
    assert f"trained on text alone ended {alone:.3f} nats per token" in text
    assert f"students that also saw a teacher ended at {both:.3f}" in text


def test_lab_01_says_what_a_drag_shows():
    one, two = softmax(DRINK.logits, 1.0), softmax(DRINK.logits, 2.0)
    assert [bool(after < before) for before, after in zip(one[:10], two[:10], strict=True)] == [True] * 4 + [False] * 6
    assert [readable(token) for token in DRINK.tokens[:6]] == ["chocolate", "coffee", "tea", "cocoa", "black", "water"]
    assert softmax(DRINK.logits, 0.1)[0] > 0.9 and softmax(DRINK.logits, 20.0)[0] < 1.3 / 50
    reached = crossing(lambda t: softmax(EARTH.logits, min(t, 3.0))[1].item(), 0.05)
    assert f"At T ≈ {reached:.1f}. The second token is" in text_of("01_temperature")


def test_lab_01_says_what_a_small_number_added_to_every_probability_costs():
    probabilities = torch.full((49_152,), 1 / 49_152, dtype=torch.float64)
    shifted = -(probabilities * (probabilities + 1e-6).log()).sum().item()
    assert f"With ε = 1e-6 and 49,152 tokens that is {math.log(49_152) - shifted:.2f} nats" in text_of("01_temperature")


def test_lab_01_says_what_happens_to_cocoa():
    cocoa = DRINK.tokens.index(" cocoa")
    one, two = (softmax(DRINK.logits, t)[cocoa].item() for t in (1.0, 2.0))
    assert f"Cocoa itself falls from {one:.3f} to {two:.3f}" in text_of("01_temperature")
    ratios = [(softmax(DRINK.logits, t)[0] / softmax(DRINK.logits, t)[cocoa]).item() for t in (1.0, 2.0)]
    assert 3.5 < ratios[0] < 4 and 1.9 < ratios[1] < 2.1  # "nearly four times", "about twice"
    one = softmax(DRINK.logits, 1.0)
    assert f'"chocolate" is {one[0] / one[4]:.1f} times as likely as "black"' in text_of("01_temperature")
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

    forward, reverse = DivergenceExplorer(fit="forward"), DivergenceExplorer(fit="reverse")
    text = text_of("02_loss")
    assert f"At token {forward.student_centre:.0f}, between the bumps" in text
    assert f"(a width of {forward.student_width:.0f}). The forward KL is then {forward.costs['forward']:.2f}" in text
    assert f"at token {reverse.student_centre:.0f}, with that bump's width of {reverse.student_width:.0f}" in text
    assert f"KL is {reverse.costs['reverse']:.2f} nats" in text

    assert abs(centres(15.0)[0] - centres(15.0)[1]) < 0.5 and centres(16.0)[0] - centres(16.0)[1] > 5
    assert "From a distance of 15 on" in text_of("02_loss")
    below, above = (DivergenceExplorer(fit="jsd", beta=beta).student_centre for beta in (0.35, 0.36))
    assert below > 27 and above < 19
    assert "Between β = 0.35 and β = 0.36" in text_of("02_loss")


def test_lab_02_says_in_which_direction_the_teacher_pulls():
    student = torch.tensor([2.0, 0.5, 1.0, 2.5, 1.5])
    pulls = {t: (softmax(student, t) - softmax(EXAMPLE, t)) / t for t in (1.0, 3.0)}
    names = ["happy", "glad", "joyful", "sad", "table"]
    low, high = ({name for name, pull in zip(names, pulls[1.0], strict=True) if sign * pull > 0.05} for sign in (-1, 1))
    assert (low, high) == ({"happy", "glad"}, {"sad", "table"})
    assert 'gives "happy" and "glad" too little, and "sad" and "table" too much' in text_of("02_loss")
    assert pulls[3.0].norm() < pulls[1.0].norm() / 4  # "much weaker"


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


# -------------------------------------------------------------------------------------------------------------- lab 03


def test_lab_03_says_what_overfitting_one_batch_gives():
    space = dict(Lab(ROOT / "solutions" / "03_training").reference)
    cells = [cell.source for cell in released("03_training").cells if cell.cell_type == "code"]
    loaders = "from helpers.models import load_student, load_teacher"
    demonstration = next(source for source in cells if "def overfit(" in source)
    exec(f"{loaders}\nfrom helpers.tiers import load_batches\n{demonstration}", space)
    space["tiny_teacher"] = space["freeze"](space["load_teacher"]("tiny"))
    torch.manual_seed(0)
    labels, teacher = space["overfit"](0.0), space["overfit"](1.0)
    text = text_of("03_training")
    assert labels[0] < teacher[0] and 0.4 < teacher[-1] < 0.6 and "it is still about half a nat" in text
    assert teacher[-1] / 9 < 0.06 and "9 times a KL divergence of less than 0.06 nats" in text
    assert 0.05 < labels[-1] < 0.15 and "the loss falls to about 0.1" in text


def test_lab_03_says_what_its_run_is_bounded_by():
    tiny = tier_of("tiny")
    entropy = KnownLanguage.stories().row_entropy(tiny.length)
    text = text_of("03_training")
    assert tiny.alpha == 0.5
    assert f"it is {entropy:.3f} nats per token for these rows" in text
    assert f"The dotted line is half of it, {entropy / 2:.3f}" in text
    rows = sum(len(batch["input_ids"]) for batch in load_batches("tiny")[0])
    assert f"reads the same {rows} rows eight times" in text and tiny.steps * tiny.batch_size / rows == 8


def test_lab_03_says_how_good_its_teacher_is():
    found, trained = result("tiny_distillation"), result("tiny_training")
    text = text_of("03_training")
    rows, students_rows = trained["teacher"]["rows"], found["setting"]["training_rows"]
    assert f"trained on {rows:,} rows of the same language, {rows / students_rows:.0f} times as many" in text
    assert f"it is only {found['teacher']['distance']['value']:.3f} nats per token away" in text
    assert f"The student starts at {found['before']['distance']['value']:.3f} nats" in text
    assert found["setting"]["steps"] == tier_of("tiny").steps == 300 and len(found["setting"]["seeds"]) == 5
    for name, arm in found["arms"].items():
        assert f"| {name}, α = {arm['alpha']:g} | {arm['distance']['mean']:.3f} |" in text


def test_lab_03_says_where_teacher_only_is_the_worst():
    units = result("laptop_distillation_240x8")["units"]
    arms = ("hard labels only", "labels and teacher", "teacher only")
    worst = max(arms, key=lambda arm: units[f"wikitext/{arm}/0"]["perplexity"]["value"])
    assert worst == "teacher only" and "teacher-only training is the worst of the three" in text_of("03_training")


def test_lab_03_says_what_its_gallery_shows():
    found, text = result("read_your_curve"), text_of("03_training")
    runs = found["runs"]
    assert found["setting"]["steps"] == 300 and "four runs of the tiny student, 300 steps each" in text
    healthy, overfitted, wild, climbing = runs.values()
    assert f"read the same {overfitted['rows']} rows again and again" in text
    assert max(overfitted["held_out"]) == overfitted["held_out"][-1] > 5 and "climbs above 5" in text
    assert min(run["train"][-1] for run in runs.values()) == overfitted["train"][-1] < 0.2
    assert wild["learning_rate"] == pytest.approx(100 * healthy["learning_rate"]) and "a hundred times" in text
    assert min(wild["train"][1:]) > 2 * wild["train"][0] and "more than twice its first value" in text
    assert climbing["learning_rate"] == healthy["learning_rate"] and not climbing["zero_grad"]
    assert climbing["train"][0] == pytest.approx(1.8, abs=0.05) and 6 < climbing["train"][-1] < 7
    assert "from 1.8 nats it climbs to more than 6" in text
    assert abs(healthy["train"][-1] - healthy["held_out"][-1]) < 0.02


# -------------------------------------------------------------------------------------------------------------- lab 04


def test_lab_04_says_what_its_arms_reach_over_five_seeds():
    found, text = result("tiny_distillation"), text_of("04_perplexity")
    assert f"it is {found['teacher']['distance']['value']:.3f} nats per token away from the true" in text
    rows = result("tiny_training")["teacher"]["rows"], found["setting"]["training_rows"]
    assert f"read {rows[0] / rows[1]:.0f} times as much text" in text
    assert len(found["setting"]["seeds"]) == 5 and found["setting"]["steps"] == 300
    labels = {"labels and teacher": "labels and teacher, α = 0.5"}
    for name, arm in found["arms"].items():
        average, low, high = (f"{arm['distance'][key]:.3f}" for key in ("mean", "low", "high"))
        assert f"| {labels.get(name, name)} | {average} | {low} to {high} |" in text
        assert arm.get("closer_than_control", 5) == 5  # "Every distilled student was closer … than the control"
    seconds = [mean(run["seconds"] for run in found["arms"][name]["runs"]) for name in list(found["arms"])[:2]]
    assert "took {:.1f} s with hard labels only and {:.1f} s with labels and teacher".format(*seconds) in text
    assert (found["machine"]["cores"], found["machine"]["threads"]) == (2, 1)


def test_lab_04_says_what_the_sweeps_gave():
    arms, text = result("tiny_sweep")["arms"], text_of("04_perplexity")
    distance = {name: arm["distance"]["mean"] for name, arm in arms.items()}
    middle = distance["alpha 0.5, T 3"]
    low, high = distance["alpha 0.3, T 3"], distance["alpha 0.7, T 3"]
    one, five, ten = (distance[f"alpha 0.5, T {t}"] for t in (1, 5, 10))
    assert f"| 0.3 | {low:.3f} | | 1 | {one:.3f} |" in text
    assert f"| 0.5 | {middle:.3f} | | 3 | {middle:.3f} |" in text
    assert f"| 0.7 | {high:.3f} | | 5 | {five:.3f} |" in text
    assert f"| | | | 10 | {ten:.3f} |" in text
    assert five < middle / 2 and ten < middle / 2 and middle < one / 2  # "better than T = 1, and it is not the best"
    assert tier_of("tiny").temperature == 3 and "the default T = 3" in text
    tuned = result("tiny_learning_rates")["arms"]["labels and teacher"]["best"]
    assert {arm["learning_rate"] for arm in arms.values()} == {tuned}


@pytest.fixture
def laptop() -> dict:
    return result("laptop_distillation_240x8")


def perplexities(laptop: dict, text: str, arm: str, seeds: int) -> list[float]:
    return [laptop["units"][f"{text}/{arm}/{seed}"]["perplexity"]["value"] for seed in range(seeds)]


@pytest.mark.parametrize(
    ("key", "row", "seeds"),
    [("wikitext", "WikiText-2, mean of three seeds", 3), ("python", "Python language reference, one seed", 1)],
)
def test_lab_04_says_what_a_real_teacher_gave(laptop, key, row, seeds):
    teacher = laptop["units"][f"{key}/teacher and student before"]["teacher"]
    arms = ("hard labels only", "labels and teacher", "teacher only")
    reached = [mean(perplexities(laptop, key, arm, seeds)) for arm in arms]
    cells = " | ".join(f"{value:.1f}" for value in [teacher["perplexity"]["value"], *reached])
    text = text_of("04_perplexity")
    assert f"| {row} | {cells} |" in text
    assert min(reached) == reached[1] and "The combination was best on both texts" in text
    assert f"language model with {teacher['parameters'] / 1e6:.0f} million weights" in text
    tier = tier_of("laptop")
    assert f"240 steps of 8 rows, T = {tier.temperature:g}, α = {tier.alpha:g}" in text
    assert laptop["setting"]["steps"] == 240 and laptop["setting"]["temperature"] == tier.temperature


def test_lab_04_says_what_the_seeds_of_the_real_teacher_bear(laptop):
    text, units = text_of("04_perplexity"), laptop["units"]
    ranges, minutes = [], []
    for arm in ("hard labels only", "labels and teacher"):
        reached = perplexities(laptop, "wikitext", arm, 3)
        ranges += [min(reached), max(reached)]
        took = [units[f"wikitext/{arm}/{seed}"]["seconds"] / 60 for seed in range(3)]
        minutes += [min(took), max(took)]
    only, both = "from {:.1f} to {:.1f} with hard labels only", "from {:.1f} to {:.1f} with labels and teacher"
    assert f"{only.format(*ranges[:2])}, and {both.format(*ranges[2:])}" in text
    took = "hard labels only took {:.0f} to {:.0f} minutes, and labels and teacher took {:.0f} to {:.0f}"
    assert took.format(*minutes) in text
    cache = units["wikitext/labels and teacher/0"]["teacher"]["seconds"] / 60
    assert f"without the {cache:.0f} minutes for the teacher's predictions" in text
    control = units["python/hard labels only/0"]
    lost, held_out = mean(control["losses"][-20:]), math.log(control["perplexity"]["value"])
    assert f"it lost {lost:.1f} nats per token on the training rows, against {held_out:.1f} on held-out rows" in text


@pytest.mark.parametrize(
    ("gains", "start"),
    [
        ([0.1], "Too few seeds for a claim"),
        ([0.1, 0.1], "Too few seeds for a claim"),
        ([0.1, 0.2, 0.1], "Distillation added something beyond the control"),
        ([0.5, 0.5, -0.1], "No gain over the control is shown"),
        ([-0.1, -0.2, -0.1], "Distillation did harm"),
    ],
)
def test_lab_04_claims_no_more_than_its_seeds_bear(gains, start):
    cells = [cell.source for cell in released("04_perplexity").cells if cell.cell_type == "code"]
    space = dict(Lab(ROOT / "solutions" / "04_perplexity").reference)
    exec(next(source for source in cells if "def statement(" in source), space)
    distilled = torch.full((len(gains), 30), 10.0)
    control = distilled + torch.tensor(gains)[:, None] * 10
    said = space["statement"](control, distilled, torch.full((30,), 10))
    assert said.startswith(start) and f"better in {sum(gain > 0 for gain in gains)} of {len(gains)} seed(s)" in said


def test_lab_04_draws_the_runs_of_the_real_teacher(laptop):
    cells = [cell.source for cell in released("04_perplexity").cells if cell.cell_type == "code"]
    drawn, source = [], next(source for source in cells if "a_real_teacher(" in source)
    exec(source, {"plots": SimpleNamespace(a_real_teacher=lambda *given: drawn.extend(given))})
    runs, teachers = drawn
    keys = {"WikiText-2, three seeds": "wikitext", "Python reference, one seed": "python"}
    assert list(runs) == list(teachers) == list(keys)
    for text, key in keys.items():
        seeds = 3 if key == "wikitext" else 1
        for arm, values in runs[text].items():
            assert values == [round(value, 2) for value in perplexities(laptop, key, arm, seeds)]
        own = laptop["units"][f"{key}/teacher and student before"]["teacher"]["perplexity"]["value"]
        assert teachers[text] == round(own, 2)
    # "… the worst on WikiText-2, although it is the best in the tiny tier"
    tiny = result("tiny_distillation")["arms"]
    assert min(tiny, key=lambda arm: tiny[arm]["distance"]["mean"]) == "teacher only"


def test_lab_04_says_where_a_student_of_half_the_layers_starts(laptop):
    text, units = text_of("04_perplexity"), laptop["units"]
    rows = {
        "the first half": ("8.6 billion", 1e9),
        "1, 3, 5 …": ("4.3 million", 1e6),
        "evenly, both ends kept": ("703,000", 1),
        "both ends, no middle": ("5,658", 1),
        "those that turn most": ("531", 1),
    }
    names = ["the first half", "every second one, from the second on", "evenly spread, both ends kept",
             "both ends, without the middle", "the ones that change the hidden state most"]  # fmt: skip
    for name, (cut, (said, unit)) in zip(names, rows.items(), strict=True):
        unit_of = units[f"cut/{cut}"]
        assert float(said.split()[0].replace(",", "")) == pytest.approx(unit_of["at_once"] / unit, rel=0.01)
        assert f"| {name} | {said} | {unit_of['after']:,.0f} |" in text
        assert (unit_of["steps"], unit_of["rows_a_step"], len(unit_of["kept"])) == (8, 4, 15)
    assert "after 8 steps of 4 rows" in text and "has 15 of the teacher's 30" in text


# -------------------------------------------------------------------------------------------------------------- lab 05

REASONING, FILLED_UP = "05_chain_of_thought", "filtered, as many traces"


def share_of(estimate: dict) -> str:
    """An estimate in percent with its interval, as the lab's table writes it."""
    return "{:.1f} % ({:.1f}–{:.1f})".format(*(100 * estimate[key] for key in ("value", "low", "high")))


def points_of(estimate: dict) -> str:
    """A difference in points with its interval; a minus as the lab's text writes it."""
    numbers = (100 * estimate[key] for key in ("value", "low", "high"))
    return "{:.1f} points ({:.1f} to {:.1f})".format(*numbers).replace("-", "−")


def code_of(name: str) -> str:
    return "\n".join(cell.source for cell in released(name).cells if cell.cell_type == "code")


def test_lab_05_has_the_setting_of_its_result():
    setting, text = result("chain_of_thought")["setting"], text_of(REASONING)
    sizes = [setting[key] for key in ("problems", "steps", "held_out_problems")]
    assert f"= {tuple(setting['seeds'])}, {', '.join(map(str, sizes))}\n" in code_of(REASONING)
    assert f"SAMPLED = {setting['temperature_of_the_teacher']}" in code_of(REASONING)
    assert f"three seeds, {sizes[0]:,} problems each (other ones than yours), {sizes[1]} steps, the same" in text
    config = FineTuneConfig(steps=1)
    assert (config.batch_size, config.learning_rate) == (setting["batch_examples"], setting["learning_rate"])
    minutes = result("lab_seconds")["labs"][REASONING] / 60
    assert f"Your computer works for about {minutes:.0f} of them" in text


def test_lab_05_says_that_it_compresses_nothing():
    weights, text = result("chain_of_thought")["setting"]["parameters"], text_of(REASONING)
    assert weights["teacher"] == weights["student"]
    assert f"two layers and {weights['student']:,} weights" in text
    assert "**this lab compresses nothing**" in text and "**teaches itself**" in text
    (lessons,) = result("reasoning_training")["teacher"]["stages"]
    assert f"{lessons['examples']:,} worked solutions in words" in text


def test_lab_05_says_what_every_model_reached():
    measured, text = result("chain_of_thought"), text_of(REASONING)
    rows = {
        "student before": measured["student before"],
        **{name: measured["arms"][name] for name in ("answer only", "raw traces", "filtered", "filtered and compact")},
        "teacher, sampled": measured["teacher, drawn"],
        "teacher, greedy": measured["teacher, greedy"],
    }
    for name, row in rows.items():
        assert f"| {name} | {share_of(row['accuracy'])} | {row['tokens_written']['value']:.1f} |" in text
    before, control = rows["student before"]["accuracy"], rows["answer only"]["accuracy"]
    assert control["low"] < before["value"] < control["high"]  # "learned nothing that shows"
    moved = [[100 * rows[name]["accuracy_by_steps"][k]["value"] for k in "12345"] for name in list(rows)[:2]]
    assert f"it even fell, from {moved[0][0]:.1f} % to {moved[1][0]:.1f} %" in text
    assert all(abs(a - b) < 5 for a, b in list(zip(*moved, strict=True))[1:])  # "moved by less than 5 points"


def test_lab_05_says_what_kinds_of_traces_there_were():
    kinds, text = result("chain_of_thought")["teacher_traces"], text_of(REASONING)
    right = "68.4 %"
    assert 100 * (1 - kinds["wrong answer"]) == pytest.approx(68.4, abs=0.051)  # it is 68.35, which rounds either way
    lucky, circular, wrong = (
        f"{kinds[kind]:.1%}".replace("%", " %")
        for kind in ("right answer, wrong step", "right answer, circular or long", "wrong answer, every step holds")
    )
    setting = result("chain_of_thought")["setting"]
    assert f"sampled {2 * setting['problems'] * len(setting['seeds']):,} other traces, {right} had the right" in text
    assert f"{lucky} had the right answer after a wrong step, and in {wrong} every step held" in text
    assert f"({lucky} and {circular} of all traces" in text
    raw = result("chain_of_thought")["arms"]["raw traces"]["accuracy"]["value"]
    assert f"Of the raw traces, {right} have the right answer" in text and f"right on {100 * raw:.1f} % of" in text


def test_lab_05_says_what_the_comparisons_showed():
    measured, text = result("chain_of_thought"), text_of(REASONING)
    compared, arms = measured["comparisons"], measured["arms"]
    assert f"beat answers alone by {points_of(compared['reasoning'])}" in text
    assert f"**cost** accuracy at equal problems: {points_of(compared['filtering, equal number of problems'])}" in text
    assert compared["filtering, equal number of problems"]["high"] < 0
    equal = compared["filtering, equal number of traces"]
    assert f"no effect was shown: {points_of(equal)}" in text and equal["low"] < 0 < equal["high"]
    form = compared["compact form"]
    assert f"the difference is {points_of(form)}" in text and form["low"] < 0 < form["high"]
    tokens = {name: arms[name]["tokens_written"]["value"] for name in ("filtered", "filtered and compact")}
    saved = 1 - tokens["filtered and compact"] / tokens["filtered"]
    assert f"It takes {100 * saved:.0f} % fewer tokens" in text and 0.4 < saved < 0.6  # "about half of the tokens"


def test_lab_05_says_where_filtering_lost():
    arms, text = result("chain_of_thought")["arms"], text_of(REASONING)
    by_steps = {
        k: [100 * arms[name]["accuracy_by_steps"][k]["value"] for name in ("raw traces", "filtered", FILLED_UP)]
        for k in "12345"
    }
    raw, filtered, filled_up = by_steps["5"]
    assert f"right on {raw:.1f} % of the problems, the filtered one on {filtered:.1f} %, and the one with" in text
    assert f"as many filtered traces on {filled_up:.1f} %" in text
    assert all(max(by_steps[k]) - min(by_steps[k]) < 8 for k in "123")
    assert "are within 8 points of each other" in text


def test_lab_05_says_how_much_of_an_example_is_its_question():
    setting, arms = result("chain_of_thought")["setting"], result("chain_of_thought")["arms"]
    answer = 3  # mark, number, end of text
    question = [tokens - answer * setting["problems"] for tokens in arms["answer only"]["tokens_of_examples"]]
    asked = sum(question) / sum(arms["raw traces"]["tokens_of_examples"])
    assert round(asked, 1) == 0.4 and "about 40 % of the tokens belong to the question" in text_of(REASONING)


def test_lab_05_says_that_kept_traces_mix_up_names():
    problems = make_problems(150, seed=0)
    traces = write_traces(
        load_reasoner("teacher"), problem_tokenizer(), problems, SamplingConfig(temperature=0.7, seed=0)
    )
    kept = filter_traces(problems, traces)
    strange = [any(name in trace and name not in problem["question"] for name in NAMES) for problem, trace in kept]
    assert len(kept) > 60 and sum(strange) > len(kept) / 2
    assert "contain a name that the question does not mention" in text_of(REASONING)


def test_lab_05_says_what_the_real_model_gained():
    measured, text = result("chain_of_thought_laptop"), text_of(REASONING)
    rights = {name: f"{100 * arm['accuracy']['value']:.0f} %" for name, arm in measured["arms"].items()}
    assert f"{100 * measured['right_answer']:.0f} % of the {measured['traces']} traces had the right answer" in text
    assert f"and {measured['kept_traces']} were kept" in text
    assert f"right on {rights['before']} of the held-out problems before training" in text
    assert f"on {rights['before, shown two examples']} when shown two examples, and on {rights['after']} after" in text
    gain, beyond = (measured[f"after against {other}"] for other in ("before", "before, shown two examples"))
    whole = ["{:.0f} points ({:.0f} to {:.0f})".format(*(100 * each[key] for key in ("value", "low", "high")))
             for each in (gain, beyond)]  # fmt: skip
    assert f"a gain of {whole[0]}" in text and f"the difference is {whole[1]}".replace("-", "−") in text
    assert beyond["low"] < 0 and "no effect is shown" in text


def test_lab_05_names_what_the_gpu_tier_needs():
    assert "set `DISTILLAB_GSM8K`" in text_of(REASONING)
