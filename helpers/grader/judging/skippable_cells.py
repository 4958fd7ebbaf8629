"""Find the cells of a notebook that grading need not run, since no mark depends on them.

Most of a lab's own cells print, plot and experiment with what the student wrote. If such a cell is unchanged, and
nothing that has to run uses a name that it binds, running it changes no mark and costs most of the time. A student's
own cell always runs, whatever it contains. If a cell raises an error, this analysis may have been wrong, and the judge
runs every cell after all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from symtable import SymbolTable, symtable

from nbformat import NotebookNode

from helpers.grader.course.lab import Lab
from helpers.grader.judging.alignment import Aligned, names_bound

# Code that can reach a name without spelling it out.
BY_OTHER_MEANS = re.compile(r"(?<!\.)\b(?:globals|locals|vars|eval|exec|get_ipython)\s*\(|__main__")
WORD = re.compile(r"\w+")


def skippable_cells(lab: Lab, aligned: Aligned) -> set[int]:
    """Return the indices of the cells that need not run."""
    released = {
        cell.source.strip()
        for cell in lab.notebook.cells
        if cell.cell_type == "code" and "nbgrader" not in cell.metadata and not cell.metadata.distillab.setup
    }
    cells = aligned.notebook.cells
    code = {index: cell for index, cell in enumerate(cells) if cell.cell_type == "code" and index not in aligned.checks}
    skippable = {index for index, cell in code.items() if cell.source.strip() in released}
    if any(BY_OTHER_MEANS.search(cell.source) for index, cell in code.items() if index not in skippable):
        return set()
    bound = {index: names_bound(code[index]) for index in skippable}
    used = set(lab.exercises).union(*(_names_used(cell) for index, cell in code.items() if index not in skippable))
    while needed := {index for index in skippable if bound[index] & used}:
        skippable -= needed
        used = used.union(*(_names_used(code[index]) for index in needed))
    return skippable


def _names_used(cell: NotebookNode) -> set[str]:
    """Return the global names that a cell reads, also in functions; every word of a cell that is not plain Python."""
    try:
        return set(_globals_read(symtable(cell.source, "a cell", "exec")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(WORD.findall(cell.source))


def _globals_read(table: SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        # A class body may read a global and then bind the same name; only in a function is a bound name always local.
        if symbol.is_referenced() and (table.get_type() != "function" or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _globals_read(inner)
