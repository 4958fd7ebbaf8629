"""Which shape should a student have? Lab 09's figures from the tiny tier.

    python -m helpers.experiments.student_shape      → results/student_shape.json (about 20 minutes on one core)

All students learn from the tiny teacher alone, at T = 3, on 300 rows that their seed chooses, and are measured by their
distance to the truth. Learning rates (and the weight of hidden states) are tuned for every kind of student separately,
on other seeds and on validation rows.

- shapes: depth against width at about equal weights, and smaller and larger models beside them, each at the rate that
  is best for it; the equal-weight ones also at the one rate that is best for the shallowest, and a small and a large
  one at the highest rate;
- hidden states: matched beside the logits, before them, or not at all, at equal steps and at equal processor time;
- pruning: the teacher's inner units cut to a quarter by importance, at random, and the least important kept; one of its
  layers kept; a new model of the same size. At once, and after 100 steps of repair;
- cuts: ways to keep three of the six layers of the deep model, at once and after 100 steps;
- latency: milliseconds for one more token, for all of them.

The file is written after every part, and a part that is in it is not run again.
"""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from helpers.data.batches import make_batches, whole_rows
from helpers.data.known_language import KnownLanguage
from helpers.experiments.machine import describe_machine, write_result
from helpers.experiments.shape_training import Recipe, decoding_milliseconds, measure, new_student, run
from helpers.experiments.tiny import BATCH_SIZE, LENGTH, ROWS
from helpers.layer_pruning import keep_layers, layer_influence
from helpers.layer_states import inner_activations
from helpers.models import load_folder_model, load_teacher
from helpers.student_shape import most_important_units, prune_inner, width_importance
from helpers.training import count_parameters

Make = Callable[[int], PreTrainedModel]
SEEDS, TUNING_SEEDS = (0, 1, 2), (100, 101)
RATES, REPAIR_RATES = (5e-3, 1e-2, 2e-2, 4e-2), (1.25e-3, 2.5e-3, 5e-3, 1e-2, 2e-2)
STEPS, REPAIR_STEPS = 300, 100
EQUAL_WEIGHTS = {"1×64": (1, 64), "2×48": (2, 48), "4×34": (4, 34), "6×28": (6, 28)}
OTHER_SIZES = {"1×32": (1, 32), "1×96": (1, 96)}
HIDDEN_WEIGHTS = (0.01, 0.1, 1.0)
INNER_KEPT = 96  # of 384: about the size of one layer kept, 139,008 weights against 138,336


def spread(values: Iterable[float]) -> dict:
    """Mean, smallest and largest."""
    listed = list(values)
    return {"mean": statistics.fmean(listed), "low": min(listed), "high": max(listed)}


def several(make: Make, recipe: Recipe, seeds: Iterable[int] = SEEDS) -> dict:
    """Runs over seeds, with the spread of their distances."""
    runs = [run(make, recipe, seed) for seed in seeds]
    return {"runs": runs, **spread(each["distance"] for each in runs)}


def tuned(make: Make, recipes: dict[str, Recipe]) -> dict:
    """Try recipes on the tuning seeds and validation rows; the distances of each, and the name of the best."""
    tried = {
        name: [run(make, recipe, seed, tuning=True)["distance"] for seed in TUNING_SEEDS]
        for name, recipe in recipes.items()
    }
    return {"distances": tried, "best": min(tried, key=lambda name: statistics.fmean(tried[name]))}


def by_rate(steps: int, rates: Iterable[float] = RATES, **settings: Any) -> dict[str, Recipe]:
    return {f"{rate:g}": Recipe(steps, rate, **settings) for rate in rates}


def try_shape(layers: int, width: int) -> dict:
    """A shape at its own best rate."""

    def make(seed: int) -> PreTrainedModel:
        return new_student(layers, width, seed)

    rates = by_rate(STEPS)
    tuning = tuned(make, rates)
    result = {"layers": layers, "width": width, "parameters": count_parameters(make(0)), "tuning": tuning}
    return result | {"rate": float(tuning["best"]), "own_rate": several(make, rates[tuning["best"]])}


def at_shared_rate(name: str, rate: float) -> dict:
    layers, width = (EQUAL_WEIGHTS | OTHER_SIZES)[name]
    return several(lambda seed: new_student(layers, width, seed), Recipe(STEPS, rate))


