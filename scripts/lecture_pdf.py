"""The lecture as a PDF: a still of every scene, on a page of its own; Chromium takes and prints them.

python -m scripts.lecture_pdf [FILE] [--dark] [--notes]          (make lecture-pdf)
"""

from __future__ import annotations

import argparse
import base64
import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.browser import chromium
from helpers.widgets import Presenter
from helpers.widgets.page import render_page

WIDTH, HEIGHT = 1280, 720  # CSS pixels of a still
SHARPNESS = 2  # pixels of the picture for each of these
ROOM_FOR_NOTES = 150

# The bar with its buttons is of no use on paper. Two frames later, plots have their new size.
_HIDE_BAR = ".dl-presenter:not(.dl-headline) { display: none; }"
_SETTLED = (
    "() => new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 250))"
)
_SHEET = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Distillab: the lecture</title><style>
@page {{ size: {width}px {height}px; margin: 0; }}
body {{ margin: 0; font: 22px/1.4 system-ui, sans-serif; }}
section {{ break-after: page; height: {height}px; overflow: hidden; }}
section:last-child {{ break-after: auto; }}
img {{ display: block; width: {width}px; }}
p {{ margin: 16px 24px; }}
</style>{pages}</html>"""


def stills(page: Page, scenes: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    """Yield a PNG of each scene of the lecture in an open page."""
    page.add_style_tag(content=_HIDE_BAR)
    page.keyboard.press("p")
    for _ in scenes:
        page.evaluate(_SETTLED)
        yield page.screenshot()
        page.keyboard.press("PageDown")


def write_pdf(
    browser: Browser, file: Path, presenter: Presenter | None = None, *, dark: bool = False, notes: bool = False
) -> int:
    """Write the lecture to a PDF; return its number of pages.

    Args:
        presenter: the lecture; ours by default.
        dark: whether to take the dark theme.
        notes: whether to print the lecturer's notes below each still.
    """
    presenter = presenter or Presenter()
    scenes = presenter.scenes
    screen = {"width": WIDTH, "height": HEIGHT}
    colours = "dark" if dark else "light"
    context = browser.new_context(viewport=screen, device_scale_factor=SHARPNESS, color_scheme=colours)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "lecture.html"
        source.write_text(render_page(presenter=presenter), encoding="utf-8")
        page = context.new_page()
        page.goto(source.as_uri())
        pages = [_page(scene, picture, notes) for scene, picture in zip(scenes, stills(page, scenes), strict=True)]
    height = HEIGHT + (ROOM_FOR_NOTES if notes else 0)
    sheet = context.new_page()
    sheet.set_content(_SHEET.format(width=WIDTH, height=height, pages="".join(pages)))
    sheet.pdf(path=file, prefer_css_page_size=True, print_background=True, tagged=True)
    context.close()
    return len(pages)


def _page(scene: dict[str, Any], picture: bytes, notes: bool) -> str:
    data = base64.b64encode(picture).decode("ascii")
    said = f"<p>{escape(scene['notes'])}</p>" if notes else ""
    return f'<section><img alt="{escape(scene["text"])}" src="data:image/png;base64,{data}">{said}</section>'


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the PDF."""
    parser = argparse.ArgumentParser(description="Write the lecture as a PDF of stills.")
    parser.add_argument("file", nargs="?", type=Path, default=Path("lecture.pdf"))
    parser.add_argument("--dark", action="store_true", help="take the dark theme")
    parser.add_argument("--notes", action="store_true", help="print the lecturer's notes below each still")
    options = parser.parse_args(arguments)
    with chromium() as browser:
        pages = write_pdf(browser, options.file, dark=options.dark, notes=options.notes)
    print(f"{options.file}: {pages} pages, {options.file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
