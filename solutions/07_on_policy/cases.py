"""Lab 07's visible examples and hidden cases.

Answers that sample are judged in two ways, since right ones may draw in different orders. With a `bigram` that is sure
of each next token, the rows themselves must agree; with others, how often each token comes. Hidden inputs come from the
run's seed.
"""

import torch

from helpers.checks.fixtures import ModelSpec, build
from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

FORBIDDEN = ("helpers.losses", "helpers.on_policy")  # they hold this lab's answers

V = 7  # tokens
ROWS = 4000  # enough for shares of tokens to agree within FREQUENCY
FREQUENCY = {"absolute": 0.06, "relative": 0.0}  # five standard deviations of a difference of shares
FAR = {"absolute": 5e-3, "relative": 1e-3}  # float32 has four decimals left where logits are in the hundreds
BFLOAT16 = {"absolute": 5e-3, "relative": 5e-3}  # a right result may be rounded to bfloat16 at the end


# -------------------------------------------------------------------------------------------------------- builders


def logits(seed, *shape, scale=1.5):
    """Random logits with one decimal."""
    source = torch.Generator().manual_seed(seed)
    return torch.round(10 * scale * torch.randn(shape, generator=source)) / 10


def mask(positions, lengths):
    """True for the first `lengths` positions of each row."""
    return torch.arange(positions) < torch.tensor(lengths)[:, None]


def spoilt(values, counted, content=torch.nan):
    """The same logits with something else where a token does not count."""
    return values.masked_fill(~counted[..., None], content)


def generator(seed):
    return ModelSpec("generator", seed=seed)


def prompts(seed, rows, positions):
    """Random tokens from 1 on."""
    return torch.randint(1, V, (rows, positions), generator=torch.Generator().manual_seed(seed))


def sure(seed, **settings):
    """A bigram that is sure of each next token: a cycle through all tokens, in random order."""
    source = torch.Generator().manual_seed(seed)
    order = torch.randperm(V, generator=source)
    table = torch.randint(-30, 31, (V, V), generator=source) / 10
    table[order, order.roll(-1)] = 40.0
    return ModelSpec("bigram", table=table.tolist(), **settings)


def gpt2(seed, **settings):
    return ModelSpec("gpt2", seed=seed, **settings)


def telling_student(draw, label, rows):
    """A student, and prompts after which a wrong way to sample gives other frequencies in every row."""

    def make(draw):
        return gpt2(draw("model"), scale=1.2), prompts(draw("prompts"), rows, 3)

    def holds(made):
        spec, start = made
        model = build(spec.name, spec.settings)
        with torch.no_grad():
            whole, last, first = (model(part).logits[:, -1] for part in (start, start[:, -1:], start[:, :1]))
        wrong = (last.softmax(dim=-1), first.softmax(dim=-1), (2 * whole).softmax(dim=-1))
        gaps = torch.stack([(whole.softmax(dim=-1) - other).abs().amax(dim=-1) for other in wrong])
        return bool((gaps > 2 * FREQUENCY["absolute"]).all())

    return draw.until(label, make, holds)


# ------------------------------------------------------------------------------------------------- the two divergences


def gradient(name, case, arguments, **options):
    return Case(name, case, arguments, observe="gradient", options={"of": [0], "cut": [1]}, **options)


def divergence_examples(name, *rest):
    """What both divergences owe, on small numbers; `rest`: what follows the mask."""
    student = torch.tensor([[[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]], [[0.0, 0.0, 3.0], [1.0, 1.5, -2.0]]])
    teacher = torch.tensor([[[0.0, 1.0, -2.0], [2.0, 0.5, 0.0]], [[1.0, 0.0, 1.0], [-1.0, 0.0, 2.0]]])
    partly, nothing = mask(2, [2, 1]), mask(2, [0, 0])
    good = (student, teacher, partly, *rest)
    padded = (spoilt(student, partly), spoilt(teacher, partly), partly, *rest)
    return [
        gradient(name, "partly_masked", good, about="one token of four does not count"),
        Case(name, "all_counted", (student, teacher, mask(2, [2, 2]), *rest), about="every token counts"),
        gradient(name, "padding_spoilt", padded, about="NaN where a token does not count"),
        gradient(name, "nothing_counted", (student, teacher, nothing, *rest), about="nothing counts"),
        gradient(name, "far_apart", (60 * student, 60 * teacher, partly, *rest), about="logits up to ±180", **FAR),
        validation(name, "mask", (student, teacher, partly[:, :1], *rest), good=good, about="a mask of one column"),
        validation(name, "vocabulary", (student, teacher[..., :1], partly, *rest), good=good,
                   about="different vocabularies"),
    ]  # fmt: skip


