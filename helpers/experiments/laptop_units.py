"""The units of `helpers.experiments.laptop`: one student, or one teacher, trained and measured at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path

from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from helpers.atomic import write_text
from helpers.data.batches import Batch, make_batches, pack_blocks, read_texts, split_rows, spread_rows
from helpers.engine.checkpoint import Checkpointer
from helpers.engine.hidden_state_cache import HiddenStateCache
from helpers.engine.precision import choose_precision
from helpers.evaluation import compare_with_teacher, measure_perplexity
from helpers.experiments.machine import describe_machine
from helpers.experiments.timing import Clock, StepClock
from helpers.layer_pruning import keep_layers, layer_influence, match_hidden_states, student_layers
from helpers.models import load_teacher, load_tokenizer
from helpers.training import DistillConfig, History, count_parameters, distill

LEARNING_RATE, TEMPERATURE = 5e-4, 2.0
LENGTH = 128
ARMS = {"hard labels only": 0.0, "labels and teacher": 0.5, "teacher only": 1.0}  # and the weight α of the soft term
CUT_STEPS, CUT_BATCH, CUT_HELD_OUT = 8, 4, 16
MATCH_RATE, ADAPTING_RATE = 1e-3, 1e-4
CHECKPOINT_EVERY = 20
BY_INFLUENCE, EQUAL_COST = "those that turn most", "labels and teacher, at the cost of hard labels only"


@dataclass(frozen=True)
class Setting:
    """What all units share: how long students train, where text and state are."""

    wikitext: Path | None
    state: Path
    steps: int
    batch_size: int
    seeds: tuple[int, ...]
    held_out: int = 64

    @property
    def folder(self) -> Path:
        return self.state / f"{self.steps}x{self.batch_size}, {self.held_out} held out"


def cuts(layers: int) -> dict[str, list[int]]:
    """Ways to keep half of the layers, by name. The one by influence is added where it is measured."""
    half = layers // 2
    ends = [round(place * (layers - 1) / (half - 1)) for place in range(half)]
    return {
        "0, 2, 4 …": list(range(0, layers, 2)),
        "1, 3, 5 …": list(range(1, layers, 2)),
        "evenly, both ends kept": ends,
        "the first half": list(range(half)),
        "both ends, no middle": [*range(half - half // 2), *range(layers - half // 2, layers)],
    }


def most_influence(teacher: PreTrainedModel, batch: Batch) -> list[int]:
    """The half of the layers that turns the hidden state most, in order."""
    influence = layer_influence(teacher, batch)
    return sorted(sorted(range(len(influence)), key=influence.__getitem__)[len(influence) // 2 :])


class Experiment:
    """The units and what they share. Models and text are loaded when a unit needs them.

    recorded: an earlier result, whose units need not be run again where its setting is the same. note: what else runs
    on the machine, kept with each unit.
    """

    def __init__(self, setting: Setting, recorded: Path | None = None, note: str = ""):
        self.setting, self.note = setting, note
        self.recorded: dict = {}
        self.tokenizer = load_tokenizer("laptop")
        self._teacher: PreTrainedModel | None = None
        self._rows: dict[str, tuple[dict[str, Tensor], dict[str, Tensor]]] = {}
        if recorded is not None and recorded.exists():
            earlier = json.loads(recorded.read_text(encoding="utf-8"))
            if earlier["setting"] == self.described():
                self.recorded = earlier["units"]

    @property
    def teacher(self) -> PreTrainedModel:
        if self._teacher is None:
            self._teacher = load_teacher("laptop")
        return self._teacher

    def remembered(self, text: str, adapted: bool = False) -> HiddenStateCache:
        """The teacher, or the one that was trained on the text first, with what it said about the text so far."""
        model = self.teacher
        if adapted:
            folder = self.setting.folder / f"{text}-adapted"
            if not folder.exists():  # its figures came from another machine
                self.adapt(text)
            model = type(model).from_pretrained(folder, local_files_only=True)
        where = self.setting.folder if adapted else self.setting.state
        return HiddenStateCache(model, where / f"{text}{'-adapted' if adapted else ''}.states")

    def rows(self, text: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Rows to train on, and rows to measure on."""
        if text not in self._rows:
            source = None if text == "python" else str(self.setting.wikitext / "valid.txt")
            self._rows[text] = split_rows(pack_blocks(read_texts(source), self.tokenizer, LENGTH))
        return self._rows[text]

    def held_out(self, text: str) -> list:
        return list(make_batches(spread_rows(self.rows(text)[1], self.setting.held_out), 4))

    def student(self) -> PreTrainedModel:
        return keep_layers(self.teacher, student_layers(len(self.teacher.model.layers)))

    def described(self) -> dict:
        """What results must agree in to stand beside each other."""
        setting = self.setting
        return {
            "steps": setting.steps,
            "rows_a_step": setting.batch_size,
            "tokens_a_row": LENGTH,
            "held_out_rows": setting.held_out,
            "tokens": setting.steps * setting.batch_size * LENGTH,
            "learning_rate": LEARNING_RATE,
            "temperature": TEMPERATURE,
            "layers_kept": student_layers(len(self.teacher.model.layers)),
        }

    def units(self) -> dict[str, Callable[[], dict]]:
        """All units in the order in which they are run: the first ones tell most."""
        texts = ([] if self.setting.wikitext is None else ["wikitext"]) + ["python"]
        units: dict[str, Callable[[], dict]] = {}
        if "wikitext" in texts:
            for name in (*cuts(30), BY_INFLUENCE):
                units[f"cut/{name}"] = partial(self.cut, name)
            units[f"cut/{BY_INFLUENCE}, hidden states matched first"] = partial(self.cut, BY_INFLUENCE, match=True)
            units["wikitext/teacher and student before"] = partial(self.before, "wikitext")
            for seed in self.setting.seeds:
                for arm in ARMS:
                    units[f"wikitext/{arm}/{seed}"] = partial(self.arm, "wikitext", arm, seed)
            for seed in self.setting.seeds:
                units[f"wikitext/{EQUAL_COST}/{seed}"] = partial(self.equal_cost, "wikitext", seed)
            units["wikitext/adapted teacher"] = partial(self.adapt, "wikitext")
            for arm in list(ARMS)[1:]:
                units[f"wikitext/{arm}, adapted teacher/0"] = partial(self.arm, "wikitext", arm, 0, adapted=True)
        units["python/teacher and student before"] = partial(self.before, "python")
        for arm in ARMS:
            units[f"python/{arm}/0"] = partial(self.arm, "python", arm, 0)
        return units

    def cut(self, name: str, match: bool = False) -> dict:
        """Perplexity of a cut at once and after a short training, on rows from the end of the training part."""
        training, _ = self.rows("wikitext")
        training, validation = split_rows(training, 0.95)
        validation = list(make_batches(spread_rows(validation, CUT_HELD_OUT), 4))
        batches = make_batches(spread_rows(training, CUT_STEPS * CUT_BATCH), CUT_BATCH, seed=0)
        known = cuts(len(self.teacher.model.layers))
        kept = known[name] if name in known else most_influence(self.teacher, next(iter(batches)))
        student = keep_layers(self.teacher, kept)
        result = {"kept": kept, "at_once": measure_perplexity(student, validation, resamples=0).value}
        steps = CUT_STEPS
        began = time.process_time()
        if match:  # half of the steps go into matching, whose steps cost less than those of distillation
            steps = CUT_STEPS // 2
            losses = match_hidden_states(
                student, self.teacher, kept, batches, steps=CUT_STEPS - steps, learning_rate=MATCH_RATE
            )
            result["matching"] = {"steps": CUT_STEPS - steps, "first_loss": losses[0], "last_loss": losses[-1]}
            result["after_matching"] = measure_perplexity(student, validation, resamples=0).value
        config = DistillConfig(steps=steps, temperature=TEMPERATURE, alpha=0.5, learning_rate=LEARNING_RATE)
        distill(student, self.remembered("wikitext"), batches, config)
        result |= {"steps": steps, "rows_a_step": CUT_BATCH, "processor_seconds": time.process_time() - began}
        return result | {"after": measure_perplexity(student, validation, resamples=0).value}

    def before(self, text: str) -> dict:
        """Teacher and student as they are before training, on the held-out rows."""
        teacher, student, held_out = self.remembered(text), self.student(), self.held_out(text)
        return {
            "teacher": {"parameters": count_parameters(self.teacher), **estimates(teacher.model, teacher, held_out)},
            "student": {"parameters": count_parameters(student), **estimates(student, teacher, held_out)},
            "training_rows": len(self.rows(text)[0]["input_ids"]),
            "held_out_rows": len(self.rows(text)[1]["input_ids"]),
        }

    def arm(self, text: str, arm: str, seed: int, *, adapted: bool = False, steps: int | None = None) -> dict:
        """One student, trained and measured. The teacher's answers that it needs are made first and timed apart."""
        setting, held_out = self.setting, self.held_out(text)
        steps = setting.steps if steps is None else steps
        batches = make_batches(self.rows(text)[0], setting.batch_size, seed)
        teacher = self.remembered(text, adapted)
        result: dict = {"seed": seed, "steps": steps}
        if ARMS[arm]:
            with Clock() as clock:
                rows = sum(len(teacher.states(batch)) for batch in first_batches(batches, steps))
            result["teacher"] = {"rows": rows, "rows_read_now": teacher.read, **clock.seconds}
        student = self.student()
        name = f"{text}-{arm}-{steps}-{seed}{'-adapted' if adapted else ''}"
        batches = make_batches(self.rows(text)[0], setting.batch_size, seed)
        history, timed = self.train(
            student, teacher if ARMS[arm] else None, batches, steps, ARMS[arm], LEARNING_RATE, name
        )
        tokens = steps * setting.batch_size * LENGTH
        result |= {"tokens": tokens, **timed, "tokens_a_second": tokens / timed["seconds"]}
        result |= estimates(student, self.remembered(text), held_out)
        self.forget(name)
        return result | {"losses": [round(loss, 4) for loss in history.losses]}

    def train(
        self, model: PreTrainedModel, teacher: HiddenStateCache | None, batches: DataLoader, steps: int, alpha: float,
        learning_rate: float, name: str,
    ) -> tuple[History, dict]:  # fmt: skip
        """Train with a checkpoint of this name; return the history and the time of all steps, also of a resumed run."""
        checkpoint = self.setting.folder / f"{name}.safetensors"
        clock = StepClock(checkpoint.with_suffix(".seconds"), goes_on=checkpoint.exists())
        history = distill(
            model,
            teacher,
            batches,
            DistillConfig(steps=steps, temperature=TEMPERATURE, alpha=alpha, learning_rate=learning_rate),
            checkpoint=Checkpointer(checkpoint, every=CHECKPOINT_EVERY),
            on_step=clock.step,
        )
        return history, clock.total(steps)

    def forget(self, name: str) -> None:
        """Delete what `train` kept, once the model was measured."""
        for ending in ("safetensors", "seconds"):
            (self.setting.folder / f"{name}.{ending}").unlink(missing_ok=True)

    def equal_cost(self, text: str, seed: int) -> dict:
        """Labels and teacher for as many steps as the processor time of hard labels only allows, teacher included."""
        hard = self.done(f"{text}/hard labels only/{seed}")
        mixed = self.done(f"{text}/labels and teacher/{seed}")
        a_row, a_step = self.reading_seconds(text), mixed["processor_seconds"] / mixed["steps"]
        training_rows = len(self.rows(text)[0]["input_ids"])  # a row is read once, however often it is trained on

        def cost(steps: int) -> float:
            return steps * a_step + a_row * min(steps * self.setting.batch_size, training_rows)

        afforded = [steps for steps in range(1, mixed["steps"] + 1) if cost(steps) <= hard["processor_seconds"]]
        return self.arm(text, "labels and teacher", seed, steps=max(afforded, default=1))

    def reading_seconds(self, text: str) -> float:
        """Processor seconds that the teacher took for a row, over all done units in which it read rows of the text."""
        units = (self.done(f"{text}/{arm}/{seed}") for arm in list(ARMS)[1:] for seed in self.setting.seeds)
        readings = [unit["teacher"] for unit in units if unit and unit["teacher"]["rows_read_now"]]
        seconds, rows = (sum(r[name] for r in readings) for name in ("processor_seconds", "rows_read_now"))
        return seconds / rows

    def adapt(self, text: str) -> dict:
        """The teacher itself, trained on the text's training part with hard labels; kept for the units after it."""
        setting = self.setting
        teacher = load_teacher("laptop")
        batches, name = make_batches(self.rows(text)[0], setting.batch_size, seed=0), f"{text}-adapting"
        _, timed = self.train(teacher, None, batches, setting.steps, 0.0, ADAPTING_RATE, name)
        result = {"steps": setting.steps, "learning_rate": ADAPTING_RATE, **timed}
        result |= estimates(teacher, self.remembered(text), self.held_out(text))
        teacher.save_pretrained(setting.folder / f"{text}-adapted")
        self.forget(name)
        return result

    def file(self, unit: str) -> Path:
        folder = self.setting.state if unit.startswith("cut/") else self.setting.folder
        return folder / f"{unit.replace('/', ' - ')}.json"

    def done(self, unit: str) -> dict | None:
        """The result of a unit, or None where there is none yet."""
        file = self.file(unit)
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else self.recorded.get(unit)

    def run(self, unit: str) -> dict:
        """Run a unit and save its result."""
        began = time.perf_counter()
        result = self.units()[unit]() | {
            "all_seconds": round(time.perf_counter() - began, 1),
            "machine": describe_machine() | {"precision": str(choose_precision(self.teacher)).removeprefix("torch.")},
            "note": self.note,
        }
        write_text(self.file(unit), json.dumps(result, indent=2) + "\n")
        return result


def first_batches(batches: DataLoader, steps: int) -> Iterator[Batch]:
    """The batches that `steps` steps see."""
    return islice(chain.from_iterable(repeat(batches)), steps)


def estimates(student: PreTrainedModel, teacher: HiddenStateCache, held_out: list[Batch]) -> dict:
    """Perplexity, KL to the teacher and agreement, as plain data."""
    measured = compare_with_teacher(student, teacher, held_out)
    return {name: estimate._asdict() for name, estimate in measured._asdict().items()}
