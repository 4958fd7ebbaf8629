"""TeX in questions, comments and answers as MathML, which browsers draw without a script or a network.

`latex2mathml` reads the TeX. What it returns is built anew from the elements and attributes listed here, since TeX can
ask for links, classes and styles. A formula that is too long, defines macros or cannot be read stays as it was typed.
"""

from __future__ import annotations

import re
from html import unescape
from xml.etree.ElementTree import Element

from markupsafe import Markup, escape

MAX_CHARACTERS = 1_000  # of one formula
MAX_FORMULAS = 200  # of one text

ELEMENTS = frozenset(
    "math mrow mi mn mo mtext mspace msub msup msubsup munder mover munderover mmultiscripts mfrac msqrt mroot mtable "
    "mtr mtd mstyle mpadded mphantom".split()
)
ATTRIBUTES = frozenset(
    "display displaystyle scriptlevel mathvariant stretchy fence separator form largeop movablelimits symmetric accent "
    "accentunder lspace rspace minsize maxsize width linethickness columnalign".split()
)
_VALUE = re.compile(r"[a-z-]{1,20}|-?\d?(?:\.\d{1,5})?(?:em)?")
_MACRO = re.compile(r"\\(?:def|g?let|x?def|(?:re)?newcommand|newenvironment)(?![A-Za-z])")
# Code is looked for too, so that a $ in it starts no formula.
_FORMULA = re.compile(
    r"(?P<code>(?P<fence>`{1,3})[^`]+(?P=fence))"
    r"|\$\$(?P<block>[^$]+)\$\$"
    r"|\\\[(?P<bracket>(?:[^\\]|\\[^\[\]])+)\\\]"
    r"|\\\((?P<round>(?:[^\\]|\\[^()])+)\\\)"
    r"|(?<![\\$\w])\$(?=[^\s$])(?P<inline>[^$\n]+)(?<=[^\s\\])\$(?![\w$])"
)


def formula(tex: str, display: bool = False) -> Markup | None:
    """Return a formula as MathML; None if it has to stay as it was typed.

    Args:
        tex: the formula, without the dollars around it.
        display: whether it stands on a line of its own.
    """
    if len(tex) > MAX_CHARACTERS or _MACRO.search(tex):
        return None
    from latex2mathml.converter import Converter  # its table of symbols is large, and most pages have no formula

    try:
        element = Converter(display="block" if display else "inline").convert_to_element(tex)
        return Markup(_serialised(element))  # noqa: S704
    except Exception:  # latex2mathml raises many kinds, RecursionError among them; TeX that nobody can read stays TeX
        return None


def _serialised(element: Element) -> str:
    """Return an element as text, with what is not listed left out. Texts come with character references in them."""
    tag = element.tag if element.tag in ELEMENTS else "mrow"
    listed = ((name, value) for name, value in element.attrib.items() if name in ATTRIBUTES and _VALUE.fullmatch(value))
    attributes = "".join(f' {name}="{value}"' for name, value in listed)
    inside = str(escape(unescape(element.text or ""))) + "".join(_serialised(child) for child in element)
    return f"<{tag}{attributes}>{inside}</{tag}>"


def with_formulas(text: str) -> Markup:
    """Return plain text as HTML, with the formulas between dollars, `\\(` and `\\)`, or `\\[` and `\\]` as MathML."""
    parts, end = [], 0
    for count, found in enumerate(_FORMULA.finditer(text)):
        if count == MAX_FORMULAS:
            break
        block = found["block"] or found["bracket"]
        tex = block or found["round"] or found["inline"]
        drawn = formula(tex, display=block is not None) if tex else None
        if drawn is not None:
            parts += [escape(text[end : found.start()]), drawn]
            end = found.end() + (block is not None and text[found.end() : found.end() + 1].isspace())
    return Markup().join([*parts, escape(text[end:])])
