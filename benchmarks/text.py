"""The text that benchmarks train on, as paragraphs, and a tokenizer made from it, so that nothing is downloaded."""

from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SHORTEST = 50  # characters; headings and blank lines are no rows
WORDS = 16_000


def paragraphs_of(path: Path | None) -> Iterator[str]:
    """Paragraphs of a text file (one a line), or of Python's language reference (between blank lines)."""
    pieces = (piece for topic in topics.values() for piece in topic.split("\n\n"))
    if path is not None:
        pieces = iter(path.read_text(encoding="utf-8").splitlines())
    return (piece.strip() for piece in pieces if len(piece.strip()) > SHORTEST)


def train_tokenizer(path: Path | None) -> PreTrainedTokenizerFast:
    """A byte-pair tokenizer of this text, as GPT-2's is made; its padding token is its end-of-text token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=WORDS, special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer.train_from_iterator(paragraphs_of(path), trainer)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, pad_token=end, bos_token=end)
