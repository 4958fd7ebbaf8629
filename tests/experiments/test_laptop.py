"""helpers.experiments.laptop: all units on a small Llama, what an interruption leaves, and what the result says."""

import dataclasses
import json
from functools import partial

import pytest
import torch

from helpers.experiments import laptop, laptop_training
from helpers.experiments.laptop import main
from helpers.experiments.laptop_store import UnitStore
from helpers.experiments.laptop_training import Materials, affordable_steps, most_influential, train_student
from helpers.experiments.laptop_units import EQUAL_COST, PAIRED_ARMS, SPLITS, Setting, TrainedStudent, cuts
from tests.small_models import save, small_llama, text

ARTICLES = "".join(f" = Title {number} = \n = = Part = = \n{text(160)}\n" for number in range(10))
SMALL = {"length": 12, "cut_steps": 4, "cut_batch_size": 2, "cut_held_out": 4}
STUDENT = TrainedStudent("wikitext", "labels and teacher", seed=0)


@pytest.fixture
def setting(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILLAB_TEACHER", str(save(small_llama(layers=8), tmp_path / "teacher")))
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki" / "valid.txt").write_text(text(12 * 120))
    return Setting(tmp_path / "wiki", tmp_path / "state", steps=6, batch_size=2, seeds=(0, 1), held_out=8, **SMALL)


def test_articles_are_held_out_whole_and_the_splits_share_none():
    articles = laptop_training.split_articles(ARTICLES)
    assert len(articles) == 10 and "".join(articles) == ARTICLES and articles[3].startswith(" = Title 3 = ")
    parts = [laptop_training.hold_out(articles, first) for first in SPLITS.values()]
    assert all(sorted(training + held_out) == sorted(articles) for training, held_out in parts)
    assert len({article for _, held_out in parts for article in held_out}) == 6


@pytest.mark.parametrize("layers", [8, 30])
def test_every_cut_keeps_half_of_the_layers_and_no_two_are_the_same(layers):
    made = cuts(layers)
    for kept in made.values():
        assert len(kept) == layers // 2 and kept == sorted(set(kept)) and 0 <= kept[0] <= kept[-1] < layers
    assert len({tuple(kept) for kept in made.values()}) == len(made) == 5
    assert made["evenly, both ends kept"][0] == 0 and made["evenly, both ends kept"][-1] == layers - 1


def test_the_layers_that_turn_least_are_left_out():
    teacher = small_llama(layers=4)
    with torch.no_grad():
        for idle in (0, 2):
            teacher.model.layers[idle].self_attn.o_proj.weight.zero_()
            teacher.model.layers[idle].mlp.down_proj.weight.zero_()
    ids = torch.arange(20).view(2, 10)
    assert most_influential(teacher, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}) == [1, 3]


def test_units_run_one_at_a_time_and_the_result_says_what_is_missing(setting, monkeypatch, tmp_path):
    monkeypatch.setattr(laptop, "Setting", partial(Setting, **SMALL))
    monkeypatch.setattr(laptop_training, "read_texts", lambda source: [ARTICLES])
    arguments = ["--wikitext", str(setting.wikitext), "--state", str(setting.state), "--results",
                 str(tmp_path / "results"), "--steps", "6", "--batch-size", "2", "--held-out", "8",
                 "--seeds", "0", "1", "--note", "alone"]  # fmt: skip
    assert main([*arguments, "--units", "8"]) == 3
    result = json.loads((tmp_path / "results" / "laptop_distillation_6x2.json").read_text())
    assert len(result["units"]) == 8 and "wikitext/teacher only/1" in result["missing"]
    cut = result["units"]["cut/0, 2, 4 …"]
    assert cut["kept"] == [0, 2, 4, 6] and cut["at_once"] > 1 and cut["steps"] == 4
    assert result["units"]["cut/those that turn most, hidden states matched first"]["matching"]["steps"] == 2
    first = (setting.state / "cut - 0, 2, 4 ….json").stat().st_mtime_ns
    assert main(arguments) == 0
    assert (setting.state / "cut - 0, 2, 4 ….json").stat().st_mtime_ns == first, "a unit is run once"
    result = json.loads((tmp_path / "results" / "laptop_distillation_6x2.json").read_text())
    assert result["missing"] == []
    arms = result["arms"]
    assert arms["wikitext/teacher only"]["kl"]["seeds"] == 2 and arms["python/hard labels only"]["kl"]["seeds"] == 1
    perplexities = [result["units"][f"wikitext/labels and teacher/{seed}"]["perplexity"]["value"] for seed in (0, 1)]
    spread = arms["wikitext/labels and teacher"]["perplexity"]
    assert [spread["low"], spread["high"]] == sorted(perplexities)
    assert spread["mean"] == pytest.approx(sum(perplexities) / 2)
    run = result["units"]["wikitext/labels and teacher/0"]
    assert run["tokens"] == 6 * 2 * 12 and len(run["losses"]) == 6 and not run["resumed"]
    assert run["machine"]["precision"] == "float32" and run["machine"]["cores"] and run["note"] == "alone"
    assert run["teacher"]["rows"] == 12 and 0 < run["teacher"]["rows_read_now"] <= 12
    assert 1 <= result["units"][f"wikitext/{EQUAL_COST}/0"]["steps"] <= 6
    assert sorted(result["paired"]) == sorted(f"{split}/{seed}" for split in SPLITS for seed in (0, 1))
    split = next(iter(SPLITS))
    taught, control = (result["units"][f"{split}/{arm}/1"]["row_losses"] for arm in reversed(PAIRED_ARMS))
    assert result["paired"][f"{split}/1"]["value"] == pytest.approx(sum(taught) / 8 - sum(control) / 8, abs=1e-6)
    adapted = result["units"]["wikitext/adapted teacher"]
    before = result["units"]["wikitext/teacher and student before"]["teacher"]
    assert adapted["perplexity"]["value"] != before["perplexity"]["value"] and before["kl"]["value"] < 1e-4


