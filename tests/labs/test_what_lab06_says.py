"""What lab 06 says: its figures are those of results/, and the sentences about them hold."""

from __future__ import annotations

import re

import pytest

from helpers.experiments import black_box, black_box_laptop, lora_memory
from helpers.grader.course.lab import Lab
from tests.committed import page, result
from tests.conftest import ROOT

NAME = "06_black_box"


@pytest.fixture(scope="module")
def text() -> str:
    cells = Lab(ROOT / "solutions" / NAME).notebook.cells
    return " ".join(" ".join(cell.source.split()) for cell in cells)


@pytest.fixture(scope="module")
def arms() -> dict:
    return result("black_box")["arms"]


def mean(arms, name) -> float:
    return arms[name]["distance"]["mean"]


def share(arms, name, of, kind) -> str:
    values = [100 * run[of][kind] for run in arms[name]["runs"]]
    value = sum(values) / len(values)
    return f"{value:.1f} %" if value < 1 else f"{value:.0f} %"


def test_the_experiment_is_of_this_setting():
    found = result("black_box")
    assert found["setting"]["seeds"] == list(black_box.SEEDS) and len(black_box.SEEDS) == 3
    assert not set(found["setting"]["tuning_seeds"]) & set(found["setting"]["seeds"])
    for arm in black_box.ARMS:
        entry = found["arms"][arm.name]
        assert (entry["rows"], entry["steps"], entry["k"], entry["temperature"]) == (300, 300, arm.k, arm.temperature)
        assert entry["learning_rate"] == min(map(float, entry["tried"]), key=lambda r: entry["tried"][f"{r:g}"])
        values = [run["distance"] for run in entry["runs"]]
        assert entry["distance"]["mean"] == pytest.approx(sum(values) / 3) and entry["distance"]["low"] == min(values)


@pytest.mark.parametrize("arm", [arm.name for arm in black_box.ARMS])
def test_the_table_and_the_plot_are_the_results(text, arms, arm):
    distance = arms[arm]["distance"]
    cells = [f"{distance['mean']:.3f}", f"{distance['low']:.3f} to {distance['high']:.3f}"]
    cells += [share(arms, arm, of, kind) for of in ("its_text", "student_writes") for kind in ("possible", "distinct")]
    assert f"| {arm} | {' | '.join(cells)} |" in text
    shown = re.search(rf'"{re.escape(arm)}": \[([^\]]+)\]', text)[1]
    assert shown.rstrip(", ") == ", ".join(f"{run['distance']:.3f}" for run in arms[arm]["runs"])


def test_the_sentences_about_the_table_hold(text, arms):
    near = ["all logits", "top 20 and the rest", "top 20, renormalised"]
    assert "differ less than their seeds do" in text
    means = [mean(arms, name) for name in near]
    spread = min(arms[name]["distance"]["high"] - arms[name]["distance"]["low"] for name in near)
    assert max(means) - min(means) < spread
    pairs = zip(arms["top 5 and the rest"]["runs"], arms["text, T = 1"]["runs"], strict=True)
    assert all(five["distance"] > plain["distance"] for five, plain in pairs) and "in every seed" in text
    assert mean(arms, "top 5, renormalised") > mean(arms, "top 5 and the rest")
    assert mean(arms, "text, T = 0.7") > mean(arms, "text, T = 1")
    assert f"is {mean(arms, 'text, greedy'):.1f} nats from the truth" in text
    possible, distinct = (share(arms, "text, greedy", "its_text", kind) for kind in ("possible", "distinct"))
    assert f"{possible} of its stories are possible and {distinct} are distinct" in text
    assert f"bought the same {arms['text, T = 1']['tokens_bought']:,} tokens" in text


def test_the_amounts_are_the_results(text, arms):
    for rows, steps in ((75, 300), (300, 300), (1200, 300), (1200, 1200)):
        suffix = "" if (rows, steps) == (300, 300) else f"; {rows} rows, {steps} steps"
        cells = [f"{mean(arms, name + suffix):.3f}" for name in black_box.PRICED]
        assert f"| {rows:,} | {steps:,} | {' | '.join(cells)} |" in text


def test_the_memory_is_the_result_in_the_lab_and_on_the_page_of_tiers(text):
    page = " ".join((ROOT / "docs" / "tiers.md").read_text(encoding="utf-8").split())
    found = result("lora_memory")
    assert found["rank"] == lora_memory.RANK
    ways = found["models"]["SmolLM2-135M-Instruct"]
    for name, needs in ways.items():
        sizes = [f"{needs[kind] / 1e6:,.0f} MB" for kind in ("gradient_bytes", "optimizer_bytes", "saved_bytes")]
        row = f"| {name} | {needs['trained_weights']:,} | {' | '.join(sizes)} |"
        assert row in text and row in page
    full, small = ways["all weights"], ways["LoRA"]
    assert f"That is {full['trained_weights'] / small['trained_weights']:.0f} times less" in text


def test_the_arithmetic_holds(text):
    assert "For a model of 7 billion weights in float32 that is 112 GB" in text and 7e9 * 4 * 4 == 112e9
    assert "Its weight has 331,776 numbers" in text and 576 * 576 == 331_776
    assert (20 + 10) / (0.0034 - 0.0004) == pytest.approx(10_000)
    assert "copies .625 and .375" in text and [round(p / 0.8, 9) for p in (0.5, 0.3)] == [0.625, 0.375]


# ---------------------------------------------------------------------------------------------------- the laptop tier


@pytest.fixture(scope="module")
def laptop() -> dict:
    return result("black_box_laptop")


@pytest.mark.parametrize("place", ["lab", "page"])
def test_the_table_of_the_real_model_is_the_result(text, laptop, place):
    said = text if place == "lab" else " ".join(page("tiers.md").split())
    assert laptop["steps"] == black_box_laptop.STEPS and len(laptop["seeds"]) == 1 and "This is one seed" in said
    labels = {"before": "the student before", "LoRA": f"LoRA, rank {laptop['rank']}"}
    for way, found in laptop["students"].items():
        cells = [labels.get(way, way), "", f"{found['held_out']:.2f}", ""]
        if "losses" in found:
            cells[1], cells[3] = f"{found['trained_weights']:,}", f"{found['processor_seconds']:.0f} s"
        assert " ".join(f"| {' | '.join(cells)} |".split()) in said
    assert f"in {laptop['steps']} steps of {laptop['batch_size']}" in said
    assert f"{laptop['replies_kept']} replies" in said and f"to {laptop['held_out']} other questions" in said
    assert f"{laptop['trained_on']} of them" in said and laptop["served"]["requests"] == 40


def test_what_the_server_ignores_is_what_was_found(text, laptop):
    found = laptop["served"]["settings"]
    assert found["n"]["choices"] == 1 and found["logprobs"]["log_probs"] == 0
    assert not found["seeds_differ"] and found["seeds_differ_with_do_sample"]
    assert 'reveal("compatible", "one choice, text alone")' in text and not laptop["served"]["paid_again"]
    assert f"“{laptop['kept_and_wrong']}”" in text
    version = laptop["machine"]["transformers"].rpartition(".")[0]
    assert f"Version {version} ignores" in text and f"Version {version} of transformers" in page("tiers.md")


def test_loras_gap_on_the_real_model_is_the_result(text, laptop):
    gap = laptop["gap_to_peft"]
    assert "differ by less than 1e-6 on this student too" in text
    assert gap["largest"] < 1e-6 and gap["adapted_by"] > 0.01
