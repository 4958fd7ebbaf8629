"""results/tiny_sweep.json: of the experiment's present setting, and its counts follow from its runs."""

from helpers.experiments.tiny import ALPHAS, CONTROL, STEPS, TEMPERATURES
from tests.committed import result


def test_the_sweep_is_of_this_setting():
    found = result("tiny_sweep")
    assert len(found["setting"]["seeds"]) >= 5 and found["setting"]["steps"] == STEPS
    assert [value for value, _ in found["sweeps"]["alpha"]] == list(ALPHAS)
    assert [value for value, _ in found["sweeps"]["temperature"]] == list(TEMPERATURES)
    for arm in list(found["arms"].values())[1:]:
        pairs = zip(arm["runs"], found["arms"][CONTROL.name]["runs"], strict=True)
        assert arm["closer_than_control"] == sum(a["distance"] < c["distance"] for a, c in pairs)
