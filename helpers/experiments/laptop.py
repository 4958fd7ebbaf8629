"""Does a teacher help a student of the laptop tier, at equal steps and at equal cost? Measured one unit at a time.

    python -m helpers.experiments.laptop --wikitext DIR     DIR holds valid.txt, WikiText-2's validation text

A unit is one student (or one teacher) trained and measured. Its result is saved at once, and what a cut-off unit had
done is kept, so the command can be stopped and started again at any time; it does the next missing unit until none is
left. All results so far stand in results/laptop_distillation_240x8.json, named after steps and rows a step, each unit
with the machine that it ran on; units that are there, of the same setting, count as done on any machine. `--list` shows
the units and which are done.

What is compared, on the first 80 % of a text to train on and rows from the last 20 % to measure on:

- cuts: which 15 of the teacher's 30 layers the student keeps, and whether its hidden states are matched first. Chosen
  on rows from the end of the training part, so that the held-out rows stay unseen;
- WikiText-2: hard labels only, labels and teacher, teacher only, over seeds (a seed chooses the rows and their order);
- the same with a teacher that was first trained on the text; hard labels only need no teacher and are the same;
- at equal cost: labels and teacher for fewer steps, so that they take the processor time that hard labels only took,
  the teacher's own included;
- the Python language reference, each arm once.

Cost is processor time, which other programs on the machine hardly change; wall time stands beside it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from helpers.experiments.laptop_units import Experiment, Setting
from helpers.experiments.machine import write_result
from helpers.fetch import cache_folder


def summary(experiment: Experiment) -> dict:
    """All results so far, and the mean over seeds of each arm."""
    units = {unit: experiment.done(unit) for unit in experiment.units()}
    result: dict = {
        "setting": experiment.described(),
        "missing": [unit for unit, done in units.items() if done is None],
        "units": {unit: done for unit, done in units.items() if done is not None},
    }
    arms: dict[str, list[dict]] = {}
    for unit, done in result["units"].items():
        text, name, *seed = unit.split("/")
        if seed:
            arms.setdefault(f"{text}/{name}", []).append(done)
    result["arms"] = {
        name: {
            measure: spread([run[measure]["value"] for run in runs]) for measure in ("perplexity", "kl", "agreement")
        }
        for name, runs in arms.items()
    }
    return result


def spread(values: list[float]) -> dict:
    """Mean, smallest and largest over seeds."""
    return {"mean": statistics.fmean(values), "low": min(values), "high": max(values), "seeds": len(values)}


def main() -> int:
    """Run units; 0 when all are done, 3 when some are still missing."""
    parser = argparse.ArgumentParser(description="Compare students of the laptop tier, one unit at a time.")
    parser.add_argument("--wikitext", type=Path, metavar="DIR", help="folder with WikiText-2's valid.txt")
    parser.add_argument("--state", type=Path, default=cache_folder() / "laptop_experiment", metavar="DIR")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder for the result")
    parser.add_argument("--steps", type=int, default=240, help="steps a student trains (default: 240)")
    parser.add_argument("--batch-size", type=int, default=8, help="rows of 128 tokens a step (default: 8)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument("--held-out", type=int, default=64, metavar="N", help="rows to measure on (default: 64)")
    parser.add_argument("--units", type=int, metavar="N", help="stop after this many units (default: all)")
    parser.add_argument("--only", nargs="+", metavar="UNIT", help="only these units, as --list names them")
    parser.add_argument("--note", default="", metavar="TEXT", help="what else ran on the machine, for the result")
    parser.add_argument("--list", action="store_true", help="only show the units and which of them are done")
    chosen = parser.parse_args()
    setting = Setting(
        chosen.wikitext, chosen.state, chosen.steps, chosen.batch_size, tuple(chosen.seeds), chosen.held_out
    )
    name = f"laptop_distillation_{setting.steps}x{setting.batch_size}"
    experiment = Experiment(setting, chosen.results / f"{name}.json", chosen.note)
    missing = [unit for unit in experiment.units() if experiment.done(unit) is None]
    if chosen.list:
        for unit in experiment.units():
            print("missing" if unit in missing else "done   ", unit)
        return 0
    wanted = missing if chosen.only is None else [unit for unit in missing if unit in chosen.only]
    for unit in wanted[: chosen.units]:
        print(f"{unit} …", flush=True)
        result = experiment.run(unit)
        print(f"{unit}: {result['all_seconds']:.0f} s", flush=True)
        write_result(name, summary(experiment), chosen.results)
    if any(experiment.done(unit) for unit in experiment.units()):
        write_result(name, summary(experiment), chosen.results)  # what an earlier run left may not have been written
    return 3 if any(experiment.done(unit) is None for unit in experiment.units()) else 0


if __name__ == "__main__":
    sys.exit(main())
