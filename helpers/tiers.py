"""The three sizes in which the labs run: which models, which text, which settings, and what each needs beforehand.

    preflight()                          what the tier downloads, needs and takes, and what is still missing
    training, held_out = load_batches()  its text, as batches

The tier is chosen as `helpers.models.choose_tier` says: the argument, else DISTILLAB_TIER, else "tiny". Nothing here
downloads anything by itself.

Leans on `helpers.models` and `helpers.data`, and on `helpers.language` for the tiny tier's text.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from torch.utils.data import DataLoader

from helpers.data import make_batches, whole_rows
from helpers.language import KnownLanguage
from helpers.models import choose_tier

HELD_OUT_SEED = 1_000_000  # far from the seeds of the students' texts
TINY_ROWS = 300


@dataclass(frozen=True)
class Tier:
    """A tier in numbers. Names are for people; times are those of two cores (`gpu`: of one GPU), both labs together.

    download_mb: what has to be fetched once, in 10⁶ bytes. memory_gb: what the run holds at its peak, in 10⁹ bytes.
    steps, batch_size, length, learning_rate, temperature, alpha: the settings of the lab's run; length in tokens.
    held_out_rows: rows that students are measured on.
    """

    name: str
    teacher: str
    student: str
    text: str
    download_mb: int
    memory_gb: float
    minutes: float
    steps: int
    batch_size: int
    length: int
    learning_rate: float
    temperature: float
    alpha: float
    held_out_rows: int


SETTINGS = {
    tier.name: tier
    for tier in (
        Tier(
            name="tiny",
            teacher="a GPT-2-shaped model of 2 layers (0.25 million weights, in this package)",
            student="the same with 1 layer (0.07 million weights, in this package)",
            text="stories of a small known language",
            download_mb=0,
            memory_gb=1,
            minutes=3,
            steps=300,
            batch_size=8,
            length=64,
            learning_rate=1e-2,
            temperature=3.0,
            alpha=0.5,
            held_out_rows=200,
        ),
    )
}


def tier_of(tier: str | None = None) -> Tier:
    """The tier's names and settings. Raises ValueError for a tier that there is not."""
    return SETTINGS[choose_tier(tier)]


@dataclass(frozen=True)
class Preflight:
    """What a tier needs and what of it is missing; shows itself in a notebook and in plain Python."""

    tier: Tier
    facts: dict[str, str]
    problems: list[str] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether the labs can start."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.ready

    @property
    def headline(self) -> str:
        return f"Tier {self.tier.name}: " + ("ready" if self.ready else "not ready yet")

    def __repr__(self) -> str:
        width = max(map(len, self.facts))
        facts = [f"  {name.ljust(width)}  {value}" for name, value in self.facts.items()]
        return "\n".join([self.headline, *facts, *(f"  Missing: {problem}" for problem in self.problems)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
            f'<td style="text-align:left">{escape(value)}</td></tr>'
            for name, value in self.facts.items()
        )
        problems = "".join(f"<li>{escape(problem)}</li>" for problem in self.problems)
        missing = f"<p>Missing:</p><ul>{problems}</ul>" if problems else ""
        return f"<p><strong>{escape(self.headline)}</strong></p><table>{rows}</table>{missing}"


def preflight(tier: str | None = None) -> Preflight:
    """What the tier downloads, needs and takes, what is there, and what is missing. Downloads nothing.

    Raises ValueError for a tier that there is not.
    """
    chosen = tier_of(tier)
    facts = {
        "teacher": chosen.teacher,
        "student": chosen.student,
        "text": chosen.text,
        "download": f"{chosen.download_mb:,} MB" if chosen.download_mb else "nothing",
        "memory": f"about {chosen.memory_gb:g} GB",
        "time": f"about {chosen.minutes:g} minutes for labs 03 and 04 on two cores",
        "training": f"{chosen.steps} steps of {chosen.batch_size} rows of {chosen.length} tokens, "
        f"learning rate {chosen.learning_rate:g}, T = {chosen.temperature:g}, α = {chosen.alpha:g}",
    }
    problems = []
    memory = machine_memory()
    if memory is not None and memory < chosen.memory_gb:
        problems.append(f"memory: this machine has {memory:.1f} GB, the tier needs about {chosen.memory_gb:g} GB")
    return Preflight(chosen, facts, problems)


def machine_memory() -> float | None:
    """Main memory of this machine in 10⁹ bytes, or None where the system does not say (Windows)."""
    if not hasattr(os, "sysconf") or not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def load_batches(tier: str | None = None, source: str | Sequence[str] | None = None) -> tuple[DataLoader, DataLoader]:
    """Batches to train on, in an order drawn anew in each pass, and batches to measure on, in theirs.

    source: None for the tier's own text. The tiny tier has no other, as its models know 210 words.
    A batch is {"input_ids", "attention_mask"}, each `(B, S)`. The same call gives the same batches.
    Raises ValueError for a tier that there is not and for a source that the tier cannot read.
    """
    chosen = tier_of(tier)
    if source is not None:
        raise ValueError(f'source is "{source}"; the tiny tier reads its own stories only, so leave source out')
    language = KnownLanguage.stories()
    training = make_batches(whole_rows(language.sample(TINY_ROWS, chosen.length, seed=0)), chosen.batch_size, seed=0)
    held_out = make_batches(whole_rows(language.sample(chosen.held_out_rows, chosen.length, HELD_OUT_SEED)), 100)
    return training, held_out
