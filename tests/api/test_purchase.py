"""Buying replies: nothing is paid for twice, a broken cache line costs one reply, rows line up with their targets."""

from __future__ import annotations

import asyncio

import pytest
import torch

from helpers.api import client as ours
from helpers.api.purchase import Client, Terms, buy
from helpers.api.replies import ReplyCache, choices_of, rows_of
from helpers.api.service import is_installed
from helpers.api.terms import print_terms, read_terms
from helpers.checks.coroutines import run_virtually
from helpers.models import load_tokenizer

CLIENT = Client(ours.request_key, ours.ask, ours.ask_all, ours.cost)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500}


def terms(**settings):
    async def no_wait(seconds):
        await asyncio.sleep(seconds)

    return Terms(price_in=1.0, price_out=2.0, sleep=no_wait, **settings)


def counting(sent, fail=lambda request: None):
    async def send(request):
        sent.append(request["seed"])
        if (error := fail(request)) is not None:
            raise error
        return {"choices": [{"text": str(request["seed"])}], "usage": USAGE}

    return send


def bought(send, requests, path, **settings):
    return run_virtually(lambda: buy(CLIENT, send, requests, ReplyCache(path), terms(**settings)), [])[1]


def test_a_second_run_and_equal_requests_cost_nothing(tmp_path, capsys):
    sent, requests = [], [{"seed": seed} for seed in (1, 2, 3, 2)]
    first = bought(counting(sent), requests, tmp_path / "cache.jsonl")
    assert sent == [1, 2, 3] and [reply["choices"][0]["text"] for reply in first] == ["1", "2", "3", "2"]
    assert "$0.0060 so far" in capsys.readouterr().err, "three replies of 1000 and 500 tokens"
    assert bought(counting(sent), [*requests, {"seed": 4}], tmp_path / "cache.jsonl")[:4] == first
    assert sent == [1, 2, 3, 4]


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    class Stopped(BaseException):
        pass

    sent, requests, path = [], [{"seed": seed} for seed in range(6)], tmp_path / "cache.jsonl"
    with pytest.raises(Stopped):
        bought(counting(sent, lambda request: Stopped() if request["seed"] > 2 else None), requests, path, limit=1)
    assert len(ReplyCache(path)) == 3
    sent.clear()
    assert len(bought(counting(sent), requests, path)) == 6 and sent == [3, 4, 5]


def test_a_request_that_fails_for_good_leaves_its_error_and_is_sent_again_next_time(tmp_path):
    from helpers.api.errors import ApiError

    sent, path = [], tmp_path / "cache.jsonl"
    replies = bought(
        counting(sent, lambda r: ApiError(400) if r["seed"] == 1 else None), [{"seed": 1}, {"seed": 2}], path
    )
    assert isinstance(replies[0], ApiError) and len(choices_of(replies)) == 1
    bought(counting(sent), [{"seed": 1}, {"seed": 2}], path)
    assert sent == [1, 2, 1]


def test_a_line_that_was_cut_costs_one_reply(tmp_path):
    path = tmp_path / "cache.jsonl"
    cache = ReplyCache(path)
    cache.add("a", {"x": 1})
    with path.open("a") as file:
        file.write('{"key": "b", "rep')
    again = ReplyCache(path)
    assert "a" in again and "b" not in again and again["a"] == {"x": 1}
    again.add("c", 3)
    assert len(ReplyCache(path)) == 2 and ReplyCache(path)["c"] == 3


def test_rows_line_up_with_the_targets_of_the_next_token():
    tokenizer = load_tokenizer("tiny")
    names = ["One", "day", "<|endoftext|>"]
    story = [[name, -0.5, {name: -0.5, "she": -2.0}] for name in names]
    rows = rows_of([{"tokens": story}] * 4, tokenizer, length=5)
    ids = tokenizer.convert_tokens_to_ids(names)
    assert rows["input_ids"].tolist() == [
        [0, *ids, ids[0]], [0, ids[1], ids[2], ids[0], ids[1]], [0, ids[2], *ids]
    ]  # fmt: skip
    assert torch.equal(rows["ids"][..., 0], rows["input_ids"][:, 1:]) and rows["values"].shape == (3, 4, 2)
    assert rows["values"][0, 0].tolist() == [-0.5, -2.0]


def test_every_term_has_a_source_and_dates(capsys):
    found = read_terms()
    for term in found:
        assert term.source.startswith("https://") and term.effective < term.read[:10] and len(term.quote) > 20
    print_terms()
    printed = capsys.readouterr().out
    assert all(term.source in printed and term.effective in printed for term in found) and len(found) >= 5


def test_a_missing_extra_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not is_installed("lora")
    assert capsys.readouterr().out.count("\n") == 1
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert is_installed("api") and capsys.readouterr().out == ""
