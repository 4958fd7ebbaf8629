"""What lab 09 says in numbers is what results/ give, and what its own models do."""

from __future__ import annotations

import ast
import re

import pytest

from helpers import plots
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
    small_high, large_high, small_own, large_own = cell.values()
    assert all(a < b for a, b in zip(large_own, small_own, strict=True))  # "better in every seed"
    assert sum(a < b for a, b in zip(large_high, small_high, strict=True)) == 1 and max(large_high) > 0.5
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


@pytest.mark.parametrize("group", ["cuts", "pruning"])
def test_the_tables_of_repairs(measured, text, group):
    for name, entry in measured[group].items():
        label = f"{name} ({', '.join(map(str, entry['kept']))})" if name == "those that turn most" else name
        once, after = entry["at_once"], entry["after"]
        spread = f" ({once['low']:.2f} to {once['high']:.2f})" if once["high"] - once["low"] > 1e-6 else ""
        row = f"| {label} | {once['mean']:.3f}{spread} | {after['mean']:.4f} | "
        row += f"{after['low']:.4f} to {after['high']:.4f} | {entry['rate']:g} |"
        assert row in text


def test_what_the_tables_of_repairs_are_said_to_show(measured):
    cuts, pruning = measured["cuts"], measured["pruning"]
    once = {name: entry["at_once"]["mean"] for name, entry in cuts.items()}
    assert sorted(once, key=once.get)[:2] == ["0, 2, 4", "those that turn most"]
    assert once["the second half"] > 100 * once["0, 2, 4"]  # "a hundred times apart"
    after = {name: entry["after"]["mean"] for name, entry in cuts.items()}
    assert after["the second half"] > 3 * max(value for name, value in after.items() if name != "the second half")
    once = {name: entry["at_once"]["mean"] for name, entry in pruning.items()}
    assert once["first layer kept"] < once["most active units"] < once["random units"] < once["least active units"]
    after = {name: entry["after"]["mean"] for name, entry in pruning.items()}
    assert sorted(after, key=after.get)[-2:] == ["second layer kept", "new, 1×96"]
    active, first = (pruning[name]["after"] for name in ("most active units", "first layer kept"))
    assert active["high"] < first["low"]  # "end ahead of it, in every seed"


def test_hidden_states_at_equal_steps_and_at_equal_cost(measured, text):
    names = {"logits only": "logits alone", "hidden states too": "hidden states beside them",
             "hidden states first": "hidden states first"}  # fmt: skip
    for budget, arms in measured["hidden_states"].items():
        for name, label in names.items():
            steps, cost = arms[name], arms.get(f"{name}, equal cost", arms[name])
            cells = [label, budget.split()[0]]
            for arm in (steps, cost):
                cells += [f"{arm['mean']:.3f}", f"{arm['low']:.3f} to {arm['high']:.3f}"]
            assert f"| {' | '.join(cells)} | {cost['runs'][0]['steps']} |" in text
    arms = measured["hidden_states"]["300 steps"]
    cell = stated("AT_EQUAL_COST")
    assert list(cell.values()) == [rounded(arms["logits only"])] + [
        rounded(arms[f"{name}, equal cost"]) for name in list(names)[1:]
    ]
    seconds = {name: sum(run["processor_seconds"] for run in arms[name]["runs"]) for name in names}
    share = seconds["hidden states too"] / seconds["logits only"] - 1
    assert f"cost {share:.0%}".replace("%", " %") in text
    alone, beside, first = cell.values()
    assert min(beside) > max(alone)  # "end clearly behind"
    assert max(first) > min(alone) and sum(a < b for a, b in zip(alone, first, strict=True)) == 1
    units = result("laptop_distillation_240x8")["units"]
    matched, plain = (units[f"cut/those that turn most{end}"]["after"] for end in (", hidden states matched first", ""))
    assert f"gave a perplexity of {matched:.1f}, and eight steps of distillation {plain:.1f}" in text


def test_quality_size_and_latency(measured, text):
    students, latency = stated("STUDENTS"), measured["latency_ms"]["all"]
    for name, entry in measured["shapes"].items():
        stands = students[f"{name}, new"]
        assert stands == (entry["parameters"], round(latency[name], 2), round(entry["own_rate"]["mean"], 4))
    for label, name in {"cut in width": "most active units", "cut in depth": "first layer kept"}.items():
        entry = measured["pruning"][name]
        assert students[label] == (entry["parameters"], round(latency[name], 2), round(entry["after"]["mean"], 4))
    assert students["the teacher"][1:] == (round(latency["teacher"], 2), round(measured["before"]["teacher"], 4))
    assert round(latency["6×28"] / latency["1×64"]) == 3  # the answer to the prediction
    said = (
        f"a token takes {latency['6×28']:.2f} ms with 6 layers of width 28, and {latency['1×64']:.2f} ms with 1 layer"
    )
    assert f"{said} of width 64" in text
    assert students["1×96, new"][2] / students["cut in depth"][2] == pytest.approx(5, abs=0.5)
    front = plots.pareto_front(students)
    assert {"cut in depth", "cut in width"} <= set(front) and "6×28, new" not in front


def test_smollm2_in_depth_and_in_width(text):
    found = result("student_shape_laptop")["students"]

    def perplexity(value: float) -> str:
        return f"{value / 1e6:.1f} million" if value >= 1e6 else f"{value:,.0f}"

    for name, entry in found.items():
        after = perplexity(entry["after"]) if "after" in entry else ""
        row = f"| {name} | {entry['parameters'] / 1e6:.1f} million | {perplexity(entry['at_once'])} | {after} |"
        assert " ".join(f"{row} {entry['token_ms']:.0f} |".split()) in text
    teacher, deep, narrow, _ = found.values()
    assert narrow["at_once"] < deep["at_once"] and deep["after"] < narrow["after"]
    assert deep["token_ms"] / teacher["token_ms"] == pytest.approx(1 / 2, abs=0.05)
    assert narrow["token_ms"] / teacher["token_ms"] == pytest.approx(2 / 3, abs=0.05)
    assert f"a perplexity of about {teacher['at_once']:.0f} on this text" in released_code()


def released_code() -> str:
    return "".join(cell.source for cell in released(NAME).cells if cell.cell_type == "code")


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
    assert (
        "134_515_008" in "".join(cell.source for cell in released(NAME).cells) and teacher["parameters"] == 134_515_008
    )
    assert before["student"]["parameters"] == (134_515_008 + 49_152 * 576) // 2 + 576 // 2  # half, and half a norm
