"""Redraw a figure's colours for a dark page; a pure change of colours, so that both pictures show the same."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.typing import ColorType

PAPER, INK, GRID = "#111111", "#e6e6e6", "#6e6e6e"
# Lines and points that would be hard to see on PAPER, and what is drawn instead.
BRIGHTER = {"#000000": INK, "#0072b2": "#56b4e9", "#808080": "#a6a6a6"}


def darken(figure: Figure) -> None:
    """Give a figure a dark background, light text and lines that stand out on it. Bars and areas keep their colours."""
    figure.set_facecolor(PAPER)
    for axes in figure.findobj(Axes):
        axes.set_facecolor(PAPER)
        axes.tick_params(which="both", colors=INK, grid_color=GRID)
        for spine in axes.spines.values():
            spine.set_edgecolor(INK)
    for legend in figure.findobj(Legend):
        legend.get_frame().set(facecolor=PAPER, edgecolor=GRID)
    for text in figure.findobj(Text):
        text.set_color(INK)
    for line in figure.findobj(Line2D):
        line.set_color(_brighter(line.get_color()))
        line.set_markerfacecolor(_brighter(line.get_markerfacecolor()))
        line.set_markeredgecolor(_brighter(line.get_markeredgecolor()))


def _brighter(colour: ColorType) -> ColorType:
    return colour if colour in ("none", "auto") else BRIGHTER.get(to_hex(colour), colour)
