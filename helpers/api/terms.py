"""What providers' terms say about training on their models' output, with source and date: `assets/licences.toml`."""

from __future__ import annotations

import textwrap
import tomllib
from dataclasses import dataclass

from helpers.paths import PACKAGE


@dataclass(frozen=True)
class Term:
    """One passage of one version of one document.

    Attributes:
        provider, document: whose it is, and its name.
        effective: from when this version holds, YYYY-MM-DD.
        source: where the document is.
        read: when it was read, and in what form.
        quote: the passage, word for word.
        says: in what way it stands there.
    """

    provider: str
    document: str
    effective: str
    source: str
    read: str
    quote: str
    says: str


def read_terms() -> list[Term]:
    """Return the passages, in the file's order."""
    content = tomllib.loads((PACKAGE / "assets" / "licences.toml").read_text(encoding="utf-8"))
    return [Term(**entry) for entry in content["term"]]


def print_terms() -> None:
    """Print every passage with its version, source and date."""
    for term in read_terms():
        print(f"{term.provider}, {term.document}, version of {term.effective}")
        print(textwrap.fill(f"“{term.quote}”", 84, initial_indent="    ", subsequent_indent="    "))
        print(textwrap.fill(f"({term.says})", 84, initial_indent="    ", subsequent_indent="    "))
        print(f"    {term.source}\n    read {term.read}\n")
