"""The class report: what it ranks, whom it flags, what it shows, and what it says about odd classes."""

import re
from html.parser import HTMLParser

import pytest

from helpers.grader.intake.roster import Person
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.notes import Note, NoteCode
from helpers.grader.reports.class_list import Attendance
from helpers.grader.reports.class_report import class_report, flagged_submissions
from helpers.grader.reports.class_statistics import ranked_misconceptions
from helpers.grader.reports.marked_work import Mark, MarkedCell
from helpers.grader.reports.marks import ManualMarks
from helpers.grader.reports.pages import heading_anchor
from helpers.grader.reports.similarity import SimilarAnswers
from helpers.grader.reports.teach_again import SHOWN, teach_again


def judged(double=4.0, average=3.0, verdict="wrong", misconception="", **more):
    """A judgement of the small lab in which both exercises have one case each."""
    rows = [
        Row("double", "plain", double, 4.0, "correct" if double == 4 else verdict, misconception=misconception),
        Row("Average", "module", average, 3.0, "correct" if average == 3 else "wrong"),
    ]
    return Judgement("00_mini", rows, **more)


def refusal(lab="00_mini"):
    return Judgement(lab, [Row("", "", 0.0, None, "denied", note="<b>a symbolic link</b>")])


def report(mini, *entries):
    return class_report(entries, {"00_mini": mini}, {"00_mini": "labs/00_mini.html"})


def test_misconceptions_are_ranked_with_share_and_a_link_to_the_section(mini):
    students = [judged(0, 3, misconception="squared"), judged(0, 3, misconception="squared"), judged(), judged()]
    students.append(judged(4, 0))
    students[-1].rows[1].misconception = "summed"
    ranked = ranked_misconceptions(mini, students)
    assert [(item.exercise, item.name, item.count, item.share) for item in ranked] == [
        ("double", "squared", 2, 0.4),
        ("Average", "summed", 1, 0.2),
    ]
    page = report(mini, *((f"s{number}", judgement) for number, judgement in enumerate(students)))
    assert page.index("You square the values.") < page.index("You add the values up.")
    assert "40 % (2)" in page and "20 % (1)" in page
    assert '<a href="labs/00_mini.html#Double-it">Double it</a>' in page
    assert heading_anchor("Why T² <b>?") == "Why-T%C2%B2-%3Cb%3E%3F"


def test_submissions_to_look_at_are_flagged_with_the_reason_and_others_are_not(mini):
    graded = [
        ("crashed", judged(0, 3, "crash")),
        ("denied", judged(0, 3, "denied")),
        ("wrong", judged(0, 0)),
        ("doubtful", judged(notes=[Note.of(NoteCode.CELL_FOUND_BY_DEFINITION, exercise="double")])),
        ("renamed", judged(notes=[Note.of(NoteCode.OTHER_FILE_NAME, name="other.ipynb")])),
        ("refused", refusal()),
    ]
    copied = SimilarAnswers(("wrong", "crashed"), ("double",), 0.95)
    flagged = {item.student: item.reasons for item in flagged_submissions(mini, graded, [copied])}
    assert flagged == {
        "crashed": (
            "double crashed the kernel",
            "nearly the same answers as wrong (95 % of the rare code in double)",
        ),
        "denied": ("double blocked by the sandbox",),
        "doubtful": ("the cell of double had lost its id and was recognised by what it defines",),
        "refused": ("could not be judged – denied: <b>a symbolic link</b>",),
        "wrong": ("nearly the same answers as crashed (95 % of the rare code in double)",),
    }


class _Tags(HTMLParser):
    """Collects what a screen reader is told of pictures, and every tag and address."""

    def __init__(self, page):
        super().__init__()
        self.svgs, self.tags, self.links = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.links += [found[name] for name in ("src", "href") if found.get(name)]
        if tag == "svg":
            self.svgs.append(found)


def test_the_page_is_escaped_self_contained_and_has_a_text_for_every_picture(mini):
    hostile = "<script>alert(1)</script>"
    page = report(mini, (hostile, judged(notes=[Note.of(NoteCode.CELL_REPEATED, cell=hostile)])), ("b", judged(0, 3)))
    tags = _Tags(page)
    assert tags.tags.count("script") == 1 and page.count("&lt;script&gt;") >= 2  # the page's own, which sorts
    assert not [link for link in tags.links if not link.startswith(("#", "labs/", "feedback/"))]
    assert "feedback/%3Cscript%3Ealert%281%29%3C%2Fscript%3E/00_mini/00_mini.html" in tags.links
    assert "http" not in page and "url(" not in page and "@import" not in page
    assert len(tags.svgs) >= 4 and all(svg["role"] == "img" and svg["aria-label"] for svg in tags.svgs)
    # the histogram's text: one at 3 of 7 points (43 %), one at 7 of 7
    assert "40 % to 50 %: 1; 90 % to 100 %: 1" in page


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [("ada", judged())],
        [("ada", refusal()), ("ben", refusal())],
        [("ada", refusal(lab=""))],
    ],
    ids=["nobody", "one", "all refused", "refused before a lab was known"],
)
def test_small_and_refused_classes_have_a_report(mini, entries):
    page = report(mini, *entries)
    assert page.strip().endswith("</html>") and "nan" not in page[: page.index("<script>")].lower()
    for student, judgement in entries:
        assert student in page
        assert ("&lt;b&gt;a symbolic link" in page) == any(not row.exercise for row in judgement.rows)
    text = re.sub(r"<[^>]+>", "", page)
    assert ("nothing to report" in text) == (not entries)


