"""Lab 06 with a real model: SmolLM2 behind `transformers serve`, bought with the lab's client, learned from with LoRA.

    python -m helpers.experiments.black_box_laptop      → results/black_box_laptop.json; goes on where it was stopped

What the server does with settings that it does not know is tried first. Then 40 questions about Python are asked. The
student, 15 of the teacher's 30 layers, learns from the replies with TRL's SFTTrainer, once with PEFT's LoRA and once
with all of its weights, for as many steps. It is measured on the replies to questions that it was not trained on. One
seed, and rates that were not tuned: it shows that the path works and what it costs. Our LoRA is compared with PEFT's.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

from helpers.api import client as ours
from helpers.api.errors import ApiError
from helpers.api.fine_tuning import copy_adapters, nats_of_replies, peft_adapter, train_on_replies
from helpers.api.purchase import Client, Terms, buy
from helpers.api.replies import ReplyCache
from helpers.api.served_model import serve_folder
from helpers.api.service import Teacher
from helpers.data.python_questions import WORDS, question, request_about
from helpers.experiments.lora_memory import ALPHA, RANK
from helpers.experiments.machine import describe_machine, write_result
from helpers.experiments.units import UnitStore
from helpers.fetch import cache_folder
from helpers.linear_layers import PROJECTIONS, replace_layers
from helpers.lora import LoRALinear
from helpers.models import load_student, load_teacher, load_tokenizer, model_source
from helpers.training import count_parameters

HELD_OUT = WORDS[4::5]  # eight questions
STEPS = 16  # of four replies
RATES = {"LoRA": 1e-3, "all weights": 1e-4}
TRIED = {"n": {"n": 4}, "logprobs": {"logprobs": True, "top_logprobs": 5}}
Pairs = list[tuple[str, str]]


async def try_settings(teacher: Teacher) -> dict[str, Any]:
    """What comes back for settings that this server does not know, and whether seeds differ without a sampling mode."""
    plain = {"messages": [{"role": "user", "content": question("yield")}], "max_tokens": 24, "temperature": 1.0}
    found: dict[str, Any] = {}
    for name, setting in TRIED.items():
        try:
            reply = await teacher.send({**plain, **setting})
            found[name] = {"choices": len(reply["choices"]), "log_probs": len(reply["choices"][0]["tokens"])}
        except ApiError as refused:
            found[name] = {"status": refused.status}
    texts = [(await teacher.send({**plain, "seed": seed}))["choices"][0]["text"] for seed in (1, 2)]
    drawn = [(await teacher.send(request_about("yield", seed, 24)))["choices"][0]["text"] for seed in (1, 2)]
    return {**found, "seeds_differ": texts[0] != texts[1], "seeds_differ_with_do_sample": drawn[0] != drawn[1]}


def ask_teacher(cache: ReplyCache) -> dict[str, Any]:
    """Serve the teacher, try its settings, and buy the replies that are not in the cache."""
    teacher = serve_folder(model_source("laptop", "teacher"))
    try:
        tried, replies, again = asyncio.run(_ask_all(teacher, cache))
    finally:
        teacher.stop()
    choices = [reply["choices"][0] for reply in replies]
    return {
        "settings": tried, "requests": len(replies), "paid_again": again != replies,
        "tokens": sum(reply["usage"]["completion_tokens"] for reply in replies),
        "kept": [ours.keep_reply(choice) for choice in choices], "texts": [choice["text"] for choice in choices],
    }  # fmt: skip


async def _ask_all(teacher: Teacher, cache: ReplyCache) -> tuple[dict[str, Any], list[Any], list[Any]]:
    client = Client(ours.request_key, ours.ask, ours.ask_all, ours.cost)
    orders = [{"model": "SmolLM2-135M-Instruct", **request_about(word)} for word in WORDS]
    terms = Terms(price_in=0.15, price_out=0.60, limit=1)  # one at a time: the server's seed is that of its process

    async def send(order: Any) -> Any:
        return await teacher.send({**order, "model": teacher.model})

    tried = await try_settings(teacher)
    return tried, await buy(client, send, orders, cache, terms), await buy(client, _must_not_send, orders, cache, terms)


async def _must_not_send(request: Any) -> Any:
    raise AssertionError("everything is in the cache")


def split(bought: dict[str, Any]) -> tuple[Pairs, Pairs]:
    """Kept replies with their questions: to train on, and to measure on."""
    kept = [(word, text) for word, text, keep in zip(WORDS, bought["texts"], bought["kept"], strict=True) if keep]
    parts = [[(question(word), text) for word, text in kept if (word in HELD_OUT) is held] for held in (False, True)]
    return parts[0], parts[1]


def measure(way: str, training: Pairs, held_out: Pairs) -> dict[str, Any]:
    """Train the student in this way, and measure it."""
    model, tokenizer = load_student("laptop"), load_tokenizer("laptop")
    if way == "the teacher":
        return {"held_out": nats_of_replies(load_teacher("laptop"), tokenizer, held_out)}
    if way == "before":
        return {"held_out": nats_of_replies(model, tokenizer, held_out)}
    if way == "LoRA":
        model = peft_adapter(model, PROJECTIONS, RANK, int(ALPHA))
    began = time.process_time()
    losses = train_on_replies(model, tokenizer, training, steps=STEPS, learning_rate=RATES[way])
    seconds = time.process_time() - began
    return {
        "trained_weights": sum(each.numel() for each in model.parameters() if each.requires_grad),
        "learning_rate": RATES[way], "losses": losses, "processor_seconds": round(seconds, 1),
        "held_out": nats_of_replies(model, tokenizer, held_out),
    }  # fmt: skip


@torch.no_grad()
def gap_to_peft() -> dict[str, float]:
    """The largest difference between the logits of our LoRA and PEFT's, with equal adapters, in float64."""
    plain = load_student("laptop").double()
    own = replace_layers(copy.deepcopy(plain), lambda layer: LoRALinear(layer, RANK, ALPHA), PROJECTIONS)  # type: ignore[arg-type]
    layers = [part for part in own.modules() if isinstance(part, LoRALinear)]
    torch.manual_seed(0)
    for layer in layers:
        torch.nn.init.normal_(layer.B, std=0.02)
    theirs = peft_adapter(copy.deepcopy(plain), PROJECTIONS, RANK, int(ALPHA))
    copy_adapters(theirs, [(layer.A, layer.B) for layer in layers])
    row = torch.tensor([load_tokenizer("laptop")(question("yield"))["input_ids"]])
    one, other, before = (model(row, attention_mask=torch.ones_like(row)).logits for model in (own, theirs, plain))
    return {"largest": (one - other).abs().max().item(), "adapted_by": (one - before).abs().max().item()}


