"""Images that follow the page's theme: on a dark page, white paper turns dark and colours keep their hue.

JupyterLab, VS Code and Colab each say in their own way that a page is dark.
"""

from __future__ import annotations

from html import escape

_DARK = ('[data-jp-theme-light="false"]', ".vscode-dark", 'html[theme="dark"]')
_SELECTOR = ",".join(f"{page} img.distillab-figure" for page in _DARK)
_STYLE = f"<style>{_SELECTOR}{{filter:invert(.92) hue-rotate(180deg)}}</style>"


def image(source: str, width: int, alt: str) -> str:
    """Return an HTML image with alt text. `source` is an address or a data URI, `width` is in pixels."""
    return (
        f'{_STYLE}<img class="distillab-figure" src="{source}" width="{width}" style="max-width:100%" '
        f'alt="{escape(alt)}">'
    )
