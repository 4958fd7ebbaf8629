"""Lab 01's visible examples and hidden cases.

Both are made by the builders below, hidden inputs from the run's seed. Examples have few numbers, with at most three
decimals. The largest entry never stands first or last, B, S and V differ, and rows differ, so that a wrong axis or a
wrong entry shows.
"""

import torch

from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

FORBIDDEN = ("helpers.losses",)  # it widens logits and tests temperatures

EQUAL = "all entries are equal"
ONE_HOT = "entries are 0 or 1"
BFLOAT16 = {"absolute": 5e-3, "relative": 5e-3}  # a right result may be rounded to bfloat16 at the end
EXACT = {"absolute": 1.5e-6, "relative": 0.0}  # a small number added to each of 40 entries costs more than rounding


# -------------------------------------------------------------------------------------------------------- builders


def logits(seed, *shape, scale=2.0):
    """Random logits with one decimal."""
    source = torch.Generator().manual_seed(seed)
    return torch.round(10 * scale * torch.randn(shape, generator=source)) / 10


def shape(draw, label):
    """Rows, positions and a vocabulary of 4 to 7, all different."""
    return *draw.sample(f"{label}/rows and positions", (2, 3), 2), draw.integer(f"{label}/vocabulary", 4, 7)


def far_logits(*shape):
    """Logits around +1000 in one row and around -1000 in the next, in steps of 0.25 so that halves are exact."""
    steps = torch.arange(torch.Size(shape).numel()).reshape(shape) * 7 % 11 * 0.25
    signs = torch.tensor([1.0, -1.0]).repeat(shape[-2])[: shape[-2], None]
    return 997.5 * signs + steps


def coarse_logits(seed, *shape):
    """bfloat16 logits from 200 to 203, where its steps are of 1: exact as they are, but not once divided by 3."""
    source = torch.Generator().manual_seed(seed)
    return (200 + torch.randint(4, shape, generator=source)).to(torch.bfloat16)


def distributions(seed, *shape):
    """Random distributions over the last dimension, the largest entry neither first nor last."""
    values = logits(seed, *shape, scale=1.0)
    values[..., 1 + seed % (shape[-1] - 2)] = values.amax(dim=-1) + 1
    return values.softmax(dim=-1)


def with_zeros(probs):
    """The same distributions without their first entry and, in every second row, without their last."""
    probs = probs.clone()
    probs[..., 0] = 0
    probs[..., ::2, -1] = 0
    return probs / probs.sum(dim=-1, keepdim=True)


def one_hot(rows, vocabulary):
    """Rows of one-hot distributions."""
    return torch.eye(vocabulary)[torch.arange(1, rows + 1) % vocabulary]


def strided(values):
    """The same values in a slice that is not contiguous: every second element along the last dimension."""
    return torch.stack([values, values + 1], dim=-1).flatten(-2)[..., ::2]


# ------------------------------------------------------------------------------------------ softmax_with_temperature


def softmax_examples():
    name = "softmax_with_temperature"
    row, rows = torch.tensor([0.5, 3.0, 1.0]), torch.tensor([[[1.0, 2.0, 0.0, -1.0], [0.5, 0.0, 2.5, 1.5]]])
    return [
        Case(name, "one_row", (row, 2.0), about="one row at T = 2"),
        Case(name, "rows_and_positions", (rows, 0.5), about="one row with two positions, at T = 0.5"),
        Case(name, "far_logits", (far_logits(2, 3), 1.0), about="logits near +1000 and -1000"),
        Case(name, "in_bfloat16", (coarse_logits(3, 1, 4), 3.0), about="bfloat16 logits", **BFLOAT16),
        validation(name, "zero", (row, 0.0), good=(row, 2.0), about="a temperature of 0"),
        validation(name, "negative", (row, -0.5), good=(row, 0.5), about="a temperature below 0"),
    ]


def softmax_cases(draw):
    name = "softmax_with_temperature"
    row, batch = logits(draw(111), 7), logits(draw(112), *shape(draw, 112))
    return [
        Case(name, "one_row", (row, 3.0), about="one row"),
        Case(
            name,
            "several_rows",
            (logits(draw(113), 4, 6), draw.choice("low", (0.4, 0.5, 0.6))),
            about="several rows, a temperature below 1",
        ),
        Case(name, "rows_and_positions", (batch, 1.5), weight=2.0, about="rows and positions"),
        Case(name, "more_positions", (logits(draw(120), 3, 2, 5), 2.5), about="more rows and positions"),
        Case(name, "plain", (logits(draw(114), *shape(draw, 114)), 1.0), about="T = 1"),
        Case(
            name,
            "high_temperature",
            (logits(draw(115), 2, 4, 5, scale=9.0), draw.choice("high", (6.0, 7.0, 8.0))),
            about="a high temperature",
        ),
        Case(
            name,
            "far_logits",
            (far_logits(2, 3, 5), 2.0),
            weight=2.0,
            about="logits near +1000 and -1000",
            fixed="halves of these logits are exact",
        ),
        Case(name, "in_float64", (logits(draw(116), *shape(draw, 116)).double(), 2.5), about="float64 logits"),
        Case(
            name,
            "in_bfloat16",
            (coarse_logits(draw(117), 2, 3, 6), 3.0),
            weight=2.0,
            about="bfloat16 logits",
            **BFLOAT16,
        ),
        Case(
            name,
            "strided_slice",
            (strided(logits(draw(118), *shape(draw, 118))), 3.0),
            about="a slice that is not contiguous",
        ),
        Case(
            name,
            "one_position",
            (logits(draw(119), 1, 1, 6), 2),
            about="one row with one position, T as a whole number",
        ),
        validation(name, "zero", (batch, 0.0), good=(batch, 1.5), about="a temperature of 0"),
        validation(name, "negative", (row, -2.0), good=(row, 3.0), about="a temperature below 0"),
    ]


