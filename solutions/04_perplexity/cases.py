"""Lab 04's visible examples and hidden cases.

Models are specifications: GPT-2-shaped, with a thousand weights from a seed. Token 0 ends a text and fills up rows.
Rows and batches differ in length, so that every wrong weight shows. Hidden inputs come from the run's seed.
"""

import torch

from helpers.checks.fixtures import ModelSpec
from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

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


def filled(seed, pattern, among=VOCABULARY):
    """Tokens in place of the pattern's ones, random from 1 to `among` - 1; its other numbers stay."""
    pattern = torch.tensor(pattern)
    source = torch.Generator().manual_seed(seed)
    return torch.where(pattern == 1, torch.randint(1, among, pattern.shape, generator=source), pattern)


def split(data, *sizes):
    """The same rows in batches of these sizes."""
    parts = {name: values.split(list(sizes)) for name, values in data.items()}
    return [{name: parts[name][place] for name in parts} for place in range(len(sizes))]


def model(seed, **settings):
    return ModelSpec("gpt2", seed=seed, **settings)


def noisy(seed, dropout=0.4):
    """A model as training leaves it: in train mode, with dropout."""
    return model(seed, dropout=dropout, training=True)


# ------------------------------------------------------------------------------------------------------- token_nll


def token_nll_examples():
    name = "token_nll"
    return [
        Case(name, "two_rows", (model(11), batch(12, [4, 2])), about="two rows of different lengths"),
        Case(name, "no_padding", (model(11), batch(13, [4, 4], ends=False)), about="no padding"),
        # a dropout of 1 needs no random numbers, so that the mistake gives the same value on every machine
        Case(name, "arrives_noisy", (noisy(14, 1.0), batch(12, [4, 2])), about="a model in train mode, dropout 1"),
        Case(name, "nothing_predicted", (model(11), batch(15, [1, 1], 3)), about="nothing to predict"),
    ]


def token_nll_cases(draw):
    name = "token_nll"
    return [
        Case(
            name,
            "three_rows",
            (model(draw(110)), batch(draw(111), [6, 2, 4])),
            weight=2.0,
            about="rows of different lengths",
        ),
        Case(name, "no_padding", (model(draw(112)), batch(draw(113), [5, 5, 5], ends=False)), about="no padding"),
        Case(
            name,
            "arrives_noisy",
            (noisy(draw(114)), batch(draw(115), [7, 3])),
            weight=2.0,
            about="a model in train mode, with dropout",
        ),
        Case(name, "much_padding", (model(draw(116)), batch(draw(117), [2, 3, 9])), about="much padding"),
        Case(
            name,
            "ends_inside",
            (
                model(draw(118)),
                {
                    "input_ids": filled(draw(119), [[1, 0, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]]),
                    "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0]]),
                },
            ),
            about="an end of text inside a row",
        ),
        Case(name, "one_row", (model(draw(120)), batch(draw(121), [5])), about="one row"),
        Case(name, "one_place", (model(draw(122)), batch(draw(123), [1, 1])), about="rows of one token"),
        Case(name, "nothing_predicted", (model(draw(124)), batch(draw(125), [1, 1, 1], 4)), about="nothing to predict"),
        Case(
            name,
            "some_rows_short",
            (model(draw(126)), batch(draw(127), [1, 6, 1, 3])),
            about="some rows without a prediction",
        ),
        Case(
            name,
            "untied_model",
            (model(draw(128), tied=False, layers=2, scale=1.5), batch(draw(129), [4, 6])),
            about="another model",
        ),
    ]


# ------------------------------------------------------------------------------------------------------ perplexity


def perplexity_examples():
    name = "perplexity"
    rows = batch(22, [6, 2, 4])
    nothing = (model(21), [batch(23, [1, 1], 3)])
    return [
        Case(name, "one_batch", (model(21), [rows]), about="one batch"),
        Case(name, "two_batches", (model(21), split(rows, 2, 1)), about="the same rows in two batches"),
        Case(name, "arrives_noisy", (noisy(24, 1.0), [rows]), about="a model in train mode; its dropout is 1"),
        validation(name, "nothing", nothing, good=(model(21), [rows]), about="nothing to predict"),
    ]


