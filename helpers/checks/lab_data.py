"""What a lab's checks need, carried by the notebook itself, so that a student needs nothing besides.

A release of a course that is not part of this package puts one folded cell into each notebook:

    from helpers.checks.lab_data import open_lab
    open_lab("eyJjaGVja3MiOi…")

It holds the visible examples with their values, as in `helpers/assets/checks`, and our solutions if the course shows
them, as JSON in base64: nobody reads an answer by accident, whoever wants to can. Marks depend on none of it.
"""

from __future__ import annotations

import base64
import json
from typing import Any

TITLE = "# @title Run this cell: the checks need it"
_OPENED: dict[str, dict[str, Any]] = {}  # by lab: its "checks", and its "solutions"


def packed(checks: str, solutions: str) -> str:
    """Return the source of the cell that carries a lab; both are the texts of JSON files."""
    content = json.dumps({"checks": json.loads(checks), "solutions": json.loads(solutions)}, separators=(",", ":"))
    data = base64.b64encode(content.encode()).decode("ascii")
    return f'{TITLE}\nfrom helpers.checks.lab_data import open_lab\n\nopen_lab("{data}")'


def open_lab(data: str) -> None:
    """Make a lab's examples known to `check`. Raises ValueError if the cell was changed."""
    try:
        content = json.loads(base64.b64decode(data, validate=True))
        _OPENED[content["checks"]["lab"]] = content
    except (ValueError, KeyError, TypeError):
        raise ValueError("This cell was changed. Copy it again from the notebook as you got it.") from None


def opened(kind: str) -> list[dict[str, Any]]:
    """Return the "checks" or the "solutions" of each lab that this notebook carries."""
    return [content[kind] for content in _OPENED.values()]
