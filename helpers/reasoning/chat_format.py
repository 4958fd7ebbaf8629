"""Problems and answers as chat models read and write them: GSM8K's files, chat prompts, answers in free text."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from transformers import PreTrainedTokenizerBase

from helpers.data.word_problems import Problem
from helpers.losses import IGNORE
from helpers.reasoning.fine_tuning import Example

_NUMBER = r"(-?\d[\d,]*+(?:\.\d+)?)"
_MARKED = re.compile(rf"####[^\d\n-]{{0,100}}+{_NUMBER}")  # bounded, so that no text takes long
_BOXED = re.compile(rf"\\boxed\{{[^\d}}-]{{0,100}}+{_NUMBER}")
_ANY_NUMBER = re.compile(rf"(?<![\w.]){_NUMBER}")
_CALCULATION = re.compile(r"<<[^<>]*+>>")
_ANSWER_LINE = re.compile(r"####[^\n]*")
INSTRUCTION = "Solve the problem. Write one step a line, each with one equation. End with #### and the answer."


def read_problems(path: Path) -> list[Problem]:
    """Problems from a file in GSM8K's format: one JSON object a line, with `question`, and `answer` ending in `#### N`.

    Returns mappings with `question`, `answer` (a whole number) and `solution` (text without the calculator annotations
    `<<…>>`). Raises ValueError, naming the line, for an answer that does not end in a whole number.
    """
    problems: list[Problem] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        entry = json.loads(line)
        last_line = entry["answer"].rstrip().rpartition("\n")[2]
        answer = open_answer(last_line) if last_line.startswith("####") else None
        if answer is None:
            raise ValueError(f"{path}, line {number}: the answer does not end in #### and a whole number")
        solution = _CALCULATION.sub("", entry["answer"])
        problems.append({"question": entry["question"], "answer": answer, "solution": solution})
    return problems


def open_answer(text: str) -> int | None:
    """The answer in free text: the number after `####`, else the one in `\\boxed{}`, else the last number.

    Returns None if there is no number, or if it is not a whole one (12.50); 12.00 is 12.
    """
    marked = _MARKED.findall(text)
    boxed = _BOXED.findall(text)
    numbers = _ANY_NUMBER.findall(text)
    candidates = marked or boxed or numbers
    if not candidates:
        return None
    whole, _, decimals = candidates[-1].replace(",", "").partition(".")
    return None if decimals.strip("0") else int(whole)


def chat_prompt(
    problem: Problem, tokenizer: PreTrainedTokenizerBase, examples: Sequence[tuple[Problem, str]] = ()
) -> str:
    """The problem as a conversation in the model's chat format, up to where the model's answer begins.

    examples: solved problems to show first, as if the model had answered them. If the tokenizer has no chat template,
    the prompt is plain text.
    """
    turns = [{"role": "system", "content": INSTRUCTION}]
    for example, trace in examples:
        turns += [{"role": "user", "content": example["question"]}, {"role": "assistant", "content": trace}]
    turns.append({"role": "user", "content": problem["question"]})
    if tokenizer.chat_template is None:
        return "\n\n".join(turn["content"] for turn in turns) + "\n\n"
    return cast(str, tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def chat_example(problem: Problem, trace: str, tokenizer: PreTrainedTokenizerBase) -> Example:
    """A training example in the model's chat format: the conversation is masked, trace and end of text are learned."""
    prompt = tokenizer(chat_prompt(problem, tokenizer), add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(prompt + target), torch.tensor([IGNORE] * len(prompt) + target)


def to_answer(trace: str) -> str:
    """The trace up to the end of its first answer's line; whatever a model writes after that is dropped."""
    match = _ANSWER_LINE.search(trace)
    return trace[: match.end()].strip() if match else trace.strip()
