"""Read a teacher's reasoning: its answer, whether its steps hold, and whether a student should learn from it.

A *trace* is text. Each step is a line with words around one equation `A op B = C` of integers, op one of + - * /;
the last line is `#### N`, where N may be negative or have thousands commas. Nothing here knows how a problem was made:
a trace is judged by what it says. The functions are lab 05's exercises. The last line is GSM8K's, whose steps are
written more freely.
Source of the filter: Zelikman et al. 2022, "STaR: Bootstrapping Reasoning With Reasoning" (it checks the answer). The
steps are checked too, because a right answer can follow wrong steps.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from helpers.data.word_problems import Problem
from helpers.losses import IGNORE

_NUMBER = r"-?\d[\d,]{0,40}+"  # bounded, so that no text takes long
# The look-behind only saves time: a match that failed at a number's first digit fails at its second.
EQUATION = re.compile(rf"((?:-|(?<!\d))\d[\d,]{{0,40}}+) ([-+*/]) ({_NUMBER}) = ({_NUMBER})")
NUMBER = re.compile(_NUMBER)
ANSWER = re.compile(rf"\s*({_NUMBER})")
MAX_STEPS = 8
WORD = re.compile(r"\w+")
NUMBER_WORDS = {"half": 2, "twice": 2, "double": 2, "doubles": 2, "triple": 3, "triples": 3}

Equation = tuple[int, str, int, int]


def whole(text: str) -> int:
    """The whole number in a text that may have thousands commas."""
    return int(text.replace(",", ""))


def equations(trace: str) -> list[Equation]:
    """All equations of a trace, in order, as (A, op, B, C)."""
    return [(whole(a), op, whole(b), whole(c)) for a, op, b, c in EQUATION.findall(trace)]


def holds(equation: Equation) -> bool:
    """Is the equation true? A division must leave no remainder, and division by 0 is never true."""
    a, op, b, c = equation
    if op == "/":
        return b != 0 and a == b * c
    return c == {"+": a + b, "-": a - b, "*": a * b}[op]


def extract_answer(trace: str) -> int | None:
    """The number after the last `####`, or None if there is none."""
    _, marker, after = trace.rpartition("####")
    match = ANSWER.match(after) if marker else None
    return whole(match[1]) if match else None


def verify_steps(trace: str) -> bool:
    """Is there a step, and does every equation hold?"""
    steps = equations(trace)
    return bool(steps) and all(holds(step) for step in steps)


def keep_trace(problem: Problem, trace: str) -> bool:
    """Should a student learn from it? The answer is right, the steps hold, at most 8 steps, no equation twice."""
    steps = equations(trace)
    concise = len(steps) <= MAX_STEPS and len(set(steps)) == len(steps)
    return concise and extract_answer(trace) == problem["answer"] and verify_steps(trace)


def filter_traces(problems: Sequence[Problem], traces: Sequence[str]) -> list[tuple[Problem, str]]:
    """The pairs worth learning from, in order; the same trace of the same question is kept once.

    Args:
        problems: A problem for each trace; one that has several traces is repeated.
        traces: The traces, in the same order.

    Raises:
        ValueError: If the lengths differ.
    """
    kept: dict[tuple[str, str], tuple[Problem, str]] = {}
    for problem, trace in zip(problems, traces, strict=True):
        if keep_trace(problem, trace):
            kept.setdefault((problem["question"], trace), (problem, trace))
    return list(kept.values())


def compact(trace: str) -> str:
    """The equations, one a line, and the answer's line: the same reasoning in fewer tokens."""
    steps = [match[0] for match in EQUATION.finditer(trace)]
    answer = "####" + trace.rpartition("####")[2]
    return "\n".join([*steps, answer.strip()])


def make_example(problem: Problem, trace: str, tokenizer: PreTrainedTokenizerBase) -> tuple[Tensor, Tensor]:
    """What a student trains on: `input_ids` and `labels`, two 1-D tensors of the same length.

    The tokens are those of question, newline, trace and end of text, each tokenised separately. The labels are the
    same, with -100 over question and newline: the student learns to write the trace and to stop, not to ask.
    """
    question, newline, answer = (
        tokenizer(part, add_special_tokens=False)["input_ids"] for part in (problem["question"], "\n", trace)
    )
    prompt, target = question + newline, [*answer, tokenizer.eos_token_id]
    return torch.tensor(prompt + target), torch.tensor([IGNORE] * len(prompt) + target)


def grounded(problem: Problem, trace: str) -> bool:
    """Does every number that a step uses come from the question or from an earlier step?

    Number words such as "half" and "twice" count as the numbers that they mean.
    """
    question = problem["question"].lower()
    known = {whole(number) for number in NUMBER.findall(question)}
    known |= {NUMBER_WORDS[word] for word in WORD.findall(question) if word in NUMBER_WORDS}
    for a, _, b, c in equations(trace):
        if not {a, b} <= known:
            return False
        known.add(c)
    return True
