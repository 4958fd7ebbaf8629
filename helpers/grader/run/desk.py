"""What a run keeps beside its marks: the class list, the names under which work was handed in, what is nobody's.

`distillab feedback`, `feedback-zip` and `push` read it, so none of them has to look at the submissions again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from helpers.atomic import write_text
from helpers.grader.errors import GraderError
from helpers.grader.intake.collect import Collected
from helpers.grader.intake.matching import FILE_CSV, FILE_HTML, read_answers, unmatched_csv
from helpers.grader.intake.roster import Roster, read_roster
from helpers.grader.intake.submission import Submission
from helpers.grader.reports.class_list import unmatched_page

FILE = "handed_in.json"


def class_roster(path: Path | None, output: Path, labs: Collection[str]) -> Roster | None:
    """Return the class of a roster's file, or else of an earlier run; None if there was never a roster."""
    return read_roster(path).with_labs(labs) if path is not None else Roster.load(output)


def keep_desk(output: Path, roster: Roster | None, collected: Collected) -> list[str]:
    """Write into `output` what later commands need, and return remarks for the instructor."""
    _add_handed_in(output, collected.submissions)
    if roster is None:
        return []
    roster.save(output)
    answers = read_answers(output)
    if collected.unmatched or answers:
        write_text(output / FILE_CSV, unmatched_csv(collected.unmatched, answers))
    if not collected.unmatched:
        (output / FILE_HTML).unlink(missing_ok=True)
        return []
    write_text(output / FILE_HTML, unmatched_page(collected.unmatched))
    count = len(collected.unmatched)
    return [
        f"{count} submission{' matches' if count == 1 else 's match'} no student of the roster and "
        f"{'was' if count == 1 else 'were'} not graded: see {output / FILE_HTML}"
    ]


def handed_in(output: Path) -> dict[str, dict[str, str]]:
    """Return the name under which each student's work was handed in, by lab and student."""
    path = Path(output) / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def only_lab(labs: Collection[str], name: str | None) -> str:
    """Return the lab that is meant: the named one, or the only one. Raises GraderError."""
    if name in labs or (name is None and len(labs) == 1):
        return name or next(iter(labs))
    if not labs:
        raise GraderError("Nothing has been graded there yet. Grade with: distillab grade")
    what = f"{name} was not graded there" if name else "Several labs were graded there"
    raise GraderError(f"{what}. Use --lab with one of: {', '.join(sorted(labs))}.")


def _add_handed_in(output: Path, submissions: Iterable[Submission]) -> None:
    names = handed_in(output)
    for submission in submissions:
        if submission.lab:
            names.setdefault(submission.lab, {})[submission.student] = submission.handed_in
    write_text(Path(output) / FILE, json.dumps(names, ensure_ascii=False, indent=1, sort_keys=True))
