"""Lab 02's visible examples and hidden cases.

Both are made by the builders below, examples with small shapes and hidden inputs from the run's seed. Inputs have one
decimal, so that a person can read them. Rows differ in how many tokens count, and B, S and V differ, so that a mean
over the wrong thing shows.
"""

import torch

from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

FORBIDDEN = ("helpers.losses",)  # it holds this lab's answers

IGNORE = -100
BFLOAT16 = {"absolute": 5e-3, "relative": 5e-3}  # a right result may be rounded to bfloat16 at the end
BFLOAT16_GRADIENT = {"absolute": 1e-3, "relative": 5e-3}  # a gradient is smaller than a probability
ROUNDED = {"absolute": 1e-3, "relative": 1e-3}  # for `rounded_logits`, whose right result is a bfloat16 number


# -------------------------------------------------------------------------------------------------------- builders


def logits(seed, *shape, scale=2.0):
    """Random logits with one decimal."""
    source = torch.Generator().manual_seed(seed)
    return torch.round(10 * scale * torch.randn(shape, generator=source)) / 10


def far_logits(seed, *shape):
    """Logits up to ±1000: two words high up and close together, one far below, the rest in between."""
    values = logits(seed, *shape)
    values[..., :2] += 995
    values[..., 2] -= 990
    return values.roll(seed, dims=-1)


def coarse_logits(seed, *shape):
    """bfloat16 logits just above 200, where its steps are whole numbers: exact as they are, but not once divided."""
    source = torch.Generator().manual_seed(seed)
    return (200.0 + torch.randint(5, shape, generator=source)).to(torch.bfloat16)


def rounded_logits(rows, positions):
    """bfloat16 logits with which word 1 costs 8.03 nats, which bfloat16 rounds to 8.0, and word 0 costs 0.03.

    With three labels of four being word 1, the right mean of 6.03 is within 0.001 of a bfloat16 number.
    """
    return torch.tensor([0.0, -8.0, -3.5]).expand(rows, positions, 3).to(torch.bfloat16)


def probabilities(seed, *shape, dtype=torch.float32):
    return logits(seed, *shape).to(dtype).softmax(dim=-1)


def log_probabilities(seed, *shape, dtype=torch.float32):
    return logits(seed, *shape).to(dtype).log_softmax(dim=-1)


def labels(seed, rows, positions, vocabulary, lengths=None):
    """Random labels; of each row only the first `lengths` count."""
    source = torch.Generator().manual_seed(seed)
    values = torch.randint(vocabulary, (rows, positions), generator=source)
    return values if lengths is None else values.where(mask(positions, lengths), torch.tensor(IGNORE))


def mask(positions, lengths):
    """True at the first `lengths` positions of each row."""
    return torch.arange(positions) < torch.tensor(lengths)[:, None]


def strided(values):
    """The same values in a slice that is not contiguous: every second element along the vocabulary."""
    wide = torch.stack([values, values + 1], dim=-1).flatten(-2)
    return wide[..., ::2]


# ---------------------------------------------------------------------------------------- softmax and log-softmax


def softmax_examples(exercise, seed):
    small = logits(seed, 2, 2, 3)
    return [
        Case(exercise, "two_rows", (small, 2.0), about="two rows at T = 2"),
        Case(exercise, "large_logits", (far_logits(seed, 1, 2, 3), 2.0), about="logits up to ±1000"),
        Case(exercise, "bfloat16_logits", (coarse_logits(seed, 1, 2, 4), 3.0), about="bfloat16 logits", **BFLOAT16),
        validation(exercise, "zero", (small, 0.0), good=(small, 1.0), about="a temperature of 0"),
        validation(exercise, "negative", (small, -0.5), good=(small, 0.5), about="a temperature below 0"),
    ]


