"""The widget that takes a guess: a choice, a number with its unit, or a curve drawn by pointer or with arrow keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Unicode

from helpers.checks.guesses import POINTS, grid
from helpers.paths import PACKAGE

_SHARED = PACKAGE / "widgets"  # the explorers' JavaScript and style


class PredictionWidget(anywidget.AnyWidget):
    """Shows a question and takes a guess; once the answer is known, the guess stays as it is.

    Args:
        record: the prediction, as in `helpers.checks.guesses`.
    """

    _esm = (_SHARED / "shared.js").read_text(encoding="utf-8") + (PACKAGE / "checks" / "prediction.js").read_text(
        encoding="utf-8"
    )
    _css = (_SHARED / "style.css").read_text(encoding="utf-8")

    theme = Unicode("auto").tag(sync=True)
    large = Bool(False).tag(sync=True)
    asked = Dict(help="the question, its kind, and choices, unit or axes").tag(sync=True)
    guess = AnyTrait(None, allow_none=True).tag(sync=True)

    def __init__(self, record: Mapping[str, Any]) -> None:
        asked = {key: record[key] for key in ("question", "kind", "choices", "unit", "axes") if key in record}
        if "axes" in record:
            asked |= {"grid": grid(record["axes"]["x"]), "points": POINTS}
        super().__init__(asked={**asked, "known": "truth" in record}, guess=record.get("guess"))
        self._text = record["question"]

    def __repr__(self) -> str:
        return f"Predict first: {self._text}"
