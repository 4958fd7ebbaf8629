"""`transformers serve` answers the lab's client on the loopback, and what is missing is said in one line."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
import torch

from helpers.api import served_model, service
from helpers.api.errors import ApiError
from helpers.api.fine_tuning import nats_of_replies, train_on_replies
from helpers.api.served_model import ServerError, serve_folder, start_served_teacher
from helpers.data.python_questions import WORDS, request_about
from tests.small_models import save, small_llama, small_tokenizer

CHAT = "{% for m in messages %}{{ m['content'] }} {% endfor %}"


@pytest.fixture
def laptop(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setenv("DISTILLAB_TIER", "laptop")
    monkeypatch.setattr(served_model, "serve_folder", lambda folder: pytest.fail("a server was started"))


@pytest.mark.slow
def test_a_model_on_disk_answers_the_labs_client_and_goes_with_its_process(tmp_path, monkeypatch, capsys):
    folder = save(small_llama(2), tmp_path / "a model")
    (folder / "chat_template.jinja").write_text(CHAT, encoding="utf-8")
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setenv("DISTILLAB_TIER", "laptop")
    monkeypatch.setenv("DISTILLAB_TEACHER", str(folder))
    teacher = start_served_teacher()
    assert teacher is not None and teacher.address.startswith("http://127.0.0.1:")
    assert f"a model answers at {teacher.address}" in capsys.readouterr().out
    asked = {"messages": [{"role": "user", "content": "w1 w2 w3"}], "max_tokens": 6}

    async def talk():
        unknown = await teacher.send({**asked, "n": 4, "logprobs": True, "top_logprobs": 3})
        assert [choice["tokens"] for choice in unknown["choices"]] == [[]]  # ignored, and not refused
        assert unknown["usage"] == {"prompt_tokens": 3, "completion_tokens": 6}
        drawn = [(await teacher.send(request_about("yield", seed, 6)))["choices"][0]["text"] for seed in (1, 2, 1)]
        assert drawn[0] == drawn[2] != drawn[1]
        with pytest.raises(ApiError, match="400"):
            await teacher.send({**asked, "model": "another"})

    try:
        asyncio.run(talk())
    finally:
        teacher.stop()


def test_a_server_that_cannot_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(served_model, "SERVE", "import sys; sys.exit(f'no model in {sys.argv[2]}')")
    with pytest.raises(ServerError, match=f"ended before it answered: no model in {tmp_path}"):
        serve_folder(tmp_path)


def test_the_server_ends_with_the_process_that_holds_its_pipe(tmp_path, monkeypatch):
    before_app = served_model.SERVE.partition("from transformers")[0]
    waiting = "import time; print('waits', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", before_app + waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"waits\n" and process.poll() is None
        process.stdin.close()  # as when the kernel is killed
        assert process.wait(10) == 0


def test_each_thing_that_is_missing_is_said_in_one_line(laptop, monkeypatch, tmp_path, capsys):
    def said():
        assert start_served_teacher() is None
        return capsys.readouterr().out

    monkeypatch.setenv("DISTILLAB_CACHE", str(tmp_path))
    assert said() == f"The laptop tier's teacher is not in {tmp_path / 'laptop'} yet; run: distillab fetch laptop\n"
    monkeypatch.setenv("DISTILLAB_TEACHER", str(tmp_path))
    for extra in ("api", "laptop"):
        with monkeypatch.context() as patch:
            patch.setitem(service.NEEDED, extra, ("no_such_package",))
            assert said().startswith(f"no_such_package not installed: pip install 'distillab[{extra}]'")
    monkeypatch.setenv("DISTILLAB_TIER", "tiny")
    assert "distillab fetch laptop" in (line := said()) and line.count("\n") == 1
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert said() == "While a notebook is graded, no model is served.\n"


def test_forty_questions_differ():
    assert len({request_about(word)["messages"][0]["content"] for word in WORDS}) == 40


@pytest.mark.slow
def test_replies_are_learned_and_their_questions_do_not_count():
    tokenizer, model = small_tokenizer(), small_llama(2)
    tokenizer.chat_template = CHAT
    pairs = [("w1 w2 w3", "w4 w5 w6 w7"), ("w3 w2", "w9 w8 w7")]
    row = torch.tensor([tokenizer("w1 w2 w3 w4 w5 w6 w7 <|end|>")["input_ids"]])
    with torch.no_grad():
        log_probs = model(row).logits.log_softmax(dim=-1)[0, :-1].gather(-1, row[0, 1:, None])
    before = nats_of_replies(model, tokenizer, pairs[:1])
    assert before == pytest.approx(-log_probs[2:].mean().item(), rel=1e-5)
    losses = train_on_replies(model, tokenizer, pairs, steps=12, learning_rate=1e-2)
    assert losses[0] == pytest.approx(nats_of_replies(small_llama(2), tokenizer, pairs), rel=0.35)
    assert nats_of_replies(model, tokenizer, pairs) < 0.7 * before
