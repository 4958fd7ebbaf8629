"""The explorers' state in Python, without a browser: what is computed, refused, and what the other side may send."""

import ipywidgets
import pytest
import torch
from traitlets import TraitError

from helpers.data.teacher_logits import load_teacher_logits
from helpers.losses import distillation_loss
from helpers.speculative import acceptance, expected_tokens, residual, speed_up
from helpers.widgets import DivergenceExplorer, DraftExplorer, LossExplorer, TemperatureExplorer, base

CUP = "She drank a cup of hot"


def test_probabilities_follow_temperature_and_prompt():
    explorer = TemperatureExplorer(prompt=CUP, temperature=2.0)
    logits = load_teacher_logits()[CUP].logits.double()
    assert torch.allclose(torch.tensor(explorer.probabilities).double(), (logits / 2).softmax(-1), atol=1e-5)
    explorer.prompt = "Two plus two equals"
    assert explorer.tokens == load_teacher_logits()["Two plus two equals"].tokens
    explorer.temperature = 0.5
    due = (load_teacher_logits()["Two plus two equals"].logits.double() / 0.5).softmax(-1)
    assert torch.allclose(torch.tensor(explorer.probabilities).double(), due, atol=1e-5)


def test_logits_may_be_a_tensor_and_leave_the_prompt():
    explorer = TemperatureExplorer(prompt=CUP)
    explorer.logits = torch.tensor([5.0, 2.0, 0.5])
    assert explorer.prompt == "" and explorer.tokens == ["token 1", "token 2", "token 3"]
    assert [round(p, 3) for p in explorer.probabilities] == [0.943, 0.047, 0.010]
    explorer.prompt = CUP
    assert len(explorer.logits) == len(explorer.tokens) == len(explorer.probabilities) == 50


def test_setting_probabilities_sets_the_logits_that_give_them():
    explorer = TemperatureExplorer(logits=[1.0, 2.0, 3.0], temperature=4.0)
    explorer.probabilities = [0.7, 0.2, 0.1]
    assert (torch.tensor(explorer.logits) / 4).softmax(-1).tolist() == pytest.approx([0.7, 0.2, 0.1], abs=1e-6)
    with pytest.raises(TraitError, match="add up to 1"):
        explorer.probabilities = [0.7, 0.2, 0.3]
    assert explorer.probabilities == pytest.approx([0.7, 0.2, 0.1])


def test_state_from_the_browser_arrives_and_observers_are_called_once():
    explorer = TemperatureExplorer(prompt=CUP)
    heard = []
    explorer.observe(lambda change: heard.append(change["new"]), "temperature")
    explorer.set_state({"temperature": 3.5})
    explorer.set_state({"prompt": "", "logits": [5, 2, 0.5], "tokens": ["a", "b", "c"]})
    assert heard == [3.5] and explorer.tokens == ["a", "b", "c"]
    due = (torch.tensor([5.0, 2.0, 0.5]) / 3.5).softmax(-1)
    assert explorer.probabilities == pytest.approx(due.tolist(), abs=1e-6)


def test_pinning_keeps_a_copy():
    explorer = TemperatureExplorer(prompt=CUP)
    explorer.pin()
    explorer.temperature = 5.0
    assert explorer.pinned["temperature"] == 1.0 and len(explorer.pinned["logits"]) == 50
    explorer.unpin()
    assert explorer.pinned == {}


def test_plain_ipywidgets_compose():
    explorer, slider = TemperatureExplorer(), ipywidgets.FloatSlider(min=0.1, max=20, value=2)
    ipywidgets.link((slider, "value"), (explorer, "temperature"))
    slider.value = 7.0
    assert explorer.temperature == 7.0
    explorer.temperature = 3.0
    assert slider.value == 3.0
    assert ipywidgets.VBox([slider, explorer]).children == (slider, explorer)


@pytest.mark.parametrize(
    ("explorer", "name", "value", "says"),
    [
        (TemperatureExplorer, "temperature", 0.0, "temperature is 0.0; it must be from 0.1 to 20"),
        (TemperatureExplorer, "prompt", "no such", "prompt is 'no such'"),
        (TemperatureExplorer, "logits", [1.0], "at least 2 finite numbers"),
        (TemperatureExplorer, "logits", [1.0, float("nan")], "finite"),
        (TemperatureExplorer, "top_k", 201, "top_k is 201"),
        (LossExplorer, "alpha", 1.5, "alpha is 1.5; it must be from 0 to 1"),
        (LossExplorer, "label", 5, "label is 5; it must be from 0 to 4"),
        (LossExplorer, "student_logits", [1.0, 2.0], "2 numbers for 5 words"),
        (DivergenceExplorer, "beta", 1.0, "beta is 1.0; it must be from 0.01 to 0.99"),
        (DraftExplorer, "cost", 1.5, "cost is 1.5; it must be from 0 to 1"),
        (DraftExplorer, "gamma", 17, "gamma is 17; it must be from 0 to 16"),
        (DraftExplorer, "draft_logits", [1.0, 2.0], "2 numbers for 5 words"),
        (DraftExplorer, "target_logits", [1.0, 2.0, 3.0, 4.0, 11.0], "target_logits is 11.0"),
    ],
)
def test_bad_values_are_refused_with_the_name_and_the_range(explorer, name, value, says):
    made = explorer()
    before = getattr(made, name)
    with pytest.raises(TraitError, match=says):
        setattr(made, name, value)
    assert getattr(made, name) == before


