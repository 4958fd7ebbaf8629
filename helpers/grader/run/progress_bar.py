"""The line that shows how far a run is: submissions done, time to go, and how often each verdict was given."""

from __future__ import annotations

from collections import Counter

from tqdm import tqdm

from helpers.grader.judging.judgement import VERDICTS, Judgement
from helpers.grader.reports.gradebook import exercise_verdict


class Progress:
    """A progress line on standard error; use it as a context manager."""

    def __init__(self, submissions: int) -> None:
        self.bar = tqdm(total=submissions, desc="Grading", unit="submission", dynamic_ncols=True)
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    def add(self, judgement: Judgement, kept: bool = False) -> None:
        """Count one submission: a verdict an exercise, or the one of its refusal. `kept`: judged by an earlier run."""
        for name in dict.fromkeys(row.exercise for row in judgement.rows):
            self.counts[exercise_verdict(judgement.of(name))] += 1
        said = [f"{self.counts[verdict]} {verdict}" for verdict in VERDICTS if self.counts[verdict]]
        self.bar.set_postfix_str(", ".join(said), refresh=False)
        if kept:  # no time of this run went into it: leave it out of the time to go
            self.bar.initial += 1
            self.bar.n += 1
            self.bar.refresh()
        else:
            self.bar.update()
