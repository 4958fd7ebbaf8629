"""The predictions that a class got wrong, ranked, and one notebook cannot decide what was true."""

from helpers.grader.judging.judgement import Judgement
from helpers.grader.reports.class_report import class_report
from helpers.grader.reports.predictions import ranked_predictions
from helpers.grader.run.judgement_store import from_plain, to_plain


def judgement(**guesses):
    records = {}
    for name, (guess, truth) in guesses.items():
        record = {"name": name, "question": f"What is <{name}>?", "guess": guess, "truth": truth}
        if isinstance(guess, str):
            record |= {"kind": "choice", "choices": ["a", "b", "c"]}
        elif isinstance(guess, float):
            record |= {"kind": "number", "unit": "nats"}
        else:
            record |= {"kind": "curve", "axes": {"x": ["T", 0, 1], "y": ["nats", 0, 1]}}
        records[name] = record
    return Judgement("00_mini", guesses=records)


CLASS = [
    judgement(order=("a", "b"), loss=(2.0, 1.0), curve=([0.0] * 11, [0.1] * 11)),
    judgement(order=("a", "b"), loss=(1.1, 1.0), curve=([0.9] * 11, [0.1] * 11)),
    judgement(order=("b", "b"), loss=(0.9, 1.0)),
    judgement(order=("c", "c")),  # a notebook that says what it likes
    judgement(unknown=("a", None)),
]


def test_the_largest_share_comes_first():
    ranked = ranked_predictions(CLASS)
    assert [(item.name, item.wrong, item.guessed) for item in ranked] == [
        ("order", 3, 4),
        ("curve", 1, 2),
        ("loss", 1, 3),
    ]
    assert (ranked[0].truth, ranked[0].commonest) == ("b", "a")
    assert (ranked[2].truth, ranked[2].commonest) == ("1", "2 (median)")


def test_the_report_shows_them_escaped(mini):
    html = class_report([(f"s{number}", item) for number, item in enumerate(CLASS)], {"00_mini": mini}, {})
    assert (
        "What is &lt;order&gt;?" in html
        and "<order>" not in html
        and "3 (75 %)" in html.replace("\u202f", " ").replace("\xa0", " ")
    )


def test_guesses_are_stored_with_the_judgement():
    assert from_plain(to_plain(CLASS[0])).guesses == CLASS[0].guesses