def test_the_losses_are_those_of_the_library():
    explorer = LossExplorer(alpha=0.3, temperature=2.0, label=4)
    student, teacher = (
        torch.tensor(row, dtype=torch.float64).view(1, 1, -1)
        for row in (explorer.student_logits, explorer.teacher_logits)
    )
    student.requires_grad_()
    loss = distillation_loss(student, teacher, torch.tensor([[4]]), 2.0, 0.3)
    assert explorer.losses["total"] == pytest.approx(loss.item(), abs=1e-9)
    (gradient,) = torch.autograd.grad(loss, student)
    assert explorer.gradients["total"] == pytest.approx(gradient.flatten().tolist(), abs=1e-9)
    explorer.student_logits = torch.tensor(explorer.teacher_logits)
    assert explorer.losses["soft"] == pytest.approx(0, abs=1e-12)


def test_the_draft_explorer_computes_what_the_library_does():
    explorer = DraftExplorer(gamma=3, cost=0.25)
    for draft in ([2.0, 2.2, 0.0, 1.5, -1.0], [-4.0, 0.0, 1.0, 1.0, 3.0], explorer.target_logits):
        explorer.draft_logits = draft
        p, q = torch.tensor(explorer.target), torch.tensor(explorer.draft)
        agreed = acceptance(p, q).item()
        assert explorer.results["acceptance"] == pytest.approx(agreed)
        assert explorer.results["tokens"] == pytest.approx(expected_tokens(min(1.0, agreed), 3))
        assert explorer.results["speed_up"] == pytest.approx(speed_up(min(1.0, agreed), 3, 0.25))
        assert explorer.residual.tolist() == pytest.approx(residual(p, q).tolist(), abs=1e-9)
    assert "acceptance 1.0000" in explorer.text() and "speed-up 2.286" in explorer.text()


@pytest.mark.parametrize(
    ("fit", "beta", "centre", "width"),
    [("forward", 0.5, 27.3, 13.0), ("reverse", 0.5, 18.0, 3.0), ("jsd", 0.3, 27.3, 12.9), ("jsd", 0.4, 18.0, 3.0)],
)
def test_the_student_starts_where_its_divergence_puts_it(fit, beta, centre, width):
    explorer = DivergenceExplorer(fit=fit, beta=beta)
    assert (explorer.student_centre, explorer.student_width) == pytest.approx((centre, width), abs=0.1)
    assert f"student at {explorer.student_centre:.1f}, width {explorer.student_width:.1f} ({fit})" in explorer.text()
    placed = DivergenceExplorer(fit=fit, student_centre=40.0, student_width=2.0)
    assert (placed.student_centre, placed.student_width) == (40.0, 2.0)


def test_no_entropy_is_printed_as_minus_zero():
    assert "entropy 0.000 nats" in TemperatureExplorer(logits=[1000.0, -1000.0]).text()


def test_costs_of_a_student_far_from_the_teacher_stay_finite():
    explorer = DivergenceExplorer(fit="hand", student_centre=0.0, student_width=0.6, weight=0.05)
    assert 100 < explorer.costs["forward"] < 1e5
    assert explorer.costs["jsd"] == pytest.approx(0.693, abs=0.01)  # at β = 0.5 it can cost log 2 at most


@pytest.mark.parametrize("explorer", [TemperatureExplorer, LossExplorer, DivergenceExplorer, DraftExplorer])
def test_where_no_widget_can_be_shown_there_is_text(explorer):
    made = explorer()
    data, _ = made._repr_mimebundle_()
    assert data["text/plain"] == made.text() and "application/vnd.jupyter.widget-view+json" in data
    assert len(made.text()) > 80


def test_an_explorer_leaves_its_text_for_a_reopened_notebook_but_not_in_a_lecture(monkeypatch):
    shown = []
    monkeypatch.setattr(base, "display", lambda data, **options: shown.append(data))
    explorer = TemperatureExplorer(logits=[5.0, 2.0, 0.5], tokens=["<a>", "b", "c"])
    explorer._ipython_display_()
    widget, static = shown
    assert "application/vnd.jupyter.widget-view+json" in widget
    assert static["text/html"].startswith("<details>") and "T = 1" in static["text/html"]
    assert "<a>" not in static["text/html"] and "&lt;a&gt;" in static["text/html"]
    TemperatureExplorer(large=True)._ipython_display_()
    assert len(shown) == 3
