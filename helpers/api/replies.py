"""What lab 06 uses of an API's replies: short forms of them, and rows of tokens to train on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase


def short_reply(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the lab uses of a chat completion."""
    usage = reply.get("usage") or {"prompt_tokens": 0, "completion_tokens": 0}
    return {
        "choices": [
            {
                "text": choice["message"]["content"],
                "finish_reason": choice["finish_reason"],
                "refusal": choice["message"].get("refusal"),
                "tokens": _tokens(choice.get("logprobs")),
            }
            for choice in reply["choices"]
        ],
        "usage": {name: usage[name] for name in ("prompt_tokens", "completion_tokens")},
    }


def _tokens(logprobs: Mapping[str, Any] | None) -> list[list[Any]]:
    return [
        [entry["token"], entry["logprob"], {top["token"]: top["logprob"] for top in entry["top_logprobs"]}]
        for entry in (logprobs or {}).get("content") or []
    ]


def rows_of(choices: Iterable[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, length: int) -> dict[str, Tensor]:
    """Return rows to train on: the end-of-text token, then one reply after another, cut at `length`.

    Args:
        choices: replies that hold "tokens", with the same number of top log-probabilities for each token.
        tokenizer: knows the tokens by their names.
        length: of a row.

    Returns:
        input_ids `(N, length)`, and for the token after each position the top log-probabilities `values` and their
        tokens `ids`, both `(N, length - 1, k)`. What does not fill a row is left out.
    """
    tokens, values, ids = [], [], []
    for choice in choices:
        for token, _, top in choice["tokens"]:
            tokens.append(tokenizer.convert_tokens_to_ids(token))
            ids.append(tokenizer.convert_tokens_to_ids(list(top)))
            values.append(list(top.values()))
    count = len(tokens) // (length - 1)
    shape = (count, length - 1)
    end = torch.full((count, 1), tokenizer.eos_token_id)
    kept = count * (length - 1)
    return {
        "input_ids": torch.cat([end, torch.tensor(tokens[:kept]).reshape(shape)], dim=1),
        "values": torch.tensor(values[:kept]).reshape(*shape, -1),
        "ids": torch.tensor(ids[:kept]).reshape(*shape, -1),
    }


class ReplyCache:
    """Replies that were paid for, by key, in a file with one JSON object a line.

    A run that was stopped in the middle of a line has not damaged what came before it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self._replies = Path(path), {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    self._replies[entry["key"]] = entry["reply"]
                except (ValueError, KeyError, TypeError):
                    continue

    def __contains__(self, key: str) -> bool:
        return key in self._replies

    def __getitem__(self, key: str) -> Any:
        return self._replies[key]

    def __len__(self) -> int:
        return len(self._replies)

    def add(self, key: str, reply: Any) -> None:
        """Keep a reply, in the file too."""
        self._replies[key] = reply
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(0, 2)
            if file.tell():
                file.seek(-1, 2)
                broken = file.read(1) != b"\n"
                file.write(b"\n" if broken else b"")
            file.write(json.dumps({"key": key, "reply": reply}).encode() + b"\n")


def choices_of(replies: Sequence[Any]) -> list[dict[str, Any]]:
    """Return all choices of the replies in order; failures are left out."""
    return [choice for reply in replies if not isinstance(reply, Exception) for choice in reply["choices"]]
