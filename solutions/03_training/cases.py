"""Lab 03's visible examples and hidden cases.

Models are specifications: GPT-2-shaped, with a thousand weights from a seed. Token 0 ends a text and fills up rows, so
that a mask made from token ids shows; it also stands inside rows that count. Learning rates are large enough for a
wrong gradient to show in the weights. Hidden inputs come from the run's seed.
"""

import torch

from helpers.checks.fixtures import ModelSpec
from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

FORBIDDEN = ("helpers.labels", "helpers.training", "helpers.engine.teacher")  # they hold this lab's answers

IGNORE = -100
VOCABULARY = 7


# -------------------------------------------------------------------------------------------------------- builders


def tokens(seed, rows, positions, lengths, vocabulary=VOCABULARY, left=False):
    """Random tokens, 0 among them; of each row only `lengths` places count, and padding is 0 as well."""
    source = torch.Generator().manual_seed(seed)
    values = torch.randint(vocabulary, (rows, positions), generator=source)
    places = torch.arange(positions)
    mask = (places < torch.tensor(lengths)[:, None]).long()
    mask = mask.flip(1) if left else mask
    return values * mask, mask


def batch(seed, rows, positions, lengths, ends=True):
    """A batch as a training step gets it; with `ends`, each row that counts ends in the end-of-text token 0."""
    input_ids, attention_mask = tokens(seed, rows, positions, lengths)
    input_ids += (input_ids == 0) * attention_mask  # word 1 in place of a 0 that chance has put there
    if ends:
        for row, length in enumerate(lengths):
            input_ids[row, max(length - 1, 0)] = 0
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def filled(seed, pattern, among=VOCABULARY):
    """Tokens in place of the pattern's ones, random from 1 to `among` - 1; its other numbers stay."""
    pattern = torch.tensor(pattern)
    source = torch.Generator().manual_seed(seed)
    return torch.where(pattern == 1, torch.randint(1, among, pattern.shape, generator=source), pattern)


def logits(seed, *shape):
    """Random logits with one decimal."""
    return torch.round(20 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))) / 10


# ---------------------------------------------------------------------------------------------------------- freeze


def freeze_cases_from(seed):
    model = {"training": True, "dropout": 0.25}
    return [
        Case("freeze", "weights_stopped", (ModelSpec("gpt2", seed=seed, **model),), observe="freezing",
             options={"watch": ["weights"]}, about="which weights can still be trained"),
        Case("freeze", "mode_switched", (ModelSpec("gpt2", seed=seed, **model),), observe="freezing",
             options={"watch": ["mode"]}, about="which parts are still in train mode"),
        Case("freeze", "same_model", (ModelSpec("gpt2", seed=seed, **model),), observe="freezing",
             options={"watch": ["value"]}, about="what is returned"),
    ]  # fmt: skip


def freeze_cases(draw):
    untied = ModelSpec("gpt2", seed=draw(31), training=True, tied=False, layers=2, buffers=3)
    partly = ModelSpec(
        "gpt2", seed=draw(32), training=True, frozen_parts=["transformer.wte"], resting_parts=["transformer.ln_f"]
    )
    watch = {"watch": ["mode", "weights"]}
    return [
        *freeze_cases_from(draw(30)),
        Case(
            "freeze",
            "two_layers_untied",
            (untied,),
            observe="freezing",
            options=watch,
            about="a model of two layers whose ends are not tied, with a buffer",
        ),
        Case(
            "freeze",
            "partly_frozen",
            (partly,),
            observe="freezing",
            options=watch,
            about="a model of which a part is frozen already",
        ),
        Case(
            "freeze", "at_rest", (ModelSpec("gpt2", seed=draw(33)),), observe="freezing", about="a model in eval mode"
        ),
    ]


# ------------------------------------------------------------------------------------------------ count_parameters


