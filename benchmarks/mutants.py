"""How much of what can go wrong is caught and explained: every reference solution is mutated, and judged.

    python -m benchmarks.mutants [--lab NAME …] [--each N]

A mutant is the reference with one change that an operator makes: a constant factor, another axis, a shift, a mask left
out, another reduction, a detach(), an argument changed in place, another type, arguments exchanged, a return dropped,
an error of another type. It is called on the hidden cases, as the judge calls a submission, but in this process.

The result holds the share that loses points (caught) and the share of those whose loss is explained: by a known
mistake, a relation, an error's own explanation, or the missing validation. Mutants that nobody caught are listed; most
of them change nothing that can be observed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.mutations import mutants_of
from helpers.checks.compare import differs
from helpers.checks.error_causes import explain_error
from helpers.experiments.machine import describe_machine, write_result
from helpers.grader.course.exercise import Exercise, Failed
from helpers.grader.course.lab import Lab, find_labs, load_lab
from helpers.grader.judging.causes import causes

ROOT = Path(__file__).parents[1]
SECONDS = 20  # for all cases of one mutant; one that runs on is caught, as it would be in a kernel
SEED = 20_261_130


@dataclass
class Outcome:
    """What became of one mutant: which cases failed, and what was said of them."""

    failed: list[str] = field(default_factory=list)
    causes: dict[str, str] = field(default_factory=dict)  # by case
    is_late: bool = False

    @property
    def explanation(self) -> str:
        """The cause of most of what failed; empty if most has none."""
        counts = Counter(self.causes[case] for case in self.failed if case in self.causes)
        named = sum(counts.values())
        return counts.most_common(1)[0][0] if counts and 2 * named > len(self.failed) else ""


class TooLate(BaseException):
    """A mutant has used up its time."""


def _alarm(*_: Any) -> None:
    raise TooLate


def judged(lab: Lab, exercise: Exercise, answer: Any) -> Outcome:
    """Call an answer on the hidden cases and explain what fails, as the judge does."""
    outcome, key = Outcome(), lab.key(exercise.name)
    values: dict[str, dict[str, Any] | None] = {}
    correct: set[str] = set()
    signal.alarm(SECONDS)
    try:
        for case in exercise.cases:
            seen = lab.observed(case, answer)
            if isinstance(seen, Failed):
                values[case.name] = None
                if cause := explain_error(seen.error)[0]:
                    outcome.causes[case.name] = f"error: {cause}"
            else:
                seen.pop("errors", None)
                values[case.name] = seen
            if isinstance(seen, Failed) or differs(key[case.name].expected, seen, case.absolute, case.relative):
                outcome.failed.append(case.name)
            else:
                correct.add(case.name)
    except TooLate:
        return Outcome(["late"], {"late": "took too long"}, is_late=True)
    finally:
        signal.alarm(0)
    outcome.causes |= {case: _kind(exercise, name) for case, name in causes(lab, exercise, values, correct).items()}
    outcome.causes |= {
        case.name: "validation" for case in exercise.cases if case.is_validation and case.name in outcome.failed
    }
    return outcome


def _kind(exercise: Exercise, name: str) -> str:
    known = {item.name for item in exercise.misconceptions}
    return f"{'known mistake' if name in known else 'relation'}: {name}"


def _id(cell: Any) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def answers(lab: Lab, name: str, each: int) -> Iterator[tuple[str, Any]]:
    """Return mutants of a reference as (what was changed, the answer), at most `each` of them, drawn at random."""
    source = next(cell.source for cell in lab.notebook.cells if _id(cell) == name)
    found = list(mutants_of(ast.parse(source), name))
    random.Random(f"{SEED}/{lab.name}/{name}").shuffle(found)
    for changed, tree in found[:each]:
        namespace = copy.copy(lab.reference)
        try:
            exec(compile(tree, f"<{name}>", "exec"), namespace)
        except Exception as problem:  # a mutant that cannot even be defined says nothing
            print(f"{lab.name}/{name}: {changed}: {problem}", file=sys.stderr)
            continue
        yield changed, namespace[name]


def measure(course: Path, labs: list[str], each: int) -> dict[str, Any]:
    """Return the figures for these labs."""
    by_lab, uncaught, unexplained, causes = {}, [], [], Counter[str]()
    for lab_name in labs:
        lab = load_lab(course, lab_name, SEED)
        counts = Counter[str]()
        for name, exercise in tqdm(lab.exercises.items(), desc=lab_name, disable=None):
            if exercise.quiz:
                continue
            for changed, answer in answers(lab, name, each):
                outcome = judged(lab, exercise, answer)
                counts["mutants"] += 1
                if not outcome.failed:
                    uncaught.append(f"{lab_name}/{name}: {changed}")
                    continue
                counts["caught"] += 1
                if outcome.explanation:
                    counts["explained"] += 1
                    causes[outcome.explanation.split(":")[0]] += 1
                else:
                    unexplained.append(f"{lab_name}/{name}: {changed}")
        by_lab[lab_name] = dict(counts)
    total = {key: sum(lab.get(key, 0) for lab in by_lab.values()) for key in ("mutants", "caught", "explained")}
    return {
        "machine": describe_machine(),
        "labs": by_lab,
        "total": total,
        "explained by": dict(causes.most_common()),
        "not caught": uncaught,
        "not explained": unexplained,
    }


def main() -> int:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lab", nargs="+", help="only these labs")
    parser.add_argument("--each", type=int, default=8, metavar="N", help="mutants of each exercise (default: 8)")
    parser.add_argument("--results", type=Path, default=ROOT / "results", metavar="DIR", help="folder for the result")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _alarm)
    result = measure(ROOT, options.lab or find_labs(ROOT), options.each)
    write_result("mutants", result, options.results)
    print(result["labs"], result["total"], result["explained by"], sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
