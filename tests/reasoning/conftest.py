"""A tokenizer with a chat template, and a file of problems in GSM8K's format."""

import json
from pathlib import Path

import pytest

from helpers.data.word_problems import problem_tokenizer, solved_problems

TEMPLATE = (
    "{% for turn in messages %}{{ turn.role }} : {{ turn.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant : {% endif %}"
)


@pytest.fixture
def tokenizer():
    made = problem_tokenizer()
    made.chat_template = TEMPLATE
    return made


@pytest.fixture
def gsm8k(tmp_path) -> Path:
    """A file in GSM8K's form, with its calculator marks."""
    path = tmp_path / "problems.jsonl"
    rows = []
    for problem, trace in solved_problems(6, seed=9, steps=(1, 2)):
        steps, answer = trace.rsplit("\n", 1)
        rows.append(
            {
                "question": problem["question"],
                "answer": f"{steps} <<{problem['answer']}={problem['answer']}>>\n{answer}",
            }
        )
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path
