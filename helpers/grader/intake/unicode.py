"""Text from outside in a form that can be written anywhere: into a page, a table of marks, a terminal.

JSON can hold half of a surrogate pair ("\\ud800"), and file names can hold bytes that are not UTF-8. Python keeps both
as characters that it cannot encode, so a single one would end the run when the surrounding text is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

REPLACEMENT = "\ufffd"
MAX_LISTED = 5  # names in a list of files
MAX_NAME = 80  # characters of each
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_IN_JSON = re.compile(r"\\u[dD][89a-fA-F]")


def load_json(text: str) -> Any:
    """Return what a JSON text holds, with unpaired surrogates replaced. Raises what json.loads raises."""
    content = json.loads(text)
    if not _SURROGATE_IN_JSON.search(text):
        return content
    # Complete pairs match too; for them, this detour changes nothing.
    return json.loads(_SURROGATE.sub(REPLACEMENT, json.dumps(content, ensure_ascii=False)))


def printable(text: str) -> str:
    """Return a file name, or any other line from outside, with characters replaced that cannot be displayed."""
    return "".join(character if character.isprintable() else REPLACEMENT for character in text)


def listed(names: Sequence[str]) -> str:
    """Return file names as a short list for a message: at most `MAX_LISTED` of them, and how many more there are."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(printable(name)[:MAX_NAME] for name in names[:MAX_LISTED]) + more
