"""helpers.experiments.laptop: all units on a small Llama, what a cut-off leaves, and what the result says."""

import dataclasses
import json
import sys

import pytest
import torch

from helpers.experiments import laptop_units
from helpers.experiments.laptop import main, summary
from helpers.experiments.laptop_units import Experiment, Setting, cuts, most_influence
from tests.small_models import save, small_llama, text


@pytest.fixture
def setting(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILLAB_TEACHER", str(save(small_llama(layers=8), tmp_path / "teacher")))
    for name, value in {"LENGTH": 12, "CUT_STEPS": 4, "CUT_BATCH": 2, "CUT_HELD_OUT": 4}.items():
        monkeypatch.setattr(laptop_units, name, value)
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki" / "valid.txt").write_text(text(12 * 120))
    return Setting(tmp_path / "wiki", tmp_path / "state", steps=6, batch_size=2, seeds=(0, 1), held_out=8)


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
    assert most_influence(teacher, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}) == [1, 3]


def test_units_run_one_at_a_time_and_the_result_says_what_is_missing(setting, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        sys, "argv", ["x", "--wikitext", str(setting.wikitext), "--state", str(setting.state), "--results",
                      str(tmp_path / "results"), "--steps", "6", "--batch-size", "2", "--held-out", "8",
                      "--seeds", "0", "1", "--note", "alone"]
    )  # fmt: skip
    monkeypatch.setattr(laptop_units, "read_texts", lambda source: [text(12 * 120)])
    arguments = list(sys.argv)
    monkeypatch.setattr(sys, "argv", [*arguments, "--units", "8"])
    assert main() == 3
    result = json.loads((tmp_path / "results" / "laptop_distillation_6x2.json").read_text())
    assert len(result["units"]) == 8 and "wikitext/teacher only/1" in result["missing"]
    kept = result["units"]["cut/0, 2, 4 …"]
    assert kept["kept"] == [0, 2, 4, 6] and kept["at_once"] > 1 and kept["steps"] == 4
    assert result["units"]["cut/those that turn most, hidden states matched first"]["matching"]["steps"] == 2
    first = (setting.state / "cut - 0, 2, 4 ….json").stat().st_mtime_ns
    monkeypatch.setattr(sys, "argv", arguments)
    assert main() == 0
    assert (setting.state / "cut - 0, 2, 4 ….json").stat().st_mtime_ns == first  # done once
    result = json.loads((tmp_path / "results" / "laptop_distillation_6x2.json").read_text())
    assert result["missing"] == []
    arms = result["arms"]
    assert arms["wikitext/teacher only"]["kl"]["seeds"] == 2 and arms["python/hard labels only"]["kl"]["seeds"] == 1
    low, mean, high = (arms["wikitext/labels and teacher"]["perplexity"][name] for name in ("low", "mean", "high"))
    assert low <= mean <= high
    run = result["units"]["wikitext/labels and teacher/0"]
    assert run["tokens"] == 6 * 2 * 12 and len(run["losses"]) == 6 and not run["resumed"]
    assert run["machine"]["precision"] == "float32" and run["machine"]["cores"] and run["note"] == "alone"
    assert run["teacher"]["rows"] == 12 and 0 < run["teacher"]["rows_read_now"] <= 12
    assert 1 <= result["units"][f"wikitext/{laptop_units.EQUAL_COST}/0"]["steps"]
    adapted = result["units"]["wikitext/adapted teacher"]
    before = result["units"]["wikitext/teacher and student before"]["teacher"]
    assert adapted["perplexity"]["value"] != before["perplexity"]["value"] and before["kl"]["value"] < 1e-4