# ----------------------------------------------------------------------------------------------------------- entropy


def entropy_examples():
    name = "entropy"
    rows = torch.tensor([[0.2, 0.7, 0.1], [0.3, 0.6, 0.1]])
    return [
        Case(name, "one_row", (torch.tensor([0.25, 0.5, 0.125, 0.125]),), about="one distribution"),
        Case(name, "two_rows", (rows,), about="two distributions"),
        Case(name, "some_zeros", (torch.tensor([[0.0, 0.4, 0.6], [0.0, 1.0, 0.0]]),), about="zeros"),
        Case(name, "equal_entries", (torch.full((40,), 0.025),), about="forty equal entries", **EXACT),
    ]


def entropy_cases(draw):
    name = "entropy"
    return [
        Case(name, "one_row", (distributions(draw(211), 6),), about="one distribution"),
        Case(name, "several_rows", (distributions(draw(212), 4, 5),), about="several distributions"),
        Case(name, "more_positions", (distributions(draw(219), 3, 2, 5),), about="more rows and positions"),
        Case(
            name,
            "rows_and_positions",
            (distributions(draw(213), *shape(draw, 213)),),
            weight=2.0,
            about="rows and positions",
        ),
        Case(name, "some_zeros", (with_zeros(distributions(draw(214), 2, 4, 5)),), weight=2.0, about="zeros"),
        Case(name, "one_hot_rows", (one_hot(4, 6),), about="one-hot distributions", fixed=ONE_HOT),
        Case(name, "equal_entries", (torch.full((2, 3, 40), 1 / 40),), about="all entries equal", fixed=EQUAL, **EXACT),
        Case(
            name, "in_float64", (distributions(draw(215), *shape(draw, 215)).double(),), about="float64 probabilities"
        ),
        Case(
            name,
            "strided_slice",
            (strided(distributions(draw(216), *shape(draw, 216))),),
            about="a slice that is not contiguous",
        ),
        Case(name, "one_position", (distributions(draw(217), 1, 1, 7),), about="one row with one position"),
    ]


# ------------------------------------------------------------------------------------------------------ non_top_mass


def mass_examples():
    name = "non_top_mass"
    rows = torch.tensor([[0.2, 0.7, 0.1], [0.1, 0.35, 0.55]])
    return [
        Case(name, "one_row", (torch.tensor([0.1, 0.55, 0.05, 0.3]),), about="one distribution"),
        Case(name, "two_rows", (rows,), about="two distributions"),
        Case(name, "ties", (torch.tensor([0.15, 0.4, 0.4, 0.05]),), about="two entries share the largest value"),
    ]


def mass_cases(draw):
    name = "non_top_mass"
    tied = torch.tensor([[0.1, 0.35, 0.2, 0.35], [0.3, 0.3, 0.3, 0.1], [0.05, 0.15, 0.4, 0.4]])
    return [
        Case(name, "one_row", (distributions(draw(311), 6),), about="one distribution"),
        Case(name, "several_rows", (distributions(draw(312), 4, 5),), about="several distributions"),
        Case(name, "more_positions", (distributions(draw(319), 3, 2, 5),), about="more rows and positions"),
        Case(
            name,
            "rows_and_positions",
            (distributions(draw(313), *shape(draw, 313)),),
            weight=2.0,
            about="rows and positions",
        ),
        Case(
            name,
            "shared_first_place",
            (tied,),
            weight=2.0,
            about="entries that share the largest value",
            fixed="ties have to be exact",
        ),
        Case(name, "one_hot_rows", (one_hot(4, 6),), about="one-hot distributions", fixed=ONE_HOT),
        Case(name, "equal_entries", (torch.full((2, 3, 5), 0.2),), about="all entries equal", fixed=EQUAL),
        Case(
            name, "in_float64", (distributions(draw(314), *shape(draw, 314)).double(),), about="float64 probabilities"
        ),
        Case(
            name,
            "strided_slice",
            (strided(distributions(draw(315), *shape(draw, 315))),),
            about="a slice that is not contiguous",
        ),
        Case(name, "one_position", (distributions(draw(316), 1, 1, 7),), about="one row with one position"),
    ]


def examples():
    """The visible examples: their inputs and expected values go to students."""
    return [*softmax_examples(), *entropy_examples(), *mass_examples()]


def cases(seed):
    """The hidden cases, drawn from a run's seed."""
    draw = Draw(seed)
    return [*softmax_cases(draw), *entropy_cases(draw), *mass_cases(draw)]
