"""What every picture of the labs is drawn with: boxes, arrows and bars in the labs' colours."""

from __future__ import annotations

from html import escape

WIDTH = 900
# Fill and ink of each part: Okabe and Ito's colours, with the ink that reads best on them.
TEACHER, STUDENT, LOSS, WARN = (
    ("#0072B2", "#ffffff"),
    ("#E69F00", "#000000"),
    ("#009E73", "#000000"),
    ("#D55E00", "#000000"),
)
DATA, NOTE, MUTED = ("#4A4D58", "#ffffff"), ("#2B2D36", "#ffffff"), ("#8A8A94", "#000000")
LINE = "#8A8A94"  # of arrows: visible on white and on black
Colours = tuple[str, str]


class Drawing:
    """An SVG of a fixed width, from boxes, arrows and bars."""

    def __init__(self, height: int, title: str) -> None:
        self.height, self.title, self.parts = height, title, [_MARKER]

    def box(self, x: float, y: float, width: float, lines: str, colours: Colours = DATA, *, height: float = 0) -> None:
        """A filled box with lines of text in its middle."""
        fill, ink = colours
        texts = lines.split("\n")
        height = height or 22 * len(texts) + 14
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}"/>')
        first = y + height / 2 - 11 * (len(texts) - 1) + 5.5
        for place, text in enumerate(texts):
            weight = ' font-weight="600"' if place == 0 else ""
            self.parts.append(
                f'<text x="{x + width / 2}" y="{first + 22 * place}" fill="{ink}"{weight}>{escape(text)}</text>'
            )

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """A line through points, with a head at the end."""
        path = "M" + " L".join(f"{x},{y}" for x, y in points)
        dashes = ' stroke-dasharray="7 5"' if dashed else ""
        self.parts.append(
            f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="2.5"{dashes} marker-end="url(#head)"/>'
        )

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A bar without text."""
        self.parts.append(f'<rect x="{x}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>')

    def svg(self) -> str:
        """Return the whole picture."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
        head += f'height="{self.height}" font-family="system-ui, Segoe UI, Roboto, DejaVu Sans, sans-serif" '
        head += 'font-size="13.5" text-anchor="middle" role="img">'
        return "\n".join([head, f"<title>{escape(self.title)}</title>", *self.parts, "</svg>"]) + "\n"


_MARKER = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    f'orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" fill="{LINE}"/></marker></defs>'
)
