"""Write docs/explorer.gif and .png, the README's picture: lab 01's explorer while T is dragged, beside T = 1.

    python -m scripts.readme_picture          (make figures)

The GIF moves; the PNG, its frame with the highest T, is for readers who asked their system for less motion.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from benchmarks.browser import chromium
from helpers.widgets import TemperatureExplorer
from helpers.widgets.page import render_page

DOCS = Path(__file__).parents[1] / "docs"
SIZE = (880, 480)  # CSS pixels, and pixels of the GIF
COLOURS = 40
PROMPT = "She drank a cup of hot"
# Where T is dragged to, as log10(T), and for how many milliseconds each frame stays.
DRAG = [
    0.0,
    0.04,
    0.09,
    0.15,
    0.22,
    0.3,
    0.38,
    0.46,
    0.54,
    0.6,
    0.6,
    0.5,
    0.38,
    0.24,
    0.08,
    -0.1,
    -0.28,
    -0.42,
    -0.5,
    -0.5,
]
FRAME, PAUSE = 90, 1600
FRAMES = "() => new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 200))"

# The picture shows the sentence, the slider and the bars, without the tables and the page around them.
STYLE = """body { padding: 0; } h1, .dl-body > div:last-child, .dl-note { display: none !important; }
.dl-body { grid-template-columns: 1fr !important; } .distillab { border-radius: 0; font-size: 17px; min-height: 480px; }
.distillab .dl-plot { height: 15em; } .dl-controls > :nth-child(n + 2) { display: none !important; }
.dl-controls + .dl-controls > :first-child { flex: 1; } main > div { margin: 0; }"""


def frames(page: Page) -> list[Image.Image]:
    """Return a picture of each step of the drag."""
    page.add_style_tag(content=STYLE)
    slider = page.get_by_label("Temperature T")
    found = []
    for exponent in DRAG:
        slider.evaluate("(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", exponent)
        page.evaluate(FRAMES)
        found.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    return found


def main() -> None:
    """Write both files."""
    explorer = TemperatureExplorer(prompt=PROMPT, top_k=6)
    explorer.pin()
    with chromium() as browser:
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.set_content(render_page([("temperature", explorer)], presenter=False))
        pictures = frames(page)
    # One palette for all frames: a GIF then stores only what changes from frame to frame.
    palette = pictures[0].quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    few = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    stays = [PAUSE if place in (0, len(DRAG) // 2, len(DRAG) - 1) else FRAME for place in range(len(DRAG))]
    few[0].save(DOCS / "explorer.gif", save_all=True, append_images=few[1:], duration=stays, loop=0, optimize=True)
    few[DRAG.index(max(DRAG))].save(DOCS / "explorer.png", optimize=True)
    for name in ("explorer.gif", "explorer.png"):
        print(f"docs/{name}: {(DOCS / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
