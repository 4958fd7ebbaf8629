"""The progress bar of a grading run: submissions done, time remaining, and how often each verdict was given."""

from __future__ import annotations

from collections import Counter

from tqdm import tqdm

from helpers.grader.judging.judgement import VERDICTS, Judgement
from helpers.grader.reports.marks import exercise_verdict


class ProgressBar:
    """A progress bar on standard error; use it as a context manager."""

    def __init__(self, total: int) -> None:
        self.bar = tqdm(total=total, desc="Grading", unit="submission", dynamic_ncols=True)
        self.verdicts: Counter[str] = Counter()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    def write(self, line: str) -> None:
        """Print a line above the bar, on standard output."""
        self.bar.write(line)

    def add(self, judgement: Judgement, kept: bool = False) -> None:
        """Count one submission: one verdict for each exercise, or the verdict of its refusal.

        Args:
            judgement: what is counted.
            kept: an earlier run judged it; it took no time now and must not shorten the estimate of the time remaining.
        """
        for name in dict.fromkeys(row.exercise for row in judgement.rows):
            self.verdicts[exercise_verdict(judgement.of(name))] += 1
        counts = [f"{self.verdicts[verdict]} {verdict}" for verdict in VERDICTS if self.verdicts[verdict]]
        self.bar.set_postfix_str(", ".join(counts), refresh=False)
        if kept:
            self.bar.initial += 1  # tqdm's rate leaves out what was done before the start
            self.bar.n += 1
            self.bar.refresh()
        else:
            self.bar.update()
