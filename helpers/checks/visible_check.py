"""The visible check: run a student's answer on small inputs and say what is right, what is wrong and why.

    check(hard_loss)

The inputs, the expected values and the values that known mistakes give on the same inputs come from
`helpers/assets/checks/<lab>.json`, which `make release` writes, or from the notebook itself (`lab_data.py`). They are
only numbers: neither the reference nor the mistakes' code. `helpers.checks.result` displays the outcome.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from helpers.checks import compare
from helpers.checks.coroutines import ENDINGS
from helpers.checks.encoding import decode
from helpers.checks.error_causes import NOT_WRITTEN, explain_error
from helpers.checks.kinds import is_table
from helpers.checks.lab_data import opened
from helpers.checks.likely_causes import decoded, explain_all
from helpers.checks.observers import observe
from helpers.checks.optional_torch import torch
from helpers.checks.progress import attempts, code_digest, record
from helpers.checks.quiz import check_quiz
from helpers.checks.result import CheckResult, Finding, show
from helpers.checks.solutions import FAILED_CHECKS, called_by, is_offered, is_ours, skipped_by
from helpers.paths import PACKAGE


def _exercises() -> dict[str, dict[str, Any]]:
    """Return every exercise by name: those that the notebook carries, else those of every lab of this package."""
    labs = opened("checks") or _own_labs()
    return {
        name: {**exercise, "lab": lab["lab"], "forbidden": lab["forbidden"]}
        for lab in labs
        for name, exercise in lab["exercises"].items()
    }


@cache
def _own_labs() -> list[dict[str, Any]]:
    files = sorted((PACKAGE / "assets" / "checks").glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def check(answer: Callable[..., Any] | str) -> CheckResult:
    """Run `answer`, a function or class with an exercise's name, on the exercise's visible examples.

    `answer` may also be the name itself, as for a quiz: then what the notebook calls so is checked. Whatever is wrong
    with the answer is in the result. Raises TypeError if `answer` is neither a name nor a function or class.
    """
    found: Any = sys._getframe(1).f_globals.get(answer, "") if isinstance(answer, str) else answer
    if isinstance(answer, str):
        name = answer
    elif callable(answer) and hasattr(answer, "__name__"):
        name = answer.__name__
    else:
        raise TypeError(f"check() takes the function or class itself, as in check(hard_loss), not {answer!r:.80}")
    if name not in _exercises():
        known = ", ".join(sorted(_exercises()))
        first = "" if opened("checks") else " If this notebook has a cell “the checks need it”, run that one first."
        return CheckResult(name, message=f"There is no exercise with this name. The exercises are: {known}.{first}")
    exercise = _exercises()[name]
    if "quiz" not in exercise and not callable(found):
        return CheckResult(name, message=f"There is nothing called {name} in this notebook yet: run its cell first.")
    if "quiz" in exercise:
        result = check_quiz(name, found, exercise["quiz"])
    elif is_ours(found):
        return CheckResult(
            name,
            message="This is our solution, which skip() put in place of yours, so the exercise counts as not done. To "
            "get its points, write your own and run its cell.",
        )
    else:
        result = check_examples(found, exercise)
        _explain_calls(result, found)
    _save_progress(result, exercise["lab"], code_digest(found))
    _add_ways_on(result, found)
    return result


def _add_ways_on(result: CheckResult, answer: Any) -> None:
    """Say how to go on without this exercise, and which of ours an answer leans on."""
    name = result.exercise
    texts = [result.message]
    if not result.findings and result.is_stub and is_offered(name):
        texts.append(f"To go on without it, run skip({name}) in a new cell.")
    if result.findings and not result.passed and is_offered(name) and attempts(name) >= FAILED_CHECKS:
        texts.append(
            f"If you are stuck: solution({name}) shows ours, and skip({name}) goes on with ours for no points."
        )
    if ours := skipped_by(answer):
        texts.append(
            f"Your answer calls {', '.join(ours)}, which you have skipped. Grading will not find ours there, so write "
            "yours before you hand in."
        )
    result.message = " ".join(text for text in texts if text)


def _explain_calls(result: CheckResult, answer: Callable[..., Any]) -> None:
    """Say which other exercise an answer calls that is not right itself: it has to be corrected first."""
    if result.passed or not result.findings:
        return
    lab = _exercises()[result.exercise]["lab"]
    for name, other in called_by(answer).items():
        known = _exercises().get(name)
        if known is None or known["lab"] != lab or "quiz" in known or name == result.exercise or is_ours(other):
            continue
        if check_examples(other, known).passed:
            continue
        result.message = (
            f"{result.exercise} calls {name}, which is not right yet. Correct {name} first: what is wrong here "
            "may have no other cause."
        )
        return


_reported: set[str] = set()  # problems with the progress file, so that each is reported only once


def _save_progress(result: CheckResult, lab: str, code: str) -> None:
    """Save what the check showed for the launcher; if that is not possible, say so once."""
    if not result.findings:
        return
    agreed = sum(finding.passed for finding in result.findings)
    problem = record(result.exercise, lab, agreed, len(result.findings), code)
    if problem and problem not in _reported:
        _reported.add(problem)
        result.message = f"{result.message} {problem}".strip()


def check_examples(answer: Callable[..., Any], exercise: Mapping[str, Any]) -> CheckResult:
    """Run `answer` on an exercise's examples, given as in the checks' JSON."""
    result = CheckResult(answer.__name__)
    borrowed = borrowed_from(answer, exercise["forbidden"])
    if borrowed:
        result.message = (
            f"This answer comes from {borrowed}. In {exercise['lab']} that is what you are writing, "
            "so grading refuses it. Write it with torch alone."
        )
        return result
    state, grad, threads = torch.get_rng_state(), torch.is_grad_enabled(), torch.get_num_threads()
    try:
        for example in exercise["examples"]:
            finding = _run(answer, example)
            if finding is None:
                result.findings, result.is_stub = [], True
                result.message = "The exercise is not written yet: replace the line with NotImplementedError."
                return result
            result.findings.append(finding)
        explain_all(result.findings, exercise["examples"])
    finally:
        torch.set_rng_state(state)
        torch.set_grad_enabled(grad)
        torch.set_num_threads(threads)
    if result.passed:
        result.message = "Grading uses other inputs of the same kinds."
    return result


def borrowed_from(answer: Callable[..., Any], forbidden: list[str]) -> str | None:
    """Return the forbidden module that the answer comes from or calls by name, if any."""
    module = getattr(answer, "__module__", None)
    if module in forbidden:
        return module
    code = getattr(answer, "__code__", None)
    space = getattr(answer, "__globals__", {})
    for name in code.co_names if code else ():
        used = space.get(name)
        candidate = used.__name__ if isinstance(used, ModuleType) else getattr(used, "__module__", None)
        if isinstance(candidate, str) and candidate in forbidden:
            return candidate
    return None


def _run(answer: Callable[..., Any], example: Mapping[str, Any]) -> Finding | None:
    """Run one example. Return None if the answer is still the stub."""
    arguments = [decode(argument) for argument in example["arguments"]]
    options = decode(example["options"])
    finding = Finding(example["about"], passed=False, call=call_text(answer.__name__, arguments, options))
    seen = observe(example["observe"], answer, arguments, options)
    error = seen.get("error")
    if error:
        if (error["type"], error["message"]) == ("NotImplementedError", f"{answer.__name__} {NOT_WRITTEN}"):
            return None
        finding.came_back = f"{error['type']}: {error['message']}" + (f"\nat: {error['line']}" if error["line"] else "")
        finding.expected = _show_all(decoded(example["expected"]))
        finding.cause, finding.next_step = explain_error(error)
        return finding
    expected, values = decoded(example["expected"]), decoded(seen["values"])
    finding.values = values
    for label, right in expected.items():
        difference = compare.mismatch(right, values.get(label), example["absolute"], example["relative"])
        if difference is not None:
            finding.came_back = show(label, values.get(label))
            finding.expected = show(label, right)
            finding.cause, finding.next_step = _explain(label, right, values, difference)
            return finding
    finding.passed = True
    return finding


def _explain(label: str, right: Any, values: Mapping[str, Any], difference: compare.Mismatch) -> tuple[str, str]:
    if label == "changed inputs":
        return (
            "Your function changes an argument that was passed to it.",
            "Look for +=, for sort() and the like, and in PyTorch for operations ending in “_”.",
        )
    if label == "raised":
        return "Bad input must raise a ValueError that names the argument.", "Test the argument before you compute."
    if label == "ended" and values.get(label) in ENDINGS:
        return ENDINGS[values[label]]
    if values.get(label) is None and right is not None:
        return "Your function returns None.", "Look for a missing return, or for one that only some branches reach."
    clause = compare.describe(difference)
    return f"{clause}.", "Work out the smallest example by hand and compare each step with what your code prints."


def _show_all(values: Mapping[str, Any]) -> str:
    return "\n".join(show(label, value) for label, value in values.items() if label != "changed inputs")


def call_text(exercise: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> str:
    """Return a call of an exercise as text: the call itself, then a line for each argument."""
    names = options.get("names") or [f"argument {place + 1}" for place in range(len(arguments))]
    head = exercise
    if "construct" in options:
        head += f"({', '.join(show('value', item) for item in options['construct'])})"
    lines = [f"{head}({', '.join(names[: len(arguments)])})"]
    for name, item in zip(names, arguments, strict=False):
        lines.append(f"{name} ={chr(10) if is_table(item) else ' '}{show('value', item)}")
    return "\n".join(lines)
