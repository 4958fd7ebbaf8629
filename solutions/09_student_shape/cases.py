"""Lab 09's visible examples and hidden cases.

Models and layers are specifications, with weights from a seed. Numbers of rows, positions and units differ, so that a
mean over the wrong dimension shows. Hidden inputs come from the run's seed.
"""

import torch

from helpers.checks.fixtures import ModelSpec
from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

FORBIDDEN = ("helpers.student_shape", "helpers.layer_pruning")  # they hold this lab's answers

# -------------------------------------------------------------------------------------------------------- builders


def numbers(seed, *shape):
    """Random numbers with one decimal, none of them 0."""
    source = torch.Generator().manual_seed(seed)
    values = torch.round(20 * torch.randn(shape, generator=source)) / 10
    return torch.where(values == 0, torch.full_like(values, 0.3), values)


def mask_of(lengths, positions, left=False):
    """The mask of rows of these lengths, padded on the right or on the left."""
    mask = (torch.arange(positions) < torch.tensor(lengths)[:, None]).long()
    return mask.flip(1) if left else mask


def states(seed, count, rows, positions, width):
    """Hidden states that change little from layer to layer, and some layers more than others."""
    current = numbers(seed, rows, positions, width)
    found = [current]
    for layer in range(1, count):
        step = (0.2 + 0.3 * layer) * numbers(seed + layer, rows, positions, width)
        current = torch.round(100 * (current + step)) / 100
        found.append(current)
    return tuple(found)


# --------------------------------------------------------------------------------------------------- parameters_of


def parameters_of_examples():
    name = "parameters_of"
    return [
        Case(name, "no_layers", (0, 4, 5, 3), about="no layers: two tables and the final norm"),
        Case(name, "one_layer", (1, 4, 5, 3), about="one layer of width 4"),
        Case(name, "two_layers", (2, 4, 5, 3), about="two layers"),
        Case(name, "the_student", (1, 64, 210, 64), about="the tiny student"),
    ]


