"""TeX in questions, comments and answers as MathML, which browsers draw without a script or a network.

`latex2mathml` reads the TeX. What it returns is built anew from the elements and attributes listed here, since TeX can
ask for links, classes and styles. A formula that is too long, defines macros or cannot be read stays as it was typed.
What a student typed is drawn in the submission's own process (`drawn`); reports only put in what came of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import unescape
from xml.etree.ElementTree import Element

from markupsafe import Markup, escape

MAX_CHARACTERS = 1_000  # of one formula
MAX_FORMULAS = 200  # of one text, or of all answers of a student
MAX_DRAWN = 50_000  # characters of one drawn formula of a student, for which a thousand suffice
MAX_DRAWN_TOGETHER = 500_000

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
_INSIDE = rf"(?:{'|'.join(sorted(ATTRIBUTES))})=\"(?:{_VALUE.pattern})\""
_MATHML = re.compile(
    rf"<math(?: {_INSIDE})*+>"
    rf"(?:</?(?!math)(?:{'|'.join(sorted(ELEMENTS))})(?: {_INSIDE})*+>|[^<>&\"]++|&(?:amp|lt|gt|#34|#39);)*+"
    "</math>"
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


def is_drawn(text: str) -> bool:
    """Return whether text is what `formula` may return: the listed elements and attributes, with text between them."""
    return _MATHML.fullmatch(text) is not None


def drawn(texts: Iterable[str]) -> dict[str, str]:
    """Return the formulas in what a student wrote, as they stand there with their dollars, and each as MathML."""
    found: dict[str, str] = {}
    left = MAX_DRAWN_TOGETHER
    for match in (match for text in texts for match in _FORMULA.finditer(text)):
        if len(found) == MAX_FORMULAS:
            break
        mathml = None if match[0] in found else _draw(match)
        if mathml is not None and len(mathml) <= min(left, MAX_DRAWN):
            found[match[0]] = str(mathml)
            left -= len(mathml)
    return found


def _draw(match: re.Match[str]) -> Markup | None:
    block = match["block"] or match["bracket"]
    tex = block or match["round"] or match["inline"]
    return formula(tex, display=block is not None) if tex else None


def with_formulas(text: str, known: Mapping[str, str] | None = None) -> Markup:
    """Return plain text as HTML, with the formulas between dollars, `\\(` and `\\)`, or `\\[` and `\\]` as MathML.

    Args:
        text: the text.
        known: what `drawn` has returned, if a student wrote it; nothing else is drawn then.
    """
    parts, end = [], 0
    for count, found in enumerate(_FORMULA.finditer(text)):
        if count == MAX_FORMULAS:
            break
        mathml = _draw(found) if known is None else _known(known, found[0])
        if mathml is not None:
            parts += [escape(text[end : found.start()]), mathml]
            is_block = found["block"] is not None or found["bracket"] is not None
            end = found.end() + (is_block and text[found.end() : found.end() + 1].isspace())
    return Markup().join([*parts, escape(text[end:])])


def _known(known: Mapping[str, str], source: str) -> Markup | None:
    mathml = known.get(source, "")
    return Markup(mathml) if is_drawn(mathml) else None  # noqa: S704
