"""The API reference: a page for each room that a lab or a lecturer imports from, from its docstrings.

The pages hold signatures and docstrings and no source, since some modules contain what a lab asks for.
"""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

import helpers

# In the order of the reference; what stands in none of them is the grader's or the command line's own.
ROOMS = {
    "The textbook shelf": ("losses", "labels", "training", "evaluation", "models", "tiers", "bootstrap"),
    "Checks and predictions": ("checks",),
    "Explorers": ("widgets",),
    "Plots": ("plots", "live_curve"),
    "Texts and languages": ("data",),
    "Reasoning": ("reasoning",),
    "Inside the trainer": ("engine", "layer_pruning"),
    "Before a run": ("setup", "fetch"),
}


def modules(room: str) -> list[str]:
    """Return the names of a module and, if it is a package, of the public modules in it."""
    found = import_module(f"helpers.{room}")
    below = getattr(found, "__path__", None)
    inside = sorted(item.name for item in pkgutil.iter_modules(below)) if below else []
    names = [f"helpers.{room}", *(f"helpers.{room}.{name}" for name in inside if not name.startswith("_"))]
    return [name for name in names if public(name)]


def public(module: str) -> list[str]:
    """Return the public functions and classes that a module defines, or that a package re-exports, with docstrings."""
    found = import_module(module)
    listed = getattr(found, "__all__", None)
    names = listed or [name for name in vars(found) if not name.startswith("_")]
    members = ((name, getattr(found, name)) for name in names)
    return [
        name
        for name, member in members
        if (inspect.isclass(member) or inspect.isfunction(member))
        and inspect.getdoc(member)
        and (listed or member.__module__ == module)
    ]


def write_reference(folder: Path) -> int:
    """Write a page for each room into `folder`; return how many modules they describe."""
    folder.mkdir(parents=True, exist_ok=True)
    index = ["API reference", "=============", "", helpers.__doc__ or "", ""]
    count = 0
    for title, rooms in ROOMS.items():
        index += [title, "-" * len(title), "", ".. toctree::", "   :maxdepth: 1", ""]
        for room in rooms:
            names = modules(room)
            (folder / f"{room}.rst").write_text(_page(room, names), encoding="utf-8")
            index.append(f"   {room}")
            count += len(names)
        index.append("")
    (folder / "index.rst").write_text("\n".join(index), encoding="utf-8")
    return count


def _page(room: str, names: list[str]) -> str:
    title = f"helpers.{room}"
    lines = [title, "=" * len(title), ""]
    if title not in names:  # a package that defines nothing itself
        lines += [import_module(title).__doc__ or "", ""]
    for name in names:
        if name != title:
            lines += [name, "-" * len(name), ""]
        lines += [f".. automodule:: {name}", "   :no-members:", ""]
        for member in public(name):
            is_class = inspect.isclass(getattr(import_module(name), member))
            lines.append(f".. {'autoclass' if is_class else 'autofunction'}:: {name}.{member}")
            lines += ["   :members:", ""] if is_class else [""]
    return "\n".join(lines)
