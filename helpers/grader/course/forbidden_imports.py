"""Find the helper modules that a lab's students may not import: those with its answers, and all that import these.

`from helpers.evaluation import perplexity` gives lab 04 away, and so would a module that imports that name from there.
The modules are read as text, so that nothing has to be imported to find out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from helpers.paths import PACKAGE


def forbidden_closure(forbidden: Iterable[str]) -> list[str]:
    """Return the forbidden modules and every helper module that imports one of them, directly or not, sorted.

    So a module that a student may import never imports a forbidden one itself, and the kernel can refuse these by their
    names alone, whoever asks.
    """
    closure = set(forbidden)
    imports = module_imports(PACKAGE)
    while importing := {name for name, imported in imports.items() if imported & closure} - closure:
        closure |= importing
    return sorted(closure)


@cache
def module_imports(package: Path) -> dict[str, set[str]]:
    """Return what each module of the package imports from the helpers, by its name; the grader is left out."""
    modules = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        if "grader" not in parts:
            name = ".".join(parts).removesuffix(".__init__")
            modules[name] = imports_of(path.read_text(encoding="utf-8")) | _parents(name)
    return modules


def imports_of(source: str) -> set[str]:
    """Return the helper modules that a source imports anywhere in it, inside functions too.

    Python also runs the packages around an imported module: `import helpers.data.batches` runs
    `helpers/data/__init__.py`, so they count as imported.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    names = {name for name in names if name == "helpers" or name.startswith("helpers.")}
    return names.union(*map(_parents, names))


def _parents(name: str) -> set[str]:
    """Return the packages around a module: helpers and helpers.data for helpers.data.batches."""
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}
