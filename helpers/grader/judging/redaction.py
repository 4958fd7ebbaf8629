"""What feedback may say about a hidden case: how a value differs in kind, without the case's numbers.

A hidden case's inputs pass through the student's process, which can put them into whatever comes back: a message, the
name of a type, a key.
"""

import builtins
import re
import sys
from typing import Any


def without_numbers(message: str) -> str:
    """An error's message with a # in place of each number."""
    return re.sub(r"\d[\w.+-]*", "#", message)


def in_kind(label: str, value: Any, clause: str) -> str:
    """Say how a value differs without a hidden case's numbers."""
    if label == "raised":
        known = value == "nothing" or isinstance(getattr(builtins, str(value), None), type)
        return f"bad input must raise ValueError, and it raised {value if known else 'another error'}"
    if label == "changed inputs":
        return "it changes a tensor that was handed to it"
    clause = re.sub(r"it is (.*), not plain numbers", _in_kind_of_object, clause, flags=re.DOTALL)
    clause = re.sub(r"its keys are .*", "its keys are others", clause, flags=re.DOTALL)
    return ("" if label == "value" else f"{label}: ") + clause.split(" by up to ")[0]


def _in_kind_of_object(found: re.Match) -> str:
    """Name a type only where there is one of this name: a name made up on purpose could carry a hidden case out."""
    module, _, name = found[1].rpartition(".")
    known = isinstance(getattr(sys.modules.get(module), name, None), type)
    return f"it is {found[1] if known else 'an object of another kind'}, not plain numbers"
