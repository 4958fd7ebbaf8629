"""What the gradebook cannot hold: which rubric items a mark consists of, and comments for use again.

Both are in `marking.json` in the output folder. The gradebook decides: a record counts only as long as the gradebook
holds the points and the comment that came of it. Call `change` only while holding the lock on the output folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from helpers.atomic import write_text
from helpers.grader.errors import GraderError

FILE = "marking.json"
MAX_COMMENTS = 50  # kept for one question; the ones unused for the longest time go first


@dataclass(frozen=True)
class MarkRecord:
    """How a mark came about.

    Attributes:
        items: the texts of the rubric items that were ticked.
        note: the marker's own words, which are the last part of the comment.
        points: what the marker entered instead of the rubric's sum; None if nothing.
        score: the points that were written to the gradebook.
        comment: the comment that was written there.
    """

    items: tuple[str, ...]
    note: str
    points: float | None
    score: float
    comment: str | None


@dataclass
class QuestionRecords:
    """The records of one question: a mark for each group of answers, and the comments, the last used first."""

    marks: dict[str, MarkRecord] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)

    def keep_comment(self, text: str) -> None:
        """Put a comment first in the bank."""
        self.comments = [text, *(known for known in self.comments if known != text)][:MAX_COMMENTS]


class MarkingRecords:
    """The records in one output folder."""

    def __init__(self, output: Path) -> None:
        self._path = Path(output) / FILE

    def of(self, lab: str, cell: str) -> QuestionRecords:
        """Return the records of one question, as they are on disk now."""
        return self._read().get(_key(lab, cell), QuestionRecords())

    @contextmanager
    def change(self, lab: str, cell: str) -> Iterator[QuestionRecords]:
        """Yield the records of one question, and write them when the block ends without an error."""
        records = self._read()
        own = records.setdefault(_key(lab, cell), QuestionRecords())
        yield own
        content = {key: asdict(item) for key, item in sorted(records.items())}
        write_text(self._path, json.dumps(content, ensure_ascii=True, indent=1))

    def _read(self) -> dict[str, QuestionRecords]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return {key: _from_plain(**item) for key, item in content.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as problem:
            raise GraderError(
                f"{self._path} is damaged ({problem}). Delete it: the marks are in the gradebook, and only ticked "
                "rubric items and the comment bank are lost."
            ) from None


def _from_plain(marks: dict[str, Any], comments: Sequence[str]) -> QuestionRecords:
    kept = {group: MarkRecord(**(entry | {"items": tuple(entry["items"])})) for group, entry in marks.items()}
    return QuestionRecords(kept, list(comments))


def _key(lab: str, cell: str) -> str:
    return f"{lab}/{cell}"
