"""Useful tokens a second and peak memory of training: `distill` against the usual loop and against TRL.

    python -m benchmarks.training                 → results/training_speed.json
    python -m benchmarks.training --text FILE     the same on another text

Teacher and student have the true size of GPT-2-medium and DistilGPT-2, with random weights: speed does not depend on
them. A token is useful if the loss counts it; padding is not.

- **padded loop**: rows padded to one length, two forward passes, all logits at once, float32: how the loop is usually
  written, with the loss of `helpers.losses`.
- **TRL**: GKDTrainer on the rows of the text itself (lmbda = 0) with the forward KL (beta = 0), rows padded to the
  longest of their batch; no gradient checkpointing. (TRL's DistillationTrainer learns only from text that the student
  wrote.) It has no hard term.
- **distill**: packed blocks, loss in chunks. **distill, kept answers**: the teacher's 64 likeliest tokens kept before.

Each arm runs in a process of its own. What is measured is how many tokens it computes in a second, padding included, on
rows that are full. How many of the tokens that it computes are useful is counted over the whole text, in shuffled
batches of 8 rows as the arm would pad them. Seconds are those of the processor (all threads), so that other work on the
machine disturbs less; with one thread they are those of the clock on an idle machine.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from benchmarks.measure import describe_machine, in_own_process, matrix_rate, peak, reset_peak
from benchmarks.text import paragraphs_of, train_tokenizer
from helpers.data.batches import encode_rows, make_batches, pack_blocks
from helpers.engine.logit_cache import cache_teacher_logits, number_rows
from helpers.engine.logit_compression import TopK
from helpers.engine.precision import choose_precision
from helpers.experiments.machine import write_result
from helpers.labels import make_labels, next_token_pairs
from helpers.losses import distillation_loss
from helpers.training import DistillConfig, count_parameters, distill, freeze

VOCABULARY, LENGTH = 50_257, 128
SHAPES = {"teacher": (24, 1024, 16), "student": (6, 768, 12)}  # layers, width, heads: GPT-2-medium, DistilGPT-2
BATCH = 8  # rows that are padded together when the useful share of a text is counted
TEMPERATURE, ALPHA, RATE, KEPT = 3.0, 0.5, 5e-5, 64
ARMS = ("padded loop", "trl", "distill", "distill, kept answers")
GOALS = {"padded loop": 4.0, "trl": 1.5, "share of the matrix rate": 0.4}


def build(name: str, tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """A model of the true shape with random weights."""
    layers, width, heads = SHAPES[name]
    end = tokenizer.eos_token_id
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY, n_layer=layers, n_embd=width, n_head=heads, bos_token_id=end, eos_token_id=end
        )
    )


class Clock:
    """Processor seconds of each step; the first is a warm-up and does not count."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def tick(self, *_: object) -> None:
        self.times.append((time.process_time(), time.perf_counter()))

    def seconds(self) -> tuple[list[float], list[float]]:
        """Processor seconds and clock seconds of each step after the first."""
        processor, clock = zip(*self.times, strict=True)
        return tuple([b - a for a, b in zip(s[1:], s[2:], strict=False)] for s in (processor, clock))


def padded_loop(student, teacher, rows, batch_rows, steps, clock) -> list[int]:
    """The usual loop; returns how many tokens each step computes."""
    freeze(teacher)
    student.train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=RATE)
    counts = []
    clock.tick()
    for batch in islice(make_batches(rows, batch_rows), steps):
        student_logits = student(**batch).logits
        with torch.no_grad():
            teacher_logits = teacher(**batch).logits
        logits, labels = next_token_pairs(student_logits, make_labels(**batch))
        distillation_loss(logits, teacher_logits[:, :-1], labels, TEMPERATURE, ALPHA).backward()
        optimizer.step()
        optimizer.zero_grad()
        counts.append(batch["input_ids"].numel())
        clock.tick()
    return counts


