"""Speculative decoding of real models: both keep their keys and values, and each token is read once.

The rule that accepts or rejects is handed in (`helpers.speculative.verify`, or what a student wrote), so lab 08 may
import this module. Temperature 0 stands for greedy decoding: all probability on the largest logit.

Sources: Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding"; Saxena 2023, "Prompt Lookup
Decoding" (the n-gram draft).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from helpers.data.batches import read_texts
from helpers.models import choose_tier, load_student, load_teacher, load_tokenizer

Rule = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # p, q, drafted, uniforms → the round's tokens


class Draft(Protocol):
    """What proposes tokens."""

    def propose(self, tokens: Tensor, gamma: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return up to γ proposed tokens, `(n,)` long, and the distributions that they come from, `(n, V)`."""


class CachedModel:
    """A model that keeps the keys and values of the tokens that it has read, as a target or as a draft.

    Args:
        model: a transformers model; it is called with one row.
        temperature: of its distributions; 0 puts all probability on the largest logit.
    """

    def __init__(self, model: PreTrainedModel, temperature: float = 1.0) -> None:
        self.model, self.temperature = model.eval(), temperature
        self.forget()

    def forget(self) -> None:
        """Forget all tokens."""
        self.cache, self.read = DynamicCache(config=self.model.config), torch.zeros(0, dtype=torch.long)

    @torch.no_grad()
    def next_probs(self, tokens: Tensor, count: int) -> Tensor:
        """Probabilities after each of the last `count` tokens, `(count, V)`, for `(S,)` tokens."""
        limit = min(len(self.read), len(tokens) - count)
        same = int((self.read[:limit] == tokens[:limit]).long().cumprod(dim=0).sum())
        if same < len(self.read):
            self.cache.crop(same - len(self.read))  # below 0: how many to remove
        row, mask = tokens[None, same:], torch.ones(1, len(tokens), dtype=torch.long)
        output = self.model(row, attention_mask=mask, past_key_values=self.cache, use_cache=True)
        logits = output.logits[0, -count:].float()
        self.read = tokens
        if self.temperature == 0:
            return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).float()
        return (logits / self.temperature).softmax(dim=-1)

    def propose(self, tokens: Tensor, gamma: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """γ tokens, each drawn after the one before it; see `Draft`."""
        rows = []
        start = len(tokens)
        for _ in range(gamma):
            rows.append(self.next_probs(tokens, 1)[0])
            tokens = torch.cat([tokens, torch.multinomial(rows[-1], 1, generator=generator)])
        return tokens[start:], torch.stack(rows)


class NgramDraft:
    """Proposes what followed the last tokens when they came before: no model, no training, no cost.

    Args:
        vocabulary: V.
        length: how many of the last tokens have to agree.
    """

    def __init__(self, vocabulary: int, length: int = 2) -> None:
        self.vocabulary, self.length = vocabulary, length

    def propose(self, tokens: Tensor, gamma: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What followed the latest earlier occurrence, nothing if there is none; see `Draft`."""
        drafted = tokens[:0]
        if len(tokens) > self.length:
            windows = tokens[:-1].unfold(0, self.length, 1)
            found = (windows == tokens[-self.length :]).all(dim=1).nonzero()
            if len(found):
                after = int(found[-1]) + self.length
                drafted = tokens[after : after + gamma]
        return drafted, F.one_hot(drafted, self.vocabulary).float()


@dataclass
class Written:
    """What `write` did, over one or more texts: counts, and seconds of processor time and of wall time."""

    tokens: int = 0
    rounds: int = 0
    drafted: int = 0
    examined: int = 0
    accepted: int = 0
    overlap: float = 0.0  # Σ min(p, q) over the examined tokens
    seconds: float = 0.0
    processor_seconds: float = 0.0


def write(
    target: CachedModel,
    draft: Draft | None,
    prompt: Tensor,
    count: int,
    gamma: int,
    generator: torch.Generator,
    rule: Rule,
    written: Written,
) -> Tensor:
    """Continue a prompt by `count` tokens, add what was done to `written`, and return all tokens.

    Both models read the prompt first, and that is not counted as time. The last round may write more than was wanted;
    the tokens of all rounds count, and the result is cut.
    """
    for model in (target, draft):
        if isinstance(model, CachedModel):
            model.forget()
            model.next_probs(prompt, 1)
    tokens = prompt
    wall, processor = time.perf_counter(), time.process_time()
    while len(tokens) < len(prompt) + count:
        drafted, q = draft.propose(tokens, gamma, generator) if draft else (tokens[:0], None)
        p = target.next_probs(torch.cat([tokens, drafted]), len(drafted) + 1)
        q = p[:0] if q is None else q
        new = rule(p, q, drafted, torch.rand(len(drafted) + 1, generator=generator))
        tokens = torch.cat([tokens, new])
        examined = min(len(new), len(drafted))
        written.rounds += 1
        written.tokens += len(new)
        written.drafted += len(drafted)
        written.examined += examined
        written.accepted += len(new) - 1
        written.overlap += float(torch.minimum(p[:examined], q[:examined]).sum())
    written.seconds += time.perf_counter() - wall
    written.processor_seconds += time.process_time() - processor
    return tokens[: len(prompt) + count]


def compare_real_drafts(rule: Rule, prompts: int = 2, new: int = 16, gamma: int = 4) -> None:
    """Print how fast the tier's teacher writes with each draft: none, the student before training, prompt look-up.

    In the tiny tier, print what to do instead. Sampling at temperature 1, prompts from the Python language reference.
    """
    if (tier := choose_tier()) == "tiny":
        print("For a real target, run: distillab fetch laptop\nThen set DISTILLAB_TIER=laptop and restart the kernel.")
        return
    tokenizer, teacher = load_tokenizer(tier), load_teacher(tier)
    text = "\n".join(read_texts())
    starts = [text[place : place + 400] for place in range(0, len(text) - 400, max(1, len(text) // prompts))][:prompts]
    drafts = {
        "plain generation": None,
        "student before training": CachedModel(load_student(tier)),
        "n-gram look-up": NgramDraft(teacher.config.vocab_size),
    }
    target = CachedModel(teacher)
    for name, draft in drafts.items():
        written, generator = Written(), torch.Generator().manual_seed(0)
        for start in starts:
            write(
                target, draft, tokenizer(start, return_tensors="pt").input_ids[0], new, gamma, generator, rule, written
            )
        speed = f"{written.tokens / written.seconds:.1f} tokens/s"
        print(f"{name:24} {written.tokens / written.rounds:.2f} tokens a round, {speed}")
