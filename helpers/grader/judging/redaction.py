"""What feedback may say about a hidden case: how a value differs in kind, without the case's numbers.

A hidden case's inputs pass through the student's process, which can put them into whatever it sends back: a message,
the name of a type, a key. Whatever feedback quotes from there is therefore left out or known to come from elsewhere.
"""

from __future__ import annotations

import builtins
import sys
from dataclasses import replace
from typing import Any

from helpers.checks.compare import Mismatch, MismatchKind, describe
from helpers.checks.coroutines import ENDINGS

# What of these a mismatch says comes from the values or the labels of a hidden case, or of what came back.
HOLD_VALUES = (
    MismatchKind.VALUES,
    MismatchKind.KEYS,
    MismatchKind.CELLS,
    MismatchKind.COLUMNS,
    MismatchKind.ROWS,
)


def in_kind(label: str, value: Any, mismatch: Mismatch) -> str:
    """Return how an observed value differs from the expected one, without a hidden case's numbers.

    Args:
        label: the observation's label, as in `helpers.checks.observers`.
        value: the value that the student's process sent for it.
        mismatch: how that value differs.
    """
    if label == "raised":
        known = value == "nothing" or isinstance(value, str) and isinstance(getattr(builtins, value, None), type)
        return f"bad input must raise ValueError, and it raised {value if known else 'another error'}"
    if label == "changed inputs":
        return "it changes an argument that was passed to it"
    if label == "ended" and isinstance(value, str) and value in ENDINGS:
        return value
    clause = describe(redacted(mismatch))
    return clause if label == "value" else f"{label}: {clause}"


def redacted(mismatch: Mismatch) -> Mismatch:
    """Return a mismatch without what a hidden case's numbers are in or could have been put into.

    Types, lengths and shapes stay: a student needs them, and they hold next to nothing of a case's numbers.
    """
    if mismatch.kind in HOLD_VALUES:
        return replace(mismatch, seen=None, expected=None, largest_error=None)
    if mismatch.kind is MismatchKind.NOT_PLAIN_DATA and not _names_a_type(str(mismatch.seen)):
        return replace(mismatch, seen="an object of another kind")
    return mismatch


def _names_a_type(name: str) -> bool:
    """Say whether a type of this name exists here; a made-up name could carry a hidden case out."""
    module, _, attribute = name.rpartition(".")
    return isinstance(getattr(sys.modules.get(module), attribute, None), type)
