"""Make a student's notebook harmless to look at: no markup of theirs acts in the browser of the person who marks.

Formgrader shows `autograded/` inside the instructor's Jupyter and cleans nothing, so a script in a written answer would
act with the instructor's rights. Text stays text: a space after `<` makes a tag that is not on the list below ordinary
text, wherever it stands, and `$x<y$` is the same maths as `$x< y$`. Nothing is parsed, since a parser can be led astray
or kept busy for hours; what follows from it is tested with the renderer that formgrader uses. Code is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Container

from nbformat import NotebookNode

# What markdown cannot say, or people write by habit. No links (markdown has them), no forms, and no div: a stray </div>
# would end formgrader's own boxes.
TAGS = frozenset(
    "abbr b blockquote br caption center cite code dd del details dl dt em figcaption figure font h1 h2 h3 h4 h5 h6 "
    "hr i img ins kbd li mark ol p pre q s samp small span strike strong sub summary sup table tbody td tfoot th thead "
    "tr tt u ul var".split()
)
# Neither class nor id: formgrader's own buttons and fields are known by theirs.
ATTRIBUTES = frozenset(
    "align alt border cellpadding cellspacing color colspan dir face height lang open rowspan scope size start style "
    "title valign width".split()
)
STYLES = "color|background-color|font-style|font-weight|max-width|text-align|text-decoration|vertical-align|width"

_BREAKS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"  # what any program might take for the end of a line
_VALUE = rf"""(?>"[^"<{_BREAKS}]*+"|'[^'<{_BREAKS}]*+'|[^\s"'=<>`{_BREAKS}]++)"""
_TAG = re.compile(rf"</?+([A-Za-z][A-Za-z0-9]*+)((?>[ ]++[A-Za-z]++(?>={_VALUE})?+)*+)[ ]*+/?+>")
_ATTRIBUTE = re.compile(rf"([A-Za-z]++)(?>=({_VALUE}))?+")
_STYLE = re.compile(rf"(?:\s*+(?:{STYLES})\s*+:[\w#%., -]++;?+)*+\s*+")
_AUTOLINK = re.compile(r"<(?:https?://|mailto:)[^\s<>]*+>")
_OPENING = re.compile(r"<(?=[A-Za-z/!?])")
# A link's target, or a definition of one, as far as its scheme could reach; `<` opens a target that may hold spaces.
_TARGET = re.compile(r"\](?=\(\s*+([^\s)]{0,64}+))|\](?=:\s*+(\S{0,64}+))")
_SCHEME = re.compile(r"https?://|mailto:|data:image/(?:png|jpeg|gif|webp);base64,", re.IGNORECASE)

PASTED = "attachment:"
KEPT = ("text/plain", "text/latex", "image/png", "image/jpeg")  # formgrader escapes them


def make_harmless(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook itself, with texts and outputs that cannot act in a browser; code stays as it is."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [harmless_output(output) for output in cell.outputs]
        else:
            cell.source = harmless_markdown(cell.source, cell.get("attachments", {}))
    return notebook


def harmless_markdown(text: str, images: Container[str] = ()) -> str:
    """Return markdown in which only the tags, attributes and addresses that are listed here mean anything.

    images: names of pasted images that are there; a link to another would stop the page.
    """
    text = _OPENING.sub(lambda found: "<" if _is_listed(text, found.start()) else "< ", text)

    def target(found: re.Match) -> str:
        address = found[1] or found[2] or ""
        pasted = address.startswith(PASTED) and address.removeprefix(PASTED) in images
        return "]" if pasted or _is_plain_address(address) else "] "

    return _TARGET.sub(target, text)


def is_harmless_html(text: str) -> bool:
    """Say whether nothing in a piece of HTML is more than the tags, attributes and addresses that are listed here."""
    return all(_is_listed(text, found.start()) for found in _OPENING.finditer(text))


def harmless_output(output: NotebookNode) -> NotebookNode:
    """Return an output in the kinds that cannot act; where none of them is left, a line of text says what there was."""
    if output.output_type not in ("display_data", "execute_result"):
        return output
    data = NotebookNode({kind: item for kind, item in output.data.items() if kind in KEPT and isinstance(item, str)})
    html, markdown = output.data.get("text/html"), output.data.get("text/markdown")
    if isinstance(html, str) and is_harmless_html(html):
        data["text/html"] = html
    if isinstance(markdown, str):
        data["text/markdown"] = harmless_markdown(markdown)
    if not data and output.data:
        data["text/plain"] = f"[An output that is not shown here: {', '.join(sorted(output.data))[:200]}.]"
    details = {kind: _harmless_metadata(output.metadata.get(kind)) for kind in KEPT if kind in data}
    metadata = NotebookNode({kind: kept for kind, kept in details.items() if kept})
    return NotebookNode(output, data=data, metadata=metadata)


def _harmless_metadata(details: object) -> NotebookNode:
    """Return an image's size and alternative text: formgrader writes the numbers without quotes around them."""
    details = details if isinstance(details, dict) else {}
    kept = {name: details[name] for name in ("width", "height") if isinstance(details.get(name), int)}
    return NotebookNode(kept | ({"alt": details["alt"]} if isinstance(details.get("alt"), str) else {}))


def _is_listed(text: str, place: int) -> bool:
    """Say whether a tag or an address in angle brackets that may stay begins at a place, complete and on one line."""
    tag = _TAG.match(text, place)
    if tag is None:
        return _AUTOLINK.match(text, place) is not None
    attributes = ((found[1].lower(), found[2] or "") for found in _ATTRIBUTE.finditer(tag[2]))
    return tag[1].lower() in TAGS and all(_is_listed_attribute(name, value.strip("\"'")) for name, value in attributes)


def _is_listed_attribute(name: str, value: str) -> bool:
    if name == "src":
        return _is_plain_address(value)
    return name in ATTRIBUTES and (name != "style" or _STYLE.fullmatch(value) is not None)


def _is_plain_address(address: str) -> bool:
    """Say whether an address has a scheme that only shows something, or surely none: `&` or `\\` could spell one."""
    return _SCHEME.match(address) is not None or not set(address) & set(":&\\<")
