"""Lab 08's visible examples and hidden cases.

Distributions come from random logits. Uniforms keep a distance from every threshold, so that rounding decides nothing.
A round in which the usual mistakes would give the same tokens tells nothing: such rounds are drawn again.
"""

import torch

from helpers.checks.fixtures import ModelSpec
from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw
from helpers.speculative import draw_token, residual, verify

FORBIDDEN = ("helpers.speculative",)  # it holds this lab's answers

VOCABULARY = 5
MARGIN = 0.02  # how far a uniform keeps from what it is compared with


# -------------------------------------------------------------------------------------------------------- builders


def distributions(seed, *shape, scale=1.0):
    """Random distributions over the vocabulary, `(…, V)`."""
    source = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(*shape, generator=source)).softmax(dim=-1)


def parts(seed, *shape):
    """Distributions with tenths, which a person can read: `(…, V)`, some of them 0."""
    source = torch.Generator().manual_seed(seed)
    places = torch.randint(shape[-1], (*shape[:-1], 10), generator=source)
    return torch.nn.functional.one_hot(places, shape[-1]).sum(dim=-2) / 10


def thousandths(probs):
    """Distributions `(N, V)` with three decimals, whose rest goes to the likeliest token."""
    rounded = probs.round(decimals=3)
    rest = 1 - rounded.sum(dim=-1, keepdim=True)
    return rounded.scatter_add(-1, rounded.argmax(dim=-1, keepdim=True), rest).round(decimals=3)


def a_round(seed, gamma, accepted):
    """p, q, drafted tokens and uniforms of a round in which so many drafted tokens are accepted.

    None if rounding could decide, or if a usual mistake would give the same tokens.
    """
    source = torch.Generator().manual_seed(seed)
    p = thousandths((1.2 * torch.randn(gamma + 1, VOCABULARY, generator=source)).softmax(dim=-1))
    q = thousandths((1.2 * torch.randn(gamma, VOCABULARY, generator=source)).softmax(dim=-1))
    drafted = torch.multinomial(q, 1, generator=source)[:, 0]
    uniforms = torch.randint(1, 100, (gamma + 1,), generator=source) / 100
    tokens = verify(p, q, drafted, uniforms)
    if len(tokens) - 1 != accepted or near(uniforms[:gamma] * q[range(gamma), drafted], p[range(gamma), drafted]):
        return None
    if accepted < gamma:
        last, other = residual(p[accepted], q[accepted]), p[accepted]
        wrong = [draw_token(other, uniforms[gamma]), draw_token(last, uniforms[accepted])]
    else:
        last = p[gamma]
        wrong = [draw_token(other, uniforms[gamma]) for other in (q[gamma - 1], p[gamma - 1])]
    wrong.append(last.argmax().view(1))
    if near(last.cumsum(dim=0), uniforms[gamma]) or any(torch.equal(tokens[-1:], token) for token in wrong):
        return None
    if accepted == 0 and torch.equal(*wrong[1:]):
        return None  # these two mistakes would look the same; it is enough that the early rejections tell them apart
    return p, q, drafted, uniforms


def impossible_round(seed):
    """A round whose first drafted token the target never gives, and whose first uniform is 0; None as in `a_round`."""
    drawn = a_round(seed, 3, 1)
    if drawn is None:
        return None
    p, q, drafted, uniforms = drawn
    p[0, drafted[0]] = 0
    p = thousandths(p)
    uniforms[0] = 0
    return None if near(residual(p[0], q[0]).cumsum(dim=0), uniforms[3]) else (p, q, drafted, uniforms)


def near(values, others):
    return bool(((values - others).abs() < MARGIN).any())


def telling_round(draw, label, make=a_round, **wanted):
    """The arguments of `verify` for the first draw that decides clearly and tells mistakes apart."""
    seed = draw.until(label, lambda attempt: attempt("seed"), lambda seed: make(seed, **wanted) is not None)
    return make(seed, **wanted)


def model(seed, smaller=1.0):
    return ModelSpec("gpt2", seed=seed, scale=1.2 * smaller)


def generator(seed):
    return ModelSpec("generator", seed=seed)


def prefix(seed, length):
    return torch.randint(1, 7, (length,), generator=torch.Generator().manual_seed(seed))


# --------------------------------------------------------------------------------------------------- the examples


