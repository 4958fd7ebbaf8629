"""The figures of the lecture: the labs' drawn pictures and what was measured, on one large slide each."""

from __future__ import annotations

import json
from typing import Any

from traitlets import Dict, TraitError, Unicode, validate

from helpers.widgets.base import FOLDER, Explorer, module_source

STORED = FOLDER.parent / "assets" / "lecture.json"  # written by scripts/lecture_figures.py from docs/ and results/


def stored_figures() -> dict[str, dict[str, Any]]:
    """Return the figures that ship with the package, by name."""
    found: dict[str, dict[str, Any]] = json.loads(STORED.read_text(encoding="utf-8"))
    return found


class Figures(Explorer):
    """A slide with one figure: a drawing, or a dot for each run of each row.

    Args:
        figure: name of the figure shown.
        figures: by name, {"title", "svg"}, or {"title", "label": text of the axis, "log": whether the axis is
            logarithmic, "rows": [[name, values], …], and optionally "reference": a value drawn as a line}.
    """

    _esm = module_source("figures")

    figures: Dict[str, dict[str, Any]] = Dict().tag(sync=True)
    figure = Unicode().tag(sync=True)

    def __init__(self, **options: Any) -> None:
        options.setdefault("figures", stored_figures())
        options.setdefault("figure", next(iter(options["figures"])))
        super().__init__(**options)

    def text(self) -> str:
        """Return the figure as text: its title, then the values of each row."""
        shown = self.figures[self.figure]
        rows = [f"{name}: {', '.join(f'{value:.3g}' for value in values)}" for name, values in shown.get("rows", [])]
        return "\n".join([shown["title"], *([shown["label"]] if rows else []), *rows])

    @validate("figure")
    def _validate_figure(self, proposal: Any) -> str:
        if proposal["value"] not in self.figures:
            raise TraitError(f"figure is {proposal['value']!r}; it must be one of {', '.join(self.figures)}")
        return str(proposal["value"])
