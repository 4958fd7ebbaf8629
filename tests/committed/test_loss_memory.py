"""results/loss_memory.json: the chunked loss meets its goal, and the file says so."""

import pytest

from tests.committed import result


def test_the_memory_of_the_loss_meets_its_goal_as_it_says():
    found = result("loss_memory")
    share = found["chunked"]["peak_mb"] / found["plain"]["peak_mb"]
    assert found["share_of_plain_peak"] == pytest.approx(share, abs=1e-4)
    assert (found["setting"]["tokens"], found["setting"]["vocabulary"]) == (1024, 50_257)
    close = max(found["largest_relative_difference"].values()) <= 1e-5
    assert found["goal_met"] is (share <= found["goal"] and close) is True
