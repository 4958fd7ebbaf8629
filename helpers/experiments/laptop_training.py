"""Trains and measures a unit of `helpers.experiments.laptop`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path

from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.data.batches import Batch, make_batches, pack_blocks, read_texts, split_rows, spread_rows
from helpers.engine.checkpoint import Checkpointer
from helpers.engine.hidden_state_cache import HiddenStateCache
from helpers.evaluation import compare_with_teacher, measure_perplexity, row_nll
from helpers.experiments.laptop_units import (
    ARMS,
    SPLITS,
    TAUGHT_ARMS,
    AdaptedTeacher,
    Before,
    Cut,
    Setting,
    TrainedStudent,
    Unit,
    cuts,
)
from helpers.experiments.timing import Clock, StepClock
from helpers.layer_pruning import keep_layers, layer_influence, match_hidden_states, student_layers
from helpers.layer_states import decoder_layers
from helpers.models import load_teacher, load_tokenizer
from helpers.training import DistillConfig, History, count_parameters, distill

TITLE = re.compile(r"^(?= = [^=\n]+ = $)", re.MULTILINE)
Load = Callable[[str], dict | None]  # the result of a unit by its name, None if there is none yet
Rows = dict[str, Tensor]


class Materials:
    """The models and texts that units share; each is loaded when a unit needs it first."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._rows: dict[str, tuple[Rows, Rows]] = {}

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer("laptop")

    @cached_property
    def teacher(self) -> PreTrainedModel:
        return load_teacher("laptop")

    @cached_property
    def layers(self) -> int:
        """How many layers the teacher has."""
        return len(decoder_layers(self.teacher))

    def student(self) -> PreTrainedModel:
        """A new student, cut from the teacher."""
        return keep_layers(self.teacher, student_layers(self.layers))

    def rows(self, text: str) -> tuple[Rows, Rows]:
        """Rows of a text to train on, and rows to measure on."""
        if text not in self._rows:
            if text in SPLITS:
                articles = split_articles(read_texts(str(self._wikitext / "valid.txt"))[0])
                parts = hold_out(articles, SPLITS[text])
                training, held_out = (pack_blocks(part, self.tokenizer, self.setting.length) for part in parts)
                self._rows[text] = training, held_out
            else:
                source = None if text == "python" else str(self._wikitext / "valid.txt")
                self._rows[text] = split_rows(pack_blocks(read_texts(source), self.tokenizer, self.setting.length))
        return self._rows[text]

    def training_batches(self, text: str, seed: int) -> DataLoader:
        return make_batches(self.rows(text)[0], self.setting.batch_size, seed)

    def held_out_batches(self, text: str) -> list[Batch]:
        return list(make_batches(spread_rows(self.rows(text)[1], self.setting.held_out), 4))

    def cached_teacher(self, text: str) -> HiddenStateCache:
        """The teacher, with what it has computed for the text so far."""
        return HiddenStateCache(self.teacher, self.setting.state / f"{text}.states")

    def cached_adapted_teacher(self, text: str) -> HiddenStateCache:
        """The same for the teacher that was first trained on the text, by `adapt_teacher`."""
        folder = adapted_folder(self.setting, text)
        model = type(self.teacher).from_pretrained(folder, local_files_only=True)
        return HiddenStateCache(model, self.setting.folder / f"{text}-adapted.states")

    def described(self) -> dict:
        """What results must agree in to be compared."""
        setting = self.setting
        return {
            "steps": setting.steps,
            "rows_a_step": setting.batch_size,
            "tokens_a_row": setting.length,
            "held_out_rows": setting.held_out,
            "tokens": setting.steps * setting.batch_size * setting.length,
            "learning_rate": setting.learning_rate,
            "temperature": setting.temperature,
            "layers_kept": student_layers(self.layers),
        }

    @property
    def _wikitext(self) -> Path:
        if self.setting.wikitext is None:
            raise ValueError("this unit needs WikiText-2: name the folder with its valid.txt with --wikitext")
        return self.setting.wikitext


def split_articles(wikitext: str) -> list[str]:
    """The articles of a WikiText file; each begins with its title, a line such as ` = Homarus gammarus = `."""
    return [article for article in TITLE.split(wikitext) if article.strip()]


def hold_out(articles: Sequence[str], first: int) -> tuple[list[str], list[str]]:
    """Articles to train on, and every fifth from `first` on to measure on."""
    held_out = articles[first::5]
    return [article for index, article in enumerate(articles) if index % 5 != first], list(held_out)