def match_or_not(steps: int, control_rate: float | None) -> dict:
    """Hidden states of a 2×48 student beside the logits, before them, or not at all, within a budget of steps."""

    def make(seed: int) -> PreTrainedModel:
        return new_student(*EQUAL_WEIGHTS["2×48"], seed)

    result: dict = {}
    if control_rate is None:
        result["tuning logits only"] = tuned(make, by_rate(steps))
        control_rate = float(result["tuning logits only"]["best"])
    beside = {
        f"{rate:g}, weight {weight:g}": Recipe(steps, rate, hidden_weight=weight)
        for rate in (control_rate / 2, control_rate)
        for weight in HIDDEN_WEIGHTS
    }
    first = {f"{rate:g}": Recipe(steps, rate, matching_steps=steps // 3) for rate in (control_rate / 2, control_rate)}
    result["logits only"] = several(make, Recipe(steps, control_rate))
    for name, recipes in {"hidden states too": beside, "hidden states first": first}.items():
        tuning = tuned(make, recipes)
        best = recipes[tuning["best"]]
        result[f"tuning {name}"] = tuning
        result[name] = several(make, best)
        seconds = [sum(each["processor_seconds"] for each in result[arm]["runs"]) for arm in ("logits only", name)]
        fewer = min(steps, round(steps * seconds[0] / seconds[1]))
        result[f"{name}, equal cost"] = several(
            make, Recipe(fewer, best.learning_rate, best.hidden_weight, best.matching_steps * fewer // steps)
        )
    return result


def pruned_starts() -> dict[str, Make]:
    """Students of about half of the teacher's weights, by how they start."""
    teacher = load_teacher("tiny")
    batch = whole_rows(KnownLanguage.stories().sample(64, LENGTH, seed=2_500_000))
    most = most_important_units(teacher, batch, INNER_KEPT)
    importance = [width_importance(seen, batch["attention_mask"]) for seen in inner_activations(teacher, batch)]
    least = [sorted((-each).topk(INNER_KEPT).indices.tolist()) for each in importance]

    def at_random(seed: int) -> PreTrainedModel:
        source = random.Random(seed)
        return prune_inner(teacher, [sorted(source.sample(range(len(each)), INNER_KEPT)) for each in importance])

    return {
        "most active units": lambda seed: prune_inner(teacher, most),
        "random units": at_random,
        "least active units": lambda seed: prune_inner(teacher, least),
        "first layer kept": lambda seed: keep_layers(teacher, [0]),
        "second layer kept": lambda seed: keep_layers(teacher, [1]),
        "new, 1×96": lambda seed: new_student(1, 96, seed),
    }


def deep_cuts() -> dict[str, list[int]]:
    """Ways to keep three of the deep model's six layers."""
    batch = next(iter(make_batches(whole_rows(KnownLanguage.stories().sample(64, LENGTH, seed=2_500_000)), 64)))
    influence = layer_influence(load_folder_model("tiny_deep"), batch)
    most = sorted(sorted(range(6), key=influence.__getitem__)[3:])
    return {
        "0, 2, 4": [0, 2, 4],
        "1, 3, 5": [1, 3, 5],
        "the first half": [0, 1, 2],
        "the second half": [3, 4, 5],
        "both ends": [0, 1, 5],
        "those that turn most": most,
    }


def repaired(make: Make) -> dict:
    """At once and after a short repair, at the start's own rate."""
    rates = by_rate(REPAIR_STEPS, REPAIR_RATES)
    tuning = tuned(make, rates)
    return {
        "parameters": count_parameters(make(0)),
        "at_once": spread(measure(make(seed)) for seed in SEEDS),
        "tuning": tuning,
        "rate": float(tuning["best"]),
        "after": several(make, rates[tuning["best"]]),
    }


def repaired_cut(kept: list[int]) -> dict:
    """Some layers of the deep model, at once and repaired."""
    deep = load_folder_model("tiny_deep")
    return {"kept": kept} | repaired(lambda seed: keep_layers(deep, kept))


def latencies() -> dict[str, float]:
    """Milliseconds for one more token, of every shape and pruned student, and of teacher and deep model."""
    shapes = {name: new_student(*shape, 0) for name, shape in (EQUAL_WEIGHTS | OTHER_SIZES).items()}
    starts = {name: make(0) for name, make in pruned_starts().items() if name != "new, 1×96"}
    return decoding_milliseconds(
        shapes | starts | {"teacher": load_teacher("tiny"), "deep": load_folder_model("tiny_deep")}
    )


def parts(result: dict) -> Iterable[tuple[str, str, Callable[[], Any]]]:
    """Every part as group, name and what computes it; `result` holds the parts so far."""
    for name, shape in (EQUAL_WEIGHTS | OTHER_SIZES).items():
        yield "shapes", name, partial(try_shape, *shape)
    shared = result["shapes"]["1×64"]["rate"]
    for name in EQUAL_WEIGHTS:
        yield "at_the_rate_of_1×64", name, partial(at_shared_rate, name, shared)
    for name in ("1×64", "1×96"):
        yield "at_the_highest_rate", name, partial(at_shared_rate, name, RATES[-1])
    for name, make in pruned_starts().items():
        yield "pruning", name, partial(repaired, make)
    for name, kept in deep_cuts().items():
        yield "cuts", name, partial(repaired_cut, kept)
    yield "hidden_states", "100 steps", partial(match_or_not, 100, None)
    yield "hidden_states", "300 steps", partial(match_or_not, STEPS, result["shapes"]["2×48"]["rate"])
    yield "before", "teacher", lambda: measure(load_teacher("tiny"))
    yield "before", "deep", lambda: measure(load_folder_model("tiny_deep"))
    yield "latency_ms", "all", latencies


def main(path: Path = Path("results/student_shape.json")) -> None:
    """Run what is missing and write the result after every part."""
    torch.set_num_threads(1)
    setting = {
        "seeds": list(SEEDS), "tuning_seeds": list(TUNING_SEEDS), "rates": list(RATES),
        "repair_rates": list(REPAIR_RATES), "steps": STEPS,
        "repair_steps": REPAIR_STEPS, "batch_rows": BATCH_SIZE, "training_rows": ROWS, "temperature": 3.0, "alpha": 1.0,
    }  # fmt: skip
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    result: dict = {"machine": describe_machine(), "setting": setting}
    result |= {key: value for key, value in earlier.items() if earlier.get("setting") == setting and key != "machine"}
    for group, name, compute in tqdm(parts(result), unit="part"):
        found = result.setdefault(group, {})
        if name not in found:
            found[name] = compute()
            write_result(path.stem, result, path.parent)


if __name__ == "__main__":
    main()
