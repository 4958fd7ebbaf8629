"""What `helpers.experiments.laptop` runs: its setting, and its units as data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ARMS = {"hard labels only": 0.0, "labels and teacher": 0.5, "teacher only": 1.0}  # and the weight α of the soft term
TAUGHT_ARMS = ("labels and teacher", "teacher only")
EQUAL_COST = "labels and teacher, at the cost of hard labels only"
BY_INFLUENCE = "those that turn most"
SPLITS = {f"wikitext, articles {first}, {first + 5} …": first for first in (0, 2, 4)}  # the text's name: first held out
PAIRED_ARMS = ("hard labels only", "labels and teacher")


@dataclass(frozen=True)
class Setting:
    """What all units share.

    Attributes:
        wikitext: Folder with WikiText-2's valid.txt; None leaves out the units that need it.
        state: Folder for results, checkpoints and the teacher's hidden states.
        steps: Optimizer steps of each student.
        batch_size: Rows in each step.
        seeds: A seed chooses a student's rows and their order.
        held_out: Rows to measure on.
        length: Tokens in a row.
        learning_rate: Peak learning rate of the students.
        temperature: T of the soft targets.
        cut_steps, cut_batch_size, cut_held_out: The same for comparing cuts, which are trained only briefly.
        matching_rate: Learning rate while hidden states are matched.
        adapting_rate: Learning rate while the teacher is trained on the text.
        checkpoint_every: Steps between checkpoints.
    """

    wikitext: Path | None
    state: Path
    steps: int
    batch_size: int
    seeds: tuple[int, ...]
    held_out: int = 64
    length: int = 128
    learning_rate: float = 5e-4
    temperature: float = 2.0
    cut_steps: int = 8
    cut_batch_size: int = 4
    cut_held_out: int = 16
    matching_rate: float = 1e-3
    adapting_rate: float = 1e-4
    checkpoint_every: int = 20

    @property
    def folder(self) -> Path:
        """The folder for what depends on the number of steps and rows."""
        return self.state / f"{self.steps}x{self.batch_size}, {self.held_out} held out"


@dataclass(frozen=True)
class Cut:
    """A choice of layers for the student: measured at once, and after a short training."""

    layers: str
    match_hidden_states: bool = False

    @property
    def name(self) -> str:
        return f"cut/{self.layers}{', hidden states matched first' if self.match_hidden_states else ''}"


@dataclass(frozen=True)
class Before:
    """Teacher and student before training."""

    text: str

    @property
    def name(self) -> str:
        return f"{self.text}/teacher and student before"


@dataclass(frozen=True)
class AdaptedTeacher:
    """The teacher itself, trained on the text with hard labels."""

    text: str

    @property
    def name(self) -> str:
        return f"{self.text}/adapted teacher"


@dataclass(frozen=True)
class TrainedStudent:
    """A student, trained and measured.

    Attributes:
        text: "wikitext", "python", or a key of `SPLITS`: WikiText-2 with every fifth article held out.
        arm: A key of `ARMS`.
        seed: Chooses rows and order.
        adapted: The teacher was trained on the text first.
        equal_cost: Train for as many steps as the processor time of hard labels only allows.
    """

    text: str
    arm: str
    seed: int
    adapted: bool = False
    equal_cost: bool = False

    @property
    def name(self) -> str:
        arm = EQUAL_COST if self.equal_cost else self.arm
        return f"{self.text}/{arm}{', adapted teacher' if self.adapted else ''}/{self.seed}"


Unit = Cut | Before | AdaptedTeacher | TrainedStudent


def cuts(layers: int) -> dict[str, list[int]]:
    """Ways to keep half of the layers, by name; the one by influence has to be measured (`BY_INFLUENCE`)."""
    half = layers // 2
    evenly = [round(index * (layers - 1) / (half - 1)) for index in range(half)]
    return {
        "0, 2, 4 …": list(range(0, layers, 2)),
        "1, 3, 5 …": list(range(1, layers, 2)),
        "evenly, both ends kept": evenly,
        "the first half": list(range(half)),
        "both ends, no middle": [*range(half - half // 2), *range(layers - half // 2, layers)],
    }


def list_units(setting: Setting) -> list[Unit]:
    """All units, in the order in which they are run: the most informative come first."""
    units: list[Unit] = [] if setting.wikitext is None else _wikitext_units(setting.seeds)
    return [*units, Before("python"), *(TrainedStudent("python", arm, seed=0) for arm in ARMS)]


def _wikitext_units(seeds: tuple[int, ...]) -> list[Unit]:
    return [
        *(Cut(name) for name in (*cuts(layers=30), BY_INFLUENCE)),  # the names do not depend on the number of layers
        Cut(BY_INFLUENCE, match_hidden_states=True),
        Before("wikitext"),
        *(TrainedStudent("wikitext", arm, seed) for seed in seeds for arm in ARMS),
        *(TrainedStudent("wikitext", "labels and teacher", seed, equal_cost=True) for seed in seeds),
        AdaptedTeacher("wikitext"),
        *(TrainedStudent("wikitext", arm, seed=0, adapted=True) for arm in TAUGHT_ARMS),
        *(TrainedStudent(text, arm, seed) for seed in seeds for text in SPLITS for arm in PAIRED_ARMS),
    ]