def count_examples():
    name = "count_parameters"
    return [
        Case(name, "ends_tied", (ModelSpec("gpt2", seed=1),), about="a model whose two ends are tied"),
        Case(name, "weights_frozen", (ModelSpec("gpt2", seed=1, tied=False, frozen=True),), about="a frozen model"),
        Case(name, "with_buffer", (ModelSpec("gpt2", seed=1, tied=False, buffers=50),), about="a model with a buffer"),
    ]


def count_cases(draw):
    name = "count_parameters"

    def size(smallest):
        return draw.integer(f"vocabulary {smallest}", smallest, smallest + 5)

    return [
        Case(
            name,
            "ends_tied",
            (ModelSpec("gpt2", seed=draw(2), vocabulary=size(11), width=4),),
            about="tied ends",
            weight=2.0,
        ),
        Case(
            name, "ends_untied", (ModelSpec("gpt2", seed=draw(3), vocabulary=size(9), tied=False),), about="untied ends"
        ),
        Case(
            name,
            "weights_frozen",
            (ModelSpec("gpt2", seed=draw(4), vocabulary=size(5), tied=False, frozen=True),),
            about="a frozen model",
        ),
        Case(
            name,
            "partly_frozen",
            (ModelSpec("gpt2", seed=draw(5), vocabulary=size(7), tied=False, frozen_parts=["transformer.wpe"]),),
            about="a model of which a part is frozen",
        ),
        Case(
            name,
            "with_buffer",
            (ModelSpec("gpt2", seed=draw(6), vocabulary=size(6), tied=False, buffers=80, layers=2),),
            about="a model with a buffer",
        ),
        Case(
            name,
            "tied_frozen_buffer",
            (ModelSpec("gpt2", seed=draw(7), vocabulary=size(8), frozen=True, buffers=30, training=True),),
            about="tied ends, frozen, with a buffer",
        ),
        Case(
            name,
            "int_returned",
            (ModelSpec("gpt2", seed=draw(8), vocabulary=size(10)),),
            observe="whole_numbers",
            about="an int is returned",
        ),
    ]


# ----------------------------------------------------------------------------------------------------- make_labels


def make_labels_examples():
    name = "make_labels"
    right = torch.tensor([[3, 5, 0, 0], [2, 0, 4, 0]]), torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    left = torch.tensor([[0, 0, 3, 5], [2, 6, 4, 0]]), torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    return [
        Case(name, "padded_right", right, about="padding on the right; token 0 is end of text and padding"),
        Case(name, "padded_left", left, about="padding on the left"),
        validation(name, "mask_row", (right[0], right[1][:1]), good=right, about="a mask with one row too few"),
    ]


def make_labels_cases(draw):
    name = "make_labels"
    right, left = (
        tokens(draw(110), 3, 6, draw.shuffled("right", 6, 2, 4)),
        tokens(draw(111), 3, 5, draw.shuffled("left", 1, 5, 3), left=True),
    )
    both = (
        filled(draw("both"), [[0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 0]]),
        torch.tensor([[0, 1, 1, 1, 1, 0], [0, 0, 1, 1, 1, 0]]),
    )
    return [
        Case(name, "padded_right", right, weight=2.0, about="padding on the right"),
        Case(name, "padded_left", left, weight=2.0, about="padding on the left"),
        Case(name, "padded_both", both, about="padding on both sides"),
        Case(
            name,
            "ends_inside",
            (filled(draw("ends"), [[1, 0, 1, 0, 0]]), torch.tensor([[1, 1, 1, 1, 0]])),
            about="an end of text in the middle of a row",
        ),
        Case(
            name,
            "nothing_padded",
            (filled(draw("no padding"), [[0, 1, 0], [1, 0, 1]]), torch.ones(2, 3).long()),
            about="no padding",
        ),
        Case(
            name,
            "all_padding",
            (filled(draw("all padding"), [[1, 1, 1], [0, 0, 0]]), torch.tensor([[1, 1, 1], [0, 0, 0]])),
            about="a row that is padding only",
        ),
        Case(
            name,
            "other_padding",
            (filled(draw("other padding"), [[1, 1, 6, 6], [1, 1, 1, 6]], 6), torch.tensor([[1, 1, 0, 0], [1] * 4])),
            about="another token as padding",
        ),
        Case(
            name, "single_place", (filled(draw("single"), [[1]]), torch.tensor([[1]])), about="one row with one place"
        ),
        validation(name, "mask_row", (right[0], right[1][:1]), good=right, about="a mask with too few rows"),
        validation(name, "mask_column", (right[0], right[1][:, :1]), good=right, about="a mask with too few columns"),
    ]


