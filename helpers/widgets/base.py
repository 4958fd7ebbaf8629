"""What the explorers share: a widget that computes in the browser and keeps only state in Python.

Each explorer is one ES module without imports: `shared.js` and the explorer's own file, one behind the other. anywidget
carries it to JupyterLab, VS Code, Colab and Voilà; `helpers.widgets.page` puts the same text into one HTML file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
from traitlets import Bool, Enum, Float, List, TraitError

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "style.css").read_text(encoding="utf-8")


def module(name: str) -> str:
    """Return the whole JavaScript of the explorer in `helpers/widgets/<name>/<name>.js`."""
    parts = (FOLDER / "shared.js", FOLDER / name / f"{name}.js")
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


class Explorer(anywidget.AnyWidget):
    """A widget with a text form: `print(explorer.text())`, and what a viewer without widgets shows."""

    _css = STYLE
    large = Bool(False, help="type for a lecture hall").tag(sync=True)
    theme = Enum(["auto", "light", "dark"], "auto", help="auto follows the host's theme").tag(sync=True)

    def text(self) -> str:
        """Return what the explorer shows, as text."""
        raise NotImplementedError(f"{type(self).__name__} has no text form")

    def __repr__(self) -> str:
        return self.text()

    def state(self) -> dict[str, Any]:
        """Return the explorer's own synced state, as a page without Python needs it to start from."""
        own = {
            name for name, trait in self.traits(sync=True).items() if trait.this_class.__module__.startswith("helpers")
        }
        return {name: getattr(self, name) for name in sorted(own) if not name.startswith("_")}


class Numbers(List):
    """A trait that holds a row of finite numbers, and takes a list, an array or a 1-D tensor."""

    def __init__(self, default: Sequence[float], **options: Any) -> None:
        super().__init__(Float(), default_value=list(default), **options)

    def validate(self, obj: Any, value: Any) -> list[float]:
        """Return the row as a list of floats, or raise TraitError."""
        return super().validate(obj, numbers(value, self.name))


def numbers(values: Any, name: str, least: int = 2) -> list[float]:
    """Return a row of finite numbers as a list; a 1-D tensor or array will do.

    Raises TraitError, naming `name`, for other shapes, fewer than `least` numbers, or infinity and NaN.
    """
    try:
        rows = np.asarray(values.detach().cpu().double() if hasattr(values, "detach") else values, dtype=float)
    except (TypeError, ValueError) as problem:
        raise TraitError(f"{name} must be a row of numbers, not {values!r:.80}") from problem
    if rows.ndim != 1 or len(rows) < least or not np.isfinite(rows).all():
        raise TraitError(f"{name} must be a row of at least {least} finite numbers, not {values!r:.80}")
    return rows.tolist()


def between(value: float, low: float, high: float, name: str) -> float:
    """Return a number as a float. Raises TraitError, naming `name`, where it is not from `low` to `high`."""
    if not low <= value <= high:
        raise TraitError(f"{name} is {value}; it must be from {low:g} to {high:g}")
    return float(value)


def log_softmax(logits: Sequence[float], temperature: float = 1.0) -> np.ndarray:
    """Return the log-probabilities `(V,)` of logits `(V,)` at a temperature, in float64."""
    scaled = np.asarray(logits, dtype=float) / temperature
    scaled = scaled - scaled.max()
    return scaled - np.log(np.exp(scaled).sum())


def entropy(probabilities: np.ndarray) -> float:
    """Return the entropy of probabilities `(V,)` in nats; 0 log 0 is 0."""
    held = probabilities[probabilities > 0]
    return float(-(held * np.log(held)).sum())


def kl(log_p: np.ndarray, log_q: np.ndarray) -> float:
    """Return KL(p || q) in nats, of log-probabilities `(V,)`, so that tiny ones do not become 0."""
    return float((np.exp(log_p) * (log_p - log_q)).sum())
