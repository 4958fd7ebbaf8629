"""helpers.data and helpers.labels: rows, blocks, batches, and the one shift."""

import pytest
import torch

from helpers.data import encode_rows, make_batches, pack_blocks, whole_rows
from helpers.labels import make_labels, next_token_pairs
from helpers.language import KnownLanguage
from helpers.stories import END

TEXTS = ["Mia felt happy.", "Tom ran."]


@pytest.fixture(scope="module")
def tokenizer():
    return KnownLanguage.stories().tokenizer()


def test_rows_end_with_end_of_text_that_counts_and_padding_that_does_not(tokenizer):
    rows = encode_rows(TEXTS, tokenizer, max_length=10)
    assert rows["input_ids"].tolist() == [
        tokenizer(TEXTS[0])["input_ids"] + [0],
        [*tokenizer(TEXTS[1])["input_ids"], 0, 0],
    ]
    assert rows["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    labels = make_labels(**rows)
    assert labels[1].tolist() == [*tokenizer(TEXTS[1])["input_ids"], 0, -100]  # the true end is kept, its twin is not


def test_a_row_that_is_cut_has_no_end(tokenizer):
    rows = encode_rows(TEXTS, tokenizer, max_length=4)
    assert rows["input_ids"].tolist()[0] == tokenizer(TEXTS[0])["input_ids"]
    with pytest.raises(ValueError, match="texts is empty"):
        encode_rows([], tokenizer, max_length=4)


def test_blocks_hold_all_texts_in_order_and_drop_the_rest(tokenizer):
    blocks = pack_blocks(TEXTS, tokenizer, length=4)
    stream = tokenizer(END.join([*TEXTS, ""]))["input_ids"]
    assert blocks["input_ids"].flatten().tolist() == stream[:8] and len(stream) == 9
    assert blocks["attention_mask"].min() == 1
    with pytest.raises(ValueError, match="9 tokens.*length = 10"):
        pack_blocks(TEXTS, tokenizer, length=10)


def test_batches_hold_every_row_once_and_keep_ids_and_mask_together():
    ids = torch.arange(10)[:, None].expand(10, 3)
    batches = make_batches({"input_ids": ids, "attention_mask": ids + 100}, batch_size=4, seed=0)
    assert [len(batch["input_ids"]) for batch in batches] == [4, 4, 2] and len(batches) == 3
    first = torch.cat([batch["input_ids"][:, 0] for batch in batches])
    assert sorted(first.tolist()) == list(range(10)) and first.tolist() != list(range(10))
    for batch in batches:
        assert torch.equal(batch["attention_mask"], batch["input_ids"] + 100)


def test_the_seed_decides_the_order_of_each_pass():
    rows = whole_rows(torch.arange(50)[:, None])

    def passes(seed):
        batches = make_batches(rows, 50, seed)
        return [next(iter(batches))["input_ids"][:, 0].tolist() for _ in range(2)]

    assert passes(0) == passes(0)
    assert passes(0) != passes(1)
    assert passes(0)[0] != passes(0)[1]
    assert passes(None)[0] == list(range(50))


def test_labels_come_from_the_mask_on_any_side():
    ids = torch.tensor([[5, 0, 7, 0], [0, 5, 0, 7]])
    labels = make_labels(ids, torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]]))
    assert labels.tolist() == [[5, 0, 7, -100], [-100, 5, 0, 7]]
    assert ids.tolist() == [[5, 0, 7, 0], [0, 5, 0, 7]]
    with pytest.raises(ValueError, match="attention_mask has shape"):
        make_labels(ids, torch.ones(2, 3))


def test_each_position_is_paired_with_the_token_after_it():
    logits = torch.arange(2 * 4 * 3.0).view(2, 4, 3)
    labels = torch.tensor([[1, 2, 0, 1], [2, 2, 1, -100]])
    shifted, targets = next_token_pairs(logits, labels)
    assert torch.equal(shifted, logits[:, :3])
    assert targets.tolist() == [[2, 0, 1], [2, 1, -100]]
    with pytest.raises(ValueError, match="labels have shape"):
        next_token_pairs(logits, labels[:, 1:])
