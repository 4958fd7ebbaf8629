"""What became of a notebook's cells: which ended their kernel, which raised, and what that means for a missing name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from helpers.grader.intake.unicode import printable
from helpers.grader.judging.alignment import Aligned, names_bound
from helpers.grader.judging.error_verdicts import classify_error
from helpers.grader.judging.error_words import error_words, syntax_words
from helpers.grader.notes import Note, NoteCode

MAX_TOLD_CHARACTERS = 400  # of an error in a cell
MAX_LINE_CHARACTERS = 60  # of a cell's first line in a note
SLOW_SHARE = 0.5  # of the time that a cell may take, from which it is called slow


@dataclass(frozen=True)
class CellError:
    """An error that a cell raised: what may be told of it, the verdict on it, and a note where there is more to say."""

    told: str
    verdict: str
    note: str


@dataclass
class CellOutcomes:
    """What running the cells of one notebook has shown so far, by the cell's index.

    Attributes:
        aligned: the notebook.
        folder: where it runs.
        ended: the verdict of each cell that ended its kernel, ran past its time or filled the memory. Such a cell is
            left out from then on.
        errors: the error that a cell raised when it last ran.
        slow: the cells that took more than `SLOW_SHARE` of what a cell may take.
        quotes: whether the student's process may be quoted; not any more once a hidden case has been sent to it.
    """

    aligned: Aligned
    folder: Path
    ended: dict[int, str] = field(default_factory=dict)
    errors: dict[int, CellError] = field(default_factory=dict)
    slow: set[int] = field(default_factory=set)
    quotes: bool = True

    def notes(self, seconds: float) -> list[Note]:
        """Return notes on the cells that were left out or slow; `seconds`: what a cell may take."""
        notes = [
            Note.of(NoteCode.CELL_STOPPED, line=self._first_line(index), verdict=verdict)
            for index, verdict in sorted(self.ended.items())
        ]
        return notes + [
            Note.of(NoteCode.CELL_SLOW, line=self._first_line(index), seconds=SLOW_SHARE * seconds)
            for index in sorted(self.slow - self.ended.keys())
        ]

    def _first_line(self, index: int) -> str:
        lines = self.aligned.notebook.cells[index].source.strip().splitlines() or [""]
        return printable(lines[0])[:MAX_LINE_CHARACTERS]

    def add_error(self, index: int, kind: str, message: str) -> None:
        """Record the error that a cell raised."""
        verdict, note = classify_error(kind, message, str(self.folder))
        told = f"{kind}: {message[:MAX_TOLD_CHARACTERS]}" if self.quotes else self._words(index, kind, message)
        self.errors[index] = CellError(told, verdict, note)

    def _words(self, index: int, kind: str, message: str) -> str:
        source = self.aligned.notebook.cells[index].source
        syntax = syntax_words(source) if kind in ("SyntaxError", "IndentationError", "TabError") else ""
        return f"{kind}: {syntax}" if syntax else error_words(kind, message, source, self.aligned.solutions)

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
                error = self.errors[index]
                told = f"the cell that defines it ended in {error.told}"[:MAX_TOLD_CHARACTERS]
                return error.verdict, f"{told} ({error.note})" if error.note else told
        return "missing", "nothing of this name is defined where it is judged"

    def has_line(self, line: str) -> bool:
        """Return whether a line of code stands in the notebook: the kernel may name any line as an error's."""
        sources = (cell.source for cell in self.aligned.notebook.cells)
        return any(line[:200] == own.strip()[:200] for source in sources for own in source.split("\n"))
