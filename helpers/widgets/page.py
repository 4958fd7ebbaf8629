"""The explorers as one HTML file that opens from disk, without a network and without Python.

    python -m helpers.widgets.page [FILE]          (default: distillab.html)

The page contains the explorers' own modules, and in `page.js` a small model that replaces the one Jupyter provides.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from helpers.widgets import DivergenceExplorer, DraftExplorer, Figures, LossExplorer, Presenter, TemperatureExplorer
from helpers.widgets.base import FOLDER, STYLE, Explorer, module_source

EXPLORERS = {
    "temperature": TemperatureExplorer,
    "loss": LossExplorer,
    "divergence": DivergenceExplorer,
    "speculative": DraftExplorer,
}
START_SCRIPT = (FOLDER / "page.js").read_text(encoding="utf-8")


def as_expression(source: str) -> str:
    """Return an ES module without imports as an expression whose value is the module's default export.

    Raises ValueError if the module imports anything or does not end in `export default`.
    """
    body, export, exported = source.rpartition("export default ")
    if not export or "\nimport " in source:
        raise ValueError("the module must import nothing and end in one `export default`")
    return f"(() => {{\n{body}return {exported}\n}})()"


def render_page(explorers: Sequence[tuple[str, Explorer]] | None = None, *, presenter: Presenter | bool = True) -> str:
    """Return the HTML of the page.

    Args:
        explorers: (module name, explorer whose state the page starts from), in order; all by default.
        presenter: the lecture to add, with its figures; True for ours, False for none.
    """
    explorers = explorers or [(name, explorer_class()) for name, explorer_class in EXPLORERS.items()]
    if presenter:
        lecture = presenter if isinstance(presenter, Presenter) else Presenter()
        explorers = [*explorers, ("figures", Figures()), ("presenter", lecture)]
    states = [[name, explorer.state()] for name, explorer in explorers]
    names = sorted({name for name, _ in explorers})
    modules = ",\n".join(f"{json.dumps(name)}: {as_expression(module_source(name))}" for name in names)
    script = f"const modules = {{\n{modules}\n}};\nconst states = {json.dumps(states)};\n{START_SCRIPT}"
    template = (FOLDER / "page.html").read_text(encoding="utf-8")
    # A </script> inside a string would end the script element early.
    return template.replace("/* STYLE */", STYLE).replace("/* SCRIPT */", script.replace("</script", "<\\/script"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page to a file."""
    parser = argparse.ArgumentParser(description="Write the explorers as one HTML file that opens from disk.")
    parser.add_argument("file", nargs="?", type=Path, default=Path("distillab.html"))
    file = parser.parse_args(arguments).file
    file.write_text(render_page(), encoding="utf-8")
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB; open it in a browser, no network is needed")


if __name__ == "__main__":
    main()
