"""helpers.reasoning.scoring: outcomes, means over problems and seeds, and what a difference shows."""

import pytest

from helpers.bootstrap import Estimate
from helpers.data.word_problems import problem_tokenizer
from helpers.reasoning.chain_of_thought import extract_answer
from helpers.reasoning.scoring import (
    Outcome,
    accuracy,
    compare,
    describe_difference,
    judge_answers,
    tokens_written,
)

TOKENIZER = problem_tokenizer()


def test_outcomes_say_steps_right_and_tokens():
    problems = [{"question": "?", "answer": 5, "steps": 2}, {"question": "?", "answer": 6}]
    assert judge_answers(problems, ["#### 5", "7 + 3"], extract_answer, TOKENIZER) == [
        Outcome(2, True, 3),
        Outcome(0, False, 4),
    ]


def runs(*rows):
    return [[Outcome(steps, right, 10) for steps, right in row] for row in rows]


def test_accuracy_is_over_problems_and_seeds_and_by_steps():
    two = runs([(1, True), (2, True), (2, False)], [(1, True), (2, False), (2, False)])
    assert accuracy(two).value == 0.5 and accuracy(two, steps=1).value == 1 and accuracy(two, steps=2).value == 0.25
    assert accuracy(two).low < 0.5 < accuracy(two).high and tokens_written(two).value == 10
    with pytest.raises(ValueError, match="no problem"):
        accuracy(two, steps=7)


def test_a_difference_that_could_be_none_is_called_none():
    right, wrong = runs([(1, True)] * 50), runs([(1, False)] * 50)
    says = "“a” is right more often than “b”, by 100 points"
    assert describe_difference("a", "b", compare(right, wrong)).startswith(says)
    assert describe_difference("b", "a", compare(wrong, right)).startswith(says)
    even, odd = (runs([(1, index % 2 == parity) for index in range(50)]) for parity in (0, 1))
    assert describe_difference("a", "b", compare(even, odd)).startswith("No effect shown: “a” and “b” are 0 points")
    worse = Estimate(-0.05, -0.09, -0.01, 750, 250)
    assert describe_difference("a", "b", worse) == "“b” is right more often than “a”, by 5 points (+1 to +9)."
    slight = Estimate(0.012, -0.01, 0.03, 750, 250)
    assert describe_difference("a", "b", slight).endswith("are 1 point (-1 to +3) apart.")
