"""The lecture at a projector's sizes: nothing cut off, large type, notes and timer, stills in a PDF."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from helpers.widgets import Presenter
from helpers.widgets.page import render_page
from scripts.lecture_pdf import write_pdf

SCENES = Presenter().scenes

# How the scene on the stage fits: what lies outside of it, in pixels, and the size of its smallest text, in pixels.
FITS = """() => {
  const [stage, ...others] = document.querySelectorAll("[data-stage]");
  const texts = [...stage.querySelectorAll("th, td, label, button, legend, p, span.dl-label")];
  const shown = texts.filter((node) => node.offsetHeight && node.innerText && !node.matches(".dl-spoken"));
  const headline = document.querySelector(".dl-scene");
  return {
    stages: 1 + others.length,
    cut: Math.max(stage.scrollHeight - stage.clientHeight, stage.scrollWidth - stage.clientWidth),
    page: document.documentElement.scrollWidth - innerWidth,
    overlap: headline.getBoundingClientRect().bottom - stage.getBoundingClientRect().top,
    lines: Math.round(headline.offsetHeight / parseFloat(getComputedStyle(headline).lineHeight)),
    smallest: Math.min(...shown.map((node) => parseFloat(getComputedStyle(node).fontSize))),
  };
}"""
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 150))))"


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("lecture") / "distillab.html"
    file.write_text(render_page(), encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize(("width", "height", "colours"), [(1280, 720, "light"), (1920, 1080, "dark")])
def test_every_scene_fits_and_is_read_from_the_back(open_page, accessible, address, width, height, colours):
    page = open_page(address, width=width, height=height, colours=colours)
    page.keyboard.press("p")
    for number, scene in enumerate(SCENES, start=1):
        expect(page.locator(".dl-scene")).to_have_text(scene["text"])
        expect(page.locator(".dl-count")).to_have_text(f"{number} of {len(SCENES)}")
        page.evaluate(FRAMES)
        found = page.evaluate(FITS)
        assert found["stages"] == 1 and found["cut"] <= 1 and found["page"] <= 0, (scene["text"], found)
        assert found["overlap"] <= 0 and found["lines"] == 1, (scene["text"], found)
        assert found["smallest"] >= height / 45, (
            scene["text"],
            found,
        )  # the fortieth part of a screen is a usual minimum
        if number in (4, 13):
            accessible(page)
        page.keyboard.press("PageDown")
    page.keyboard.press("Home")
    expect(page.locator(".dl-count")).to_have_text(f"1 of {len(SCENES)}")


def test_notes_and_timer_in_the_bar_and_in_a_window(open_page, address):
    page: Page = open_page(address, width=1280, height=720)
    page.clock.install(time=0)
    page.clock.pause_at(60)  # from here on, time passes only as told, however busy the computer is
    page.keyboard.press("p")
    notes = page.locator(".dl-notes")
    expect(notes).to_be_hidden()  # the audience sees none
    page.keyboard.press("m")
    expect(notes.locator(".dl-said")).to_have_text(SCENES[0]["notes"])
    page.clock.run_for(65_000)
    total = sum(scene["minutes"] for scene in SCENES)
    expect(notes.get_by_role("timer")).to_have_text(f"1:05; this scene ends at 3:00, the lecture at {total}:00")
    page.keyboard.press("t")
    page.clock.run_for(60_000)
    expect(notes.get_by_role("timer")).to_contain_text("1:05 (stopped)")
    page.keyboard.press("r")
    expect(notes.get_by_role("timer")).to_contain_text("0:00")
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    screen = opened.value
    expect(screen.locator(".dl-said")).to_have_text(SCENES[0]["notes"])
    screen.keyboard.press("PageDown")  # a clicker works in whichever window has the focus
    expect(screen.locator(".dl-said")).to_have_text(SCENES[1]["notes"])
    expect(screen.locator(".dl-next")).to_have_text(f"Next: {SCENES[2]['text']}")
    expect(page.locator(".dl-scene")).to_have_text(SCENES[1]["text"])


def test_the_pdf_has_a_page_for_each_scene(browser, tmp_path):
    lecture = Presenter(scenes=[SCENES[0], SCENES[11]])
    assert write_pdf(browser, tmp_path / "lecture.pdf", lecture, notes=True) == 2
    content = (tmp_path / "lecture.pdf").read_bytes()
    assert content.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", content)) == 2
    assert len(re.findall(rb"/Subtype\s*/Image\b", content)) >= 2