def run_unit(unit: Unit, materials: Materials, load: Load) -> dict:
    """Train and measure a unit, and return its result as plain data.

    load: gives the results of earlier units, which a student at equal cost is compared with.
    """
    match unit:
        case Cut():
            return try_cut(unit, materials)
        case Before():
            return measure_before(unit.text, materials)
        case AdaptedTeacher():
            return adapt_teacher(unit.text, materials)
        case TrainedStudent(equal_cost=True):
            rows = len(materials.rows(unit.text)[0]["input_ids"])
            return train_student(unit, materials, affordable_steps(unit, materials.setting, rows, load))
        case TrainedStudent():
            return train_student(unit, materials, materials.setting.steps)


def try_cut(unit: Cut, materials: Materials) -> dict:
    """Perplexity of a cut at once and after a short training, on rows from the end of the training part."""
    setting, teacher = materials.setting, materials.teacher
    training, validation_rows = split_rows(materials.rows("wikitext")[0], 0.95)
    validation = list(make_batches(spread_rows(validation_rows, setting.cut_held_out), 4))
    rows = spread_rows(training, setting.cut_steps * setting.cut_batch_size)
    batches = make_batches(rows, setting.cut_batch_size, seed=0)
    layers = cuts(materials.layers).get(unit.layers) or most_influential(teacher, next(iter(batches)))
    student = keep_layers(teacher, layers)
    result: dict = {"kept": layers, "at_once": measure_perplexity(student, validation, resamples=0).value}
    began, steps = time.process_time(), setting.cut_steps
    if unit.match_hidden_states:  # half of the steps; a step of matching costs less than one of distillation
        steps = setting.cut_steps // 2
        matching_steps = setting.cut_steps - steps
        losses = match_hidden_states(
            student, teacher, layers, batches, steps=matching_steps, learning_rate=setting.matching_rate
        )
        result["matching"] = {"steps": matching_steps, "first_loss": losses[0], "last_loss": losses[-1]}
        result["after_matching"] = measure_perplexity(student, validation, resamples=0).value
    config = DistillConfig(steps=steps, temperature=setting.temperature, alpha=0.5, learning_rate=setting.learning_rate)
    distill(student, materials.cached_teacher("wikitext"), batches, config)
    seconds = time.process_time() - began
    result |= {"steps": steps, "rows_a_step": setting.cut_batch_size, "processor_seconds": seconds}
    return result | {"after": measure_perplexity(student, validation, resamples=0).value}


