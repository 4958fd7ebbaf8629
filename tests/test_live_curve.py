"""What a run shows while it goes, in a notebook and in plain Python."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import matplotlib.pyplot as plt
import pytest

from helpers import live_curve
from helpers.live_curve import LiveCurve, format_duration, running_mean


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def outputs(monkeypatch):
    """The outputs that were displayed, as in a notebook; an update takes the place of what was there."""

    class Shell:
        kernel = object()

    class Handle:
        def update(self, bundle, raw):
            shown[0] = bundle["text/html"]

    def display(bundle, raw, display_id):
        shown.append(bundle["text/html"])
        return Handle()

    shown = []
    monkeypatch.setattr(live_curve, "get_ipython", Shell)
    monkeypatch.setattr(live_curve, "display", display)
    return shown


def test_plain_python_gets_a_line_of_text_at_each_tenth(capsys):
    clock = Clock()
    with LiveCurve("Test", 100, clock=clock) as curve:
        for step in range(100):
            clock.now += 0.5
            curve.add(2.0 - step / 100)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0] == "Test: step 10 of 100, loss 1.955 nats a token, about 45 s left"
    assert lines[-1] == "Test: step 100 of 100, loss 1.105 nats a token, done in 50 s"
    assert curve.losses[:2] == [2.0, 1.99] and len(curve.losses) == 100


def test_time_to_go_counts_only_the_steps_of_this_run(capsys):
    clock = Clock()
    with LiveCurve("Test", 20, done=[3.0] * 10, clock=clock) as curve:
        clock.now += 4
        curve.add(1.0)
        assert curve.seconds_left() == pytest.approx(36)
    assert capsys.readouterr().out.startswith("Test: resuming after step 10")


def test_a_notebook_gets_one_output_updated_in_place_and_no_figure(outputs):
    clock = Clock()
    with LiveCurve("Test <1>", 50, clock=clock) as curve:
        for _ in range(4):
            curve.add(1.0)
        (first,) = outputs
        assert "<img" not in first, "not yet time for an update"
        clock.now += 1
        curve.add(0.5)
        assert outputs[0] != first and 'value="5"' in outputs[0]
    (html,) = outputs
    assert plt.get_fignums() == []
    assert "Test &lt;1&gt;" in html and "Test <1>" not in html
    assert re.search(r'<img[^>]* alt="Loss over 5 steps, in nats a token: from 1.00', html)


def polylines(curve):
    image = re.search(r"base64,([^\"]+)", curve.html()).group(1)
    root = ElementTree.fromstring(base64.b64decode(image))
    return [[tuple(map(float, point.split(","))) for point in line.get("points").split()]
            for line in root.iter("{http://www.w3.org/2000/svg}polyline")]  # fmt: skip


def test_the_curve_falls_to_the_right_and_stays_inside():
    with LiveCurve("Test", 1000, done=[5 - step / 200 for step in range(900)]) as curve:
        raw, smooth = polylines(curve)
    assert len(raw) <= live_curve.MAX_POINTS and raw[-1][0] == pytest.approx(
        live_curve.LEFT + 0.9 * (live_curve.WIDTH - live_curve.RIGHT - live_curve.LEFT), abs=0.1
    )
    assert [x for x, _ in raw] == sorted(x for x, _ in raw) and [y for _, y in raw] == sorted(y for _, y in raw)
    assert all(0 < x < live_curve.WIDTH and 0 < y < live_curve.HEIGHT for x, y in raw + smooth)


def test_a_loss_that_is_not_a_number_leaves_a_gap_and_no_more():
    with LiveCurve("Test", 40, done=[1.0, float("nan"), float("inf"), 2.0, *[1.5] * 30]) as curve:
        raw, smooth = polylines(curve)
    assert len(raw) == 32 and len(smooth) == 13


@pytest.mark.parametrize(("error", "words"), [(KeyboardInterrupt, "stopped"), (RuntimeError, "ended by a RuntimeErr")])
def test_an_end_before_the_last_step_is_said(outputs, error, words):
    with pytest.raises(error):
        with LiveCurve("Test", 10) as curve:
            curve.add(1.0)
            curve.add(1.0)
            raise error
    assert f"step 2 of 10, loss 1.000 nats a token, {words}" in outputs[0]


def test_a_number_of_steps_that_cannot_be():
    for steps, done in ((0, []), (2, [1.0] * 3)):
        with pytest.raises(ValueError, match="steps is"):
            LiveCurve("Test", steps, done=done)


def test_running_mean_and_words():
    assert running_mean([1.0, 3.0, 5.0, 7.0], 2) == [1.0, 2.0, 4.0, 6.0]
    assert [format_duration(s) for s in (8.4, 240, 7500)] == ["8 s", "4 min", "2 h 5 min"]
