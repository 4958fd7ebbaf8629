"""What `distillab grade` wrote, in a real browser: formgrader takes a person's mark, everybody can read the pages."""

import os
import re
import shutil
import sys

import nbformat
import pytest

from helpers.cli import main
from helpers.grader.course.lab import Lab, load_lab
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.marking.desk import MarkingDesk, NewMark
from helpers.grader.release import instructor_notebook
from helpers.grader.reports.feedback import feedback_page
from helpers.grader.run.publish import default_database
from tests.browser.conftest import free_port, served
from tests.conftest import AVERAGE, DOUBLE, ROOT

HOSTILE = """

<script>window.acted = true</script>
<img src=x onerror="window.acted = true">

[more](javascript:window.acted=true) and $x<y$"""
UNMARKED = "class_report_unmarked.html"  # the class report before a test marks the written answer
ANSWERS = {
    "ada": {"double": DOUBLE, "Average": AVERAGE, "answer_why": "Because it is *twice* as much." + HOSTILE},
    "ben": {"Average": AVERAGE},
}


@pytest.fixture(scope="module")
def graded(course, tmp_path_factory):
    """The output folder of a class of two: one who wrote an answer for a person to read, one who did not."""
    folder, output = tmp_path_factory.mktemp("handed_in"), tmp_path_factory.mktemp("graded")
    for student, sources in ANSWERS.items():
        made = nbformat.read(course / "labs" / "00_mini" / "00_mini.ipynb", as_version=4)
        for cell in made.cells:
            cell.source = sources.get(cell.id, cell.source)
        (folder / student / "00_mini").mkdir(parents=True)
        nbformat.write(made, folder / student / "00_mini" / "00_mini.ipynb")
    assert main(["grade", "--submissions", str(folder), "--output", str(output), "--course", str(course)]) == 0
    shutil.copy(output / "class_report.html", output / UNMARKED)
    return output


@pytest.fixture(scope="module")
def formgrader(graded):
    """The address of JupyterLab, started in the output folder as docs/instructors.md says."""
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ServerApp.ip=127.0.0.1"]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={graded}"]
    with served(command + (["--allow-root"] if os.geteuid() == 0 else []), port, graded, "/api/status") as address:
        yield address


def saved(kind):
    """A condition: the server has stored a grade or a comment."""
    return lambda reply: f"/api/{kind}/" in reply.url and reply.request.method == "PUT" and reply.ok


def test_a_person_marks_in_formgrader_and_the_student_reads_it(formgrader, graded, course, browser):
    page = browser.new_page()  # not open_page: without a network, formgrader's own page misses its MathJax
    page.goto(f"{formgrader}/formgrader")
    page.get_by_role("link", name="Manual Grading").click()
    page.get_by_role("link", name="00_mini").click()  # the lab, then its notebook
    page.wait_for_url("**/gradebook/00_mini")
    page.get_by_role("link", name="00_mini").last.click()
    page.wait_for_function("document.querySelectorAll('table tbody tr').length == 2")
    rows = page.locator("table tbody tr")
    shown = " | ".join(rows.all_inner_texts())
    assert re.search(r"\b7(\.0)? / 9\b", shown) and re.search(r"\b3(\.0)? / 9\b", shown), shown

    rows.filter(has_text=re.compile(r"7(\.0)? / 9")).locator("a").first.click()
    page.get_by_text("Because it is twice as much.").wait_for()
    page.wait_for_function("window.formgrader?.grades?.loaded && window.formgrader?.comments?.loaded")
    assert page.get_by_text("double: right, 4 of 4 points").is_visible(), "the person sees what the judge said"
    assert page.evaluate("window.acted") is None, "a student's script acted with the rights of the person who marks"
    assert page.locator("a", has_text="more").count() == 0 and page.get_by_text("$x< y$").is_visible()
    with page.expect_response(saved("grade")):
        page.locator("input#answer_why").fill("1.5")
        page.locator("input#answer_why").press("Tab")
    with page.expect_response(saved("comment")):
        page.locator("textarea#answer_why-comment").fill("Say twice of *what*.")
        page.locator("textarea#answer_why-comment").press("Tab")
    page.close()

    assert main(["feedback", "--output", str(graded), "--course", str(course)]) == 0
    feedback = browser.new_page()
    feedback.goto((graded / "feedback" / "ada" / "00_mini" / "00_mini.html").as_uri())
    assert feedback.get_by_text("8.5 of 9").is_visible()
    assert feedback.get_by_text("Say twice of *what*.").is_visible()
    assert "ada,ada,,8.5" in (graded / "lms_moodle.csv").read_text()
    feedback.close()