def softmax_cases(exercise, draw):
    """What the two exercises on softmax have in common."""
    batch, wide = logits(draw(0), 2, 3, 5), logits(draw(2), 2, 4, 6, scale=4.0)
    return [
        Case(exercise, "low_temperature", (batch, 0.5), about="a temperature below 1"),
        Case(exercise, "plain", (logits(draw(1), 3, 2, 4), 1.0), about="T = 1"),
        Case(exercise, "high_temperature", (wide, 5.0), weight=2.0, about="a high temperature"),
        Case(exercise, "large_logits", (far_logits(draw(3), 2, 3, 5), 2.0), about="logits up to ±1000"),
        Case(exercise, "float64_logits", (logits(draw(4), 3, 2, 5).double(), 3.0), about="float64 logits"),
        Case(exercise, "bfloat16_logits", (coarse_logits(draw(5), 3, 2, 6), 3.0), about="bfloat16 logits", **BFLOAT16),
        Case(exercise, "strided_slice", (strided(logits(draw(6), 2, 3, 4)), 3.0), about="a slice, not contiguous"),
        Case(exercise, "single_token", (logits(draw(7), 1, 1, 7), 2.0), about="one row with one position"),
        validation(exercise, "zero", (batch, 0.0), good=(batch, 0.5), about="a temperature of 0"),
        validation(exercise, "negative", (batch, -2.0), good=(batch, 2.0), about="a temperature below 0"),
    ]


def soft_targets_examples():
    name = "soft_targets"
    cut = Case(
        name, "teacher_graph", (logits(11, 1, 2, 3), 2.0), observe="gradient", options={"cut": [0]},
        about="teacher logits that carry a graph",
    )  # fmt: skip
    common = softmax_examples(name, 10)
    return [common[0], cut, *common[1:]]


def soft_targets_cases(draw):
    name = "soft_targets"
    cut = Case(
        name, "teacher_graph", (logits(draw(121), 2, 3, 4), 3.0), observe="gradient", options={"cut": [0]}, weight=2.0,
        about="teacher logits that carry a graph",
    )  # fmt: skip
    return [*softmax_cases(name, draw.within(name)), cut]


def soft_log_predictions_examples():
    name = "soft_log_predictions"
    kept = Case(
        name, "student_gradient", (logits(21, 1, 2, 3), 2.0), observe="gradient", options={"of": [0]},
        about="the student's gradient",
    )  # fmt: skip
    common = softmax_examples(name, 20)
    return [common[0], kept, *common[1:]]


def soft_log_predictions_cases(draw):
    name = "soft_log_predictions"
    kept = Case(
        name,
        "student_gradient",
        (logits(draw(221), 2, 3, 4), 3.0),
        observe="gradient",
        options={"of": [0]},
        weight=2.0,
        about="the student's gradient",
    )
    return [*softmax_cases(name, draw.within(name)), kept]


# ------------------------------------------------------------------------------------------------- kl_divergence


def thousandths(values):
    """Rounded to three decimals, for examples that a person reads."""
    return torch.round(1000 * values) / 1000


def kl_divergence_examples():
    name = "kl_divergence"
    targets = torch.tensor([[[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]], [[0.1, 0.1, 0.8], [0.5, 0.3, 0.2]]])
    predictions = thousandths(log_probabilities(31, 2, 2, 3))
    partly, nothing = mask(2, [2, 1]), mask(2, [0, 0])
    certain = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.4, 0.6]]])
    return [
        Case(name, "partly_masked", (targets, predictions, partly), about="one token of four does not count"),
        Case(
            name, "zero_targets", (certain, thousandths(log_probabilities(32, 1, 2, 3)), mask(2, [2])),
            about="soft targets that are exactly 0",
        ),
        Case(
            name, "nothing_counted", (targets, predictions, nothing), observe="gradient", options={"of": [1]},
            about="nothing counts",
        ),
        validation(
            name, "mask", (targets, predictions, partly[:, :1]), good=(targets, predictions, partly),
            about="a mask with too few columns",
        ),
        validation(
            name, "vocabulary", (targets, predictions[..., :1], partly), good=(targets, predictions, partly),
            about="different vocabularies",
        ),
    ]  # fmt: skip


