"""Lab 06's visible examples and hidden cases.

Coroutines get a scripted `send` and a virtual clock (`helpers.checks.coroutines`), so that calls, waits and the number
in flight are exact. Scripts, delays and numbers come from the run's seed.
"""

import torch

from helpers.checks.fixtures import ModelSpec
from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

FORBIDDEN = ("helpers.api.client", "helpers.top_k_loss", "helpers.lora")  # they hold this lab's answers

SLEEP = ModelSpec("sleep")
TOPICS = ("a rainy day", "the beach", "a kite", "two friends", "a lost key", "the old bakery", "a loud noise")


# ------------------------------------------------------------------------------------------------------- request_key


def chat(content, **others):
    """A request with one message, its keys in the usual order."""
    return {"model": "tiny-teacher", "messages": [{"role": "user", "content": content}], **others}


def turned(request):
    """The same request with the keys of every mapping in the opposite order."""
    if isinstance(request, dict):
        return {key: turned(request[key]) for key in reversed(request)}
    return [turned(item) for item in request] if isinstance(request, list) else request


def grouping(name, requests, about, **options):
    return Case("request_key", name, (requests,), observe="grouping", about=about, **options)


def request_key_examples():
    base = chat("Tell a story.", temperature=0.5, seed=1, max_tokens=60)
    return [
        grouping("outer_order", [{"seed": 1, "n": 2}, {"n": 2, "seed": 1}], "the order of the keys"),
        grouping("order", [base, turned(base), dict(base)], "the order of the keys, in the messages too"),
        grouping(
            "one_thing_differs",
            [base, {**base, "temperature": 0.7}, {**base, "seed": 2}, {**base, "max_tokens": 61},
             {**base, "model": "other"}, chat("Tell a Story.", temperature=0.5, seed=1, max_tokens=60),
             chat("Tell a story. ", temperature=0.5, seed=1, max_tokens=60), {**base, "n": 2}],
            "requests that differ in one thing",
        ),
        grouping(
            "messages",
            [
                {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}]},
                {"messages": [{"role": "user", "content": "Hi."}, {"role": "system", "content": "Be brief."}]},
                {"messages": [{"role": "user", "content": "Hi."}]},
                {"messages": [{"role": "system", "content": "Hi."}, {"role": "user", "content": "Be brief."}]},
            ],
            "messages that differ in order, number or role",
        ),
        grouping("shifted", [{"seed": 1, "n": 23}, {"seed": 12, "n": 3}, {"n": 1, "seed": 23}, {"seed": 1, "k": 23}],
                 "the same digits in other places"),
        grouping("many", [{"seed": number} for number in range(1, 41)], "forty seeds"),
    ]  # fmt: skip