def with_trl(student, teacher, rows, batch_rows, steps, clock, tokenizer) -> list[int]:
    """TRL's trainer on the same rows, in the same order; returns how many tokens each step computes."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl.experimental.gkd import GKDConfig, GKDTrainer

    counts = []

    def collate(examples: list[dict]) -> dict[str, torch.Tensor]:
        longest = max(len(example["input_ids"]) for example in examples)
        ids = torch.full((len(examples), longest), tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for row, example in enumerate(examples):
            ids[row, : len(example["input_ids"])] = torch.tensor(example["input_ids"])
            mask[row, : len(example["input_ids"])] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": make_labels(ids, mask)}

    class Ticks(TrainerCallback):
        def on_train_begin(self, *_, **__):
            clock.tick()

        def on_step_end(self, *_, **__):
            clock.tick()

    pairs = zip(rows["input_ids"], rows["attention_mask"], strict=True)
    kept = [ids[mask == 1].tolist() for ids, mask in pairs][: batch_rows * steps]
    for start in range(0, len(kept), batch_rows):
        batch = kept[start : start + batch_rows]
        counts.append(len(batch) * max(map(len, batch)))
    with tempfile.TemporaryDirectory() as folder:
        arguments = GKDConfig(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=batch_rows, lmbda=0.0, beta=0.0,
            learning_rate=RATE, gradient_checkpointing=False, bf16=choose_precision(student) == torch.bfloat16,
            use_cpu=not torch.cuda.is_available(), report_to="none", save_strategy="no", logging_strategy="no",
            disable_tqdm=True, dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = GKDTrainer(
            student, teacher, arguments, data_collator=collate, train_dataset=Dataset.from_dict({"input_ids": kept}),
            processing_class=tokenizer, callbacks=[Ticks()],
        )  # fmt: skip
        trainer._get_train_sampler = lambda *_: torch.utils.data.SequentialSampler(trainer.train_dataset)
        trainer.train()
    return counts


def one_arm(arm: str, text: Path | None, batch_rows: int, steps: int) -> dict:
    """Run one arm for a warm-up and `steps` steps; return what was measured."""
    tokenizer = train_tokenizer(text)
    texts = list(islice(paragraphs_of(text), 100 + 20 * batch_rows * (steps + 1)))
    student, teacher = build("student", tokenizer), build("teacher", tokenizer).eval()
    padded = encode_rows(list(paragraphs_of(text)), tokenizer, LENGTH)
    share = useful_share(arm, padded["attention_mask"])
    longest = padded["attention_mask"].sum(dim=1).argsort(descending=True, stable=True)[: batch_rows * (steps + 1)]
    padded = {name: rows[longest] for name, rows in padded.items()}
    packed = number_rows(
        {name: rows[: batch_rows * (steps + 1)] for name, rows in pack_blocks(texts, tokenizer, LENGTH).items()}
    )
    before = reset_peak()
    clock, found = Clock(), {}
    config = DistillConfig(steps=steps + 1, temperature=TEMPERATURE, alpha=ALPHA, learning_rate=RATE)
    precision = torch.float32 if arm == "padded loop" else choose_precision(student)
    rate = matrix_rate(precision)
    if arm == "padded loop":
        counts = padded_loop(student, teacher, padded, batch_rows, steps + 1, clock)
    elif arm == "trl":
        counts = with_trl(student, teacher, padded, batch_rows, steps + 1, clock, tokenizer)
    else:
        with tempfile.TemporaryDirectory() as folder:
            source = teacher
            if arm == "distill, kept answers":
                began = time.process_time(), time.perf_counter()
                source = cache_teacher_logits(
                    Path(folder) / "cache", freeze(teacher), packed, TopK(KEPT), temperature=TEMPERATURE,
                    batch_size=batch_rows, progress=False,
                )  # fmt: skip
                kept_tokens = packed["input_ids"][:, 1:].numel()
                found["keeping_seconds_a_token"] = (time.process_time() - began[0]) / kept_tokens
                found["keeping_clock_seconds_a_token"] = (time.perf_counter() - began[1]) / kept_tokens
                found["bytes_a_token"] = source.bytes_per_token
            clock.tick()
            training = make_batches(packed, batch_rows)
            history = distill(student, source, training, config, on_step=clock.tick, progress=False)
            counts = [batch_rows * LENGTH] * len(history.tokens)
    processor, clocked = clock.seconds()
    computed = sum(counts[1:])
    return found | {
        "tokens_a_second": computed / sum(processor) * share,
        "tokens_a_clock_second": computed / sum(clocked) * share,
        "computed_tokens_a_second": computed / sum(processor),
        "useful_share": share,
        "seconds_a_step": processor,
        "clock_seconds_a_step": clocked,
        "peak_mb": round(peak(), 1),
        "peak_above_models_mb": round(peak() - before, 1),
        "parameters": {"teacher": count_parameters(teacher), "student": count_parameters(student)},
        "precision": str(precision),
        "matrix_rate": max(rate, matrix_rate(precision)),
    }


def useful_share(arm: str, mask: torch.Tensor) -> float:
    """How many of the tokens that an arm computes count, over all rows of a text. mask: the rows' attention mask."""
    if arm.startswith("distill"):
        return (LENGTH - 1) / LENGTH
    lengths = mask.sum(dim=1)
    useful = int((lengths - 1).sum())
    if arm == "padded loop":
        return useful / mask.numel()
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(0))
    return useful / sum(len(batch) * int(batch.max()) for batch in lengths[order].split(BATCH))


