"""What all plots share: colours that colour-blind readers can tell apart, patterns, alt text for every figure."""

from __future__ import annotations

import base64
import io
import os
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, cast

import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.dark_theme import image

# Okabe and Ito, "Color Universal Design" (2008). The pale ones stand last: use them for areas, not for thin lines.
COLORS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442"]
# Colour never carries a meaning alone: bars differ in pattern too, lines in how they are drawn.
HATCHES = ["", "///", "...", "xxx", "\\\\\\", "ooo", "---", "+++"]
LINES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)), (0, (8, 3))]

LETTERS_PER_INCH = 8  # that fit side by side below an axis
OVERSAMPLING = 2  # pixels drawn for each pixel shown, so that text stays sharp on dense screens and when zoomed in


def show(figure: Figure, alt: str) -> None:
    """Show a figure once, with alt text for screen readers, then close it.

    alt: what a reader learns from the figure, in one to three sentences. In a notebook the figure is shown as an HTML
    image with this text, because JupyterLab ignores the alt text of a bare PNG, light or dark as the page is, and as a
    PNG for tools that do not read HTML. In plain Python, and while a class is graded, the text is printed instead.

    Raises ValueError if alt is empty.
    """
    if get_ipython() is None or is_graded():
        _close(figure, alt)
        print(f"Figure: {alt}")
        return
    data, width, html = _rendered(figure, alt)
    bundle = {"text/plain": f"Figure: {alt}", "text/html": html, "image/png": data}
    display(bundle, metadata={"image/png": {"alt": alt, "width": width}}, raw=True)


def as_html(figure: Figure, alt: str) -> str:
    """Return a figure as an HTML image with its alt text, for an `ipywidgets.HTML`, and close it.

    Raises ValueError if alt is empty.
    """
    if is_graded():
        _close(figure, alt)
        return f"<p>Figure: {escape(alt)}</p>"
    return _rendered(figure, alt)[2]


def is_graded() -> bool:
    """Whether a class is being graded, by nbgrader or `distillab grade`: drawing takes most of a lab's time."""
    return os.environ.get("NBGRADER_EXECUTION") == "autograde"


def _close(figure: Figure, alt: str) -> None:
    plt.close(figure)
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what a reader learns from the figure")


def _rendered(figure: Figure, alt: str) -> tuple[str, int, str]:
    """Close a figure and return it as a base64 PNG, its displayed width in pixels, and as HTML."""
    buffer = io.BytesIO()
    if alt.strip():
        figure.savefig(buffer, format="png", bbox_inches="tight", dpi=OVERSAMPLING * figure.dpi)
    _close(figure, alt)
    png = buffer.getvalue()
    width = int.from_bytes(png[16:20], "big") // OVERSAMPLING  # the width in a PNG's header
    data = base64.b64encode(png).decode("ascii")
    return data, width, image(f"data:image/png;base64,{data}", width, alt)


def bars(axes: Axes, names: Sequence[str], heights: Mapping[str, Sequence[float]]) -> None:
    """Draw grouped bars: a group for each name, with a bar for each series in its own colour and pattern.

    heights: for each series, by its text in the legend, one number per name (a list or a 1-D tensor). Long names are
    wrapped, and rotated if they would overlap. Axis labels are left to the caller.

    Raises ValueError if a series and `names` differ in length, or if there are more series than colours.
    """
    _check_series(heights, len(names))
    width = 0.8 / len(heights)
    for index, (series, values) in enumerate(heights.items()):
        axes.bar(
            [group + (index - (len(heights) - 1) / 2) * width for group in range(len(names))],
            [float(value) for value in values],
            width,
            label=series,
            color=COLORS[index],
            hatch=HATCHES[index],
            edgecolor="black",
            linewidth=0.6,
        )
    wrapped = [textwrap.fill(name, 14) for name in names]
    axes.set_xticks(range(len(names)), wrapped)
    longest = max(len(line) for name in wrapped for line in name.split("\n"))
    if longest * len(names) > LETTERS_PER_INCH * cast(Figure, axes.figure).get_figwidth():
        plt.setp(axes.get_xticklabels(), rotation=30, ha="right", rotation_mode="anchor")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    if len(heights) > 1:
        axes.legend()


def lines(axes: Axes, x: Sequence[float], heights: Mapping[str, Sequence[float]], **style: Any) -> None:
    """Draw a line for each series over the same x, each with its own colour and dashes, and add a legend.

    heights: for each series, by its text in the legend, one number per entry of `x` (a list or a 1-D tensor). style:
    other options of `Axes.plot`, for example marker="o". Axis labels are left to the caller.

    Raises ValueError if a series and `x` differ in length, or if there are more series than colours.
    """
    _check_series(heights, len(x))
    for index, (series, values) in enumerate(heights.items()):
        numbers = [float(value) for value in values]
        axes.plot(x, numbers, label=series, color=COLORS[index], linestyle=LINES[index], **style)
    axes.grid(alpha=0.3)
    axes.legend()


def _check_series(heights: Mapping[str, Sequence[float]], length: int) -> None:
    if len(heights) > len(COLORS):
        raise ValueError(f"heights has {len(heights)} series; at most {len(COLORS)} can be told apart")
    for series, values in heights.items():
        if len(values) != length:
            raise ValueError(f"heights[{series!r}] has {len(values)} numbers; it needs {length}")
