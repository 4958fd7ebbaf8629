"""What lab 08 says in numbers is what its own demonstrations and results/ give."""

from __future__ import annotations

import ast
import re
from statistics import fmean

import pytest
import torch

from helpers.grader.course.lab import Lab
from helpers.speculative import expected_tokens, speed_up
from helpers.widgets import DraftExplorer
from tests.committed import result
from tests.conftest import ROOT
from tests.labs.test_what_labs_say import text_of

NAME = "08_speculative"
LAB = Lab(ROOT / "solutions" / NAME)
CODE = [cell.source for cell in LAB.notebook.cells if cell.cell_type == "code"]
TEXT = text_of(NAME)
TINY, LAPTOP = result("speculative_tiny"), result("speculative_laptop")
LABELS = {"teacher only": "teacher only, T = 3"}


def cell_with(text: str) -> str:
    (found,) = (source for source in CODE if text in source)
    return found


def literal(name: str):
    """What a cell of the lab assigns to a name."""
    (node,) = (
        node
        for source in CODE
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name
    )
    return ast.literal_eval(node.value)


def table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def test_reading_weights_takes_the_time_and_computing_does_not():
    weights, gpus = 70e9, 2
    assert f"which takes {1000 * weights * 2 / gpus / 3.35e12:.1f} ms" in TEXT
    assert f"takes {1000 * 2 * weights / gpus / 989e12:.2f} ms" in TEXT


def test_the_explorers_questions_have_the_answers_that_it_gives():
    explorer = DraftExplorer()
    assert f"whose acceptance is {explorer.results['acceptance']:.2f}" in TEXT
    assert f"“happy” in {100 * explorer.target[0]:.0f} % of cases" in TEXT
    sharp = DraftExplorer(draft_logits=[10.0, -10.0, -10.0, -10.0, -10.0])
    assert sharp.results["acceptance"] == pytest.approx(explorer.target[0], abs=1e-4)
    assert sharp.results["acceptance"] < explorer.results["acceptance"]
    best = [max(range(17), key=lambda g: speed_up(explorer.results["acceptance"], g, c)) for c in (0.2, 0.5, 0.9)]
    assert f"The best γ is {best[0]} at a cost of 0.2, and {best[1]} at 0.5. At 0.9 it is {best[2]}" in TEXT


def test_only_verify_keeps_the_law_and_the_others_are_as_far_off_as_the_text_says():
    space = dict(LAB.reference)
    exec(cell_with("def distance_to_law"), space | {"math": __import__("math")}, space)
    space["math"] = __import__("math")
    space["KnownLanguage"] = __import__("helpers.data.known_language", fromlist=["x"]).KnownLanguage
    for name, member in list(space.items()):  # the cell's functions look names up where they were defined
        if callable(member) and getattr(member, "__code__", None) and name in ("distance_to_law", "replaces_from_p"):
            member.__globals__.update(space)
    kept, chance = space["distance_to_law"](space["verify"])
    from_p, everything = (
        space["distance_to_law"](space[rule])[0] for rule in ("replaces_from_p", "accepts_everything")
    )
    assert kept < 1.5 * chance and kept <= 0.025
    said = re.search(r"`replaces_from_p` is off by ([\d.]+), and `accepts_everything` by ([\d.]+)", TEXT)
    assert said and said.groups() == (f"{from_p:.2f}", f"{everything:.2f}")


def test_the_two_drafts_of_the_self_check():
    one, other = speed_up(0.9, 4, 0.5), speed_up(0.6, 4, 0.0)
    assert f"A: {expected_tokens(0.9, 4):.2f} tokens" in TEXT and f"3 units, {one:.2f} times" in TEXT
    assert f"B: {expected_tokens(0.6, 4):.2f} tokens in one unit, {other:.2f} times" in TEXT
    assert f"generation is {expected_tokens(0.8, 4):.1f} times as fast" in TEXT


def test_every_drafts_row_and_points_are_the_results():
    runs = literal("RUNS")
    assert list(runs) == list(TINY["drafts"])
    for name, draft in TINY["drafts"].items():
        mean, at = draft["mean"], draft["mean"]["gammas"]["4"]
        numbers = (f"{mean['acceptance']:.3f}", f"{at['accepted']:.3f}", f"{at['tokens_a_round']:.2f}")
        assert table_row(LABELS.get(name, name), *numbers, f"{at['formula_tokens']:.2f}") in TEXT
        equal = mean["equal_rule"]
        numbers = (f"{mean['equal_tokens']:.3f}", f"{equal['accepted']:.3f}", f"{equal['tokens_a_round']:.2f}")
        assert table_row(LABELS.get(name, name), *numbers) in TEXT
        found = [(run["acceptance"], run["gammas"]["4"]["tokens_a_round"]) for run in draft["runs"]]
        assert runs[name] == [(round(a, 3), round(n, 2)) for a, n in found] and len(found) >= 3


