"""The base class of the explorers: a widget that computes in the browser and keeps only its state in Python.

Each explorer is one ES module without imports: `shared.js` followed by the explorer's own file. anywidget loads it in
JupyterLab, VS Code, Colab and Voilà; `helpers.widgets.page` puts the same source into one HTML file.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
from IPython.display import display
from traitlets import Bool, Enum, Float, List, TraitError

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "style.css").read_text(encoding="utf-8")


def module_source(name: str) -> str:
    """Return the complete JavaScript of the explorer in `helpers/widgets/<name>/<name>.js`."""
    files = (FOLDER / "shared.js", FOLDER / name / f"{name}.js")
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


class Explorer(anywidget.AnyWidget):
    """A widget with a text form, which `print(explorer.text())` and viewers without widget support show."""

    _css = STYLE
    large = Bool(False, help="use type large enough for a lecture hall").tag(sync=True)
    theme = Enum(["auto", "light", "dark"], "auto", help="auto follows the host's theme").tag(sync=True)

    def text(self) -> str:
        """Return what the explorer shows, as text."""
        raise NotImplementedError(f"{type(self).__name__} has no text form")

    def __repr__(self) -> str:
        return self.text()

    def _ipython_display_(self, **options: Any) -> None:
        """Show the widget, and below it what stays when the notebook is opened again without a kernel."""
        data, metadata = self._repr_mimebundle_(**options) or ({"text/plain": repr(self)}, {})
        display(data, metadata=metadata, raw=True)
        if type(self).text is not Explorer.text and not self.large:
            summary = "This explorer as text. It stays when you open the notebook again; to drag, run the cell again."
            html = f"<details><summary>{summary}</summary><pre>{escape(self.text())}</pre></details>"
            display({"text/plain": "", "text/html": html}, raw=True)

    def state(self) -> dict[str, Any]:
        """Return the synced traits that explorers define: the initial state of a page without Python."""
        names = {
            name for name, trait in self.traits(sync=True).items() if trait.this_class.__module__.startswith("helpers")
        }
        return {name: getattr(self, name) for name in sorted(names) if not name.startswith("_")}


class FiniteNumbers(List):
    """A trait that holds a list of finite numbers and accepts a list, an array or a 1-D tensor."""

    def __init__(self, default: Sequence[float], **options: Any) -> None:
        super().__init__(Float(), default_value=list(default), **options)

    def validate(self, obj: Any, value: Any) -> list[float]:
        """Return the numbers as a list of floats, or raise TraitError."""
        numbers = finite_numbers(value, self.name or "the trait")
        super().validate(obj, numbers)
        return numbers


def finite_numbers(values: Any, name: str, minimum: int = 2) -> list[float]:
    """Return a list, an array or a 1-D tensor of finite numbers as a list of floats.

    Raises TraitError, which names `name`, for another shape, fewer than `minimum` numbers, infinity or NaN.
    """
    try:
        array = np.asarray(values.detach().cpu().double() if hasattr(values, "detach") else values, dtype=float)
    except (TypeError, ValueError) as error:
        raise TraitError(f"{name} must be a row of numbers, not {values!r:.80}") from error
    if array.ndim != 1 or len(array) < minimum or not np.isfinite(array).all():
        raise TraitError(f"{name} must be a row of at least {minimum} finite numbers, not {values!r:.80}")
    return [float(number) for number in array]


def check_range(value: float, low: float, high: float, name: str) -> float:
    """Return a number as a float. Raises TraitError, which names `name`, unless it lies from `low` to `high`."""
    if not low <= value <= high:
        raise TraitError(f"{name} is {value}; it must be from {low:g} to {high:g}")
    return float(value)


def log_softmax(logits: Sequence[float] | np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return the log-probabilities `(..., V)` of logits `(..., V)` at a temperature, in float64."""
    scaled = np.asarray(logits, dtype=float) / temperature
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True))


def entropy(probabilities: np.ndarray) -> float:
    """Return the entropy of probabilities `(V,)` in nats, where 0 log 0 = 0."""
    positive = probabilities[probabilities > 0]
    return (
        float(-(positive * np.log(positive)).sum()) + 0.0
    )  # a certain token gives -0.0, which would print as "-0.000"


def kl(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """Return KL(p || q) in nats, `(...)`, from log-probabilities `(..., V)`, which do not underflow."""
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=-1)
