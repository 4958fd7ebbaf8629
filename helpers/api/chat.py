"""A language model that answers requests in the form of OpenAI's chat completions.

It is the tiny teacher: it tells stories, and goes on from an opening. Only the last message is read. What follows its
last colon is the opening; without a colon the story starts from nothing. An opening with a word that the teacher does
not know is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

MODEL = "tiny-teacher"
MAX_CHOICES, MAX_TOP_LOGPROBS, MAX_TEMPERATURE = 128, 20, 2.0  # of one request, as at OpenAI
REFUSAL = "I can only tell stories with the words that I know."


class BadRequest(ValueError):
    """The request cannot be answered: the server replies with status 400, or 404 for a model it does not have."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Choice:
    """One reply: its tokens (the end-of-text token among them), and for each the k likeliest with their log-probs."""

    tokens: list[int]
    log_probs: list[float]
    top_ids: list[list[int]]
    top_log_probs: list[list[float]]
    finish_reason: str


@dataclass(frozen=True)
class ChatRequest:
    """What is read of a request. Raises BadRequest where a value is out of range."""

    model: str
    messages: list[dict[str, Any]]
    temperature: float = 1.0
    max_tokens: int = 64
    n: int = 1
    seed: int | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    stream: bool = False
    stream_options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, body: Any) -> ChatRequest:
        if not isinstance(body, dict):
            raise BadRequest("the body must be a JSON object")
        body = {key: value for key, value in body.items() if value is not None}
        body["max_tokens"] = body.pop("max_completion_tokens", body.get("max_tokens", cls.max_tokens))
        if unknown := set(body) - set(cls.__dataclass_fields__):
            raise BadRequest(f"unknown parameter: {', '.join(sorted(map(str, unknown)))}")
        if missing := {"model", "messages"} - set(body):
            raise BadRequest(f"missing parameter: {', '.join(sorted(missing))}")
        request = cls(**body)
        request._check()
        return request

    def _check(self) -> None:
        ranges = {
            "temperature": (self.temperature, (int, float), 0, MAX_TEMPERATURE),
            "max_tokens": (self.max_tokens, (int,), 1, 10_000),
            "n": (self.n, (int,), 1, MAX_CHOICES),
            "seed": (self.seed or 0, (int,), -(2**63), 2**63 - 1),
            "top_logprobs": (self.top_logprobs, (int,), 0, MAX_TOP_LOGPROBS),
        }
        for name, (value, kinds, low, high) in ranges.items():
            if type(value) not in kinds or not low <= value <= high:
                raise BadRequest(f"{name} must be a number from {low} to {high}")
        if self.top_logprobs and self.logprobs is not True:
            raise BadRequest("top_logprobs needs logprobs to be true")
        if not isinstance(self.messages, list) or not self.messages or not isinstance(self.messages[-1], dict):
            raise BadRequest("messages must be a list of at least one message")
        if self.messages[-1].get("role") != "user" or not isinstance(self.messages[-1].get("content"), str):
            raise BadRequest("the last message must be a user's, and its content a text")
        if self.model != MODEL:
            raise BadRequest(f"there is no model of this name; there is {MODEL}", status=404)


