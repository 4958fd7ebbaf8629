"""TeX becomes MathML that holds nothing but mathematics, or stays as it was typed."""

from html.parser import HTMLParser

import pytest

from helpers.grader import formulas
from helpers.grader.formulas import (
    ATTRIBUTES,
    ELEMENTS,
    MAX_CHARACTERS,
    MAX_FORMULAS,
    drawn,
    formula,
    is_drawn,
    with_formulas,
)
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


TYPED = [
    r"$T^2$ costs `a$b` $5",
    r"\[a < b\] & \(x\) $$\frac{a}{b}$$ $T^2$",
    r"$\text{<script>alert(1)</script> \" ' &amp;}$",
    r"$\href{javascript:alert(1)}{x}$ $\def\x{y}$ $\frac{1$",
    r"$\begin{matrix} a & b \\ c & d \end{matrix}$ $\sum_{i=1}^n \sqrt[3]{x}$",
    r"$\left(\binom{n}{k}\right) \vec{v} \mathbb{R}$",
]


@pytest.mark.parametrize("text", TYPED)
def test_formulas_that_were_drawn_elsewhere_give_the_same_page(text):
    known = drawn([text])
    assert all(map(is_drawn, known.values()))
    assert with_formulas(text, known) == with_formulas(text)
    assert "<math" not in with_formulas(text, {})


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "x",
        "<math>",
        "<math><script>alert(1)</script></math>",
        '<math onload="x"></math>',
        '<math display="javascript:x"></math>',
        '<math><mi width="1em" style="x">x</mi></math>',
        "<math>&copy;</math>",
        "<math></math></div>",
        "<math></math><math></math>",
        "<math><mi></math>\n",
        '<math><mtext>"</mtext></math>',
    ],
)
def test_what_is_no_formula_is_not_put_in(forged):
    assert not is_drawn(forged)
    assert with_formulas("$x$", {"$x$": forged}) == "$x$"


def test_no_more_is_drawn_than_a_record_takes(monkeypatch):
    assert len(drawn(f"$x_{{{number}}}$" for number in range(MAX_FORMULAS + 50))) == MAX_FORMULAS
    size = len(drawn(["$x$"])["$x$"])
    monkeypatch.setattr(formulas, "MAX_DRAWN_TOGETHER", 2 * size + 1)
    assert list(drawn(["$x$ $y$ $x$ $z$"])) == ["$x$", "$y$"]
