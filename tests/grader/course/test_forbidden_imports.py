"""What would give a lab away is closed, by whichever way it is passed on, and what a lab itself uses stays open."""

from pathlib import Path

import pytest

from helpers.grader.course.forbidden_imports import forbidden_closure, imports_of
from helpers.grader.course.lab import Lab, find_labs
from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.limits import Limits

ROOT = Path(__file__).parents[3]
LABS = find_labs(ROOT)


def test_imports_are_found_wherever_they_stand():
    source = (
        "import os, helpers.losses\nfrom helpers import labels\ndef f():\n    from helpers.data.batches import x as y\n"
        "import helpersque"
    )
    modules = {"helpers.losses", "helpers.labels", "helpers.data.batches", "helpers.data.batches.x"}
    assert imports_of(source) == modules | {"helpers", "helpers.data"}


@pytest.mark.parametrize("importing", ["import helpers.room.part", "from helpers.room.part import x", "x = 1"])
def test_what_a_package_around_a_module_imports_counts_too(tmp_path, monkeypatch, importing):
    """Importing helpers.room.part runs helpers/room/__init__.py, whoever asks for it."""
    package = tmp_path / "helpers"
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "answers.py").write_text("x = 1")
    (package / "room" / "__init__.py").write_text("from helpers.answers import x")
    (package / "room" / "part.py").write_text("x = 1")
    (package / "other.py").write_text(importing)
    monkeypatch.setattr("helpers.grader.course.forbidden_imports.PACKAGE", package)
    passing_on = {"helpers.other"} if "import" in importing else set()
    assert (
        set(forbidden_closure(["helpers.answers"]))
        == {"helpers.answers", "helpers.room", "helpers.room.part"} | passing_on
    )


def test_a_module_that_passes_answers_on_is_closed_too():
    closed = forbidden_closure(["helpers.losses"])
    assert {"helpers.losses", "helpers.labels", "helpers.evaluation", "helpers.training"} <= set(closed)
    assert not {
        "helpers.plots",
        "helpers.checks",
        "helpers.checks.visible_check",
        "helpers.live_curve",
        "helpers.data.known_language",
    } & set(closed)


@pytest.mark.parametrize("name", LABS)
def test_a_lab_itself_imports_nothing_that_is_closed(name):
    lab = Lab(ROOT / "solutions" / name)
    used = {module for cell in lab.notebook.cells if cell.cell_type == "code" for module in imports_of(cell.source)}
    assert set(lab.forbidden) <= set(lab.forbidden_closure) and not used & set(lab.forbidden_closure)


@pytest.mark.sandbox
def test_the_kernel_refuses_every_closed_module_and_no_way_round_leads_to_the_answer(tmp_path):
    """Also after modules that are open were imported, which on their own must not bring in a closed one."""
    lab = Lab(ROOT / "solutions" / "03_training")
    cell = (
        "import importlib, pkgutil, sys\nimport helpers\n"
        "open_, refused = [], []\n"
        "for info in pkgutil.walk_packages(helpers.__path__, 'helpers.'):\n"
        "    if 'grader' in info.name or info.name.endswith('__main__'):\n        continue\n"
        "    try:\n        importlib.import_module(info.name)\n        open_.append(info.name)\n"
        "    except ImportError as error:\n"
        "        assert 'is not available in this lab' in str(error), (info.name, error)\n"
        "        refused.append(info.name)\n"
        "held = [(m, n) for m in open_ for n, x in vars(sys.modules[m]).items()\n"
        f"        if getattr(x, '__module__', '') in {lab.forbidden_closure!r}]\n"
        "assert not held, held\n"
        f"assert sorted(refused) == {lab.forbidden_closure!r}, refused\n"
        f"assert not [m for m in {lab.forbidden_closure!r} if m in sys.modules]"
    )
    with StudentKernel("python3", tmp_path, Limits()) as kernel:
        kernel.install_probe(lab.forbidden_closure)
        assert kernel.run(cell, 60).error is None