def test_the_share_accepted_is_one_minus_the_total_variation_and_teachers_make_the_best_drafts():
    means = {name: draft["mean"] for name, draft in TINY["drafts"].items()}
    for mean in means.values():
        assert mean["gammas"]["4"]["accepted"] == pytest.approx(mean["acceptance"], abs=0.04)
        assert mean["equal_rule"]["accepted"] == pytest.approx(mean["equal_tokens"], abs=0.06)
        assert mean["equal_rule"]["tokens_a_round"] < mean["gammas"]["4"]["tokens_a_round"]
    assert max(means, key=lambda name: means[name]["acceptance"]).startswith("teacher only")
    rates = result("speculative_rates")["drafts"]
    assert rates["total variation"]["best"] == rates["teacher only, T = 1"]["best"] == 2e-2


def test_the_speeds_are_the_results_and_so_is_the_limit():
    at = TINY["drafts"]["teacher only, T = 1"]["mean"]["gammas"]
    cost, speeds = TINY["cost"], literal("SPEEDS")
    assert f"a call of the draft costs {cost:.2f} of a call of the target" in TEXT
    assert f"5 / (1 + 4 · {cost:.2f}) = {5 / (1 + 4 * cost):.2f} times" in TEXT
    for place, gamma in enumerate(literal("GAMMAS")):
        found = at[str(gamma)]
        assert speeds["by the formula"][place] == round(found["formula_speed_up"], 2)
        assert speeds["measured"][place] == round(found["measured_speed_up"], 2)
        numbers = (found["tokens_a_round"], found["formula_speed_up"], found["measured_speed_up"])
        assert table_row(str(gamma), *(f"{number:.2f}" for number in numbers)) in TEXT


def test_the_real_models_rows_are_the_results():
    shown = literal("REAL_SPEEDS")
    for mode, title in (("sampled", "sampling at T = 1"), ("greedy", "greedy decoding")):
        found = LAPTOP["ours"][mode]
        assert shown[title] == {name: round(each["speed_up"], 2) for name, each in found.items() if name != "plain"}
        for name, each in found.items():
            label = "plain generation" if name == "plain" else name
            end = (f"{each['tokens_a_round']:.2f}", f"{each['tokens_a_second']:.1f}", f"{each['speed_up']:.2f}")
            agreed = f"{each['acceptance']:.2f}" if "acceptance" in each else "–"
            accepted = f"{each['accepted']:.2f}" if "accepted" in each else "–"
            assert table_row(label, *((agreed,) if mode == "sampled" else ()), accepted, *end) in TEXT
    for name, each in LAPTOP["transformers"]["greedy"].items():
        label = "plain generation" if name == "plain" else name
        assert table_row(label, f"{each['tokens_a_second']:.1f}", f"{each['speed_up']:.2f}") in TEXT


def test_the_page_on_tiers_has_the_same_numbers():
    page = " ".join((ROOT / "docs" / "tiers.md").read_text(encoding="utf-8").split())
    sampled, greedy = LAPTOP["ours"]["sampled"], LAPTOP["ours"]["greedy"]
    for name in sampled:
        label = "plain generation" if name == "plain" else name
        numbers = [mode[name][key] for mode in (sampled, greedy) for key in ("tokens_a_round", "speed_up")]
        assert table_row(label, *(f"{number:.2f}" for number in numbers)) in page
    assert f"takes {LAPTOP['check_cost']:.2f} times as long as a call for one" in page


def test_no_trained_draft_pays_and_the_free_one_does_when_greedy():
    calls, plain = LAPTOP["call_seconds"], LAPTOP["call_seconds"]["plain, 1 tokens"]
    sampled, greedy = LAPTOP["ours"]["sampled"], LAPTOP["ours"]["greedy"]
    assert all(each["speed_up"] < 1 for name, each in sampled.items() if name != "plain")
    assert {name for name, each in greedy.items() if each["speed_up"] > 1} == {"n-gram look-up"}
    assert all(each["speed_up"] < 1 for name, each in LAPTOP["transformers"]["greedy"].items() if name != "plain")
    weights = [LAPTOP["drafts"][name]["parameters"] / LAPTOP["parameters"] for name in ("15 layers", "4 layers")]
    assert f"they have {weights[0]:.2f} and {weights[1]:.2f} of its weights" in TEXT
    costs = [calls[f"{name}, 1 tokens"] / plain for name in ("15 layers", "4 layers")]
    assert f"15 layers costs {costs[0]:.2f} of a call" in TEXT and f"of the 4 layers {costs[1]:.2f}" in TEXT
    assert f"checks five tokens takes {LAPTOP['check_cost']:.2f} times" in TEXT
    assert f"with {greedy['n-gram look-up']['speed_up']:.2f} times plain generation" in TEXT


def test_greedy_decoding_with_a_draft_writes_what_plain_decoding_writes():
    assert all(each["texts_as_plain"] for each in LAPTOP["ours"]["greedy"].values())


def test_the_tables_means_are_over_the_runs():
    for draft in TINY["drafts"].values():
        assert draft["mean"]["acceptance"] == pytest.approx(fmean(run["acceptance"] for run in draft["runs"]))
    assert torch.tensor([run["seed"] for run in draft["runs"]]).tolist() == TINY["seeds"]
