"""helpers.reasoning.fine_tuning: batches and training, on a model that is small enough to train in a second or two."""

import pytest
import torch

from helpers.checks.observers import weights_of
from helpers.data.word_problems import make_problems, problem_tokenizer, solved_problems
from helpers.labels import next_token_pairs
from helpers.losses import hard_loss
from helpers.models import new_model
from helpers.reasoning.chain_of_thought import make_example
from helpers.reasoning.fine_tuning import (
    FineTuneConfig,
    collate,
    length_grouped,
    load_reasoner,
    scheduled_adamw,
    train_on_examples,
    training_order,
    without_dropout,
)
from helpers.reasoning.generation import write_traces

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


def test_batches_go_through_all_examples_and_group_them_by_length():
    some = examples(80)
    batches = length_grouped(some, batch_size=10, seed=0)
    rows = [collate(next(batches)) for _ in range(8)]
    firsts = sorted(tuple(row[row != 0].tolist()) for batch in rows for row in batch["input_ids"])
    assert firsts == sorted(tuple(ids[ids != 0].tolist()) for ids, _ in some)
    padding = sum(int((batch["input_ids"] == 0).sum()) - 10 for batch in rows)
    at_random = sum(int((collate(some[start : start + 10])["input_ids"] == 0).sum()) - 10 for start in range(0, 80, 10))
    assert padding < at_random / 2


def test_few_examples_come_again():
    batches = length_grouped(examples(3), batch_size=8, seed=0)
    assert len(next(batches)) == 8


def test_a_plain_loop_over_the_training_order_trains_the_same_student():
    """As lab 05 does it: its students write the loop, and the order and the optimizer are given."""
    some, config = examples(20, steps=(1,)), FineTuneConfig(steps=5, batch_size=8, seed=4)
    one, two = small_model(), small_model().train()
    losses = train_on_examples(one, some, config)
    ordered, optimizer = training_order(some, config), scheduled_adamw(two, config)
    assert len(ordered) == 40
    for step, expected in enumerate(losses):
        batch = collate(ordered[8 * step : 8 * step + 8])
        loss = hard_loss(*next_token_pairs(two(batch["input_ids"]).logits, batch["labels"]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert loss.item() == pytest.approx(expected, rel=1e-3)
    assert weights_of(two).allclose(weights_of(one), atol=1e-3)


def test_a_student_learns_its_examples_by_heart_and_is_watched():
    model, seen = small_model(), []
    problems = make_problems(4, seed=1, steps=(1,))
    pairs = [make_example(problem, f"#### {problem['answer']}", TOKENIZER) for problem in problems]
    losses = train_on_examples(model, pairs, FineTuneConfig(400, batch_size=4, learning_rate=5e-3), watch=seen.append)
    assert seen == losses and max(losses[-8:]) < 0.1 < losses[0]
    assert write_traces(model, TOKENIZER, problems) == [f"#### {problem['answer']}" for problem in problems]
    with pytest.raises(ValueError, match="examples"):
        train_on_examples(model, [], FineTuneConfig(steps=1))


def test_the_same_seed_trains_the_same_student():
    rows = examples(20, steps=(1,))
    one, two = small_model(), small_model()
    for model in (one, two):
        train_on_examples(model, rows, FineTuneConfig(steps=3, batch_size=8, seed=4))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_there_are_two_reasoners():
    with pytest.raises(ValueError, match="role"):
        load_reasoner("pupil")