def most_influential(teacher: PreTrainedModel, batch: Batch) -> list[int]:
    """The half of the layers that turns the hidden state most, in order."""
    influence = layer_influence(teacher, batch)
    return sorted(sorted(range(len(influence)), key=influence.__getitem__)[len(influence) // 2 :])


def measure_before(text: str, materials: Materials) -> dict:
    """Teacher and student before training, on the held-out rows."""
    teacher, student, held_out = materials.cached_teacher(text), materials.student(), materials.held_out_batches(text)
    training_rows, held_out_rows = materials.rows(text)
    return {
        "teacher": {"parameters": count_parameters(teacher.model), **estimates(teacher.model, teacher, held_out)},
        "student": {"parameters": count_parameters(student), **estimates(student, teacher, held_out)},
        "training_rows": len(training_rows["input_ids"]),
        "held_out_rows": len(held_out_rows["input_ids"]),
    }


def train_student(unit: TrainedStudent, materials: Materials, steps: int) -> dict:
    """Train one student and measure it. What the teacher has to compute for it comes first and is timed separately."""
    setting, alpha = materials.setting, ARMS[unit.arm]
    result: dict = {"seed": unit.seed, "steps": steps}
    teacher = _teacher_of(unit, materials) if alpha else None
    if teacher is not None:
        with Clock() as clock:
            batches = first_batches(materials.training_batches(unit.text, unit.seed), steps)
            rows = sum(len(teacher.states(batch)) for batch in batches)
        result["teacher"] = {"rows": rows, "rows_read_now": teacher.rows_read, **clock.seconds}
    student = materials.student()
    run = ResumableRun(setting, f"{unit.text}-{unit.arm}-{steps}-{unit.seed}{'-adapted' if unit.adapted else ''}")
    config = DistillConfig(
        steps=steps, temperature=setting.temperature, alpha=alpha, learning_rate=setting.learning_rate
    )
    history, timed = run.train(student, teacher, materials.training_batches(unit.text, unit.seed), config)
    tokens = steps * setting.batch_size * setting.length
    result |= {"tokens": tokens, **timed, "tokens_a_second": tokens / timed["seconds"]}
    held_out = materials.held_out_batches(unit.text)
    result |= estimates(student, materials.cached_teacher(unit.text), held_out)
    result["row_losses"] = [round(float(nll / tokens), 5) for batch in held_out
                            for nll, tokens in zip(*row_nll(student, batch), strict=True)]  # fmt: skip
    run.forget()
    return result | {"losses": [round(loss, 4) for loss in history.losses]}


def _teacher_of(unit: TrainedStudent, materials: Materials) -> HiddenStateCache:
    if not unit.adapted:
        return materials.cached_teacher(unit.text)
    if not adapted_folder(materials.setting, unit.text).exists():  # its result was recorded on another machine
        adapt_teacher(unit.text, materials)
    return materials.cached_adapted_teacher(unit.text)


def adapt_teacher(text: str, materials: Materials) -> dict:
    """Train the teacher itself on the text's training part, with hard labels, and keep it for the units after it."""
    setting = materials.setting
    teacher = load_teacher("laptop")
    run = ResumableRun(setting, f"{text}-adapting")
    config = DistillConfig(
        steps=setting.steps, temperature=setting.temperature, alpha=0.0, learning_rate=setting.adapting_rate
    )
    _, timed = run.train(teacher, None, materials.training_batches(text, seed=0), config)
    result = {"steps": setting.steps, "learning_rate": setting.adapting_rate, **timed}
    result |= estimates(teacher, materials.cached_teacher(text), materials.held_out_batches(text))
    teacher.save_pretrained(adapted_folder(setting, text))
    run.forget()
    return result


def adapted_folder(setting: Setting, text: str) -> Path:
    """Where the teacher that was trained on the text is kept."""
    return setting.folder / f"{text}-adapted"


def affordable_steps(unit: TrainedStudent, setting: Setting, training_rows: int, load: Load) -> int:
    """Steps of the arm that take as much processor time as hard labels only, the teacher's time included; at least 1.

    The teacher reads a row once, however often it is trained on.
    """
    hard, taught = (load(TrainedStudent(unit.text, arm, unit.seed).name) for arm in ("hard labels only", unit.arm))
    if hard is None or taught is None:
        raise ValueError(f"{unit.name} is compared with other arms of seed {unit.seed}; run those units first")
    row_seconds = reading_seconds(unit.text, setting.seeds, load)
    step_seconds = taught["processor_seconds"] / taught["steps"]

    def cost(steps: int) -> float:
        return steps * step_seconds + row_seconds * min(steps * setting.batch_size, training_rows)

    affordable = [steps for steps in range(1, taught["steps"] + 1) if cost(steps) <= hard["processor_seconds"]]
    return max(affordable, default=1)


def reading_seconds(text: str, seeds: tuple[int, ...], load: Load) -> float:
    """Processor seconds that the teacher took for a row, over all finished units in which it read rows of the text."""
    results = (load(TrainedStudent(text, arm, seed).name) for arm in TAUGHT_ARMS for seed in seeds)
    readings = [result["teacher"] for result in results if result and result["teacher"]["rows_read_now"]]
    seconds, rows = (sum(reading[name] for reading in readings) for name in ("processor_seconds", "rows_read_now"))
    return seconds / rows


class ResumableRun:
    """A training whose checkpoint and step times are kept under a name until its model has been measured."""

    def __init__(self, setting: Setting, name: str) -> None:
        self.setting = setting
        self.checkpoint = setting.folder / f"{name}.safetensors"
        self.times = setting.folder / f"{name}.seconds"

    def train(
        self, model: nn.Module, teacher: HiddenStateCache | None, batches: DataLoader, config: DistillConfig
    ) -> tuple[History, dict]:
        """Train or continue training; return the history and the time of all steps, those before a resume included."""
        assert config.steps is not None
        clock = StepClock(self.times, resumed=self.checkpoint.exists())
        history = distill(
            model,
            teacher,
            batches,
            config,
            checkpoint=Checkpointer(self.checkpoint, every=self.setting.checkpoint_every),
            on_step=clock.step,
        )
        return history, clock.total(config.steps)

    def forget(self) -> None:
        """Delete checkpoint and times."""
        self.checkpoint.unlink(missing_ok=True)
        self.times.unlink(missing_ok=True)


def first_batches(batches: DataLoader, steps: int) -> Iterator[Batch]:
    """The batches that `steps` steps see."""
    return islice(chain.from_iterable(repeat(batches)), steps)


def estimates(student: nn.Module, teacher: HiddenStateCache, held_out: list[Batch]) -> dict:
    """Perplexity, KL to the teacher and agreement with it, as plain data."""
    measured = compare_with_teacher(student, teacher, held_out)
    return {name: estimate._asdict() for name, estimate in measured._asdict().items()}
