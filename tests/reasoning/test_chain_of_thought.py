"""The checker of traces, on traces written by hand and on GSM8K's form."""

import pytest

from helpers.data.word_problems import problem_tokenizer
from helpers.reasoning import chain_of_thought as cot

PROBLEM = {"question": "Ana has 7 apples. There are 9 chairs. Monday brings 3. How many apples now?", "answer": 10}
GOOD = "Monday brings 3, so 7 + 3 = 10.\n#### 10"


@pytest.mark.parametrize(
    ("trace", "answer"),
    [(GOOD, 10), ("#### 1,250", 1250), ("#### -7", -7), ("#### 4\n#### 5", 5), ("7 + 3 =", None), ("#### ", None)],
)
def test_the_answer_stands_after_the_last_mark(trace, answer):
    assert cot.extract_answer(trace) == answer


@pytest.mark.parametrize(
    ("trace", "holds"),
    [
        (GOOD, True),
        ("1,200 - 3 = 1,197", True),
        ("3 - 5 = -2\n-2 + 4 = 2", True),
        ("7 / 2 = 3", False),
        ("7 / 0 = 0", False),
        ("7 + 3 = 10\n10 * 2 = 21", False),
        ("#### 10", False),
    ],
)
def test_steps_hold_only_if_there_are_steps_and_all_of_them_do(trace, holds):
    assert cot.verify_steps(trace) is holds


@pytest.mark.parametrize(
    ("trace", "kept"),
    [
        (GOOD, True),
        ("7 + 3 = 10\n#### 11", False),
        ("7 + 4 = 11\n11 - 1 = 9\n#### 10", False),
        ("7 + 3 = 10\nAgain 7 + 3 = 10\n#### 10", False),
        ("\n".join(f"{n} + 1 = {n + 1}" for n in range(2, 10)) + "\n#### 10", True),
        ("\n".join(f"{n} + 1 = {n + 1}" for n in range(1, 10)) + "\n#### 10", False),
    ],
)
def test_a_trace_is_kept_for_answer_steps_length_and_freshness(trace, kept):
    assert cot.keep_trace(PROBLEM, trace) is kept


def test_the_filter_keeps_order_and_drops_the_same_trace_of_the_same_question():
    other = {**PROBLEM, "question": "Ben has 7 coins. Ben finds 3. How many coins are there now?"}
    problems, traces = [PROBLEM, PROBLEM, other, PROBLEM], [GOOD, "#### 10", GOOD, GOOD]
    assert cot.filter_traces(problems, traces) == [(PROBLEM, GOOD), (other, GOOD)]
    with pytest.raises(ValueError):
        cot.filter_traces(problems, traces[:2])


def test_compact_keeps_equations_and_answer():
    assert cot.compact("Hm.\nSo 3 - 5 = -2.\nThat is -2 + 9 = 7.\n#### 7") == "3 - 5 = -2\n-2 + 9 = 7\n#### 7"
    assert cot.compact(cot.compact(GOOD)) == cot.compact(GOOD)


def test_an_example_masks_the_prompt_and_learns_the_end():
    tokenizer = problem_tokenizer()
    input_ids, labels = cot.make_example(PROBLEM, GOOD, tokenizer)
    prompt = len(tokenizer(PROBLEM["question"])["input_ids"]) + 1
    assert (labels[:prompt] == -100).all() and (labels[prompt:] == input_ids[prompt:]).all()
    assert input_ids[-1] == tokenizer.eos_token_id and tokenizer.decode(input_ids[prompt:-1]) == GOOD


@pytest.mark.parametrize(
    ("trace", "grounded"),
    [(GOOD, True), ("7 + 9 = 16\n#### 16", True), ("7 + 2 = 9\n9 + 1 = 10", False), ("7 + 3 = 10\n10 + 10 = 20", True)],
)
def test_grounded_asks_where_each_number_comes_from(trace, grounded):
    assert cot.grounded(PROBLEM, trace) is grounded


def test_number_words_are_grounds():
    half = {"question": "Natalia sold clips to 48 of her friends, and then half as many.", "answer": 72}
    assert cot.grounded(half, "48 / 2 = 24\n48 + 24 = 72") and not cot.grounded(half, "48 / 3 = 16")
