"""Lab 04's visible examples and hidden cases.

Models are specifications: GPT-2-shaped, with a thousand weights from a seed. Token 0 ends a text and fills up rows.
Rows and batches differ in length, so that every wrong weight shows.
"""

import torch

from helpers.checks.fixtures import ModelSpec
from helpers.grader.course.cases import Case, validation

FORBIDDEN = ("helpers.evaluation",)  # it holds this lab's answers

VOCABULARY = 7


# -------------------------------------------------------------------------------------------------------- builders


def batch(seed, lengths, positions=None, ends=True):
    """A batch with rows of these lengths, padded on the right with 0; with `ends`, each row of text ends in 0."""
    positions = positions or max(lengths)
    source = torch.Generator().manual_seed(seed)
    values = torch.randint(1, VOCABULARY, (len(lengths), positions), generator=source)
    mask = (torch.arange(positions) < torch.tensor(lengths)[:, None]).long()
    input_ids = values * mask
    if ends:
        for row, length in enumerate(lengths):
            input_ids[row, max(length - 1, 0)] = 0
    return {"input_ids": input_ids, "attention_mask": mask}


def split(data, *sizes):
    """The same rows in batches of these sizes."""
    parts = {name: values.split(list(sizes)) for name, values in data.items()}
    return [{name: parts[name][place] for name in parts} for place in range(len(sizes))]


def model(seed, **settings):
    return ModelSpec("gpt2", seed=seed, **settings)


def noisy(seed):
    """A model as training leaves it: in train mode, with dropout."""
    return model(seed, dropout=0.4, training=True)


# ------------------------------------------------------------------------------------------------------- token_nll


def token_nll_examples():
    name = "token_nll"
    return [
        Case(name, "two_rows", (model(11), batch(12, [4, 2])), about="two rows of different lengths"),
        Case(name, "no_padding", (model(11), batch(13, [4, 4], ends=False)), about="no padding"),
        Case(name, "arrives_noisy", (noisy(14), batch(12, [4, 2])), about="a model in train mode, with dropout"),
        Case(name, "nothing_predicted", (model(11), batch(15, [1, 1], 3)), about="nothing to predict"),
    ]


def token_nll_cases():
    name = "token_nll"
    return [
        Case(name, "three_rows", (model(110), batch(111, [6, 2, 4])), weight=2.0, about="rows of different lengths"),
        Case(name, "no_padding", (model(112), batch(113, [5, 5, 5], ends=False)), about="no padding"),
        Case(name, "arrives_noisy", (noisy(114), batch(115, [7, 3])), weight=2.0,
             about="a model in train mode, with dropout"),
        Case(name, "much_padding", (model(116), batch(117, [2, 3, 9])), about="much padding"),
        Case(name, "ends_inside",
             (model(118), {"input_ids": torch.tensor([[3, 0, 5, 2, 0, 0], [4, 1, 0, 0, 0, 0]]),
                           "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0]])}),
             about="an end of text inside a row"),
        Case(name, "one_row", (model(120), batch(121, [5])), about="one row"),
        Case(name, "one_place", (model(122), batch(123, [1, 1])), about="rows of one token"),
        Case(name, "nothing_predicted", (model(124), batch(125, [1, 1, 1], 4)), about="nothing to predict"),
        Case(name, "some_rows_short", (model(126), batch(127, [1, 6, 1, 3])), about="some rows without a prediction"),
        Case(name, "untied_model", (model(128, tied=False, layers=2, scale=1.5), batch(129, [4, 6])),
             about="another model"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ perplexity


def perplexity_examples():
    name = "perplexity"
    rows = batch(22, [6, 2, 4])
    nothing = (model(21), [batch(23, [1, 1], 3)])
    return [
        Case(name, "one_batch", (model(21), [rows]), about="one batch"),
        Case(name, "two_batches", (model(21), split(rows, 2, 1)), about="the same rows in two batches"),
        Case(name, "arrives_noisy", (noisy(24), [rows]), about="a model in train mode, with dropout"),
        validation(name, "nothing", nothing, good=(model(21), [rows]), about="nothing to predict"),
    ]


def perplexity_cases():
    name = "perplexity"
    rows = batch(211, [9, 2, 3, 7, 2])
    other = [batch(213, [8, 6]), batch(214, [2]), batch(215, [3, 3, 2])]
    good = (model(210), [rows])
    return [
        Case(name, "one_batch", good, about="one batch"),
        Case(name, "split_evenly", (model(210), split(rows, 1, 1, 1, 1, 1)), weight=2.0,
             about="the same rows one by one"),
        Case(name, "split_unevenly", (model(210), split(rows, 1, 4)), weight=2.0,
             about="the same rows in two batches of different sizes"),
        Case(name, "different_widths", (model(216), other), weight=2.0, about="batches of different widths"),
        Case(name, "an_empty_batch", (model(217), [other[1], batch(218, [1, 1], 4), other[0]]),
             about="a batch without a prediction among others"),
        Case(name, "arrives_noisy", (noisy(219), other), weight=2.0, about="a model in train mode, with dropout"),
        Case(name, "no_padding", (model(220), [batch(221, [5, 5], ends=False), batch(222, [3], ends=False)]),
             about="no padding"),
        Case(name, "surprised_model", (model(223, scale=2.0), other), about="a model that is often surprised"),
        validation(name, "nothing", (model(210), [batch(224, [1, 1], 3), batch(225, [1])]), good=good,
                   about="batches without a prediction"),
        validation(name, "no_batch", (model(210), []), good=good, about="no batch at all"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ gap_closed


def gap_closed_examples():
    name = "gap_closed"
    return [
        Case(name, "half_way", (1.0, 100.0, 10.0), about="half of the way, in logarithms"),
        Case(name, "a_student", (20.0, 45.0, 35.0), about="a student that gets better"),
        Case(name, "gets_worse", (20.0, 45.0, 50.0), about="a student that gets worse"),
        validation(name, "same", (20.0, 20.0, 18.0), good=(20.0, 45.0, 35.0), about="no gap at all"),
    ]


def gap_closed_cases():
    name = "gap_closed"
    good = (12.5, 80.0, 31.0)
    return [
        Case(name, "some_way", good, weight=2.0, about="a student that gets better"),
        Case(name, "whole_way", (3.2, 5.7, 3.2), about="a student that reaches the teacher"),
        Case(name, "no_way", (3.2, 5.7, 5.7), about="a student that gains nothing"),
        Case(name, "gets_worse", (24.0, 46.0, 61.0), about="a student that gets worse"),
        Case(name, "beats_teacher", (24.0, 46.0, 19.0), about="a student that beats its teacher"),
        Case(name, "far_off", (52.0, 2_000_000.0, 55.0), about="a student that starts far off"),
        Case(name, "teacher_behind", (40.0, 30.0, 25.0), about="a teacher that is worse than its student"),
        Case(name, "whole_numbers", (2, 32, 8), about="whole numbers"),
        validation(name, "same", (17.0, 17.0, 16.0), good=good, about="no gap at all"),
    ]


def examples():
    """The visible examples: their inputs and the right values go to students with the check."""
    return [*token_nll_examples(), *perplexity_examples(), *gap_closed_examples()]


def cases(seed):
    """The hidden cases that the judge runs."""
    return [*token_nll_cases(), *perplexity_cases(), *gap_closed_cases()]
