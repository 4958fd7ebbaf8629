"""From text to batches.

A batch is a mapping with `input_ids` and `attention_mask`, each `(B, S)` long; rows of tokens are held the same way,
with all N rows in one `(N, S)` tensor. `make_batches` cuts rows into batches.

Leans on torch and on a transformers tokenizer.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, StackDataset
from transformers import PreTrainedTokenizerBase

Batch = Mapping[str, Tensor]


def whole_rows(input_ids: Tensor) -> dict[str, Tensor]:
    """Rows without padding: the attention mask is 1 everywhere. input_ids: `(N, S)`, long."""
    return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}


def encode_rows(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict[str, Tensor]:
    """One row for each text, `(N, S)`: its tokens, the end-of-text token, then padding up to the longest row.

    Rows are cut at max_length tokens; a row that was cut has no end-of-text token, because its text goes on.
    Raises ValueError if there is no text.
    """
    if not texts:
        raise ValueError("texts is empty; it must hold at least one text")
    encoded = tokenizer([text + tokenizer.eos_token for text in texts], max_length=max_length, truncation=True,
                        padding=True, return_tensors="pt")  # fmt: skip
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}


def pack_blocks(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, length: int) -> dict[str, Tensor]:
    """Blocks without padding, `(N, length)`: all texts one after the other, the end-of-text token after each.

    What is left over at the end, less than one block, is dropped. Raises ValueError if it would be everything.
    """
    tokens = [token for text in texts for token in tokenizer(text + tokenizer.eos_token)["input_ids"]]
    count = len(tokens) // length
    if count == 0:
        raise ValueError(f"texts hold {len(tokens)} tokens; a block needs length = {length} of them")
    return whole_rows(torch.tensor(tokens[: count * length]).view(count, length))


def make_batches(rows: Batch, batch_size: int, seed: int | None = None) -> DataLoader:
    """Batches of batch_size rows, the last one smaller if need be; go through them as often as you like.

    seed: None keeps the order of the rows; a number shuffles them, anew in each pass, the same way for the same seed.
    """
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    dataset = StackDataset(**rows)
    return DataLoader(dataset, batch_size, shuffle=seed is not None, generator=generator)
