"""helpers.reasoning.chat_format: GSM8K's files, answers in free text, chat prompts and examples."""

import os
from pathlib import Path

import pytest

from helpers.data.word_problems import make_problems, solved_problems
from helpers.reasoning import chain_of_thought as cot
from helpers.reasoning.chat_format import chat_example, chat_prompt, open_answer, read_problems, to_answer


def test_problems_are_read_with_whole_answers_and_without_calculator_marks(gsm8k):
    problems = read_problems(gsm8k)
    assert [problem["answer"] for problem in problems] == [p["answer"] for p in make_problems(6, 9, (1, 2))]
    assert all("<<" not in problem["solution"] and cot.verify_steps(problem["solution"]) for problem in problems)
    gsm8k.write_text('{"question": "?", "answer": "none"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        read_problems(gsm8k)


@pytest.mark.skipif(not os.environ.get("DISTILLAB_GSM8K"), reason="DISTILLAB_GSM8K does not name a copy of GSM8K")
def test_the_real_gsm8k_is_read_and_its_answers_are_found_in_its_solutions():
    problems = read_problems(Path(os.environ["DISTILLAB_GSM8K"]))
    assert len(problems) > 1000 and sum(problem["answer"] > 999 for problem in problems) > 10
    assert all(open_answer(problem["solution"]) == problem["answer"] for problem in problems)
    last_numbers = [open_answer(problem["solution"].split("####")[0]) for problem in problems]
    right = sum(last == problem["answer"] for last, problem in zip(last_numbers, problems, strict=True))
    assert 0.8 < right / len(problems) < 1  # the last number of the steps is mostly the answer, and not always


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3 + 4 = 7\n#### 7", 7),
        ("#### $1,250", 1250),
        ("So \\boxed{36}, that is 3 dozen.", 36),
        ("\\boxed{\\$1,200}", 1200),
        ("#### 5, not \\boxed{6}", 5),
        ("She pays 3 and then 4, so 12 in all.", 12),
        ("It costs 12.00", 12),
        ("It costs 12.50", None),
        ("I do not know.", None),
        ("It falls to -4", -4),
    ],
)
def test_the_answer_is_found_in_the_forms_that_models_use(text, answer):
    assert open_answer(text) == answer


def test_a_trace_ends_with_its_first_answer():
    assert to_answer("1 + 1 = 2\n#### 2\nNext problem: 4") == "1 + 1 = 2\n#### 2"
    assert to_answer(" no answer ") == "no answer"


def test_the_prompt_is_the_models_own_form_with_worked_examples_before_the_problem(tokenizer):
    shown = solved_problems(1, 3, (2,))
    problem = make_problems(1, 4, (1,))[0]
    prompt = chat_prompt(problem, tokenizer, shown)
    assert prompt.startswith("system : ") and prompt.endswith("assistant : ")
    assert prompt.index(shown[0][1]) < prompt.index(problem["question"])
    tokenizer.chat_template = None
    assert problem["question"] in chat_prompt(problem, tokenizer, shown)


def test_an_example_masks_the_conversation(tokenizer):
    problem, trace = solved_problems(1, 3, (2,))[0]
    input_ids, labels = chat_example(problem, trace, tokenizer)
    learned = labels != -100
    assert tokenizer.decode(input_ids[learned][:-1]) == trace and input_ids[learned][-1] == tokenizer.eos_token_id
    assert learned.tolist() == sorted(learned.tolist()), "what is learned stands at the end, in one piece"
