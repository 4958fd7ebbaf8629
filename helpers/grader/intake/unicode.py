"""Text from outside, in a form that can be written anywhere: into a page, a table of marks, a terminal.

JSON may hold half of a surrogate pair ("\\ud800"), and a file name bytes that are no UTF-8. Python keeps both as
characters that it cannot encode, so that one of them would end the run where the text around it is written.
"""

from __future__ import annotations

import json
import re
from typing import Any

REPLACEMENT = "\ufffd"
NAMED = 5  # of many files, how many a text names
_HALF = re.compile("[\ud800-\udfff]")
_HALF_IN_JSON = re.compile(r"\\u[dD][89a-fA-F]")


def load_json(text: str) -> Any:
    """Return what a JSON text holds, each lone half of a surrogate pair replaced. Raises what json.loads raises."""
    content = json.loads(text)
    if not _HALF_IN_JSON.search(text):  # whole pairs are found, too: they only take the longer way
        return content
    return json.loads(_HALF.sub(REPLACEMENT, json.dumps(content, ensure_ascii=False)))


def printable(name: str) -> str:
    """Return a file's name, or any other line from outside, with what a page or a terminal cannot show replaced."""
    return "".join(letter if letter.isprintable() else REPLACEMENT for letter in name)


def named(names: list[str]) -> str:
    """Return file names for a text: some of them, where there are many."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(printable(name)[:80] for name in names[:NAMED]) + more
