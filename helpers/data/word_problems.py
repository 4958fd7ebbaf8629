"""Word problems whose answer takes k steps, each of which needs the step before it, with worked solutions.

The tiny tier of lab 05 uses them: they are generated from a seed, their answers are exact, and k is their difficulty. A
problem is a mapping with `question` (text), `answer` (a whole number) and `steps` (k). A worked solution is a *trace*
in the format of GSM8K: each step is a line with one equation, and the last line is `#### N`.

    Ana has 7 apples. Monday brings 3. Tuesday makes it 2 times as many. How many apples now?

    Monday brings 3, so 7 + 3 = 10.
    Tuesday makes it 2 times as many, so 10 * 2 = 20.
    #### 20

Nothing here checks a trace: `helpers.reasoning.chain_of_thought` does, without knowing how a problem was made.
Source of the format: Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems" (GSM8K).
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from helpers.data.story_grammar import END

Problem = Mapping[str, Any]

UNKNOWN = "<|unknown|>"
MAX_NUMBER = 20  # no number in a problem or in its solution is larger
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
MAX_STEPS = len(DAYS)  # steps
NAMES = ("Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hugo", "Ines", "Jon")
THINGS = ("apples", "books", "cards", "coins", "eggs", "pens", "shells", "stamps")

# What happens to a pile, by operation, and how two people compare; stated in the question and again in the solution.
EVENTS = {
    "+": ("{day} brings {n}", "{day} adds {n} more"),
    "-": ("{day} takes {n}", "{day} costs {name} {n}"),
    "*": ("{day} makes it {n} times as many",),
    "/": ("{day} leaves one of {n} equal parts",),
}
COMPARISONS = {
    "+": ("{other} has {n} more than {name}",),
    "-": ("{other} has {n} fewer than {name}",),
    "*": ("{other} has {n} times as many as {name}",),
}
DISTRACTORS = ("the shop is {n} streets away", "it rained for {n} hours", "there are {n} chairs")


def make_problems(
    count: int,
    seed: int,
    steps: Sequence[int] = (1, 2, 3, 4, 5),
    *,
    distractors: float = 0.25,
    starts: tuple[int, int] = (3, 12),
) -> list[dict[str, Any]]:
    """`count` problems that cycle through the numbers of `steps`; the same seed gives the same problems.

    distractors: the share of problems with a sentence whose number does not matter. starts: the smallest and the
    largest number that a problem may begin with.
    Raises ValueError if a number of steps is not between 1 and `MAX_STEPS`.
    """
    return [problem for problem, _ in solved_problems(count, seed, steps, distractors=distractors, starts=starts)]


def solved_problems(
    count: int,
    seed: int,
    steps: Sequence[int] = (1, 2, 3, 4, 5),
    *,
    distractors: float = 0.25,
    starts: tuple[int, int] = (3, 12),
) -> list[tuple[dict[str, Any], str]]:
    """The problems of `make_problems`, each with a worked solution, as (problem, trace)."""
    if not steps or min(steps) < 1 or max(steps) > MAX_STEPS:
        raise ValueError(f"steps is {tuple(steps)}; each must be a number from 1 to {MAX_STEPS}")
    source = random.Random(seed)
    return [_solved(source, steps[index % len(steps)], distractors, starts) for index in range(count)]


def _solved(
    source: random.Random, steps: int, distractors: float, starts: tuple[int, int]
) -> tuple[dict[str, Any], str]:
    write = source.choice((_pile, _chain))
    names = source.sample(NAMES, steps + 2)
    sentences, question, lines, answer = write(source, source.randint(*starts), steps, names, source.choice(THINGS))
    if source.random() < distractors:
        extra = source.choice(DISTRACTORS).format(n=source.randint(2, 12))
        sentences.insert(source.randint(1, len(sentences)), extra)
    text = " ".join(_capital(sentence) + "." for sentence in sentences)
    problem = {"question": f"{text} {question}", "answer": answer, "steps": steps}
    return problem, "\n".join([*(_capital(line) + "." for line in lines), f"#### {answer}"])


def _pile(
    source: random.Random, amount: int, steps: int, names: list[str], things: str
) -> tuple[list[str], str, list[str], int]:
    """One pile, and what happens to it: sentences, question, the solution's lines, answer."""
    sentences, lines = [f"{names[0]} has {amount} {things}"], []
    for index in range(steps):
        sign, n = _operation(source, amount, EVENTS)
        event = source.choice(EVENTS[sign]).format(day=DAYS[index], name=names[0], n=n)
        sentences.append(event)
        equation, amount = _equation(amount, sign, n)
        lines.append(f"{event}, so {equation}")
    return sentences, f"How many {things} now?", lines, amount