def perplexity_cases(draw):
    name = "perplexity"
    rows = batch(draw(211), [9, 2, 3, 7, 2])
    other = [batch(draw(213), [8, 6]), batch(draw(214), [2]), batch(draw(215), [3, 3, 2])]
    good = (model(draw(210)), [rows])
    return [
        Case(name, "one_batch", good, about="one batch"),
        Case(
            name,
            "split_evenly",
            (model(draw(210)), split(rows, 1, 1, 1, 1, 1)),
            weight=2.0,
            about="the same rows one by one",
        ),
        Case(
            name,
            "split_unevenly",
            (model(draw(210)), split(rows, 1, 4)),
            weight=2.0,
            about="the same rows in two batches of different sizes",
        ),
        Case(name, "different_widths", (model(draw(216)), other), weight=2.0, about="batches of different widths"),
        Case(
            name,
            "an_empty_batch",
            (model(draw(217)), [other[1], batch(draw(218), [1, 1], 4), other[0]]),
            about="a batch without a prediction among others",
        ),
        Case(name, "arrives_noisy", (noisy(draw(219)), other), weight=2.0, about="a model in train mode, with dropout"),
        Case(
            name,
            "no_padding",
            (model(draw(220)), [batch(draw(221), [5, 5], ends=False), batch(draw(222), [3], ends=False)]),
            about="no padding",
        ),
        Case(name, "surprised_model", (model(draw(223), scale=2.0), other), about="a model that is often surprised"),
        validation(
            name,
            "nothing",
            (model(draw(210)), [batch(draw(224), [1, 1], 3), batch(draw(225), [1])]),
            good=good,
            about="batches without a prediction",
        ),
        validation(name, "no_batch", (model(draw(210)), []), good=good, about="no batch at all"),
    ]


# ------------------------------------------------------------------------------------------------------ gap_closed


def gap_closed_examples():
    name = "gap_closed"
    return [
        Case(name, "half_way", (1.0, 100.0, 10.0), about="half of the way, in logarithms"),
        Case(name, "a_student", (20.0, 45.0, 35.0), about="a student that gets better"),
        Case(name, "gets_worse", (20.0, 45.0, 50.0), about="a student that gets worse"),
        validation(name, "same", (20.0, 20.0, 18.0), good=(20.0, 45.0, 35.0), about="no gap at all"),
    ]


def gap_closed_cases(draw):
    name = "gap_closed"

    def between(label, low, high):
        return draw.integer(label, 10 * low, 10 * high) / 10

    near, far = between("near", 3, 9), between("far", 11, 30)
    teacher, before = between("teacher", 20, 30), between("before", 40, 60)
    good = (between("some way, teacher", 11, 15), between("some way, before", 70, 90), between("some way", 25, 40))
    return [
        Case(name, "some_way", good, weight=2.0, about="a student that gets better"),
        Case(name, "whole_way", (near, far, near), about="a student that reaches the teacher"),
        Case(name, "no_way", (near, far, far), about="a student that gains nothing"),
        Case(
            name, "gets_worse", (teacher, before, before + between("worse", 5, 20)), about="a student that gets worse"
        ),
        Case(
            name,
            "beats_teacher",
            (teacher, before, teacher - between("better", 2, 9)),
            about="a student that beats its teacher",
        ),
        Case(
            name,
            "far_off",
            (between("far off, teacher", 40, 50), 2_000_000.0, between("far off", 55, 60)),
            about="a student that starts far off",
        ),
        Case(
            name,
            "teacher_behind",
            (before, teacher, teacher - between("behind", 2, 9)),
            about="a teacher that is worse than its student",
        ),
        Case(
            name,
            "whole_numbers",
            (2, draw.integer("whole, before", 30, 40), draw.integer("whole", 5, 9)),
            about="whole numbers",
        ),
        validation(name, "same", (teacher, teacher, teacher - 1), good=good, about="no gap at all"),
    ]


# ----------------------------------------------------------------------------------------------- paired_difference