def divergence_cases(name, draw, *rest):
    lengths = mask(4, draw.shuffled("lengths", 4, 1, 2))
    student, teacher = logits(draw(1), 3, 4, 5), logits(draw(2), 3, 4, 5)
    inside = torch.tensor([[False, True, False, True, True], [True, False, False, True, False]])
    wide = logits(draw(3), 2, 5, 4), logits(draw(4), 2, 5, 4)
    far = 60 * logits(draw(5), 2, 3, 5), 60 * logits(draw(6), 2, 3, 5)
    coarse = logits(draw(7), 2, 3, 6).bfloat16(), logits(draw(8), 2, 3, 6).bfloat16()
    # ln 65 lies between two numbers of bfloat16: log-probabilities computed in it are all off by the same amount.
    even = logits(draw(9), 2, 3, 65, scale=0.5).bfloat16(), torch.zeros(2, 3, 65).bfloat16()
    good = (student, teacher, lengths, *rest)
    return [
        gradient(name, "partly_masked", good, weight=3.0, about="rows of different lengths"),
        gradient(name, "masked_inside", (*wide, inside, *rest), weight=2.0,
                 about="tokens that do not count in the middle of a row"),
        Case(name, "all_counted", (*wide, inside | True, *rest), about="every token counts"),
        gradient(name, "padding_spoilt", (spoilt(student, lengths), spoilt(teacher, lengths), lengths, *rest),
                 weight=2.0, about="NaN where a token does not count"),
        gradient(name, "padding_infinite", (spoilt(student, lengths, -torch.inf), spoilt(teacher, lengths, -torch.inf),
                                            lengths, *rest), about="−∞ where a token does not count"),
        gradient(name, "nothing_counted", (*wide, inside & False, *rest), about="nothing counts"),
        gradient(name, "far_apart", (*far, mask(3, [3, 2]), *rest), about="logits of hundreds",
                 **FAR),
        gradient(name, "equal_to_teacher", (student, student.clone(), lengths, *rest),
                 about="a student that equals the teacher"),
        gradient(name, "mask_of_numbers", (*wide, inside.long(), *rest), about="a mask of ones and zeros"),
        gradient(name, "double_precision", (wide[0].double(), wide[1].double(), inside, *rest), about="float64"),
        Case(name, "low_precision", (*coarse, mask(3, [2, 3]), *rest), about="bfloat16 logits", **BFLOAT16),
        Case(name, "even_teacher", (*even, mask(3, [3, 2]), *(0.0 for _ in rest)), **BFLOAT16,
             about="bfloat16 logits, an even teacher"),
        Case(name, "inputs_kept", good, about="what becomes of the inputs"),
        validation(name, "mask", (student, teacher, lengths[:, :1], *rest), good=good, about="a mask of one column"),
        validation(name, "rows", (student, teacher, lengths[:1], *rest), good=good, about="a mask of one row"),
        validation(name, "vocabulary", (student, teacher[..., :1], lengths, *rest), good=good,
                   about="different vocabularies"),
        validation(name, "positions", (student, teacher[:, :1], lengths, *rest), good=good,
                   about="different numbers of positions"),
    ]  # fmt: skip


def jensen_shannon_examples():
    name = "jensen_shannon"
    common = divergence_examples(name, 0.3)
    student, teacher, partly, _ = common[0].arguments
    good = (student, teacher, partly, 0.3)
    return [
        *common,
        gradient(name, "beta_half", (student, teacher, partly, 0.5), about="β = 0.5"),
        gradient(name, "forward_end", (student, teacher, partly, 0.0), about="β = 0"),
        gradient(name, "reverse_end", (student, teacher, partly, 1.0), about="β = 1"),
        validation(name, "beta_above", (student, teacher, partly, 1.2), good=good, about="β above 1"),
        validation(name, "beta_below", (student, teacher, partly, -0.2), good=good, about="β below 0"),
    ]


def jensen_shannon_cases(draw):
    name = "jensen_shannon"
    beta = draw.integer("beta", 15, 35) / 100
    common = divergence_cases(name, draw, beta)
    student, teacher, lengths, _ = common[0].arguments
    good = common[0].arguments
    return [
        *common,
        gradient(name, "beta_half", (student, teacher, lengths, 0.5), about="β = 0.5"),
        gradient(name, "much_teacher", (student, teacher, lengths, 1 - beta / 2), weight=2.0, about="a large β"),
        gradient(name, "little_teacher", (student, teacher, lengths, beta / 5), about="a small β"),
        gradient(name, "forward_end", (student, teacher, lengths, 0.0), weight=2.0, about="β = 0"),
        gradient(name, "reverse_end", (student, teacher, lengths, 1.0), weight=2.0, about="β = 1"),
        gradient(name, "whole_number", (student, teacher, lengths, 1), about="β = 1, a whole number"),
        validation(name, "beta_above", (student, teacher, lengths, 1.01), good=good, about="β above 1"),
        validation(name, "beta_below", (student, teacher, lengths, -0.01), good=good, about="β below 0"),
    ]


