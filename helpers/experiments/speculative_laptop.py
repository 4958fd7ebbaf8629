"""Which draft makes SmolLM2 write faster? The laptop tier's answer, with a free n-gram draft as the control.

    python -m helpers.experiments.speculative_laptop     → results/speculative_laptop.json

The target is SmolLM2-135M-Instruct. It continues held-out passages of the Python language reference, greedily and at
temperature 1. Drafts are 15 and 4 of its own layers, after a short distillation on the target's predictions, the 15
layers before it, and prompt look-up. They run in `helpers.cached_decoding`, and the trained ones and the look-up in
transformers' assisted generation, greedily; each is compared with plain generation of the same implementation. Speed is
tokens for each second of processor time, on one thread, which other programs hardly change. Trained drafts and finished
units are kept in `--state`, so the command can be stopped and started again.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from helpers.cached_decoding import CachedModel, Draft, NgramDraft, Written, write
from helpers.data.batches import make_batches, pack_blocks, read_texts, split_rows, spread_rows
from helpers.engine.checkpoint import Checkpointer
from helpers.experiments.machine import describe_machine, write_result
from helpers.experiments.units import UnitStore
from helpers.fetch import cache_folder
from helpers.layer_pruning import keep_layers, student_layers
from helpers.models import load_teacher, load_tokenizer
from helpers.speculative import expected_tokens, verify
from helpers.training import DistillConfig, count_parameters, distill

GAMMA, NGRAM = 4, 2
LENGTH, PROMPTS, PROMPT, NEW = 128, 4, 96, 32
SEEDS = (0, 1, 2)  # of sampling; greedy decoding needs none
LAYERS = {"15 layers": student_layers(30), "4 layers": [0, 1, 28, 29]}
CONFIG = DistillConfig(steps=20, temperature=1.0, alpha=1.0, learning_rate=5e-4)  # the target alone, at temperature 1
BATCH_SIZE = 4
PLAIN, LOOKUP, UNTRAINED = "plain", "n-gram look-up", "15 layers, before training"
DRAFTS = (PLAIN, UNTRAINED, *LAYERS, LOOKUP)
ASSISTED = (PLAIN, *LAYERS, LOOKUP)


class Laboratory:
    """The target, its drafts and the prompts; a draft is trained when it is first needed, and kept."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.target = folder, load_teacher("laptop")
        self.target.config.use_cache = True
        rows = pack_blocks(read_texts(), load_tokenizer("laptop"), LENGTH)
        self.training, held_out = split_rows(rows)
        self.prompts = spread_rows(held_out, PROMPTS)["input_ids"][:, :PROMPT]
        self._drafts: dict[str, PreTrainedModel] = {}

    def model(self, name: str) -> PreTrainedModel:
        """The layers that a draft consists of, trained unless the name says otherwise."""
        if name not in self._drafts:
            cut = keep_layers(self.target, LAYERS[name.partition(",")[0]])
            cut.config.use_cache = True
            if name != UNTRAINED:
                batches = make_batches(self.training, BATCH_SIZE, seed=0)
                kept = Checkpointer(self.folder / f"{name}.safetensors", every=4)
                distill(cut, self.target, batches, CONFIG, checkpoint=kept, progress=False)
            self._drafts[name] = cut.eval().requires_grad_(False)
        return self._drafts[name]

    def draft(self, name: str, temperature: float) -> Draft | None:
        """What proposes tokens under this name; None for plain generation."""
        if name == PLAIN:
            return None
        if name == LOOKUP:
            return NgramDraft(self.target.config.vocab_size, NGRAM)
        return CachedModel(self.model(name), temperature)


def train(laboratory: Laboratory, name: str) -> dict:
    """Train a draft and say what it is."""
    began = time.process_time()
    model = laboratory.model(name)
    return {
        "layers": LAYERS[name],
        "parameters": count_parameters(model),
        "steps": CONFIG.steps,
        "rows_a_step": BATCH_SIZE,
        "processor_seconds_of_the_last_session": time.process_time() - began,
    }


def call_seconds(laboratory: Laboratory, name: str, tokens: int, repeats: int = 9) -> float:
    """Median processor seconds of one call that reads `tokens` new tokens after a prompt."""
    model = CachedModel(laboratory.target if name == PLAIN else laboratory.model(name))
    prompt, seconds = laboratory.prompts[0], []
    model.next_probs(prompt, 1)
    for number in range(repeats):
        new = torch.full((tokens,), 100 + number)  # differs from the last call's, so that all of it is read
        began = time.process_time()
        model.next_probs(torch.cat([prompt, new]), tokens)
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def continue_prompts(laboratory: Laboratory, name: str, temperature: float, seed: int) -> dict:
    """All prompts continued with our loop: counts and seconds."""
    written, generator = Written(), torch.Generator().manual_seed(seed)
    target, draft = CachedModel(laboratory.target, temperature), laboratory.draft(name, temperature)
    texts = [
        write(target, draft, prompt, NEW, GAMMA, generator, verify, written).tolist() for prompt in laboratory.prompts
    ]
    return {**asdict(written), "texts": texts}


