"""The labs' pictures: up to date with the script that draws them, readable on light and on dark pages."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from scripts.draw_figures import FOLDER
from scripts.figures import FIGURES
from tests.conftest import ROOT

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_as_the_script_draws_it(name):
    svg = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert svg == FIGURES[name]().svg(), "run make figures and commit what it changes"
    assert (FOLDER / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.fromstring(svg).find(f"{SVG}title").text


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_stands_on_a_filled_box_that_it_can_be_read_on(name):
    """So it is read whatever the page's colour: 4.5 to 1 is what WCAG asks of text."""
    root = ElementTree.fromstring(FIGURES[name]().svg())
    boxes = [box for box in root.iter(f"{SVG}rect")]
    for text in root.iter(f"{SVG}text"):
        x, y = float(text.get("x")), float(text.get("y")) - 5
        below = [box for box in boxes if holds(box, x, y)]
        assert below, text.text
        light, dark = sorted((luminance(text.get("fill")), luminance(below[-1].get("fill"))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, text.text


def holds(box, x, y):
    left, top = float(box.get("x")), float(box.get("y"))
    return left <= x <= left + float(box.get("width")) and top <= y <= top + float(box.get("height"))


def test_every_picture_is_in_a_lab_or_on_a_page():
    pages = [*(ROOT / "solutions").glob("*/*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    used = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"figures/(\w+)\.(?:svg|png)", used))
    assert named <= set(FIGURES)
