"""How long the solved labs take from top to bottom, as a student runs them, at the tiny tier.

    python -m benchmarks.labs                     → results/lab_seconds.json
    python -m benchmarks.labs --lab 03_training   that lab only, printed and not written

Each lab runs in a kernel and a folder of its own.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from nbclient import NotebookClient

from benchmarks.measure import describe_machine
from helpers.experiments.machine import write_result
from helpers.grader.course.lab import Lab
from helpers.grader.release import instructor_notebook, put_environment_first

COURSE = Path(__file__).parents[1]
GOALS = {
    "01_temperature": 120,
    "02_loss": 120,
    "03_training and 04_perplexity": 180,
    "05_chain_of_thought": 240,
    "06_black_box": 180,
    "07_on_policy": 180,
    "08_speculative": 180,
    "09_student_shape": 180,
}


def seconds_of(name: str, folder: Path) -> float:
    """Run a lab with its reference solution in a folder; any error in it ends the measurement."""
    notebook = instructor_notebook(Lab(COURSE / "solutions" / name))
    client = NotebookClient(notebook, kernel_name="python3", timeout=900, resources={"metadata": {"path": str(folder)}})
    began = time.perf_counter()
    client.execute()
    return time.perf_counter() - began


def main() -> None:
    """Run the labs one after the other and write the result."""
    parser = argparse.ArgumentParser(description="Seconds that each solved lab takes.")
    parser.add_argument("--lab", help="this lab only; nothing is written then")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    chosen = parser.parse_args()
    put_environment_first()
    os.environ.pop("NBGRADER_EXECUTION", None)  # with it, labs take the small setting of the grader
    names = [chosen.lab] if chosen.lab else sorted(path.parent.name for path in COURSE.glob("solutions/*/cases.py"))
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = round(seconds_of(name, Path(folder)), 1)
        print(f"{name}: {found[name]} s", flush=True)
    if not chosen.lab:
        sums = {goal: sum(found[name] for name in goal.split(" and ")) for goal in GOALS}
        result = {"machine": describe_machine(), "tier": "tiny", "labs": found, "goals": GOALS}
        write_result("lab_seconds", result | {"goals_met": {g: sums[g] < GOALS[g] for g in GOALS}}, chosen.results)
        print(json.dumps(sums))


if __name__ == "__main__":
    main()
