"""Check the answer to a quiz, one letter, and show the explanation of that letter.

The file of a lab's checks, which every student has, holds a digest of the right letter, and each explanation in a form
that only its own letter opens. Whoever tries all letters opens them all, but nobody reads the answer by accident.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from helpers.checks.result import CheckResult, Finding


def sealed_quiz(name: str, letter: str, explanations: Mapping[str, str]) -> dict[str, Any]:
    """Return what the file of the checks holds about a quiz: neither letters nor explanations can be read in it."""
    options = {_digest(name, option): _seal(name, option, text) for option, text in explanations.items()}
    return {"right": _digest(name, letter), "options": dict(sorted(options.items()))}


def check_quiz(name: str, answer: Any, quiz: Mapping[str, Any]) -> CheckResult:
    """Check an answer against what `sealed_quiz` gave."""
    result = CheckResult(name)
    if answer == "":
        result.message = "There is no answer yet: type the letter of your answer between the quotes, and run that cell."
        return result
    letter = answer.strip().upper() if isinstance(answer, str) else ""
    text = quiz["options"].get(_digest(name, letter))
    if text is None:
        result.message = (
            f"{answer!r:.40} is none of the options. Type one letter in quotes, for example "
            f'{name} = "A", and run that cell.'
        )
        return result
    passed, explanation = _digest(name, letter) == quiz["right"], _unseal(name, letter, text)
    result.findings.append(Finding(f"your answer, {letter}", passed, cause="" if passed else explanation))
    result.message = explanation if passed else ""
    return result


def _digest(name: str, letter: str) -> str:
    return hashlib.sha256(f"{name}/{letter}".encode()).hexdigest()[:32]


def _mask(name: str, letter: str, text: bytes) -> bytes:
    pad = hashlib.shake_256(f"{letter}/{name}".encode()).digest(len(text))
    return bytes(one ^ other for one, other in zip(text, pad, strict=True))


def _seal(name: str, letter: str, text: str) -> str:
    return base64.b64encode(_mask(name, letter, text.encode())).decode()


def _unseal(name: str, letter: str, sealed: str) -> str:
    return _mask(name, letter, base64.b64decode(sealed)).decode()
