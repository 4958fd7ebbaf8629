"""The pages around the labs: those of docs/, the table of labs, the glossary, the reading list, measured figures."""

from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from pathlib import Path

from helpers.setup.launcher import cards
from helpers.widgets.page import EXPLORERS, render_page
from scripts.site.labs import live
from scripts.site.outputs import ROOT
from scripts.site.plots import PLOTS, draw_plots

COPIED = ("instructors", "authoring", "security", "tiers", "lti")  # docs/NAME.md, as they are

_WORD = re.compile(r"^\*\*(.+?)\*\* \((\d\d)\)\. (.+?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"^- ((?:.|\n(?!- |\n))+)", re.MULTILINE)
_SOURCE = re.compile(r"(?P<who>[^\[]+?),? \[(?P<title>[^\]]+)\]\((?P<link>https://[^)]+)\)[,:.]?\s*(?P<note>.*)")


def write_pages(source: Path, labs: list[str]) -> None:
    """Write every page that is not a lab into Sphinx's source folder, filling in the templates that stand there."""
    for name in COPIED:
        shutil.copyfile(ROOT / "docs" / f"{name}.md", source / f"{name}.md")
    shutil.copytree(ROOT / "docs" / "figures", source / "figures", ignore=shutil.ignore_patterns("*.png"))
    for picture in (ROOT / "docs").glob("*.png"):
        shutil.copyfile(picture, source / picture.name)
    shutil.copyfile(ROOT / "CHANGELOG.md", source / "changelog.md")
    fill(source / "index.md", table_of_labs())
    fill(source / "explorers.md", live_explorers())
    fill(source / "reading.md", reading_list(labs))
    (source / "glossary.md").write_text(glossary(), encoding="utf-8")
    (source / "measured.md").write_text(measured(source / "plots"), encoding="utf-8")
    (source / "_extra" / "distillab.html").write_text(render_page(), encoding="utf-8")


def fill(page: Path, content: str) -> None:
    """Put content in the place of `{{ content }}`. Raises ValueError if the page has no such place."""
    before, place, after = page.read_text(encoding="utf-8").partition("{{ content }}")
    if not place:
        raise ValueError(f"{page} has no place {{{{ content }}}}")
    page.write_text(before + content + after, encoding="utf-8")


def table_of_labs() -> str:
    """Return the labs as a table: title, what you write, minutes."""
    rows = ["| lab | you write | minutes |", "| --- | --- | --- |"]
    for card in cards(ROOT / "labs"):
        written = ", ".join(f"`{name}`" for name in card.exercises if name in _functions(card.name))
        rows.append(f"| [{card.title}](labs/{card.name}.ipynb) | {written} | {card.minutes} |")
    return "\n".join(rows)


def _functions(lab: str) -> set[str]:
    """Return the exercises of a lab in which students write code, and not a quiz's letter."""
    cells = json.loads((ROOT / "labs" / lab / f"{lab}.ipynb").read_text(encoding="utf-8"))["cells"]
    written = [cell for cell in cells if cell["metadata"].get("nbgrader", {}).get("solution")]
    return {cell["id"] for cell in written if "NotImplementedError" in "".join(cell["source"])}


def live_explorers() -> str:
    """Return the explorers, each below its heading."""
    parts = []
    for name, kind in EXPLORERS.items():
        explorer = kind()
        place = live(f"{kind.__module__}.{kind.__name__}", explorer.state(), explorer.text())
        parts.append(f"## {name.capitalize()}\n\n{place}")
    return "\n\n".join(parts)


def glossary() -> str:
    """Return docs/glossary.md with each word as a term, which the search finds and a link can name."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    first = text[: _WORD.search(text).start()]  # type: ignore[union-attr]
    terms = [f"{word}\n: {' '.join(said.split())} *(lab {lab})*" for word, lab, said in _WORD.findall(text)]
    return f"{first}\n" + "\n\n".join(terms) + "\n"


def reading_list(labs: list[str]) -> str:
    """Return what the labs name as their sources, merged: each with what which lab says about it."""
    found: dict[str, tuple[str, str]] = {}
    notes: dict[str, list[str]] = defaultdict(list)
    for lab in labs:
        cells = json.loads((ROOT / "labs" / lab / f"{lab}.ipynb").read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        for item in _ITEM.findall(text):
            if match := _SOURCE.fullmatch(" ".join(item.split())):
                link = match["link"]
                found.setdefault(link, (match["who"], match["title"]))
                notes[link].append(f"  - [Lab {lab[:2]}](labs/{lab}.ipynb): {match['note'] or 'named as a source'}")
    lines = []
    for link, (who, title) in sorted(found.items(), key=lambda entry: _by_year(entry[1][0])):
        lines += [f"- {who}, [{title}]({link})", *notes[link]]
    return "\n".join(lines)


def _by_year(who: str) -> tuple[str, str]:
    year = re.search(r"\d{4}", who)
    return (year[0] if year else "9999", who)


def measured(plots: Path) -> str:
    """Return docs/measured.md with a plot wherever a picture says more than a row, and the table below."""
    texts = draw_plots(plots)
    head, table, rest = (ROOT / "docs" / "measured.md").read_text(encoding="utf-8").partition("| measurement |")
    parts = [head]
    for name, (heading, _, _) in PLOTS.items():
        parts.append(f"## {heading}\n\n![{texts[name]}](plots/{name}.svg){{.distillab-figure}}\n\n{texts[name]}\n\n")
    return "".join(parts) + "## Everything in one table\n\n" + table + rest
