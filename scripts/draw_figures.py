"""Draw the labs' pictures into docs/figures/: each as SVG, and as the PNG that travels inside the notebooks.

    make figures

All text stands on a filled shape, so the pictures are read on a light and on a dark page alike. The PNG is needed since
Colab shows no SVG in a text cell; Chromium makes it.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from benchmarks.browser import chromium
from scripts.figures import FIGURES
from scripts.figures.drawing import WIDTH

FOLDER = Path(__file__).parents[1] / "docs" / "figures"
SCALE = 1.5  # pixels of the PNG for each unit of the SVG


def main() -> None:
    """Draw all pictures."""
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        page = browser.new_page(device_scale_factor=SCALE)
        for name, draw in FIGURES.items():
            drawing = draw()
            (FOLDER / f"{name}.svg").write_text(drawing.svg(), encoding="utf-8")
            page.set_viewport_size({"width": WIDTH, "height": drawing.height})
            page.set_content(f'<body style="margin:0">{drawing.svg()}</body>')
            picture = Image.open(io.BytesIO(page.screenshot(omit_background=True)))
            few = picture.convert("RGBA").quantize(64, method=Image.Quantize.FASTOCTREE)
            few.save(FOLDER / f"{name}.png", optimize=True)
            print(f"docs/figures/{name}.svg and .png")


if __name__ == "__main__":
    main()
