"""Ctrl-C ends a command at any moment, even where Python drops the exception or other code keeps it."""

import csv
import os
import signal
import subprocess
import sys
import threading

import nbformat
import pytest

from helpers import cli
from helpers.commands import machine
from helpers.interrupt import RunStopped, never_lost, raise_if_requested
from tests.conftest import AVERAGE, DOUBLE

DROPPED = """
import os, signal, threading
from helpers.interrupt import never_lost

class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # the signal's handler runs between two of these steps
            pass

try:
    with never_lost():
        Interrupted()
        threading.Event().wait(60)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_that_a_destructor_drops_is_raised_again():
    done = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True)
    assert done.stdout == "interrupted\n" and done.stderr == ""


def test_an_interrupt_that_other_code_keeps_is_raised_at_the_next_step_and_at_the_end():
    def swallow():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(60)
        except BaseException:
            return

    with pytest.raises(KeyboardInterrupt), never_lost():
        swallow()
        with pytest.raises(KeyboardInterrupt):
            raise_if_requested()
    raise_if_requested()  # it concerns only the block


def test_a_command_that_kept_the_interrupt_ends_with_130(monkeypatch, capsys):
    def swallow(options):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(60)
        except BaseException:
            return 0

    monkeypatch.setattr(machine, "_doctor", swallow)
    assert cli.main(["doctor"]) == 130
    assert capsys.readouterr().err == "distillab: stopped\n"


IMPORTS = """
import sys

class NothingHeavy:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "sqlalchemy", "helpers.grader.preprocessor"):
            sys.exit(7)

sys.meta_path.insert(0, NothingHeavy())
from helpers.cli import main
main(["grade", "--submissions", "in", "--output", "out"])
"""


def test_the_first_line_of_a_run_comes_before_the_slow_imports():
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (7, "Starting the grader …\n")


MOMENTS = (0.02, 0.35, 0.65, 0.97)  # as shares of the calls of a whole run


class _Calls:
    """Counts the calls of Python functions in this thread, and presses Ctrl-C at one of them."""

    def __init__(self, at=None):
        self.count, self.at = 0, at

    def __call__(self, frame, event, argument):
        if event == "call":
            self.count += 1
            if self.count == self.at:
                os.kill(os.getpid(), signal.SIGINT)

    def __enter__(self):
        sys.setprofile(self)
        return self

    def __exit__(self, *exception):
        sys.setprofile(None)


@pytest.mark.sandbox
@pytest.mark.slow
def test_ctrl_c_ends_a_run_at_any_moment_and_the_next_run_finishes_it(course, notebook, tmp_path, capsys):
    folder = tmp_path / "in" / "ada" / "00_mini"
    folder.mkdir(parents=True)
    nbformat.write(notebook(DOUBLE, AVERAGE), folder / "00_mini.ipynb")

    def grade(output):
        arguments = ["--submissions", tmp_path / "in", "--output", tmp_path / output, "--course", course]
        return cli.main(["grade", *map(str, arguments)])

    assert grade("whole") == 0  # also imports all that a run needs
    with _Calls() as calls:
        assert grade("counted") == 0
    for number, share in enumerate(MOMENTS):
        capsys.readouterr()
        with _Calls(at=int(share * calls.count)):
            status = grade(f"stopped_{number}")
        assert status == 130, f"after {share:.0%} of the calls"
        said = capsys.readouterr().err
        assert "distillab: stopped" in said and "ignored" not in said
        if share > 0.1:  # before, the options may not have been read yet
            assert said.endswith("distillab: stopped; run the same command again to continue\n")
        assert grade(f"stopped_{number}") == 0
        assert _without_seconds(tmp_path / f"stopped_{number}") == _without_seconds(tmp_path / "whole")


def _without_seconds(output):
    return [row | {"seconds": ""} for row in csv.DictReader((output / "grades.csv").open())]


def test_a_run_that_stopped_shows_one_line_in_a_notebook():
    stopped = RunStopped(61)
    assert isinstance(stopped, KeyboardInterrupt)
    assert stopped._render_traceback_() == ["Stopped after step 61; run the cell again to go on."]
