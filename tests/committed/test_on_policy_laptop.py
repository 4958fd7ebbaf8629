"""The laptop tier's figures of lab 07, as docs/tiers.md says them."""

from tests.committed import result
from tests.conftest import ROOT


def test_the_page_says_what_was_measured_and_claims_nothing_from_one_seed():
    found = result("on_policy_laptop")
    page = (ROOT / "docs" / "tiers.md").read_text(encoding="utf-8")
    for name, arm in {"before": found["before"], **{key: arm["runs"][0] for key, arm in found["arms"].items()}}.items():
        shown = "{value:.1f} ({low:.1f}–{high:.1f})".format(**arm["perplexity"])
        steps = f"{arm['steps']} |" if "steps" in arm else "|"
        assert f"| {name} | {shown} | {arm['kl_on_given']:.2f} | {arm['kl_on_own']:.2f} | {steps}" in page
    assert len(found["setting"]["seeds"]) == 1 and "This is one seed, a handful of steps" in page