def run_all(state: Path) -> dict[str, Any]:
    """Every unit, and what they say together."""
    store = UnitStore(state / "units.json")
    bought = store.unit("replies", partial(ask_teacher, ReplyCache(state / "replies.jsonl")))
    training, held_out = split(bought)
    ways: tuple[str, ...] = ("the teacher", "before", *RATES)
    students = {way: store.unit(way, partial(measure, way, training, held_out)) for way in ways}
    return {
        "served": {key: value for key, value in bought.items() if key not in ("texts", "kept")},
        "replies_kept": sum(bought["kept"]), "trained_on": len(training), "held_out": len(held_out),
        "steps": STEPS, "batch_size": 4, "rank": RANK, "alpha": ALPHA, "seeds": [0],
        "student_weights": count_parameters(load_student("laptop")),
        "students": students, "gap_to_peft": store.unit("gap", gap_to_peft),
        "kept_and_wrong": bought["texts"][WORDS.index("def")],
    }  # fmt: skip


def main() -> None:
    """Run what is missing, and write the result."""
    parser = argparse.ArgumentParser(description="Learn from SmolLM2 behind an API.")
    parser.add_argument("--state", type=Path, default=cache_folder() / "black_box_laptop", metavar="DIR",
                        help="where replies and finished units are kept (default: in the cache)")  # fmt: skip
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    result = run_all(chosen.state)
    write_result("black_box_laptop", {"machine": describe_machine(), **result}, chosen.results)


if __name__ == "__main__":
    main()
