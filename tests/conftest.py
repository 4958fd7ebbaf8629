"""A course of one small lab, `00_mini`, on which the grader's tests run: two exercises and a written answer."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Set before torch is imported, and inherited by subprocesses. Tensors here are tiny: a second thread costs more than it
# gains, and on a busy machine every operation waits for it.
os.environ["OMP_NUM_THREADS"] = "1"

import nbformat
import pytest

from helpers.grader.course.lab import Lab
from helpers.grader.judging.alignment import names_bound
from helpers.grader.judging.cell_outcomes import CellOutcomes
from helpers.grader.judging.submission import prepare
from helpers.grader.release import put_environment_first, release
from helpers.grader.sandbox.doctor import isolates
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL, UNSAFE_KERNEL

ROOT = Path(__file__).parents[1]
os.environ["DISTILLAB_PROGRESS"] = tempfile.mkdtemp()  # checks in tests are nobody's progress

RUN_SEED = 4_730_219_385_617_204_981  # with which the lab `mini` is drawn

SOURCE = '''# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A small lab
# Goals.

# %% setup=true
import torch

from helpers.checks import check

# %% [markdown]
# ## Double it

# %% exercise="double"
def double(values):
    """Return twice the values: `(N,)` to `(N,)`. ValueError where there are none."""
    # a comment that belongs to the solution
    if values.numel() == 0:
        raise ValueError("values must not be empty")
    return values * 2.0

# %% check="double" points=4
check(double)

# %% [markdown]
# ## Average

# %% exercise="Average"
class Average(torch.nn.Module):
    """The weighted mean of values."""

    def __init__(self, weight=1.0):
        """weight: what the mean is multiplied with."""
        super().__init__()
        self.weight = weight

    def forward(self, values):
        """Return the weighted mean, a scalar."""
        return values.mean() * self.weight

# %% check="Average" points=3
check(Average)

# %% [markdown]
# ## Think
# Why?

# %% [markdown] answer="why" points=2
# Because.

# %%
print("the end")
'''

CASES = """
from dataclasses import replace

import torch

from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

FORBIDDEN = ("helpers.losses",)


def _double(seed):
    values = torch.randn(5, generator=torch.Generator().manual_seed(seed)).mul(10).round() / 10
    return [
        Case("double", "plain", (values,), about="a few values"),
        Case("double", "gradient", (values,), observe="gradient", options={"of": [0]}, about="a gradient"),
    ]


def _average(seed):
    values = torch.randn(4, generator=torch.Generator().manual_seed(seed)).mul(10).round() / 10
    options = {"construct": [2.0], "of": [0], "then": {"weight": 5.0}}
    return [Case("Average", "module", (values,), observe="module", options=options, about="a changed weight")]


EMPTY = validation("double", "empty", (torch.empty(0),), good=(torch.ones(2),), about="no values")


def examples():
    return _double(0) + [EMPTY] + _average(1)


def cases(seed):
    draw = Draw(seed)
    empty = replace(EMPTY, fixed="it is empty")
    one = Case("double", "one", (torch.tensor([3.5]),), about="one value", fixed="looked for by value in tests")
    return _double(draw("double")) + [one, empty] + _average(draw("average"))
"""

MISCONCEPTIONS = """
import torch

from helpers.grader.course.cases import misconception


@misconception("double", "You square the values. Multiply each by two.", read="Double it")
def squared(values):
    return values**2


@misconception("Average", "You add the values up. Divide by their number.", read="Average")
class summed(torch.nn.Module):
    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = weight

    def forward(self, values):
        return values.sum() * self.weight
"""

DOUBLE = """def double(values):
    if values.numel() == 0:
        raise ValueError("none")
    return values + values
"""
AVERAGE = """class Average(torch.nn.Module):
    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = weight
    def forward(self, values):
        return self.weight * values.sum() / len(values)
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz", type=int, default=500, metavar="N", help="damaged notebooks to try (default: 500)")


# A file goes to one worker as a whole. These take half a minute or more each, so they come first.
LONGEST_FILES = ("test_attacks.py", "test_training_labs.py", "test_execution.py", "test_answers.py", "test_judge.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the grader's kernel, and start with the files that take long: so all workers end together.

    Tests of the labs call what other tests call, a hundred times over: tracing them costs much and tells nothing new.
    """
    for item in items:
        if "kernel_name" in item.fixturenames:
            item.add_marker(pytest.mark.sandbox)
        if item.path.is_relative_to(ROOT / "tests" / "labs"):
            item.add_marker(pytest.mark.no_cover)
    marks = [(item.path, mark.name) for item in items for mark in item.iter_markers()]
    long = {path for path, name in marks if name in ("cluster", "sandbox", "slow")}
    order = {name: index for index, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: (order.get(item.path.name, len(order)), item.path not in long))


@pytest.fixture(scope="session")
def fuzz_count(request: pytest.FixtureRequest) -> int:
    """How many damaged notebooks the fuzz tests make."""
    return request.config.getoption("--fuzz")


@pytest.fixture
def all_outputs_kept(monkeypatch) -> None:
    """Keeps what cells print after hidden cases too, for tests that look into the student's process."""
    monkeypatch.setattr(CellOutcomes, "quotes", property(lambda self: True, lambda self, value: None))


@pytest.fixture(scope="session")
def kernel_name() -> str:
    """The sandboxed kernel where this host can build a sandbox, else the plain one."""
    if not isolates():
        return UNSAFE_KERNEL
    prepare(SANDBOX_KERNEL)
    return SANDBOX_KERNEL


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """A course's folder, with its one lab released."""
    put_environment_first()
    root = tmp_path_factory.mktemp("course")
    folder = root / "solutions" / "00_mini"
    folder.mkdir(parents=True)
    (folder / "00_mini.py").write_text(SOURCE)
    (folder / "cases.py").write_text(CASES)
    (folder / "misconceptions.py").write_text(MISCONCEPTIONS)
    config = (ROOT / "nbgrader_config.py").read_text()
    (root / "nbgrader_config.py").write_text(config + "c.Judge.exercise_seconds = 2  # what never ends ends soon\n")
    release(root)
    return root


@pytest.fixture(scope="session")
def mini(course) -> Lab:
    return Lab(course / "solutions" / "00_mini", RUN_SEED)


@pytest.fixture
def notebook(course):
    """A function that returns the released notebook with cells replaced by what they define, and others added."""

    def make(*sources: str, before: str = "", answer: str = "") -> nbformat.NotebookNode:
        made = nbformat.read(course / "labs" / "00_mini" / "00_mini.ipynb", as_version=4)
        for source in sources:
            name = (names_bound(nbformat.v4.new_code_cell(source)) & {"double", "Average"}).pop()
            next(cell for cell in made.cells if cell.id == name).source = source
        if before:
            first = next(place for place, cell in enumerate(made.cells) if cell.id == "double")
            made.cells.insert(first, nbformat.v4.new_code_cell(before, id="added"))
        if answer:
            next(cell for cell in made.cells if cell.id == "answer_why").source = answer
        return made

    return make
