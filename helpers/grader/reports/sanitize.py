"""Sanitize a student's notebook, so that none of its markup acts in the browser of the person who marks it.

Formgrader shows `autograded/` inside the instructor's Jupyter without any cleaning, so a script in a written answer
would run with the instructor's rights. Text stays text: a space after `<` turns every tag that is not listed below into
ordinary text, and `$x<y$` is the same formula as `$x< y$`. Nothing is parsed, because a parser can be misled or kept
busy for hours; the result is tested with the renderer that formgrader uses. Code is not changed.

Ours and not nbconvert's `SanitizeHTML`: that cleans HTML and not markdown, so `[x](javascript:alert(1))` and ten other
hostile texts of the tests still act, while `$x<y$`, autolinks and the labs' own texts are altered.
"""

from __future__ import annotations

import re
from collections.abc import Container

from nbformat import NotebookNode

# What markdown has no syntax for, or people type by habit. No links (markdown has them), no forms, and no div: a stray
# </div> would close formgrader's own boxes.
TAGS = frozenset(
    "abbr b blockquote br caption center cite code dd del details dl dt em figcaption figure font h1 h2 h3 h4 h5 h6 "
    "hr i img ins kbd li mark ol p pre q s samp small span strike strong sub summary sup table tbody td tfoot th thead "
    "tr tt u ul var".split()
)
# Neither class nor id: formgrader finds its buttons and fields by them.
ATTRIBUTES = frozenset(
    "align alt border cellpadding cellspacing color colspan dir face height lang open rowspan scope size start style "
    "title valign width".split()
)
STYLES = "color|background-color|font-style|font-weight|max-width|text-align|text-decoration|vertical-align|width"

_BREAKS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"  # what some program might treat as a line break
_VALUE = rf"""(?>"[^"<{_BREAKS}]*+"|'[^'<{_BREAKS}]*+'|[^\s"'=<>`{_BREAKS}]++)"""
_TAG = re.compile(rf"</?+([A-Za-z][A-Za-z0-9]*+)((?>[ ]++[A-Za-z]++(?>={_VALUE})?+)*+)[ ]*+/?+>")
_ATTRIBUTE = re.compile(rf"([A-Za-z]++)(?>=({_VALUE}))?+")
_STYLE = re.compile(rf"(?:\s*+(?:{STYLES})\s*+:[\w#%., -]++;?+)*+\s*+")
_AUTOLINK = re.compile(r"<(?:https?://|mailto:)[^\s<>]*+>")
_OPENING = re.compile(r"<(?=[A-Za-z/!?])")
# The start of a link's target or definition, long enough to contain the scheme; a target in <> may hold spaces.
_TARGET = re.compile(r"\](?=\(\s*+([^\s)]{0,64}+))|\](?=:\s*+(\S{0,64}+))")
# The start of any picture but one that the text brings along under a plain caption. These others become links, which
# load nothing until they are clicked.
_PICTURE = re.compile(
    r"!\[(?![^\[\]\\`<$]{0,1000}+\]\(\s{0,9}+(?:attachment:|data:image/(?:png|jpeg|gif|webp);base64,))"
)
_IMAGE_DATA = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,", re.IGNORECASE)
_SCHEME = re.compile(r"https?://|mailto:|data:image/(?:png|jpeg|gif|webp);base64,", re.IGNORECASE)

ATTACHMENT = "attachment:"
SAFE_OUTPUTS = ("text/plain", "text/latex", "image/png", "image/jpeg")  # escaped by formgrader


def sanitize_notebook(notebook: NotebookNode) -> NotebookNode:
    """Replace texts and outputs by ones that cannot act in a browser; return the same notebook. Code is not changed."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [sanitize_output(output) for output in cell.outputs]
        else:
            cell.source = sanitize_markdown(cell.source, cell.get("attachments", {}))
    return notebook


def sanitize_markdown(text: str, images: Container[str] = ()) -> str:
    """Return markdown in which only the tags, attributes and addresses listed in this module have an effect.

    Args:
        text: the markdown.
        images: names of the cell's attachments; nbconvert fails on a link to one that is missing.
    """
    text = _OPENING.sub(lambda match: "<" if _is_listed(text, match.start()) else "< ", text)

    def target(match: re.Match[str]) -> str:
        address = match[1] or match[2] or ""
        pasted = address.startswith(ATTACHMENT) and address.removeprefix(ATTACHMENT) in images
        return "]" if pasted or _is_plain_address(address) else "] "

    return _TARGET.sub(target, _PICTURE.sub("! [", text))


def is_safe_html(text: str) -> bool:
    """Return whether HTML holds only the tags, attributes and addresses listed in this module."""
    return all(_is_listed(text, match.start()) for match in _OPENING.finditer(text))


def sanitize_output(output: NotebookNode) -> NotebookNode:
    """Return an output with the formats that cannot act. If none is left, a line of text says what was removed."""
    if output.output_type not in ("display_data", "execute_result"):
        return output
    data = NotebookNode(
        {kind: item for kind, item in output.data.items() if kind in SAFE_OUTPUTS and isinstance(item, str)}
    )
    html, markdown = output.data.get("text/html"), output.data.get("text/markdown")
    if isinstance(html, str) and is_safe_html(html):
        data["text/html"] = html
    if isinstance(markdown, str):
        data["text/markdown"] = sanitize_markdown(markdown)
    if not data and output.data:
        data["text/plain"] = f"[An output that is not shown here: {', '.join(sorted(output.data))[:200]}.]"
    details = {kind: _image_metadata(output.metadata.get(kind)) for kind in SAFE_OUTPUTS if kind in data}
    metadata = NotebookNode({kind: values for kind, values in details.items() if values})
    return NotebookNode(output, data=data, metadata=metadata)


def _image_metadata(details: object) -> NotebookNode:
    """Return an image's size and alternative text. The size must be a number: formgrader does not quote it."""
    details = details if isinstance(details, dict) else {}
    size = {name: details[name] for name in ("width", "height") if isinstance(details.get(name), int)}
    return NotebookNode(size | ({"alt": details["alt"]} if isinstance(details.get("alt"), str) else {}))


def _is_listed(text: str, position: int) -> bool:
    """Return whether an allowed tag or autolink starts at `position`, complete and on one line."""
    tag = _TAG.match(text, position)
    if tag is None:
        return _AUTOLINK.match(text, position) is not None
    attributes = ((match[1].lower(), match[2] or "") for match in _ATTRIBUTE.finditer(tag[2]))
    return tag[1].lower() in TAGS and all(_is_listed_attribute(name, value.strip("\"'")) for name, value in attributes)


def _is_listed_attribute(name: str, value: str) -> bool:
    if name == "src":
        return _IMAGE_DATA.match(value) is not None
    return name in ATTRIBUTES and (name != "style" or _STYLE.fullmatch(value) is not None)


def _is_plain_address(address: str) -> bool:
    """Return whether an address has a harmless scheme, or certainly none: `&` or `\\` could spell one out."""
    return _SCHEME.match(address) is not None or not set(address) & set(":&\\<")
