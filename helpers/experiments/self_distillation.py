"""Run lab 05's last part with the reference's filter, and write the result.

python -m helpers.experiments.self_distillation --tier laptop              → results/chain_of_thought_laptop.json
python -m helpers.experiments.self_distillation --tier gpu --problems train.jsonl
"""

import argparse
from pathlib import Path

from helpers.experiments.machine import describe_machine, write_result
from helpers.reasoning.chain_of_thought import filter_traces
from helpers.reasoning.self_distillation import CONFIGS, distil_real_model


def main() -> None:
    """Run a tier and write its result."""
    parser = argparse.ArgumentParser(description="Distil the reasoning of a real model into itself.")
    parser.add_argument("--tier", choices=sorted(CONFIGS), default="laptop")
    parser.add_argument("--problems", type=Path, help="file in GSM8K's format (default: DISTILLAB_GSM8K)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    for name in ("samples", "held_out", "steps"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help="overrides the tier's own number")
    parser.add_argument("--count", type=int, help="problems to sample traces for; overrides the tier's own number")
    chosen = parser.parse_args()
    given = {"problems": chosen.count, "samples": chosen.samples, "held_out": chosen.held_out, "steps": chosen.steps}
    settings = {name: value for name, value in given.items() if value is not None}
    try:
        result = distil_real_model(chosen.tier, keep=filter_traces, file=chosen.problems, **settings)
    except ValueError as error:
        parser.error(str(error))
    assert result is not None, "only the tiny tier has no real model, and it is not among the choices"
    write_result(f"chain_of_thought_{chosen.tier}", {"machine": describe_machine(), **result}, chosen.results)
    for name, arm in result["arms"].items():
        print(f"{name:28} {100 * arm['accuracy']['value']:5.1f} % right, {arm['tokens_written']['value']:5.1f} tokens")


if __name__ == "__main__":
    main()
