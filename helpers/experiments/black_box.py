"""What does an API have to return for a student to learn from it? Text, a few log-probabilities, or all logits.

Every student starts from the same weights. The teacher writes rows of text, at a temperature; a student sees the text
alone, or the teacher's log-probabilities too: the top k of each token, with one bucket for the rest or divided by their
sum, or all of them. Each arm has the learning rate that suits it best, chosen on other seeds and another text. Because
the truth is known, students are measured by their distance to it; beside it stands how much of their text is distinct,
and how much of it the language could have produced.

    python -m helpers.experiments.black_box      → results/black_box.json

Results are written as they come, so that a run that was stopped goes on where it was (`--fresh` starts again).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from helpers.api.chat import continue_rows
from helpers.api.learning import text_loss, train_on_rows
from helpers.data.known_language import KnownLanguage
from helpers.evaluation import distance_to_truth
from helpers.experiments.machine import describe_machine, write_result
from helpers.experiments.tiny import VALIDATION_SEED, held_out_batches
from helpers.models import load_student, load_teacher
from helpers.tiers import HELD_OUT_SEED
from helpers.top_k_loss import top_k_loss

LENGTH, ROWS, STEPS = 64, 300, 300
RATES, TUNING_SEEDS, SEEDS = (3e-3, 1e-2, 2e-2), (100,), (0, 1, 2)


@dataclass(frozen=True)
class Arm:
    """What a student gets.

    Attributes:
        name: of the arm.
        temperature: at which the teacher writes; 0 is greedy.
        k: log-probabilities for each token: 0 for text alone, None for all.
        tail: whether the rest is one more outcome; see `top_k_loss`.
        rows, steps: how much text is bought, and how long the student trains on it.
    """

    name: str
    temperature: float = 1.0
    k: int | None = 0
    tail: bool = True
    rows: int = ROWS
    steps: int = STEPS


ARMS = (
    Arm("all logits", k=None),
    Arm("top 20 and the rest", k=20),
    Arm("top 20, renormalised", k=20, tail=False),
    Arm("top 5 and the rest", k=5),
    Arm("top 5, renormalised", k=5, tail=False),
    Arm("text, T = 1"),
    Arm("text, T = 0.7", temperature=0.7),
    Arm("text, greedy", temperature=0.0),
)
PRICED = ("text, T = 1", "top 5 and the rest")  # what an API sells
AMOUNTS = ((75, 300), (1200, 300), (1200, 1200))  # rows and steps, besides the 300 and 300 of every arm


def teacher_rows(teacher: nn.Module, arm: Arm, seed: int) -> dict[str, Tensor]:
    """The rows that the teacher writes for an arm, `(rows, 64)`, with the log-probabilities that the arm gets."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.full((arm.rows, 1), KnownLanguage.stories().eos)
    tokens, log_probs = continue_rows(teacher, start, LENGTH - 1, arm.temperature, generator)  # type: ignore[arg-type]
    rows = {"input_ids": torch.cat([start, tokens], dim=1).clone()}
    if arm.k != 0:
        k = log_probs.shape[-1] if arm.k is None else arm.k
        rows["values"], rows["ids"] = (part.clone() for part in log_probs.topk(k, dim=-1))
    return rows


def loss_of(arm: Arm) -> Any:
    """The loss of an arm, as `train_on_rows` takes it."""
    if arm.k == 0:
        return text_loss

    def loss(logits: Tensor, batch: Any) -> Tensor:
        mask = torch.ones_like(batch["ids"][..., 0])
        return top_k_loss(batch["values"], batch["ids"], logits[:, :-1], mask, tail=arm.tail)

    return loss


def train(teacher: nn.Module, arm: Arm, rate: float, seed: int) -> nn.Module:
    """A student of the arm. The seed determines the teacher's text, the order of the rows, and dropout."""
    student = load_student("tiny")
    rows = teacher_rows(teacher, arm, seed)
    train_on_rows(student, rows, loss_of(arm), steps=arm.steps, learning_rate=rate, seed=seed)
    return student


def shares(rows: Tensor, language: KnownLanguage) -> dict[str, float]:
    """How many of the stories in the rows are distinct, and how many are possible in the language. Whole ones only.

    rows: `(N, S)`; each starts with the end-of-text token.
    """
    stories = [story for row in rows.tolist() for story in _stories(row, language.eos)]
    if not stories:
        return {"stories": 0, "distinct": 0.0, "possible": 0.0}
    legal = sum(_is_possible(story, language) for story in stories)
    return {
        "stories": len(stories),
        "distinct": len(set(stories)) / len(stories),
        "possible": legal / len(stories),
    }


def _stories(row: list[int], eos: int) -> list[tuple[int, ...]]:
    ends = [place for place, token in enumerate(row) if token == eos]
    return [tuple(row[one + 1 : other + 1]) for one, other in zip(ends, ends[1:], strict=False)]


