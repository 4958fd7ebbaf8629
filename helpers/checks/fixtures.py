"""Models, tokenizers and optimizers as arguments of a case: plain data, from which both sides build the same thing.

A model cannot cross to the student's kernel as numbers, and must not cross as a pickle. Its specification can: a name
and a few settings. The judge, the grading kernel and the visible check build from it with the code below, and get the
same weights to the last bit: these are whole numbers from a seeded generator, divided by 1000. Like
`helpers.checks.observers`, this file is sent to the kernel as text.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

_MADE: dict[str, Any] = {}  # classes and objects that builders use, kept from before the student's first cell


class ModelSpec:
    """What to build, as plain data: `ModelSpec("gpt2", seed=3, dropout=0.1)`. `builders` has the names and settings."""

    def __init__(self, name: str, **settings: Any) -> None:
        if name not in BUILDERS:
            raise ValueError(f"there is no model specification {name!r}; there are {', '.join(sorted(BUILDERS))}")
        self.name, self.settings = name, settings

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={item!r}" for key, item in self.settings.items())
        return f"ModelSpec({self.name!r}, {settings})"


class SGD:
    """Stands for an optimizer until the call, as it needs the model that stands beside it; see `resolve`."""

    def __init__(self, of: int, learning_rate: float) -> None:
        self.of, self.learning_rate = of, learning_rate


def build(name: str, settings: Mapping[str, Any]) -> Any:
    """Build what the specification says; ValueError for a name that is not in BUILDERS, TypeError for odd settings."""
    if name not in BUILDERS:
        raise ValueError(f"there is no model specification {name!r}")
    with torch.random.fork_rng(devices=[]):
        return BUILDERS[name](**settings)


def resolve(arguments: Sequence[Any]) -> list[Any]:
    """The arguments of one call, with plain SGD over a model's weights in place of each `SGD`."""
    return [
        _kept("SGD", lambda: torch.optim.SGD)(arguments[item.of].parameters(), lr=item.learning_rate)
        if type(item) is SGD
        else item
        for item in arguments
    ]


def gpt2(
    seed: int,
    *,
    vocabulary: int = 7,
    width: int = 8,
    layers: int = 1,
    heads: int = 2,
    positions: int = 16,
    scale: float = 1.0,
    dropout: float = 0.0,
    tied: bool = True,
    training: bool = False,
    frozen: bool = False,
    frozen_parts: Sequence[str] = (),
    resting_parts: Sequence[str] = (),
    buffers: int = 0,
    dtype: str = "float32",
) -> torch.nn.Module:
    """A GPT-2-shaped transformers model, small enough to build in milliseconds.

    seed: of the weights, which lie between -scale and scale. dropout: of embeddings and residual streams. tied: do the
    first and the last layer share one matrix? training: does it arrive in train mode? frozen: may none of its weights
    be trained? frozen_parts, resting_parts: submodules, by name, whose weights may not be trained, and that arrive in
    eval mode. buffers: how many numbers to hold in a buffer. dtype: "float32", "float64" or "bfloat16".
    """
    config, model_class = _kept("gpt2", _transformers)
    config = config(
        vocab_size=vocabulary, n_positions=positions, n_embd=width, n_layer=layers, n_head=heads,
        resid_pdrop=dropout, embd_pdrop=dropout, attn_pdrop=0.0, tie_word_embeddings=tied,
        bos_token_id=0, eos_token_id=0, pad_token_id=0, use_cache=False,
    )  # fmt: skip
    model = model_class(config)
    model.loss_type = "ForCausalLM"  # transformers does not guess it from this class's name, and warns
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            steps = torch.randint(-1000, 1001, weight.shape, generator=generator)
            weight.copy_(steps * (scale / 1000))
    if buffers:
        model.register_buffer("steps_seen", torch.zeros(buffers))
    model.to(getattr(torch, dtype)).train(training)
    for part in resting_parts:
        model.get_submodule(part).eval()
    for part in [model] if frozen else [model.get_submodule(part) for part in frozen_parts]:
        part.requires_grad_(False)
    return model


def tokenizer(of: str = "stories") -> Any:
    """The tokenizer of the known language, or of="problems" of the word problems: words, signs and numbers;
    of="problems, joining" the same, with a newline and the #### after it as one token.

    Padding and end of text share token 0.
    """
    return copy.deepcopy(_kept(f"tokenizer of {of}", _TOKENIZERS[of]))


BUILDERS: dict[str, Callable[..., Any]] = {"gpt2": gpt2, "tokenizer": tokenizer, "sgd": SGD}


def keep() -> None:
    """Import and hold all that the builders use, so that later changes to those modules' names do not reach them."""
    _kept("gpt2", _transformers)
    for of, make in _TOKENIZERS.items():
        _kept(f"tokenizer of {of}", make)
    _kept("SGD", lambda: torch.optim.SGD)


def _kept(name: str, make: Callable[[], Any]) -> Any:
    if name not in _MADE:
        _MADE[name] = make()
    return _MADE[name]


def _transformers() -> tuple[type, type]:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2Config, GPT2LMHeadModel


def _stories_tokenizer() -> Any:
    from helpers.data.known_language import KnownLanguage

    return KnownLanguage.stories().tokenizer()


def _problem_tokenizer() -> Any:
    from helpers.data.word_problems import problem_tokenizer

    return problem_tokenizer()


def _joining_tokenizer() -> Any:
    tokenizer = _problem_tokenizer()
    tokenizer.add_tokens(["\n####"])
    return tokenizer


_TOKENIZERS: dict[str, Callable[[], Any]] = {
    "stories": _stories_tokenizer,
    "problems": _problem_tokenizer,
    "problems, joining": _joining_tokenizer,
}