def kl_divergence_cases(draw):
    name = "kl_divergence"
    targets, predictions, partly = (
        probabilities(draw(310), 3, 4, 5),
        log_probabilities(draw(311), 3, 4, 5),
        mask(4, draw.shuffled("lengths", 4, 1, 2)),
    )
    sparse = far_logits(draw(314), 2, 3, 5).softmax(dim=-1)
    far = far_logits(draw(315), 2, 3, 5).log_softmax(dim=-1)
    good = (targets, predictions, partly)
    return [
        Case(
            name,
            "all_counted",
            (probabilities(draw(312), 2, 3, 5), log_probabilities(draw(313), 2, 3, 5), mask(3, [3, 3])),
            about="every token counts",
        ),
        Case(name, "partly_masked", good, weight=2.0, about="rows of different lengths"),
        Case(
            name,
            "mask_in_the_middle",
            (
                probabilities(draw(340), 2, 4, 3),
                log_probabilities(draw(341), 2, 4, 3),
                torch.tensor([[False, True, False, True], [True, False, True, True]]),
            ),
            about="tokens that do not count in the middle of a row",
        ),
        Case(
            name,
            "zero_targets",
            (sparse, log_probabilities(draw(318), 2, 3, 5), mask(3, [3, 1])),
            about="soft targets that are exactly 0",
        ),
        Case(
            name,
            "far_predictions",
            (probabilities(draw(319), 2, 3, 5), far, mask(3, [2, 3])),
            about="log-predictions of large negative numbers",
        ),
        Case(name, "equal_to_teacher", (targets, targets.log(), partly), about="a student that equals the teacher"),
        Case(
            name,
            "nothing_counted",
            (targets, predictions, mask(4, [0, 0, 0])),
            observe="gradient",
            options={"of": [1]},
            about="nothing counts",
        ),
        Case(name, "student_gradient", good, observe="gradient", options={"of": [1]}, about="the student's gradient"),
        Case(
            name,
            "gradient_at_zero_targets",
            (sparse, log_probabilities(draw(320), 2, 3, 5), mask(3, [1, 3])),
            observe="gradient",
            options={"of": [1]},
            about="the gradient where soft targets are exactly 0",
        ),
        Case(
            name,
            "float64_logits",
            (
                probabilities(draw(321), 2, 3, 4, dtype=torch.float64),
                log_probabilities(draw(322), 2, 3, 4, dtype=torch.float64),
                mask(3, [1, 2]),
            ),
            about="float64",
        ),
        Case(
            name,
            "strided_slice",
            (
                strided(probabilities(draw(323), 2, 3, 4)),
                strided(log_probabilities(draw(324), 2, 3, 4)),
                mask(3, [3, 2]),
            ),
            about="slices, not contiguous",
        ),
        Case(
            name,
            "single_token",
            (probabilities(draw(325), 1, 1, 6), log_probabilities(draw(326), 1, 1, 6), mask(1, [1])),
            about="one row with one position",
        ),
        validation(name, "rows", (targets, predictions[:1], partly), good=good, about="different numbers of rows"),
        validation(
            name, "vocabulary", (targets, predictions[..., :4], partly), good=good, about="different vocabularies"
        ),
        validation(
            name, "mask_columns", (targets, predictions, partly[:, :1]), good=good, about="a mask with too few columns"
        ),
        validation(name, "mask_rows", (targets, predictions, partly[0]), good=good, about="a mask without rows"),
    ]


# --------------------------------------------------------------------------------------------------- kl_gradient


def kl_gradient_examples():
    name = "kl_gradient"
    student, teacher, partly = logits(35, 2, 2, 3), logits(36, 2, 2, 3), mask(2, [2, 1])
    good = (student, teacher, partly, 2.0)
    return [
        Case(name, "partly_masked", good, about="T = 2, one token of four does not count"),
        Case(name, "sharp", (student[:1], teacher[:1], mask(2, [2]), 0.5), about="T = 0.5, every token counts"),
        Case(name, "nothing_counted", (student, teacher, mask(2, [0, 0]), 2.0), about="nothing counts"),
        Case(
            name, "large_logits", (far_logits(37, 1, 2, 3), far_logits(38, 1, 2, 3), mask(2, [2]), 2.0),
            about="logits up to ±1000",
        ),
        Case(
            name, "bfloat16_logits", (coarse_logits(39, 1, 2, 4), coarse_logits(40, 1, 2, 4), mask(2, [2]), 1.5),
            about="bfloat16 logits", **BFLOAT16_GRADIENT,
        ),
        validation(name, "zero", (student, teacher, partly, 0.0), good=good, about="a temperature of 0"),
        validation(name, "negative", (student, teacher, partly, -2.0), good=good, about="a temperature below 0"),
        validation(
            name, "vocabulary", (student, teacher[..., :1], partly, 2.0), good=good, about="different vocabularies"
        ),
        validation(
            name, "mask", (student, teacher, partly[:, :1], 2.0), good=good, about="a mask with too few columns"
        ),
    ]  # fmt: skip


