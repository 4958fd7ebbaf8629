"""The tiny teacher as a chat: seeds, log-probabilities, refusals, cuts, and what it refuses to read."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.api.chat import MODEL, REFUSAL, BadRequest, ChatTeacher, continue_rows
from helpers.models import load_teacher, load_tokenizer


@pytest.fixture(scope="module")
def teacher() -> ChatTeacher:
    return ChatTeacher(load_teacher("tiny"), load_tokenizer("tiny"))


def ask(teacher, content="Tell a story.", **settings):
    return teacher.complete({"model": MODEL, "messages": [{"role": "user", "content": content}], **settings})


def texts(reply):
    return [choice["message"]["content"] for choice in reply["choices"]]


def test_a_seed_gives_the_same_story_again_and_no_seed_another(teacher):
    one = texts(ask(teacher, seed=3, n=3))
    assert one == texts(ask(teacher, seed=3, n=3)) and len(set(one)) == 3
    assert one != texts(ask(teacher, seed=4, n=3)) != texts(ask(teacher, n=3))
    greedy = {*texts(ask(teacher, temperature=0, n=2)), *texts(ask(teacher, temperature=0.0, seed=9))}
    assert len(greedy) == 1


def test_log_probabilities_are_the_models_own_at_temperature_1(teacher):
    reply = ask(teacher, seed=5, temperature=0.5, logprobs=True, top_logprobs=4)
    content = reply["choices"][0]["logprobs"]["content"]
    assert reply["usage"]["completion_tokens"] == len(content) and content[-1]["token"] == "<|endoftext|>"
    tokens = [0, *(teacher.tokenizer.convert_tokens_to_ids(entry["token"]) for entry in content)]
    with torch.no_grad():
        whole = torch.tensor([tokens])
        expected = teacher.model(whole, attention_mask=torch.ones_like(whole)).logits[0].log_softmax(dim=-1)
    for place, entry in enumerate(content):
        assert entry["logprob"] == pytest.approx(expected[place, tokens[place + 1]].item(), abs=1e-4)
        listed = [top["logprob"] for top in entry["top_logprobs"]]
        assert listed == pytest.approx(expected[place].topk(4).values.tolist(), abs=1e-4)
        assert sum(map(math.exp, listed)) <= 1 + 1e-5


def test_an_opening_is_continued_and_unknown_words_are_refused(teacher):
    reply = ask(teacher, "Go on: One rainy day, Anna", seed=1)
    assert not texts(reply)[0].startswith("One") and reply["choices"][0]["finish_reason"] == "stop"
    refused = ask(teacher, "Explain: quantum theory", n=2)
    assert texts(refused) == [None, None] and refused["choices"][1]["message"]["refusal"] == REFUSAL
    assert refused["usage"]["completion_tokens"] == 0


def test_a_story_that_is_cut_says_so(teacher):
    reply = ask(teacher, seed=1, max_tokens=4)
    assert reply["choices"][0]["finish_reason"] == "length" and reply["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"n": 0}, "n must"),
        ({"n": True}, "n must"),
        ({"temperature": 3}, "temperature must"),
        ({"temperature": "hot"}, "temperature must"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs must"),
        ({"top_logprobs": 5}, "needs logprobs"),
        ({"model": "other"}, "no model of this name"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "must be a user's"),
        ({"max_tokens": 10**9}, "max_tokens must"),
        ({"tools": []}, "unknown parameter: tools"),
    ],
)
def test_what_is_out_of_range_is_said(teacher, settings, word):
    with pytest.raises(BadRequest, match=word):
        ask(teacher, **settings)
    for body in (None, [], {"model": MODEL}):
        with pytest.raises(BadRequest):
            teacher.complete(body)


def test_an_opening_that_fills_the_context_is_refused(teacher):
    with pytest.raises(BadRequest, match="the context holds 64"):
        ask(teacher, "Go on: " + "One sunny day " * 30)


def test_rows_go_on_after_the_end_of_a_story():
    start = torch.zeros(2, 1, dtype=torch.long)
    tokens, log_probs = continue_rows(load_teacher("tiny").eval(), start, 63, 0.0, torch.Generator())
    assert tokens.shape == (2, 63) and log_probs.shape[:2] == (2, 63)
    assert (tokens[0] == 0).sum() >= 1 and torch.equal(tokens[0], tokens[1]), "greedy"
