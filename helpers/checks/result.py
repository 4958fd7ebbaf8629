"""What a check found, and how it is displayed: as HTML in a notebook, as text elsewhere, readable by a screen reader.

`helpers.checks.visible_check` runs the check.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from helpers.checks.fixtures import SGD
from helpers.checks.kinds import is_array, is_table
from helpers.checks.optional_torch import torch

MAX_SHOWN = 60  # numbers of a tensor or an array
MAX_ROWS_SHOWN, MAX_COLUMNS_SHOWN, MAX_CELL_SHOWN = 12, 8, 24  # of a table


@dataclass
class Finding:
    """What one example showed: the call, what came back, what was expected, the likely cause, what to do next."""

    about: str
    passed: bool
    call: str = ""
    came_back: str = ""
    expected: str = ""
    cause: str = ""
    next_step: str = ""
    values: dict[str, Any] | None = None  # what was seen, decoded; None after an error


@dataclass
class CheckResult:
    """The outcome of a check, true if every example agrees. It displays itself in a notebook and in plain Python."""

    exercise: str
    findings: list[Finding] = field(default_factory=list)
    message: str = ""
    is_stub: bool = False  # whether the exercise is not written yet

    @property
    def passed(self) -> bool:
        return bool(self.findings) and all(finding.passed for finding in self.findings)

    def __bool__(self) -> bool:
        return self.passed

    @property
    def headline(self) -> str:
        if not self.findings:
            return f"{self.exercise}: not checked yet"
        agreed = sum(finding.passed for finding in self.findings)
        outcome = "all right" if self.passed else "not right yet"
        if not any(finding.call for finding in self.findings):  # a quiz
            return f"{self.exercise}: {outcome}"
        return f"{self.exercise}: {outcome}, {agreed} of {len(self.findings)} examples agree"

    def __repr__(self) -> str:
        lines = [("✓ " if self.passed else "✗ ") + self.headline]
        for finding in self._to_explain():
            rows = [(label, text) for label, text in (*_advice(finding), *_rows(finding)) if text]
            lines += [f"  {label + ':':<14}{text.replace(chr(10), chr(10) + ' ' * 16)}" for label, text in rows]
        if self.message:
            lines.append(f"  {self.message}")
        lines += [f"  {'✓' if finding.passed else '✗'} {finding.about}" for finding in self.findings]
        return "\n".join(lines)

    def _to_explain(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.passed][:1]

    def _repr_html_(self) -> str:
        return render_html(self)


def _advice(finding: Finding) -> list[tuple[str, str]]:
    return [("Likely cause" if finding.call else "Why", finding.cause), ("Try next", finding.next_step)]


def _rows(finding: Finding) -> list[tuple[str, str]]:
    return [("You called", finding.call), ("Came back", finding.came_back), ("Expected", finding.expected)]


# Okabe-Ito's colours; text takes the notebook's colour, so that a dark theme stays readable.
STYLE = (
    "border:1px solid {colour};border-left:6px {pattern} {colour};padding:.5em 1em;margin:.3em 0;"
    "color:var(--jp-content-font-color1,inherit);font-family:var(--jp-content-font-family,sans-serif)"
)


_CODE = "margin:0;padding:0;background:none;white-space:pre-wrap;font-family:var(--jp-code-font-family,monospace)"


def render_html(result: CheckResult) -> str:
    """Return a check's outcome as an HTML fragment, with all text escaped: the likely cause first, the rest folded."""
    colour, pattern, mark = ("#009E73", "solid", "✓") if result.passed else ("#D55E00", "double", "✗")
    style = STYLE.format(colour=colour, pattern=pattern)
    label = escape(result.headline, quote=True)
    parts = [f'<div role="region" aria-label="Check of {label}" style="{style}"><p><strong>{mark} {label}</strong></p>']
    for finding in result._to_explain():
        parts += [f"<p><strong>{head}:</strong> {escape(text)}</p>" for head, text in _advice(finding) if text]
        parts.append(_example_table(finding))
    if result.message:
        parts.append(f"<p>{escape(result.message)}</p>")
    if len(result.findings) > 1:
        parts.append(_list_of_examples(result.findings))
    return "".join(parts) + "</div>"


def _example_table(finding: Finding) -> str:
    """Return the one example that is shown in full, its values in a font where columns stand below each other."""
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top;padding-right:1em">{row}</th>'
        f'<td style="text-align:left"><pre style="{_CODE}">{escape(text)}</pre></td></tr>'
        for row, text in _rows(finding)
        if text
    )
    return f"<table><caption>Example: {escape(finding.about)}</caption>{cells}</table>" if cells else ""


def _list_of_examples(findings: list[Finding]) -> str:
    items = "".join(f"<li>{'✓ agrees' if f.passed else '✗ differs'}: {escape(f.about)}</li>" for f in findings)
    return (
        f"<details><summary>All {len(findings)} examples</summary>"
        f'<ul style="list-style:none;padding-left:0">{items}</ul></details>'
    )


def show(label: str, value: Any) -> str:
    """Return a value as short text, with four digits."""
    if isinstance(value, torch.Tensor):
        text = _tensor_text(value)
    elif is_array(value):
        text = _array_text(value)
    elif is_table(value):
        text = _table_text(value)
    elif isinstance(value, float):
        text = f"{value:.6g}"
    elif isinstance(value, torch.nn.Module):
        mode = "train" if value.training else "eval"
        text = f"a {type(value).__name__} with {sum(w.numel() for w in value.parameters())} weights, in {mode} mode"
    elif isinstance(value, SGD):
        text = f"torch.optim.SGD(…, lr={value.learning_rate:g})"
    elif isinstance(value, dict):
        text = "\n".join(f"{key}: {show('value', item)}" for key, item in value.items())
    else:
        text = repr(value)
    return text if label == "value" else f"{label}: {text}"


def _tensor_text(tensor: torch.Tensor) -> str:
    if tensor.dim() == 0:
        return f"{tensor.item():.6g}" if tensor.is_floating_point() else repr(tensor.item())
    shown = torch.round(tensor.double(), decimals=4) if tensor.is_floating_point() else tensor
    text = str(shown.tolist()).replace("], [", "],\n [") if tensor.numel() <= MAX_SHOWN else "…"
    return f"{text}  (shape {tuple(tensor.shape)})"


def _array_text(array: np.ndarray) -> str:
    if array.ndim == 0:
        return f"{array.item():.6g}" if array.dtype.kind == "f" else str(array)
    shown = np.round(array.astype(np.float64), 4) if array.dtype.kind == "f" else array
    cells = shown.astype(str) if array.dtype.kind in "Mm" else shown
    text = str(cells.tolist()).replace("], [", "],\n [") if array.size <= MAX_SHOWN else "…"
    return f"{text}  (array of shape {array.shape})"


def _table_text(table: Any) -> str:
    """Return a Series, an index or a frame as pandas prints it, cut to a few rows and columns."""
    if not hasattr(table, "index"):
        return (
            f"{[f'{label}'[:MAX_CELL_SHOWN] for label in table[:MAX_SHOWN].tolist()]}  (index of {len(table)} labels)"
        )
    frame = table.to_frame("") if table.ndim == 1 else table
    text = frame.to_string(
        max_rows=MAX_ROWS_SHOWN,
        max_cols=MAX_COLUMNS_SHOWN,
        max_colwidth=MAX_CELL_SHOWN,
        float_format=lambda number: f"{number:.6g}",
        header=table.ndim == 2,
    )
    size = f"Series of {len(table)}" if table.ndim == 1 else f"DataFrame of shape {table.shape}"
    return f"{text}\n({size})"
