"""From text to batches.

A batch is a mapping with `input_ids` and `attention_mask`, each `(B, S)` long; rows of tokens are held the same way,
with all N rows in one `(N, S)` tensor. `make_batches` cuts rows into batches.
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
    dataset: StackDataset = StackDataset(**rows)  # type: ignore[arg-type]  # a tensor is indexed like a data set
    return DataLoader(dataset, batch_size, shuffle=seed is not None, generator=generator)


def read_texts(source: str | None = None) -> list[str]:
    """The texts of a source, none of them empty.

    source: None for the Python language reference that every Python carries (`pydoc_data.topics`, one text a topic);
    a path that ends in .txt (one text), or in .jsonl (one text a line, in the field `text`); else the name of a data
    set on the Hugging Face hub, "owner/name" or "owner/name:configuration", whose training split has a column `text`.
    Raises ValueError, naming the source, for a file that is not there or not so, and for a data set that cannot be had.
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
        raise ValueError(f'source is "{source}"; it holds no text')
    return texts


def split_rows(rows: Batch, share: float = 0.8) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The first `share` of the rows to train on, and the rest to measure on, so that no text stands in both."""
    first = round(share * len(rows["input_ids"]))
    return (
        {name: tensor[:first] for name, tensor in rows.items()},
        {name: tensor[first:] for name, tensor in rows.items()},
    )


def spread_rows(rows: Batch, count: int) -> dict[str, Tensor]:
    """`count` rows at even distances, or all where there are fewer."""
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
    """The column `text` of a split of a data set on the hub, "owner/name" or "owner/name:configuration", but blanks.

    Downloads it, and shows that, where the hub's cache does not have it. Raises ValueError where it cannot be had.
    """
    import datasets  # slow to import, and needed for the hub only

    name, _, configuration = source.partition(":")
    try:
        texts = datasets.load_dataset(name, configuration or None, split=split)["text"]
    except Exception as problem:  # the hub's client raises many kinds; all of them mean that the text is not there
        raise ValueError(
            f'source is "{source}"; it is neither a .txt nor a .jsonl file, and as a data set of the hub it cannot be '
            f"loaded ({type(problem).__name__}: {str(problem).splitlines()[0]})"
        ) from problem
    return [text for text in texts if text.strip()]
