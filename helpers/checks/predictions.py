"""Take a guess before the cell that answers it, and show both side by side afterwards.

    predict("gradient", "At T = 4, how large is the gradient, compared with T = 1?", choices=["larger", "smaller"])
    predict("loss", "What is the loss after 100 steps?", unit="nats")
    predict("curve", "Draw the entropy.", curve={"x": ("T", 0.1, 10, "log"), "y": ("nats", 0, 4)})
    reveal("gradient", "smaller")

A guess is kept beside the progress, and in the output of its cell, so it travels with the notebook once that is saved.
It never costs points. In a notebook `predict` is a small widget; where there is no browser it prints the question, and
`predict(…, guess=…)` takes the guess. While a class is graded both only print.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from IPython import get_ipython
from IPython.display import display

from helpers.checks.guesses import (
    KIND_CHOICE,
    KIND_CURVE,
    KIND_NUMBER,
    MIME,
    is_close,
    on_grid,
    valid_record,
)
from helpers.checks.progress import being_graded, keep, progress_folder, read_kept
from helpers.checks.result import STYLE

FILE = "predictions.json"


def predict(
    name: str,
    question: str,
    *,
    choices: Sequence[str] | None = None,
    unit: str | None = None,
    curve: Mapping[str, tuple] | None = None,
    tolerance: float | None = None,
    guess: Any = None,
) -> None:
    """Ask for a guess and keep it.

    Args:
        name: of the prediction, for `reveal`; unique among all labs.
        question: what to guess.
        choices: for a choice, the texts to choose from.
        unit: for a number, its unit.
        curve: for a drawn curve, its axes, {"x": (label, low, high), "y": (label, low, high)}; "log" may follow x's
            high.
        tolerance: how far off a number or a curve may be and still be called close, in its unit. By default a quarter
            of the true number, or 15 % of the height of the drawing.
        guess: the guess itself, where there is no widget to give it.

    Raises ValueError unless exactly one of choices, unit and curve is given, or if the guess does not fit.
    """
    record = _record(name, question, choices, unit, curve, tolerance)
    kept = _kept(name)
    if {key: kept.get(key) for key in record} == record:  # the same question as when the guess was made
        record |= {key: kept[key] for key in ("guess", "truth") if key in kept}
    elif guess is None:
        _keep(record)
    if guess is not None:
        record = _with_guess(record, guess)
        _keep(record)
    if being_graded() or getattr(get_ipython(), "kernel", None) is None:
        print(_text(record))
        return
    from helpers.checks.prediction_widget import PredictionWidget  # it needs anywidget, and takes a while to import

    widget = PredictionWidget(record)
    display(widget)
    note = display(_bundle(record, _text(record), _note(record)), raw=True, display_id=True)

    def guessed(change: Any) -> None:
        """Keep the new guess, in the file and in the notebook, unless the answer has been shown meanwhile."""
        if _kept(name).get("truth") is not None:
            return
        new = _with_guess(record, change["new"])
        problem = _keep(new)
        note.update(_bundle(new, _text(new), _note(new, problem)), raw=True)

    widget.observe(guessed, "guess")


def reveal(name: str, value: Any) -> None:
    """Show what came beside what was guessed.

    Args:
        name: of the prediction.
        value: the text of the right choice, the true number, or the true curve, as (xs, ys).

    Raises ValueError if the value does not fit the prediction.
    """
    record = _kept(name)
    if not valid_record(record):  # no guess was ever asked for here, for example in another copy of the labs
        print(f"{name}: {_plain(value)}. You have not made a guess; run the cell with predict({name!r}, …) first.")
        return
    record = {**record, "truth": _fitting(record, value)}
    if not being_graded():
        _keep(record)
    if being_graded() or getattr(get_ipython(), "kernel", None) is None:
        print(_answer_text(record))
        return
    display(_bundle(record, _answer_text(record), _answer_html(record)), raw=True)


# --------------------------------------------------------------------------------------------------------- the record


def _record(
    name: str,
    question: str,
    choices: Sequence[str] | None,
    unit: str | None,
    curve: Mapping[str, tuple] | None,
    tolerance: float | None,
) -> dict[str, Any]:
    if sum(item is not None for item in (choices, unit, curve)) != 1:
        raise ValueError("predict() takes exactly one of choices=, unit= and curve=")
    record: dict[str, Any] = {"name": name, "question": question}
    if choices is not None:
        record |= {"kind": KIND_CHOICE, "choices": list(choices)}
    elif unit is not None:
        record |= {"kind": KIND_NUMBER, "unit": unit}
    elif curve is not None:
        record |= {"kind": KIND_CURVE, "axes": {axis: list(ends) for axis, ends in curve.items()}}
    if tolerance is not None:
        record["tolerance"] = float(tolerance)
    record = json.loads(json.dumps(record))
    if not valid_record(record):
        raise ValueError(
            "this is not a prediction: its name needs letters, digits and _; choices are two to eight different texts; "
            "an axis is (label, low, high) with low below high, and above 0 if it is logarithmic"
        )
    return record


def _with_guess(record: dict[str, Any], guess: Any) -> dict[str, Any]:
    return {**record, "guess": None if guess is None else _fitting(record, guess)}


def _fitting(record: dict[str, Any], value: Any) -> Any:
    """Return a guess or a truth as plain data. Raises ValueError if it does not fit the question."""
    plain = value
    if record["kind"] == KIND_NUMBER:
        plain = float(value)
    elif record["kind"] == KIND_CURVE:
        plain = on_grid(value, record["axes"]["x"])
    if not valid_record({**record, "guess": plain}):
        owed = {KIND_CHOICE: f"one of {record.get('choices')}", KIND_NUMBER: "a finite number", KIND_CURVE: "a curve"}
        raise ValueError(f"{value!r:.80} does not fit the prediction {record['name']}: it is {owed[record['kind']]}")
    return plain


def _kept(name: str) -> dict[str, Any]:
    entry = read_kept(progress_folder() / FILE).get(name)
    return entry if isinstance(entry, dict) else {}


def _keep(record: dict[str, Any]) -> str:
    return keep(progress_folder() / FILE, record["name"], record)


# ---------------------------------------------------------------------------------------------------- what is displayed


def _plain(value: Any, unit: str = "") -> str:
    if isinstance(value, str):
        return f"“{value}”"
    if isinstance(value, (int, float)):
        return f"{value:.4g} {unit}".strip()
    return "a curve"


def _said(record: Mapping[str, Any], key: str) -> str:
    if record["kind"] == KIND_CURVE:
        return ", ".join(f"{height:.3g}" for height in record[key])
    return _plain(record[key], record.get("unit", ""))


def _text(record: dict[str, Any]) -> str:
    """Return the question as text, with the guess if there is one."""
    lines = [f"Predict first: {record['question']}"]
    lines += [f"  - {choice}" for choice in record.get("choices", ())]
    if record.get("guess") is not None:
        lines.append(f"Your guess: {_said(record, 'guess')}")
    return "\n".join(lines)


def _note(record: dict[str, Any], problem: str = "") -> str:
    """Return one line of HTML below the widget; it stays when the notebook is opened again without a kernel."""
    said = f"Your guess: {_said(record, 'guess')}" if record.get("guess") is not None else "No guess yet."
    style = "margin:.2em 0;color:var(--jp-content-font-color2,inherit)"
    return f'<p style="{style}">{escape(f"{said} {problem}".strip())}</p>'


def _verdict(record: dict[str, Any]) -> str:
    if record.get("guess") is None:
        return "You made no guess."
    close, choice = is_close(record, record["truth"]), record["kind"] == KIND_CHOICE
    return ("✓ right" if choice else "✓ close") if close else "✗ not this time"


def _answer_text(record: dict[str, Any]) -> str:
    lines = [f"{record['question']}"]
    if record.get("guess") is not None:
        lines.append(f"  You guessed: {_said(record, 'guess')}")
    return "\n".join([*lines, f"  It is:       {_said(record, 'truth')}", f"  {_verdict(record)}"])


def _answer_html(record: dict[str, Any]) -> str:
    right = record.get("guess") is not None and is_close(record, record["truth"])
    colour, pattern = ("#009E73", "solid") if right else ("#0072B2", "double")
    rows = [("You guessed", "guess"), ("It is", "truth")] if record.get("guess") is not None else [("It is", "truth")]
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left">{head}</th>'
        f'<td style="text-align:left">{escape(_said(record, key))}</td></tr>'
        for head, key in rows
    )
    drawing = ""
    if record["kind"] == KIND_CURVE:
        from helpers.checks.prediction_drawing import drawn

        drawing = drawn(record)
    return (
        f'<div role="region" aria-label="Prediction and answer" style="{STYLE.format(colour=colour, pattern=pattern)}">'
        f"<p><strong>{escape(_verdict(record))}</strong> · {escape(record['question'])}</p>{drawing}"
        f"<table>{cells}</table></div>"
    )


def _bundle(record: dict[str, Any], text: str, html: str) -> dict[str, Any]:
    return {"text/plain": text, "text/html": html, MIME: record}