def assist(laboratory: Laboratory, name: str, temperature: float, seed: int) -> dict:
    """All prompts continued with transformers' generate: counts and seconds; the prompt's reading is part of them."""
    options: dict[str, Any] = {"do_sample": temperature > 0, "top_k": 0, "top_p": 1.0, "eos_token_id": None,
                               "max_new_tokens": NEW, "pad_token_id": 0}  # fmt: skip
    if name == LOOKUP:
        options |= {"prompt_lookup_num_tokens": GAMMA, "max_matching_ngram_size": NGRAM}
    elif name != PLAIN:
        assistant = laboratory.model(name)
        assistant.generation_config.update(
            num_assistant_tokens=GAMMA, num_assistant_tokens_schedule="constant", assistant_confidence_threshold=0.0
        )
        options["assistant_model"] = assistant
    generate: Any = laboratory.target.generate
    torch.manual_seed(seed)
    texts, tokens, wall, processor = [], 0, time.perf_counter(), time.process_time()
    for prompt in laboratory.prompts:
        row = prompt[None]
        made: Tensor = generate(row, attention_mask=torch.ones_like(row), **options)
        texts.append(made[0].tolist())
        tokens += made.shape[1] - len(prompt)
    seconds = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    return {"tokens": tokens, **seconds, "texts": texts}


def run_all(laboratory: Laboratory, store: UnitStore) -> dict:
    """Every unit, and what follows from them."""
    drafts = {name: store.unit(f"train {name}", partial(train, laboratory, name)) for name in LAYERS}
    calls = {
        f"{name}, {tokens} tokens": store.unit(
            f"call of {name}, {tokens} tokens", partial(call_seconds, laboratory, name, tokens)
        )
        for name, tokens in ((PLAIN, 1), (PLAIN, GAMMA + 1), *((name, 1) for name in LAYERS))
    }
    modes = {"greedy": (0.0, SEEDS[:1]), "sampled": (1.0, SEEDS)}
    return {
        "gamma": GAMMA,
        "ngram": NGRAM,
        "prompts": PROMPTS,
        "prompt_tokens": PROMPT,
        "new_tokens": NEW,
        "seeds": list(SEEDS),
        "parameters": count_parameters(laboratory.target),
        "drafts": drafts,
        "call_seconds": calls,
        "check_cost": calls[f"{PLAIN}, {GAMMA + 1} tokens"] / calls[f"{PLAIN}, 1 tokens"],
        "ours": {
            mode: compare(DRAFTS, seeds, partial(_unit, store, "ours", mode, partial(continue_prompts, laboratory), t))
            for mode, (t, seeds) in modes.items()
        },
        "transformers": {
            "greedy": compare(
                ASSISTED, SEEDS[:1], partial(_unit, store, "transformers", "greedy", partial(assist, laboratory), 0.0)
            )
        },
    }


def _unit(
    store: UnitStore, kind: str, mode: str, run: Callable[..., dict], temperature: float, name: str, seed: int
) -> dict:
    return store.unit(f"{kind}, {mode}, {name}, seed {seed}", partial(run, name, temperature, seed))


def compare(names: Sequence[str], seeds: Sequence[int], unit: Callable[[str, int], dict]) -> dict:
    """For each draft the sums over its seeds, its speed, and its speed-up over plain generation.

    Where rounds are known: the share accepted beside 1 - TV at the examined tokens, and tokens a round.
    """
    result: dict[str, dict] = {}
    for name in names:
        runs = [unit(name, seed) for seed in seeds]
        total = {key: sum(run[key] for run in runs) for key in runs[0] if key != "texts"}
        found: dict[str, Any] = {"runs": [{key: run[key] for key in total} for run in runs]}
        found["tokens_a_second"] = total["tokens"] / total["processor_seconds"]
        found["tokens_a_wall_second"] = total["tokens"] / total["seconds"]
        if total.get("examined"):
            found["accepted"] = total["accepted"] / total["examined"]
            found["acceptance"] = total["overlap"] / total["examined"]
            found["formula_tokens"] = expected_tokens(min(1.0, found["acceptance"]), GAMMA)
        if "rounds" in total:
            found["tokens_a_round"] = total["tokens"] / total["rounds"]
        result[name] = found
        found["speed_up"] = found["tokens_a_second"] / result[PLAIN]["tokens_a_second"]
        speeds = [run["tokens"] / run["processor_seconds"] for run in found["runs"]]
        found["low"], found["high"] = min(speeds), max(speeds)
        found["texts_as_plain"] = [run["texts"] for run in runs] == [unit(PLAIN, seed)["texts"] for seed in seeds]
    return result


def main() -> None:
    """Run what is missing, and write the result."""
    parser = argparse.ArgumentParser(description="Compare drafts for SmolLM2.")
    parser.add_argument("--state", type=Path, default=cache_folder() / "speculative_laptop", metavar="DIR",
                        help="where trained drafts and finished units are kept (default: in the cache)")  # fmt: skip
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.state.mkdir(parents=True, exist_ok=True)
    result = run_all(Laboratory(chosen.state), UnitStore(chosen.state / "units.json"))
    write_result("speculative_laptop", {"machine": describe_machine(), **result}, chosen.results)


if __name__ == "__main__":
    main()
