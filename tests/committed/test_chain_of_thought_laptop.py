"""results/chain_of_thought_laptop.json and the table and sentences of docs/tiers.md."""

from helpers.reasoning.self_distillation import CONFIGS
from tests.committed import page, result


def points(estimate: dict) -> str:
    """A difference in accuracy with its interval, in percentage points."""
    value, low, high = (100 * estimate[name] for name in ("value", "low", "high"))
    return f"{value:.0f} points ({low:.0f} to {high:.0f})"


def test_the_table_and_the_sentences_are_the_result():
    found, tiers = result("chain_of_thought_laptop"), page("tiers.md")
    for name, arm in found["arms"].items():
        right, steps = arm["accuracy"], arm["accuracy_by_steps"]
        interval = f"{100 * right['value']:.0f} % ({100 * right['low']:.0f}–{100 * right['high']:.0f})"
        by_steps = " | ".join(f"{100 * steps[k]['value']:.0f} %" for k in ("1", "2"))
        assert f"| {name} | {interval} | {by_steps} | {arm['tokens_written']['value']:.1f} |" in tiers
    assert f"{100 * found['right_answer']:.0f} % of the {found['traces']} ended in the right answer" in tiers
    assert f"and {found['kept_traces']} were kept" in tiers
    assert points(found["after against before"]) in tiers
    assert f"{points(found['after against before, shown two examples'])}: no effect" in tiers


def test_the_result_is_of_the_tiers_present_setting():
    assert result("chain_of_thought_laptop")["setting"] == CONFIGS["laptop"].recorded()
