"""Depth against width on SmolLM2: half of its layers, or all of them with a third of their inner units.

    python -m helpers.experiments.student_shape_laptop --wikitext DIR      → results/student_shape_laptop.json

DIR holds valid.txt, WikiText-2's validation text. Both students have 81 million weights. They are measured as the cuts
of `helpers.experiments.laptop` are: perplexity at once, and after 8 steps of 4 rows of distillation, on rows from the
end of the training part. Beside quality: milliseconds for one more token, without other rows, with the cache filled.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from helpers.data.batches import Batch, make_batches, split_rows, spread_rows
from helpers.evaluation import measure_perplexity
from helpers.experiments.laptop_training import Materials, most_influential
from helpers.experiments.laptop_units import Setting
from helpers.experiments.machine import describe_machine, write_result
from helpers.fetch import cache_folder
from helpers.layer_pruning import keep_layers
from helpers.layer_states import inner_activations
from helpers.student_shape import most_important_units, prune_inner
from helpers.training import DistillConfig, count_parameters, distill

INNER_KEPT = 512  # of 1,536: with all layers about as many weights as half of the layers have


def students(teacher: PreTrainedModel, batch: Batch) -> dict[str, PreTrainedModel]:
    """Students of 81 million weights, by how they were cut."""
    source, units = random.Random(0), teacher.config.intermediate_size
    at_random = [sorted(source.sample(range(units), INNER_KEPT)) for _ in inner_activations(teacher, batch)]
    return {
        "half of the layers, those that turn most": keep_layers(teacher, most_influential(teacher, batch)),
        "a third of the inner units, the most active": prune_inner(
            teacher, most_important_units(teacher, batch, INNER_KEPT)
        ),
        "a third of the inner units, at random": prune_inner(teacher, at_random),
    }


def decoding_milliseconds(models: dict[str, PreTrainedModel], ids: Tensor, repeats: int = 8) -> dict[str, float]:
    """Milliseconds for one more token, the fastest of `repeats`, models interleaved."""
    best = dict.fromkeys(models, float("inf"))
    with torch.inference_mode():
        for _ in range(repeats):
            for name, model in models.items():
                cache = model(ids[:, :-1], use_cache=True).past_key_values
                began = time.perf_counter()
                model(ids[:, -1:], past_key_values=cache, use_cache=True)
                best[name] = min(best[name], 1000 * (time.perf_counter() - began))
    return {name: round(value, 1) for name, value in best.items()}


def compare(setting: Setting) -> dict:
    """Cut, measure, train briefly, and measure again."""
    materials = Materials(setting)
    training, validation_rows = split_rows(materials.rows("wikitext")[0], 0.95)
    validation = list(make_batches(spread_rows(validation_rows, setting.cut_held_out), 4))
    rows = spread_rows(training, setting.cut_steps * setting.cut_batch_size)
    batches = make_batches(rows, setting.cut_batch_size, seed=0)
    teacher = materials.teacher
    cut = students(teacher, next(iter(batches)))
    latencies = decoding_milliseconds({"the teacher": teacher} | cut, training["input_ids"][:1, :33])
    result: dict = {"the teacher": {"parameters": count_parameters(teacher), "token_ms": latencies["the teacher"],
                                    "at_once": measure_perplexity(teacher, validation, resamples=0).value}}  # fmt: skip
    config = DistillConfig(
        steps=setting.cut_steps, temperature=setting.temperature, alpha=0.5, learning_rate=setting.learning_rate
    )
    for name in list(cut):
        student = cut.pop(name)
        found = {"parameters": count_parameters(student), "token_ms": latencies[name]}
        found["at_once"] = measure_perplexity(student, validation, resamples=0).value
        distill(student, materials.cached_teacher("wikitext"), batches, config)
        result[name] = found | {"after": measure_perplexity(student, validation, resamples=0).value}
    return result


def main() -> None:
    """Run the comparison and write its result."""
    parser = argparse.ArgumentParser(description="Depth against width on SmolLM2.")
    parser.add_argument("--wikitext", type=Path, required=True, metavar="DIR")
    parser.add_argument("--state", type=Path, default=cache_folder() / "laptop_experiment", metavar="DIR")
    chosen = parser.parse_args()
    setting = Setting(chosen.wikitext, chosen.state, steps=240, batch_size=8, seeds=(0,))
    found = compare(setting)
    described = {
        "steps": setting.cut_steps, "rows_a_step": setting.cut_batch_size, "tokens_a_row": setting.length,
        "learning_rate": setting.learning_rate, "temperature": setting.temperature,
    }  # fmt: skip
    write_result("student_shape_laptop", {"machine": describe_machine(), "setting": described, "students": found})


if __name__ == "__main__":
    main()
