"""The likely cause of an error that an answer raised, by what PyTorch itself says."""

import pytest
import torch
from torch import nn

from helpers.checks.error_causes import explain_error


def without_super():
    class Loss(nn.Module):
        def __init__(self):
            self.alpha = 0.5

        def forward(self, logits):
            return logits

    return Loss()(torch.ones(2))


def part_before_super():
    class Loss(nn.Module):
        def __init__(self):
            self.divergence = nn.KLDivLoss()

    return Loss()


@pytest.mark.parametrize(
    ("run", "advice"),
    [
        (without_super, "super().__init__()"),
        (part_before_super, "super().__init__()"),
        (lambda: next(iter(torch.ones(2, 3, requires_grad=True).split(1))).detach_(), "Use detach()"),
        (lambda: torch.ones(2, 3).T.view(-1), "Use reshape()"),
        (lambda: torch.ones(2).sum().backward(), "detach(), item() or no_grad()"),
    ],
)
def test_what_pytorch_raises_has_a_cause_and_a_next_step(run, advice):
    with pytest.raises((RuntimeError, AttributeError)) as raised:
        run()
    error = {"type": raised.type.__name__, "message": str(raised.value), "line": "x"}
    assert advice in explain_error(error)[1]


def test_an_unknown_error_gets_general_advice():
    assert explain_error({"type": "RuntimeError", "message": "?", "line": ""})[0] == "The call raised an error."
