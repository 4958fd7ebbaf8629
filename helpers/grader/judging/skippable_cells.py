"""Which cells of a notebook no mark depends on, so that grading need not run them.

Most of a lab's own cells print, plot and experiment with what the student wrote. Where such a cell stands as it was
handed out, and nothing that has to run uses a name that it binds, running it changes no mark and costs most of the
time. A student's cell always runs, whatever stands in it. The judge runs every cell after all where this analysis may
have been wrong: where a cell ends in an error.
"""

import re
from collections.abc import Iterator
from symtable import SymbolTable, symtable

from nbformat import NotebookNode

from helpers.grader.course.lab import Lab
from helpers.grader.judging.alignment import Aligned, names_bound

# Code that reaches names which do not stand in it.
BY_OTHER_MEANS = re.compile(r"(?<!\.)\b(?:globals|locals|vars|eval|exec|get_ipython)\s*\(|__main__")


def idle_cells(lab: Lab, aligned: Aligned) -> set[int]:
    """Return the places of the cells that need not run."""
    handed_out = {
        cell.source.strip()
        for cell in lab.notebook.cells
        if cell.cell_type == "code" and "nbgrader" not in cell.metadata and not cell.metadata.distillab.setup
    }
    cells = aligned.notebook.cells
    code = {place: cell for place, cell in enumerate(cells) if cell.cell_type == "code" and place not in aligned.checks}
    idle = {place for place, cell in code.items() if cell.source.strip() in handed_out}
    if any(BY_OTHER_MEANS.search(cell.source) for place, cell in code.items() if place not in idle):
        return set()
    bound = {place: names_bound(code[place]) for place in idle}
    used = set().union(*(_names_used(cell) for place, cell in code.items() if place not in idle), lab.exercises)
    while needed := {place for place in idle if bound[place] & used}:
        idle -= needed
        used = used.union(*(_names_used(code[place]) for place in needed))
    return idle


def _names_used(cell: NotebookNode) -> set[str]:
    """Return the global names that a cell reads, also in its functions; every word of one that is not plain Python."""
    try:
        return set(_globals_read(symtable(cell.source, "a cell", "exec")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"\w+", cell.source))


def _globals_read(table: SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        # A class's body may read a global and bind the same name; only in a function is a bound name its own.
        if symbol.is_referenced() and (table.get_type() != "function" or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _globals_read(inner)
