"""What lab 07 says in numbers is what results/ give."""

from __future__ import annotations

import ast
import re
from statistics import fmean

from tests.committed import result
from tests.conftest import ROOT
from tests.labs.test_what_labs_say import released, text_of

NAME = "07_on_policy"
TEXTS, LOSSES = ("old text", "new text", "own text"), ("forward KL", "JSD", "reverse KL")
FOUND = result("on_policy")


def runs(text: str, loss: str) -> list[dict]:
    return FOUND["arms"][f"{text}, {loss}"]["runs"]


def distance(text: str, loss: str) -> dict[str, float]:
    return FOUND["arms"][f"{text}, {loss}"]["distance"]


def percent(values: list[float]) -> str:
    low, high = f"{100 * min(values):.0f} %", f"{100 * max(values):.0f} %"
    return low if low == high else f"{low} to {high}"


def literal(name: str):
    """A dictionary that stands in a folded cell."""
    source = next(cell.source for cell in released(NAME).cells if f"\n{name} = " in cell.source)
    return ast.literal_eval(ast.parse(source).body[0].value)


def test_the_parrot_and_its_exposure_bias():
    text, before = text_of(NAME), FOUND["before"]
    assert f"Over three seeds, {percent([run['legal'] for run in before])} of its rows were legal" in text
    assert f"and {percent([run['distinct'] for run in before])} were distinct" in text
    old = runs("old text", "forward KL")
    half, end = (percent([run["still_legal"][place] for run in old]) for place in (31, 62))
    assert f"{half} of this student's rows were still legal at position 32, and {end} at the end" in text
    own, given = (fmean(fmean(value for value in run[rows][:32] if value is not None) for run in old)
                  for rows in ("on_its_own_rows", "on_the_languages_rows"))  # fmt: skip
    assert f"the distances are {own:.2f} and {given:.2f} nats" in text
    assert own < 1.2 * given, "on legal rows it is about as far from the truth as on the language's"


def test_the_report_says_what_was_measured_and_the_missing_arm_explains_it():
    text = text_of(NAME)
    old, new, own = (distance(each, "forward KL")["mean"] for each in TEXTS)
    quoted = text.replace("> ", "")
    assert f"Conventional distillation ends {old:.3f} nats from the truth, on-policy distillation {own:.3f}" in quoted
    assert f"brings the student {old / own:.0f} times closer" in quoted
    assert f"{new:.3f} for the teacher's text, {own:.3f} for the student's own" in text
    assert new < own < old / 5, "most of the factor belongs to new text, and own text shows no advantage there"


def test_the_table_of_all_arms():
    text = text_of(NAME)
    for each in TEXTS:
        cells = [distance(each, loss) for loss in LOSSES]
        row = " | ".join(f"{cell['mean']:.3f} ({cell['low']:.3f}–{cell['high']:.3f})" for cell in cells)
        assert f"| {row} |" in text
    drawn = literal("ALL_ARMS")
    assert drawn == {name: [round(run["distance"], 3) for run in arm["runs"]] for name, arm in FOUND["arms"].items()}
    assert distance("own text", "JSD")["mean"] < distance("new text", "JSD")["mean"]
    reverse = min(distance(each, "reverse KL")["low"] for each in TEXTS)
    assert reverse > 5 * distance("new text", "forward KL")["high"], "the reverse KL ends far away on every text"


def test_own_text_with_labels_only_gets_worse():
    text, arm = text_of(NAME), FOUND["arms"]["own text, labels only"]
    ends, starts = ([run["distance"] for run in group] for group in (arm["runs"], FOUND["before"]))
    after, before = (f"{min(each):.1f} to {max(each):.1f}" for each in (ends, starts))
    assert f"At 0.003 three seeds ended {after} nats from the truth, after {before} before" in text
    assert all(end > start for end, start in zip(ends, starts, strict=True)) and arm["rate"] == 0.003
    assert f"ended at {arm['rates']['0.01']:.1f}" in text and arm["rates"]["0.01"] > 2 * max(ends)
    assert f"We ran {FOUND['setting']['steps_with_labels_only']} steps at two learning rates" in text


def test_legality_and_coverage_disagree_with_the_distance():
    text, drawn = text_of(NAME), literal("WRITERS")
    for name, (legal, words) in drawn.items():
        group = FOUND["before"] if name == "the parrot" else FOUND["arms"][name]["runs"]
        assert legal == round(fmean(run["legal"] for run in group), 2)
        assert words == round(fmean(run["words"] for run in group))
    forward, jsd, reverse = ([fmean(run[key] for run in runs("new text", loss)) for key in ("words", "legal")]
                             for loss in LOSSES)  # fmt: skip
    assert f"used {forward[0]:.0f} of the {FOUND['truth']['words']} words" in text
    assert (
        f"{100 * forward[1]:.0f} % of its rows were legal. The student trained with the JSD used {jsd[0]:.0f}" in text
    )
    assert f"and {100 * jsd[1]:.0f} % were legal, although it is farther from the truth" in text
    assert (
        f"The student trained with the reverse KL used {reverse[0]:.0f}" in text
        and f"({100 * reverse[1]:.0f} %)" in text
    )
    assert jsd[1] > forward[1] > reverse[1] and forward[0] > jsd[0] > reverse[0]


def test_the_setting_of_the_experiment():
    setting, text = FOUND["setting"], text_of(NAME)
    assert f"the whole experiment: {setting['steps']} steps of {setting['batch_size']} rows, three seeds" in text
    assert len(setting["seeds"]) == 3 and setting["known_rows"] == 20
    assert re.search(r"best for it with another seed", text) and setting["tuning_seed"] not in setting["seeds"]


def test_the_benchmark_on_the_step_against_trl():
    speed = result("on_policy_speed")
    assert all(each["difference"] <= 1e-5 * each["trl"] for each in speed["losses"].values())
    assert speed["ratio"] >= 1.5 and speed["goals_met"] == {"ratio": True, "losses": True}
    page = (ROOT / "docs" / "measured.md").read_text(encoding="utf-8")
    assert f"{speed['ratio']:.1f}×" in page


def test_the_real_model_is_the_laptops_result():
    text, found = text_of(NAME), result("on_policy_laptop")
    given, own = (found["arms"][name]["runs"][0] for name in ("given text", "own text"))
    for name, arm in {"before": found["before"], "given text": given, "own text": own}.items():
        shown = "{value:.1f} ({low:.1f}–{high:.1f})".format(**arm["perplexity"])
        steps = f"{arm['steps']} |" if "steps" in arm else "|"
        assert f"| {name} | {shown} | {arm['kl_on_given']:.2f} | {arm['kl_on_own']:.2f} | {steps}" in text
    before = found["before"]
    assert own["steps"] < given["steps"] and "own text pays for fewer steps" in text
    assert min(given["perplexity"]["value"], own["perplexity"]["value"]) > before["perplexity"]["value"]
    assert given["kl_on_given"] < before["kl_on_given"] < own["kl_on_given"]
    assert max(given["kl_on_own"], own["kl_on_own"]) < before["kl_on_own"]
    assert len(found["setting"]["seeds"]) == 1 and "This is one seed, a handful of steps" in text
    assert (found["setting"]["warm_steps"], found["setting"]["seconds"]) == (40, 30.0)
