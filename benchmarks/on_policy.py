"""An on-policy step against TRL's DistillationTrainer: equal losses, useful tokens a second.

    python -m benchmarks.on_policy      → results/on_policy_speed.json

Teacher and student are the laptop tier's: SmolLM2-135M and its 15 layers. Both arms continue the same prompts by the
same number of tokens at T = 1, score them with the Jensen–Shannon divergence at β = 0.5 and take a step with AdamW, in
the precision that `choose_precision` measures to be faster here. TRL runs without gradient checkpointing. A useful
token is one that the student has sampled and that counts in the loss: padding after an end of text does not count.

Both losses are also computed on the same float32 hidden states. They must agree within 1e-5 of their value; ours is
taken from float64 logits there, because the softmax over 49,152 tokens in float32 is itself off by about 1e-5. The
float32 value is recorded beside it.

Each arm runs in a process of its own. Seconds are those of the processor (all threads), so that other work on the
machine disturbs less.
"""

import argparse
import json
import tempfile
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from benchmarks.measure import describe_machine, in_own_process
from helpers.data.batches import whole_rows
from helpers.engine.precision import autocast, choose_precision
from helpers.experiments.machine import write_result
from helpers.losses import jensen_shannon
from helpers.models import load_student, load_teacher, load_tokenizer
from helpers.on_policy import on_policy_step, refresh
from helpers.tiers import load_batches
from helpers.training import freeze

ROWS, PROMPT, WRITTEN, RATE, BETA = 8, 32, 48, 1e-5, 0.5
GOAL, AGREEMENT = 1.5, 1e-5


def prompts_of(steps: int) -> Tensor:
    """Beginnings of blocks of the tier's text, `(steps · 8, 32)`."""
    training, _ = load_batches("laptop")
    return training.dataset[: steps * ROWS]["input_ids"][:, :PROMPT]


class Seconds:
    """Processor seconds of each step; the first is a warm-up and does not count."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    def tick(self, *_: object) -> None:
        self.ticks.append(time.process_time())

    def per_step(self) -> list[float]:
        return [after - before for before, after in zip(self.ticks[1:], self.ticks[2:], strict=False)]


def trl_trainer(student: PreTrainedModel, teacher: PreTrainedModel, prompts: Tensor, folder: str, bf16: bool) -> Any:
    """TRL's trainer on prompts given as text that is tokenised to the same tokens."""
    from datasets import Dataset
    from trl import DistillationConfig, DistillationTrainer

    tokenizer = load_tokenizer("laptop")
    tokenizer.padding_side = "left"
    config = DistillationConfig(
        output_dir=folder, max_steps=len(prompts) // ROWS, per_device_train_batch_size=ROWS, beta=BETA,
        max_completion_length=WRITTEN, learning_rate=RATE, lr_scheduler_type="constant", gradient_checkpointing=False,
        bf16=bf16, use_cpu=not torch.cuda.is_available(), report_to="none", save_strategy="no", shuffle_dataset=False,
        logging_strategy="no", disable_tqdm=True, dataloader_pin_memory=False, optim="adamw_torch_fused",
    )  # fmt: skip
    texts = tokenizer.batch_decode(prompts)
    return DistillationTrainer(
        student, teacher, config, Dataset.from_dict({"prompt": texts}), processing_class=tokenizer
    )


def with_trl(student: PreTrainedModel, teacher: PreTrainedModel, steps: int) -> dict:
    """Processor seconds and useful tokens of TRL's steps."""
    from transformers import TrainerCallback

    seconds, useful = Seconds(), []

    class Ticks(TrainerCallback):
        def on_train_begin(self, *_: object, **__: object) -> None:
            seconds.tick()

        def on_step_end(self, *_: object, **__: object) -> None:
            seconds.tick()

    with tempfile.TemporaryDirectory() as folder:
        bf16 = choose_precision(student) == torch.bfloat16
        trainer = trl_trainer(student, teacher, prompts_of(steps), folder, bf16)
        trainer.add_callback(Ticks())
        compute = trainer._compute_loss

        def counted(model: Any, inputs: dict, number: Any) -> Any:
            useful.append(int(inputs["completion_mask"].sum()))
            return compute(model, inputs, number)

        trainer._compute_loss = counted
        trainer.train()
    return {"seconds_a_step": seconds.per_step(), "useful_tokens": useful[1:]}