def test_formgrader_shows_what_was_marked_by_question(formgrader, graded, course, browser):
    key, desk = "00_mini/answer_why", MarkingDesk(course, graded, default_database(graded))
    (group,) = desk.groups(key)
    desk.mark(key, NewMark("me", {group["id"]: group["version"]}, points=1.25, note="Twice of <b>what</b>?"))
    desk.close()
    page = browser.new_page()
    page.goto(f"{formgrader}/formgrader/gradebook/00_mini/00_mini")
    page.wait_for_function("document.querySelectorAll('table tbody tr').length == 2")
    page.locator("table tbody tr").filter(has_text=re.compile(r"8\.25 / 9")).locator("a").first.click()
    page.wait_for_function("window.formgrader?.grades?.loaded && window.formgrader?.comments?.loaded")
    assert page.locator("input#answer_why").input_value() == "1.25"
    assert page.locator("textarea#answer_why-comment").input_value() == "Twice of <b>what</b>?"
    page.close()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("page", ["class_report.html", "feedback/ben/00_mini/00_mini.html"])
def test_report_and_feedback_are_accessible_and_fit_a_telephone(graded, open_page, accessible, page, colours):
    shown = open_page((graded / page).as_uri(), width=390, height=800, colours=colours)
    accessible(shown)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_class_report_sorts_and_searches_by_keyboard_and_says_so(graded, open_page, accessible):
    shown = open_page((graded / "class_report.html").as_uri())
    shown.locator("summary", has_text="Every submission").press("Enter")
    rows, status = shown.locator("#table-submissions tbody tr"), shown.locator("#status-submissions")
    heading = shown.get_by_role("button", name="Points")
    heading.press("Enter")
    assert rows.first.locator("th").inner_text() == "ben" and status.inner_text() == "Sorted by Points, ascending."
    heading.press("Enter")
    assert rows.first.locator("th").inner_text() == "ada"
    assert heading.locator("xpath=..").get_attribute("aria-sort") == "descending"
    shown.get_by_label("Search by student, lab or state:").fill("BEN")
    assert rows.filter(visible=True).count() == 1 and status.inner_text() == "1 of 2 rows."
    accessible(shown)


def test_what_is_open_on_the_first_screen_leads_to_its_rows(graded, open_page):
    shown = open_page((graded / UNMARKED).as_uri())
    shown.get_by_role("link", name="1 with answers that are not marked yet").press("Enter")
    rows = shown.locator("#table-submissions tbody tr").filter(visible=True)
    assert rows.count() == 1 and rows.first.locator("th").inner_text() == "ada"
    rows.first.get_by_role("link", name="code").press("Enter")
    shown.get_by_text("def double(values):").wait_for()  # the fragment opens the folded part


def test_without_a_script_every_row_of_the_class_report_can_be_read(graded, open_page):
    shown = open_page((graded / "class_report.html").as_uri(), java_script_enabled=False)
    assert not shown.locator("input[type=search]").first.is_visible()
    shown.locator("summary", has_text="Every submission").press("Enter")
    assert shown.locator("#table-submissions tbody tr").filter(visible=True).count() == 2


def test_feedback_on_a_lab_with_long_names_fits_a_telephone(open_page, tmp_path):
    lab = Lab(ROOT / "solutions" / "01_temperature")
    rows = [
        Row(case.exercise, case.name, 0.0, points, "missing", seen="the exercise is not written yet", about=case.about)
        for exercise in lab.exercises.values()
        for case, points in zip(exercise.cases, exercise.case_points.values(), strict=True)
    ]
    (tmp_path / "page.html").write_text(feedback_page(lab, "ben", Judgement(lab.name, rows)))
    shown = open_page((tmp_path / "page.html").as_uri(), width=390, height=800)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390


def test_feedback_on_a_lab_says_what_to_do(open_page, accessible, picture, tmp_path):
    lab = load_lab(ROOT, "01_temperature", seed=1)
    made = nbformat.read(ROOT / "labs" / lab.name / f"{lab.name}.ipynb", as_version=4)
    solved = {cell.id: cell.source for cell in instructor_notebook(lab).cells}
    for cell in made.cells:
        cell.source = solved.get(cell.id, cell.source)
        if cell.id == "non_top_mass":
            cell.source = "def non_top_mass(probs):\n    return 1 - probs[..., 0]"
    path = tmp_path / "in" / "ada" / lab.name / f"{lab.name}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(made, path)
    arguments = ["--submissions", tmp_path / "in", "--output", tmp_path / "out", "--course", ROOT]
    assert main(["grade", *map(str, arguments)]) == 0
    shown = open_page((tmp_path / "out" / "feedback" / "ada" / lab.name / f"{lab.name}.html").as_uri(), height=1100)
    shown.get_by_text("You leave out the first entry. The largest entry can be anywhere.").first.wait_for()
    accessible(shown)
    picture("feedback", shown)


def test_printed_feedback_shows_the_students_code_on_white(graded, open_page):
    shown = open_page((graded / "feedback" / "ada" / "00_mini" / "00_mini.html").as_uri(), colours="dark")
    code = shown.locator("details pre").first
    assert not code.is_visible()
    shown.emulate_media(media="print", color_scheme="dark")
    assert code.is_visible() and "def double" in code.inner_text()
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