def kl_gradient_cases(draw):
    name = "kl_gradient"
    draw = draw.within(name)
    student, teacher, partly = (
        logits(draw(330), 3, 4, 5),
        logits(draw(331), 3, 4, 5),
        mask(4, draw.shuffled("lengths", 4, 1, 2)),
    )
    good = (student, teacher, partly, 2.0)
    return [
        Case(
            name,
            "all_counted",
            (logits(draw(332), 2, 3, 5), logits(draw(333), 2, 3, 5), mask(3, [3, 3]), 1.0),
            about="T = 1, every token counts",
        ),
        Case(name, "partly_masked", good, weight=2.0, about="rows of different lengths"),
        Case(
            name,
            "mask_in_the_middle",
            (
                logits(draw(334), 2, 4, 3),
                logits(draw(335), 2, 4, 3),
                torch.tensor([[False, True, False, True], [True, False, True, True]]),
                1.5,
            ),
            about="tokens that do not count in the middle of a row",
        ),
        Case(name, "low_temperature", (student, teacher, partly, 0.5), about="a temperature below 1"),
        Case(name, "high_temperature", (student, teacher, partly, 6.0), weight=2.0, about="a high temperature"),
        Case(name, "equal_to_teacher", (teacher, teacher, partly, 3.0), about="a student that equals the teacher"),
        Case(name, "nothing_counted", (student, teacher, mask(4, [0, 0, 0]), 2.0), about="nothing counts"),
        Case(
            name,
            "large_logits",
            (far_logits(draw(336), 2, 3, 5), far_logits(draw(337), 2, 3, 5), mask(3, [3, 1]), 2.0),
            about="logits up to ±1000",
        ),
        Case(
            name,
            "float64_logits",
            (logits(draw(338), 2, 3, 4).double(), logits(draw(339), 2, 3, 4).double(), mask(3, [1, 2]), 3.0),
            about="float64 logits",
        ),
        Case(
            name,
            "bfloat16_logits",
            (coarse_logits(draw(342), 2, 3, 6), coarse_logits(draw(343), 2, 3, 6), mask(3, [2, 1]), 1.5),
            about="bfloat16 logits",
            **BFLOAT16_GRADIENT,
        ),
        Case(
            name,
            "strided_slice",
            (strided(logits(draw(344), 2, 3, 4)), strided(logits(draw(345), 2, 3, 4)), mask(3, [3, 2]), 2.0),
            about="slices, not contiguous",
        ),
        Case(
            name,
            "single_token",
            (logits(draw(346), 1, 1, 6), logits(draw(347), 1, 1, 6), mask(1, [1]), 2),
            about="one row with one position, T as a whole number",
        ),
        validation(name, "zero", (student, teacher, partly, 0.0), good=good, about="a temperature of 0"),
        validation(name, "negative", (student, teacher, partly, -2.0), good=good, about="a temperature below 0"),
        validation(
            name, "vocabulary", (student, teacher[..., :4], partly, 2.0), good=good, about="different vocabularies"
        ),
        validation(name, "rows", (student, teacher[:1], partly, 2.0), good=good, about="different numbers of rows"),
        validation(
            name, "mask_columns", (student, teacher, partly[:, :1], 2.0), good=good, about="a mask with too few columns"
        ),
        validation(name, "mask_rows", (student, teacher, partly[0], 2.0), good=good, about="a mask without rows"),
    ]


# ----------------------------------------------------------------------------------------------------- hard_loss


def hard_loss_examples():
    name = "hard_loss"
    student, targets = logits(41, 2, 3, 4), torch.tensor([[0, 2, 3], [1, IGNORE, IGNORE]])
    shifted = torch.tensor([[3, 0, 2, 1], [2, 1, 0, IGNORE]])[:, 1:]
    return [
        Case(name, "partly_masked", (student, targets), about="two tokens of six do not count"),
        Case(
            name, "nothing_counted", (student, torch.full((2, 3), IGNORE)), observe="gradient", options={"of": [0]},
            about="nothing counts",
        ),
        Case(name, "large_logits", (far_logits(42, 1, 2, 3), torch.tensor([[1, 2]])), about="logits up to ±1000"),
        Case(
            name, "bfloat16_logits", (rounded_logits(1, 4), torch.tensor([[1, 1, 0, 1]])),
            about="bfloat16 logits", **ROUNDED,
        ),
        Case(name, "strided_slice", (strided(logits(43, 2, 3, 4)), shifted), about="slices, not contiguous"),
        validation(
            name, "columns", (student, targets[:, :1]), good=(student, targets), about="too few labels in a row",
        ),
        validation(
            name, "transposed", (student, targets.T), good=(student, targets),
            about="labels with rows and positions swapped",
        ),
    ]  # fmt: skip


