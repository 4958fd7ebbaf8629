"""TeX becomes MathML that holds nothing but mathematics, or stays as it was typed."""

from html.parser import HTMLParser

import pytest

from helpers.grader.reports.formulas import ATTRIBUTES, ELEMENTS, MAX_CHARACTERS, formula, with_formulas
from helpers.grader.reports.pages import markdown


class _Seen(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.depth = set(), set(), 0
        self.feed(str(page))

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}


def test_each_way_to_write_a_formula_is_drawn_and_the_text_around_it_is_escaped():
    text = r"<b> $T^2$, \(x<y\), \[a+b\] and $$\frac{a}{b}$$"
    page = str(with_formulas(text))
    assert page.startswith("&lt;b&gt; <math") and page.count("<math") == page.count("</math>") == 4
    assert page.count('display="block"') == 2 and "<msup><mi>T</mi><mn>2</mn></msup>" in page
    assert "<mi>x</mi><mo>&lt;</mo><mi>y</mi>" in page and "$" not in page and "\\" not in page


@pytest.mark.parametrize(
    "text", ["It costs $5 and $6.", "`a$b` and `c$d`", "US$5 or $x", r"\$x\$ is escaped", "$ x $", "$x\ny$", "$$$$"]
)
def test_a_dollar_that_starts_no_formula_stays(text):
    assert str(with_formulas(text)) == text


@pytest.mark.parametrize(
    "tex",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\style{background:url(http://example.org)}{x}",
        r"\class{x}{y}",
        r"\text{<script>alert(1)</script>}",
        r"\text{&lt;img src=x onerror=alert(1)&gt;}",
        r"\mathrm{<img src=x>}",
        r"\color{red;background:url(x)}{x}",
        r"\hspace{99999em} x",
        r"\begin{matrix} a & b \\ c & d \end{matrix}",
    ],
)
def test_a_formula_holds_only_listed_elements_and_attributes(tex):
    page = str(with_formulas(f"${tex}$"))
    seen = _Seen(page)
    assert seen.tags <= ELEMENTS and seen.attributes <= ATTRIBUTES and "99999" not in page
    assert "math" in seen.tags and "url(" not in page.replace("&lt;", "<") or "<math" not in page


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac{",
        r"\def\a{\b\b}\def\b{x}\a",
        r"\newcommand{\a}{x}\a",
        "{" * 900,
        r"\sqrt{" * 160,
        "x" * (MAX_CHARACTERS + 1),
    ],
)
def test_a_formula_that_cannot_be_read_stays_as_it_was_typed(tex):
    assert formula(tex) is None
    assert str(with_formulas(f"${tex}$")) == f"${tex}$"


def test_a_question_of_the_course_is_drawn_too():
    page = str(markdown(r"Why $T^2$, and not `$x$`?" + "\n\n$$\\mathrm{KL}(p \\,\\|\\, q)$$\n"))
    assert page.count("<math") == 2 and "<code>$x$</code>" in page