def parameters_of_cases(draw):
    name = "parameters_of"

    def shape(label, layers):
        within = draw.within(label)
        sizes = within("width") % 90 + 10, within("vocabulary") % 900 + 100, within("positions") % 90 + 10
        return layers, *sizes

    return [
        Case(name, "one_layer", shape("one", 1), about="one layer"),
        Case(name, "deep_shape", shape("deep", draw.integer("deep layers", 5, 40)), weight=2.0, about="many layers"),
        Case(name, "no_layers", shape("none", 0), about="no layers"),
        Case(
            name,
            "large_model",
            (draw.integer("large layers", 12, 48), 64 * draw.integer("large width", 10, 25), 50_257, 1024),
            weight=2.0,
            about="as large as GPT-2",
        ),
        Case(name, "long_rows", (2, draw.integer("long width", 3, 9), 11, draw.integer("long", 2000, 9000)),
             about="more positions than tokens"),
        Case(name, "int_returned", shape("kind", 2), observe="whole_numbers", about="an int is returned"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- layer_influence


def layer_influence_examples():
    name = "layer_influence"
    first = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    turned = torch.tensor([[[0.0, 3.0], [0.0, 2.0]]])
    padded, mask = states(21, 3, 2, 3, 2), mask_of([3, 1], 3)
    return [
        Case(name, "by_hand", ((first, turned), torch.tensor([[1, 1]])),
             about="one position turned by a right angle, one left alone"),
        Case(name, "with_padding", (padded, mask), about="two layers, padding on the right"),
        Case(name, "bool_mask", (states(27, 3, 1, 3, 2), torch.tensor([[True, False, True]])),
             about="a mask of True and False"),
        validation(name, "nothing_counted", (padded, torch.zeros(2, 4).long()), good=(padded, mask),
                   about="a mask that counts nothing"),
        validation(name, "one_state", (padded[:1], mask), good=(padded, mask), about="one state, so no layer"),
    ]  # fmt: skip


def layer_influence_cases(draw):
    name = "layer_influence"
    good = states(draw(210), 5, 3, 5, 4), mask_of(draw.shuffled("rows", 5, 2, 4), 5)
    same = numbers(draw(212), 2, 3, 4)
    return [
        Case(name, "with_padding", good, weight=2.0, about="four layers, rows of different lengths"),
        Case(name, "no_padding", (states(draw(213), 3, 2, 4, 6), torch.ones(2, 4).long()), about="no padding"),
        Case(name, "padded_left", (states(draw(214), 3, 2, 5, 3), mask_of([5, 1], 5, left=True)),
             weight=2.0, about="padding on the left"),
        Case(name, "only_longer", ((same, same * draw.integer("factor", 2, 5)), torch.ones(2, 3).long()),
             about="a layer that makes states longer and does not turn them"),
        Case(name, "turned_back", ((same, -same), torch.ones(2, 3).long()), about="a layer that reverses every state"),
        Case(name, "lone_position", (states(draw(216), 4, 1, 1, 5), torch.ones(1, 1).long()), about="one position"),
        Case(name, "unequal_lengths", ((same, states(draw(217), 2, 2, 3, 4)[1]),
                                       torch.tensor([[True, True, False], [True, False, False]])),
             about="states of very different lengths, a mask of True and False"),
        validation(name, "nothing_counted", (good[0], torch.zeros(3, 5).long()), good=good,
                   about="a mask that counts nothing"),
        validation(name, "one_state", (good[0][:1], good[1]), good=good, about="one state"),
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------------------- keep_layers


def cut(case, seed, layers, kept, *, weight=1.0, about="", **settings):
    """A case of `keep_layers`, with tokens for the new model to read."""
    tokens = torch.randint(7, (2, 5), generator=torch.Generator().manual_seed(seed + 1))
    model = ModelSpec("gpt2", seed=seed, layers=layers, scale=0.6, **settings)
    options = {"tokens": tokens}
    return Case("keep_layers", case, (model, kept), observe="cut_model", options=options, weight=weight, about=about)


def keep_layers_examples():
    model = ModelSpec("gpt2", seed=31, layers=3)
    good = (model, [0, 2])
    name = "keep_layers"
    return [
        cut("two_of_three", 30, 3, [0, 2], about="the first and the last of three layers"),
        cut("last_alone", 32, 3, [2], about="the last layer alone"),
        cut("all_kept", 33, 2, [0, 1], about="all layers"),
        validation(name, "empty", (model, []), good=good, about="no layer"),
        validation(name, "beyond", (model, [1, 3]), good=good, about="a layer that is not there"),
        validation(name, "negative", (model, [-1]), good=good, about="a negative index"),
        validation(name, "unordered", (model, [2, 0]), good=good, about="not in order"),
        validation(name, "twice", (model, [1, 1]), good=good, about="a layer twice"),
    ]


def keep_layers_cases(draw):
    name = "keep_layers"
    model = ModelSpec("gpt2", seed=draw(310), layers=4)
    good = (model, [1, 3])
    return [
        cut("some_kept", draw(311), 5, sorted(draw.sample("some", range(1, 5), 3)), weight=2.0,
            about="three of five layers"),
        cut("first_part", draw(312), 4, [0, 1], about="the first half"),
        cut("last_part", draw(313), 4, [2, 3], weight=2.0, about="the second half"),
        cut("one_kept", draw(314), 4, [draw.integer("one", 1, 3)], about="one layer"),
        cut("all_kept", draw(315), 3, [0, 1, 2], about="all layers"),
        cut("untied_model", draw(316), 3, [0, 2], tied=False, about="a model whose head is not tied"),
        cut("noisy_model", draw(317), 3, [1, 2], dropout=0.3, training=True,
            about="a model that arrives in train mode"),
        validation(name, "empty", (model, []), good=good, about="no layer"),
        validation(name, "beyond", (model, [0, 4]), good=good, about="a layer that is not there"),
        validation(name, "negative", (model, [-1, 2]), good=good, about="a negative index"),
        validation(name, "unordered", (model, [3, 1]), good=good, about="not in order"),
        validation(name, "twice", (model, [2, 2]), good=good, about="a layer twice"),
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------------- hidden_state_loss


def projections(seed, count, inputs, outputs):
    """A different projection for every student state."""
    return [ModelSpec("linear", seed=seed + i, inputs=inputs, outputs=outputs, bias=False) for i in range(count)]


def matched(seed, sizes, layer_map, lengths, *, left=False):
    """Arguments of `hidden_state_loss`; sizes are student states, teacher states, positions, and the two widths."""
    ours, theirs, positions, width, wider = sizes
    rows = len(lengths)
    return (
        numbers(seed, ours, rows, positions, width),
        numbers(seed + 1, theirs, rows, positions, wider),
        projections(seed + 2, ours, width, wider),
        layer_map,
        mask_of(lengths, positions, left),
    )


def with_gradients(case, arguments, *, weight=1.0, about=""):
    """States stacked into one tensor, so that gradients at student and teacher show."""
    names = ["student_states", "teacher_states", "projections", "layer_map", "mask"]
    options = {"of": [0], "cut": [1], "names": names}
    return Case("hidden_state_loss", case, arguments, observe="gradient", options=options, weight=weight, about=about)


def apart(arguments):
    """The same with each state as a tensor of its own."""
    return tuple(arguments[0]), tuple(arguments[1]), *arguments[2:]


def hidden_state_loss_examples():
    name = "hidden_state_loss"
    identity = (
        torch.tensor([[[[1.0, 2.0]]], [[[3.0, 5.0]]]]), torch.tensor([[[[1.0, 2.0]]], [[[2.0, 2.0]]]]),
        [ModelSpec("linear", seed=41, inputs=2, outputs=2, bias=False)] * 2, {1: 1}, torch.tensor([[1]]),
    )  # fmt: skip
    good = matched(42, (3, 4, 4, 2, 3), {0: 0, 2: 3}, [4, 2])
    student, teacher, projected, _, mask = good
    return [
        with_gradients("one_pair", identity, about="one pair of states, one position"),
        with_gradients("two_pairs", good, about="two pairs, padding on the right, gradients at both models"),
        Case(name, "as_tuples", apart(matched(52, (2, 3, 3, 3, 4), {1: 2}, [2, 3])), about="states in tuples"),
        with_gradients("nothing_counted", matched(45, (2, 3, 3, 2, 3), {1: 2}, [0, 0]), about="nothing counts"),
        validation(name, "no_pair", (student, teacher, projected, {}, mask), good=good, about="an empty map"),
        validation(name, "beyond", (student, teacher, projected, {2: 4}, mask), good=good,
                   about="a teacher state that is not there"),
        validation(name, "negative", (student, teacher, projected, {-1: 3}, mask), good=good,
                   about="a negative index"),
    ]  # fmt: skip


def hidden_state_loss_cases(draw):
    name = "hidden_state_loss"
    rows = draw.shuffled("rows", 5, 2, 4)
    good = matched(draw(410), (3, 5, 5, 4, 6), {0: 0, 1: 2, 2: 4}, rows)
    student, teacher, projected, _, mask = good
    return [
        with_gradients("three_pairs", good, weight=2.0, about="three pairs, rows of different lengths"),
        with_gradients("one_pair", matched(draw(420), (3, 3, 4, 2, 5), {1: 2}, [4, 1]), weight=2.0,
                       about="one pair; other states are free"),
        with_gradients("no_padding", matched(draw(430), (2, 3, 4, 3, 3), {0: 0, 1: 2}, [4, 4]), about="no padding"),
        with_gradients("padded_left", matched(draw(440), (2, 4, 5, 3, 2), {0: 1, 1: 3}, [2, 5], left=True),
                       about="padding on the left, a teacher that is narrower"),
        Case(name, "as_tuples", apart(matched(draw(450), (4, 4, 3, 2, 4), {0: 0, 3: 3, 1: 1}, [3, 2])), weight=2.0,
             about="states in tuples, a map that is not in order"),
        with_gradients("nothing_counted", matched(draw(460), (2, 2, 3, 2, 3), {0: 0, 1: 1}, [0, 0]),
                       about="nothing counts"),
        with_gradients("lone_position", matched(draw(470), (2, 2, 1, 4, 2), {1: 1}, [1]), about="one position"),
        validation(name, "no_pair", (student, teacher, projected, {}, mask), good=good, about="an empty map"),
        validation(name, "beyond", (student, teacher, projected, {3: 0}, mask), good=good,
                   about="a student state that is not there"),
        validation(name, "teacher_beyond", (student, teacher, projected, {1: 5}, mask), good=good,
                   about="a teacher state that is not there"),
        validation(name, "negative", (student, teacher, projected, {0: -1}, mask), good=good, about="a negative index"),
        validation(name, "student_negative", (student, teacher, projected, {-1: 0}, mask), good=good,
                   about="a negative index of the student's"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------ width_importance


def width_importance_examples():
    name = "width_importance"
    by_hand = torch.tensor([[[1.0, -2.0], [3.0, 2.0], [9.0, 9.0]]])
    return [
        Case(name, "by_hand", (by_hand, torch.tensor([[1, 1, 0]])), about="two units, two positions that count"),
        Case(name, "with_padding", (numbers(61, 2, 4, 3), mask_of([4, 2], 4)), about="padding on the right"),
        Case(name, "bool_mask", (numbers(62, 2, 2, 3), torch.tensor([[True, False], [True, True]])),
             about="a mask of True and False"),
    ]  # fmt: skip


def width_importance_cases(draw):
    name = "width_importance"
    return [
        Case(name, "with_padding", (numbers(draw(610), 3, 5, 7), mask_of(draw.shuffled("rows", 5, 2, 4), 5)),
             weight=2.0, about="rows of different lengths"),
        Case(name, "no_padding", (numbers(draw(611), 2, 6, 4), torch.ones(2, 6).long()), about="no padding"),
        Case(name, "padded_left", (numbers(draw(612), 2, 5, 3), mask_of([1, 4], 5, left=True)), weight=2.0,
             about="padding on the left"),
        Case(name, "square_shape", (numbers(draw(613), 4, 4, 4), mask_of([4, 1, 2, 3], 4)),
             about="as many rows as positions and units"),
        Case(name, "lone_position", (numbers(draw(614), 1, 1, 5), torch.ones(1, 1).long()), about="one position"),
        Case(name, "bool_mask",
             (numbers(draw(615), 2, 3, 4), torch.tensor([[True, False, False], [True, True, False]])),
             about="a mask of True and False"),
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------------------- prune_width


def pruned(case, seed, sizes, kept, dim, *, weight=1.0, about="", **settings):
    """A case of `prune_width`; sizes are inputs and outputs."""
    linear = ModelSpec("linear", seed=seed, inputs=sizes[0], outputs=sizes[1], **settings)
    return Case("prune_width", case, (linear, kept, dim), observe="narrow_layer", weight=weight, about=about)


def prune_width_examples():
    name, linear = "prune_width", ModelSpec("linear", seed=71, inputs=3, outputs=4)
    good = (linear, [0, 2], 1)
    return [
        pruned("outputs_kept", 70, (3, 4), [0, 3], 0, about="two of four outputs"),
        pruned("inputs_kept", 72, (3, 4), [2, 0], 1, about="two of three inputs, in the order of the list"),
        pruned("no_bias", 73, (3, 4), [1, 2], 0, bias=False, about="a layer without bias"),
        pruned("leading_kept", 74, (4, 4), [0, 1], 0, about="the first two outputs, of which a slice would be a view"),
        pruned("double_precision", 75, (3, 3), [0, 2], 1, dtype="float64", about="a layer in float64"),
        validation(name, "third_dim", (linear, [0], 2), good=good, about="dim is 2"),
        validation(name, "last_dim", (linear, [0], -1), good=good, about="dim is -1"),
        validation(name, "empty", (linear, [], 0), good=good, about="nothing kept"),
        validation(name, "beyond", (linear, [0, 3], 1), good=good, about="an input that is not there"),
        validation(name, "negative", (linear, [-1], 0), good=good, about="a negative index"),
    ]


def prune_width_cases(draw):
    name, linear = "prune_width", ModelSpec("linear", seed=draw(710), inputs=4, outputs=6)
    good = (linear, [1, 3], 0)
    return [
        pruned("outputs_kept", draw(711), (5, 7), draw.sample("outputs", range(7), 4), 0, weight=2.0,
               about="four of seven outputs"),
        pruned("inputs_kept", draw(712), (7, 5), draw.sample("inputs", range(7), 3), 1, weight=2.0,
               about="three of seven inputs"),
        pruned("no_bias", draw(713), (5, 4), sorted(draw.sample("no bias", range(4), 3)), 0, bias=False,
               about="a layer without bias"),
        pruned("square_layer", draw(714), (5, 5), sorted(draw.sample("square", range(5), 2)), 1,
               about="as many inputs as outputs"),
        pruned("all_kept", draw(715), (3, 4), [0, 1, 2, 3], 0, about="all outputs"),
        pruned("one_kept", draw(716), (6, 3), [draw.integer("one", 1, 5)], 1, about="one input"),
        pruned("double_precision", draw(717), (4, 5), sorted(draw.sample("double", range(5), 3)), 0, dtype="float64",
               about="a layer in float64"),
        validation(name, "third_dim", (linear, [0], 2), good=good, about="dim is 2"),
        validation(name, "last_dim", (linear, [0], -1), good=good, about="dim is -1"),
        validation(name, "empty", (linear, [], 1), good=good, about="nothing kept"),
        validation(name, "beyond", (linear, [2, 6], 0), good=good, about="an output that is not there"),
        validation(name, "negative", (linear, [-2], 1), good=good, about="a negative index"),
    ]  # fmt: skip


def examples():
    """The visible examples: their inputs and the right values go to students with the check."""
    return [
        *parameters_of_examples(),
        *layer_influence_examples(),
        *keep_layers_examples(),
        *hidden_state_loss_examples(),
        *width_importance_examples(),
        *prune_width_examples(),
    ]


def cases(seed):
    """The hidden cases that the judge runs, drawn from a run's seed."""
    draw = Draw(seed)
    return [
        *parameters_of_cases(draw.within("parameters_of")),
        *layer_influence_cases(draw.within("layer_influence")),
        *keep_layers_cases(draw.within("keep_layers")),
        *hidden_state_loss_cases(draw.within("hidden_state_loss")),
        *width_importance_cases(draw.within("width_importance")),
        *prune_width_cases(draw.within("prune_width")),
    ]
