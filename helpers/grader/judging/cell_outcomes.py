"""What became of a notebook's cells: which ended their kernel, which raised, and what that means for a missing name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from helpers.grader.judging.alignment import Aligned, names_bound
from helpers.grader.judging.error_verdicts import classify_error


@dataclass
class CellOutcomes:
    """What running the cells of one notebook has shown so far, by the cell's index.

    Attributes:
        aligned: the notebook.
        folder: where it runs.
        ended: the verdict of each cell that ended its kernel, ran past its time or filled the memory. Such a cell is
            left out from then on.
        errors: the name and message of the error that a cell raised when it last ran.
    """

    aligned: Aligned
    folder: Path
    ended: dict[int, str] = field(default_factory=dict)
    errors: dict[int, tuple[str, str]] = field(default_factory=dict)

    def verdict_of_error(self, index: int) -> tuple[str, str]:
        """Return the verdict on the error that a cell raised, and a note where there is more to say."""
        return classify_error(*self.errors[index], str(self.folder))

    def lost_names(self) -> dict[str, str]:
        """Return the names that cells in `ended` bind, each with that cell's verdict."""
        cells = self.aligned.notebook.cells
        return {name: verdict for index, verdict in self.ended.items() for name in names_bound(cells[index])}

    def why_undefined(self, exercise: str) -> tuple[str, str]:
        """Return the verdict on an exercise whose name is not defined, and what to tell the student."""
        lost = self.lost_names()
        if exercise in lost:
            return lost[exercise], "the cell that defines it was stopped or ended the kernel"
        for index in self.aligned.solutions[exercise]:
            if index in self.ended:
                return self.ended[index], "its cell was stopped or ended the kernel"
            if index in self.errors:
                verdict, note = self.verdict_of_error(index)
                told = f"the cell that defines it ended in {': '.join(self.errors[index])}"[:400]
                return verdict, f"{told} ({note})" if note else told
        return "missing", "nothing of this name is defined where it is judged"

    def has_line(self, line: str) -> bool:
        """Return whether a line of code stands in the notebook: the kernel may name any line as an error's."""
        sources = (cell.source for cell in self.aligned.notebook.cells)
        return any(line[:200] == own.strip()[:200] for source in sources for own in source.split("\n"))