def rows_measured(draw, label, rows, gain, spread=1.0):
    """Total NLL of each row for two models, and its tokens; hard rows are hard for both, `gain` is in nats a token."""
    source = torch.Generator().manual_seed(draw(label))
    tokens = torch.randint(3, 40, (rows,), generator=source)
    hardness = 2 + 3 * torch.rand(rows, generator=source)
    gains = gain + spread * (torch.rand(rows, generator=source) - 0.5)
    control = torch.round(tokens * hardness * 100) / 100
    return control, torch.round((control - tokens * gains) * 100) / 100, tokens


def draws_of(draw, label, resamples, rows):
    return torch.randint(rows, (resamples, rows), generator=torch.Generator().manual_seed(draw(f"{label}, draws")))


def paired_arguments(draw, label, rows, resamples, gain, spread=1.0):
    return *rows_measured(draw, label, rows, gain, spread), draws_of(draw, label, resamples, rows)


def paired_difference_examples():
    name, draw = "paired_difference", Draw(0)
    by_hand = (
        torch.tensor([10.0, 40.0, 6.0]), torch.tensor([8.0, 38.0, 7.0]), torch.tensor([4, 20, 2]),
        torch.tensor([[0, 1, 2], [0, 0, 0], [2, 2, 1], [1, 1, 1], [0, 2, 2]]),
    )  # fmt: skip
    some = paired_arguments(draw, "example", 6, 40, 0.3)
    control, distilled, tokens, draws = some
    return [
        Case(name, "by_hand", by_hand, about="three rows and five draws, to follow by hand"),
        Case(name, "some_gain", some, about="six rows and 40 draws"),
        Case(name, "some_harm", paired_arguments(draw, "harm", 5, 40, -0.2), about="a student that got worse"),
        validation(name, "row_short", (control, distilled[1:], tokens, draws), good=some, about="a row too few"),
        validation(name, "tokens_column", (control, distilled, tokens[:, None], draws), good=some,
                   about="tokens as a column, which broadcasts"),
    ]  # fmt: skip


def paired_difference_cases(draw):
    name = "paired_difference"
    good = paired_arguments(draw, "good", 8, 60, 0.25)
    control, distilled, tokens, draws = good
    longer = paired_arguments(draw, "many", 30, 200, 0.05, 0.4)
    level = rows_measured(draw, "level", 7, 0.2)
    even = torch.full((7,), draw.integer("tokens", 10, 20))
    return [
        Case(name, "some_gain", good, weight=2.0, about="a student that got better"),
        Case(name, "some_harm", paired_arguments(draw, "harm", 6, 50, -0.3), about="a student that got worse"),
        Case(name, "many_rows", longer, weight=2.0, about="many rows and draws"),
        Case(name, "no_gain", paired_arguments(draw, "none", 9, 60, 0.0), about="hardly any difference"),
        Case(name, "even_rows", (level[0], level[1], even, draws_of(draw, "even", 40, 7)),
             about="rows with the same number of tokens"),
        Case(name, "lone_row", paired_arguments(draw, "lone", 1, 20, 0.4), about="one row"),
        Case(name, "double_precision", (control.double(), distilled.double(), tokens, draws),
             about="losses in float64"),
        Case(name, "few_draws", paired_arguments(draw, "few", 5, 3, 0.2), about="only a few draws"),
        validation(name, "row_short", (control, distilled[1:], tokens, draws), good=good, about="a row too few"),
        validation(name, "control_short", (control[1:], distilled, tokens, draws), good=good,
                   about="a row of the control too few"),
        validation(name, "tokens_column", (control, distilled, tokens[:, None], draws), good=good,
                   about="tokens as a column"),
    ]  # fmt: skip


def examples():
    """The visible examples: their inputs and the right values go to students with the check."""
    return [*token_nll_examples(), *perplexity_examples(), *gap_closed_examples(), *paired_difference_examples()]


def cases(seed):
    """The hidden cases that the judge runs, drawn from a run's seed."""
    draw = Draw(seed)
    return [
        *token_nll_cases(draw),
        *perplexity_cases(draw),
        *gap_closed_cases(draw),
        *paired_difference_cases(draw.within("paired_difference")),
    ]
