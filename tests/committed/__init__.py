"""What is committed must agree: results/ with docs and labs, released weights with the log of their training.

One file for each result. Nothing is trained or timed here. A test that fails says that a result, a page or a setting
changed and the others did not follow.
"""

import json

from tests.conftest import ROOT

RESULTS = ROOT / "results"


def result(name: str) -> dict:
    """The result `results/name.json`."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def page(name: str) -> str:
    """A page of docs/, as text."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")
