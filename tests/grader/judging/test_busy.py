"""A time limit that passes because others use the processors is told from one that the notebook itself uses up."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from helpers.grader.judging import busy
from helpers.grader.judging.judge import judge
from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.limits import Limits
from helpers.grader.sandbox.kernel_process import ProcessorTime
from tests.conftest import AVERAGE, DOUBLE

# What happened → seconds that passed, processor time used, time waited for a processor, and whether that is starving
SPANS = {
    "an endless loop on an idle computer": (10, 9.9, 0.1, False),
    "an endless loop beside one other notebook": (10, 5.5, 4.5, False),
    "an answer that sleeps": (10, 0.1, 0.0, False),
    "an answer that sleeps on a busy computer": (10, 0.1, 0.3, False),
    "an answer beside two hundred endless processes": (10, 0.2, 9.8, True),
    "two hundred endless processes of its own": (10, 19.0, 1900.0, False),
}


@pytest.mark.parametrize("name", SPANS)
def test_only_a_notebook_that_waited_for_others_is_starved(monkeypatch, name):
    seconds, used, waited, starved = SPANS[name]
    now, spent = [100.0], [ProcessorTime(7.0, 3.0)]
    monkeypatch.setattr(busy, "time", SimpleNamespace(monotonic=lambda: now[0]))
    watch = busy.Watch(SimpleNamespace(processor_time=lambda: spent[0]))
    now[0] += seconds
    spent[0] = ProcessorTime(7.0 + used, 3.0 + waited)
    assert watch.starved() == starved


def test_nothing_is_said_of_a_kernel_without_a_sandbox():
    assert not busy.Watch(SimpleNamespace(processor_time=lambda: None)).starved()


ENDLESS = "def double(values):\n    while True: pass"
SLEEPS = "def double(values):\n    import time\n    time.sleep(600)"
SWALLOWS = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
# What runs out of time → the cell of `double`, a cell before it, and the seconds of a notebook
LATE = {
    "an exercise": (ENDLESS, "", 60),
    "a cell": (DOUBLE, "while True: pass", 60),
    "a cell that ends its kernel": (DOUBLE, SWALLOWS, 60),
    "a notebook": (DOUBLE, "import time; time.sleep(0.4)", 0.3),
}


@pytest.mark.sandbox
@pytest.mark.parametrize("name", LATE)
def test_a_judgement_says_whether_the_computer_was_busy_when_a_limit_passed(
    mini, notebook, tmp_path, kernel_name, monkeypatch, name
):
    double, before, seconds = LATE[name]
    monkeypatch.setattr(StudentKernel, "processor_time", lambda self: ProcessorTime(0.0, 0.9 * time.monotonic()))
    monkeypatch.setattr("helpers.grader.judging.student_kernel.INTERRUPT_SECONDS", 0.3)
    limits = Limits(cell=0.3 if before and seconds > 1 else 60, exercise=0.3, notebook=seconds)
    judgement = judge(mini, notebook(double, AVERAGE, before=before), tmp_path, limits, kernel_name)
    assert judgement.starved


@pytest.mark.sandbox
def test_an_answer_that_sleeps_is_late_by_itself(mini, notebook, tmp_path, kernel_name):
    judgement = judge(mini, notebook(SLEEPS, AVERAGE), tmp_path, Limits(exercise=0.5), kernel_name)
    assert {row.verdict for row in judgement.of("double")} == {"timeout"} and not judgement.starved
