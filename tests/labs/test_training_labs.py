"""Labs 03 and 04 as a student runs them: at full length in the tiny tier, and a run that is stopped and goes on."""

from __future__ import annotations

import math
import re
import signal
from pathlib import Path

import nbformat
import pytest
import torch

from helpers.checks.observers import weights_of
from helpers.grader.course.lab import Lab
from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.limits import Limits
from helpers.grader.release import instructor_notebook

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def solved(name: str) -> nbformat.NotebookNode:
    return instructor_notebook(Lab(ROOT / "solutions" / name))


def printed_at_full_length(name: str, folder: Path) -> str:
    """What the solved lab prints where it is not told that it is being graded, which would shorten its runs."""
    printed = []
    with StudentKernel("python3", folder, Limits()) as kernel:
        kernel.run("import os\nos.environ.pop('NBGRADER_EXECUTION')\nos.environ['MPLBACKEND'] = 'agg'", 60)
        for cell in solved(name).cells:
            if cell.cell_type == "code":
                ran = kernel.run(cell.source, 600)
                assert ran.error is None and not ran.timed_out, f"{cell.id}: {ran.error}"
                printed += [output.text for output in ran.outputs if output.output_type == "stream"]
                data = [output.get("data", {}) for output in ran.outputs]
                printed += [shown["text/plain"] for shown in data if "text/plain" in shown]
    return "\n".join(printed)


@pytest.fixture(scope="module")
def labs(tmp_path_factory) -> Path:
    """A folder of labs beside each other, as a student has them."""
    folder = tmp_path_factory.mktemp("labs")
    for name in ("03_training", "04_perplexity"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def lab_03(labs) -> str:
    """What lab 03 prints; its checkpoint is left behind."""
    return printed_at_full_length("03_training", labs / "03_training")


def test_lab_03_at_full_length_trains_a_student_to_near_the_floor(labs, lab_03):
    text = lab_03
    assert "300 steps of 8 rows; 38 batches" in text and "not right yet" not in text
    last = float(re.search(r"The loss over 300 steps: .*, (\d\.\d+) on average", text).group(1))
    assert 0.5 < last < 0.9, "half of the language's entropy is 0.57 nats, and no student gets below"
    copied, shifted = re.findall(r"with(?:out)? the shift +last loss (\d\.\d+)", text)
    assert float(copied) < 0.4 < 1.1 < float(shifted), "without the shift the loss is better than can be"
    assert re.search(r"without the shift .*\s+after .*comes: felt 0\.[89]", text), "and the student repeats the word"
    assert (labs / "03_training" / "checkpoints" / "tiny_student.safetensors").is_file()


def test_lab_04_at_full_length_says_what_distillation_added(labs, lab_03):
    text = printed_at_full_length("04_perplexity", labs / "04_perplexity")
    numbers = {name: float(value) for name, value in re.findall(r"^(\w[\w ]+?) +(\d\.\d{3})   \d", text, re.MULTILINE)}
    assert list(numbers) == ["teacher", "original", "hard labels only", "distilled", "from lab 03"]
    assert "Your student from lab 03, after 300 steps." in text
    assert numbers["teacher"] < numbers["from lab 03"] < numbers["original"]
    assert numbers["teacher"] < numbers["distilled"] < numbers["hard labels only"] < numbers["original"]
    assert "Distillation added something beyond the control:\n+0." in text and "better in 3 of 3 seed(s)" in text
    low, high = map(float, re.search(r"nats per token \(([+-][\d.]+) to ([+-][\d.]+) over rows\)", text).groups())
    alone = list(
        map(float, re.search(r"^hard labels only +[\d.]+   ([\d.]+) to ([\d.]+)", text, re.MULTILINE).groups())
    )
    assert high - low < math.log(alone[1] / alone[0]) / 2, "the paired interval is much narrower"
    line = r"batch: +{}   the common recipe (\S+)   yours (\S+)"
    one, many = (re.search(line.format(size), text).groups() for size in (1, 16))
    assert one[0] != many[0] and one[1] == many[1]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Lab 03's own `run`, with its settings, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    space = dict(Lab(ROOT / "solutions" / "03_training").reference)
    for cell in solved("03_training").cells:
        wanted = cell.id in ("lab-03-training-the-student-3", "before-it-starts-2", "before-it-starts-3", "the-run-2")
        if wanted or "def run(" in cell.source:
            exec(cell.source, space)
    space["teacher"] = space["freeze"](space["teacher"])
    return space


def trained(run) -> tuple[torch.Tensor, list[float]]:
    torch.manual_seed(0)
    student = run["load_student"]()
    losses = run["run"](student, 8)
    return weights_of(student), losses


def test_an_interrupted_run_goes_on_to_the_same_student(run, monkeypatch):
    weights, losses = trained(run)
    assert len(losses) == 8 and losses == trained(run)[1], "a run that is over is not run again"
    run["checkpoint"].unlink()
    step, calls = run["train_step"], []

    def interrupted_step(*arguments):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return step(*arguments)

    run["train_step"] = interrupted_step
    with pytest.raises(KeyboardInterrupt, match="after step 3; run the cell again"):
        trained(run)
    again, all_losses = trained(run)
    assert len(calls) == 8, "three steps before the interrupt, five after it"
    assert all_losses == losses and torch.equal(again, weights)