def profile_step(text: Path | None, batch_rows: int) -> dict:
    """One step of `distill` with the teacher: its floating-point operations, its rate, and where the time goes."""
    tokenizer = train_tokenizer(text)
    texts = list(islice(paragraphs_of(text), 100 + 20 * batch_rows))
    student, teacher = build("student", tokenizer), freeze(build("teacher", tokenizer))
    packed = {name: rows[:batch_rows] for name, rows in pack_blocks(texts, tokenizer, LENGTH).items()}
    batches = list(make_batches(packed, batch_rows))
    config = DistillConfig(steps=1, temperature=TEMPERATURE, alpha=ALPHA, learning_rate=RATE)
    with FlopCounterMode(display=False) as counter:
        distill(student, teacher, batches, config, progress=False)
    precision = choose_precision(student)
    rate, clock = matrix_rate(precision), Clock()
    clock.tick()
    distill(student, teacher, batches, replace(config, steps=2), on_step=clock.tick, progress=False)
    rate = max(rate, matrix_rate(precision))
    (seconds,), (clocked,) = clock.seconds()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        distill(student, teacher, batches, config, progress=False)
    events = sorted(profiled.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events)
    return {
        "operations_a_step": counter.get_total_flops(),
        "seconds": seconds,
        "clock_seconds": clocked,
        "operations_a_second": counter.get_total_flops() / seconds,
        "precision": str(precision),
        "matrix_rate": rate,
        "share_of_matrix_rate": counter.get_total_flops() / seconds / rate,
        "share_of_time": {event.key: round(event.self_cpu_time_total / whole, 4) for event in events[:12]},
    }


def summarise(arms: dict[str, dict], profiled: dict) -> dict:
    """Ratios against the goals, in tokens a second of the processor; with the keeping spread over two passes."""
    fast, kept = arms["distill"], arms["distill, kept answers"]
    two_passes = 2 / (2 / kept["tokens_a_second"] + kept["keeping_seconds_a_token"])
    speeds = {"distill": fast["tokens_a_second"], "distill, kept answers, two passes": two_passes,
              "distill, kept answers, later passes": kept["tokens_a_second"]}  # fmt: skip
    ratios = {
        other: {name: round(speed / arms[other]["tokens_a_second"], 2) for name, speed in speeds.items()}
        for other in ("padded loop", "trl")
    }
    memory = {other: round(fast["peak_mb"] / arms[other]["peak_mb"], 3) for other in ("padded loop", "trl")}
    share = profiled["share_of_matrix_rate"]
    return {
        "speed": ratios,
        "peak_memory": memory,
        "goals": GOALS,
        "goals_met": {
            "padded loop": ratios["padded loop"]["distill, kept answers, two passes"] >= GOALS["padded loop"],
            "trl": ratios["trl"]["distill, kept answers, two passes"] >= GOALS["trl"],
            "share of the matrix rate": share >= GOALS["share of the matrix rate"],
        },
        "share_of_matrix_rate": round(share, 3),
    }


def main() -> None:
    """Run the arms, print the ratios, write the result."""
    parser = argparse.ArgumentParser(description="Speed and memory of training against the usual loop and TRL.")
    parser.add_argument("--text", type=Path, help="a text file; default: the language reference that Python carries")
    parser.add_argument("--rows", type=int, default=8, help="rows of 128 tokens in a step")
    parser.add_argument("--steps", type=int, default=3, help="steps that are measured, after a warm-up")
    parser.add_argument("--arm", choices=[*ARMS, "profile"], help="run one arm only, in this process")
    parser.add_argument("--out", type=Path, help="with --arm: where to write what it found")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    if chosen.arm:
        found = (
            profile_step(chosen.text, chosen.rows)
            if chosen.arm == "profile"
            else one_arm(chosen.arm, chosen.text, chosen.rows, chosen.steps)
        )
        chosen.out.write_text(json.dumps(found), encoding="utf-8")
        return
    passed = ["--rows", str(chosen.rows), "--steps", str(chosen.steps)]
    passed += ["--text", str(chosen.text)] if chosen.text else []
    arms = {}
    for arm in ARMS:
        arms[arm] = in_own_process("benchmarks.training", "--arm", arm, *passed)
        print(f"{arm:24} {arms[arm]['tokens_a_second']:8.1f} useful tokens/s, peak {arms[arm]['peak_mb']:6.0f} MB")
    profiled = in_own_process("benchmarks.training", "--arm", "profile", *passed)
    result = {
        "machine": describe_machine(),
        "setting": {"rows_a_step": chosen.rows, "length": LENGTH, "steps": chosen.steps,
                    "text": chosen.text.name if chosen.text else "pydoc_data.topics"},
        "arms": arms,
        "profile": profiled,
        "ratios": summarise(arms, profiled),
    }  # fmt: skip
    write_result("training_speed", result, chosen.results)
    print(json.dumps(result["ratios"], indent=2))


if __name__ == "__main__":
    main()
