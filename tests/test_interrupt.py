"""Ctrl-C ends a command at any moment, even where Python drops the exception or other code keeps it."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from helpers import cli
from helpers.commands import machine
from helpers.interrupt import RunStopped, never_lost, raise_if_requested

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


def test_a_run_that_stopped_shows_one_line_in_a_notebook():
    stopped = RunStopped(61)
    assert isinstance(stopped, KeyboardInterrupt)
    assert stopped._render_traceback_() == ["Stopped after step 61; run the cell again to go on."]
