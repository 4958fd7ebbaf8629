"""Write helpers/assets/lecture.json, the lecture's figures, which ship with the package: from docs/figures and results.

python -m scripts.lecture_figures          (make figures)
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from helpers.widgets.figures import STORED

ROOT = Path(__file__).parents[1]
DISTANCE = "distance from the truth, nats per token (logarithmic; left is better)"

_TITLE = re.compile(r"<title>(.+?)</title>")


def figures() -> dict[str, dict[str, Any]]:
    """Return every figure by its name, in the order of the labs."""
    return {
        "black box": _drawing("black_box"),
        "access": _access(),
        "on-policy loop": _drawing("on_policy_loop"),
        "writers": _writers(),
        "speculative round": _drawing("speculative_round"),
        "drafts": _drafts(),
        "student shapes": _drawing("student_shapes"),
        "cuts": _cuts(),
    }


def _drawing(name: str) -> dict[str, Any]:
    svg = (ROOT / "docs" / "figures" / f"{name}.svg").read_text(encoding="utf-8")
    title = _TITLE.search(svg)
    if title is None:
        raise ValueError(f"docs/figures/{name}.svg has no <title>")
    return {"title": title[1], "svg": svg}


def _result(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _distances(runs: list[dict[str, Any]]) -> list[float]:
    return [round(run["distance"], 5) for run in runs]


def _access() -> dict[str, Any]:
    arms = _result("black_box")["arms"]
    names = ["all logits", "top 20 and the rest", "text, T = 1", "text, T = 0.7", "top 5 and the rest", "text, greedy"]
    rows = [[name, _distances(arms[name]["runs"])] for name in names]
    return {"title": "What an API returns decides (lab 06)", "label": DISTANCE, "log": True, "rows": rows}


def _writers() -> dict[str, Any]:
    arms = _result("on_policy")["arms"]
    names = [f"{text} text, {loss}" for loss in ("forward KL", "JSD") for text in ("old", "new", "own")]
    rows = [[name, _distances(arms[name]["runs"])] for name in names]
    return {"title": "Whose text? (lab 07)", "label": DISTANCE, "log": True, "rows": rows}


def _drafts() -> dict[str, Any]:
    drafts = _result("speculative_tiny")["drafts"]
    names = ["before training", "hard labels only", "labels and teacher", "teacher only"]
    rows = [[n, [round(r["gammas"]["4"]["measured_speed_up"], 3) for r in drafts[n]["runs"]]] for n in names]
    label = "times as fast as plain generation (the dashed line), γ = 4"
    return {"title": "Which draft? (lab 08)", "label": label, "log": False, "reference": 1, "rows": rows}


def _cuts() -> dict[str, Any]:
    cuts = _result("student_shape")["cuts"]
    rows = [[_layers(name, cut["kept"]), _distances(cut["after"]["runs"])] for name, cut in cuts.items()]
    return {"title": "Which layers to keep? (lab 09)", "label": DISTANCE, "log": True, "rows": rows}


def _layers(name: str, kept: list[int]) -> str:
    layers = ", ".join(map(str, kept))
    return f"layers {layers}" if name == layers else f"{name}: {layers}"


def main() -> None:
    """Write the file."""
    text = json.dumps(figures(), ensure_ascii=False, indent=1)
    STORED.write_text(text + "\n", encoding="utf-8")
    print(f"{STORED.relative_to(ROOT)}: {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
