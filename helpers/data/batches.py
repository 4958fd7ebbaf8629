"""From text to batches.

A batch is a mapping with `input_ids` and `attention_mask`, two `(B, S)` tensors of dtype long. All N rows of a text are
held the same way, as `(N, S)` tensors; `make_batches` splits them into batches.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

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

    Rows are truncated to max_length tokens; a truncated row has no end-of-text token, because its text continues.
    Raises ValueError if there is no text.
    """
    if not texts:
        raise ValueError("texts is empty; it must hold at least one text")
    encoded = tokenizer([text + tokenizer.eos_token for text in texts], max_length=max_length, truncation=True,
                        padding=True, return_tensors="pt")  # fmt: skip
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}


def pack_blocks(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, length: int) -> dict[str, Tensor]:
    """Blocks without padding, `(N, length)`: all texts concatenated, with the end-of-text token after each.

    The remainder at the end, less than one block, is dropped. Raises ValueError if there is not even one block.
    """
    tokens = [token for text in texts for token in tokenizer(text + tokenizer.eos_token)["input_ids"]]
    count = len(tokens) // length
    if count == 0:
        raise ValueError(f"texts have {len(tokens)} tokens; one block needs length = {length} of them")
    return whole_rows(torch.tensor(tokens[: count * length]).view(count, length))


def make_batches(rows: Batch, batch_size: int, seed: int | None = None) -> DataLoader:
    """Batches of batch_size rows (the last one may be smaller), which can be iterated any number of times.

    seed: None keeps the order of the rows; a number shuffles them again in each pass, reproducibly.
    """
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    dataset: StackDataset = StackDataset(**rows)  # type: ignore[arg-type]  # a tensor is indexed like a data set
    return DataLoader(dataset, batch_size, shuffle=seed is not None, generator=generator)


def read_texts(source: str | None = None) -> list[str]:
    """The texts of a source, without empty ones.

    source: None for the Python language reference that comes with every Python (`pydoc_data.topics`, one text per
    topic); a path that ends in .txt (one text) or .jsonl (one text per line, in the field `text`); else the name of a
    data set on the Hugging Face hub, "owner/name" or "owner/name:configuration", whose training split has a column
    `text`. Raises ValueError, naming the source, for a file that is missing or has another format, and for a data set
    that cannot be loaded.
    """
    if source is None:
        from pydoc_data.topics import topics

        return [topics[name] for name in sorted(topics)]
    path = Path(source)
    if path.suffix not in (".txt", ".jsonl"):
        return hub_texts(source)
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f'source is "{source}"; there is no such file') from None
    except UnicodeDecodeError as problem:
        raise ValueError(f'source is "{source}"; it must be UTF-8 text ({problem})') from None
    texts = [content] if path.suffix == ".txt" else [_text_of(line, source, number)
                                                     for number, line in enumerate(content.split("\n"), start=1)
                                                     if line.strip()]  # fmt: skip
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise ValueError(f'source is "{source}"; it contains no text')
    return texts


def split_rows(rows: Batch, share: float = 0.8) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The first `share` of the rows to train on, and the rest to measure on, so that no row is in both."""
    first = round(share * len(rows["input_ids"]))
    return (
        {name: tensor[:first] for name, tensor in rows.items()},
        {name: tensor[first:] for name, tensor in rows.items()},
    )


def spread_rows(rows: Batch, count: int) -> dict[str, Tensor]:
    """`count` evenly spaced rows, or all rows if there are fewer."""
    total = len(rows["input_ids"])
    chosen = torch.arange(min(count, total)) * total // min(count, total)
    return {name: tensor[chosen] for name, tensor in rows.items()}


def _text_of(line: str, source: str, number: int) -> str:
    try:
        text = json.loads(line)["text"]
    except (json.JSONDecodeError, KeyError, TypeError):
        text = None
    if not isinstance(text, str):
        raise ValueError(f'source is "{source}"; line {number} must be a JSON object with a field "text"')
    return text


def hub_texts(source: str, split: str = "train") -> list[str]:
    """The texts, without blank ones, of a split of a data set on the hub, "owner/name" or "owner/name:configuration".

    Downloads it, with a progress bar, unless the hub's cache has it. Raises ValueError if it cannot be loaded.
    """
    import datasets  # slow to import, and needed only for the hub

    name, _, configuration = source.partition(":")
    try:
        texts = datasets.load_dataset(name, configuration or None, split=split)["text"]
    except Exception as problem:  # the hub's client raises many types; all mean that there is no text
        raise ValueError(
            f'source is "{source}"; it is neither a .txt nor a .jsonl file, and it cannot be loaded as a data '
            f"set from the hub ({type(problem).__name__}: {str(problem).splitlines()[0]})"
        ) from problem
    return [text for text in texts if text.strip()]
