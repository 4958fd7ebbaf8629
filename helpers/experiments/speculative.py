"""Which draft makes speculative decoding fast? The tiny tier's answer, over seeds.

The tiny teacher is the target. Drafts start from the tiny student and differ in their training: none, hard labels only,
labels and teacher, teacher only, the same at temperature 1, and a loss that is the total variation itself. The learning
rates of the last two are tuned here on separate seeds, the others have theirs from results/tiny_learning_rates.json.

    python -m helpers.experiments.speculative           three seeds of each draft → results/speculative_tiny.json
    python -m helpers.experiments.speculative --tune    the two learning rates → results/speculative_rates.json

Finished units are kept in `--state`, so that the command can be stopped and started again.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from helpers.data.batches import make_batches, whole_rows
from helpers.data.known_language import KnownLanguage
from helpers.engine.lr_schedule import warmup_cosine
from helpers.experiments.machine import describe_machine, write_result
from helpers.experiments.tiny import (
    ARMS,
    BATCH_SIZE,
    LENGTH,
    ROWS,
    STEPS,
    TRIED_RATES,
    TUNING_SEEDS,
    Arm,
    train_student,
)
from helpers.experiments.units import UnitStore
from helpers.fetch import cache_folder
from helpers.models import load_student, load_teacher
from helpers.speculative import Rule, acceptance, draw_token, expected_tokens, speculate, speed_up, verify

GAMMA, OTHER_GAMMAS = 4, (1, 2, 8)
TEXTS, PROMPT = 15, 4  # texts that are generated for each draft, and tokens of the language that each starts with
ROOM = max(GAMMA, *OTHER_GAMMAS) + 1  # tokens that a round may add
UNTRAINED = "before training"
VARIATION, VARIATION_RATE = "total variation", 2e-2  # the rate is the best of results/speculative_rates.json
UNTEMPERED = Arm("teacher only, T = 1", alpha=1.0, learning_rate=2e-2, temperature=1.0)  # its rate too


def next_token_probs(model: nn.Module, rows: Tensor) -> Tensor:
    """Probabilities after each token, `(B, S, V)`, for token rows `(B, S)`."""
    return model(rows, attention_mask=torch.ones_like(rows)).logits.float().softmax(dim=-1)


def train_on_variation(seed: int, learning_rate: float, steps: int = STEPS) -> nn.Module:
    """A draft trained on 1 - acceptance, the mean total variation to the target, on the same text as the other arms."""
    target, draft = load_teacher("tiny").eval(), load_student("tiny")
    rows = whole_rows(KnownLanguage.stories().sample(ROWS, LENGTH, seed))
    batches = make_batches(rows, BATCH_SIZE, seed)
    optimizer = torch.optim.AdamW(draft.parameters(), weight_decay=0.01)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        draft.train()
        step = 0
        while step < steps:
            for batch in batches:
                with torch.no_grad():
                    p = next_token_probs(target, batch["input_ids"])
                loss = 1 - acceptance(p, next_token_probs(draft, batch["input_ids"])).mean()
                optimizer.param_groups[0]["lr"] = learning_rate * warmup_cosine(step, steps)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
                if step == steps:
                    break
    return draft.eval()


@cache
@torch.no_grad()
def text_of_target(rows: int = 100, seed: int = 3_000_000) -> Tensor:
    """Rows `(rows, LENGTH)` that the target has written: a draft works on the target's text, not on the language's."""
    target, start = load_teacher("tiny").eval(), KnownLanguage.stories().sample(rows, PROMPT, seed)
    generator = torch.Generator().manual_seed(seed)
    tokens = start
    while tokens.shape[1] < LENGTH:
        probs = next_token_probs(target, tokens)[:, -1]
        tokens = torch.cat([tokens, torch.multinomial(probs, 1, generator=generator)], dim=1)
    return tokens


@torch.no_grad()
def measure_agreement(draft: nn.Module, rows: Tensor) -> dict[str, float]:
    """Mean acceptance on the target's text, and how often a token of the draft equals an independent one of the target.

    Means are over the positions after the prompt.
    """
    p, q = (next_token_probs(model, rows)[:, PROMPT - 1 : -1] for model in (load_teacher("tiny").eval(), draft))
    return {"acceptance": acceptance(p, q).mean().item(), "equal_tokens": (p * q).sum(dim=-1).mean().item()}


def verify_equal(p: Tensor, q: Tensor, drafted: Tensor, uniforms: Tensor) -> Tensor:
    """The rule "accept while the tokens are equal": the target draws its own token at each position.

    The round ends with the target's first token that differs from the drafted one. Arguments as in
    `helpers.speculative.verify`; each uniform draws one of the target's tokens. The output follows p, too.
    """
    drawn = torch.cat([draw_token(row, uniform) for row, uniform in zip(p, uniforms, strict=True)])
    differs = (drawn[:-1] != drafted).nonzero()
    return drawn if len(differs) == 0 else drawn[: int(differs[0]) + 1]


def write_texts(draft: nn.Module, gamma: int, seed: int, rule: Rule = verify) -> dict[str, float]:
    """Texts of the target by speculative decoding: the share of examined tokens accepted, tokens a round, and time.

    `seconds` is processor time for each token; with γ = 0 it is plain generation's.
    """
    target = load_teacher("tiny").eval()
    starts = KnownLanguage.stories().sample(TEXTS, PROMPT, seed=4_000_000)
    generator = torch.Generator().manual_seed(seed)
    accepted = examined = rounds = written = 0
    began = time.process_time()
    for tokens in starts:
        while len(tokens) + ROOM <= LENGTH:
            new = speculate(target, draft, tokens, gamma, generator, rule)
            tokens = torch.cat([tokens, new])
            rounds, written = rounds + 1, written + len(new)
            accepted += len(new) - 1
            examined += min(len(new), gamma)
    seconds = time.process_time() - began
    return {
        "accepted": accepted / max(examined, 1),
        "tokens_a_round": written / rounds,
        "rounds": rounds,
        "seconds": seconds / written,
    }


@torch.no_grad()
def call_seconds(model: nn.Module, repeats: int = 300) -> float:
    """Median processor seconds of one call on one row of half the length."""
    row = torch.zeros(1, LENGTH // 2, dtype=torch.long)
    seconds = []
    for _ in range(repeats):
        began = time.process_time()
        next_token_probs(model, row)
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


TRAINERS: dict[str, Callable[[int], nn.Module]] = {
    UNTRAINED: lambda seed: load_student("tiny").eval(),
    **{arm.name: partial(train_student, arm) for arm in (*ARMS, UNTEMPERED)},
    VARIATION: partial(train_on_variation, learning_rate=VARIATION_RATE),
}


def measure_draft(name: str, seed: int) -> dict:
    """One draft: agreement, rounds with each rule, and for `UNTEMPERED` rounds at other γ."""
    draft = TRAINERS[name](seed).eval()
    gammas = (GAMMA, *OTHER_GAMMAS) if name == UNTEMPERED.name else (GAMMA,)
    run: dict = {"seed": seed, **measure_agreement(draft, text_of_target())}
    plain = write_texts(draft, 0, seed)["seconds"]
    run["gammas"] = {}
    for gamma in gammas:
        written = write_texts(draft, gamma, seed)
        run["gammas"][str(gamma)] = {
            **written,
            "formula_tokens": expected_tokens(run["acceptance"], gamma),
            "measured_speed_up": plain / written["seconds"],
        }
    equal = write_texts(draft, GAMMA, seed, verify_equal)
    return run | {"equal_rule": {**equal, "formula_tokens": expected_tokens(run["equal_tokens"], GAMMA)}}


def measure_call(which: str) -> float:
    """Seconds of a call of the "target" or of a "draft"."""
    return call_seconds((load_teacher if which == "target" else load_student)("tiny").eval())


def compare_drafts(store: UnitStore, seeds: Sequence[int] = (0, 1, 2)) -> dict:
    """Each draft on each seed: acceptance beside the share accepted, tokens a round and speed-up beside the formulas.

    The formulas take acceptance as equal and independent at all positions. "cost" is the time of a draft's call in
    calls of the target. "drafts" has the runs of each draft, and the means over its seeds.
    """
    call = {which: store.unit(f"call of the {which}", partial(measure_call, which)) for which in ("target", "draft")}
    cost = call["draft"] / call["target"]
    drafts = {}
    for name in TRAINERS:
        runs = [store.unit(f"{name}, seed {seed}", partial(measure_draft, name, seed)) for seed in seeds]
        for run in runs:
            for gamma, at in run["gammas"].items():
                at["formula_speed_up"] = speed_up(run["acceptance"], int(gamma), cost)
        drafts[name] = {"runs": runs, "mean": mean_of(runs)}
    return {"gamma": GAMMA, "texts": TEXTS, "seeds": list(seeds), "call_seconds": call, "cost": cost, "drafts": drafts}


def mean_of(runs: Sequence[dict]) -> dict:
    """The mean of equal, nested dictionaries of numbers; seeds and numbers of rounds are left out."""
    return {
        key: mean_of([run[key] for run in runs])
        if isinstance(value, dict)
        else statistics.fmean(run[key] for run in runs)
        for key, value in runs[0].items()
        if key not in ("seed", "rounds")
    }


def try_rate(name: str, rate: float, seed: int) -> float:
    """Mean acceptance of one draft, trained with this rate, on text that the comparison does not use."""
    if name == VARIATION:
        draft = train_on_variation(seed, rate)
    else:
        draft = train_student(replace(UNTEMPERED, learning_rate=rate), seed).eval()
    return measure_agreement(draft, text_of_target(seed=5_000_000))["acceptance"]


def tune(store: UnitStore, rates: Sequence[float] = TRIED_RATES, seeds: Sequence[int] = TUNING_SEEDS) -> dict:
    """Mean acceptance of the drafts without a tuned rate, at each learning rate, on separate seeds and text."""
    result: dict = {"seeds": list(seeds), "drafts": {}}
    for name in (VARIATION, UNTEMPERED.name):
        found = {
            rate: statistics.fmean(
                store.unit(f"{name}, rate {rate:g}, seed {seed}", partial(try_rate, name, rate, seed)) for seed in seeds
            )
            for rate in rates
        }
        result["drafts"][name] = {
            "acceptance": {f"{rate:g}": value for rate, value in found.items()},
            "best": max(found, key=found.__getitem__),
        }
    return result


def main() -> None:
    """Run the comparison, or with --tune the search for learning rates, and write its result."""
    parser = argparse.ArgumentParser(description="Compare drafts for speculative decoding in the tiny tier.")
    parser.add_argument("--tune", action="store_true", help="try learning rates instead, on separate seeds")
    parser.add_argument("--state", type=Path, default=cache_folder() / "speculative_tiny.json", metavar="FILE",
                        help="where finished units are kept (default: in the cache)")  # fmt: skip
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    store = UnitStore(chosen.state)
    result, name = (tune(store), "speculative_rates") if chosen.tune else (compare_drafts(store), "speculative_tiny")
    write_result(name, {"machine": describe_machine(), **result}, chosen.results)


if __name__ == "__main__":
    main()
