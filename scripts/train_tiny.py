"""Make the weights of the tiny tier from seeds: `python scripts/train_tiny.py` (about 5 minutes on one core).

It writes `tiny_teacher` and `tiny_student` (.safetensors and .json) to `helpers/assets`, and what it did and measured
to `results/tiny_training.json`.

The teacher reads 3 million tokens of the known language, each once, with hard labels. Some rows begin with a story, and
some, like packed blocks, begin anywhere.

The student plays the part of DistilGPT-2: a smaller model that has already learned something, so that its perplexity
before distillation is meaningful. It has one layer where the teacher has two, and it is trained briefly, on hard labels
of 3,200 tokens. A student with random weights would start at the perplexity of guessing, about the size of the
vocabulary; the log gives that number too.

Only one thread is used, so that the same machine and the same versions give the same weights.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from helpers.data.batches import make_batches, whole_rows
from helpers.data.known_language import KnownLanguage, OracleTeacher
from helpers.evaluation import distance_to_truth, perplexity
from helpers.experiments.machine import describe_machine, write_result
from helpers.experiments.tiny import LENGTH, held_out_batches
from helpers.models import ASSETS, new_model, save_folder_model
from helpers.training import DistillConfig, count_parameters, distill

SHAPES = {"teacher": {"layers": 2, "width": 96, "heads": 4}, "student": {"layers": 1, "width": 64, "heads": 4}}


@dataclass(frozen=True)
class Training:
    """How a role is trained: rows of text, batches, seed of everything random."""

    rows: int
    batch_size: int
    steps: int
    learning_rate: float
    seed: int


TRAININGS = {
    "teacher": Training(rows=48_000, batch_size=32, steps=1500, learning_rate=3e-3, seed=1),
    "student": Training(rows=50, batch_size=8, steps=100, learning_rate=3e-3, seed=2),
}


def mixed_starts(language: KnownLanguage, rows: int, seed: int) -> Tensor:
    """Rows `(rows, LENGTH)`: half begin with the end-of-text token, a quarter with a story, a quarter anywhere."""
    latest = 24
    generator = torch.Generator().manual_seed(seed)
    kind = torch.arange(rows) % 4
    anywhere = torch.randint(2, latest + 1, (rows,), generator=generator)
    start = torch.where(kind < 2, 0, torch.where(kind == 2, 1, anywhere))
    return language.sample(rows, LENGTH + latest, seed).gather(1, start[:, None] + torch.arange(LENGTH))


def train(language: KnownLanguage, role: str) -> tuple[GPT2LMHeadModel, dict]:
    """The trained model of a role, and what is recorded about it."""
    training = TRAININGS[role]
    model = new_model(**SHAPES[role], vocabulary=len(language.words), positions=LENGTH, seed=training.seed)
    held_out = held_out_batches(language)
    fresh = perplexity(model, held_out)
    input_ids = mixed_starts(language, training.rows, training.seed)
    batches = make_batches(whole_rows(input_ids), training.batch_size, training.seed)
    torch.manual_seed(training.seed)
    began = time.perf_counter()
    config = DistillConfig(steps=training.steps, alpha=0.0, learning_rate=training.learning_rate)
    distill(model, None, batches, config)
    seconds = time.perf_counter() - began
    return model, {
        **SHAPES[role],
        **asdict(training),
        "tokens_of_text": input_ids.numel(),
        "parameters": count_parameters(model),
        "perplexity_with_random_weights": fresh,
        "perplexity": perplexity(model, held_out),
        "distance_to_truth_nats": distance_to_truth(model, language, held_out),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Train both, save both, write the log."""
    torch.set_num_threads(1)
    language = KnownLanguage.stories()
    log = {
        "machine": describe_machine(),
        "language": {
            "states": len(language.states),
            "vocabulary": len(language.words),
            "entropy_rate_nats": language.entropy_rate(),
            "perplexity_of_the_truth": perplexity(OracleTeacher(language), held_out_batches(language)),
        },
    }
    for role in SHAPES:
        model, log[role] = train(language, role)
        save_folder_model(model, f"tiny_{role}")
        log[role]["bytes"] = (ASSETS / f"tiny_{role}.safetensors").stat().st_size
        print(json.dumps({role: log[role]}, indent=2))
    write_result("tiny_training", log, Path(__file__).parents[1] / "results")


if __name__ == "__main__":
    main()