def with_ours(student: PreTrainedModel, teacher: PreTrainedModel, steps: int) -> dict:
    """Processor seconds and useful tokens of `on_policy_step`, with a copy that samples in the faster precision."""
    precision, seconds = choose_precision(student), Seconds()
    writer = freeze(deepcopy(student)).to(precision)
    teacher = freeze(teacher).to(precision)
    optimizer = torch.optim.AdamW(student.parameters(), lr=RATE, fused=True)
    student.train()
    seconds.tick()
    for prompts in prompts_of(steps).split(ROWS):
        refresh(writer, student)
        with autocast(torch.device("cpu"), precision):
            on_policy_step(student, teacher, prompts, optimizer, jensen_shannon, WRITTEN, None, writer)
        seconds.tick()
    return {"seconds_a_step": seconds.per_step(), "useful_tokens": [ROWS * WRITTEN] * (steps - 1)}


def agreement(student: PreTrainedModel, teacher: PreTrainedModel) -> dict:
    """The losses of both on the same hidden states, for several β."""
    from trl.trainer.distillation_trainer import _chunked_divergence_loss

    rows = load_batches("laptop")[0].dataset[:2]["input_ids"][:, : PROMPT + WRITTEN]
    mask = torch.ones(len(rows), WRITTEN, dtype=torch.long)
    models, found = (student, teacher), {}
    with torch.no_grad():
        states = [model.base_model(**whole_rows(rows)).last_hidden_state[:, -WRITTEN - 1 : -1] for model in models]
        heads = [model.get_output_embeddings().weight for model in models]
        pairs = list(zip(states, heads, strict=True))
        narrow = [state @ head.T for state, head in pairs]
        wide = [state.double() @ head.double().T for state, head in pairs]
        for beta in (0.0, 0.3, 0.5, 1.0):
            theirs = float(_chunked_divergence_loss(*states, *heads, mask, beta)[0])
            ours = float(jensen_shannon(*wide, mask, beta=beta))
            float32 = float(jensen_shannon(*narrow, mask, beta=beta))
            found[str(beta)] = {"trl": theirs, "ours": ours, "ours_float32": float32, "difference": abs(theirs - ours)}
    return found


def main() -> None:
    """Compare the losses, run the arms, print the ratio and write the result."""
    parser = argparse.ArgumentParser(description="An on-policy step against TRL's DistillationTrainer.")
    parser.add_argument("--steps", type=int, default=3, help="steps that are measured, after a warm-up")
    parser.add_argument("--arm", choices=["trl", "ours", "agreement"], help="run one arm only, in this process")
    parser.add_argument("--out", type=Path, help="with --arm: where to write what it found")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    if chosen.arm:
        torch.manual_seed(0)
        models = load_student("laptop"), load_teacher("laptop")
        steps = chosen.steps + 1
        found = agreement(*models) if chosen.arm == "agreement" else (
            with_trl(*models, steps) if chosen.arm == "trl" else with_ours(*models, steps)
        )  # fmt: skip
        chosen.out.write_text(json.dumps(found), encoding="utf-8")
        return
    arms = {}
    for arm in ("trl", "ours"):
        arms[arm] = in_own_process("benchmarks.on_policy", "--arm", arm, "--steps", str(chosen.steps))
        arms[arm]["tokens_a_second"] = sum(arms[arm]["useful_tokens"]) / sum(arms[arm]["seconds_a_step"])
        print(f"{arm}: {arms[arm]['tokens_a_second']:.1f} useful tokens/s", flush=True)
    losses = in_own_process("benchmarks.on_policy", "--arm", "agreement")
    ratio = arms["ours"]["tokens_a_second"] / arms["trl"]["tokens_a_second"]
    agree = all(each["difference"] <= AGREEMENT * each["trl"] for each in losses.values())
    print(f"{ratio:.2f} times the useful tokens of TRL's DistillationTrainer; losses agree: {agree}")
    setting = {"rows": ROWS, "prompt": PROMPT, "written": WRITTEN, "beta": BETA, "steps": chosen.steps}
    result = {"machine": describe_machine(), "setting": setting, "arms": arms, "losses": losses, "ratio": ratio}
    goals = {"goals": {"ratio": GOAL, "difference": AGREEMENT}, "goals_met": {"ratio": ratio >= GOAL, "losses": agree}}
    write_result("on_policy_speed", result | goals, chosen.results)


if __name__ == "__main__":
    main()