# ------------------------------------------------------------------------------------------------ next_token_pairs


def pairs_examples():
    name = "next_token_pairs"
    scores, targets = logits(21, 2, 3, 2), torch.tensor([[1, 0, 1], [0, 1, IGNORE]])
    return [
        Case(name, "two_rows", (scores, targets), about="two rows of three places"),
        validation(name, "label_short", (scores, targets[:, 1:]), good=(scores, targets),
                   about="one label too few in each row"),
    ]  # fmt: skip


def pairs_cases(draw):
    name = "next_token_pairs"
    scores, targets = logits(draw(210), 3, 5, 4), tokens(draw(211), 3, 5, [5, 2, 4], 4)[0]
    longer = logits(draw(212), 2, 7, 3), tokens(draw(213), 2, 7, [7, 6], 3)[0].masked_fill(torch.arange(7) == 6, IGNORE)
    wide = logits(draw(214), 2, 4, 6)
    return [
        Case(name, "three_rows", (scores, targets), weight=2.0, about="three rows"),
        Case(name, "with_ignored", longer, weight=2.0, about="labels that are -100"),
        Case(name, "square_shape", (logits(draw(215), 4, 4, 4), tokens(draw(216), 4, 4, [4] * 4, 4)[0]),
             about="as many rows as places and words"),
        Case(name, "strided_slice", (wide[..., ::2], tokens(draw(217), 2, 8, [8, 8], 3)[0][:, ::2]),
             about="slices, not contiguous"),
        Case(name, "one_row", (logits(draw(218), 1, 3, 5), tokens(draw(219), 1, 3, [3], 5)[0]), about="one row"),
        Case(name, "single_place", (logits(draw(220), 2, 1, 3), torch.tensor([[1], [2]])),
             about="one place, so nothing to predict"),
        validation(name, "label_short", (scores, targets[:, 1:]), good=(scores, targets), about="too few labels"),
        validation(name, "label_rows", (scores, targets[:2]), good=(scores, targets), about="too few rows of labels"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ train_step


# With a dropout of 1, train mode shows in the loss without random numbers: right answers may draw them in any order,
# row by row for example, and they are not the same on all machines.
ALL_DROPPED = {"dropout": 1.0, "rate": 0.2}


def step_arguments(seed, data, *, rate=0.5, dropout=0.0, rest=(2.0, 0.3)):
    """Student, teacher, batch, optimizer, and what follows them. The teacher has dropout, in eval mode."""
    return (
        ModelSpec("gpt2", seed=seed, scale=0.6, dropout=dropout, training=True),
        ModelSpec("gpt2", seed=seed + 1, width=12, scale=0.8, dropout=0.3, frozen=True),
        data,
        ModelSpec("sgd", of=0, learning_rate=rate),
        *rest,
    )


def step_case(name, arguments, *watch, steps=1, weight=1.0, about=""):
    options = {"watch": list(watch) or ["value"], "steps": steps}
    return Case("train_step", name, arguments, observe="training", options=options, weight=weight, about=about)


def train_step_examples():
    data = batch(51, 2, 5, [5, 3])
    return [
        step_case("loss_returned", step_arguments(510, data), about="the loss of one step, T = 2 and α = 0.3"),
        step_case("number_returned", step_arguments(510, data), "kind", about="a plain number is returned"),
        step_case("default_settings", step_arguments(512, data, rest=()), about="called without T and α"),
        step_case("three_steps", step_arguments(510, data), steps=3, about="three steps on the same batch"),
        step_case("teacher_untouched", step_arguments(510, data), "teacher", about="what becomes of the teacher"),
        step_case("student_drops", step_arguments(514, data, **ALL_DROPPED), "value", "mode",
                  about="a student with a dropout of 1, in train mode"),
        validation("train_step", "heat", step_arguments(510, data, rest=(0.0, 0.3)), good=step_arguments(510, data),
                   about="a temperature of 0"),
    ]  # fmt: skip


def train_step_cases(draw):
    data, other = (
        batch(draw(60), 3, 6, draw.shuffled("rows", 6, 2, 4)),
        batch(draw(61), 2, 7, draw.shuffled("two rows", 3, 7)),
    )
    whole, one = batch(draw(62), 3, 5, [5, 5, 5], ends=False), batch(draw(63), 1, 6, [4])
    good = step_arguments(draw(600), data)
    return [
        step_case("loss_returned", good, weight=2.0, about="the loss, rows of different lengths"),
        step_case("no_padding", step_arguments(draw(602), whole, rest=(1.0, 0.6)), about="the loss, no padding, T = 1"),
        step_case("default_settings", step_arguments(draw(604), other, rest=()), about="called without T and α"),
        step_case("only_teacher", step_arguments(draw(606), other, rest=(4.0, 1.0)), about="α = 1"),
        step_case("only_labels", step_arguments(draw(608), data, rest=(4.0, 0.0)), about="α = 0"),
        step_case("one_row", step_arguments(draw(610), one, rest=(1.5, 0.5)), about="a batch of one row"),
        step_case(
            "nothing_counted",
            step_arguments(draw(612), batch(draw(64), 2, 4, [1, 1])),
            "value",
            "student",
            about="a batch in which nothing counts",
        ),
        step_case(
            "weights_moved",
            step_arguments(draw(614), data),
            "student",
            weight=3.0,
            about="the student's weights after one step",
        ),
        step_case(
            "three_steps", step_arguments(draw(616), other), steps=3, weight=3.0, about="three steps on the same batch"
        ),
        step_case("number_returned", step_arguments(draw(618), data), "kind", about="a plain number is returned"),
        step_case("teacher_untouched", step_arguments(draw(620), data), "teacher", about="what becomes of the teacher"),
        step_case(
            "noisy_student",
            step_arguments(draw(622), other, **ALL_DROPPED),
            "value",
            "mode",
            weight=2.0,
            about="a student with a dropout of 1, in train mode",
        ),
        validation(
            "train_step",
            "heat",
            step_arguments(draw(600), data, rest=(0.0, 0.3)),
            good=good,
            about="a temperature of 0",
        ),
        validation(
            "train_step",
            "cold",
            step_arguments(draw(600), data, rest=(-1.0, 0.3)),
            good=good,
            about="a temperature below 0",
        ),
        validation(
            "train_step", "balance", step_arguments(draw(600), data, rest=(2.0, 1.5)), good=good, about="α above 1"
        ),
    ]


# ----------------------------------------------------------------------------------------------------------- train


def run_arguments(seed, batches, epochs, *, arrives, rest=(2.0, 0.3), rate=0.3, dropout=0.0):
    """Student, teacher, batches, optimizer, epochs, and what follows them; `arrives`: what is so about the models."""
    unfrozen = {"training": True} if arrives == "unfrozen teacher" else {"frozen": True}
    return (
        ModelSpec("gpt2", seed=seed, scale=0.6, dropout=dropout, training=arrives != "resting student"),
        ModelSpec("gpt2", seed=seed + 1, width=12, scale=0.8, dropout=0.3, **unfrozen),
        batches,
        ModelSpec("sgd", of=0, learning_rate=rate),
        epochs,
        *rest,
    )


def run_case(name, arguments, *watch, weight=1.0, about=""):
    return Case("train", name, arguments, observe="training", options={"watch": list(watch) or ["value"]},
                weight=weight, about=about)  # fmt: skip


def train_examples():
    batches = [batch(71, 2, 5, [5, 3]), batch(72, 2, 4, [2, 4]), batch(73, 1, 4, [4])]
    ready, resting, unfrozen = ({"arrives": how} for how in ("ready", "resting student", "unfrozen teacher"))
    return [
        run_case("one_epoch", run_arguments(710, batches, 1, **ready), about="three batches, one epoch"),
        run_case("two_epochs", run_arguments(710, batches, 2, **ready), "value", "kind",
                 about="three batches, two epochs"),
        run_case("settings_default", run_arguments(712, batches[:2], 2, rest=(), **ready),
                 about="called without T and α"),
        run_case("student_rests", run_arguments(714, batches[:2], 1, dropout=1.0, **resting),
                 about="a student that arrives in eval mode; its dropout is 1"),
        run_case("teacher_unfrozen", run_arguments(716, batches[:1], 1, **unfrozen), "teacher",
                 about="a teacher that arrives unfrozen"),
        validation("train", "no_batches", run_arguments(710, [], 2, **ready),
                   good=run_arguments(710, batches, 1, **ready), about="no batch to train on"),
    ]  # fmt: skip


def train_cases(draw):
    def batches_of(label, *rows):
        return [batch(draw(f"{label} {number}"), len(lengths), max(lengths), lengths)
                for number, lengths in enumerate(rows)]  # fmt: skip

    three = batches_of("three", draw.shuffled("first", 6, 2), draw.shuffled("second", 3, 5), [4])
    four = batches_of("four", [4], draw.shuffled("even", 2, 5), [3, 3], [6])
    lone = batches_of("lone", draw.shuffled("rows", 5, 3, 2))
    ready, resting, unfrozen = ({"arrives": how} for how in ("ready", "resting student", "unfrozen teacher"))
    good = run_arguments(draw(700), three, 1, **ready)
    return [
        run_case("one_epoch", good, weight=2.0, about="one epoch"),
        run_case("three_epochs", run_arguments(draw(702), three, 3, **ready), "value", "student", weight=3.0,
                 about="several epochs: the losses, and the student's weights afterwards"),
        run_case("four_batches", run_arguments(draw(704), four, 2, rest=(1.0, 0.6), **ready), "value", "kind",
                 weight=2.0, about="batches of different sizes; plain numbers are returned"),
        run_case("lone_batch", run_arguments(draw(706), lone, 4, rest=(3.0, 1.0), **ready),
                 about="the same batch again and again"),
        run_case("settings_default", run_arguments(draw(708), three, 2, rest=(), **ready),
                 about="called without T and α"),
        run_case("student_rests", run_arguments(draw(710), four, 1, dropout=1.0, **resting), weight=2.0,
                 about="a student with a dropout of 1 that arrives in eval mode"),
        run_case("student_ready", run_arguments(draw(712), three, 1, dropout=1.0, **ready),
                 about="a student with a dropout of 1 that arrives in train mode"),
        run_case("teacher_unfrozen", run_arguments(draw(714), three, 2, **unfrozen), "value", "teacher", weight=2.0,
                 about="a teacher that arrives unfrozen"),
        validation("train", "no_batches", run_arguments(draw(700), [], 1, **ready), good=good,
                   about="no batch to train on"),
    ]  # fmt: skip


def examples():
    """The visible examples: their inputs and the right values go to students with the check."""
    return [
        *freeze_cases_from(10), *count_examples(), *make_labels_examples(), *pairs_examples(), *train_step_examples(),
        *train_examples(),
    ]  # fmt: skip


def cases(seed):
    """The hidden cases that the judge runs, drawn from a run's seed."""
    draw = Draw(seed)
    return [
        *freeze_cases(draw),
        *count_cases(draw),
        *make_labels_cases(draw),
        *pairs_cases(draw),
        *train_step_cases(draw),
        *train_cases(draw.within("train")),
    ]
