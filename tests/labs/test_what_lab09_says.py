"""What lab 09 says in numbers is what results/ give, and what its own models do."""

from __future__ import annotations

import ast
import re

import pytest

from helpers.data.batches import make_batches, whole_rows
from helpers.data.known_language import KnownLanguage
from helpers.evaluation import distance_to_truth
from helpers.layer_pruning import keep_layers, layer_influence
from helpers.models import load_folder_model
from helpers.student_shape import parameters_of
from tests.committed import result
from tests.labs.test_what_labs_say import released, text_of

NAME = "09_student_shape"
SHAPES = ("1×64", "2×48", "4×34", "6×28")


@pytest.fixture(scope="module")
def measured() -> dict:
    return result("student_shape")


@pytest.fixture(scope="module")
def text() -> str:
    return text_of(NAME)


def stated(name: str) -> dict:
    """The figures that a cell of the lab assigns to a name, as a dictionary."""
    for cell in released(NAME).cells:
        for node in ast.parse(cell.source).body if cell.cell_type == "code" else []:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
                return ast.literal_eval(node.value)
    raise AssertionError(f"the lab assigns nothing to {name}")


def rounded(entry: dict) -> list[float]:
    return [round(run["distance"], 4) for run in entry["runs"]]


def test_equal_weights_are_nearly_equal(measured, text):
    sizes = {name: measured["shapes"][name]["parameters"] for name in SHAPES}
    for name, size in sizes.items():
        assert size == parameters_of(*map(int, name.split("×")), 210, 64)
    assert f"{min(sizes.values()):,} to {max(sizes.values()):,}" in text
    assert max(sizes.values()) < 1.06 * min(sizes.values())


def test_the_claim_and_its_control(measured, text):
    high, shapes = measured["at_the_highest_rate"], measured["shapes"]
    said = "the small student ended {:.3f} nats per token from the truth, and the large one {:.3f}"
    assert said.format(high["1×64"]["mean"], high["1×96"]["mean"]) in text
    assert max(measured["setting"]["rates"]) == 0.04 and measured["setting"]["steps"] == 300
    small, large = shapes["1×64"], shapes["1×96"]
    assert high["1×64"]["mean"] < high["1×96"]["mean"] and large["own_rate"]["mean"] < small["own_rate"]["mean"]
    assert large["rate"] < small["rate"]  # "A wide model needs a smaller rate"
    cell = stated("TWO_RATES")
    assert list(cell.values()) == [rounded(high["1×64"]), rounded(high["1×96"]), rounded(small["own_rate"]),
                                   rounded(large["own_rate"])]  # fmt: skip
    own = large["own_rate"]
    assert (
        f"the large student ends {own['mean']:.3f} nats from the truth ({own['low']:.3f} to {own['high']:.3f})" in text
    )


def test_the_table_of_shapes(measured, text):
    cell = stated("SHAPES")
    for name in SHAPES:
        found, shared = measured["shapes"][name], measured["at_the_rate_of_1×64"][name]["mean"]
        own = found["own_rate"]
        assert cell[name] == rounded(own)
        row = (
            f"| {name} | {found['rate']:g} | {own['mean']:.3f} | {own['low']:.3f} to {own['high']:.3f} | {shared:.3f} |"
        )
        assert row in text
    means = [measured["shapes"][name]["own_rate"]["mean"] for name in SHAPES]
    at_one = [measured["at_the_rate_of_1×64"][name]["mean"] for name in SHAPES]
    assert means == sorted(means) and at_one == sorted(at_one)  # "the control does not change the order"
    assert measured["at_the_rate_of_1×64"]["4×34"]["mean"] < measured["shapes"]["4×34"]["own_rate"]["mean"]


def test_the_six_cuts_of_smollm2(text):
    units = result("laptop_distillation_240x8")["units"]
    names = {"A": "0, 2, 4 …", "B": "1, 3, 5 …", "C": "evenly, both ends kept", "D": "the first half",
             "E": "both ends, no middle", "F": "those that turn most"}  # fmt: skip
    cell = stated("AT_ONCE")
    assert cell == {letter: round(units[f"cut/{name}"]["at_once"]) for letter, name in names.items()}
    rows = {letter: re.search(rf"\| {letter} \| [^|]+ \| ([^|]+) \| ([\d,]+) \|", text).groups() for letter in names}
    for letter, (once, after) in rows.items():
        unit = units[f"cut/{names[letter]}"]
        assert int(after.replace(",", "")) == round(unit["after"])
        number, *unit_word = once.split()
        factor = {"billion": 1e9, "million": 1e6}.get(unit_word[0], 1) if unit_word else 1
        assert float(number.replace(",", "")) * factor == pytest.approx(unit["at_once"], rel=0.04)
    order = sorted(cell, key=cell.get)
    assert order[0] == "F" and order[-1] == "D" and cell["D"] > 1e9


def test_what_the_deep_model_does(text):
    language = KnownLanguage.stories()
    deep = load_folder_model("tiny_deep")
    held_out = make_batches(whole_rows(language.sample(200, 64, 1_000_000)), 100)
    turned = layer_influence(deep, whole_rows(language.sample(64, 64, 2_500_000)))
    whole = distance_to_truth(deep, language, held_out)
    costs = [
        distance_to_truth(keep_layers(deep, [n for n in range(6) if n != gone]), language, held_out) - whole
        for gone in range(6)
    ]
    assert turned.index(max(turned)) == 0 == costs.index(max(costs)) and turned.index(min(turned)) == 5
    assert f"the distance to the truth rises by {costs[0]:.2f}" in text
    assert f"at next to no cost, {min(costs[1:5]):.3f} to {max(costs[1:5]):.3f}" in text
    assert f"which turns least ({turned[5]:.2f})" in text and f"its removal costs {costs[5]:.3f}" in text
    assert f"steps on new text it is {whole:.3f} nats from the truth" in text


def test_temperature_and_alpha_in_short(text):
    arms = result("tiny_sweep")["arms"]
    distance = {name: f"{arm['distance']['mean']:.3f}" for name, arm in arms.items()}
    first = "T = 1 gives {}, T = 3 gives {}, and T = 5 and T = 10 give {}"
    assert first.format(*(distance[f"alpha 0.5, T {t}"] for t in (1, 3, 5))) in text
    assert distance["alpha 0.5, T 5"] == distance["alpha 0.5, T 10"]
    assert f"α = 0.3 gives {distance['alpha 0.3, T 3']}, α = 0.7 gives {distance['alpha 0.7, T 3']}" in text
    alone = result("tiny_distillation")["arms"]["teacher only"]["distance"]["mean"]
    assert f"with its own rate, {alone:.3f}" in text


def test_smollm2_in_numbers(text):
    before = result("laptop_distillation_240x8")["units"]["wikitext/teacher and student before"]
    teacher = before["teacher"]
    assert f"30 layers and {teacher['parameters'] / 1e6:.1f} million weights" in text
    assert teacher["perplexity"]["value"] == pytest.approx(60, abs=3)  # "about 60"
    assert (
        "134_515_008" in "".join(cell.source for cell in released(NAME).cells) and teacher["parameters"] == 134_515_008
    )
    assert before["student"]["parameters"] == (134_515_008 + 49_152 * 576) // 2 + 576 // 2  # half, and half a norm
