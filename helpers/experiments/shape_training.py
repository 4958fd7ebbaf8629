"""How `helpers.experiments.student_shape` trains and measures one tiny student, whatever its shape and start."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice, repeat

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from helpers.data.batches import Batch, make_batches, whole_rows
from helpers.data.known_language import KnownLanguage
from helpers.engine.lr_schedule import warmup_cosine
from helpers.evaluation import distance_to_truth
from helpers.experiments.tiny import BATCH_SIZE, LENGTH, ROWS, VALIDATION_SEED, held_out_batches
from helpers.losses import forward_kl
from helpers.models import load_teacher, new_model
from helpers.student_shape import hidden_state_loss
from helpers.tiers import HELD_OUT_SEED
from helpers.training import freeze

TEMPERATURE, HEADS, VOCABULARY = 3.0, 2, 210


@dataclass(frozen=True)
class Recipe:
    """How a student is trained: on the teacher alone, and beside it on hidden states.

    Attributes:
        steps: optimizer steps, the matching steps included.
        learning_rate: the peak.
        hidden_weight: weight of the hidden-state loss beside the soft term; 0 leaves it out.
        matching_steps: first steps in which only hidden states are matched.
    """

    steps: int
    learning_rate: float
    hidden_weight: float = 0.0
    matching_steps: int = 0


def new_student(layers: int, width: int, seed: int) -> PreTrainedModel:
    """A student with random weights, whose heads are two whatever its width."""
    return new_model(layers, width, HEADS, VOCABULARY, LENGTH, seed)


def train(student: PreTrainedModel, recipe: Recipe, seed: int) -> float:
    """Train a student in place on the teacher's predictions for 300 rows, and return processor seconds of its steps.

    The seed determines the rows, their order, dropout, and the projections of hidden states. The teacher has read the
    rows before, once for all students of the seed; its time does not count.
    """
    rows, states = read_by_teacher(seed)
    batches = make_batches(rows | (states if _matches(recipe) else {}), BATCH_SIZE, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        projections, layer_map = matching(student, len(states)) if _matches(recipe) else (nn.ModuleList(), {})
        weights = [*student.parameters(), *projections.parameters()]
        optimizer = torch.optim.AdamW(weights, weight_decay=0.01, fused=True)
        student.train()
        began = time.process_time()
        for step, batch in enumerate(islice(chain.from_iterable(repeat(batches)), recipe.steps)):
            mask, wants_states = batch["attention_mask"], recipe.hidden_weight > 0 or step < recipe.matching_steps
            given = student(batch["input_ids"], attention_mask=mask, output_hidden_states=wants_states)
            losses: list[Tensor] = []
            if step >= recipe.matching_steps:
                pair = given.logits[:, :-1], batch["logits"][:, :-1]
                losses.append(TEMPERATURE**2 * forward_kl(*pair, mask[:, 1:], TEMPERATURE))
            if wants_states:
                expected = [batch[name] for name in states]
                loss = hidden_state_loss(given.hidden_states, expected, projections, layer_map, mask)
                losses.append((recipe.hidden_weight or 1.0) * loss)
            optimizer.param_groups[0]["lr"] = recipe.learning_rate * warmup_cosine(step, recipe.steps)
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
        seconds = time.process_time() - began
    student.eval()
    return seconds


@cache
def read_by_teacher(seed: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A seed's rows with the teacher's logits for them, and its hidden states by name, the embeddings first."""
    rows = whole_rows(KnownLanguage.stories().sample(ROWS, LENGTH, seed))
    teacher = freeze(load_teacher("tiny"))
    with torch.no_grad():
        outputs = [
            teacher(ids, attention_mask=mask, output_hidden_states=True)
            for ids, mask in zip(rows["input_ids"].split(50), rows["attention_mask"].split(50), strict=True)
        ]
    states = zip(*(output.hidden_states for output in outputs), strict=True)
    named = {f"state {number}": torch.cat(parts) for number, parts in enumerate(states)}
    return rows | {"logits": torch.cat([output.logits for output in outputs])}, named


def _matches(recipe: Recipe) -> bool:
    return recipe.hidden_weight > 0 or recipe.matching_steps > 0


def matching(student: PreTrainedModel, teacher_states: int) -> tuple[nn.ModuleList, dict[int, int]]:
    """A projection for every student state, and a map of the states: both ends to both ends, evenly between."""
    ours = student.config.n_layer
    layer_map = {state: round(state * (teacher_states - 1) / ours) for state in range(ours + 1)}
    wider = load_teacher("tiny").config.n_embd
    return nn.ModuleList(nn.Linear(student.config.n_embd, wider, bias=False) for _ in layer_map), layer_map


def measure(student: nn.Module, *, tuning: bool = False) -> float:
    """Distance to the truth in nats per token: on held-out rows, or on the validation rows that rates are tuned on."""
    return distance_to_truth(
        student, KnownLanguage.stories(), _measured_on(VALIDATION_SEED if tuning else HELD_OUT_SEED)
    )


@cache
def _measured_on(seed: int) -> list[Batch]:
    return list(held_out_batches(KnownLanguage.stories(), seed=seed))


def run(make: Callable[[int], PreTrainedModel], recipe: Recipe, seed: int, *, tuning: bool = False) -> dict:
    """Make, train and measure one student; plain data."""
    student = make(seed)
    seconds = train(student, recipe, seed)
    return {
        "seed": seed,
        "steps": recipe.steps,
        "distance": measure(student, tuning=tuning),
        "processor_seconds": round(seconds, 2),
    }


def decoding_milliseconds(models: dict[str, PreTrainedModel], tokens: int = 32, repeats: int = 40) -> dict[str, float]:
    """Milliseconds for one more token with the cache filled, one row: the fastest of `repeats`, models interleaved."""
    ids = KnownLanguage.stories().sample(1, tokens + 1, seed=0)
    best = dict.fromkeys(models, float("inf"))
    with torch.inference_mode():
        for _ in range(repeats):
            for name, model in models.items():
                cache = model(ids[:, :tokens], use_cache=True).past_key_values
                began = time.perf_counter()
                model(ids[:, tokens:], past_key_values=cache, use_cache=True)
                best[name] = min(best[name], 1000 * (time.perf_counter() - began))
    return {name: round(value, 3) for name, value in best.items()}
