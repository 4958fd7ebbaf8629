"""Forty small questions about Python, for a real model behind an API (lab 06, laptop tier)."""

from __future__ import annotations

import keyword
from typing import Any

WORDS = (*keyword.kwlist[:35], "print", "len", "range", "open", "sorted")
SAMPLED = '{"do_sample": true, "top_k": 0}'  # without it, `transformers serve` ignores temperature and seed


def question(word: str) -> str:
    """The question about a word of the language."""
    return f"What does `{word}` do in Python? Answer in one sentence."


def request_about(word: str, seed: int = 0, max_tokens: int = 64) -> dict[str, Any]:
    """A request in the form of OpenAI's chat completions, sampled at T = 1 where `transformers serve` answers."""
    return {
        "messages": [{"role": "user", "content": question(word)}],
        "temperature": 1.0,
        "seed": seed,
        "max_tokens": max_tokens,
        "extra_body": {"generation_config": SAMPLED},
    }
