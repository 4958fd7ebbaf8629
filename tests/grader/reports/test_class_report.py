"""The class report: what it ranks, whom it flags, what it shows, and what it says about odd classes."""

import re
from html.parser import HTMLParser

import pytest

from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.notes import Note, NoteCode
from helpers.grader.reports.class_report import class_report, flagged_submissions
from helpers.grader.reports.class_statistics import ranked_misconceptions
from helpers.grader.reports.pages import heading_anchor
from helpers.grader.reports.similarity import SimilarAnswers


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
        "doubtful": ("the cell of double was known by what it defines, not by its id",),
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
    assert "script" not in tags.tags and page.count("&lt;script&gt;") >= 2
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
    assert page.strip().endswith("</html>") and "nan" not in page.lower().replace("nanometre", "")
    for student, judgement in entries:
        assert student in page
        assert ("&lt;b&gt;a symbolic link" in page) == any(not row.exercise for row in judgement.rows)
    text = re.sub(r"<[^>]+>", "", page)
    assert ("nothing to report" in text) == (not entries)
