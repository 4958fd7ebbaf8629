"""What labs 01 and 02 say in numbers is what their own data and results/ give; their demonstrations leave no traps."""

from __future__ import annotations

import ast
import math
from statistics import stdev

import nbformat
import pytest
import torch

from helpers.data.teacher_logits import load_teacher_logits, readable
from helpers.data.word_problems import NAMES, make_problems, problem_tokenizer
from helpers.grader.course.lab import Lab
from helpers.losses import distillation_loss
from helpers.reasoning.chain_of_thought import filter_traces
from helpers.reasoning.fine_tuning import FineTuneConfig, load_reasoner
from helpers.reasoning.generation import SamplingConfig, write_traces
from helpers.widgets import DivergenceExplorer, LossExplorer
from tests.committed import result
from tests.conftest import ROOT

LABS = ["01_temperature", "02_loss", "05_chain_of_thought"]
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
    expected = {"01_temperature": {"logits", "probs"}, "02_loss": {"mask", "labels", "alpha"}, REASONING: {"traces"}}
    assert tempting >= expected[name]
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
