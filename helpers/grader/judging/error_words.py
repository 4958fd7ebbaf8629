"""What may be told of an error that was raised after a hidden case had been sent: its class, and words of ours.

From then on, whatever the student's process says may carry a hidden input out. Its message is read, never quoted: a
phrase below stands in for it if it is a well-known one. Names are told only if they stand on the student's own line.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection

from helpers.checks.error_causes import NOT_WRITTEN

MAX_MESSAGE_CHARACTERS = 4_000  # of an error's message that are read
ANOTHER_ERROR = "an error"
_LIBRARY_ERRORS = (
    "AcceleratorError AxisError CalledProcessError Empty JSONDecodeError LinAlgError OutOfMemoryError TimeoutExpired "
    "URLError UnpicklingError gaierror herror"
)
KNOWN_ERRORS = frozenset(
    name for name, item in vars(builtins).items() if isinstance(item, type) and issubclass(item, BaseException)
) | frozenset(_LIBRARY_ERRORS.split())

# The words are such that `explain_error` recognises them.
_PHRASES = (
    ("TypeError", re.compile(r"argument"), "an argument is missing, or is one that the function does not take"),
    ("RuntimeError", re.compile(r"view size|view\("), "view() needs a tensor whose memory is in one piece"),
    ("RuntimeError", re.compile(r"does not require grad"), "the result does not require grad"),
    ("RuntimeError", re.compile(r"in-?place|leaf [Vv]ariable"), "a tensor that needs a gradient is changed in place"),
    (
        "RuntimeError",
        re.compile(r"must match|cannot be multiplied|is invalid for input|size mismatch|broadcast|same shape|expanded"),
        "the shapes of the tensors do not fit together",
    ),
    ("RuntimeError", re.compile(r"dtype|scalar type"), "the dtypes of the tensors do not fit together"),
    ("RuntimeError", re.compile(r"blocks the event loop"), "time.sleep blocks the event loop"),
    ("TypeError", re.compile(r"define it with async def"), "the call gives no coroutine: define it with async def"),
    ("IndexError", re.compile(r"out of (?:range|bounds)"), "an index is out of range"),
)  # fmt: skip
_NAME = re.compile(
    r"name '(\w{1,80})' is not defined|has no attribute '(\w{1,80})'|variable '(\w{1,80})'"
    r"|No module named '([\w.]{1,80})'|\A([\w.]{1,80}) is not available in this lab"
)
_NAME_TOLD = (
    "name '{}' is not defined",
    "there is no attribute '{}'",
    "variable '{}' has no value yet",
    "there is no module '{}'",
    "{} is not available in this lab: it holds what you are asked to write",
)
_WORD = re.compile(r"\w+")
_DOTTED_WORD = re.compile(r"[\w.]+")


def error_words(kind: str, message: str, line: str = "", exercises: Collection[str] = ()) -> str:
    """Return the class of an error and a phrase about it, without a word that the student's process chose freely.

    Args:
        kind: the name of its class.
        message: its message.
        line: the student's own line that raised it, if it stands in the notebook.
        exercises: the names of the lab's exercises.
    """
    if kind not in KNOWN_ERRORS:
        return ANOTHER_ERROR
    phrase = _phrase(kind, message[:MAX_MESSAGE_CHARACTERS], line, exercises)
    return f"{kind}: {phrase}" if phrase else kind


def _phrase(kind: str, message: str, line: str, exercises: Collection[str]) -> str:
    if kind == "NotImplementedError":
        return next((text for name in exercises if (text := f"{name} {NOT_WRITTEN}") == message), "")
    if found := _NAME.search(message):
        own = {*_WORD.findall(line), *_DOTTED_WORD.findall(line)}
        named = zip(found.groups(), _NAME_TOLD, strict=True)
        return next((told.format(name) for name, told in named if name in own), "")
    return next((words for known, pattern, words in _PHRASES if known == kind and pattern.search(message)), "")


def syntax_words(source: str) -> str:
    """Return what Python says of code that it cannot read, or an empty text if it can."""
    try:
        ast.parse(source)
    except SyntaxError as problem:
        return f"{problem.msg} (line {problem.lineno} of the cell)"
    except (ValueError, RecursionError, MemoryError):
        return ""
    return ""