def _chain(
    source: random.Random, amount: int, steps: int, names: list[str], things: str
) -> tuple[list[str], str, list[str], int]:
    """Several people, each compared with the one before; sometimes the last two are added up or compared."""
    amounts = [amount]
    sentences, lines = [f"{names[0]} has {amounts[0]} {things}"], []
    joined = steps > 1 and source.random() < 0.25
    for index in range(steps - joined):
        name, other = names[index], names[index + 1]
        sign, n = _operation(source, amounts[-1], COMPARISONS)
        said = source.choice(COMPARISONS[sign]).format(name=name, other=other, n=n)
        sentences.append(said)
        equation, amount = _equation(amounts[-1], sign, n)
        amounts.append(amount)
        lines.append(f"{said}, so {equation}")
    last, before = names[len(amounts) - 1], names[len(amounts) - 2]
    if not joined:
        return sentences, f"How many {things} does {last} have?", lines, amounts[-1]
    high, low = max(amounts[-2:]), min(amounts[-2:])
    if high + low <= MAX_NUMBER and source.random() < 0.5:
        lines.append(f"{before} and {last} have {amounts[-2]} + {amounts[-1]} = {high + low}")
        return sentences, f"How many {things} do {before} and {last} have together?", lines, high + low
    lines.append(f"the difference is {high} - {low} = {high - low}")
    return sentences, f"What is the difference between {before} and {last}?", lines, high - low


def _operation(source: random.Random, amount: int, signs: Iterable[str]) -> tuple[str, int]:
    """An operation on `amount` and its second number, with a whole result from 1 to `MAX_NUMBER`."""
    possible = [("+", n) for n in range(2, 10) if amount + n <= MAX_NUMBER]
    possible += [("-", n) for n in range(2, 10) if amount - n >= 1]
    rare = [("*", n) for n in (2, 3) if amount * n <= MAX_NUMBER]
    rare += [("/", n) for n in (2, 3) if "/" in signs and amount % n == 0 and amount > n]
    return source.choice(rare) if rare and source.random() < 0.35 else source.choice(possible)


def _equation(amount: int, sign: str, n: int) -> tuple[str, int]:
    result = {"+": amount + n, "-": amount - n, "*": amount * n, "/": amount // n}[sign]
    return f"{amount} {sign} {n} = {result}", result


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def vocabulary() -> list[str]:
    """Every token of problems and solutions: end of text, unknown, newline, numbers, signs, words."""
    templates = [text for texts in (*EVENTS.values(), *COMPARISONS.values(), DISTRACTORS) for text in texts]
    fixed = [
        "has . , so How many now? does have? do and have together? What is the difference between",
    ]
    texts = templates + [_capital(text) for text in templates] + fixed
    words = {word for text in texts for word in _pieces(text.replace("{", " ").replace("}", " "))}
    words -= {"name", "other", "day", "n"}
    numbers = [str(number) for number in range(100)]
    signs = ["####", "+", "-", "*", "/", "="]
    return [END, UNKNOWN, "\n", *numbers, *signs, *sorted((words | set(NAMES) | set(THINGS) | set(DAYS)) - set(signs))]


PATTERN = r"\n|####|\w+|[^\w\s]"


def _pieces(text: str) -> list[str]:
    return [piece for piece, _ in pre_tokenizers.Split(Regex(PATTERN), "removed", invert=True).pre_tokenize_str(text)]


def problem_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer for words, signs, whole numbers up to 99 and newlines. Padding and end of text share one token."""
    core = Tokenizer(WordLevel({word: token for token, word in enumerate(vocabulary())}, unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERN), behavior="removed", invert=True)
    core.decoder = decoders.Sequence(
        [decoders.WordPiece(prefix="\0"), decoders.Fuse(), decoders.Replace(Regex(r" ?\n ?"), "\n")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=END, pad_token=END, unk_token=UNKNOWN, padding_side="right"
    )
