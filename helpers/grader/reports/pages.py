"""The jinja2 environment of the pages: HTML is escaped, and filters format the numbers."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from helpers.grader.formulas import formula, with_formulas

if TYPE_CHECKING:
    from nbconvert.filters.markdown_mistune import MarkdownWithMath

# Terminal colours and control characters, which an error message may hold.
_WHITE_SPACE = re.compile(r"\s+")
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def format_points(points: float) -> str:
    """Return points with at most two decimals."""
    return f"{round(points, 2):g}"


def format_percent(share: float) -> str:
    """Return a share between 0 and 1 as a percentage."""
    return f"{100 * share:.0f} %"


def format_correlation(value: float) -> str:
    """Return a correlation with its sign and two decimals."""
    return f"{value:+.2f}".replace("-", "−")


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units, rounded up to whole minutes."""
    minutes = math.ceil(seconds / 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, f"{days} day{'s' if days > 1 else ''}"), (hours, f"{hours} h"), (minutes, f"{minutes} min")]
    return " ".join([text for number, text in parts if number][:2])


def without_control_characters(text: str) -> str:
    """Return text without terminal colours and control characters."""
    return _CONTROL.sub("", text)


def short(text: str, characters: int) -> str:
    """Return text on one line, cut after a number of characters."""
    line = _WHITE_SPACE.sub(" ", text)
    return line if len(line) <= characters else line[: characters - 1] + "…"


def heading_anchor(heading: str) -> str:
    """Return the fragment that leads to a heading, with the id that Jupyter and nbconvert give it."""
    return quote(heading.replace(" ", "-"))


def markdown(text: str) -> Markup:
    """Return a course's own markdown as HTML. Never for text of students: nothing is escaped."""
    return Markup(_markdown_parser().render(text))  # noqa: S704


def _markdown_parser() -> MarkdownWithMath:
    """Return nbconvert's parser, with formulas as MathML, which needs no script."""
    # Imported here, since the processes that judge render no markdown.
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class WithFormulas(IPythonRenderer):
        def block_math(self, body: str) -> str:
            return formula(body, display=True) or super().block_math(body)

        def inline_math(self, body: str) -> str:
            return formula(body) or super().inline_math(body)

    return MarkdownWithMath(renderer=WithFormulas(escape=False))


_ENVIRONMENT = Environment(
    loader=PackageLoader("helpers.grader.reports"),
    autoescape=lambda name: name is None or not name.endswith(".txt"),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_ENVIRONMENT.filters |= {
    "points": format_points,
    "percent": format_percent,
    "correlation": format_correlation,
    "duration": format_duration,
    "anchor": heading_anchor,
    "short": short,
    "path": lambda text: quote(text, safe=""),
    "markdown": markdown,
    "formulas": with_formulas,
}


def render(template: str, **values: Any) -> str:
    """Return a template of the folder `templates/`, filled in and without control characters."""
    return without_control_characters(_ENVIRONMENT.get_template(template).render(**values))