def examples():
    """The visible examples: their inputs and the right values go to students with the check."""
    p, q, never = (torch.tensor(row) for row in ([0.5, 0.3, 0.2, 0.0], [0.1, 0.6, 0.2, 0.1], [0.0, 0.0, 0.2, 0.8]))
    two_p, two_q = torch.stack([p, q]), torch.stack([q, p])
    draw = Draw(8)
    one = (p, q[:3])
    return [
        Case("acceptance", "one_position", (p, q), about="one position"),
        Case("acceptance", "two_positions", (two_p, torch.stack([q, never])), about="two positions"),
        Case("acceptance", "p_is_q", (p, p), about="two equal distributions"),
        validation("acceptance", "shapes", one, good=(p, q), about="vocabularies that differ"),
        Case("residual", "one_position", (p, torch.tensor([0.2, 0.2, 0.5, 0.1])), about="one position"),
        Case("residual", "two_positions", (two_p, two_q), about="two positions"),
        Case("residual", "p_is_q", (torch.stack([p, q]), torch.stack([p, never])), about="two equal distributions"),
        validation("residual", "shapes", one, good=(p, q), about="vocabularies that differ"),
        *verify_cases(draw.within("verify")),
        Case("expected_tokens", "usual", (0.8, 4), about="a usual draft"),
        Case("expected_tokens", "always_accepted", (1.0, 3), about="a draft that is always accepted"),
        Case("expected_tokens", "never", (0.0, 3), about="a draft that is never accepted"),
        validation("expected_tokens", "above_one", (1.2, 3), good=(0.8, 4), about="an acceptance above 1"),
        Case("speed_up", "usual", (0.8, 4, 0.1), about="a draft that costs a tenth"),
        Case("speed_up", "no_cost", (0.6, 2, 0.0), about="a draft that costs nothing"),
        Case("speed_up", "dear", (0.6, 3, 0.5), about="a draft that costs half"),
        validation("speed_up", "cost", (0.8, 4, -0.1), good=(0.8, 4, 0.1), about="a cost below 0"),
        *speculate_cases(draw.within("speculate")),
    ]


# ------------------------------------------------------------------------------------------------ the hidden cases


def acceptance_cases(draw):
    name = "acceptance"
    p, q = distributions(draw(1), 4, 6), distributions(draw(2), 4, 6)
    return [
        Case(name, "one_position", (p[0], q[0]), about="one position"),
        Case(name, "many_positions", (p, q), weight=2.0, about="several positions"),
        Case(name, "sharp", (distributions(draw(3), 3, 7, scale=4), distributions(draw(4), 3, 7, scale=4)),
             about="sharp distributions"),
        Case(name, "zeros", (parts(draw(5), 3, 5), parts(draw(6), 3, 5)), about="probabilities of 0"),
        Case(name, "p_is_q", (p, p.clone()), about="equal distributions"),
        Case(name, "rows_of_positions", (distributions(draw(7), 2, 3, 5), distributions(draw(8), 2, 3, 5)),
             about="rows of positions"),
        Case(name, "more_rows", (distributions(draw(9), 4, 2, 6), distributions(draw(10), 4, 2, 6)),
             about="more rows of positions"),
        validation(name, "vocabularies", (p, q[:, :5]), good=(p, q), about="vocabularies that differ"),
        validation(name, "positions", (p, q[:3]), good=(p, q), about="numbers of positions that differ"),
    ]  # fmt: skip


def residual_cases(draw):
    name = "residual"
    p, q = distributions(draw(1), 4, 6), distributions(draw(2), 4, 6)
    some_equal = torch.stack([q[0], p[1], q[2], p[3]])
    return [
        Case(name, "one_position", (p[0], q[0]), about="one position"),
        Case(name, "many_positions", (p, q), weight=2.0, about="several positions"),
        Case(name, "zeros", (parts(draw(3), 3, 5), parts(draw(4), 3, 5)), about="probabilities of 0"),
        Case(name, "p_is_q", (p[0], p[0].clone()), about="equal distributions"),
        Case(name, "some_equal", (p, some_equal), weight=2.0, about="some positions equal, others not"),
        Case(name, "sharp", (distributions(draw(5), 3, 7, scale=4), distributions(draw(6), 3, 7, scale=4)),
             about="sharp distributions"),
        validation(name, "vocabularies", (p, q[:, :5]), good=(p, q), about="vocabularies that differ"),
        validation(name, "positions", (p, q[:3]), good=(p, q), about="numbers of positions that differ"),
    ]  # fmt: skip


def verify_cases(draw):
    name = "verify"

    def told(case, gamma, accepted, about, **options):
        return Case(name, case, telling_round(draw, case, gamma=gamma, accepted=accepted), about=about, **options)

    p, q, drafted, uniforms = telling_round(draw, "good", gamma=3, accepted=1)
    return [
        told("first_rejected", 3, 0, "the first drafted token rejected", weight=2.0),
        told("second_rejected", 3, 1, "a later drafted token rejected", weight=2.0),
        told("last_rejected", 3, 2, "the last drafted token rejected"),
        told("all_accepted", 3, 3, "all drafted tokens accepted", weight=2.0),
        told("one_drafted", 1, 0, "one drafted token"),
        told("five_drafted", 5, 3, "five drafted tokens"),
        Case(name, "nothing_drafted", (p[:1], q[:0], drafted[:0], uniforms[:1]), about="nothing drafted"),
        Case(name, "impossible_token", telling_round(draw, "impossible", impossible_round),
             about="a token that the target never gives, and a uniform of 0"),
        Case(name, "long_returned", (p, q, drafted, uniforms), observe="whole_numbers",
             about="tokens are whole numbers"),
        validation(name, "too_few_rows", (p[:3], q, drafted, uniforms), good=(p, q, drafted, uniforms),
                   about="p without its last row"),
        validation(name, "draft_long", (p, torch.cat([q, q[:1]]), drafted, uniforms), good=(p, q, drafted, uniforms),
                   about="a row of q too many"),
        validation(name, "too_few_uniforms", (p, q, drafted, uniforms[:3]), good=(p, q, drafted, uniforms),
                   about="too few uniforms"),
    ]  # fmt: skip


