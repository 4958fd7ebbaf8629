"""results/laptop_distillation_*.json and the tables of docs/tiers.md; the cut that the laptop tier takes from it."""

import math
import re

import pytest

from helpers.experiments import laptop_units
from helpers.experiments.laptop import summary
from helpers.experiments.laptop_store import UnitStore
from helpers.experiments.laptop_training import Materials
from helpers.layer_pruning import student_layers
from tests.committed import RESULTS, page, result

TIERS = page("tiers.md")


def units(length: str) -> dict:
    return result(f"laptop_distillation_{length}")["units"]


def row(name: str, measured: dict, perplexity: str) -> str:
    """The row of a table: name, perplexity in the table's form, KL to the teacher, agreement with it."""
    kl, agreement = measured["kl"]["value"], measured["agreement"]["value"]
    return f"| {name} | {perplexity.format(**measured['perplexity'])} | {kl:.2f} | {100 * agreement:.0f} % |"


@pytest.mark.parametrize(("length", "held_out"), [("20x4", 32), ("240x8", 64)])
def test_the_experiment_takes_up_where_the_result_stands(length, held_out, tmp_path):
    steps, batch_size = map(int, length.split("x"))
    setting = laptop_units.Setting(tmp_path, tmp_path, steps, batch_size, seeds=(0, 1, 2), held_out=held_out)
    materials = Materials(setting)
    materials.layers = 30  # SmolLM2-135M's, without loading it
    described, file = materials.described(), RESULTS / f"laptop_distillation_{length}.json"
    store = UnitStore(setting, described, recorded=file)
    assert summary(laptop_units.list_units(setting), described, store) == result(f"laptop_distillation_{length}")


def test_the_table_of_cuts_is_the_result():
    found = re.findall(r"^\| (.+?) \| ([\d,]+) \| ([\d,]+) \|$", TIERS, re.MULTILINE)
    cuts = units("20x4")
    assert len(found) == 6
    for name, at_once, after in found:
        cut = cuts[f"cut/{name}"]
        assert (at_once, after) == (f"{cut['at_once']:,.0f}", f"{cut['after']:,.0f}")


def test_the_student_keeps_the_layers_that_were_measured_to_be_best():
    cuts = [unit for name, unit in units("20x4").items() if name.startswith("cut/") and "matched" not in name]
    assert len(cuts) == 6
    assert student_layers(30) == min(cuts, key=lambda cut: cut["after"])["kept"]


@pytest.mark.parametrize(
    ("length", "perplexity"), [("20x4", "{value:.1f}"), ("240x8", "{value:.1f} ({low:.1f}–{high:.1f})")]
)
def test_the_tables_of_arms_are_the_results(length, perplexity):
    measured = units(length)
    before = measured["wikitext/teacher and student before"]
    rows = {"teacher": before["teacher"], "student before": before["student"]}
    rows |= {arm: measured[f"wikitext/{arm}/0"] for arm in laptop_units.ARMS}
    for name, unit in rows.items():
        assert row(name, unit, perplexity) in TIERS


@pytest.mark.parametrize("length", ["20x4", "240x8"])
def test_the_tables_over_seeds_are_the_results(length):
    arms = result(f"laptop_distillation_{length}")["arms"]
    several = {name: arm for name, arm in arms.items() if arm["kl"]["seeds"] > 1}
    assert {f"wikitext/{arm}" for arm in laptop_units.ARMS} <= set(several)
    for name, arm in several.items():
        spread = "{mean:.1f} ({low:.1f}–{high:.1f})".format(**arm["perplexity"])
        kl, agreement = arm["kl"]["mean"], arm["agreement"]["mean"]
        assert f"| {name.removeprefix('wikitext/')} | {spread} | {kl:.2f} | {100 * agreement:.0f} % |" in TIERS


