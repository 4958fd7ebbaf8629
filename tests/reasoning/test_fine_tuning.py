"""Batches, training, writing and measuring, on a model that is small enough to train in a second or two."""

import pytest
import torch

from helpers.bootstrap import Estimate
from helpers.data.word_problems import make_problems, problem_tokenizer, solved_problems
from helpers.models import new_model
from helpers.reasoning.chain_of_thought import extract_answer, make_example
from helpers.reasoning.fine_tuning import (
    Outcome,
    accuracy,
    collate,
    compare,
    in_words,
    judge_answers,
    load_reasoner,
    similar_lengths,
    tokens_written,
    train_on_examples,
    without_dropout,
    write_traces,
)

TOKENIZER = problem_tokenizer()


def small_model(seed=0):
    return without_dropout(new_model(1, 32, 2, len(TOKENIZER), 160, seed))


def examples(count, **settings):
    return [make_example(problem, trace, TOKENIZER) for problem, trace in solved_problems(count, 1, **settings)]


def test_a_batch_is_filled_up_on_the_right_and_filling_does_not_count():
    short, long = (torch.tensor([5, 6]), torch.tensor([-100, 6])), (torch.tensor([7, 8, 9]), torch.tensor([-100, 8, 9]))
    batch = collate([short, long])
    assert batch["input_ids"].tolist() == [[5, 6, 0], [7, 8, 9]]
    assert batch["labels"].tolist() == [[-100, 6, -100], [-100, 8, 9]]


def test_batches_go_through_all_examples_and_hold_similar_lengths():
    some = examples(80)
    batches = similar_lengths(some, batch_size=10, seed=0)
    rows = [next(batches) for _ in range(8)]
    firsts = sorted(tuple(row[row != 0].tolist()) for batch in rows for row in batch["input_ids"])
    assert firsts == sorted(tuple(ids[ids != 0].tolist()) for ids, _ in some)
    padding = sum(int((batch["input_ids"] == 0).sum()) - 10 for batch in rows)
    at_random = sum(int((collate(some[start : start + 10])["input_ids"] == 0).sum()) - 10 for start in range(0, 80, 10))
    assert padding < at_random / 2


def test_few_examples_come_again():
    batches = similar_lengths(examples(3), batch_size=8, seed=0)
    assert next(batches)["input_ids"].shape[0] == 8


def test_a_student_learns_its_examples_by_heart_and_is_watched():
    model, seen = small_model(), []
    problems = make_problems(4, seed=1, steps=(1,))
    pairs = [make_example(problem, f"#### {problem['answer']}", TOKENIZER) for problem in problems]
    losses = train_on_examples(model, pairs, steps=400, batch_size=4, learning_rate=5e-3, watch=seen.append)
    assert seen == losses and max(losses[-8:]) < 0.1 < losses[0]
    assert write_traces(model, TOKENIZER, problems) == [f"#### {problem['answer']}" for problem in problems]
    with pytest.raises(ValueError, match="examples"):
        train_on_examples(model, [], steps=1)


def test_the_same_seed_trains_the_same_student():
    rows = examples(20, steps=(1,))
    one, two = small_model(), small_model()
    for model in (one, two):
        train_on_examples(model, rows, steps=3, batch_size=8, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_writing_in_a_batch_is_writing_alone():
    """Prompts of different lengths are filled up on the left; that must not change a word, nor may the cache."""
    model, problems = small_model(seed=3), make_problems(10, seed=2)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    together = write_traces(model, TOKENIZER, problems, longest=12)
    alone = [write_traces(model, TOKENIZER, [problem], longest=12)[0] for problem in problems]
    assert together == alone and len(set(together)) > 1
    ids = TOKENIZER(problems[0]["question"] + "\n", return_tensors="pt")["input_ids"]
    for _ in range(12):
        ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(dim=-1)], dim=1)
    written = ids[0, -12:].tolist()
    assert together[0] == TOKENIZER.decode(written[: written.index(0)] if 0 in written else written)


def test_drawing_depends_on_the_seed_alone():
    model, problems = small_model(), make_problems(5, seed=2)
    draws = [write_traces(model, TOKENIZER, problems, temperature=1.0, seed=seed, longest=8) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


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
    mixed = runs([(1, place % 2 == 0) for place in range(50)])
    turned = runs([(1, place % 2 == 1) for place in range(50)])
    assert in_words("a", "b", compare(right, wrong)).startswith("“a” is right more often than “b”, by 100 points")
    assert in_words("a", "b", compare(wrong, right)).startswith("“b” is right more often than “a”")
    worse = Estimate(-0.05, -0.09, -0.01, 750, 250)
    assert in_words("a", "b", worse) == "“b” is right more often than “a”, by 5 points (+1 to +9)."
    assert in_words("a", "b", compare(mixed, turned)).startswith("No effect shown")


def test_a_prompt_that_fills_the_model_is_refused():
    with pytest.raises(ValueError, match="nothing is left for its trace"):
        write_traces(small_model(), TOKENIZER, [{"question": "How many? " * 80}])


def test_there_are_two_reasoners():
    with pytest.raises(ValueError, match="role"):
        load_reasoner("pupil")