def hard_loss_cases(draw):
    name = "hard_loss"
    student, targets = logits(draw(410), 3, 4, 5), labels(draw(411), 3, 4, 5, lengths=draw.shuffled("lengths", 4, 1, 2))
    good = (student, targets)
    front = labels(draw(413), 2, 5, 4)
    front[0, :3], front[1, :1] = IGNORE, IGNORE
    return [
        Case(name, "all_counted", (logits(draw(412), 2, 3, 5), labels(draw(413), 2, 3, 5)), about="every token counts"),
        Case(name, "partly_masked", good, weight=2.0, about="rows of different lengths"),
        Case(name, "front_masked", (logits(draw(414), 2, 5, 4), front), about="tokens that do not count at the front"),
        Case(
            name,
            "word_zero",
            (logits(draw(415), 2, 3, 4), torch.tensor([[0, 0, IGNORE], [0, 3, 0]])),
            about="labels that are token 0",
        ),
        Case(
            name,
            "large_logits",
            (far_logits(draw(416), 2, 3, 5), labels(draw(417), 2, 3, 5, lengths=draw.shuffled("3 and 2", 3, 2))),
            about="logits up to ±1000",
        ),
        Case(
            name,
            "nothing_counted",
            (student, torch.full((3, 4), IGNORE)),
            observe="gradient",
            options={"of": [0]},
            about="nothing counts",
        ),
        Case(name, "student_gradient", good, observe="gradient", options={"of": [0]}, about="the student's gradient"),
        Case(
            name,
            "float64_logits",
            (logits(draw(418), 2, 3, 5).double(), labels(draw(419), 2, 3, 5, lengths=draw.shuffled("1 and 3", 1, 3))),
            about="float64 logits",
        ),
        Case(
            name,
            "bfloat16_logits",
            (rounded_logits(2, 4), torch.tensor([[1, 1, 0, 1], [1, 0, 1, 1]])),
            about="bfloat16 logits",
            fixed="the right mean is a bfloat16 number",
            **ROUNDED,
        ),
        Case(
            name,
            "strided_slice",
            (
                strided(logits(draw(420), 2, 3, 4)),
                labels(draw(421), 2, 4, 4, lengths=draw.shuffled("4 and 1", 4, 1))[:, 1:],
            ),
            about="slices, not contiguous",
        ),
        Case(
            name,
            "single_token",
            (logits(draw(422), 1, 1, 6), labels(draw(423), 1, 1, 6)),
            about="one row with one position",
        ),
        validation(name, "columns", (student, targets[:, 1:]), good=good, about="too few labels in a row"),
        validation(name, "rows", (student, targets[:1]), good=good, about="too few rows of labels"),
        validation(name, "transposed", (student, targets.T), good=good, about="labels with rows and positions swapped"),
    ]


# --------------------------------------------------------------------------------------------- distillation_loss


def distillation_loss_examples():
    name = "distillation_loss"
    student, teacher, targets = logits(51, 2, 2, 3), logits(52, 2, 2, 3), torch.tensor([[0, 2], [1, IGNORE]])
    return [
        Case(
            name, "both_terms", (student, teacher, targets, 2.0, 0.3),
            about="T = 2, α = 0.3, one token does not count",
        ),
        Case(name, "soft_only", (student, teacher, targets, 5.0, 1.0), about="α = 1: soft targets only"),
        Case(name, "hard_only", (student, teacher, targets, 5.0, 0.0), about="α = 0: hard labels only"),
        Case(name, "default_arguments", (student, teacher, targets), about="called with three arguments"),
        Case(
            name, "large_logits", (far_logits(53, 1, 2, 3), far_logits(54, 1, 2, 3), targets[:1], 2.0, 0.3),
            about="logits up to ±1000",
        ),
        Case(
            name, "student_gradient", (student, teacher, targets, 2.0, 0.3), observe="gradient",
            options={"of": [0], "cut": [1]}, about="a gradient for the student, none for the teacher",
        ),
        Case(
            name, "nothing_counted", (student, teacher, torch.full((2, 2), IGNORE), 2.0, 0.3), observe="gradient",
            options={"of": [0], "cut": [1]}, about="nothing counts",
        ),
        validation(
            name, "alpha", (student, teacher, targets, 2.0, 1.5), good=(student, teacher, targets, 2.0, 0.5),
            about="α above 1",
        ),
        validation(
            name, "negative_alpha", (student, teacher, targets, 2.0, -0.5), good=(student, teacher, targets, 2.0, 0.5),
            about="α below 0",
        ),
        validation(
            name, "vocabulary", (student, teacher[..., :1], targets, 2.0, 0.5),
            good=(student, teacher, targets, 2.0, 0.5), about="different vocabularies",
        ),
    ]  # fmt: skip


