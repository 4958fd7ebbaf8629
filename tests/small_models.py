"""Folders like those that transformers saves, with models small enough for a test: they stand for real ones."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = 40


def small_tokenizer() -> PreTrainedTokenizerFast:
    """Words w0 … w37, an unknown word and end of text."""
    vocabulary = {"<|end|>": 0, "<unk>": 1} | {f"w{index}": index + 2 for index in range(WORDS - 2)}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>", unk_token="<unk>")


def small_llama(layers: int = 6, seed: int = 0) -> LlamaForCausalLM:
    """A Llama with tied embeddings and grouped heads, as SmolLM2 has them."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return LlamaForCausalLM(config).eval()


def small_gpt2(layers: int, width: int, seed: int = 0) -> GPT2LMHeadModel:
    torch.manual_seed(seed)
    config = GPT2Config(vocab_size=WORDS, n_positions=64, n_embd=width, n_layer=layers, n_head=2)
    return GPT2LMHeadModel(config).eval()


def save(model: torch.nn.Module, folder: Path) -> Path:
    """The folder, with model and tokenizer in it."""
    model.save_pretrained(folder)
    small_tokenizer().save_pretrained(folder)
    return folder


def text(words: int, seed: int = 0) -> str:
    """Words in a random order, a few of them much more often than others."""
    draws = torch.rand(words, generator=torch.Generator().manual_seed(seed)) ** 3 * (WORDS - 2)
    return " ".join(f"w{int(draw)}" for draw in draws)