def request_key_cases(draw):
    topics = draw.sample("topics", TOPICS, 3)
    seed, length = draw.integer("seed", 3, 900), draw.integer("length", 20, 90)
    temperature = draw.integer("temperature", 2, 9) / 10
    base = chat(f"Write about {topics[0]}.", temperature=temperature, seed=seed, max_tokens=length)
    other = chat(f"Write about {topics[1]}.", temperature=temperature, seed=seed, max_tokens=length)
    system, user = {"role": "system", "content": topics[2]}, {"role": "user", "content": topics[0]}
    deep = {**base, "response_format": {"type": "json", "schema": {"a": seed, "b": {"c": length, "d": [1, 2]}}}}
    flat = {"prompt": topics[1], "seed": seed, "n": length}
    return [
        grouping("outer_order", [flat, turned(flat)], "the order of the outer keys"),
        grouping("all_keys_turned", [base, other, turned(base), turned(other)], "the order of all keys", weight=2.0),
        grouping(
            "one_thing_differs",
            [base, {**base, "temperature": temperature + 0.05}, {**base, "seed": seed + 1}, {**base, "model": "m"},
             {**base, "max_tokens": length + 1}, {**base, "stop": ["."]}, {**base, "n": 2}, other],
            "requests that differ in one thing",
            weight=2.0,
        ),
        grouping(
            "small_changes_of_text",
            [base, chat(f"Write about {topics[0]}. ", temperature=temperature, seed=seed, max_tokens=length),
             chat(f"write about {topics[0]}.", temperature=temperature, seed=seed, max_tokens=length)],
            "text that differs in a space or a capital letter",
        ),
        grouping(
            "other_messages",
            [{"messages": [system, user]}, {"messages": [user, system]}, {"messages": [user]},
             turned({"messages": [system, user]}),
             {"messages": [{**system, "role": "user"}, {**user, "role": "system"}]}],
            "messages that differ in order, number or role",
            weight=2.0,
        ),
        grouping("deeply_nested", [deep, turned(deep), {**deep, "seed": seed + 1}, base], "mappings inside mappings"),
        grouping("shifted", [{"seed": seed, "n": 12}, {"seed": int(f"2{seed}"), "n": 1}, {"n": seed, "seed": 12}],
                 "the same digits in other places"),
        grouping("types", [{"seed": seed}, {"seed": str(seed)}, {"seed": [seed]}, {"seed": None}, {}],
                 "a number, a text, a list and nothing"),
        grouping("hundreds_of_requests", [{"seed": seed + number} for number in range(300)], "hundreds of requests"),
        grouping("accents", [chat(f"{name}, {topics[1]}") for name in ("caf\u00e9", "cafe", "caf\u00e9")],
                 "letters with accents"),
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- ask


def reply(after, text):
    return {"after": after, "reply": text}


def failure(after, status, retry_after=None):
    return {"after": after, "status": status, "retry_after": retry_after}


def time_out(after):
    return {"after": after, "fails": "timeout"}


def asking(name, outcomes, attempts, about, request=None, **options):
    """`ask` with one request that meets these outcomes, one after the other."""
    request = request or {"seed": 1}
    watch = {"watch": ["calls", "waits", "finished at"]}
    arguments = (ModelSpec("send", script=[[request, outcomes]]), request, attempts, SLEEP)
    return Case("ask", name, arguments, observe="coroutine", about=about, options=watch, **options)


def ask_examples():
    good = reply(0.5, "a story")
    return [
        asking("at_once", [good], 3, "a reply at once"),
        asking("retry_after", [failure(1.0, 429, 7.0), good], 3, "status 429 that says when to come back"),
        asking("backs_off", [*[failure(1.0, 429)] * 3, good], 5, "status 429, three times"),
        asking("told_at_once", [failure(1.0, 500), failure(1.0, 429, 0.0), failure(1.0, 503), good], 5,
               "several failures; one says to come back after 0 seconds"),
        asking("times_out", [time_out(4.0), good], 2, "a time-out"),
        asking("bad_request", [failure(0.5, 400), good], 3, "status 400, which will not pass"),
        asking("out_of_attempts", [failure(1.0, 500), time_out(1.0), failure(0.5, 429, 2.0), good], 3,
               "as many failures as attempts"),
    ]  # fmt: skip


def ask_cases(draw):
    def after(label):
        return draw.integer(label, 1, 12) / 4

    request = chat(f"Write about {draw.choice('topic', TOPICS)}.", seed=draw.integer("seed", 1, 999))
    good = reply(after("good"), f"story {draw.integer('story', 1, 999)}")
    told, server = draw.integer("told", 9, 40) / 2, draw.choice("server", (500, 502, 503, 504, 529))
    other = draw.choice("other", (400, 401, 403, 404, 422))

    def case(name, outcomes, attempts, about, **options):
        return asking(name, outcomes, attempts, about, request, **options)

    return [
        case("at_once", [good], draw.integer("attempts", 2, 5), "a reply at once"),
        case("told_when", [failure(after(1), 429, told), good], 3, "429 with Retry-After", weight=2.0),
        case("backs_off", [failure(after(n), 429) for n in range(4)] + [good], 6, "429 without it", weight=2.0),
        case("server_fails", [failure(after(5), server), failure(after(6), server), good], 4, "failures of the server"),
        case("server_tells", [failure(after(7), 503, told + 1), good], 2, "a failure of the server with Retry-After"),
        case("told_zero", [failure(after(8), 429), failure(after(9), 429, 0.0), failure(after(10), 429), good], 4,
             "Retry-After of 0 seconds among others"),
        case("told_less", [failure(after(11), 500), failure(after(12), 500), failure(after(13), 429, 0.25), good], 5,
             "Retry-After that is shorter than the waits before it"),
        case("times_out", [time_out(after(14)), time_out(after(15)), good], 3, "time-outs", weight=2.0),
        case("other_errors", [failure(after(16), other), good], 4, "an error that will not pass", weight=2.0),
        case("other_after_some", [failure(after(17), 429), failure(after(18), other), good], 4,
             "an error that will not pass, after one that may"),
        case("edge_of_the_range", [failure(after(19), 499), good], 3, "a status just below 500"),
        case("end_of_the_range", [failure(after(26), 599), good], 3, "a status just below 600"),
        case("out_of_attempts", [failure(after(20), 429, told), failure(after(21), server), time_out(after(22)), good],
             3, "as many failures as attempts", weight=2.0),
        case("lone_attempt", [failure(after(23), 429, told), good], 1, "one attempt only"),
        case("last_attempt", [time_out(after(24)), failure(after(25), 500), good], 3, "success at the last attempt"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ ask_all


def asking_all(name, script, limit, about, **options):
    """`ask_all` with the requests of the script, in its order; a request may stand there twice."""
    requests, known = [request for request, _ in script], []
    for request, outcomes in script:
        if all(request != earlier for earlier, _ in known):
            known.append([request, outcomes])
    watch = {"watch": ["calls", "most in flight", "finished at"]}
    arguments = (ModelSpec("send", script=known), requests, limit)
    return Case("ask_all", name, arguments, observe="coroutine", about=about, options=watch, **options)


def numbered(*outcomes, first=1):
    return [[{"seed": number}, [outcome]] for number, outcome in enumerate(outcomes, first)]


def ask_all_examples():
    out_of_order = numbered(reply(4.0, "first"), reply(1.0, "second"), reply(2.5, "third"), reply(0.5, "fourth"))
    twice = {"seed": 9}
    return [
        asking_all("out_of_order", out_of_order, 2, "replies that come out of order, two in flight"),
        asking_all("enough_room", out_of_order, 10, "a limit above the number of requests"),
        asking_all("alone", out_of_order[:3], 1, "one in flight"),
        asking_all(
            "one_fails",
            numbered(reply(1.0, "first"), failure(0.5, 400), reply(1.5, "third"), reply(0.25, "fourth")),
            2,
            "a request that fails",
        ),
        asking_all(
            "never_comes",
            numbered(reply(1.0, "first"), {"never": True}, reply(0.5, "third"), reply(0.75, "fourth")),
            2,
            "a reply that never comes: the other requests are sent all the same",
        ),
        asking_all("twice", [[twice, [reply(1.0, "one"), reply(2.0, "two")]]] * 2, 2, "the same request twice"),
        asking_all("nothing", [], 3, "no request at all"),
    ]


def ask_all_cases(draw):
    def many(label, count, fails=(), never=()):
        """Replies after different times, so that no two events fall together."""
        times = draw.sample(f"{label} times", range(3, 200), count)
        seeds = draw.sample(f"{label} seeds", range(1, 900), count)
        outcomes = [
            {"never": True} if place in never
            else fails[place](time / 8) if place in fails
            else reply(time / 8, f"{label} {seed}")
            for place, (time, seed) in enumerate(zip(times, seeds, strict=True))
        ]  # fmt: skip
        return [[{"seed": seed}, [outcome]] for seed, outcome in zip(seeds, outcomes, strict=True)]

    rejected, late = lambda after: failure(after, 400), time_out
    first = many("first", 9)
    repeated = many("again", 5)
    repeated[3] = repeated[1] = [repeated[1][0], [*repeated[1][1], reply(draw.integer("again", 1, 9) / 16, "again")]]
    return [
        asking_all("out_of_order", first, 3, "replies out of order", weight=2.0),
        asking_all("another_limit", first, 4, "the same with another limit", weight=2.0),
        asking_all("lone_place", many("alone", 4), 1, "one in flight"),
        asking_all("enough_room", many("room", 6), 50, "a limit above the number of requests"),
        asking_all("one_fails", many("fails", 7, {draw.integer("which", 0, 3): rejected}), 3, "a request that fails",
                   weight=2.0),
        asking_all("several_fail", many("several", 8, {0: late, 2: rejected, 7: rejected}), 3, "several that fail"),
        asking_all("all_fail", many("all", 4, dict.fromkeys(range(4), late)), 2, "nothing but failures"),
        asking_all("never_comes", many("never", 7, never=(draw.integer("never", 0, 2),)), 3,
                   "a reply that never comes", weight=2.0),
        asking_all("sent_twice", repeated, 2, "the same request twice"),
        asking_all("lone_request", many("lone", 1), 3, "one request"),
        Case("ask_all", "no_requests", (ModelSpec("send", script=[[{"seed": draw.integer("nothing", 1, 99)}, []]]),
             [], 2),
             observe="coroutine", about="no request at all", options={"watch": ["calls", "most in flight"]}),
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------------- keep_reply


def answer(text, finish_reason="stop", refusal=None):
    return {"text": text, "finish_reason": finish_reason, "refusal": refusal}


def keeping(name, replies, about, **options):
    return Case("keep_reply", name, (replies,), observe="each", about=about, **options)


def keep_reply_examples():
    return [
        keeping("ended", [answer("One day, Mia found a kite."), answer("One day, Mia", "length"),
                          answer("One day, Mia found", "content_filter"), answer("One day", None)],
                "how the reply ended"),
        keeping("empty", [answer(""), answer(" \n"), answer(None), answer("Hi.")], "empty replies"),
        keeping("refused", [answer(None, refusal="I can only tell stories."), answer("I’m sorry, I cannot do that."),
                            answer("  I can't help with that."), answer("As an AI, I have no pets."),
                            answer("I CANNOT say."), answer("Tom said: I'm sorry."), answer("Asan aimed.")],
                "refusals, and texts that only look like one"),
        keeping("both", [answer("I'm sorry", "length"), answer("A story.", "stop", ""), answer("x")],
                "more than one reason, and an empty refusal"),
    ]  # fmt: skip


def keep_reply_cases(draw):
    topics = draw.sample("topics", TOPICS, 4)
    stories = [f"A story about {topic}." for topic in topics]
    openings = draw.shuffled("refusals", "I’m sorry, but", "I cannot write", "I can’t write", "As an AI model,")
    order = [
        answer(stories[0]), answer(stories[1], "length"), answer(stories[2], "content_filter"),
        answer(stories[3], "tool_calls"),
    ]  # fmt: skip
    empty = [answer(""), answer("  "), answer(None), answer(stories[0]), answer("\n\t")]
    return [
        keeping("ways_to_end", draw.shuffled("ended", *order), "how the reply ended", weight=2.0),
        keeping("empty_texts", draw.shuffled("empty", *empty), "empty replies", weight=2.0),
        keeping("flagged", draw.shuffled("flagged", answer(None, refusal=stories[1]), answer(stories[2]),
                                         answer(stories[1], refusal="No."), answer(stories[3], refusal="")),
                "refusals that the API marks", weight=2.0),
        keeping("refused", [answer(f"{opening} about {topics[0]}.") for opening in openings] + [answer(stories[1])],
                "refusals in the text", weight=2.0),
        keeping("refused_in_capitals", [answer(f"{openings[0].upper()} {topics[1]}"), answer(f"\n {openings[1]} that."),
                                        answer(stories[2].upper())],
                "refusals in other letters, after a blank"),
        keeping("said_by_somebody", [answer(f"{topics[2]}: {opening} no more.") for opening in openings],
                "the same words inside a story"),
        keeping("short_texts", draw.shuffled("short", answer("."), answer(topics[3][0]), answer("Hi", "length"),
             answer("0")),
                "very short replies"),
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- cost


def usage(read, written):
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def cost_examples():
    name = "cost"
    return [
        Case(name, "one_reply", ([usage(1000, 200)], 2.5, 10.0), absolute=1e-9, about="one reply"),
        Case(name, "several", ([usage(1000, 200), usage(40, 1800), usage(7, 0)], 0.5, 1.5), absolute=1e-9,
             about="several replies"),
        Case(name, "nothing", ([], 2.5, 10.0), absolute=1e-9, about="no reply"),
    ]  # fmt: skip


def cost_cases(draw):
    name = "cost"

    def usages(label, count):
        return [
            usage(draw.integer(f"{label} read {n}", 5, 4000), draw.integer(f"{label} written {n}", 1, 900))
            for n in range(count)
        ]

    cheap, dear = draw.integer("cheap", 1, 20) / 8, draw.integer("dear", 30, 120) / 8
    return [
        Case(name, "one_reply", (usages("one", 1), cheap, dear), absolute=1e-9, about="one reply"),
        Case(name, "several", (usages("several", 5), cheap, dear), absolute=1e-9, weight=2.0, about="several replies"),
        Case(name, "hundreds", (usages("many", 200), cheap, dear), absolute=1e-9, about="hundreds of replies"),
        Case(name, "dear_to_read", (usages("dear", 4), dear, cheap), absolute=1e-9,
             about="reading that costs more than writing"),
        Case(name, "free_to_read", (usages("free", 3), 0.0, dear), absolute=1e-9, about="reading that costs nothing"),
        Case(name, "no_replies", ([], cheap, dear), absolute=1e-9, about="no reply"),
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- top_k_loss


def top_k(seed, shape, k, vocabulary, sharp=2.0, share=0.75):
    """The k largest of random log-probabilities, their tokens in shuffled order of size, logits and a mask."""
    source = torch.Generator().manual_seed(seed)
    teacher = (sharp * torch.randn(*shape, vocabulary, generator=source)).log_softmax(dim=-1)
    values, ids = teacher.topk(k, dim=-1)
    logits = 2 * torch.randn(*shape, vocabulary, generator=source)
    mask = torch.rand(shape, generator=source) < share
    mask[0, 0] = True
    if mask.numel() > 1:
        mask[-1, -1] = False
    return values, ids, logits, mask


def loss_case(name, arguments, about, tail=None, **options):
    arguments = arguments if tail is None else (*arguments, tail)
    return Case("top_k_loss", name, arguments, observe="gradient", about=about, options={"of": [2]}, **options)


def rounded(arguments):
    """The same with short numbers; values are cut off, so that no probabilities sum to more than 1."""
    values, ids, logits, mask = arguments
    return torch.floor(values * 100) / 100, ids, torch.round(logits * 100) / 100, mask


def raised(arguments):
    """The same with values rounded up to fifths, at most 0: together their probabilities may exceed 1."""
    values, *rest = arguments
    return (torch.ceil(values * 5) / 5).clamp(max=0), *rest


def top_k_loss_examples():
    by_hand = (
        torch.tensor([[[-0.693, -1.609]]]), torch.tensor([[[2, 0]]]), torch.tensor([[[1.0, 0.0, 2.0, 0.0, -1.0]]]),
        torch.tensor([[True]]),
    )  # fmt: skip
    some = rounded(top_k(61, (2, 3), 2, 6))
    values, ids, logits, mask = rounded(top_k(62, (1, 3), 3, 3))
    padded = (values.index_fill(1, torch.tensor([2]), 0.0), ids.index_fill(1, torch.tensor([2]), 0), logits,
              torch.tensor([[True, True, False]]))  # fmt: skip
    return [
        loss_case("by_hand", by_hand, "one position, to follow by hand"),
        loss_case("by_hand_renormalised", by_hand, "the same without the rest", False),
        loss_case("some", some, "two rows, some positions do not count"),
        loss_case("some_renormalised", some, "the same without the rest", False),
        loss_case("everything_is_listed", padded, "all tokens are listed, so that no rest is left; padding at the end"),
        loss_case("nothing_counts", (*some[:3], torch.zeros(2, 3, dtype=torch.bool)), "no position counts"),
        validation("top_k_loss", "shapes", (some[0][..., :1], *some[1:]), good=some,
                   about="values and ids that differ"),
        validation("top_k_loss", "mask", (*some[:3], some[3][:, :1]), good=some, about="a mask that broadcasts"),
    ]  # fmt: skip


def top_k_loss_cases(draw):
    some = top_k(draw("some"), (3, 5), 4, 11)
    good = top_k(draw("good"), (2, 4), 3, 9)
    whole = top_k(draw("whole"), (2, 3), 6, 6)
    values, ids, logits, mask = top_k(draw("unsorted"), (2, 4), 4, 9)
    order = torch.tensor(draw.shuffled("order", 0, 1, 2, 3))
    integer_mask = (*good[:3], good[3].long())
    filled = [part.clone() for part in good]
    filled[0][~good[3]], filled[1][~good[3]] = 0.0, 0
    return [
        loss_case("some_count", some, "some positions do not count", weight=2.0),
        loss_case("some_renormalised", some, "the same without the rest", False, weight=2.0),
        loss_case("told_in_words", some, "the rest asked for by name", True),
        loss_case("lone_value", top_k(draw("lone"), (2, 4), 1, 8), "one log-probability for each token"),
        loss_case("lone_value_renormalised", top_k(draw("lone too"), (2, 4), 1, 8), "the same without the rest", False),
        loss_case("everything_is_listed", whole, "all tokens listed", weight=2.0),
        loss_case("sure_teacher", top_k(draw("sure"), (2, 3), 3, 9, sharp=60.0), "a teacher that is sure"),
        loss_case("rounded_values", raised(top_k(draw("raised"), (2, 4), 5, 6)),
                  "probabilities that sum to more than 1 because they are rounded"),
        loss_case("large_logits", (*good[:2], good[2] * 40, good[3]), "a student with large logits"),
        loss_case("unsorted", (values[..., order], ids[..., order], logits, mask), "values in another order"),
        loss_case("padding", tuple(filled), "padding that holds zeros", weight=2.0),
        loss_case("padding_renormalised", tuple(filled), "the same without the rest", False),
        loss_case("integer_mask", integer_mask, "a mask of 0 and 1"),
        loss_case("nothing_counts", (*good[:3], torch.zeros_like(good[3])), "no position counts"),
        loss_case("double_precision", (good[0].double(), good[1], good[2].double(), good[3]), "float64"),
        validation("top_k_loss", "shapes", (good[0][..., :2], *good[1:]), good=good,
                   about="values and ids that differ"),
        validation("top_k_loss", "mask", (*good[:3], good[3][:, :1]), good=good, about="a mask that broadcasts"),
        validation("top_k_loss", "logits", (*good[:2], good[2][:, :-1], good[3]), good=good,
                   about="logits that are short"),
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- LoRALinear


def numbers(seed, *shape, dtype=torch.float64):
    steps = torch.randint(-2000, 2001, shape, generator=torch.Generator().manual_seed(seed))
    return (steps.double() / 1000).to(dtype)


def adapting(name, watch, construct, x, about, **options):
    settings = {"construct": construct, "watch": watch}
    return Case("LoRALinear", name, (x,), observe="adapter", about=about, options=settings, **options)


def layer(seed, inputs, outputs, **settings):
    return ModelSpec("linear", seed=seed, inputs=inputs, outputs=outputs, **settings)


def lora_examples():
    wide, square = layer(71, 4, 3, dtype="float64"), layer(72, 4, 4, dtype="float64")
    x = numbers(73, 2, 4)
    return [
        adapting("at_first", ["start"], (wide, 2, 6.0), x, "as built: equal to the layer, and what is trained"),
        adapting("trained", ["trained"], (wide, 2, 6.0), x, "with numbers in A and B"),
        adapting("merged", ["merged"], (wide, 2, 6.0), x, "merged"),
        adapting("square", ["trained", "merged"], (square, 2, 1.0), x, "a square layer, and alpha below rank"),
        adapting("no_bias", ["start", "trained", "merged"], (layer(74, 4, 3, bias=False, dtype="float64"), 1, 2.0), x,
                 "a layer without bias, rank 1"),
    ]  # fmt: skip


def lora_cases(draw):
    def some(label, inputs, outputs, **settings):
        return layer(draw(label), inputs, outputs, **settings)

    def inputs(label, *shape, dtype=torch.float32):
        return numbers(draw(f"{label}, x"), *shape, dtype=dtype)

    alpha = draw.integer("alpha", 5, 31) / 2
    return [
        adapting("at_first", ["start"], (some("first", 6, 5), 3, alpha), inputs("first", 4, 6), "as built", weight=2.0),
        adapting("with_numbers", ["trained"], (some("some", 6, 5), 3, alpha), inputs("some", 4, 6),
                 "with numbers in A and B", weight=2.0),
        adapting("put_together", ["merged"], (some("merged", 7, 4), 2, alpha), inputs("merged", 3, 7), "merged",
             weight=2.0),
        adapting("square", ["trained", "merged"], (some("square", 5, 5), 2, alpha), inputs("square", 3, 5),
                 "a square layer"),
        adapting("no_bias", ["start", "trained", "merged"], (some("bare", 5, 3, bias=False), 2, alpha),
                 inputs("bare", 2, 5), "a layer without bias"),
        adapting("rank_one", ["start", "trained", "merged"], (some("one", 4, 6), 1, alpha), inputs("one", 2, 4),
                 "rank 1"),
        adapting("batch_of_rows", ["trained", "merged"], (some("rows", 4, 3), 2, alpha), inputs("rows", 2, 3, 4),
                 "input of shape (B, S, in)"),
        adapting("one_vector", ["trained"], (some("vector", 6, 4), 2, alpha), inputs("vector", 6), "one vector"),
        adapting("double_precision", ["start", "trained", "merged"], (some("double", 5, 4, dtype="float64"), 3, alpha),
                 inputs("double", 2, 5, dtype=torch.float64), "float64"),
        adapting("higher_alpha", ["trained", "merged"], (some("higher", 5, 4), 2, 4 * alpha), inputs("higher", 2, 5),
                 "a larger alpha"),
    ]  # fmt: skip


def examples():
    """The visible examples: their inputs and the right values go to students with the check."""
    return [
        *request_key_examples(), *ask_examples(), *ask_all_examples(), *keep_reply_examples(), *cost_examples(),
        *top_k_loss_examples(), *lora_examples(),
    ]  # fmt: skip


def cases(seed):
    """The hidden cases that the judge runs, drawn from a run's seed."""
    draw = Draw(seed)
    return [
        *request_key_cases(draw.within("request_key")),
        *ask_cases(draw.within("ask")),
        *ask_all_cases(draw.within("ask_all")),
        *keep_reply_cases(draw.within("keep_reply")),
        *cost_cases(draw.within("cost")),
        *top_k_loss_cases(draw.within("top_k_loss")),
        *lora_cases(draw.within("LoRALinear")),
    ]