def test_what_is_said_of_the_splits_is_the_result():
    run, lab = result("laptop_distillation_240x8"), lab_04()
    gains = []
    for text, first in laptop_units.SPLITS.items():
        hard, both = (run["units"][f"{text}/{arm}/0"]["perplexity"]["value"] for arm in laptop_units.PAIRED_ARMS)
        paired = run["paired"][f"{text}/0"]
        assert paired["high"] < 0 and paired["rows"] == 64
        said = "{value:.2f} ({low:.2f} to {high:.2f})".format(**paired).replace("-", "−")
        assert f"| {first}, {first + 5}, {first + 10} … | {hard:.1f} | {both:.1f} | {said} |" in TIERS
        assert f"from {hard:.1f} to {both:.1f}" in lab
        gains.append(100 * (1 - both / hard))
    assert len(gains) == 3 and f"by {min(gains):.0f} to {max(gains):.0f} %" in " ".join(TIERS.split())
    hard, both = (run["arms"][f"wikitext/{arm}"]["perplexity"]["mean"] for arm in laptop_units.PAIRED_ARMS)
    table = 100 * (1 - both / hard)
    assert table > max(gains) and f"gives {table:.0f} %: the largest of the four" in " ".join(TIERS.split())
    assert f"That is {min(gains):.0f} to {max(gains):.0f} %, and the split in the table gives {table:.0f} %" in lab


def lab_04() -> str:
    """The source of lab 04, without line breaks."""
    lab = (RESULTS.parent / "solutions" / "04_perplexity" / "04_perplexity.py").read_text(encoding="utf-8")
    return " ".join(lab.replace("\n# ", " ").split())


def test_what_is_said_of_equal_cost_is_the_result():
    measured = units("240x8")
    pairs = [
        (measured[f"wikitext/{laptop_units.EQUAL_COST}/{seed}"], measured[f"wikitext/hard labels only/{seed}"])
        for seed in (0, 1, 2)
    ]
    steps = [cheap["steps"] for cheap, _ in pairs]
    above = [cheap["perplexity"]["value"] - hard["perplexity"]["value"] for cheap, hard in pairs]
    assert f"{min(steps)} to {max(steps)} steps instead of 240" in TIERS
    assert f"No\nseed is more than 0.1 below hard labels only, and one is {max(above):.1f} above" in TIERS
    assert -0.1 < min(above) and sorted(above)[1] < 0.1
    arms = result("laptop_distillation_240x8")["arms"]
    cheap, hard = (arms[f"wikitext/{arm}"]["perplexity"] for arm in (laptop_units.EQUAL_COST, "hard labels only"))
    said = "reach {mean:.1f} on average over the three seeds ({low:.1f} to {high:.1f}), ".format(**cheap)
    said += "against {mean:.1f} ({low:.1f} to {high:.1f}) with hard labels only".format(**hard)
    assert f"{min(steps)} to {max(steps)} steps instead of 240, and then {said}" in lab_04()


def test_the_adapted_teacher_and_the_other_text_are_the_results():
    measured = units("240x8")
    before = measured["python/teacher and student before"]
    rows = {"teacher, Python": before["teacher"], "student before, Python": before["student"]}
    rows |= {name.split("/")[1]: unit for name, unit in measured.items() if "adapted" in name}
    rows |= {f"{arm}, Python": measured[f"python/{arm}/0"] for arm in laptop_units.ARMS}
    assert set(rows) >= {"adapted teacher", "labels and teacher, adapted teacher"}
    for name, unit in rows.items():
        assert row(name, unit, "{value:.1f} ({low:.1f}–{high:.1f})") in TIERS


def test_what_is_said_of_learning_by_heart_is_the_result():
    unit = units("240x8")["python/hard labels only/0"]
    last, held_out = sum(unit["losses"][-20:]) / 20, math.log(unit["perplexity"]["value"])
    assert f"lost {last:.1f} nats a token on\nthem in the last 20 steps, and {held_out:.1f} on held-out rows" in TIERS


def test_the_sentences_between_the_tables_are_the_results():
    cut = units("20x4")["cut/those that turn most, hidden states matched first"]
    assert f"perplexity of {cut['after_matching']:.0f} after the matching and {cut['after']:.0f} at the end" in TIERS
    run = units("240x8")
    before = run["wikitext/teacher and student before"]["student"]["perplexity"]["value"]
    alone, original, adapted = (
        run[f"wikitext/{arm}/0"]["perplexity"]["value"]
        for arm in ("teacher only", "labels and teacher", "labels and teacher, adapted teacher")
    )
    assert f"from {before:.1f} to {alone:.1f}" in " ".join(TIERS.split())
    assert f"ends at {adapted:.1f} instead of {original:.1f}" in TIERS
