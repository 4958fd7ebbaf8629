"""Problems are reproducible, their solutions are right by a checker that knows nothing of them, and tokens go round."""

import re

import pytest

from helpers.data.word_problems import MAX_NUMBER, MAX_STEPS, make_problems, problem_tokenizer, solved_problems
from helpers.reasoning import chain_of_thought as cot

SOLVED = solved_problems(600, seed=3)


def test_the_same_seed_gives_the_same_problems_and_another_seed_others():
    assert make_problems(20, seed=1) == make_problems(20, seed=1) == [problem for problem, _ in solved_problems(20, 1)]
    assert make_problems(20, seed=1) != make_problems(20, seed=2)


def test_every_solution_is_kept_and_grounded_and_has_k_steps():
    for problem, trace in SOLVED:
        assert cot.keep_trace(problem, trace) or len(set(cot.equations(trace))) < problem["steps"], trace
        assert cot.verify_steps(trace) and cot.extract_answer(trace) == problem["answer"]
        assert cot.grounded(problem, trace)
        assert len(cot.equations(trace)) == problem["steps"]


def test_each_step_needs_the_result_of_the_one_before():
    for _, trace in SOLVED:
        equations = cot.equations(trace)
        for before, after in zip(equations, equations[1:], strict=False):
            assert before[3] in (after[0], after[2])


def test_numbers_stay_in_range_and_steps_go_round():
    for problem, trace in SOLVED:
        assert max(int(number) for number in re.findall(r"\d+", problem["question"] + trace)) <= MAX_NUMBER
    assert [problem["steps"] for problem in make_problems(7, seed=0, steps=(2, 4))] == [2, 4, 2, 4, 2, 4, 2]


def test_a_distractor_stands_in_the_question_and_not_in_the_solution():
    plain, distracted = (make_problems(50, seed=5, steps=(2,), distractors=share) for share in (0.0, 1.0))
    sentences = [[problem["question"].count(".") for problem in problems] for problems in (plain, distracted)]
    assert all(count <= 3 for count in sentences[0])
    assert sum(sentences[1]) > sum(sentences[0])


def test_a_number_of_steps_out_of_range_is_refused():
    for steps in ((0,), (1, MAX_STEPS + 1), ()):
        with pytest.raises(ValueError, match="steps"):
            make_problems(1, seed=0, steps=steps)


def test_the_tokenizer_knows_every_word_and_gives_texts_back():
    tokenizer = problem_tokenizer()
    for problem, trace in SOLVED:
        for text in (problem["question"], trace, cot.compact(trace)):
            tokens = tokenizer(text)["input_ids"]
            assert tokenizer.unk_token_id not in tokens
            assert tokenizer.decode(tokens) == text
    assert tokenizer("\n")["input_ids"] == [2] and tokenizer.eos_token_id == tokenizer.pad_token_id == 0
