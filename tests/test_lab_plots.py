"""The figures of labs 03 to 05 and 07: each says in its alt text what it shows."""

from __future__ import annotations

import pytest

from helpers import plots
from helpers.bootstrap import Estimate

ONE, TWO = Estimate(0.5, 0.4, 0.6, 100, 50), Estimate(0.25, 0.2, 0.3, 100, 50)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: plots.overfitted_batch({"α = 0": [3.0, 1.0]}), "α = 0: 3.00 to 1.00"),
        (lambda: plots.training_curve([3.0, 2.0, 1.0], 0.58), "3.00 nats per token at the first step"),
        (lambda: plots.training_curve([3.0, 2.0, 1.0], 0.58), "The dotted line is at 0.58"),
        (lambda: plots.next_token_chances("Tom …", ["a", "b"], {"teacher": [0.7, 0.2]}), "teacher 0.70, 0.20"),
        (lambda: plots.perplexity_by_batch_size([1, 2], {"yours": [9.0, 9.0]}), "yours: 9.00, 9.00"),
        (lambda: plots.perplexities({"teacher": ONE}, {"teacher": [0.5]}), "teacher 0.50, 0.40 to 0.60"),
        (lambda: plots.rows_of_two_students([2.0, 4.0], [1.5, 4.1], "one", "two"), "above 0 in 1 rows"),
        (lambda: plots.a_real_teacher({"text": {"arm": [50.8]}, "other": {"arm": [19.4]}}, dict(text=60.9, other=19.6)),
         "text: teacher 60.9, arm 50.8; other: teacher 19.6, arm 19.4"),
        (lambda: plots.kinds_of_traces({"both": 64.0, "neither": 36.0}), "both right 64.0 %; neither 36.0 %"),
        (lambda: plots.kept_by_steps([1, 2], [90.0, 50.0]), "k = 1: 90 %, k = 2: 50 %"),
        (lambda: plots.accuracy_by_steps([1, 2], {"raw": [ONE, TWO]}), "raw: 50, 25 %."),
        (lambda: plots.accuracy_by_tokens({"raw": Estimate(45, 44, 46, 9, 9)}, {"raw": ONE}), "raw: 45 tokens, 50"),
        (lambda: plots.real_model("a model", {"after": {"accuracy": ONE._asdict()}}), "of a model, with"),
        (lambda: plots.distance_by_position([0.1] * 3, [0.2] * 3, [1.0, 0.5, 0.25]), "50% half-way and 25% at the end"),
        (lambda: plots.arms_over_seeds({"own": [0.02, 0.03], "old": [0.3]}), "own: 0.020, 0.030; old: 0.300"),
        (lambda: plots.legality_and_coverage({"own": (0.9, 200)}, 208), "(the truth: 208). own: 90% legal, 200 words"),
    ],
)  # fmt: skip
def test_a_figure_says_its_numbers(draw, said, capsys):
    draw()
    assert said in capsys.readouterr().out