def _is_possible(story: Sequence[int], language: KnownLanguage) -> bool:
    state = language.start
    for token in story:
        state = int(language.next_state[state, token])
        if state < 0:
            return False
    return True


def sampled(student: nn.Module, seed: int, rows: int = 200) -> Tensor:
    """Rows that a student writes at temperature 1, `(rows, 64)`."""
    start = torch.full((rows, 1), KnownLanguage.stories().eos)
    generator = torch.Generator().manual_seed(seed)
    tokens, _ = continue_rows(student, start, LENGTH - 1, 1.0, generator)  # type: ignore[arg-type]
    return torch.cat([start, tokens], dim=1)


class Runs:
    """Runs by name, kept in a file beside the result as they are done."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}

    def get(self, key: str, run: Any) -> Any:
        """Return what was kept under the key, or run it and keep it."""
        if key not in self.done:
            began = time.perf_counter()
            self.done[key] = run()
            print(f"{key}: {self.done[key]} ({time.perf_counter() - began:.1f} s)", flush=True)
            self.path.write_text(json.dumps(self.done))
        return self.done[key]


def distance(student: nn.Module, seed: int) -> float:
    """The distance to the truth on held-out text, or on the validation text, by the seed of that text."""
    language = KnownLanguage.stories()
    return distance_to_truth(student, language, held_out_batches(language, seed=seed))


def tried(teacher: nn.Module, arm: Arm, rate: float) -> float:
    """The mean distance of an arm with this learning rate, on the tuning seeds and the validation text."""
    return statistics.fmean(distance(train(teacher, arm, rate, seed), VALIDATION_SEED) for seed in TUNING_SEEDS)


def measured(teacher: nn.Module, arm: Arm, rate: float, seed: int) -> dict[str, Any]:
    """One run of an arm: the distance to the truth, what its text is like, and what its student writes."""
    language, student = KnownLanguage.stories(), train(teacher, arm, rate, seed)
    return {
        "seed": seed,
        "distance": distance(student, HELD_OUT_SEED),
        "its_text": shares(teacher_rows(teacher, arm, seed)["input_ids"], language),
        "student_writes": shares(sampled(student, seed), language),
    }


def entry(runs: Runs, teacher: nn.Module, name: str, arm: Arm, rates: Sequence[float]) -> dict[str, Any]:
    """Tune an arm, unless there is but one rate, train it with every seed, and return what was measured."""
    distances = {}
    if len(rates) > 1:
        distances = {
            f"{rate:g}": runs.get(f"tune {name} {rate:g}", partial(tried, teacher, arm, rate)) for rate in rates
        }
    best = float(min(distances, key=distances.__getitem__)) if distances else rates[0]
    done = [runs.get(f"{name} {seed}", partial(measured, teacher, arm, best, seed)) for seed in SEEDS]
    values = [item["distance"] for item in done]
    return {
        "temperature": arm.temperature, "k": arm.k, "tail": arm.tail, "rows": arm.rows, "steps": arm.steps,
        "tokens_bought": arm.rows * (LENGTH - 1), "learning_rate": best, "tried": distances, "runs": done,
        "distance": {"mean": statistics.fmean(values), "low": min(values), "high": max(values)},
    }  # fmt: skip


def measure(runs: Runs) -> dict[str, Any]:
    """Measure every arm at equal steps and price, and what an API sells in other amounts; return it as JSON data."""
    teacher, arms = load_teacher("tiny").eval(), {}
    for arm in ARMS:
        arms[arm.name] = entry(runs, teacher, arm.name, arm, RATES)
    for arm in (arm for arm in ARMS if arm.name in PRICED):
        for rows, steps in AMOUNTS:
            name = f"{arm.name}; {rows} rows, {steps} steps"
            rates = RATES if steps > STEPS else (arms[arm.name]["learning_rate"],)
            arms[name] = entry(runs, teacher, name, replace(arm, rows=rows, steps=steps), rates)
    setting = {"seeds": list(SEEDS), "tuning_seeds": list(TUNING_SEEDS), "batch_rows": 8, "rates": list(RATES)}
    before = distance(load_student("tiny"), HELD_OUT_SEED)
    return {"setting": setting, "before": before, "teacher": distance(teacher, HELD_OUT_SEED), "arms": arms}


def main() -> None:
    """Run the experiment and write its result."""
    parser = argparse.ArgumentParser(description="Compare what an API can return.")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    parser.add_argument("--fresh", action="store_true", help="forget the runs of an earlier, stopped experiment")
    chosen = parser.parse_args()
    kept = chosen.results / ".black_box_runs.json"
    if chosen.fresh:
        kept.unlink(missing_ok=True)
    result = measure(Runs(kept))
    write_result("black_box", {"machine": describe_machine(), **result}, chosen.results)
    kept.unlink()
    for name, arm in result["arms"].items():
        print(
            f"{name:48} {arm['distance']['mean']:.4f} ({arm['distance']['low']:.4f} to {arm['distance']['high']:.4f})"
        )


if __name__ == "__main__":
    main()