class ChatTeacher:
    """A model with its tokenizer, as a chat that tells stories."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.context = int(model.config.max_position_embeddings)

    def complete(self, body: Any) -> dict[str, Any]:
        """Return the reply to a chat completion, as JSON data. Raises BadRequest."""
        request = ChatRequest.read(body)
        prompt = self._prompt(request)
        count = len(self.tokenizer(request.messages[-1]["content"])["input_ids"])
        choices = [] if prompt is None else self._choices(request, prompt)
        written = sum(len(choice.tokens) for choice in choices)
        described = [self._describe(index, choice, request) for index, choice in enumerate(choices)]
        return {
            "id": f"chatcmpl-{secrets.token_hex(8)}",
            "object": "chat.completion",
            "created": 0,
            "model": MODEL,
            "choices": described or [_refusal(index) for index in range(request.n)],
            "usage": {"prompt_tokens": count, "completion_tokens": written, "total_tokens": count + written},
        }

    def _prompt(self, request: ChatRequest) -> list[int] | None:
        """Return the tokens to go on from, or None if they are not all known."""
        _, colon, opening = request.messages[-1]["content"].rpartition(":")
        tokens = self.tokenizer(opening if colon else "")["input_ids"]
        if self.tokenizer.unk_token_id in tokens:
            return None
        if len(tokens) + 1 >= self.context:
            raise BadRequest(f"the opening has {len(tokens)} tokens; the context holds {self.context}")
        return [self.tokenizer.eos_token_id, *tokens]

    def _choices(self, request: ChatRequest, prompt: list[int]) -> list[Choice]:
        seed = secrets.randbits(62) if request.seed is None else request.seed
        generator = torch.Generator().manual_seed(seed)
        start = torch.tensor([prompt] * request.n)
        room = min(request.max_tokens, self.context - len(prompt))
        tokens, log_probs = continue_rows(self.model, start, room, request.temperature, generator)
        ends = tokens == self.tokenizer.eos_token_id
        lengths = torch.where(ends.any(dim=1), ends.int().argmax(dim=1) + 1, room).tolist()
        own = log_probs.gather(-1, tokens[..., None])[..., 0]
        top_values, top_ids = log_probs.topk(request.top_logprobs, dim=-1)
        return [
            Choice(
                tokens[row, :length].tolist(),
                own[row, :length].tolist(),
                top_ids[row, :length].tolist(),
                top_values[row, :length].tolist(),
                "stop" if bool(ends[row].any()) else "length",
            )
            for row, length in enumerate(lengths)
        ]

    def _describe(self, index: int, choice: Choice, request: ChatRequest) -> dict[str, Any]:
        text = self.tokenizer.decode(choice.tokens, skip_special_tokens=True)
        entries = [
            self._entry(token, value, zip(ids, values, strict=True))
            for token, value, ids, values in zip(
                choice.tokens, choice.log_probs, choice.top_ids, choice.top_log_probs, strict=True
            )
        ]
        return {
            "index": index,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": {"content": entries, "refusal": None} if request.logprobs else None,
            "finish_reason": choice.finish_reason,
        }

    def _entry(self, token: int, value: float, top: Iterator[tuple[int, float]]) -> dict[str, Any]:
        listed = [self._entry(other, log_prob, iter(())) for other, log_prob in top]
        for item in listed:
            del item["top_logprobs"]
        text = str(self.tokenizer.convert_ids_to_tokens(token))
        return {"token": text, "logprob": value, "bytes": list(text.encode()), "top_logprobs": listed}


def _refusal(index: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "refusal": REFUSAL}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}


@torch.inference_mode()
def continue_rows(
    model: PreTrainedModel, start: Tensor, length: int, temperature: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Sample `length` tokens after each row, going on after the end-of-text token.

    Args:
        model: a causal language model, in eval mode.
        start: rows of tokens, `(B, S)`.
        length: how many tokens to write; S + length may not exceed the model's context.
        temperature: of the sampling; 0 takes the most likely token each time.
        generator: of the random numbers.

    Returns:
        The new tokens `(B, length)`, and the model's log-probabilities for them `(B, length, V)`, at temperature 1.
    """
    cache, given, tokens, log_probs = None, start, [], []
    mask = torch.ones(len(start), start.shape[1] + length, dtype=torch.long)
    for read in range(start.shape[1], start.shape[1] + length):
        out = model(given, attention_mask=mask[:, :read], past_key_values=cache, use_cache=True)
        cache, logits = out.past_key_values, out.logits[:, -1].float()
        if temperature > 0:
            given = torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=generator)
        else:
            given = logits.argmax(dim=-1, keepdim=True)
        tokens.append(given)
        log_probs.append(logits.log_softmax(dim=-1))
    return torch.cat(tokens, dim=1), torch.stack(log_probs, dim=1)
