"""Does a teacher help, once a student without one had the same number of steps? The tiny tier's answer, over seeds.

Every student starts from the same weights and trains on a little text of the known language. The arms differ in the
loss alone: hard labels only (the control), labels and teacher, teacher only; each has the learning rate that suits it
best. Because the truth is known, students are measured by their distance to it, and also by perplexity, on text that no
model was trained on.

    python -m helpers.experiments.tiny           five seeds of each arm → results/tiny_distillation.json
    python -m helpers.experiments.tiny --tune    learning rates, tried for each arm → results/tiny_learning_rates.json
    python -m helpers.experiments.tiny --sweep   five seeds at several alphas and temperatures → results/tiny_sweep.json
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from helpers.data.batches import make_batches, whole_rows
from helpers.data.known_language import KnownLanguage, OracleTeacher
from helpers.evaluation import distance_to_truth, measure_distance, measure_perplexity, perplexity
from helpers.experiments.machine import describe_machine, write_result
from helpers.models import load_student, load_teacher
from helpers.tiers import HELD_OUT_SEED
from helpers.training import DistillConfig, count_parameters, distill

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LENGTH = 64  # tokens in a row
ROWS, BATCH_SIZE, STEPS = 300, 8, 300  # a student's text is 300 rows, 19,200 tokens; it sees each row eight times
VALIDATION_SEED = 2_000_000  # far from the seeds of the students' texts
TRIED_RATES, TUNING_SEEDS = (3e-3, 1e-2, 2e-2, 4e-2), (100, 101, 102)


@dataclass(frozen=True)
class Arm:
    """One way to train a student: weight of the soft term, temperature, peak learning rate."""

    name: str
    alpha: float
    learning_rate: float
    temperature: float = 3.0


# Each arm has the learning rate that was best for it in results/tiny_learning_rates.json.
CONTROL = Arm("hard labels only", alpha=0.0, learning_rate=1e-2)
MIXED = Arm("labels and teacher", alpha=0.5, learning_rate=1e-2)
SOFT = Arm("teacher only", alpha=1.0, learning_rate=2e-2)
ARMS = (CONTROL, MIXED, SOFT)
ALPHAS, TEMPERATURES = (0.3, 0.5, 0.7), (1.0, 3.0, 5.0, 10.0)


def held_out_batches(language: KnownLanguage, rows: int = 200, seed: int = HELD_OUT_SEED) -> DataLoader:
    """Rows of the language that no student trains on, in batches."""
    return make_batches(whole_rows(language.sample(rows, LENGTH, seed)), 100)


def train_student(arm: Arm, seed: int, *, steps: int = STEPS, rows: int = ROWS, progress: bool = False) -> nn.Module:
    """A student of the arm. The seed determines its text, the order of the text, and dropout."""
    language = KnownLanguage.stories()
    batches = make_batches(whole_rows(language.sample(rows, LENGTH, seed)), BATCH_SIZE, seed)
    student = load_student("tiny")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = DistillConfig(
            steps=steps, temperature=arm.temperature, alpha=arm.alpha, learning_rate=arm.learning_rate
        )
        distill(student, load_teacher("tiny") if arm.alpha else None, batches, config, progress=progress)
    return student


def compare_students(
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    arms: Sequence[Arm] = ARMS,
    *,
    steps: int = STEPS,
    rows: int = ROWS,
    progress: bool = True,
) -> dict:
    """Train a student for each seed and arm at equal steps, and measure all on the same held-out text.

    Returns a dictionary that JSON can hold. "truth", "teacher" and "before" each have `perplexity` and `distance` (to
    the truth, in nats a token) as {value, low, high, tokens, rows}, with 95 % intervals over rows. "arms" has, by name:
    `runs` (seed, perplexity, distance, seconds), and `perplexity` and `distance` as {mean, low, high} over the seeds,
    where low and high are the smallest and the largest run; every arm but the first also has `closer_than_control`, in
    how many seeds its distance is smaller than that of the first arm. "setting" says what was run.
    """
    language = KnownLanguage.stories()
    held_out = held_out_batches(language)
    measured = {"truth": OracleTeacher(language), "teacher": load_teacher("tiny"), "before": load_student("tiny")}
    result: dict = {
        "setting": {
            "seeds": list(seeds),
            "steps": steps,
            "batch_rows": BATCH_SIZE,
            "training_rows": rows,
            "training_tokens": rows * LENGTH,
            "parameters": {name: count_parameters(measured[name]) for name in ("teacher", "before")},
            "entropy_rate_nats": language.entropy_rate(),
        }
    }
    for name, model in measured.items():
        result[name] = {
            "perplexity": measure_perplexity(model, held_out)._asdict(),
            "distance": measure_distance(model, language, held_out)._asdict(),
        }
    result["arms"] = {arm.name: {**asdict(arm), "runs": []} for arm in arms}
    for seed, arm in tqdm([(seed, arm) for seed in seeds for arm in arms], disable=not progress, unit="student"):
        began = time.perf_counter()
        student = train_student(arm, seed, steps=steps, rows=rows)
        seconds = time.perf_counter() - began
        run = {"seed": seed, "perplexity": perplexity(student, held_out), "seconds": round(seconds, 2)}
        run["distance"] = distance_to_truth(student, language, held_out)
        result["arms"][arm.name]["runs"].append(run)
    control = result["arms"][arms[0].name]["runs"]
    for arm in arms:
        entry = result["arms"][arm.name]
        for measure in ("perplexity", "distance"):
            values = [run[measure] for run in entry["runs"]]
            entry[measure] = {"mean": statistics.fmean(values), "low": min(values), "high": max(values)}
        if arm is not arms[0]:
            pairs = zip(entry["runs"], control, strict=True)
            entry["closer_than_control"] = sum(run["distance"] < other["distance"] for run, other in pairs)
    return result


def sweep(
    alphas: Sequence[float] = ALPHAS,
    temperatures: Sequence[float] = TEMPERATURES,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    **options: Any,
) -> dict:
    """Students at several alphas (with the temperature of `MIXED`) and at several temperatures (with its alpha).

    The first arm is the control, hard labels only. All have one learning rate, that of the control and of `MIXED`, and
    the same number of steps. options: as in `compare_students`, whose result this is, with "sweeps" besides: for
    "alpha" and "temperature", the tried values and the names of their arms, [[value, name], …].
    """
    sweeps = {
        "alpha": [(value, replace(MIXED, alpha=value)) for value in alphas],
        "temperature": [(value, replace(MIXED, temperature=value)) for value in temperatures],
    }
    named = {
        axis: [(value, replace(arm, name=f"alpha {arm.alpha:g}, T {arm.temperature:g}")) for value, arm in tried]
        for axis, tried in sweeps.items()
    }
    arms = {arm.name: arm for tried in named.values() for _, arm in tried}  # the arm where both cross is run once
    result = compare_students(seeds, [CONTROL, *arms.values()], **options)
    return result | {"sweeps": {axis: [[value, arm.name] for value, arm in tried] for axis, tried in named.items()}}


def plot_sweep(result: dict) -> tuple["Figure", str]:
    """A figure of what `sweep` found, and its alt text, as `helpers.plots.show` takes them.

    Distance to the truth in nats a token, over alpha and over temperature: mean, lowest and highest seed; the band is
    the control, hard labels only.
    """
    from matplotlib import pyplot as plt  # slow to import, and needed only for plots

    from helpers.plots import COLORS

    control_name, *_ = result["arms"]
    control = result["arms"][control_name]["distance"]
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True, layout="constrained")
    sentences = [f"Control, {control_name}: {control['mean']:.3f} nats a token."]
    for axes, (axis, tried) in zip(panels, result["sweeps"].items(), strict=True):
        values = [value for value, _ in tried]
        distances = [result["arms"][name]["distance"] for _, name in tried]
        means = [distance["mean"] for distance in distances]
        errors = [
            [distance["mean"] - distance["low"] for distance in distances],
            [distance["high"] - distance["mean"] for distance in distances],
        ]
        axes.axhspan(control["low"], control["high"], color=COLORS[5], alpha=0.3)
        axes.axhline(control["mean"], color=COLORS[0], linestyle="--", label=control_name)
        axes.errorbar(values, means, yerr=errors, color=COLORS[3], marker="o", capsize=4, label="labels and teacher")
        axes.set_xlabel({"alpha": "alpha, weight of the teacher", "temperature": "temperature T"}[axis])
        if axis == "temperature":
            axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
        listed = ", ".join(f"{mean:.3f} at {value:g}" for value, mean in zip(values, means, strict=True))
        sentences.append(f"Distance to the truth over {axis}: {listed}.")
    panels[0].set_ylabel("distance to the truth, nats a token")
    panels[0].set_ylim(bottom=0)
    panels[1].legend()
    return figure, " ".join(sentences)


def try_learning_rates(
    arms: Sequence[Arm] = ARMS, rates: Sequence[float] = TRIED_RATES, seeds: Sequence[int] = TUNING_SEEDS
) -> dict:
    """Mean distance to the truth of each arm at each learning rate, on a validation text and separate seeds.

    Returns {arm name: {"distances": {rate: nats}, "best": rate}}; the keys of "distances" are text, for JSON.
    """
    language = KnownLanguage.stories()
    validation = held_out_batches(language, seed=VALIDATION_SEED)
    result = {}
    for arm in arms:
        distances = {}
        for rate in tqdm(rates, desc=arm.name):
            students = [train_student(replace(arm, learning_rate=rate), seed) for seed in seeds]
            distances[rate] = statistics.fmean(distance_to_truth(s, language, validation) for s in students)
        result[arm.name] = {
            "distances": {f"{rate:g}": distance for rate, distance in distances.items()},
            "best": min(distances, key=distances.__getitem__),
        }
    return result


def main() -> None:
    """Run the experiment, or with --tune the search for learning rates, and write its result."""
    parser = argparse.ArgumentParser(description="Compare students of the tiny tier.")
    parser.add_argument("--tune", action="store_true", help="try learning rates instead, on separate seeds")
    parser.add_argument("--sweep", action="store_true", help="try several alphas and temperatures instead")
    parser.add_argument("--plot", type=Path, help="with --sweep: save the plot to this file")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    if chosen.tune:
        tried = {"machine": describe_machine(), "seeds": list(TUNING_SEEDS), "arms": try_learning_rates()}
        write_result("tiny_learning_rates", tried, chosen.results)
        return
    result, name = (sweep(), "tiny_sweep") if chosen.sweep else (compare_students(), "tiny_distillation")
    write_result(name, {"machine": describe_machine(), **result}, chosen.results)
    if chosen.sweep and chosen.plot:
        plot_sweep(result)[0].savefig(chosen.plot, dpi=150)
    print(f"distance to the truth, nats a token (student before: {result['before']['distance']['value']:.3f})")
    for name, arm in result["arms"].items():
        print(f"  {name:20}", "{mean:.4f} ({low:.4f} to {high:.4f})".format(**arm["distance"]))


if __name__ == "__main__":
    main()