# ------------------------------------------------------------------------------------------------------ sample_rows


def drawn(name, arguments, *watch, about, weight=1.0, **options):
    return Case("sample_rows", name, arguments, observe="sampling", about=about, weight=weight, **FREQUENCY,
                options={"watch": list(watch), "vocabulary": V, **options})  # fmt: skip


def foretold(name, arguments, about, weight=1.0):
    return Case("sample_rows", name, arguments, observe="training", options={"watch": ["value", "mode"]}, about=about,
                weight=weight)  # fmt: skip


def sample_rows_from(draw, small):
    """Examples and cases alike. small: for the visible check, whose rows a person reads."""
    rows = 2 if small else 5
    start = prompts(draw("prompts"), rows, 2)
    one = prompts(draw("many"), 1, 3)
    drops = {"dropout": 1.0, "training": True}
    return [
        foretold("sure_student", (sure(draw("sure")), start, 3, generator(draw(1))), "a student that is sure", 2.0),
        foretold("arrives_training", (sure(draw("drops"), **drops), start, 4, generator(draw(2))),
                 "a student in train mode, dropout 1", 2.0),
        foretold("nothing_sampled", (sure(draw("none")), start, 0, generator(draw(3))), "no token to sample"),
        foretold("short_prompt", (sure(draw("short")), start[:, :1], 5, generator(draw(4))), "prompts of one token"),
        drawn("token_frequencies", (*telling_student(draw, "one", 1), 2, generator(draw(5))), "frequency", weight=3.0,
              repeat=ROWS, about="how often each token comes"),
        drawn("each_row_its_own", (gpt2(draw("own"), scale=0.3), one, 8, generator(draw(6))), "distinct", repeat=400,
              about="each row is drawn by itself"),
        drawn("generator_used", (gpt2(draw("rng"), scale=0.3), one, 6, generator(draw(7))), "generator", repeat=8,
              about="where the randomness comes from"),
        drawn("without_gradients", (gpt2(draw("grad"), scale=0.3, training=True), one, 3, generator(draw(8))),
              "gradients", repeat=4, about="how the student is called"),
    ]  # fmt: skip


