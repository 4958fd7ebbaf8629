"""Models, tokenizers and optimizers as arguments of a case: plain data, from which both sides build the same thing.

A model cannot be sent to the student's kernel as numbers, and must not be sent as a pickle. Its specification can: a
name and a few settings. The judge, the grading kernel and the visible check build from it with the code below, and get
the same weights to the last bit: these are whole numbers from a seeded generator, divided by 1000. The same goes for a
scripted `send` and a `sleep` on a virtual clock. Like `helpers.checks.observers`, this file is sent to the kernel as
text, so it imports no helper at its top but those that are sent with it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.checks.coroutines import ScriptedSend, VirtualSleep
from helpers.checks.optional_torch import torch
from helpers.checks.sampling import bigram, known_language, language, stand_in_divergence

_CACHE: dict[str, Any] = {}  # classes and objects that builders use, from before the student's first cell


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
    """Stands for plain SGD until the call, since it needs the weights of a model among the arguments; see `resolve`.

    of: the index of that model among the arguments.
    """

    def __init__(self, of: int, learning_rate: float) -> None:
        self.of, self.learning_rate = of, learning_rate


def build(name: str, settings: Mapping[str, Any]) -> Any:
    """Build what the specification says. Raises ValueError for an unknown name, TypeError for unknown settings."""
    if name not in BUILDERS:
        raise ValueError(f"there is no model specification {name!r}")
    with torch.random.fork_rng(devices=[]):
        return BUILDERS[name](**settings)


def resolve(arguments: Sequence[Any]) -> list[Any]:
    """Return the arguments of one call, with plain SGD over a model's weights in place of each `SGD`."""
    return [
        _cached("SGD", lambda: torch.optim.SGD)(arguments[item.of].parameters(), lr=item.learning_rate)
        if type(item) is SGD
        else item
        for item in arguments
    ]


@dataclass(frozen=True, kw_only=True)
class GPT2Settings:
    """The shape and state of a small GPT-2.

    Attributes:
        vocabulary: the number of tokens.
        width: numbers in one hidden state.
        layers: the number of blocks.
        heads: attention heads in each block.
        positions: the longest sequence.
        scale: weights lie between -scale and scale.
        dropout: of embeddings and residual streams.
        tied: whether input and output embeddings share one matrix.
        training: whether the model arrives in train mode.
        frozen: whether none of its weights can be trained.
        frozen_parts: submodules, by name, whose weights cannot be trained.
        resting_parts: submodules, by name, that arrive in eval mode.
        buffers: how many numbers it holds in a buffer.
        dtype: "float32", "float64" or "bfloat16".
    """

    vocabulary: int = 7
    width: int = 8
    layers: int = 1
    heads: int = 2
    positions: int = 16
    scale: float = 1.0
    dropout: float = 0.0
    tied: bool = True
    training: bool = False
    frozen: bool = False
    frozen_parts: Sequence[str] = ()
    resting_parts: Sequence[str] = ()
    buffers: int = 0
    dtype: str = "float32"


def gpt2(seed: int, **settings: Any) -> torch.nn.Module:
    """Return a GPT-2-shaped transformers model, small enough to build in milliseconds.

    Args:
        seed: of the weights.
        settings: those of `GPT2Settings`.

    Raises:
        TypeError: if a setting has another name.
    """
    chosen = GPT2Settings(**settings)
    config_class, model_class = _cached("gpt2", _transformers)
    model = model_class(
        config_class(
            vocab_size=chosen.vocabulary, n_positions=chosen.positions, n_embd=chosen.width, n_layer=chosen.layers,
            n_head=chosen.heads, resid_pdrop=chosen.dropout, embd_pdrop=chosen.dropout, attn_pdrop=0.0,
            tie_word_embeddings=chosen.tied, bos_token_id=0, eos_token_id=0, use_cache=False,
        )
    )  # fmt: skip
    # It has no pad_token_id, or transformers would warn of rows that end in token 0 and come without a mask.
    model.loss_type = "ForCausalLM"  # transformers does not guess it from this class's name, and warns
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            steps = torch.randint(-1000, 1001, weight.shape, generator=generator)
            weight.copy_(steps * (chosen.scale / 1000))
    if chosen.buffers:
        model.register_buffer("steps_seen", torch.zeros(chosen.buffers))
    model.to(getattr(torch, chosen.dtype)).train(chosen.training)
    for part in chosen.resting_parts:
        model.get_submodule(part).eval()
    for part in [model] if chosen.frozen else [model.get_submodule(part) for part in chosen.frozen_parts]:
        part.requires_grad_(False)
    return model


def tokenizer(of: str = "stories") -> Any:
    """Return a tokenizer in which padding and end of text share token 0.

    of: "stories", the known language's; "problems", the word problems' with words, signs and numbers; or
    "problems, joining", the same with a newline and the #### after it as one token.
    """
    return copy.deepcopy(_cached(f"tokenizer of {of}", _TOKENIZERS[of]))


def linear(seed: int, inputs: int, outputs: int, bias: bool = True, dtype: str = "float32") -> torch.nn.Linear:
    """Return a linear layer whose weights are from -1 to 1, in whole thousandths."""
    layer = _cached("linear", lambda: torch.nn.Linear)(inputs, outputs, bias=bias)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(torch.randint(-1000, 1001, weight.shape, generator=generator) / 1000)
    return layer.to(getattr(torch, dtype))


def scripted_send(script: Sequence[Sequence[Any]]) -> ScriptedSend:
    """Return a `send` that replies by a script; see `ScriptedSend`."""
    return ScriptedSend(script, _cached("ApiError", _api_error))


def generator(seed: int) -> torch.Generator:
    """Return a random number generator, for answers that draw."""
    return torch.Generator().manual_seed(seed)


BUILDERS: dict[str, Callable[..., Any]] = {
    "bigram": bigram,
    "divergence": stand_in_divergence,
    "generator": generator,
    "gpt2": gpt2,
    "language": language,
    "linear": linear,
    "send": scripted_send,
    "sgd": SGD,
    "sleep": VirtualSleep,
    "tokenizer": tokenizer,
}


def preload() -> None:
    """Import all that the builders use, so that later changes to those modules' names do not reach them."""
    _cached("gpt2", _transformers)
    for of, make in _TOKENIZERS.items():
        _cached(f"tokenizer of {of}", make)
    _cached("SGD", lambda: torch.optim.SGD)
    _cached("linear", lambda: torch.nn.Linear)
    _cached("ApiError", _api_error)
    known_language()


def _cached(name: str, make: Callable[[], Any]) -> Any:
    if name not in _CACHE:
        _CACHE[name] = make()
    return _CACHE[name]


def _transformers() -> tuple[type, type]:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2Config, GPT2LMHeadModel


def _api_error() -> type[Exception]:
    from helpers.api.errors import ApiError

    return ApiError


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