def distillation_loss_cases(draw):
    name = "distillation_loss"
    student, teacher, targets = (
        logits(draw(510), 3, 4, 5),
        logits(draw(511), 3, 4, 5),
        labels(draw(512), 3, 4, 5, lengths=draw.shuffled("lengths", 4, 1, 2)),
    )
    batch = (student, teacher, targets)
    both_ways = {"observe": "gradient", "options": {"of": [0], "cut": [1]}}
    good = (*batch, 2.0, 0.5)
    return [
        Case(name, "default_arguments", batch, about="called with three arguments"),
        Case(name, "plain", (*batch, 1.0, 0.3), about="T = 1"),
        Case(name, "both_terms", (*batch, 5.0, 0.3), weight=2.0, about="a high temperature, rows of different lengths"),
        Case(name, "soft_only", (*batch, 2.0, 1.0), about="α = 1: soft targets only"),
        Case(name, "hard_only", (*batch, 5.0, 0.0), about="α = 0: hard labels only"),
        Case(
            name,
            "all_counted",
            (logits(draw(553), 2, 6, 5), logits(draw(554), 2, 6, 5), labels(draw(555), 2, 6, 5), 2.0, 0.3),
            about="every token counts",
        ),
        Case(
            name,
            "large_logits",
            (far_logits(draw(516), 2, 3, 5), far_logits(draw(517), 2, 3, 5), labels(draw(518), 2, 3, 5), 2.0, 0.3),
            about="logits up to ±1000",
        ),
        Case(
            name,
            "float64_logits",
            (
                logits(draw(519), 2, 3, 5).double(),
                logits(draw(520), 2, 3, 5).double(),
                labels(draw(521), 2, 3, 5, lengths=draw.shuffled("3 and 1", 3, 1)),
                3.0,
                0.7,
            ),
            about="float64 logits",
        ),
        Case(
            name,
            "bfloat16_logits",
            (
                coarse_logits(draw(576), 2, 3, 6),
                coarse_logits(draw(577), 2, 3, 6),
                labels(draw(578), 2, 3, 6, lengths=draw.shuffled("3 and 2", 3, 2)),
                3.0,
                0.9,
            ),
            about="bfloat16 logits",
            **BFLOAT16,
        ),
        Case(
            name,
            "strided_slice",
            (
                strided(logits(draw(525), 2, 3, 4)),
                strided(logits(draw(526), 2, 3, 4)),
                labels(draw(527), 2, 4, 4, lengths=draw.shuffled("4 and 2", 4, 2))[:, 1:],
                2.0,
                0.3,
            ),
            about="slices, not contiguous",
        ),
        Case(
            name,
            "low_temperature",
            (logits(draw(541), 2, 3, 5), logits(draw(542), 2, 3, 5), labels(draw(543), 2, 3, 5), 0.5, 0.6),
            about="a temperature below 1",
        ),
        Case(
            name,
            "single_token",
            (logits(draw(538), 1, 1, 6), logits(draw(539), 1, 1, 6), labels(draw(540), 1, 1, 6), 2.0, 0.3),
            about="one row with one position",
        ),
        Case(
            name,
            "nothing_counted",
            (student, teacher, torch.full((3, 4), IGNORE), 2.0, 0.3),
            about="nothing counts",
            **both_ways,
        ),
        Case(
            name,
            "student_gradient",
            (*batch, 3.0, 0.7),
            weight=2.0,
            **both_ways,
            about="a gradient for the student, none for the teacher",
        ),
        validation(name, "temperature", (*batch, 0.0, 0.5), good=good, about="a temperature of 0"),
        validation(name, "negative_temperature", (*batch, -2.0, 0.5), good=good, about="a temperature below 0"),
        validation(name, "alpha_above", (*batch, 2.0, 1.1), good=good, about="α above 1"),
        validation(name, "alpha_below", (*batch, 2.0, -0.1), good=good, about="α below 0"),
        validation(
            name,
            "vocabulary",
            (student, teacher[..., :4], targets, 2.0, 0.5),
            good=good,
            about="different vocabularies",
        ),
        validation(
            name,
            "teacher_rows",
            (student, teacher[:1], targets, 2.0, 0.5),
            good=good,
            about="different numbers of rows",
        ),
        validation(
            name, "labels", (student, teacher, targets[:, 1:], 2.0, 0.5), good=good, about="too few labels in a row"
        ),
    ]


