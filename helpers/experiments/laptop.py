"""Does a teacher help a student of the laptop tier, at equal steps and at equal cost? Measured one unit at a time.

    python -m helpers.experiments.laptop --wikitext DIR     DIR holds valid.txt, WikiText-2's validation text

A unit is one student (or one teacher) trained and measured. Its result is saved at once, and an interrupted unit
continues from its last checkpoint, so the command can be stopped and started again at any time: it runs the next
missing unit until none is left. All results so far are in results/laptop_distillation_240x8.json (named after steps and
rows a step), each unit with the machine that it ran on. Units that are recorded there for the same setting count as
done on any machine. `--list` shows the units and which of them are done.

Students train on the first 80 % of a text and are measured on rows from the last 20 %. What is compared:

- cuts: which 15 of the teacher's 30 layers the student keeps, and whether its hidden states are matched first. They are
  chosen on rows from the end of the training part, so that the held-out rows stay unseen;
- WikiText-2: hard labels only, labels and teacher, teacher only, over several seeds (a seed chooses the rows and their
  order);
- the same with a teacher that was first trained on the text (hard labels only is the same run, since it needs none);
- at equal cost: labels and teacher for fewer steps, so that they take as much processor time as hard labels only, the
  teacher's time included;
- the Python language reference, each arm once;
- three other splits of WikiText-2, each with every fifth article held out: hard labels only beside labels and teacher,
  as the mean difference of the loss on the same held-out rows, with its bootstrap interval.

Cost is processor time, which other programs on the machine hardly change; wall time is recorded too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from helpers.bootstrap import estimate_ratio
from helpers.engine.precision import choose_precision
from helpers.experiments.laptop_store import UnitStore
from helpers.experiments.laptop_training import Materials, run_unit
from helpers.experiments.laptop_units import PAIRED_ARMS, SPLITS, Setting, TrainedStudent, Unit, list_units
from helpers.experiments.machine import describe_machine, write_result
from helpers.fetch import cache_folder


def run_and_save(unit: Unit, materials: Materials, store: UnitStore, note: str = "") -> dict:
    """Run a unit and save its result, with the time it took and the machine; return the result."""
    began = time.perf_counter()
    result = run_unit(unit, materials, store.load)
    precision = str(choose_precision(materials.teacher)).removeprefix("torch.")
    result |= {
        "all_seconds": round(time.perf_counter() - began, 1),
        "machine": describe_machine() | {"precision": precision},
        "note": note,
    }
    store.save(unit, result)
    return result


def summary(units: Sequence[Unit], described: dict, store: UnitStore) -> dict:
    """All results so far, and for each arm the mean over seeds."""
    results = {unit.name: store.load(unit.name) for unit in units}
    done = {name: result for name, result in results.items() if result is not None}
    arms: dict[str, list[dict]] = {}
    for unit in units:
        if isinstance(unit, TrainedStudent) and unit.name in done:
            arms.setdefault(unit.name.rpartition("/")[0], []).append(done[unit.name])
    return {
        "setting": described,
        "missing": [name for name in results if name not in done],
        "units": done,
        "arms": {
            arm: {
                measure: spread([run[measure]["value"] for run in runs])
                for measure in ("perplexity", "kl", "agreement")
            }
            for arm, runs in arms.items()
        },
        "paired": paired_differences(done),
    }


def paired_differences(done: dict[str, dict]) -> dict[str, dict]:
    """For each split and seed, the loss of labels and teacher minus that of hard labels only, on the same rows.

    All rows have the same length, so the mean over rows is the mean over tokens; negative where the teacher helps.
    """
    differences = {}
    for name, taught in done.items():
        text, arm, seed = name.split("/") if name.count("/") == 2 else ("", "", "")
        control = done.get(f"{text}/{PAIRED_ARMS[0]}/{seed}")
        if text in SPLITS and arm == PAIRED_ARMS[1] and control is not None:
            losses = torch.tensor(taught["row_losses"]) - torch.tensor(control["row_losses"])
            differences[f"{text}/{seed}"] = estimate_ratio(losses, torch.ones(len(losses)))._asdict()
    return differences


def spread(values: list[float]) -> dict:
    """Mean, smallest and largest value over seeds."""
    return {"mean": statistics.fmean(values), "low": min(values), "high": max(values), "seeds": len(values)}


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(description="Compare students of the laptop tier, one unit at a time.")
    parser.add_argument("--wikitext", type=Path, metavar="DIR", help="folder with WikiText-2's valid.txt")
    parser.add_argument("--state", type=Path, default=cache_folder() / "laptop_experiment", metavar="DIR",
                        help="folder for checkpoints and results of units (default: in the cache)")  # fmt: skip
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder for the result")
    parser.add_argument("--steps", type=int, default=240, help="optimizer steps of each student (default: 240)")
    parser.add_argument("--batch-size", type=int, default=8, help="rows of 128 tokens in each step (default: 8)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument("--held-out", type=int, default=64, metavar="N", help="rows to measure on (default: 64)")
    parser.add_argument("--units", type=int, metavar="N", help="stop after this many units (default: all)")
    parser.add_argument("--only", nargs="+", metavar="UNIT", help="run only these units, named as in --list")
    parser.add_argument("--note", default="", metavar="TEXT", help="what else ran on the machine, for the result")
    parser.add_argument("--list", action="store_true", help="only show the units and which of them are done")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run units; return 0 when all are done, 3 when some are still missing."""
    chosen = parse_arguments(arguments)
    setting = Setting(
        chosen.wikitext, chosen.state, chosen.steps, chosen.batch_size, tuple(chosen.seeds), chosen.held_out
    )
    name = f"laptop_distillation_{setting.steps}x{setting.batch_size}"
    materials, units = Materials(setting), list_units(setting)
    described = materials.described()
    store = UnitStore(setting, described, recorded=chosen.results / f"{name}.json")
    missing = [unit for unit in units if store.load(unit.name) is None]
    if chosen.list:
        for unit in units:
            print("missing" if unit in missing else "done   ", unit.name)
        return 0
    for unit in [unit for unit in missing if chosen.only is None or unit.name in chosen.only][: chosen.units]:
        print(f"{unit.name} …", flush=True)
        result = run_and_save(unit, materials, store, chosen.note)
        print(f"{unit.name}: {result['all_seconds']:.0f} s", flush=True)
        write_result(name, summary(units, described, store), chosen.results)
    result = summary(units, described, store)
    if result["units"]:
        write_result(name, result, chosen.results)  # an interrupted run may have saved a unit and not this file
    return 3 if result["missing"] else 0


if __name__ == "__main__":
    sys.exit(main())