def test_an_interrupted_student_continues_to_the_same_numbers(setting, monkeypatch):
    setting = dataclasses.replace(setting, checkpoint_every=2)
    whole = train_student(STUDENT, Materials(setting), steps=6)
    asked = []
    targets = laptop_training.HiddenStateCache.targets

    def dies(self, batch):
        asked.append(batch)
        if len(asked) == 5:
            raise SystemExit
        return targets(self, batch)

    monkeypatch.setattr(laptop_training.HiddenStateCache, "targets", dies)
    with pytest.raises(SystemExit):
        train_student(STUDENT, Materials(setting), steps=6)
    again = train_student(STUDENT, Materials(setting), steps=6)
    assert again["resumed"] and len(asked) == 5 + 2 and again["losses"] == whole["losses"]
    assert again["perplexity"] == whole["perplexity"]


def test_a_student_interrupted_before_it_was_measured_is_measured_and_not_trained_again(setting, monkeypatch):
    whole = train_student(STUDENT, Materials(setting), steps=6)
    measure = laptop_training.estimates

    def dies(*_):
        raise SystemExit

    monkeypatch.setattr(laptop_training, "estimates", dies)
    with pytest.raises(SystemExit):
        train_student(STUDENT, Materials(setting), steps=6)
    monkeypatch.setattr(laptop_training, "estimates", measure)
    again = train_student(STUDENT, Materials(setting), steps=6)
    assert again["resumed"] and again["losses"] == whole["losses"] and again["perplexity"] == whole["perplexity"]
    assert again["seconds"] > 0 and again["processor_seconds"] > 0
    assert not list(setting.folder.glob("*.seconds")) and not list(setting.folder.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("hard", "steps"),
    [(50.0, 14), (30.0, 7), (20.0, 5), (1000.0, 20), (0.5, 1)],  # 3 a step, two rows in each, 0.5 for each of 15 rows
)
def test_equal_cost_charges_a_row_once_also_where_another_seed_had_it_read(setting, hard, steps):
    readings = [{"rows": 40, "rows_read_now": 40, "processor_seconds": 20.0},
                {"rows": 40, "rows_read_now": 0, "processor_seconds": 0.0}]  # fmt: skip
    results = {f"wikitext/hard labels only/{seed}": {"processor_seconds": hard} for seed in setting.seeds}
    for seed, reading in enumerate(readings):
        results[f"wikitext/labels and teacher/{seed}"] = {"processor_seconds": 60.0, "steps": 20, "teacher": reading}
    for seed in setting.seeds:
        unit = dataclasses.replace(STUDENT, seed=seed, equal_cost=True)
        assert affordable_steps(unit, setting, training_rows=15, load=results.get) == steps


def test_equal_cost_says_which_units_it_needs_first(setting):
    with pytest.raises(ValueError, match="compared with other arms of seed 0; run those units first"):
        affordable_steps(STUDENT, setting, training_rows=15, load={}.get)


def test_units_of_an_earlier_result_are_not_run_again(setting, tmp_path):
    record = tmp_path / "results.json"
    described = Materials(setting).described()
    record.write_text(json.dumps({"setting": described, "units": {"python/hard labels only/0": {"seed": 0}}}))
    store = UnitStore(setting, described, record)
    assert store.load("python/hard labels only/0") == {"seed": 0}
    assert store.load("python/teacher only/0") is None
    longer = dataclasses.replace(setting, steps=7)
    assert UnitStore(longer, Materials(longer).described(), record).load("python/hard labels only/0") is None


def test_a_result_on_this_machine_counts_before_a_recorded_one(setting, tmp_path):
    record = tmp_path / "results.json"
    record.write_text(json.dumps({"setting": {}, "units": {STUDENT.name: {"seed": "recorded"}}}))
    store = UnitStore(setting, {}, record)
    store.save(STUDENT, {"seed": "here"})
    assert store.load(STUDENT.name) == {"seed": "here"}


def test_an_adapted_teacher_of_another_machine_is_made_anew(setting):
    folder = setting.folder / "wikitext-adapted"
    result = train_student(dataclasses.replace(STUDENT, adapted=True), Materials(setting), steps=1)
    assert folder.exists() and result["teacher"]["rows"] == 2


def test_list_shows_and_runs_nothing(setting, capsys):
    assert main(["--state", str(setting.state), "--list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "missing python/teacher only/0"
    assert not setting.state.exists()
