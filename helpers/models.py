"""The models of each tier, behind one switch: the same lab code runs on a small machine and on a large one.

The tier is the argument `tier`, else the environment variable DISTILLAB_TIER, else "tiny". In the tiny tier, teacher
and student are GPT-2-shaped transformers models whose weights come with this package, made by `scripts/train_tiny.py`,
and nothing is downloaded.

Leans on transformers and safetensors, and on `helpers.language` for the tokenizer.
"""

import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_model, save_model
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from helpers.language import KnownLanguage

ASSETS = Path(__file__).parent / "assets"
TIERS = ("tiny", "laptop", "gpu")
WORKING = ("tiny",)


def choose_tier(tier: str | None = None) -> str:
    """The tier to use: the argument, else DISTILLAB_TIER, else "tiny".

    Raises ValueError if it is not among `TIERS`, and for those of them that this version cannot run yet.
    """
    chosen = tier or os.environ.get("DISTILLAB_TIER") or "tiny"
    source = "tier" if tier else "the environment variable DISTILLAB_TIER"
    if chosen not in TIERS:
        raise ValueError(f'{source} is "{chosen}"; it must be one of: {", ".join(TIERS)}')
    if chosen not in WORKING:
        raise ValueError(f'{source} is "{chosen}"; this version of Distillab has: {", ".join(WORKING)}')
    return chosen


def load_tokenizer(tier: str | None = None) -> PreTrainedTokenizerFast:
    """The tokenizer that teacher and student share; its padding token is its end-of-text token.

    Raises ValueError for a tier that there is not.
    """
    choose_tier(tier)
    return KnownLanguage.stories().tokenizer()


def load_teacher(tier: str | None = None) -> GPT2LMHeadModel:
    """The teacher, as transformers loads a model: in eval mode, but with weights that still collect gradients.

    Freeze it before you train with it. It is called with input_ids and attention_mask `(B, S)`, and the result's
    `logits` are `(B, S, V)`. In the tiny tier S is at most 64.
    Raises ValueError for a tier that there is not.
    """
    return load_folder_model(f"{choose_tier(tier)}_teacher")


def load_student(tier: str | None = None) -> GPT2LMHeadModel:
    """The student before distillation, loaded as `load_teacher` loads the teacher.

    Raises ValueError for a tier that there is not.
    """
    return load_folder_model(f"{choose_tier(tier)}_student")


def new_model(layers: int, width: int, heads: int, vocabulary: int, positions: int, seed: int) -> GPT2LMHeadModel:
    """A GPT-2-shaped model with random weights that depend on the seed only, in eval mode, with GPT-2's dropout of 0.1.

    width: size of a hidden state, a multiple of heads. vocabulary: V. positions: the longest row that it can read.
    """
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=positions,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own function, computed in one go
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GPT2LMHeadModel(config).eval()
    model.loss_type = "ForCausalLM"  # transformers does not guess it from this class's name, and warns
    return model


def save_folder_model(model: GPT2LMHeadModel, name: str, folder: Path = ASSETS) -> None:
    """Write `name.safetensors` and, with what `load_folder_model` needs to rebuild the model, `name.json`."""
    config = model.config
    shape = {
        "layers": config.n_layer,
        "width": config.n_embd,
        "heads": config.n_head,
        "vocabulary": config.vocab_size,
        "positions": config.n_positions,
    }
    (folder / f"{name}.json").write_text(json.dumps(shape, indent=2) + "\n", encoding="utf-8")
    save_model(model, str(folder / f"{name}.safetensors"))
    (folder / f"{name}.safetensors").chmod(0o644)  # safetensors writes it for its owner alone; graders read it too


def load_folder_model(name: str, folder: Path = ASSETS) -> GPT2LMHeadModel:
    """The model that `save_folder_model` wrote; no network, no progress bar, no change to any random state."""
    shape = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    model = new_model(**shape, seed=0)
    load_model(model, str(folder / f"{name}.safetensors"))
    return model
