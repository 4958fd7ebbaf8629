"""The marking page in a real browser: a walk with the keyboard alone, and whether everybody can use it."""

import itertools
import shutil
import subprocess
import sys

import pytest
from nbgrader.api import Gradebook

from helpers.grader.run.publish import default_database
from tests.nine_texts import HOSTILE, KEY, TEXTS, course_with_rubric, grade_class, mark_in_formgrader


@pytest.fixture(scope="module")
def class_of_a_hundred(course, tmp_path_factory):
    folder = tmp_path_factory.mktemp("marking")
    course_with_rubric(course, folder / "course")
    (folder / "graded").mkdir()
    grade_class(folder / "course", folder / "graded")
    return folder


@pytest.fixture
def served(class_of_a_hundred, tmp_path):
    """The page's address and the output folder of a class that nobody has marked yet."""
    output = tmp_path / "graded"
    shutil.copytree(class_of_a_hundred / "graded", output)
    command = [sys.executable, "-m", "helpers.cli", "mark", "--no-browser", "--output", str(output)]
    command += ["--course", str(class_of_a_hundred / "course")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        yield running.stdout.readline().removeprefix("Mark here: ").strip(), output
        running.kill()


class Keyboard:
    """Presses keys on a page, and counts them."""

    def __init__(self, page):
        self.page, self.pressed = page, 0

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed += 1

    def says(self, text):
        self.page.locator("#said").filter(has_text=text).wait_for()


def points(output):
    with Gradebook(default_database(output)) as gradebook:
        marks = [gradebook.find_grade("answer_why", "00_mini", "00_mini", name.id) for name in gradebook.students]
        return [mark.manual_score for mark in marks]


def shown(page, text):
    page.locator("#answer").filter(has_text=text).wait_for()


def test_a_hundred_answers_with_the_keyboard_alone(served, open_page, picture):
    address, output = served
    page = open_page(address)
    keyboard = Keyboard(page)
    requests = []
    page.on("request", lambda request: requests.append(request) if request.url.endswith("/api/mark") else None)
    shown(page, "Because it is twice as much, and doubling")
    assert page.locator("#left").inner_text().startswith("9 groups left (100 answers)")
    assert page.locator("#near .answer ins").all_inner_texts() == [" not"]
    picture("mark", page.locator("body"))
    for left in range(8, -1, -1):
        keyboard.press("1", "2", "Enter")
        page.locator("#left").filter(has_text=f"{left} group{'' if left == 1 else 's'} left").wait_for()
    keyboard.says("All answers are marked")
    assert keyboard.pressed == 27 and len(requests) == 9
    assert points(output) == [2.0] * 100


def test_rubric_comment_bank_undo_and_near_identical_answers(served, open_page):
    address, output = served
    page = open_page(address)
    keyboard = Keyboard(page)
    shown(page, "Because it is twice as much, and doubling")
    keyboard.press("Enter")
    keyboard.says("Choose rubric items or enter points first")
    keyboard.press("1", "3", "c")
    page.keyboard.type("Why 2?")
    keyboard.press("Escape", "x", "Enter")
    keyboard.says("0.5 of 2 for 52 answers")
    shown(page, "Because it is twice as much.")
    keyboard.press("b", "1")
    assert page.locator("#note").input_value() == "Why 2?"
    keyboard.press("m")
    page.keyboard.type("1.25")
    keyboard.press("Enter")
    keyboard.says("1.25 of 2 for 20 answers")
    assert sorted(set(points(output)), key=str) == [0.5, 1.25, None]
    keyboard.press("u")
    keyboard.says("The mark is taken back")
    shown(page, "Because it is twice as much.")
    assert 1.25 not in points(output) and points(output).count(0.5) == 52
    keyboard.press("p")
    shown(page, "and doubling")
    assert page.locator("#given").inner_text() == "Marked: 0.5 points."
    assert [box.is_checked() for box in page.locator("#items input").all()] == [True, False, True]
    keyboard.press("i")
    page.locator("#names").filter(has_text="student000 (0.5)").wait_for()
    keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()


def test_nobodys_markup_acts_and_nobody_is_overwritten(served, open_page):
    address, output = served
    page = open_page(address)
    shown(page, "Because")
    for _ in range(list(TEXTS).index(HOSTILE) - 1):
        page.keyboard.press("n")
    page.get_by_role("button", name="Next (n)").click()
    shown(page, HOSTILE)
    assert page.locator("#answer *").count() == 0 and page.evaluate("window.acted") is None
    assert "student" not in page.content().replace("to the students", "")
    mark_in_formgrader(output, "student096", 1.5, "<img src=x onerror='window.acted = true'>")
    page.keyboard.press("f")
    page.keyboard.press("Enter")
    page.locator("#said").filter(has_text="Someone else has changed this mark").wait_for()
    assert page.locator("#given").inner_text().startswith("Marked differently: 2 not marked, 1 with 1.5.")
    assert 1.5 in points(output) and points(output).count(2.0) == 0
    page.keyboard.press("Enter")
    page.locator("#said").filter(has_text="Saved: 2 of 2 for 3 answers").wait_for()
    assert points(output).count(2.0) == 3 and page.evaluate("window.acted") is None


def test_the_page_is_accessible_and_fits(served, open_page, accessible):
    page = open_page(served[0])
    shown(page, "Because")
    page.keyboard.press("1")
    page.keyboard.press("c")
    page.keyboard.type("See the section “Double it”.")
    page.keyboard.press("Control+Enter")
    page.locator("#said").filter(has_text="Saved").wait_for()
    for width, colours in itertools.product((1200, 390), ("light", "dark")):
        page = open_page(served[0], width=width, colours=colours)
        shown(page, "e")
        for _ in range(int(page.locator("#whose").inner_text().split()[1]) - 1):  # back to the first group
            page.keyboard.press("p")
        shown(page, "and doubling")
        page.locator("#near .answer ins").wait_for()
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("?")
        accessible(page, "dialog")


def test_single_keys_can_be_switched_off(served, open_page):
    page = open_page(f"{served[0]}")
    shown(page, "Because")
    page.keyboard.press("?")
    page.get_by_label("React to single keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    assert not page.locator("#items input").first.is_checked()
    assert KEY in page.locator("#choose").input_value()
