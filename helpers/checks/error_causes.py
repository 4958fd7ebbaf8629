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