def lines_of(page):
    """The text of each row of the list of submissions, by student."""
    table = re.search(r'<table id="table-submissions".*?</table>', page, re.DOTALL)[0]
    rows = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in re.findall(r"<tr>.*?</tr>", table)]
    return {row.split(" ", 1)[0]: row.split(" ", 1)[1] for row in rows}


def test_every_submission_is_listed_with_what_is_open(mini):
    late = ManualMarks(penalty=1.0, seconds_late=7200.0)
    changed = ManualMarks(scores={"check_double": 3.5})
    waiting = judged(answers={"answer_why": "Because."}, code={"double": "def double(): pass"})
    waiting.rows.append(Row("answer_why", "", None, 2.0, "manual"))
    again = MarkedCell("fay", "00_mini", "double", "digest", 4.0, Mark(3.25, None, None), is_lifted=True)
    graded = [
        ("ada", judged()),
        ("ben", judged()),
        ("cem", judged(0)),
        ("dua", waiting),
        ("eli", refusal()),
        ("fay", judged(0)),
    ]
    marks = {("ben", "00_mini"): late, ("cem", "00_mini"): changed}
    gus, hana, ada = (Person(student, name=name) for student, name in (("gus", "Gus G."), ("hana", ""), ("ada", "")))
    attendance = {"00_mini": Attendance("00_mini", [gus], [hana, ada])}
    page = class_report(graded, {"00_mini": mini}, {}, marks, [again], attendance, {"eli": "Eli E."})
    assert lines_of(page) == {
        "ada": "00_mini 7 of 7 excused",
        "ben": "00_mini 6 of 7 2 h late, 1 point taken off",
        "cem": "00_mini 6.5 of 7 overridden: double",
        "dua": "00_mini 7 of 7 judged, 2 to mark 1 answer not marked yet code",
        "Eli": "E. eli 00_mini 0 of 7 not judged: denied",
        "fay": "00_mini 3 of 7 double to mark again, old mark 3.25 of 4",
        "gus": "00_mini – missing",
        "hana": "00_mini – excused",
    }
    first_screen = page[: page.index("<details")]
    for text in ("<strong>1</strong> late", "<strong>1</strong> missing", "<strong>2</strong> excused"):
        assert text in first_screen
    assert 'href="feedback/dua/00_mini/00_mini.html#code"' in page and "feedback/gus" not in page


def test_what_to_teach_again_comes_first_with_share_example_and_a_student(mini):
    wrong = judged(0, misconception="squared")
    wrong.rows[0].about = "a few values"
    graded = [("ben", wrong), ("ada", wrong), ("cem", judged(4, 0)), ("dua", judged())]
    found = teach_again({"00_mini": mini}, {"00_mini": graded})
    assert [(item.exercise, item.share, item.students) for item in found] == [
        ("double", 0.5, ("ada", "ben")),
        ("Average", 0.25, ("cem",)),
    ]
    assert found[0].text == "You square the values. Multiply each by two." and found[0].read == "Double it"
    values = mini.exercises["double"].examples[0].arguments[0]
    assert found[0].example.mistaken.startswith(str([round(value, 4) for value in (values**2).tolist()]))
    assert found[0].example.expected.startswith(str([round(value, 4) for value in (2 * values).tolist()]))
    assert found[1].text == "Wrong values that no known mistake explains." and found[1].example.mistaken == ""
    page = report(mini, *graded)
    first_screen = page[: page.index("<details")]
    assert first_screen.index("50 %") < first_screen.index("You square the values.") < first_screen.index("25 %")
    assert 'Seen in <a href="feedback/ada/00_mini/00_mini.html">ada</a> and 1 more' in first_screen


def test_validation_alone_is_something_to_teach_and_dropped_cases_are_not(mini):
    missing = judged()
    missing.rows.append(Row("double", "validation_empty", 0.0, 1.0, "wrong", about="no values"))
    dropped = judged()
    dropped.rows.append(Row("double", "one", 0.0, 0.0, "wrong"))
    (found,) = teach_again({"00_mini": mini}, {"00_mini": [("ada", missing), ("ben", dropped)]})
    assert found.text == "Bad input is not rejected, though the values are right, for example with no values."
    assert found.count == 1 and found.example.expected == "a ValueError"


def test_missing_validation_is_one_thing_to_teach_in_a_lab(mini):
    double, average = judged(), judged()
    double.rows.append(Row("double", "validation_empty", 0.0, 1.0, "wrong", about="no values"))
    average.rows.append(Row("Average", "validation_empty", 0.0, 1.0, "wrong", about="no values"))
    graded = [("ada", average), ("ben", double), ("cem", double), ("dua", judged())]
    (found,) = teach_again({"00_mini": mini}, {"00_mini": graded})
    assert (found.exercise, found.share, found.students) == ("double", 0.75, ("ben", "ada", "cem"))


def test_no_more_than_five_mistakes_are_on_the_first_screen(mini):
    graded = []
    for number in range(12):
        graded.append((f"s{number}", judged(0, 0, misconception="squared" if number % 2 else "")))
    labs = {name: mini for name in ("00_mini", "01_a", "02_b")}
    assert len(teach_again(labs, dict.fromkeys(labs, graded))) == SHOWN == 5
