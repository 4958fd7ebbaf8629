"""The models of each tier, behind one switch: the same lab code runs on a small machine and on a large one.

The tier is the argument `tier`, else the environment variable DISTILLAB_TIER, else "tiny".

- tiny: GPT-2-shaped models whose weights come with this package, made by `scripts/train_tiny.py`.
- laptop: the teacher that `distillab fetch laptop` has put into the cache; the student is cut from it.
- gpu: teacher and student by their names on the Hugging Face hub; they are downloaded when they are first loaded.

In the last two, DISTILLAB_TEACHER and (gpu only) DISTILLAB_STUDENT can name another model: a local folder or a name on
the hub.
"""

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from safetensors.torch import load_model, save_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from helpers.data.known_language import KnownLanguage
from helpers.fetch import FetchError, is_fetched, laptop_folder
from helpers.layer_states import decoder_layers

ASSETS = Path(__file__).parent / "assets"
TIERS = ("tiny", "laptop", "gpu")
HUB = {"teacher": "openai-community/gpt2-medium", "student": "distilbert/distilgpt2"}


def choose_tier(tier: str | None = None) -> str:
    """The tier to use: the argument, else DISTILLAB_TIER, else "tiny". Raises ValueError if it is not in `TIERS`."""
    chosen = tier or os.environ.get("DISTILLAB_TIER") or "tiny"
    if chosen not in TIERS:
        source = "tier" if tier else "the environment variable DISTILLAB_TIER"
        raise ValueError(f'{source} is "{chosen}"; it must be one of: {", ".join(TIERS)}')
    return chosen


def load_tokenizer(tier: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer that teacher and student share; its padding token is its end-of-text token.

    Raises ValueError for an unknown tier, FetchError if the tier's files are not here and cannot be downloaded.
    """
    if (chosen := choose_tier(tier)) == "tiny":
        return KnownLanguage.stories().tokenizer()
    tokenizer = _pretrained(AutoTokenizer.from_pretrained, chosen, "teacher")
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    tokenizer.model_max_length = int(1e9)  # texts are cut into rows here, so a long text needs no warning
    return tokenizer


def load_teacher(tier: str | None = None) -> PreTrainedModel:
    """The teacher, as transformers loads a model: in eval mode, but with weights that still collect gradients.

    Freeze it before you train with it. It is called with input_ids and attention_mask `(B, S)`, and the result's
    `logits` are `(B, S, V)`. In the tiny tier S is at most 64. Weights are float32, on the CPU.
    Raises ValueError for an unknown tier, FetchError if its files are not here and cannot be downloaded.
    """
    if (chosen := choose_tier(tier)) == "tiny":
        return load_folder_model("tiny_teacher")
    return _pretrained(AutoModelForCausalLM.from_pretrained, chosen, "teacher", dtype=torch.float32)


def load_student(tier: str | None = None) -> PreTrainedModel:
    """The student before distillation, loaded like the teacher. In the laptop tier it is cut from the teacher.

    Raises the same errors as `load_teacher`.
    """
    if (chosen := choose_tier(tier)) == "tiny":
        return load_folder_model("tiny_student")
    if chosen == "laptop":
        teacher = load_teacher("laptop")
        # Imported by name: lab 09 forbids this module, which holds an answer, and needs the other models.
        pruning = importlib.import_module("helpers.layer_pruning")
        return pruning.keep_layers(teacher, pruning.student_layers(len(decoder_layers(teacher))))
    return _pretrained(AutoModelForCausalLM.from_pretrained, chosen, "student", dtype=torch.float32)


def model_source(tier: str, role: str) -> str:
    """Where the laptop or gpu tier's model for a role ("teacher", "student") is: a folder, or a name on the hub."""
    if named := os.environ.get(f"DISTILLAB_{role.upper()}"):
        return named
    return str(laptop_folder()) if tier == "laptop" else HUB[role]


def is_here(source: str) -> bool:
    """Whether a model can be loaded without a download: a folder, or a hub name that is in the hub's cache."""
    try:
        return Path(source).is_dir() or isinstance(try_to_load_from_cache(source, "config.json"), str)
    except HFValidationError:  # a path that is not a folder
        return False


def _pretrained(from_pretrained: Callable[..., Any], tier: str, role: str, **options: Any) -> Any:
    """What `from_pretrained` loads from the role's folder or hub name, or a FetchError that says what to do."""
    source = model_source(tier, role)
    if source == str(laptop_folder()) and not is_fetched():
        raise FetchError(f"the laptop tier's teacher is not in {source} yet; run: distillab fetch laptop")
    if not is_here(source):
        print(f"Downloading {source} from the hub …")
    try:
        return from_pretrained(source, **options)
    except OSError as problem:  # raised by transformers and the hub
        raise FetchError(
            f"the {tier} tier's {role} \"{source}\" is neither a folder nor in the hub's cache, and it cannot be "
            f"downloaded. Are you online? You can also name a local folder in DISTILLAB_{role.upper()}. "
            f"({str(problem).strip().splitlines()[0]})"
        ) from problem


def new_model(layers: int, width: int, heads: int, vocabulary: int, positions: int, seed: int) -> GPT2LMHeadModel:
    """A GPT-2-shaped model in eval mode, with random weights that depend on the seed only, and GPT-2's dropout of 0.1.

    width: size of a hidden state, a multiple of heads. vocabulary: V. positions: the longest row that it can read.
    """
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=positions,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own function, computed in one kernel
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
    (folder / f"{name}.safetensors").chmod(0o644)  # safetensors makes it readable for its owner only


def load_folder_model(name: str, folder: Path = ASSETS) -> GPT2LMHeadModel:
    """The model that `save_folder_model` wrote; no network, no progress bar, no change to any random state."""
    shape = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    model = new_model(**shape, seed=0)
    load_model(model, str(folder / f"{name}.safetensors"))
    return model