def sample_rows_cases(draw):
    two = prompts(draw("two prompts"), 2, 2)
    resting = gpt2(draw("parts"), scale=0.3, training=True, resting_parts=["transformer.ln_f"])
    return [
        *sample_rows_from(draw, small=False),
        drawn("two_prompts", (*telling_student(draw, "two", 2), 2, generator(draw(9))), "frequency", weight=2.0,
              blocks=2, repeat=ROWS, about="different prompts"),
        drawn("noisy_student", (gpt2(draw("noisy"), scale=0.7, dropout=0.6, training=True), two[:1], 1,
                                generator(draw(10))), "frequency", repeat=ROWS,
              about="a student in train mode, with dropout"),
        Case("sample_rows", "mode_of_parts", (resting, two, 2, generator(draw(11))), observe="training",
             options={"watch": ["mode"]}, about="a student of which a part is in eval mode"),
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------- on_policy_step


def step_arguments(seed, start, length, *, rate=0.2, teacher=None, **settings):
    """The student is sure of what it samples, so all right answers score the same rows."""
    return (
        sure(seed, **({"training": True} | settings)),
        gpt2(seed + 1, **(teacher or {"dropout": 0.3, "frozen": True})),
        start,
        ModelSpec("sgd", of=0, learning_rate=rate),
        ModelSpec("divergence"),
        length,
        generator(seed),
    )


def step(name, arguments, *watch, about, steps=1, weight=1.0):
    options = {"watch": list(watch) or ["value"], "steps": steps}
    return Case("on_policy_step", name, arguments, observe="training", options=options, weight=weight, about=about)


def on_policy_step_from(draw):
    start = prompts(draw("prompts"), 3, 3)
    unfrozen = {"frozen": False}
    return [
        step("loss_returned", step_arguments(draw(1), start, 4), weight=2.0, about="the loss of one step"),
        step("one_token", step_arguments(draw(2), start, 1), about="one sampled token"),
        step("short_prompt", step_arguments(draw(3), start[:, :1], 5), about="prompts of one token"),
        step("weights_moved", step_arguments(draw(4), start, 4), "student", weight=3.0,
             about="the student's weights after one step"),
        step("three_steps", step_arguments(draw(5), start, 3, rate=0.05), "value", "student", steps=3, weight=2.0,
             about="three steps"),
        step("number_returned", step_arguments(draw(6), start, 2), "kind", about="a plain number is returned"),
        step("teacher_untouched", step_arguments(draw(7), start, 3, teacher=unfrozen), "teacher",
             about="what becomes of a teacher that is not frozen"),
        step("student_drops", step_arguments(draw(8), start, 3, dropout=1.0), "value", "mode", weight=2.0,
             about="a student in train mode with a dropout of 1"),
        step("student_rests", step_arguments(draw(9), start, 3, dropout=1.0, training=False), "value", "mode",
             about="a student in eval mode with a dropout of 1"),
    ]  # fmt: skip


def on_policy_step_cases(draw):
    many = prompts(draw("many"), 6, 2)
    return [
        *on_policy_step_from(draw),
        step("long_rows", step_arguments(draw(10), many, 9), "value", "student", about="more sampled tokens"),
        step("long_prompts", step_arguments(draw(11), prompts(draw("long"), 2, 6), 2), about="long prompts"),
        step("one_row", step_arguments(draw(12), many[:1], 4), "value", "student", about="a single row"),
    ]


# ----------------------------------------------------------------------------------------------------- mixed_batch


def mixture(name, arguments, *watch, about, weight=1.0, blocks=1, repeat=ROWS):
    options = {"watch": list(watch), "vocabulary": V, "blocks": blocks, "repeat": repeat}
    return Case("mixed_batch", name, arguments, observe="sampling", options=options,
                weight=weight, about=about, **FREQUENCY)  # fmt: skip


def mixed_batch_from(draw):
    own, given = prompts(draw("own"), 4, 3), prompts(draw("given"), 4, 3)
    ones, twos = torch.full((4, 2), 1), torch.full((4, 2), 2)
    places = torch.arange(4)[:, None].repeat(1, 2)  # each block of rows has tokens of its own
    share = draw.integer("share", 20, 35) / 100
    good = (own, given, 0.5, generator(1))
    return [
        Case("mixed_batch", "own_rows_only", (own, given, 1.0, generator(draw(1))), about="a share of 1"),
        Case("mixed_batch", "given_rows_only", (own, given, 0.0, generator(draw(2))), about="a share of 0"),
        mixture("share_of_own", (ones, twos, share, generator(draw(3))), "frequency", "distinct", weight=3.0, blocks=4,
                about="which rows come from whom, of many"),
        mixture("each_at_its_place", (places, 6 - places, share, generator(draw(4))), "frequency",
                blocks=4, weight=2.0, about="where a row stands"),
        mixture("generator_used", (ones, twos, 0.5, generator(draw(5))), "generator",
                repeat=16, about="where the randomness comes from"),
        validation("mixed_batch", "share_above", (own, given, 1.5, generator(1)), good=good, about="a share above 1"),
        validation("mixed_batch", "share_below", (own, given, -0.5, generator(1)), good=good, about="a share below 0"),
        validation("mixed_batch", "shapes", (own, given[:1], 0.5, generator(1)), good=good, about="different shapes"),
    ]  # fmt: skip


def mixed_batch_cases(draw):
    ones, twos = torch.full((4, 3), 1), torch.full((4, 3), 2)
    large = draw.integer("large", 60, 80) / 100
    return [
        *mixed_batch_from(draw),
        mixture("large_share", (ones, twos, large, generator(draw(6))), "frequency", "distinct", weight=2.0, blocks=4,
                about="a large share"),
    ]  # fmt: skip


# -------------------------------------------------------------------------------------------- first_impossible_word


def small_language(draw):
    """Who, does what, to whom, with weights that differ; verbs depend on who it is, and a story ends after the object.

    Tokens: 0 ends a text, 1 is unknown, then the words in alphabetical order.
    """
    first, second = draw.sample("words", ["cat", "dog", "fox", "hen"], 2)
    verbs = draw.sample("verbs", ["hid", "ran", "sat", "won"], 3)
    end = "<|endoftext|>"
    rules = [
        f"start {first} 2 one", f"start {second} 1 two", f"one {verbs[0]} 1 after", f"one {verbs[1]} 1 after",
        f"two {verbs[1]} 1 after", f"two {verbs[2]} 3 after", "after twice 1 end", f"after {end} 1 start",
        f"end {end} 1 start",
    ]  # fmt: skip
    words = sorted({first, second, *verbs, "twice"})
    token_of = {word: number + 2 for number, word in enumerate(words)} | {"end": 0}
    return ModelSpec("language", rules=rules), [
        [token_of[word] for word in story]
        for story in (
            (first, verbs[0], "end"), (second, verbs[2], "twice", "end"), (second, verbs[1], "end"),
            (first, verbs[1], "twice", "end"),
        )
    ], token_of, (first, second, verbs)  # fmt: skip


def story_rows(stories, count, length, seed):
    """Rows of stories one after another, each begun by the end-of-text token and cut at `length`."""
    source = torch.Generator().manual_seed(seed)
    rows = []
    for _ in range(count):
        row = [0]
        while len(row) < length:
            row += stories[int(torch.randint(len(stories), (1,), generator=source))]
        rows.append(row[:length])
    return torch.tensor(rows)


def language_from(draw, length):
    name = "first_impossible_word"
    language, stories, token_of, (first, second, verbs) = small_language(draw)
    legal = story_rows(stories, 4, length, draw("legal"))
    broken = legal.clone()
    broken[0, 1] = 1  # an unknown word at once
    broken[1, 2] = token_of[second]
    broken[2, length - 1] = 1
    twice = legal.clone()
    twice[0, [1, 3]], twice[1, [2, 4]] = 1, 1
    wrong_verb = legal.clone()
    wrong_verb[:, :3] = torch.tensor([0, token_of[first], token_of[verbs[2]]])  # a verb, but not of this animal
    ended = legal.clone()
    ended[:, :3] = torch.tensor([0, token_of[second], 0])  # a story that ends before its verb
    again = legal.clone()
    again[:, 1:4] = torch.tensor([0, token_of[first], token_of[verbs[0]]])  # an end of text where a story must begin
    return [
        Case(name, "legal_rows", (language, legal), about="rows of the language"),
        Case(name, "unknown_words", (language, broken), weight=2.0, about="rows with one impossible word"),
        Case(name, "several_wrong", (language, twice), about="rows with more than one impossible word"),
        Case(name, "wrong_verb", (language, wrong_verb), weight=2.0,
             about="words that are possible, but in another place"),
        Case(name, "ended_early", (language, ended), weight=2.0, about="a story that ends too early"),
        Case(name, "ended_at_once", (language, again), about="two ends of text in a row"),
        Case(name, "first_token_only", (language, legal[:, :1]), about="rows of one token"),
        validation(name, "begins_inside", (language, legal[:, 1:]), good=(language, legal),
                   about="rows that begin in another way"),
    ]  # fmt: skip


def first_impossible_word_cases(draw):
    name = "first_impossible_word"
    language, stories, _, _ = small_language(draw.within("longer"))
    rows = story_rows(stories, 12, 15, draw("longer rows"))
    source = torch.Generator().manual_seed(draw("places"))
    places = torch.randint(1, 15, (12,), generator=source)
    spoiled = rows.clone()
    spoiled[torch.arange(12), places] = 1
    noise = torch.randint(0, 8, (8, 10), generator=source)
    noise[:, 0] = 0
    return [
        *language_from(draw, 9),
        Case(name, "many_rows", (language, spoiled), weight=2.0, about="many rows, each with an unknown word"),
        Case(name, "random_words", (language, noise), weight=2.0, about="rows of random words"),
        Case(name, "one_row", (language, spoiled[:1]), about="a single row"),
        Case(name, "long_returned", (language, spoiled[:3]), observe="whole_numbers",
             about="whole numbers are returned"),
    ]


def examples():
    """The visible examples: their inputs and the right values go to students with the check."""
    draw = Draw(7)
    return [
        *divergence_examples("reverse_kl"),
        *jensen_shannon_examples(),
        *sample_rows_from(draw.within("sample_rows"), small=True),
        *on_policy_step_from(draw.within("on_policy_step")),
        *mixed_batch_from(draw.within("mixed_batch")),
        *language_from(draw.within("language"), 6),
    ]


def cases(seed):
    """The hidden cases that the judge runs, drawn from a run's seed."""
    draw = Draw(seed)
    return [
        *divergence_cases("reverse_kl", draw.within("reverse_kl")),
        *jensen_shannon_cases(draw.within("jensen_shannon")),
        *sample_rows_cases(draw.within("sample_rows")),
        *on_policy_step_cases(draw.within("on_policy_step")),
        *mixed_batch_cases(draw.within("mixed_batch")),
        *first_impossible_word_cases(draw.within("language")),
    ]