def expected_tokens_cases(draw):
    name = "expected_tokens"

    def share(label, low, high):
        return draw.integer(label, 100 * low, 100 * high) / 10_000

    good = (share("usual", 60, 90), draw.integer("gamma", 3, 6))
    return [
        Case(name, "usual", good, weight=2.0, about="a usual draft"),
        Case(name, "poor", (share("poor", 5, 30), draw.integer("gamma, poor", 2, 5)), about="a poor draft"),
        Case(
            name, "nearly_always", (share("nearly", 97, 99), draw.integer("gamma, nearly", 6, 9)), about="a good draft"
        ),
        Case(
            name, "always_accepted", (1.0, draw.integer("gamma, always", 2, 8)), about="a draft that is always accepted"
        ),
        Case(name, "never", (0.0, draw.integer("gamma, never", 2, 8)), about="a draft that is never accepted"),
        Case(name, "nothing_drafted", (share("nothing", 40, 80), 0), about="nothing drafted"),
        validation(name, "above_one", (1 + share("above", 1, 50), good[1]), good=good, about="an acceptance above 1"),
        validation(name, "below_zero", (-share("below", 1, 50), good[1]), good=good, about="an acceptance below 0"),
        validation(name, "gamma", (good[0], -1), good=good, about="fewer than no drafted tokens"),
    ]


def speed_up_cases(draw):
    name = "speed_up"

    def share(label, low, high):
        return draw.integer(label, 100 * low, 100 * high) / 10_000

    good = (share("usual", 60, 90), draw.integer("gamma", 3, 6), share("cost", 5, 30))
    return [
        Case(name, "usual", good, weight=2.0, about="a usual draft"),
        Case(name, "dear", (share("dear", 40, 60), draw.integer("gamma, dear", 3, 6), share("dear cost", 50, 80)),
             about="a draft that slows the target down"),
        Case(name, "no_cost", (share("free", 30, 60), draw.integer("gamma, free", 2, 5), 0.0),
             about="a draft that costs nothing"),
        Case(name, "always_accepted", (1.0, draw.integer("gamma, always", 2, 5), share("always", 10, 40)),
             about="a draft that is always accepted"),
        Case(name, "nothing_drafted", (share("nothing", 40, 80), 0, share("nothing cost", 10, 40)),
             about="nothing drafted"),
        validation(name, "cost", (*good[:2], -share("below", 1, 50)), good=good, about="a cost below 0"),
        validation(name, "acceptance", (1 + share("above", 1, 50), *good[1:]), good=good,
                   about="an acceptance above 1"),
        validation(name, "gamma", (good[0], -draw.integer("below 0", 1, 3), good[2]), good=good, about="γ below 0"),
    ]  # fmt: skip


def speculate_cases(draw):
    name = "speculate"

    def one(case, gamma, length, about, **options):
        models = model(draw(f"{case}, target")), model(draw(f"{case}, draft"))
        arguments = (*models, prefix(draw(f"{case}, prefix"), length), gamma, generator(draw(f"{case}, generator")))
        return Case(name, case, arguments, about=about, **options)

    def similar(case):
        """A draft with the target's weights, each a little smaller: most of what it proposes is accepted."""
        seed = draw(case)
        models = model(seed), model(seed, smaller=0.85)
        arguments = (*models, prefix(draw(f"{case}, prefix"), 4), 5, generator(draw(f"{case}, generator")))
        return Case(name, case, arguments, weight=2.0, about="a draft that is often right")

    same = draw("the same model")
    twice = (model(same), model(same), prefix(draw("same, prefix"), 5), 4, generator(draw("same")))
    return [
        *(one(f"round_{number}", 3, 4, "a round of three drafted tokens", weight=2.0) for number in (1, 2, 3)),
        *(similar(f"similar_draft_{number}") for number in (1, 2, 3)),
        one("one_drafted", 1, 3, "one drafted token"),
        one("nothing_drafted", 0, 3, "nothing drafted"),
        one("short_prefix", 4, 1, "a prefix of one token"),
        Case(name, "target_drafts", twice, about="the target as its own draft"),
    ]


def cases(seed):
    """The hidden cases that the judge runs, drawn from a run's seed."""
    draw = Draw(seed)
    made = (acceptance_cases, residual_cases, verify_cases, expected_tokens_cases, speed_up_cases, speculate_cases)
    return [case for make in made for case in make(draw.within(make.__name__.removesuffix("_cases")))]
