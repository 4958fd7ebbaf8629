"""Why an answer raised an error, in words, and what to try next. The check and the feedback page both use this."""

from __future__ import annotations

import re
from collections.abc import Mapping

NOT_WRITTEN = "is not written yet"  # ends the message of a stub's NotImplementedError

# The error's type, a pattern in its message, the likely cause and what to try next; the first that fits counts.
_CAUSES = [
    (kind, re.compile(pattern), cause, next_step)
    for kind, pattern, cause, next_step in [
        (
            "UnboundLocalError",
            "",
            "A variable is read before it has a value: it is set only in a branch or a loop that did not run, or only "
            "later. Or it is also the name of a function outside: as soon as you assign to that name, Python treats it "
            "as a local variable everywhere in your function, even where you call it.",
            "Set the variable before the loop or in every branch, or give it a different name from the function.",
        ),
        (
            "NameError",
            "",
            "A name is used that is not defined.",
            "Run all cells above, from the top, then look for a typo.",
        ),
        (
            "AttributeError",
            r"_(?:backward|forward)_(?:pre_)?hooks|before Module\.__init__\(\) call",
            "The constructor does not call the one of nn.Module, which sets the module up.",
            "Write super().__init__() as the first line of your constructor.",
        ),
        (
            "RuntimeError",
            r"[Dd]etach views in-place",
            "detach_() works in place, on the tensor that the caller passed to you.",
            "Use detach(), which returns a tensor without the graph and leaves the other as it is.",
        ),
        (
            "IndexError",
            "Dimension out of range",
            "dim= names a dimension that this input does not have: inputs come with one dimension, two or three.",
            "Count from the end: dim=-1 is the last dimension of every tensor.",
        ),
        (
            "IndexError",
            "",
            "An index is larger than what it looks into: a row, a position or an item that is not there.",
            "Print the shape or the length just before the line that failed.",
        ),
        (
            "RuntimeError",
            r"must match|shape .* is invalid|cannot be multiplied|expanded size|size of tensor|inconsistent tensor size"
            r"|batch_size .* to match|but got size",
            "Two shapes do not fit together.",
            "Print both shapes just before the line that failed, and compare them with those in the docstring.",
        ),
        (
            "ZeroDivisionError",
            "",
            "A division by 0: something that is counted is empty here.",
            "Treat the empty case first.",
        ),
        (
            "KeyError",
            "",
            "A key is looked up that is not in the dictionary.",
            "Print the keys just before the line that failed, or use get().",
        ),
        (
            "AttributeError",
            "'NoneType' object",
            "Something is None where an object is expected: a function returned nothing, or a search found nothing.",
            "Look for a missing return, or test for None first.",
        ),
        (
            "AttributeError",
            "object has no attribute",
            "An object does not have this attribute or method: it is of another type than the code expects.",
            "Print type(…) just before the line that failed.",
        ),
        (
            "TypeError",
            "unsupported operand|can't multiply|must be str, not|not supported between|can only concatenate",
            "Two values of types that do not go together are combined.",
            "Print both types just before the line that failed.",
        ),
        (
            "TypeError",
            "is not iterable|not subscriptable|has no len|is not callable|cannot unpack",
            "A value is used as if it were of another type: a number as a list, or a value as a function.",
            "Print type(…) just before the line that failed.",
        ),
        (
            "ValueError",
            "",
            "The call raises a ValueError, although the input is allowed.",
            "Compare the condition that raises with what the text forbids.",
        ),
        (
            "RuntimeError",
            "view",
            "view() needs a contiguous tensor, and a slice often is not.",
            "Use reshape() instead.",
        ),
        (
            "RuntimeError",
            "does not require grad",
            "The result no longer depends on the student's logits.",
            "Look for detach(), item() or no_grad(), and for a constant that you return if no token counts.",
        ),
        (
            "RuntimeError",
            "blocks the event loop",
            "time.sleep stops everything: while it runs, no other request can be sent and no reply can arrive.",
            "Wait with await sleep(seconds), using the sleep that is passed to you.",
        ),
        (
            "TypeError",
            "define it with async def",
            "The call gives no coroutine, so there is nothing to await.",
            "Start the function with async def, as in the exercise's cell.",
        ),
    ]
]


def explain_error(error: Mapping[str, str]) -> tuple[str, str]:
    """Return the likely cause of an exception in an answer, and what to try next.

    error: its type, its message, and the line of the answer that raised it, empty if the call itself failed.
    """
    kind, message = error["type"], error["message"]
    if kind == "NotImplementedError" and message.endswith(NOT_WRITTEN):
        other = message.removesuffix(NOT_WRITTEN).strip()
        return f"Your answer calls {other}, which {NOT_WRITTEN}.", "Write that exercise first and run its cell."
    if kind == "TypeError" and "argument" in message:
        if not error["line"]:
            return (
                "The function does not take the arguments that the exercise names.",
                "Put its first line back as it was.",
            )
        return (
            "On this line a function is called with an argument that it does not take, or without one that it needs.",
            "Print the arguments and their types just before that line, and look the function up.",
        )
    for known, pattern, cause, next_step in _CAUSES:
        if kind == known and pattern.search(message):
            return cause, next_step
    return (
        "The call raised an error.",
        "Read the last line of the message, then print the shapes just before the line that failed.",
    )