def test_a_student_that_was_cut_off_goes_on_to_the_same_numbers(setting, monkeypatch):
    whole = Experiment(setting).arm("wikitext", "labels and teacher", 0)
    monkeypatch.setattr(laptop_units, "CHECKPOINT_EVERY", 2)
    asked = []
    model_states = laptop_units.HiddenStateCache.targets

    def dies(self, batch):
        asked.append(batch)
        if len(asked) == 5:
            raise SystemExit
        return model_states(self, batch)

    monkeypatch.setattr(laptop_units.HiddenStateCache, "targets", dies)
    with pytest.raises(SystemExit):
        Experiment(setting).arm("wikitext", "labels and teacher", 0)
    again = Experiment(setting).arm("wikitext", "labels and teacher", 0)
    assert again["resumed"] and len(asked) == 5 + 2 and again["losses"] == whole["losses"]
    assert again["perplexity"] == whole["perplexity"]


def test_a_student_that_was_cut_off_before_it_was_measured_is_measured_and_not_trained_again(setting, monkeypatch):
    whole = Experiment(setting).arm("wikitext", "labels and teacher", 0)
    measure = laptop_units.estimates

    def dies(*_):
        raise SystemExit

    monkeypatch.setattr(laptop_units, "estimates", dies)
    with pytest.raises(SystemExit):
        Experiment(setting).arm("wikitext", "labels and teacher", 0)
    monkeypatch.setattr(laptop_units, "estimates", measure)
    again = Experiment(setting).arm("wikitext", "labels and teacher", 0)
    assert again["resumed"] and again["losses"] == whole["losses"] and again["perplexity"] == whole["perplexity"]
    assert again["seconds"] > 0 and again["processor_seconds"] > 0
    assert not list(setting.folder.glob("*.seconds")) and not list(setting.folder.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("hard", "affords"),
    [(50.0, 14), (30.0, 7), (20.0, 5), (1000.0, 20), (0.5, 1)],  # 3 a step, two rows in each, 0.5 for each of 15 rows
)
def test_equal_cost_charges_a_row_once_also_where_another_seed_had_it_read(setting, monkeypatch, hard, affords):
    experiment, steps_of = Experiment(setting), []
    readings = [{"rows": 40, "rows_read_now": 40, "processor_seconds": 20.0},
                {"rows": 40, "rows_read_now": 0, "processor_seconds": 0.0}]  # fmt: skip
    units = {f"wikitext/hard labels only/{seed}": {"processor_seconds": hard} for seed in setting.seeds}
    for seed, reading in enumerate(readings):
        units[f"wikitext/labels and teacher/{seed}"] = {"processor_seconds": 60.0, "steps": 20, "teacher": reading}
    monkeypatch.setattr(experiment, "done", units.get)
    monkeypatch.setattr(experiment, "rows", lambda text: ({"input_ids": torch.zeros(15, 3)}, {}))
    monkeypatch.setattr(experiment, "arm", lambda *_, steps: steps_of.append(steps))
    for seed in setting.seeds:
        experiment.equal_cost("wikitext", seed)
    assert steps_of == [affords] * 2


def test_units_of_an_earlier_result_are_not_run_again(setting, tmp_path):
    record = tmp_path / "results" / "laptop_distillation_6x2.json"
    record.parent.mkdir()
    record.write_text(json.dumps(summary(Experiment(setting)) | {"units": {"python/hard labels only/0": {"seed": 0}}}))
    assert Experiment(setting, record).done("python/hard labels only/0") == {"seed": 0}
    assert Experiment(setting, record).done("python/teacher only/0") is None
    longer = dataclasses.replace(setting, steps=7)
    assert Experiment(longer, record).done("python/hard labels only/0") is None


def test_an_adapted_teacher_of_another_machine_is_made_anew(setting):
    assert not (setting.folder / "wikitext-adapted").exists()
    assert Experiment(setting).remembered("wikitext", adapted=True).model is not None
    assert (setting.folder / "wikitext-adapted").exists()


def test_list_shows_and_runs_nothing(setting, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--state", str(setting.state), "--list"])
    assert main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "missing python/teacher only/0"
    assert not setting.state.exists()
