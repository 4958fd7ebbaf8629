"""Observers see what an answer does, whatever it replaced and however it ends."""

import math

import pytest
import torch

from helpers.checks.encoding import Opaque, decode
from helpers.checks.observers import observe


def seen_by(kind, answer, *arguments, **options):
    reply = observe(kind, answer, arguments, options)
    return {label: decode(item) for label, item in reply["values"].items()} if "values" in reply else reply["error"]


def test_value_reports_changed_inputs():
    assert seen_by("value", lambda a, b: a.add_(b), torch.ones(2), torch.ones(2))["changed inputs"] == [0]
    assert seen_by("value", lambda a, b: a + b, torch.ones(2), torch.ones(2))["changed inputs"] == []


def test_gradient_of_a_scalar_and_a_cut_graph():
    def product(student, teacher):
        return (student * teacher.detach()).sum()

    seen = seen_by("gradient", product, torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), of=[0], cut=[1])
    assert seen["gradient of student"].tolist() == [3.0, 4.0]
    assert seen["gradient of teacher"].tolist() == [0.0, 0.0]


def test_gradient_of_a_vector_distinguishes_its_entries():
    seen = seen_by("gradient", torch.square, torch.tensor([1.0, 1.0, 1.0]), of=[0], names=["logits"])
    assert seen["gradient of logits"].tolist() == [1.0, 2.0, 3.0]


def test_a_result_without_a_graph_is_an_error_where_a_gradient_is_due():
    assert seen_by("gradient", lambda x: x.detach().sum(), torch.ones(2), of=[0])["type"] == "RuntimeError"


def test_a_result_that_is_no_tensor_or_a_subclass_of_one_has_no_gradient():
    class Mine(torch.Tensor):
        pass

    assert seen_by("gradient", lambda x: 1.0, torch.ones(2), of=[0]) == {"value": 1.0}
    seen = seen_by("gradient", lambda x: x.sum().as_subclass(Mine), torch.ones(2), of=[0])
    assert list(seen) == ["value"] and isinstance(seen["value"], Opaque)


class Scaled(torch.nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        if factor <= 0:
            raise ValueError("factor")
        self.factor = factor

    def forward(self, x):
        return (x * self.factor).sum()


def test_module_follows_a_changed_attribute():
    seen = seen_by("module", Scaled, torch.ones(3), construct=[3.0], then={"factor": 5.0}, of=[0])
    assert (seen["value"], seen["value after change"]) == (9.0, 15.0)
    assert seen["gradient of x"].tolist() == [3.0, 3.0, 3.0]


def test_mixed_validation_tells_what_each_call_raised():
    def strict(x):
        if x < 0:
            raise ValueError("negative")
        return 1 / x

    seen = seen_by("mixed_validation", strict, calls=[(None, [-1]), (None, [2]), (None, [0])])
    assert seen["raised"] == ["ValueError", "nothing", "ZeroDivisionError"]
    assert [error and error["message"] for error in seen["errors"]] == ["negative", None, "division by zero"]
    calls = [([-1.0], [torch.ones(1)]), ([1.0], [torch.ones(1)])]
    assert seen_by("mixed_validation", Scaled, calls=calls)["raised"] == ["ValueError", "nothing"]


def test_validation_needs_the_good_call_to_return():
    def strict(x):
        raise ValueError("always")

    assert seen_by("validation", strict, -1, good=[1])["type"] == "ValueError"
    assert seen_by("validation", math.sqrt, -1, good=[1]) == {"raised": "ValueError"}
    assert seen_by("validation", abs, -1, good=[1]) == {"raised": "nothing"}
    assert seen_by("validation", lambda x: 1 / x, 0, good=[1]) == {"raised": "ZeroDivisionError"}
    bad = dict(construct=[-1.0], good_construct=[1.0], good=[torch.ones(1)])
    assert seen_by("validation", Scaled, torch.ones(1), **bad) == {"raised": "ValueError"}


def test_a_call_starts_from_the_same_state_whatever_came_before():
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    first = seen_by("value", lambda: torch.rand(3))["value"]
    torch.rand(100)
    assert torch.equal(first, seen_by("value", lambda: torch.rand(3))["value"])
    assert first.dtype == torch.float32 and torch.is_grad_enabled()


def test_every_exception_is_reported_with_its_line():
    def exits():
        raise SystemExit("bye")

    assert seen_by("value", exits) == {"type": "SystemExit", "message": "bye", "line": 'raise SystemExit("bye")'}

    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    def odd():
        raise Odd

    assert seen_by("value", odd)["type"] == "Exception"


class Two(torch.nn.Module):
    """A model with weights, a part and a mode."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(2, 2)
        self.inner.bias = None


PATCHES = {
    "named_parameters": (torch.nn.Module, "named_parameters", lambda self, *a, **k: iter(())),
    "named_members": (torch.nn.Module, "_named_members", lambda self, *a, **k: iter(())),
    "modules": (torch.nn.Module, "modules", lambda self: iter(())),
    "named_modules": (torch.nn.Module, "named_modules", lambda self, *a, **k: iter(())),
    "requires_grad": (torch.Tensor, "requires_grad", property(lambda self: False)),
    "numel": (torch.Tensor, "numel", lambda self: 0),
    "grad": (torch.Tensor, "grad", property(lambda self: None)),
    "equal": (torch, "equal", lambda *a: True),
    "mode": (Two, "training", property(lambda self: False, lambda self, value: None)),
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_model_is_looked_at_whatever_is_replaced(name, monkeypatch):
    """What is left of freezing, and of training a teacher by mistake, is seen all the same."""
    model, teacher = Two(), Two()
    where, what, instead = PATCHES[name]
    student = Two()

    def freeze(given):
        monkeypatch.setattr(where, what, instead, raising=False)
        return given

    def train(student, teacher):
        torch.nn.functional.linear(torch.ones(1, 2), teacher.inner.weight).sum().backward()
        teacher.inner.weight.data += 1
        monkeypatch.setattr(where, what, instead, raising=False)
        return 0.0

    frozen = decode(observe("freezing", freeze, [model], {})["values"]["weights that can be trained"])
    monkeypatch.undo()
    trained = observe("training", train, [student, teacher], {"watch": ("teacher",)})["values"]
    monkeypatch.undo()
    assert frozen == 4
    assert decode(trained["teacher's weights changed"]) is True
    assert decode(trained["teacher's weights with a gradient"]) == 1
    assert decode(trained["teacher's weights that can be trained"]) == 1
    assert decode(trained["teacher's parts in train mode"]) == 2


def test_training_without_a_teacher_observes_the_losses_and_the_mode():
    def train(student, examples):
        student.inner.train()
        return [0.5, 0.25]

    watch = {"watch": ("value", "kind", "mode")}
    seen = observe("training", train, [Two().eval(), [1, 2]], watch)["values"]
    assert decode(seen["value"]) == [0.5, 0.25] and seen["kind of value"] == "numbers"
    assert decode(seen["student's parts in train mode"]) == 1
    tensors = observe("training", lambda student: [torch.ones(())], [Two()], watch)["values"]
    assert tensors["kind of value"] == "tensors"