# ---------------------------------------------------------------------------------------------- DistillationLoss


def module_case(name, construct, arguments, *, then=None, of=(), weight=1.0, about=""):
    options = {"construct": list(construct), "of": list(of)} | ({} if then is None else {"then": then})
    return Case("DistillationLoss", name, arguments, observe="module", options=options, weight=weight, about=about)


def module_examples():
    batch = (logits(61, 2, 2, 3), logits(62, 2, 2, 3), torch.tensor([[0, 2], [1, IGNORE]]))
    return [
        module_case("both_terms", (2.0, 0.3), batch, about="T = 2, α = 0.3, one token does not count"),
        module_case("both_changed", (2.0, 0.3), batch, then={"temperature": 1.0, "alpha": 0.8},
                    about="T and α are changed after the first call"),
        module_case("default_arguments", (), batch, about="built without arguments"),
        validation("DistillationLoss", "alpha", batch, good=batch, construct=(2.0, 1.5), good_construct=(2.0, 0.5),
                   about="α above 1"),
    ]  # fmt: skip


def module_cases(draw):
    name = "DistillationLoss"
    student, teacher, targets = (
        logits(draw(650), 3, 4, 5),
        logits(draw(651), 3, 4, 5),
        labels(draw(652), 3, 4, 5, lengths=draw.shuffled("lengths", 4, 1, 2)),
    )
    batch = (student, teacher, targets)
    return [
        module_case("default_arguments", (), batch, about="built without arguments"),
        module_case("temperature_only", (5.0,), batch, about="built with a temperature only"),
        module_case("both_terms", (2.0, 0.3), batch, of=[0], weight=2.0, about="the value and the student's gradient"),
        module_case(
            "temperature_changed",
            (1.0, 0.9),
            batch,
            then={"temperature": 4.0},
            weight=2.0,
            about="T is changed after the first call",
        ),
        module_case(
            "alpha_changed",
            (3.0, 0.2),
            batch,
            then={"alpha": 0.9},
            weight=2.0,
            about="α is changed after the first call",
        ),
        module_case("low_temperature", (0.8, 0.3), batch, about="a temperature below 1"),
        module_case("soft_only", (2.0, 1.0), batch, about="α = 1: soft targets only"),
        module_case("hard_only", (2.0, 0.0), batch, about="α = 0: hard labels only"),
        module_case(
            "nothing_counted",
            (2.0, 0.5),
            (student, teacher, torch.full((3, 4), IGNORE)),
            of=[0],
            about="nothing counts",
        ),
        validation(
            name,
            "temperature",
            batch,
            good=batch,
            construct=(0.0, 0.5),
            good_construct=(2.0, 0.5),
            about="a temperature of 0",
        ),
        validation(
            name, "alpha", batch, good=batch, construct=(2.0, -0.5), good_construct=(2.0, 0.5), about="α below 0"
        ),
        validation(
            name,
            "vocabulary",
            (student, teacher[..., :4], targets),
            good=batch,
            construct=(2.0, 0.5),
            good_construct=(2.0, 0.5),
            about="different vocabularies",
        ),
    ]


def examples():
    """The visible examples: their inputs and the right values go to students with the check."""
    return [
        *soft_targets_examples(),
        *soft_log_predictions_examples(),
        *kl_divergence_examples(),
        *kl_gradient_examples(),
        *hard_loss_examples(),
        *distillation_loss_examples(),
        *module_examples(),
    ]


def cases(seed):
    """The hidden cases that the judge runs, drawn from a run's seed."""
    draw = Draw(seed)
    return [
        *soft_targets_cases(draw),
        *soft_log_predictions_cases(draw),
        *kl_divergence_cases(draw),
        *kl_gradient_cases(draw),
        *hard_loss_cases(draw),
        *distillation_loss_cases(draw),
        *module_cases(draw),
    ]
