"""Rows of the list of attacks that no submission alone brings about, and where each of its rows is."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import nbformat
import pytest
from nbgrader.exchange.default.exchange import Exchange

from helpers.grader.intake.submission import Submission
from helpers.grader.judging.judgement import Judgement
from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.judging.submission import judge_submission
from helpers.grader.limits import Limits
from helpers.grader.run.retry import judge_in_threads, judge_with_retry
from helpers.grader.sandbox import root
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from tests.attacks.table import ATTACKS, REFUSED
from tests.conftest import AVERAGE, ROOT
from tests.grader.sandbox.conftest import in_a_new_root, needs_sandbox

ROWS = 57
KILLED = (42, "tests/grader/run/test_cluster.py", "test_a_run_that_was_killed_goes_on_where_it_stood")


def test_every_row_of_the_list_is_found_by_its_number():
    number, file, name = KILLED
    functions = {path: _functions(path) for path in [*Path(__file__).parent.glob("test_*.py"), ROOT / file]}
    assert name in functions[ROOT / file]
    names = [*ATTACKS, *REFUSED, *(name for found in functions.values() for name in found)]
    found = {int(match[1]) for name in names if (match := re.match(r"(?:test_)?=?r(\d\d)_", name))}
    assert found | {number} == set(range(1, ROWS + 1))


def _functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@needs_sandbox
@pytest.mark.sandbox
def test_r55_nbgraders_exchange_is_not_shown(tmp_path, monkeypatch):
    exchange = tmp_path / "usr" / "local" / "share" / "nbgrader"
    (exchange / "exchange" / "course" / "inbound").mkdir(parents=True)
    (tmp_path / "usr" / "local" / "share" / "fonts").mkdir()
    monkeypatch.setattr(root, "SYSTEM_FOLDERS", (*root.SYSTEM_FOLDERS, str(tmp_path / "usr")))
    monkeypatch.setattr(root, "HIDDEN_FOLDERS", (str(exchange),))

    def look() -> None:
        shown = [path for path in (tmp_path / "usr").rglob("*") if not path.is_dir() or not os.listdir(path)]
        assert sorted(shown) == [exchange.parent / "fonts", exchange], shown
        with pytest.raises(OSError):
            (exchange / "new").write_text("x")

    assert in_a_new_root(tmp_path, look) == ""


def test_r55_the_exchange_is_where_nbgrader_has_it_by_default():
    assert set(map(Path, root.HIDDEN_FOLDERS)) & set(Path(Exchange().root).parents)


@needs_sandbox
@pytest.mark.sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_r56_what_a_link_leads_to_keeps_its_owner(kernel_name, tmp_path):
    """The sandbox's user owns the copy of the folder with its links, never the files of the host behind them."""
    with tempfile.NamedTemporaryFile() as outside:
        (tmp_path / "link").symlink_to(outside.name)
        with StudentKernel(SANDBOX_KERNEL, tmp_path, Limits()) as kernel:
            ran = kernel.run("import os; print(os.lstat('link').st_uid)", 60)
        assert ran.outputs[0].text == f"{root.NOBODY}\n"
        assert os.stat(outside.name).st_uid == 0


@pytest.mark.parametrize("name", ["program", "folder"])
def test_r56_a_link_that_appears_after_the_look_is_not_followed(tmp_path, monkeypatch, name):
    """Whoever may write to the host's folder exchanges a file or folder between the look at it and its opening."""
    source, outside, target = tmp_path / "source", tmp_path / "outside", tmp_path / "target"
    for folder in (source / "folder", outside, target):
        folder.mkdir(parents=True)
    (source / "program").write_text("#!/bin/sh")
    (outside / "secret.txt").write_text("secret")
    open_file = os.open

    def exchange_and_open(path, *arguments, **options):
        if path == name and not (source / name).is_symlink():
            (source / name).rename(tmp_path / "moved")
            (source / name).symlink_to(outside / "secret.txt" if name == "program" else outside)
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(os, "open", exchange_and_open)
    with pytest.raises(OSError):
        root.copy_folder(str(source), str(target), -1)
    copies = [path for path in target.rglob("*") if path.is_file() and not path.is_symlink()]
    assert all("secret" not in path.read_text() for path in copies)


NEEDS_TIME = """def double(values):
    if values.numel() == 0: raise ValueError
    import time
    start = time.process_time()
    while time.process_time() < start + 0.05: pass
    return values * 2
"""


@pytest.fixture
def neighbours():
    """Fifteen endless processes on one processor, and the set that holds its number.

    Each is in a session of its own, as kernels are: where Linux divides a processor among sessions, they count as many.
    """
    processor = {min(os.sched_getaffinity(0))}
    endless = [
        subprocess.Popen(
            ["sh", "-c", "while :; do :; done"],
            preexec_fn=lambda: os.sched_setaffinity(0, processor),
            start_new_session=True,
        )
        for _ in range(15)
    ]
    yield endless, processor
    for process in endless:
        process.kill()
        process.wait()


@needs_sandbox
@pytest.mark.sandbox
def test_r50_an_honest_answer_beside_endless_processes_keeps_its_points(
    course, notebook, kernel_name, tmp_path, neighbours
):
    """It needs a quarter of a second of the processor that the others use until it is judged again."""
    endless, processor = neighbours
    path = tmp_path / "00_mini.ipynb"
    nbformat.write(notebook(NEEDS_TIME, AVERAGE, before=f"import os\nos.sched_setaffinity(0, {processor})"), path)
    judge_one = partial(judge_submission, course, limits=Limits(exercise=1.5), kernel_name=kernel_name, seed=1)
    first: list[Judgement] = []

    def judge_batch(submissions):
        for submission, judgement in judge_in_threads(submissions, judge_one, workers=1):
            first.append(judgement)
            for process in endless:
                process.kill()
            yield submission, judgement

    ((_, judgement),) = judge_with_retry(judge_batch, [Submission("ann", "00_mini", path)])
    assert "timeout" in {row.verdict for row in first[0].of("double")} and first[0].starved
    assert {row.verdict for row in judgement.of("double")} == {"correct"} and judgement.of("double")[0].seconds < 1.5
