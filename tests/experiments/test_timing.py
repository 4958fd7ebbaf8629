"""helpers.experiments.timing: the seconds of a run that is cut off and goes on in another process."""

import pytest

from helpers.experiments import timing
from helpers.experiments.timing import Clock, StepClock


@pytest.fixture
def now(monkeypatch):
    """Both clocks, set by hand: wall time in seconds; the processor works twice as long."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(timing.time, "process_time", lambda: 2 * now[0])
    return now


def test_a_block(now):
    with Clock() as clock:
        now[0] = 3.0
    assert clock.seconds == {"seconds": 3.0, "processor_seconds": 6.0}


def test_steps_of_both_processes_count_and_a_repeated_one_once(now, tmp_path):
    clock = StepClock(tmp_path / "run.seconds", resumed=False)
    for now[0], step in ((1.0, 1), (2.0, 2), (3.0, 3)):
        clock.step(step)
    now[0] = 50.0
    clock = StepClock(tmp_path / "run.seconds", resumed=True)  # from a checkpoint after step 2
    for now[0], step in ((54.0, 3), (55.0, 4)):
        clock.step(step)
    assert clock.total(4) == {"seconds": 7.0, "processor_seconds": 14.0, "resumed": True}


def test_a_line_that_was_cut_off_counts_as_the_mean(now, tmp_path):
    (tmp_path / "run.seconds").write_text("1 2.0 4.0\n2 4.0")
    assert StepClock(tmp_path / "run.seconds", resumed=True).total(2)["seconds"] == 4.0


def test_a_new_run_throws_away_what_an_earlier_one_left(now, tmp_path):
    (tmp_path / "run.seconds").write_text("1 2.0 4.0\n")
    clock = StepClock(tmp_path / "run.seconds", resumed=False)
    now[0] = 1.0
    clock.step(1, None)
    assert clock.total(1) == {"seconds": 1.0, "processor_seconds": 2.0, "resumed": False}
