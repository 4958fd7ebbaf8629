"""A guess is kept before the answer, shown beside it afterwards, and travels in the notebook's outputs."""

import json

import pytest

from helpers.checks import predict, predictions, reveal
from helpers.checks.guesses import MIME, POINTS, grid, is_close, on_grid, valid_record
from helpers.checks.predictions import FILE

CURVE = {"x": ("T", 1, 11), "y": ("nats", 0, 4)}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILLAB_PROGRESS", str(tmp_path / "kept"))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return tmp_path / "kept"


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, as in a notebook: the widget, then bundles; an updated bundle takes its place."""

    class Shell:
        kernel = object()

    class Handle:
        def __init__(self, place):
            self.place = place

        def update(self, bundle, raw):
            outputs[self.place] = bundle

    outputs = []

    def display(item, **options):
        outputs.append(item)
        return Handle(len(outputs) - 1)

    monkeypatch.setattr(predictions, "get_ipython", Shell)
    monkeypatch.setattr(predictions, "display", display)
    return outputs


def test_without_a_browser_it_prints_the_question_and_takes_the_guess_as_an_argument(capsys):
    predict("order", "Which one is larger?", choices=["the first", "the second"])
    assert capsys.readouterr().out == "Predict first: Which one is larger?\n  - the first\n  - the second\n"
    predict("order", "Which one is larger?", choices=["the first", "the second"], guess="the first")
    assert "Your guess: “the first”" in capsys.readouterr().out
    reveal("order", "the second")
    text = capsys.readouterr().out
    assert "You guessed: “the first”" in text and "It is:       “the second”" in text and "not this time" in text


def test_in_a_notebook_the_guess_goes_into_the_file_and_into_the_output(shown, folder):
    predict("loss", "What is the loss?", unit="nats")
    widget, note = shown
    assert "No guess yet" in note["text/html"] and widget.asked["unit"] == "nats"
    widget.guess = 2
    assert "Your guess: 2 nats" in shown[1]["text/html"] and shown[1][MIME]["guess"] == 2.0
    assert json.loads((folder / FILE).read_text())["loss"]["guess"] == 2.0
    reveal("loss", 2.2)
    answer = shown[2]
    assert answer[MIME]["truth"] == 2.2 and valid_record(answer[MIME])
    assert "✓ close" in answer["text/html"] and "2.2 nats" in answer["text/html"]


def test_a_kept_guess_is_shown_again_and_stays_once_the_answer_is_known(shown):
    predict("loss", "What is the loss?", unit="nats", guess=3)
    assert shown[0].guess == 3.0 and not shown[0].asked["known"]
    reveal("loss", 1)
    predict("loss", "What is the loss?", unit="nats")
    assert shown[-2].guess == 3.0 and shown[-2].asked["known"]
    predict("loss", "Another question?", unit="nats")
    assert shown[-2].guess is None and not shown[-2].asked["known"], "the kept guess was about something else"


def test_html_is_escaped(shown):
    predict("order", "Is <b> & <i>?", choices=["<a>", "b"], guess="<a>")
    reveal("order", "b")
    html = shown[-1]["text/html"] + shown[-2]["text/html"]
    assert "<a>" not in html and "<b>" not in html and "&lt;a&gt;" in html


def test_a_curve_is_compared_on_its_grid_and_drawn_with_alt_text(shown):
    predict("curve", "Draw it.", curve=CURVE, guess=[1.0] * POINTS)
    assert shown[0].asked["grid"] == [float(x) for x in range(1, 12)]
    reveal("curve", ([1, 11], [0, 3]))
    record = shown[-1][MIME]
    assert record["truth"] == pytest.approx([0.3 * x for x in range(POINTS)])
    assert 'alt="nats against T: the true curve and your guess."' in shown[-1]["text/html"]
    assert grid(["T", 0.1, 10, "log"])[5] == pytest.approx(1.0) and on_grid([3.0] * POINTS, ["T", 0, 1]) == [3.0] * 11


def test_a_reveal_without_a_prediction_says_so(capsys):
    reveal("nothing", 3.0)
    assert "You have not made a guess" in capsys.readouterr().out


def test_while_a_class_is_graded_it_prints_and_keeps_nothing(monkeypatch, capsys, shown, folder):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    predict("loss", "What is the loss?", unit="nats")
    reveal("loss", 2.0)
    assert shown == [] and not folder.exists()
    assert "What is the loss?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "exactly one of"),
        ({"choices": ["a", "b"], "unit": "nats"}, "exactly one of"),
        ({"choices": ["a"]}, "two to eight different texts"),
        ({"choices": ["a", "a"]}, "two to eight different texts"),
        ({"curve": {"x": ("T", 2, 1), "y": ("nats", 0, 4)}}, "low below high"),
        ({"curve": {"x": ("T", 0, 1, "log"), "y": ("nats", 0, 4)}}, "above 0"),
        ({"choices": ["a", "b"], "guess": "c"}, "one of"),
        ({"unit": "nats", "guess": float("nan")}, "a finite number"),
        ({"curve": CURVE, "guess": [1.0]}, "a curve"),
    ],
)
def test_what_is_no_prediction_is_refused_in_words(arguments, says):
    with pytest.raises(ValueError, match=says):
        predict("name", "What?", **arguments)


@pytest.mark.parametrize(
    ("record", "guess", "truth", "close"),
    [
        ({"kind": "choice"}, "a", "a", True),
        ({"kind": "choice"}, "a", "b", False),
        ({"kind": "number"}, 1.25, 1.0, True),
        ({"kind": "number"}, 1.26, 1.0, False),
        ({"kind": "number"}, -1.0, 1.0, False),
        ({"kind": "number", "tolerance": 2.0}, -1.0, 1.0, True),
        ({"kind": "curve", "axes": {"y": ["", 0, 10]}}, [1.0] * 11, [2.5] * 11, True),
        ({"kind": "curve", "axes": {"y": ["", 0, 10]}}, [1.0] * 11, [2.6] * 11, False),
    ],
)
def test_when_a_guess_is_close(record, guess, truth, close):
    assert is_close({**record, "guess": guess}, truth) == close
