"""Which helper modules a lab's students may not import: those that hold its answers, and all that pass these on.

`from helpers.evaluation import perplexity` gives lab 04 away, and so would a module that imports that name from there.
The modules are read as text, so that nothing has to be imported to find out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache

from helpers.paths import PACKAGE


def closed_modules(forbidden: Iterable[str]) -> list[str]:
    """Return the forbidden modules and every helper module that imports one of them, directly or not, sorted.

    So a module that a student may import never imports a forbidden one itself, and the kernel can refuse these by their
    names alone, whoever asks.
    """
    closed = set(forbidden)
    while more := {name for name, found in _imports().items() if found & closed} - closed:
        closed |= more
    return sorted(closed)


@cache
def _imports() -> dict[str, set[str]]:
    """Return what each helper module imports from the helpers, by its name; the grader is left out."""
    modules = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if "grader" not in parts:
            modules[".".join(parts).removesuffix(".__init__")] = imports_of(path.read_text(encoding="utf-8"))
    return modules


def imports_of(source: str) -> set[str]:
    """Return the helper modules that a source imports anywhere in it, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("helpers.")}
