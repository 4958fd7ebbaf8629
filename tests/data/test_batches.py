"""helpers.data.batches and helpers.labels: rows, blocks, batches, and the one shift."""

import pytest
import torch

from helpers.data.batches import encode_rows, make_batches, pack_blocks, read_texts, split_rows, spread_rows, whole_rows
from helpers.data.known_language import KnownLanguage
from helpers.data.story_grammar import END
from helpers.labels import make_labels, next_token_pairs

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


def test_texts_come_from_a_file_or_from_what_python_carries(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    assert read_texts(str(tmp_path / "a.txt")) == ["one\n\ntwo\n"]
    (tmp_path / "b.jsonl").write_text('{"text": "eins"}\n\n{"text": " "}\n{"text": "zwei", "more": 1}\n')
    assert read_texts(str(tmp_path / "b.jsonl")) == ["eins", "zwei"]
    (tmp_path / "c.jsonl").write_text('{"text": "one\u2028line"}\n', encoding="utf-8")  # valid JSON, and no end of line
    assert read_texts(str(tmp_path / "c.jsonl")) == ["one\u2028line"]
    reference = read_texts()
    assert len(reference) > 50 and sum(map(len, reference)) > 300_000 and reference == read_texts()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.txt", None, "there is no such file"),
        ("empty.txt", b" \n", "it contains no text"),
        ("latin.txt", "Größe".encode("latin-1"), "it must be UTF-8 text"),
        ("bad.jsonl", b'{"text": "a"}\n{"body": "b"}\n', 'line 2 must be a JSON object with a field "text"'),
        ("list.jsonl", b"[1]\n", "line 1 must be"),
        ("number.jsonl", b'{"text": 3}\n', "line 1 must be"),
    ],
)
def test_a_text_that_cannot_be_read_is_said(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=says) as raised:
        read_texts(str(tmp_path / name))
    assert name in str(raised.value)


def test_a_name_of_the_hub_is_loaded_from_the_hub(monkeypatch):
    asked = []

    def load_dataset(name, configuration, split):
        asked.append((name, configuration, split))
        if name == "nobody/nothing":
            raise ConnectionError("no route\nto host")
        return {"text": ["one", " ", "two"]}

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    assert read_texts("owner/name:small") == ["one", "two"] and read_texts("owner/name") == ["one", "two"]
    assert asked == [("owner/name", "small", "train"), ("owner/name", None, "train")]
    with pytest.raises(ValueError, match=r'source is "nobody/nothing"; .*ConnectionError: no route\)'):
        read_texts("nobody/nothing")


def test_rows_to_train_on_come_first_and_none_stands_in_both():
    rows = whole_rows(torch.arange(10)[:, None])
    training, held_out = split_rows(rows)
    assert training["input_ids"].flatten().tolist() == list(range(8))
    assert held_out["input_ids"].flatten().tolist() == [8, 9] and held_out["attention_mask"].shape == (2, 1)


def test_spread_rows_lie_at_even_distances():
    rows = whole_rows(torch.arange(10)[:, None])
    assert spread_rows(rows, 5)["input_ids"].flatten().tolist() == [0, 2, 4, 6, 8]
    assert spread_rows(rows, 4)["input_ids"].flatten().tolist() == [0, 2, 5, 7]
    assert spread_rows(rows, 99)["attention_mask"].shape == (10, 1)
